//! Whole tensors compared, and questions about one that are answered without its elements.
use crate::op::{Number, TensorOrNumber};
use crate::ops::advanced::is_true;
use crate::ops::{copy, default, pointwise, reduce};
use crate::tensor::Tensor;
use rustorch_base::{Result, ensure};

fn both(name: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    pointwise::call(name, &[TensorOrNumber::Tensor(a), TensorOrNumber::Tensor(b)])
}

/// Where `|input - other| <= atol + rtol * |other|`: equal elements always, infinite differences never.
fn closeness(input: &Tensor, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> {
    ensure!(input.dtype() == other.dtype(), runtime, "{} did not match {}", input.dtype().scalar_name(), other.dtype().scalar_name());
    ensure!(rtol >= 0.0, runtime, "rtol must be greater than or equal to zero, but got {rtol}");
    ensure!(atol >= 0.0, runtime, "atol must be greater than or equal to zero, but got {atol}");
    let (input, other) = (input.detached(), other.detached());
    let mut close = both("eq", &input, &other)?;
    if equal_nan && input.dtype().is_differentiable() {
        let nan = both("logical_and", &pointwise::unary("isnan", &input)?, &pointwise::unary("isnan", &other)?)?;
        close = both("logical_or", &close, &nan)?;
    }
    if rtol == 0.0 && atol == 0.0 {
        return Ok(close);
    }
    // Whole numbers are compared as floats: their difference may leave their range.
    let float = |t: &Tensor| if t.dtype().is_differentiable() { Ok(t.clone()) } else { copy::cast(t, default::dtype()) };
    let (input, other) = (float(&input)?, float(&other)?);
    let allowed = pointwise::unary("abs", &pointwise::scale(&other, rtol)?)?;
    let allowed = pointwise::call(
        "add",
        &[TensorOrNumber::Tensor(&allowed), TensorOrNumber::Number(Number::Float(atol)), TensorOrNumber::Number(Number::Int(1))],
    )?;
    let error = pointwise::unary("abs", &pointwise::sub(&input, &other)?)?;
    let near = both("logical_and", &pointwise::unary("isfinite", &error)?, &both("le", &error, &allowed)?)?;
    both("logical_or", &close, &near)
}

/// Whether every element is true.
fn all_true(tensor: &Tensor) -> Result<bool> {
    Ok(is_true(reduce::all(tensor)?.item()?))
}

crate::ops! {
    /// Whether each element is within `atol + rtol * |other|` of the other's.
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)" [FUNCTION | METHOD | NO_OUT]
    fn isclose(input: &Tensor, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<Tensor> { closeness(input, other, rtol, atol, equal_nan) }
    /// Whether all elements are within `atol + rtol * |other|` of the other's.
    "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn allclose(input: &Tensor, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Result<bool> {
        all_true(&closeness(input, other, rtol, atol, equal_nan)?)
    }
    /// Whether two tensors have one shape and equal elements; NaN equals nothing.
    "equal(Tensor input, Tensor other) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn equal(input: &Tensor, other: &Tensor) -> Result<bool> {
        if input.shape() != other.shape() { return Ok(false) }
        all_true(&both("eq", &input.detached(), &other.detached())?)
    }
    /// Whether two tensors have one shape.
    "is_same_size(Tensor input, Tensor other) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn is_same_size(input: &Tensor, other: &Tensor) -> Result<bool> { Ok(input.shape() == other.shape()) }
    /// Whether the dtype is one of real floats.
    "is_floating_point(Tensor input) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn is_floating_point(input: &Tensor) -> Result<bool> { Ok(input.dtype().is_floating_point()) }
    /// Whether the dtype is complex.
    "is_complex(Tensor input) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn is_complex(input: &Tensor) -> Result<bool> { Ok(input.dtype().is_complex()) }
    /// Whether the dtype has negative values.
    "is_signed(Tensor input) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn is_signed(input: &Tensor) -> Result<bool> { Ok(input.dtype().is_signed()) }
    /// Whether the only element is not zero.
    "is_nonzero(Tensor input) -> bool" [FUNCTION | METHOD | NO_OUT]
    fn is_nonzero(input: &Tensor) -> Result<bool> {
        ensure!(input.numel() != 0, runtime, "Boolean value of Tensor with no values is ambiguous");
        ensure!(input.numel() == 1, runtime, "Boolean value of Tensor with more than one value is ambiguous");
        Ok(is_true(input.item()?))
    }
    /// The number of elements.
    "numel(Tensor input) -> int" [FUNCTION | NO_OUT]
    fn numel(input: &Tensor) -> Result<i64> { Ok(input.numel()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::create::scalar;
    use rustorch_base::DType;

    fn number(x: f64) -> Tensor {
        scalar(Number::Float(x), DType::Float64).expect("a scalar")
    }
    #[test]
    fn closeness_has_a_relative_and_an_absolute_part() {
        let close = |a, b, rtol, atol| allclose(&number(a), &number(b), rtol, atol, false).expect("comparable");
        assert!(close(1.0, 1.1, 0.1, 0.0) && !close(1.0, 1.2, 0.1, 0.0));
        assert!(close(0.0, 0.1, 0.0, 0.1) && !close(0.0, 0.2, 0.0, 0.1));
        assert!(close(f64::INFINITY, f64::INFINITY, 0.0, 0.0) && !close(f64::INFINITY, 1.0, 1.0, 1.0));
        assert!(!close(f64::NAN, f64::NAN, 1.0, 1.0));
        assert!(allclose(&number(f64::NAN), &number(f64::NAN), 0.0, 0.0, true).expect("comparable"));
    }
    #[test]
    fn equal_asks_for_one_shape() {
        let row = Tensor::new(number(1.0).array().clone());
        assert!(equal(&row, &number(1.0)).expect("comparable"));
        assert!(!equal(&crate::ops::shape::unsqueeze_at(&row, 0).expect("a view"), &row).expect("comparable"));
    }
}
