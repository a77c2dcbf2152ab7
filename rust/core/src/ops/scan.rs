//! Running sums, products and extremes along one dimension.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::{copy, create, gather, pointwise, rearrange, select};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dim;
use rustorch_base::{DType, Result, bail, ensure};
use rustorch_kernels::cpu::scan::{self as kernels, Scan};
use smallvec::smallvec;

/// The scan of one array into a fresh one of `dtype`.
fn run(op: Scan, input: &Tensor, dim: usize, dtype: DType) -> Result<Tensor> {
    let array = Array::empty(input.shape(), dtype, input.device())?;
    if array.numel() > 0 && !array.device().is_meta() {
        kernels::scan(op, input.shape(), dim, array.operand(), input.operand())?;
    }
    Ok(Tensor::new(array))
}

/// A scan that runs from the end.
fn reversed(input: &Tensor, dim: usize, forwards: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if input.ndim() == 0 {
        return forwards(input);
    }
    let dims = [dim as i64];
    rearrange::flip(&forwards(&rearrange::flip(input, &dims)?)?, &dims)
}

/// Running sums; integers and bools give int64.
pub fn sum_along(input: &Tensor, dim: usize, dtype: Option<DType>) -> Result<Tensor> {
    let out = run(Scan::Sum, input, dim, dtype.unwrap_or_else(|| input.dtype().sum_dtype()))?;
    if tracks(&[input]) {
        let from = input.dtype();
        record("CumsumBackward0", &[input], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(copy::cast(&reversed(g, dim, |g| sum_along(g, dim, None))?, from)?)])
        })?;
    }
    Ok(out)
}

fn product_along(input: &Tensor, dim: usize, dtype: Option<DType>) -> Result<Tensor> {
    let input = &copy::cast(input, dtype.unwrap_or_else(|| input.dtype().sum_dtype()))?;
    let out = run(Scan::Product, input, dim, input.dtype())?;
    if tracks(&[input]) {
        record("CumprodBackward0", &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(product_gradient(g, &context.saved(0)?, &context.saved(1)?, dim)?)])
        })?;
    }
    Ok(out)
}

/// Before the first zero of a line the quotient of the later products; at it the products without it; behind it nothing.
fn product_gradient(g: &Tensor, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    ensure!(!x.dtype().is_complex(), not_implemented, "the derivative of cumprod for complex tensors is not implemented");
    let later = |products: &Tensor| reversed(&pointwise::mul(g, products)?, dim, |t| sum_along(t, dim, None));
    let is = |t: &Tensor, n: i64| pointwise::call("eq", &[TensorOrNumber::Tensor(t), TensorOrNumber::Number(Number::Int(n))]);
    let zero = is(x, 0)?;
    let zeros_so_far = sum_along(&zero, dim, None)?;
    let first = pointwise::call("logical_and", &[TensorOrNumber::Tensor(&zero), TensorOrNumber::Tensor(&is(&zeros_so_far, 1)?)])?;
    let quotient = pointwise::div(&later(y)?, &select::masked_fill_number(x, &zero, Number::Int(1))?)?;
    let without_first = product_along(&select::masked_fill_number(x, &first, Number::Int(1))?, dim, None)?;
    let at_first = select::where_tensors(&first, &later(&without_first)?, &create::zeros_like_tensor(x)?)?;
    select::where_tensors(&is(&zeros_so_far, 0)?, &quotient, &at_first)
}

fn log_sum_exp_along(input: &Tensor, dim: usize) -> Result<Tensor> {
    let out = run(Scan::LogSumExp, input, dim, input.dtype())?;
    if tracks(&[input]) {
        record("LogcumsumexpBackward0", &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let (x, y) = (context.saved(0)?, context.saved(1)?);
            let falling = log_sum_exp_share(&pointwise::unary("neg", g)?, &x, &y, dim)?;
            Ok(smallvec![Some(pointwise::sub(&log_sum_exp_share(g, &x, &y, dim)?, &falling)?)])
        })?;
    }
    Ok(out)
}

/// What the positive part of `g` gives: in logarithms, so that `exp(x - y)` neither overflows nor vanishes.
fn log_sum_exp_share(g: &Tensor, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    let absent = pointwise::call("le", &[TensorOrNumber::Tensor(g), TensorOrNumber::Number(Number::Int(0))])?;
    let positive = select::masked_fill_number(g, &absent, Number::Int(1))?;
    let logarithm = select::masked_fill_number(&pointwise::unary("log", &positive)?, &absent, Number::Float(f64::NEG_INFINITY))?;
    let later = reversed(&pointwise::sub(&logarithm, y)?, dim, |t| log_sum_exp_along(t, dim))?;
    pointwise::unary("exp", &pointwise::add(&later, x)?)
}

/// The extremes so far and where they are.
fn extreme_along(input: &Tensor, dim: i64, greater: bool) -> Result<(Tensor, Tensor)> {
    let dim = wrap_dim(dim, input.ndim())?;
    let values = Array::empty(input.shape(), input.dtype(), input.device())?;
    let indices = Array::empty(input.shape(), DType::Int64, input.device())?;
    if values.numel() > 0 && !values.device().is_meta() {
        kernels::scan_extreme(greater, input.shape(), dim, values.operand(), indices.operand(), input.operand())?;
    }
    let (values, indices) = (Tensor::new(values), Tensor::new(indices));
    if tracks(&[input]) {
        let name = if greater { "CummaxBackward0" } else { "CumminBackward0" };
        record(name, &[input], &[&values, &indices], [Saved::input(&indices)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let zeros = create::zeros_like_tensor(&g.detached())?;
            Ok(smallvec![Some(gather::scatter_add(&zeros, dim as i64, &context.saved(0)?, g)?)])
        })?;
    }
    Ok((values, indices))
}

crate::ops! {
    /// The running sum along a dimension.
    "cumsum(Tensor input, int dim, *, ScalarType? dtype=None)" [FUNCTION | METHOD | INPLACE]
    fn cumsum(input: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> { sum_along(input, wrap_dim(dim, input.ndim())?, dtype) }
    /// The running product along a dimension.
    "cumprod(Tensor input, int dim, *, ScalarType? dtype=None)" [FUNCTION | METHOD | INPLACE]
    fn cumprod(input: &Tensor, dim: i64, dtype: Option<DType>) -> Result<Tensor> { product_along(input, wrap_dim(dim, input.ndim())?, dtype) }
    /// The logarithm of the running sum of exponentials along a dimension.
    "logcumsumexp(Tensor input, int dim)" [FUNCTION | METHOD]
    fn logcumsumexp(input: &Tensor, dim: i64) -> Result<Tensor> {
        if !input.dtype().is_floating_point() {
            bail!(not_implemented, "\"logcumsumexp_out_cpu\" not implemented for '{}'", input.dtype().scalar_name())
        }
        log_sum_exp_along(input, wrap_dim(dim, input.ndim())?)
    }
    /// The greatest elements so far along a dimension, and their indices.
    "cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn cummax(input: &Tensor, dim: i64) -> Result<(Tensor, Tensor)> { extreme_along(input, dim, true) }
    /// The smallest elements so far along a dimension, and their indices.
    "cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn cummin(input: &Tensor, dim: i64) -> Result<(Tensor, Tensor)> { extreme_along(input, dim, false) }
}
