//! `softmax` and `log_softmax`.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::ops::{copy, pointwise, reduce};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dim;
use rustorch_base::{DType, Result, bail};
use rustorch_kernels::cpu;
use smallvec::smallvec;

/// exp(x) / sum exp(x) along a dimension, or its logarithm.
pub fn softmax_along(input: &Tensor, dim: usize, dtype: Option<DType>, log: bool) -> Result<Tensor> {
    let dtype = dtype.unwrap_or(input.dtype());
    if !dtype.is_floating_point() {
        let name = if log { "log_softmax_lastdim_kernel_impl" } else { "softmax_lastdim_kernel_impl" };
        bail!(not_implemented, "\"{name}\" not implemented for '{}'", dtype.scalar_name())
    }
    let input = &copy::cast(input, dtype)?;
    let array = Array::empty(input.shape(), dtype, input.device())?;
    if !array.device().is_meta() && array.numel() > 0 {
        cpu::softmax::softmax(input.shape(), dim, array.operand(), input.operand(), log)?;
    }
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let name = if log { "LogSoftmaxBackward0" } else { "SoftmaxBackward0" };
        record(name, &[input], &[&out], [Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(gradient(g, &context.saved(0)?, dim, log)?)])
        })?;
    }
    Ok(out)
}

/// From the gradient of the result and the result: in one pass, or in differentiable steps where those are asked for.
pub fn gradient(g: &Tensor, result: &Tensor, dim: usize, log: bool) -> Result<Tensor> {
    if tracks(&[g, result]) {
        let axes: &[usize] = if g.ndim() == 0 { &[] } else { &[dim] };
        let total = |t: &Tensor| reduce::sum_over(t, axes, true, None, "SumBackward1");
        if log {
            return pointwise::sub(g, &pointwise::mul(&pointwise::unary("exp", result)?, &total(g)?)?);
        }
        let weighted = pointwise::mul(g, result)?;
        return pointwise::sub(&weighted, &pointwise::mul(result, &total(&weighted)?)?);
    }
    let array = Array::empty(result.shape(), result.dtype(), result.device())?;
    if array.numel() > 0 {
        let g = copy::cast(g, result.dtype())?;
        cpu::softmax::softmax_backward(result.shape(), dim, array.operand(), g.operand(), result.operand(), log)?;
    }
    Ok(Tensor::new(array))
}

crate::ops! {
    /// Exponentials along a dimension, divided by their sum.
    "softmax(Tensor input, int dim, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn softmax(input: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> { softmax_along(input, wrap_dim(dim, input.ndim())?, dtype, false) }
    /// The logarithm of `softmax`, computed without underflow.
    "log_softmax(Tensor input, int dim, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn log_softmax(input: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> { softmax_along(input, wrap_dim(dim, input.ndim())?, dtype, true) }
}
