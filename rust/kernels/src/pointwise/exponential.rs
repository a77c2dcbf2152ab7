//! Exponentials, logarithms, and what is made of them.
use super::table::rows;

rows! {
    /// e to the power `input`.
    field exp(input) = input.exp() => "exp(Tensor input)" [FUNCTION METHOD INPLACE] Float "Exp";
    /// 2 to the power `input`.
    float exp2(input) = input.exp2() => "exp2(Tensor input)" [FUNCTION METHOD INPLACE] Float "Exp2";
    /// e to the power `input`, minus 1, without cancellation near 0.
    float expm1(input) = input.expm1() => "expm1(Tensor input)" [FUNCTION METHOD INPLACE] Float "Expm1";
    /// The natural logarithm of `input`.
    field log(input) = input.log() => "log(Tensor input)" [FUNCTION METHOD INPLACE] Float "Log";
    /// The logarithm of `input` to base 2.
    float log2(input) = input.log2() => "log2(Tensor input)" [FUNCTION METHOD INPLACE] Float "Log2";
    /// The logarithm of `input` to base 10.
    float log10(input) = input.log10() => "log10(Tensor input)" [FUNCTION METHOD INPLACE] Float "Log10";
    /// The natural logarithm of 1 + `input`, accurate near 0.
    float log1p(input) = input.log1p() => "log1p(Tensor input)" [FUNCTION METHOD INPLACE] Float "Log1P";
    /// 1 / (1 + e^-x).
    field sigmoid(input) = S::one() / ((-input).exp() + 1.0), grad(y, g) = [g * (-y + 1.0) * y]
        => "sigmoid(Tensor input)" [FUNCTION METHOD INPLACE] Float "Sigmoid";
    /// log(x / (1 - x)).
    float logit(input) = (input / (-input + 1.0)).log(),
        grad(y, g) = {
            let inside = S::and(S::zero().le(input), input.le(S::one()));
            [S::select(inside, g / (input * (-input + 1.0)), S::literal(f64::NAN))]
        }
        => "logit(Tensor input)" [FUNCTION METHOD INPLACE] Float "Logit";
    /// The error function of `input`.
    float erf(input) = input.erf(), called "erf_vml_cpu" => "erf(Tensor input)" [FUNCTION METHOD INPLACE] Float "Erf";
    /// 1 - erf(`input`), without cancellation.
    float erfc(input) = input.erfc(), called "erfc_vml_cpu" => "erfc(Tensor input)" [FUNCTION METHOD INPLACE] Float "Erfc";
    /// `input` * log(`other`); 0 where `input` is 0, NaN where `other` is.
    float xlogy(input, other) =
            S::select(other.is_nan(), other, S::select(input.eq(S::zero()), S::zero(), input * other.log())),
        grad(y, g) = {
            let flat = S::and(input.eq(S::zero()), other.le(S::zero()));
            [S::select(flat, S::zero(), xlogy(g, other)), g * input / other]
        }
        => "xlogy(Tensor input, TensorOrNumber other)" [FUNCTION METHOD INPLACE] Float "Xlogy";
    /// log(e^a + e^b), without overflow.
    float logaddexp(input, other) = {
            let (high, low) = (input.max(other), input.min(other));
            // Equal infinities are their own sum; their difference would be NaN.
            S::select(high.eq(low), high + std::f64::consts::LN_2, high + (low - high).exp().log1p())
        },
        grad(y, g) = [g * sigmoid(input - other), g * sigmoid(other - input)]
        => "logaddexp(Tensor input, Tensor other)" [FUNCTION METHOD] Promote "Logaddexp";
}
