//! Running sums, products and extremes along one dimension.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::ops::{copy, create, gather, join, pointwise, rearrange, shape};
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

/// With y the running products: `sum over j >= k of g[j] * y[j] / x[k]`, without the division, so that zeros are exact and
/// the result can be differentiated again.
fn product_gradient(g: &Tensor, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    ensure!(!x.dtype().is_complex(), not_implemented, "the derivative of cumprod for complex tensors is not implemented");
    if x.ndim() == 0 {
        return Ok(g.clone());
    }
    pointwise::mul(&shifted(y, dim, 1)?, &recurrence(g, &shifted(x, dim, -1)?, dim)?)
}

/// Of each element's line, the product of all other elements.
pub fn products_of_others(x: &Tensor, dim: usize) -> Result<Tensor> {
    let before = |x: &Tensor| shifted(&product_along(x, dim, Some(x.dtype()))?, dim, 1);
    pointwise::mul(&before(x)?, &reversed(x, dim, before)?)
}

/// Moved along a dimension by one place, to the back (1) or to the front (-1), with ones coming in.
fn shifted(input: &Tensor, dim: usize, by: i64) -> Result<Tensor> {
    let n = input.shape()[dim];
    if n == 0 {
        return Ok(input.clone());
    }
    let one = create::ones_like(&shape::slice_range(&input.detached(), dim, 0, 1, 1)?)?;
    if by > 0 {
        join::cat_tensors(&[&one, &shape::slice_range(input, dim, 0, n - 1, 1)?], dim)
    } else {
        join::cat_tensors(&[&shape::slice_range(input, dim, 1, n - 1, 1)?, &one], dim)
    }
}

/// `r[k] = c[k] + m[k] * r[k + 1]` from the end of each line, in ops that can be differentiated: every pass joins each place
/// with the one twice as far behind it as in the pass before (Hillis and Steele 1986, "Data parallel algorithms").
fn recurrence(c: &Tensor, m: &Tensor, dim: usize) -> Result<Tensor> {
    let n = c.shape()[dim];
    let (mut c, mut m, mut step) = (c.clone(), m.clone(), 1);
    while step < n {
        let front = |t: &Tensor| shape::slice_range(t, dim, 0, n - step, 1);
        let back = |t: &Tensor| shape::slice_range(t, dim, step, n - step, 1);
        let rest = |t: &Tensor| shape::slice_range(t, dim, n - step, step, 1);
        let joined = pointwise::add(&front(&c)?, &pointwise::mul(&front(&m)?, &back(&c)?)?)?;
        c = join::cat_tensors(&[&joined, &rest(&c)?], dim)?;
        m = join::cat_tensors(&[&pointwise::mul(&front(&m)?, &back(&m)?)?, &rest(&m)?], dim)?;
        step *= 2;
    }
    Ok(c)
}

fn log_sum_exp_along(input: &Tensor, dim: usize) -> Result<Tensor> {
    let out = run(Scan::LogSumExp, input, dim, input.dtype())?;
    if tracks(&[input]) {
        record("LogcumsumexpBackward0", &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(log_sum_exp_gradient(g, &context.saved(0)?, &context.saved(1)?, dim)?)])
        })?;
    }
    Ok(out)
}

/// `sum over j >= k of g[j] * exp(x[k] - y[j])`. No exponent is positive, since y does not fall along a line.
fn log_sum_exp_gradient(g: &Tensor, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    let share = |from: &Tensor, to: &Tensor| pointwise::unary("exp", &pointwise::sub(from, to)?);
    if x.ndim() == 0 {
        return pointwise::mul(g, &share(x, y)?);
    }
    let next = shape::slice_range(y, dim, 1, (y.shape()[dim] - 1).max(0), 1)?;
    let here = shape::slice_range(y, dim, 0, next.shape()[dim], 1)?;
    let end = shape::slice_range(y, dim, next.shape()[dim], y.shape()[dim] - next.shape()[dim], 1)?;
    let falls = join::cat_tensors(&[&share(&here, &next)?, &create::ones_like(&end.detached())?], dim)?;
    pointwise::mul(&share(x, y)?, &recurrence(g, &falls, dim)?)
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
