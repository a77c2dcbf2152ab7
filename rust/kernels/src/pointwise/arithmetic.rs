//! Sums, products, divisions.
use super::table::rows;

rows! {
    /// Adds `other`, scaled by `alpha`, to `input`.
    ring add(input, other, alpha) = input + other * alpha
        => "add(Tensor input, TensorOrNumber other, *, Number alpha=1)" [FUNCTION METHOD INPLACE] Promote "Add";
    /// Subtracts `other`, scaled by `alpha`, from `input`.
    ring sub(input, other, alpha) = input - other * alpha
        => "sub(Tensor input, TensorOrNumber other, *, Number alpha=1)" [FUNCTION METHOD INPLACE] Promote "Sub";
    /// Multiplies `input` by `other`.
    ring mul(input, other) = input * other
        => "mul(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Promote "Mul";
    /// Divides `input` by `other`.
    field div(input, other) = input / other
        => "div(Tensor input, TensorOrNumber other, *, str? rounding_mode=None)" [FUNCTION METHOD INPLACE] Float "Div";
    /// The negative of `input`.
    ring neg(input) = -input => "neg(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Neg";
    /// The square root of `input`.
    field sqrt(input) = input.sqrt() => "sqrt(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sqrt";
    /// e to the power `input`.
    field exp(input) = input.exp() => "exp(Tensor input)" [FUNCTION METHOD INPLACE] Float "Exp";
    /// The natural logarithm of `input`.
    field log(input) = input.log() => "log(Tensor input)" [FUNCTION METHOD INPLACE] Float "Log";
    /// The hyperbolic tangent of `input`.
    field tanh(input) = input.tanh() => "tanh(Tensor input)" [FUNCTION METHOD INPLACE] Float "Tanh";
    /// 1 / (1 + e^-x).
    field sigmoid(input) = S::one() / ((-input).exp() + 1.0), grad(y, g) = [g * (-y + 1.0) * y]
        => "sigmoid(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sigmoid";
    /// max(x, 0).
    ordered relu(input) = input.max(S::zero()), grad(y, g) = [S::select(y.le(S::zero()), S::zero(), g)]
        => "relu(Tensor input)" [FUNCTION METHOD INPLACE] Promote "Relu";
    /// The larger of the two, NaN if either is.
    ordered maximum(input, other) = input.max(other) => "maximum(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Maximum";
    /// The smaller of the two, NaN if either is.
    ordered minimum(input, other) = input.min(other) => "minimum(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Minimum";
    /// Whether `input` equals `other`.
    ordered eq(input, other) = S::number(input.eq(other)) => "eq(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is less than `other`.
    ordered lt(input, other) = S::number(input.lt(other)) => "lt(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// `input` to the power `exponent`.
    ordered pow(input, exponent) = input.pow(exponent) => "" [] Promote "Pow";
}
