//! Choosing elements by conditions: `where`, `clamp`, `masked_fill`; and the ops whose row depends on an argument.
use crate::op::{Number, TensorOrNumber};
use crate::ops::copy;
use crate::ops::pointwise::{self, apply_in};
use crate::ops::promote::Promotion;
use crate::tensor::Tensor;
use rustorch_base::{DType, Result, bail, ensure};

fn t(tensor: &Tensor) -> TensorOrNumber<'_> {
    TensorOrNumber::Tensor(tensor)
}

/// `condition ? a : b`, where the condition takes no part in promotion.
fn choose(condition: &Tensor, a: TensorOrNumber<'_>, b: TensorOrNumber<'_>) -> Result<Tensor> {
    ensure!(
        matches!(condition.dtype(), DType::Bool | DType::UInt8),
        runtime,
        "where expected condition to be a boolean tensor, but got a tensor with dtype {}",
        condition.dtype().scalar_name()
    );
    let mut promotion = Promotion::default();
    promotion.operand(a)?;
    promotion.operand(b)?;
    apply_in(pointwise::row("where_")?, &[t(condition), a, b], promotion.result()?, "WhereBackward0")
}
pub fn where_tensors(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    choose(condition, t(a), t(b))
}

/// The input with one number where the mask is true, in the input's dtype.
pub fn masked_fill_number(input: &Tensor, mask: &Tensor, value: Number) -> Result<Tensor> {
    ensure!(
        mask.dtype() == DType::Bool,
        runtime,
        "masked_fill_ only supports boolean masks, but got mask with dtype {}",
        mask.dtype().name()
    );
    apply_in(pointwise::row("where_")?, &[t(mask), TensorOrNumber::Number(value), t(input)], input.dtype(), "MaskedFillBackward0")
}

fn clamp_between(input: &Tensor, min: Option<TensorOrNumber<'_>>, max: Option<TensorOrNumber<'_>>) -> Result<Tensor> {
    match (min, max) {
        (Some(min), Some(max)) => pointwise::call("clamp", &[t(input), min, max]),
        (Some(min), None) => pointwise::call("clamp_min", &[t(input), min]),
        (None, Some(max)) => pointwise::call("clamp_max", &[t(input), max]),
        (None, None) => bail!(runtime, "torch.clamp: At least one of 'min' or 'max' must not be None"),
    }
}

/// The bounds that `nan_to_num` puts in the place of infinities.
fn extremes(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::Float16 => (half::f16::MIN.to_f64(), half::f16::MAX.to_f64()),
        DType::BFloat16 => (half::bf16::MIN.to_f64(), half::bf16::MAX.to_f64()),
        DType::Float32 | DType::Complex64 => (f32::MIN.into(), f32::MAX.into()),
        _ => (f64::MIN, f64::MAX),
    }
}

crate::ops! {
    /// Elements of `input` where the condition holds, of `other` elsewhere.
    "where(Tensor condition, Number|Tensor input, Number|Tensor other)" [FUNCTION]
    fn where_else(condition: &Tensor, input: TensorOrNumber<'_>, other: TensorOrNumber<'_>) -> Result<Tensor> { choose(condition, input, other) }
    /// Every element held between `min` and `max`.
    "clamp(Tensor input, Scalar? min=None, Scalar? max=None)" [FUNCTION | METHOD | INPLACE]
    fn clamp(input: &Tensor, min: Option<Number>, max: Option<Number>) -> Result<Tensor> {
        clamp_between(input, min.map(TensorOrNumber::Number), max.map(TensorOrNumber::Number))
    }
    /// Every element held between those of `min` and `max`.
    "clamp(Tensor input, Tensor? min=None, Tensor? max=None)" [FUNCTION | METHOD | INPLACE]
    fn clamp_tensors(input: &Tensor, min: Option<&Tensor>, max: Option<&Tensor>) -> Result<Tensor> { clamp_between(input, min.map(t), max.map(t)) }
    /// The input with `value` where the mask is true.
    "masked_fill(Tensor input, Tensor mask, Number|Tensor value)" [FUNCTION | METHOD | INPLACE | NO_OUT]
    fn masked_fill(input: &Tensor, mask: &Tensor, value: TensorOrNumber<'_>) -> Result<Tensor> {
        match value {
            TensorOrNumber::Number(number) => masked_fill_number(input, mask, number),
            TensorOrNumber::Tensor(value) => {
                ensure!(value.ndim() == 0, runtime, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).", value.ndim());
                ensure!(mask.dtype() == DType::Bool, runtime, "masked_fill_ only supports boolean masks, but got mask with dtype {}", mask.dtype().name());
                apply_in(pointwise::row("where_")?, &[t(mask), t(&copy::cast(value, input.dtype())?), t(input)], input.dtype(), "MaskedFillBackward1")
            }
        }
    }
    /// The quotient, rounded towards zero with `rounding_mode="trunc"`, down with `"floor"`.
    "div(Tensor input, Number|Tensor other, *, str? rounding_mode)" [FUNCTION | METHOD | INPLACE]
    fn div_rounded(input: &Tensor, other: TensorOrNumber<'_>, rounding_mode: Option<&str>) -> Result<Tensor> {
        match rounding_mode {
            None => pointwise::call("div", &[t(input), other]),
            Some("trunc") => pointwise::call("div_trunc", &[t(input), other]),
            Some("floor") => pointwise::call("div_floor", &[t(input), other]),
            Some(mode) => bail!(runtime, "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"),
        }
    }
    /// x Phi(x), Phi the normal distribution's; with `approximate="tanh"` by a tanh.
    "gelu(Tensor input, *, str approximate='none')" [NN]
    fn gelu(input: &Tensor, approximate: &str) -> Result<Tensor> {
        match approximate {
            "none" => pointwise::unary("gelu", input),
            "tanh" => pointwise::unary("gelu_tanh", input),
            _ => bail!(runtime, "approximate argument must be either none or tanh."),
        }
    }
    /// `self` to the power `exponent`, element by element.
    "pow(Scalar self, Tensor exponent)" [FUNCTION]
    fn pow_of_number(self_: Number, exponent: &Tensor) -> Result<Tensor> {
        let mut promotion = Promotion::default();
        promotion.number(self_)?;
        promotion.tensor(exponent)?;
        let base = crate::ops::create::scalar(self_, promotion.result()?)?;
        pointwise::call("pow", &[t(&base), t(exponent)])
    }
    /// `input` to the power `exponent`, computed in double precision.
    "float_power(Tensor input, Number|Tensor exponent)" [FUNCTION | METHOD]
    fn float_power(input: &Tensor, exponent: TensorOrNumber<'_>) -> Result<Tensor> {
        let wide = if input.dtype().is_complex() { DType::Complex128 } else { DType::Float64 };
        pointwise::call("pow", &[t(&copy::cast(input, wide)?), exponent])
    }
    /// NaN, positive and negative infinity replaced by numbers.
    "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None)" [FUNCTION | METHOD | INPLACE]
    fn nan_to_num(input: &Tensor, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Result<Tensor> {
        if !input.dtype().is_differentiable() { return copy::clone(input) }
        let (least, greatest) = extremes(input.dtype());
        let number = |x: f64| TensorOrNumber::Number(Number::Float(x));
        pointwise::call("nan_to_num", &[t(input), number(nan.unwrap_or(0.0)), number(posinf.unwrap_or(greatest)), number(neginf.unwrap_or(least))])
    }
    /// Rounded to this many decimals, halves to even.
    "round(Tensor input, *, int decimals)" [FUNCTION | METHOD | INPLACE]
    fn round_to(input: &Tensor, decimals: i64) -> Result<Tensor> {
        ensure!(input.dtype().is_floating_point() || decimals == 0, runtime, "\"round_vml_cpu\" not implemented for '{}'", input.dtype().scalar_name());
        if decimals == 0 { return pointwise::unary("round", input) }
        pointwise::call("round_decimals", &[t(input), TensorOrNumber::Number(Number::Float(10f64.powi(decimals as i32)))])
    }
    /// The dtype that an op on the two would compute in.
    "result_type(Number|Tensor tensor, Number|Tensor other) -> ScalarType" [FUNCTION | NO_OUT]
    fn result_type(tensor: TensorOrNumber<'_>, other: TensorOrNumber<'_>) -> Result<DType> {
        let mut promotion = Promotion::default();
        promotion.operand(tensor)?;
        promotion.operand(other)?;
        promotion.result()
    }
    /// The smallest dtype to which both may be safely converted.
    "promote_types(ScalarType type1, ScalarType type2) -> ScalarType" [FUNCTION | NO_OUT]
    fn promote_types(type1: DType, type2: DType) -> Result<DType> { crate::ops::promote::pair(type1, type2) }
    /// Whether PyTorch's casting rules allow `from_` as the result of an op in `to`.
    "can_cast(ScalarType from_, ScalarType to) -> bool" [FUNCTION | NO_OUT]
    fn can_cast(from_: DType, to: DType) -> Result<bool> { Ok(from_.can_cast_to(to)) }
}
