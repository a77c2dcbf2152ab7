//! Elements by index along one dimension.
use crate::tensor::Tensor;
use rustorch_base::{Result, bail};

/// `out[i][j] = input[i][index[i][j]]` along `dim`.
pub fn gather_along(_input: &Tensor, _dim: usize, _index: &Tensor) -> Result<Tensor> {
    bail!(not_implemented, "gather is not implemented")
}
