//! Exponentials, logarithms, and what is made of them.
use super::table::rows;
use crate::expr::scalar::Float;
use std::f64::consts::FRAC_2_SQRT_PI;

/// Giles' coefficients of erfinv(x) / x, highest power first: in w - 2.5 for w = -log(1 - x^2) below 5, and in sqrt(w) - 3.
const NEAR: [f64; 9] = [
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
];
const FAR: [f64; 9] =
    [-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682];
/// Horner's rule.
#[inline(always)]
fn polynomial<S: Float>(x: S, coefficients: &[f64; 9]) -> S {
    let mut sum = S::literal(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = sum * x + coefficient;
    }
    sum
}

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
    /// The inverse of the error function; infinite at -1 and 1, NaN beyond. Giles' polynomials (2012, "Approximating the erfinv
    /// function") and three Newton steps on the side of 1 - erf that does not cancel.
    float erfinv(input) = {
            let size = input.abs();
            let rest = -size + 1.0;
            let w = -(rest * (size + 1.0)).log();
            let (near, far) = (w - 2.5, w.sqrt() - 3.0);
            let first = S::select(w.lt(S::literal(5.0)), polynomial(near, &NEAR), polynomial(far, &FAR)) * size;
            let half = S::literal(0.5);
            let step = |y: S| {
                let short = S::select(size.lt(half), size - y.erf(), y.erfc() - rest);
                y + short / ((-(y * y)).exp() * FRAC_2_SQRT_PI)
            };
            let found = step(step(step(first)));
            let at_one = S::select(size.eq(S::one()), S::literal(f64::INFINITY), found);
            S::select(input.lt(S::zero()), -at_one, at_one)
        },
        grad(y, g) = [g * (y * y).exp() * (1.0 / FRAC_2_SQRT_PI)]
        => "erfinv(Tensor input)" [FUNCTION METHOD INPLACE] Float "Erfinv";
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
