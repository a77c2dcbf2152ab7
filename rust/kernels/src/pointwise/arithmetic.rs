//! Sums, products, divisions, powers, signs.
use super::table::rows;

rows! {
    /// Adds `other`, scaled by `alpha`, to `input`.
    ring add(input, other, alpha) = input + other * alpha
        => "add(Tensor input, TensorOrNumber other, *, Number alpha=1)" [FUNCTION METHOD INPLACE] Promote "Add";
    /// Subtracts `other`, scaled by `alpha`, from `input`.
    ring sub(input, other, alpha) = input - other * alpha,
        refuses(Bool) = Runtime "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        => "sub(Tensor input, TensorOrNumber other, *, Number alpha=1)" [FUNCTION METHOD INPLACE] Promote "Sub";
    /// Subtracts `input`, scaled by `alpha`, from `other`.
    ring rsub(input, other, alpha) = other - input * alpha,
        refuses(Bool) = Runtime "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        => "rsub(Tensor input, TensorOrNumber other, *, Number alpha=1)" [FUNCTION] Promote "Rsub";
    /// Multiplies `input` by `other`.
    ring mul(input, other) = input * other
        => "mul(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "Mul";
    /// Divides `input` by `other`; integers give floats.
    field div(input, other) = input / other
        => "div(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Float "Div";
    /// `div` with `rounding_mode="trunc"`.
    ordered div_trunc(input, other) = input.div_trunc(other), refuses(Bool) = NotImplemented ""
        => "" [] Promote "Div";
    /// `div` with `rounding_mode="floor"`.
    ordered div_floor(input, other) = input.div_floor(other), refuses(Bool) = NotImplemented ""
        => "" [] Promote "Div";
    /// The quotient of `input` and `other`, rounded down.
    ordered floor_divide(input, other) = input.div_floor(other), called "div_floor_cpu", refuses(Bool) = NotImplemented ""
        => "floor_divide(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "";
    /// Python's modulus: the result has the sign of `other`.
    ordered remainder(input, other) = input.remainder(other), refuses(Bool) = NotImplemented ""
        => "remainder(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "Remainder";
    /// C's `fmod`: the result has the sign of `input`.
    ordered fmod(input, other) = input.fmod(other), refuses(Bool) = NotImplemented ""
        => "fmod(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "Fmod";
    /// The negative of `input`.
    ring neg(input) = -input,
        refuses(Bool) = Runtime "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        => "neg(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Neg";
    /// 1 / `input`.
    field reciprocal(input) = S::one() / input, grad(y, g) = [-(g * (y * y))]
        => "reciprocal(Tensor input)" [FUNCTION METHOD INPLACE] Float "Reciprocal";
    /// The absolute value of `input`; its gradient at 0 is 0.
    ordered abs(input) = input.abs(), refuses(Bool) = NotImplemented ""
        => "abs(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Abs";
    /// -1, 0 or 1, by the sign of `input`.
    ordered sign(input) = input.sign() => "sign(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Sign";
    /// The sign of `input`; for complex numbers the direction.
    ordered sgn(input) = input.sign() => "sgn(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Sgn";
    /// The square of `input`.
    ring square(input) = input * input => "square(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Pow";
    /// The square root of `input`.
    field sqrt(input) = input.sqrt() => "sqrt(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sqrt";
    /// 1 / sqrt(`input`).
    field rsqrt(input) = S::one() / input.sqrt(), grad(y, g) = [g * -0.5 * (y * y * y)]
        => "rsqrt(Tensor input)" [FUNCTION METHOD INPLACE] Float "Rsqrt";
    /// `input` to the power `exponent`.
    ordered pow(input, exponent) = input.pow(exponent), called "pow", refuses(Bool) = NotImplemented ""
        => "pow(Tensor input, TensorOrNumber exponent)" [FUNCTION METHOD INPLACE] Promote "Pow";
    /// `input` + `value` * `tensor1` * `tensor2`.
    ring addcmul(input, tensor1, tensor2, value) = input + tensor1 * value * tensor2
        => "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)" [FUNCTION METHOD INPLACE] Promote "Addcmul";
    /// `input` + `value` * `tensor1` / `tensor2`.
    field addcdiv(input, tensor1, tensor2, value) = input + tensor1 * value / tensor2,
        refuses(Integral) = Runtime "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
        => "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)" [FUNCTION METHOD INPLACE] Promote "Addcdiv";
    /// `input` + `weight` * (`end` - `input`), worked from the nearer end.
    float lerp(input, end, weight) =
            S::select(weight.abs().lt(S::literal(0.5)), input + weight * (end - input), end - (end - input) * (-weight + 1.0)),
        grad(y, g) = [g * (-weight + 1.0), g * weight, g * (end - input)],
        called "lerp_kernel_scalar"
        => "lerp(Tensor input, Tensor end, TensorOrNumber weight)" [FUNCTION METHOD INPLACE] Promote "Lerp";
}
