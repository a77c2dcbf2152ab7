//! Reductions: fewer elements, by sums, extremes, moments and norms.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::{copy, default, pointwise, select, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dims;
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu::reduce::{Reduce, moments, reduce};
use smallvec::{SmallVec, smallvec};

/// Wrapped, sorted, without repeats.
type Axes = SmallVec<[usize; 5]>;

/// The dimensions a call names; none named means all.
pub(super) fn axes(dim: Option<&[i64]>, ndim: usize) -> Result<Axes> {
    match dim {
        Some(dims) if !dims.is_empty() => {
            let mut axes = wrap_dims(dims, ndim)?;
            axes.retain(|axis| *axis < ndim); // a 0-d tensor accepts dimension 0
            axes.sort_unstable();
            Ok(axes)
        }
        _ => Ok((0..ndim).collect()),
    }
}

/// The result's shape with reduced sizes one, and with them gone.
fn kept_shape(input: &Tensor, axes: &[usize]) -> Dims {
    input.shape().iter().enumerate().map(|(d, &size)| if axes.contains(&d) { 1 } else { size }).collect()
}
fn final_layout(kept: &[i64], axes: &[usize], keepdim: bool) -> Layout {
    if keepdim {
        return Layout::contiguous(kept);
    }
    let shape: Dims = kept.iter().enumerate().filter(|(d, _)| !axes.contains(d)).map(|(_, &size)| size).collect();
    Layout::contiguous(&shape)
}

/// The reduction of one array into a fresh one.
pub(super) fn run(op: Reduce, input: &Tensor, axes: &[usize], keepdim: bool, dtype: DType) -> Result<Tensor> {
    let kept = kept_shape(input, axes);
    let out = Array::empty(&kept, dtype, input.device())?;
    if !out.device().is_meta() {
        reduce(op, input.shape(), axes, out.operand(), input.operand())?;
    }
    Ok(Tensor::new(out.relaid(final_layout(&kept, axes, keepdim))))
}

/// A reduced tensor with its dimensions back, as size one.
pub(super) fn restore(reduced: &Tensor, axes: &[usize], keepdim: bool) -> Result<Tensor> {
    if keepdim {
        return Ok(reduced.clone());
    }
    let mut shape: Dims = reduced.shape().into();
    for &axis in axes {
        shape.insert(axis, 1);
    }
    shape::reshape_to(reduced, &shape)
}

fn count(input: &Tensor, axes: &[usize]) -> i64 {
    axes.iter().map(|&axis| input.shape()[axis]).product()
}

/// Sums over dimensions; the gradient is spread back.
pub fn sum_over(input: &Tensor, axes: &[usize], keepdim: bool, dtype: Option<DType>, name: &'static str) -> Result<Tensor> {
    let dtype = dtype.unwrap_or_else(|| input.dtype().sum_dtype());
    let out = run(Reduce::Sum, input, axes, keepdim, dtype)?;
    if tracks(&[input]) {
        let (axes, shape, from): (Axes, Dims, _) = (axes.into(), input.shape().into(), input.dtype());
        record(name, &[input], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let spread = shape::expand_to(&restore(g, &axes, keepdim)?, &shape)?;
            Ok(smallvec![Some(copy::cast(&spread, from)?)])
        })?;
    }
    Ok(out)
}

/// Sums what broadcasting repeated: from a shape that `target` broadcasts to, back to `target`.
pub fn sum_to(input: &Tensor, target: &[i64]) -> Result<Tensor> {
    if input.shape() == target {
        return Ok(input.clone());
    }
    let extra = input.ndim() - target.len();
    let axes: Axes = (0..input.ndim()).filter(|&d| d < extra || (target[d - extra] == 1 && input.shape()[d] != 1)).collect();
    let summed = sum_over(input, &axes, true, None, "SumBackward1")?;
    shape::reshape_to(&summed, target)
}

/// The mean; integers are refused, as they have none of their own dtype.
pub fn mean_over(input: &Tensor, axes: &[usize], keepdim: bool, dtype: Option<DType>, name: &'static str) -> Result<Tensor> {
    let result = dtype.unwrap_or(input.dtype());
    if !result.is_differentiable() {
        match dtype {
            Some(dtype) => bail!(
                runtime,
                "mean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. Got: {}",
                dtype.scalar_name()
            ),
            None => bail!(
                runtime,
                "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: {}",
                result.scalar_name()
            ),
        }
    }
    let out = run(Reduce::Mean, input, axes, keepdim, result)?;
    if tracks(&[input]) {
        let (axes, shape, from): (Axes, Dims, _) = (axes.into(), input.shape().into(), input.dtype());
        let count = count(input, &axes);
        record(name, &[input], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let share = pointwise::call("div", &[TensorOrNumber::Tensor(g), TensorOrNumber::Number(Number::Int(count))])?;
            let spread = shape::expand_to(&restore(&share, &axes, keepdim)?, &shape)?;
            Ok(smallvec![Some(copy::cast(&spread, from)?)])
        })?;
    }
    Ok(out)
}

/// A tensor as an operand of a row.
fn t(tensor: &Tensor) -> TensorOrNumber<'_> {
    TensorOrNumber::Tensor(tensor)
}
fn n(number: f64) -> TensorOrNumber<'static> {
    TensorOrNumber::Number(Number::Float(number))
}

/// The product. Its gradient is `product / element`, except around zeros, where it is the product of the others.
fn prod_over(input: &Tensor, axes: &[usize], keepdim: bool, dtype: Option<DType>, name: &'static str) -> Result<Tensor> {
    let dtype = dtype.unwrap_or_else(|| input.dtype().sum_dtype());
    let cast = copy::cast(input, dtype)?;
    let out = run(Reduce::Prod, &cast, axes, keepdim, dtype)?;
    if tracks(&[&cast]) {
        let axes: Axes = axes.into();
        record(name, &[&cast], &[&out], [Saved::input(&cast)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let x = context.saved(0)?;
            let factor = products_of_others(&x, &axes)?;
            Ok(smallvec![Some(pointwise::mul(&factor, &restore(g, &axes, keepdim)?)?)])
        })?;
    }
    Ok(out)
}

/// For each element, the product of the others that [`prod_over`] multiplies it with: zeros need no division.
fn products_of_others(x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let kept = (0..x.ndim()).filter(|d| !axes.contains(d));
    let order: Dims = kept.chain(axes.iter().copied()).map(|d| d as i64).collect();
    let mut back: Dims = smallvec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| back[from as usize] = to as i64);
    let moved = shape::permute(x, &order)?;
    let mut lines: Dims = moved.shape()[..x.ndim() - axes.len()].into();
    lines.push(axes.iter().map(|&d| x.shape()[d]).product());
    let last = lines.len() - 1;
    let others = super::scan::products_of_others(&shape::reshape_to(&moved, &lines)?, last)?;
    shape::permute(&shape::reshape_to(&others, moved.shape())?, &back)
}

/// An extreme over dimensions; ties share the gradient.
fn extreme(input: &Tensor, axes: &[usize], keepdim: bool, greatest: bool, name: &'static str) -> Result<Tensor> {
    let (op, function) = if greatest { (Reduce::Amax, "amax") } else { (Reduce::Amin, "amin") };
    for &axis in axes {
        ensure!(input.shape()[axis] != 0, index, "{function}(): Expected reduction dim {axis} to have non-zero size.");
    }
    let out = run(op, input, axes, keepdim, input.dtype())?;
    if tracks(&[input]) {
        let axes: Axes = axes.into();
        record(name, &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let (x, y) = (context.saved(0)?, restore(&context.saved(1)?, &axes, keepdim)?);
            let reached = copy::cast(&pointwise::call("eq", &[t(&x), t(&y)])?, x.dtype())?;
            let share = pointwise::div(&reached, &sum_over(&reached, &axes, true, None, "SumBackward1")?)?;
            Ok(smallvec![Some(pointwise::mul(&share, &restore(g, &axes, keepdim)?)?)])
        })?;
    }
    Ok(out)
}

fn check_moment(input: &Tensor, name: &str) -> Result<()> {
    ensure!(
        input.dtype().is_differentiable(),
        runtime,
        "{name}: only supports tensors with floating point or complex dtypes, got {}",
        input.dtype().scalar_name()
    );
    Ok(())
}

/// `factor * g * (x - mean)`, with `factor` 2 / (n - correction).
fn moment_gradient(x: &Tensor, g: &Tensor, axes: &[usize], correction: f64) -> Result<Tensor> {
    let rest = count(x, axes) as f64 - correction;
    let centred = pointwise::sub(x, &mean_over(x, axes, true, None, "MeanBackward1")?)?;
    pointwise::call("mul", &[t(&pointwise::mul(g, &centred)?), n(2.0 / rest)])
}

fn variance(input: &Tensor, axes: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    check_moment(input, "std and var")?;
    let out = run(Reduce::Var(correction), input, axes, keepdim, input.dtype())?;
    if tracks(&[input]) {
        let axes: Axes = axes.into();
        record("VarBackward0", &[input], &[&out], [Saved::input(input)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(moment_gradient(&context.saved(0)?, &restore(g, &axes, keepdim)?, &axes, correction)?)])
        })?;
    }
    Ok(out)
}
fn deviation(input: &Tensor, axes: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    check_moment(input, "std and var")?;
    let out = run(Reduce::Std(correction), input, axes, keepdim, input.dtype())?;
    if tracks(&[input]) {
        let axes: Axes = axes.into();
        record("StdBackward0", &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let std = context.saved(1)?;
            // d std = d var / (2 std); a constant input has no gradient.
            let halved = pointwise::div(g, &pointwise::call("mul", &[t(&std), n(2.0)])?)?;
            let flat = pointwise::call("eq", &[t(&std), n(0.0)])?;
            let share = select::masked_fill_number(&halved, &flat, Number::Float(0.0))?;
            Ok(smallvec![Some(moment_gradient(&context.saved(0)?, &restore(&share, &axes, keepdim)?, &axes, correction)?)])
        })?;
    }
    Ok(out)
}

/// The vector norm of order `p` over dimensions.
pub fn vector_norm(input: &Tensor, p: f64, axes: &[usize], keepdim: bool, dtype: Option<DType>, name: &'static str) -> Result<Tensor> {
    ensure!(
        input.dtype().is_differentiable(),
        runtime,
        "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
        input.dtype().scalar_name()
    );
    let input = &copy::cast(input, dtype.unwrap_or(input.dtype()))?;
    let out = run(Reduce::Norm(p), input, axes, keepdim, input.dtype().to_real())?;
    if tracks(&[input]) {
        let axes: Axes = axes.into();
        record(name, &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let (x, y) = (context.saved(0)?, restore(&context.saved(1)?, &axes, keepdim)?);
            Ok(smallvec![Some(norm_gradient(&x, &y, &restore(g, &axes, keepdim)?, p, &axes)?)])
        })?;
    }
    Ok(out)
}
fn norm_gradient(x: &Tensor, y: &Tensor, g: &Tensor, p: f64, axes: &[usize]) -> Result<Tensor> {
    let flat = pointwise::call("eq", &[t(y), n(0.0)])?;
    let without_zero = |quotient: &Tensor| select::masked_fill_number(quotient, &flat, Number::Float(0.0));
    if p == 0.0 {
        return crate::ops::create::zeros_like_tensor(x);
    }
    if p == 1.0 {
        return pointwise::mul(&pointwise::unary("sgn", x)?, g);
    }
    if p == 2.0 {
        return pointwise::mul(x, &without_zero(&pointwise::div(g, y)?)?);
    }
    let size = pointwise::unary("abs", x)?;
    if p.is_infinite() {
        let reached = copy::cast(&pointwise::call("eq", &[t(&size), t(y)])?, x.dtype())?;
        let share = pointwise::div(&reached, &sum_over(&reached, axes, true, None, "SumBackward1")?)?;
        return pointwise::mul(&pointwise::mul(&pointwise::unary("sgn", x)?, &share)?, g);
    }
    let powered = pointwise::mul(&pointwise::unary("sgn", x)?, &pointwise::call("pow", &[t(&size), n(p - 1.0)])?)?;
    let scale = without_zero(&pointwise::div(g, &pointwise::call("pow", &[t(y), n(p - 1.0)])?)?)?;
    pointwise::mul(&powered, &scale)
}

fn log_sum_exp(input: &Tensor, axes: &[usize], keepdim: bool) -> Result<Tensor> {
    let input = &if input.dtype().is_differentiable() { input.clone() } else { copy::cast(input, default::dtype())? };
    let out = run(Reduce::LogSumExp, input, axes, keepdim, input.dtype())?;
    if tracks(&[input]) {
        let axes: Axes = axes.into();
        record("LogsumexpBackward0", &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let (x, y) = (context.saved(0)?, restore(&context.saved(1)?, &axes, keepdim)?);
            let weights = pointwise::unary("exp", &pointwise::sub(&x, &y)?)?;
            Ok(smallvec![Some(pointwise::mul(&weights, &restore(g, &axes, keepdim)?)?)])
        })?;
    }
    Ok(out)
}

/// `any` and `all`: bool, except that uint8 stays uint8.
fn truth(op: Reduce, input: &Tensor, axes: &[usize], keepdim: bool) -> Result<Tensor> {
    run(op, input, axes, keepdim, if input.dtype() == DType::UInt8 { DType::UInt8 } else { DType::Bool })
}

/// `correction` as the three signatures of var and std give it.
fn correction_of(correction: Option<Number>) -> f64 {
    match correction {
        None => 1.0,
        Some(Number::Int(i)) => i as f64,
        Some(Number::Bool(b)) => f64::from(u8::from(b)),
        Some(Number::Float(x) | Number::Complex(x, _)) => x,
    }
}

fn all_axes(input: &Tensor) -> Axes {
    (0..input.ndim()).collect()
}

/// Mean and variance (or deviation) at once.
fn with_mean(input: &Tensor, dim: Option<&[i64]>, correction: f64, keepdim: bool, root: bool) -> Result<(Tensor, Tensor)> {
    let axes = axes(dim, input.ndim())?;
    if tracks(&[input]) {
        let spread = if root { deviation(input, &axes, correction, keepdim)? } else { variance(input, &axes, correction, keepdim)? };
        return Ok((spread, mean_over(input, &axes, keepdim, None, "MeanBackward1")?));
    }
    check_moment(input, if root { "std_mean" } else { "var_mean" })?;
    let kept = kept_shape(input, &axes);
    let spread = Array::empty(&kept, input.dtype(), input.device())?;
    let mean = Array::empty(&kept, input.dtype(), input.device())?;
    moments(input.shape(), &axes, [Some(spread.operand()), Some(mean.operand())], input.operand(), correction, root)?;
    let layout = final_layout(&kept, &axes, keepdim);
    Ok((Tensor::new(spread.relaid(layout.clone())), Tensor::new(mean.relaid(layout))))
}

/// The norm's order as users write it: a number, "fro" or "nuc".
fn order(p: Option<Number>) -> f64 {
    p.map_or(2.0, |p| correction_of(Some(p)))
}

crate::ops! {
    /// The sum of all elements. Integers and bools give int64.
    "sum(Tensor input, *, ScalarType? dtype=None)" [FUNCTION | METHOD | NO_OUT]
    fn sum(input: &Tensor, dtype: Option<DType>) -> Result<Tensor> { sum_over(input, &all_axes(input), false, dtype, "SumBackward0") }
    /// The sum over the given dimensions, which disappear unless `keepdim`.
    "sum(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn sum_dim(input: &Tensor, dim: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        sum_over(input, &axes(dim, input.ndim())?, keepdim, dtype, "SumBackward1")
    }
    /// The sum with NaN counted as 0.
    "nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn nansum(input: &Tensor, dim: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        let axes = axes(dim, input.ndim())?;
        let nan = pointwise::unary("isnan", input)?;
        sum_over(&select::masked_fill_number(input, &nan, Number::Int(0))?, &axes, keepdim, dtype, "NansumBackward0")
    }
    /// The mean of all elements.
    "mean(Tensor input, *, ScalarType? dtype=None)" [FUNCTION | METHOD | NO_OUT]
    fn mean(input: &Tensor, dtype: Option<DType>) -> Result<Tensor> { mean_over(input, &all_axes(input), false, dtype, "MeanBackward0") }
    /// The mean over the given dimensions.
    "mean(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn mean_dim(input: &Tensor, dim: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        mean_over(input, &axes(dim, input.ndim())?, keepdim, dtype, "MeanBackward1")
    }
    /// The mean with NaN left out.
    "nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn nanmean(input: &Tensor, dim: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        let present = pointwise::unary("logical_not", &pointwise::unary("isnan", input)?)?;
        let count = sum_over(&present, &axes(dim, input.ndim())?, keepdim, None, "SumBackward1")?;
        pointwise::div(&nansum(input, dim, keepdim, dtype)?, &count)
    }
    /// The product of all elements.
    "prod(Tensor input, *, ScalarType? dtype=None)" [FUNCTION | METHOD | NO_OUT]
    fn prod(input: &Tensor, dtype: Option<DType>) -> Result<Tensor> { prod_over(input, &all_axes(input), false, dtype, "ProdBackward0") }
    /// The product over a dimension.
    "prod(Tensor input, int dim, bool keepdim=False, *, ScalarType? dtype=None)" [FUNCTION | METHOD]
    fn prod_dim(input: &Tensor, dim: i64, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        prod_over(input, &axes(Some(&[dim]), input.ndim())?, keepdim, dtype, "ProdBackward1")
    }
    /// The greatest element over the given dimensions; ties share the gradient.
    "amax(Tensor input, int[1] dim=(), bool keepdim=False)" [FUNCTION | METHOD]
    fn amax(input: &Tensor, dim: &[i64], keepdim: bool) -> Result<Tensor> { extreme(input, &axes(Some(dim), input.ndim())?, keepdim, true, "AmaxBackward0") }
    /// The smallest element over the given dimensions; ties share the gradient.
    "amin(Tensor input, int[1] dim=(), bool keepdim=False)" [FUNCTION | METHOD]
    fn amin(input: &Tensor, dim: &[i64], keepdim: bool) -> Result<Tensor> { extreme(input, &axes(Some(dim), input.ndim())?, keepdim, false, "AminBackward0") }
    /// The smallest and the greatest element, over one dimension or all.
    "aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)" [FUNCTION | METHOD]
    fn aminmax(input: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axes = match dim { Some(dim) => axes(Some(&[dim]), input.ndim())?, None => all_axes(input) };
        Ok((extreme(input, &axes, keepdim, false, "AminmaxBackward0")?, extreme(input, &axes, keepdim, true, "AminmaxBackward0")?))
    }
    /// The greatest element.
    "max(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn max(input: &Tensor) -> Result<Tensor> {
        ensure!(input.numel() > 0, runtime, "max(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
        extreme(input, &all_axes(input), false, true, "MaxBackward1")
    }
    /// The smallest element.
    "min(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn min(input: &Tensor) -> Result<Tensor> {
        ensure!(input.numel() > 0, runtime, "min(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
        extreme(input, &all_axes(input), false, false, "MinBackward1")
    }
    /// Whether any element is true.
    "any(Tensor input)" [FUNCTION | METHOD]
    fn any(input: &Tensor) -> Result<Tensor> { truth(Reduce::Any, input, &all_axes(input), false) }
    /// Whether any element is true along the given dimensions.
    "any(Tensor input, int[1]? dim, bool keepdim=False)" [FUNCTION | METHOD]
    fn any_dim(input: &Tensor, dim: Option<&[i64]>, keepdim: bool) -> Result<Tensor> { truth(Reduce::Any, input, &axes(dim, input.ndim())?, keepdim) }
    /// Whether all elements are true.
    "all(Tensor input)" [FUNCTION | METHOD]
    fn all(input: &Tensor) -> Result<Tensor> { truth(Reduce::All, input, &all_axes(input), false) }
    /// Whether all elements are true along the given dimensions.
    "all(Tensor input, int[1]? dim, bool keepdim=False)" [FUNCTION | METHOD]
    fn all_dim(input: &Tensor, dim: Option<&[i64]>, keepdim: bool) -> Result<Tensor> { truth(Reduce::All, input, &axes(dim, input.ndim())?, keepdim) }
    /// How many elements are not zero.
    "count_nonzero(Tensor input, int[1]? dim=None)" [FUNCTION | METHOD | NO_OUT]
    fn count_nonzero(input: &Tensor, dim: Option<&[i64]>) -> Result<Tensor> { run(Reduce::CountNonzero, input, &axes(dim, input.ndim())?, false, DType::Int64) }
    /// The variance of all elements, with Bessel's correction if `unbiased`.
    "var(Tensor input, bool unbiased=True)" [FUNCTION | METHOD | NO_OUT]
    fn var(input: &Tensor, unbiased: bool) -> Result<Tensor> { variance(input, &all_axes(input), f64::from(u8::from(unbiased)), false) }
    /// The variance over the given dimensions, with Bessel's correction if `unbiased`.
    "var(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False)" [FUNCTION | METHOD]
    fn var_dim(input: &Tensor, dim: Option<&[i64]>, unbiased: bool, keepdim: bool) -> Result<Tensor> {
        variance(input, &axes(dim, input.ndim())?, f64::from(u8::from(unbiased)), keepdim)
    }
    /// The variance over the given dimensions; `correction` is subtracted from the count.
    "var(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)" [FUNCTION | METHOD]
    fn var_correction(input: &Tensor, dim: Option<&[i64]>, correction: Option<Number>, keepdim: bool) -> Result<Tensor> {
        variance(input, &axes(dim, input.ndim())?, correction_of(correction), keepdim)
    }
    /// The standard deviation of all elements, with Bessel's correction if `unbiased`.
    "std(Tensor input, bool unbiased=True)" [FUNCTION | METHOD | NO_OUT]
    fn std(input: &Tensor, unbiased: bool) -> Result<Tensor> { deviation(input, &all_axes(input), f64::from(u8::from(unbiased)), false) }
    /// The standard deviation over the given dimensions, with Bessel's correction if `unbiased`.
    "std(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False)" [FUNCTION | METHOD]
    fn std_dim(input: &Tensor, dim: Option<&[i64]>, unbiased: bool, keepdim: bool) -> Result<Tensor> {
        deviation(input, &axes(dim, input.ndim())?, f64::from(u8::from(unbiased)), keepdim)
    }
    /// The standard deviation over the given dimensions; `correction` is subtracted from the count.
    "std(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)" [FUNCTION | METHOD]
    fn std_correction(input: &Tensor, dim: Option<&[i64]>, correction: Option<Number>, keepdim: bool) -> Result<Tensor> {
        deviation(input, &axes(dim, input.ndim())?, correction_of(correction), keepdim)
    }
    /// Variance and mean of all elements.
    "var_mean(Tensor input, bool unbiased=True) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn var_mean(input: &Tensor, unbiased: bool) -> Result<(Tensor, Tensor)> { with_mean(input, None, f64::from(u8::from(unbiased)), false, false) }
    /// Variance and mean over the given dimensions.
    "var_mean(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn var_mean_dim(input: &Tensor, dim: Option<&[i64]>, unbiased: bool, keepdim: bool) -> Result<(Tensor, Tensor)> { with_mean(input, dim, f64::from(u8::from(unbiased)), keepdim, false) }
    /// Variance and mean over the given dimensions.
    "var_mean(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn var_mean_correction(input: &Tensor, dim: Option<&[i64]>, correction: Option<Number>, keepdim: bool) -> Result<(Tensor, Tensor)> { with_mean(input, dim, correction_of(correction), keepdim, false) }
    /// Standard deviation and mean of all elements.
    "std_mean(Tensor input, bool unbiased=True) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn std_mean(input: &Tensor, unbiased: bool) -> Result<(Tensor, Tensor)> { with_mean(input, None, f64::from(u8::from(unbiased)), false, true) }
    /// Standard deviation and mean over the given dimensions.
    "std_mean(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn std_mean_dim(input: &Tensor, dim: Option<&[i64]>, unbiased: bool, keepdim: bool) -> Result<(Tensor, Tensor)> { with_mean(input, dim, f64::from(u8::from(unbiased)), keepdim, true) }
    /// Standard deviation and mean over the given dimensions.
    "std_mean(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn std_mean_correction(input: &Tensor, dim: Option<&[i64]>, correction: Option<Number>, keepdim: bool) -> Result<(Tensor, Tensor)> { with_mean(input, dim, correction_of(correction), keepdim, true) }
    /// The vector norm of order `p` of all elements.
    "norm(Tensor input, Scalar? p=2)" [NN | NO_OUT]
    fn norm_all(input: &Tensor, p: Option<Number>) -> Result<Tensor> { vector_norm(input, order(p), &all_axes(input), false, None, "NormBackward0") }
    /// The vector norm of order `p` over the given dimensions.
    "norm(Tensor input, Scalar? p, int[1] dim, bool keepdim=False, *, ScalarType? dtype=None)" [NN | NO_OUT]
    fn norm_dim(input: &Tensor, p: Option<Number>, dim: &[i64], keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        vector_norm(input, order(p), &axes(Some(dim), input.ndim())?, keepdim, dtype, "NormBackward1")
    }
    /// The vector norm of order `ord` over the given dimensions.
    "linalg_vector_norm(Tensor input, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None)" [NN | NO_OUT]
    fn linalg_vector_norm(input: &Tensor, ord: Number, dim: Option<&[i64]>, keepdim: bool, dtype: Option<DType>) -> Result<Tensor> {
        vector_norm(input, order(Some(ord)), &axes(dim, input.ndim())?, keepdim, dtype, "LinalgVectorNormBackward0")
    }
    /// The logarithm of the sum of exponentials, without overflow.
    "logsumexp(Tensor input, int[1] dim, bool keepdim=False)" [FUNCTION | METHOD]
    fn logsumexp(input: &Tensor, dim: &[i64], keepdim: bool) -> Result<Tensor> { log_sum_exp(input, &axes(Some(dim), input.ndim())?, keepdim) }
}
