//! Reductions: fewer elements, by sums, extrema and the like.
use crate::array::Array;
use crate::autograd::{record, tracks};
use crate::ops::shape;
use crate::tensor::Tensor;
use rustorch_base::{Dims, Result};
use rustorch_kernels::{Number, Operand, cpu};
use smallvec::smallvec;

/// Sums what broadcasting repeated: from a shape that `shape` broadcasts to, back to `shape`.
pub fn sum_to(input: &Tensor, target: &[i64]) -> Result<Tensor> {
    if input.shape() == target {
        return Ok(input.clone());
    }
    let sum = Array::empty(target, input.dtype(), input.device())?;
    cpu::fill::fill(target, sum.operand(), Number::Int(0))?;
    // The sum, walked with the input's shape: a stride of 0 where elements meet.
    let strides = rustorch_base::layout::broadcast_strides(&sum.layout, input.shape());
    let walk = Operand { data: sum.data(), dtype: sum.dtype, strides: &strides };
    cpu::accumulate::accumulate(input.shape(), walk, input.operand())?;
    let out = Tensor::new(sum);
    if tracks(&[input]) {
        let former: Dims = input.shape().into();
        record("SumBackward1", &[input], &[&out], [], move |_, g| {
            Ok(smallvec![g[0].as_ref().map(|g| shape::expand_to(g, &former)).transpose()?])
        })?;
    }
    Ok(out)
}
