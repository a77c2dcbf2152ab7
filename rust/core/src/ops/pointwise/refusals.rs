//! What PyTorch refuses of a row's operands, beyond the dtypes that the row's kernels lack.
use crate::op::TensorOrNumber;
use rustorch_base::{DType, Result, bail, ensure};
use rustorch_kernels::Number;
use rustorch_kernels::pointwise::Row;

/// Refuses the operands of some rows; `compute` is the dtype they were promoted to.
#[inline]
pub fn refuse(row: &Row, operands: &[TensorOrNumber<'_>], compute: DType) -> Result<()> {
    match row.name {
        "add" => check_alpha(operands, compute),
        "sub" | "rsub" => {
            check_subtraction(operands)?;
            check_alpha(operands, compute)
        }
        "lerp" => check_lerp(operands),
        "addcmul" => {
            ensure!(compute != DType::Bool, not_implemented, "\"addcmul_cpu_out\" not implemented for 'Bool'");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether input `i` is a setting of the op and not an operand: it takes no part in promotion.
pub fn is_setting(row: &Row, i: usize) -> bool {
    matches!((row.name, i), ("add" | "sub" | "rsub", 2) | ("addcmul" | "addcdiv", 3))
}

fn is_bool(operand: &TensorOrNumber<'_>) -> bool {
    match operand {
        TensorOrNumber::Tensor(tensor) => tensor.dtype() == DType::Bool,
        TensorOrNumber::Number(number) => matches!(number, Number::Bool(_)),
    }
}

/// Bools are not subtracted.
fn check_subtraction(operands: &[TensorOrNumber<'_>]) -> Result<()> {
    let [a, b, ..] = operands else { return Ok(()) };
    let tensors = matches!((a, b), (TensorOrNumber::Tensor(_), TensorOrNumber::Tensor(_)));
    if tensors && is_bool(a) && is_bool(b) {
        bail!(
            runtime,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        )
    }
    if is_bool(a) || is_bool(b) {
        bail!(
            runtime,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        )
    }
    Ok(())
}

/// The factor of the second operand must not ask for more than the result's dtype has.
fn check_alpha(operands: &[TensorOrNumber<'_>], compute: DType) -> Result<()> {
    let Some(TensorOrNumber::Number(alpha)) = operands.get(2) else { return Ok(()) };
    match alpha {
        Number::Bool(_) if compute != DType::Bool => bail!(runtime, "Boolean alpha only supported for Boolean results."),
        Number::Float(_) if !compute.is_differentiable() => {
            bail!(runtime, "For integral input tensors, argument alpha must not be a floating point number.")
        }
        Number::Complex(..) if !compute.is_complex() => {
            bail!(runtime, "For non-complex input tensors, argument alpha must not be a complex number.")
        }
        _ => Ok(()),
    }
}

/// Both ends have one dtype.
fn check_lerp(operands: &[TensorOrNumber<'_>]) -> Result<()> {
    if let [TensorOrNumber::Tensor(start), TensorOrNumber::Tensor(end), ..] = operands {
        ensure!(
            start.dtype() == end.dtype(),
            runtime,
            "expected dtype {} for `end` but got dtype {}",
            start.dtype().c_name(),
            end.dtype().c_name()
        );
        let name = start.dtype().scalar_name();
        ensure!(start.dtype().is_differentiable(), not_implemented, "\"lerp_kernel_scalar\" not implemented for '{name}'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::ops::create::scalar;
    use crate::ops::pointwise::call;

    fn of(dtype: DType) -> Tensor {
        scalar(Number::Int(1), dtype).expect("a scalar")
    }
    fn complaint(name: &str, a: DType, b: DType, third: Number) -> Option<String> {
        let (a, b) = (of(a), of(b));
        call(name, &[TensorOrNumber::Tensor(&a), TensorOrNumber::Tensor(&b), TensorOrNumber::Number(third)])
            .err()
            .map(|error| error.message)
    }

    #[test]
    fn bools_are_not_subtracted() {
        assert!(complaint("sub", DType::Bool, DType::Bool, Number::Int(1)).is_some_and(|text| text.contains("two bool tensors")));
        assert!(complaint("sub", DType::Int8, DType::Bool, Number::Int(1)).is_some_and(|text| text.contains("a bool tensor")));
        assert_eq!(complaint("sub", DType::Int8, DType::Int8, Number::Int(1)), None);
    }
    #[test]
    fn alpha_takes_no_part_in_promotion() {
        let (a, b) = (of(DType::Bool), of(DType::Bool));
        let sum = call("add", &[TensorOrNumber::Tensor(&a), TensorOrNumber::Tensor(&b), TensorOrNumber::Number(Number::Int(2))]);
        assert_eq!(sum.expect("a sum").dtype(), DType::Bool);
        let text = "For integral input tensors, argument alpha must not be a floating point number.";
        assert_eq!(complaint("add", DType::Int64, DType::Int64, Number::Float(1.0)).as_deref(), Some(text));
    }
    #[test]
    fn the_ends_of_lerp_have_one_dtype() {
        let text = "expected dtype float for `end` but got dtype double";
        assert_eq!(complaint("lerp", DType::Float32, DType::Float64, Number::Float(0.5)).as_deref(), Some(text));
        assert_eq!(complaint("lerp", DType::Float32, DType::Float32, Number::Float(0.5)), None);
    }
}
