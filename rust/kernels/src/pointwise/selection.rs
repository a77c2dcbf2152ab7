//! Choices between values: extrema, bounds, conditions, replacements.
use super::table::rows;

rows! {
    /// The larger of the two, NaN if either is; a tie shares the gradient.
    ordered maximum(input, other) = input.max(other) => "maximum(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Maximum";
    /// The smaller of the two, NaN if either is; a tie shares the gradient.
    ordered minimum(input, other) = input.min(other) => "minimum(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Minimum";
    /// The larger of the two; a NaN gives way to a number.
    ordered fmax(input, other) = S::select(S::or(other.is_nan(), other.le(input)), input, other),
        grad(y, g) = {
            let first = S::or(other.is_nan(), other.le(input));
            [S::select(first, g, S::zero()), S::select(first, S::zero(), g)]
        }
        => "fmax(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Fmax";
    /// The smaller of the two; a NaN gives way to a number.
    ordered fmin(input, other) = S::select(S::or(other.is_nan(), input.le(other)), input, other),
        grad(y, g) = {
            let first = S::or(other.is_nan(), input.le(other));
            [S::select(first, g, S::zero()), S::select(first, S::zero(), g)]
        }
        => "fmin(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Fmin";
    /// `input` where the condition holds, else `other`.
    ordered where_(condition, input, other) = S::select(condition.truth(), input, other) => "" [] Promote "Where";
    /// `input` held in [`min`, `max`]; inside and on the bounds the gradient passes.
    ordered clamp(input, min, max) = max.min(min.max(input)),
        grad(y, g) = {
            let inside = S::and(min.le(input), input.le(max));
            [
                S::select(inside, g, S::zero()),
                S::select(S::and(min.lt(max), input.lt(min)), g, S::zero()),
                S::select(S::or(max.lt(input), max.lt(min)), g, S::zero()),
            ]
        }
        => "" [] Promote "Clamp";
    /// `input`, but at least `min`.
    ordered clamp_min(input, min) = min.max(input),
        grad(y, g) = [S::select(min.le(input), g, S::zero()), S::select(input.lt(min), g, S::zero())]
        => "clamp_min(Tensor input, TensorOrNumber min)" [FUNCTION METHOD INPLACE] Promote "ClampMin";
    /// `input`, but at most `max`.
    ordered clamp_max(input, max) = max.min(input),
        grad(y, g) = [S::select(input.le(max), g, S::zero()), S::select(max.lt(input), g, S::zero())]
        => "clamp_max(Tensor input, TensorOrNumber max)" [FUNCTION METHOD INPLACE] Promote "ClampMax";
    /// `value` where `input` is at most `threshold`.
    ordered threshold(input, threshold, value) = S::select(input.le(threshold), value, input), refuses(Bool) = NotImplemented ""
        => "threshold(Tensor input, Number threshold, Number value)" [FUNCTION NN] Promote "Threshold";
    /// `input` with NaN and the infinities replaced.
    ordered nan_to_num(input, nan, posinf, neginf) = {
            let infinite = S::select(S::zero().lt(input), posinf, neginf);
            S::select(input.is_finite(), input, S::select(input.is_nan(), nan, infinite))
        },
        grad(y, g) = [S::select(input.is_finite(), g, S::zero()), S::zero(), S::zero(), S::zero()]
        => "" [] Promote "NanToNum";
    /// 0 below zero, `values` at zero, 1 above.
    ordered heaviside(input, values) = S::select(input.eq(S::zero()), values, S::number(S::zero().lt(input)))
        => "heaviside(Tensor input, Tensor values)" [FUNCTION METHOD INPLACE] Promote "";
    /// The magnitude of `input` with the sign of `other`.
    float copysign(input, other) = input.copysign(other)
        => "copysign(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Float "Copysign";
}
