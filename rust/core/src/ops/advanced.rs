//! Indexing by tensors: `x[rows, columns]`, masks, and writing there.
use crate::ops::index::IndexTensors;
use crate::tensor::Tensor;
use rustorch_base::{Result, bail};

pub fn index_tensors(_input: &Tensor, _tensors: &IndexTensors) -> Result<Tensor> {
    bail!(not_implemented, "indexing by tensors is not implemented")
}
pub fn index_put(_input: &Tensor, _tensors: &IndexTensors, _value: &Tensor, _accumulate: bool) -> Result<()> {
    bail!(not_implemented, "assignment by index tensors is not implemented")
}
