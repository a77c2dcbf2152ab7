//! Plain f64 as a number type: literals fold with it and tests take it as the reference.
use crate::expr::scalar::{Field, Float, Ordered, Ring};

macro_rules! functions { ($($name:ident($($other:ident)?) = $f:path;)*) => { $(
    #[inline(always)]
    fn $name(self $(, $other: f64)?) -> f64 { $f(self $(, $other)?) }
)* } }

impl Ring for f64 {
    #[inline(always)]
    fn literal(value: f64) -> f64 {
        value
    }
}
impl Ordered for f64 {
    type Mask = bool;
    fn lt(self, other: f64) -> bool {
        self < other
    }
    fn le(self, other: f64) -> bool {
        self <= other
    }
    fn eq(self, other: f64) -> bool {
        self == other
    }
    fn and(a: bool, b: bool) -> bool {
        a & b
    }
    fn or(a: bool, b: bool) -> bool {
        a | b
    }
    fn not(a: bool) -> bool {
        !a
    }
    fn select(mask: bool, yes: f64, no: f64) -> f64 {
        if mask { yes } else { no }
    }
    fn number(mask: bool) -> f64 {
        f64::from(u8::from(mask))
    }
    fn min(self, other: f64) -> f64 {
        if self < other || self.is_nan() { self } else { other }
    }
    fn max(self, other: f64) -> f64 {
        if self > other || self.is_nan() { self } else { other }
    }
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    fn sign_bit(self) -> bool {
        self.is_sign_negative()
    }
    fn div_trunc(self, other: f64) -> f64 {
        (self / other).trunc()
    }
    fn div_floor(self, other: f64) -> f64 {
        super::functions::div_floor(super::portable::One(self), super::portable::One(other)).0
    }
    fn remainder(self, other: f64) -> f64 {
        super::functions::remainder(super::portable::One(self), super::portable::One(other)).0
    }
    functions! {
        abs() = f64::abs; floor() = f64::floor; trunc() = f64::trunc; round() = f64::round_ties_even;
        fmod(other) = libm::fmod; pow(other) = f64::powf;
    }
}
impl Field for f64 {
    functions! { sqrt() = f64::sqrt; exp() = f64::exp; log() = f64::ln; sin() = f64::sin; cos() = f64::cos; tanh() = f64::tanh; }
}
impl Float for f64 {
    functions! {
        exp2() = f64::exp2; expm1() = f64::exp_m1; log2() = f64::log2; log10() = f64::log10; log1p() = f64::ln_1p; tan() = f64::tan;
        asin() = f64::asin; acos() = f64::acos; atan() = f64::atan; sinh() = f64::sinh; cosh() = f64::cosh; asinh() = libm::asinh;
        acosh() = f64::acosh; atanh() = libm::atanh; erf() = libm::erf; erfc() = libm::erfc; atan2(other) = f64::atan2;
        hypot(other) = f64::hypot; copysign(other) = f64::copysign;
    }
}
