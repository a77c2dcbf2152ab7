//! Comparisons and tests: their result is bool, and flat.
use super::table::rows;

rows! {
    /// Whether `input` equals `other`.
    ordered eq(input, other) = S::number(input.eq(other)) => "eq(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` differs from `other`.
    ordered ne(input, other) = S::number(input.ne(other)) => "ne(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is less than `other`.
    ordered lt(input, other) = S::number(input.lt(other)) => "lt(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is at most `other`.
    ordered le(input, other) = S::number(input.le(other)) => "le(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is greater than `other`.
    ordered gt(input, other) = S::number(input.gt(other)) => "gt(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is at least `other`.
    ordered ge(input, other) = S::number(input.ge(other)) => "ge(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Bool "";
    /// Whether `input` is not a number.
    ordered isnan(input) = S::number(input.is_nan()) => "isnan(Tensor input)" [FUNCTION METHOD] Bool "";
    /// Whether `input` is infinite.
    ordered isinf(input) = S::number(input.is_infinite()) => "isinf(Tensor input)" [FUNCTION METHOD] Bool "";
    /// Whether `input` is plus infinity.
    ordered isposinf(input) = S::number(S::and(input.is_infinite(), S::zero().lt(input))) => "isposinf(Tensor input)" [FUNCTION METHOD] Bool "";
    /// Whether `input` is minus infinity.
    ordered isneginf(input) = S::number(S::and(input.is_infinite(), input.lt(S::zero()))) => "isneginf(Tensor input)" [FUNCTION METHOD] Bool "";
    /// Whether `input` is neither infinite nor NaN.
    ordered isfinite(input) = S::number(input.is_finite()) => "isfinite(Tensor input)" [FUNCTION METHOD] Bool "";
    /// Whether the sign bit of `input` is set: for -0 too.
    ordered signbit(input) = S::number(input.sign_bit()) => "signbit(Tensor input)" [FUNCTION METHOD] Bool "";
}
