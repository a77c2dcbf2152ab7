//! The functions of the lane types.
#[cfg(target_arch = "x86_64")]
use super::avx2::{F32x8, F64x4};
use super::portable::One;
use super::{Functions, Lanes};

/// The quotient rounded down, by way of the exact rest: `(a - a mod b) / b` is an integer but for one rounding. A
/// zero divisor gives a / b.
#[inline(always)]
pub fn div_floor<L: Functions>(a: L, b: L) -> L {
    let rest = a.fmod(b);
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let quotient = (a - rest) / b;
    let below = L::mask_and(L::mask_not(rest.eq(zero)), L::mask_not_equal(b.lt(zero), rest.lt(zero)));
    let quotient = L::select(below, quotient - one, quotient);
    let floor = quotient.floor();
    let floor = L::select((floor + 0.5).lt(quotient), floor + one, floor);
    let floor = L::select(quotient.eq(zero), zero.copysign(a / b), floor);
    L::select(b.eq(zero), a / b, floor)
}
/// Python's `%`: the rest moved to the divisor's side.
#[inline(always)]
pub fn remainder<L: Functions>(a: L, b: L) -> L {
    let rest = a.fmod(b);
    let zero = L::splat(0.0);
    let other_side = L::mask_and(L::mask_not(rest.eq(zero)), L::mask_not_equal(b.lt(zero), rest.lt(zero)));
    L::select(other_side, rest + b, rest)
}

macro_rules! by_element { ($lanes:ty: $t:ident; $($name:ident = $f:path;)* | $($name2:ident = $f2:path;)*) => {
    impl Functions for $lanes {
        $(#[inline(always)] fn $name(self) -> Self { self.each(|x| $f(x)) })*
        $(#[inline(always)] fn $name2(self, other: Self) -> Self { self.each_with(other, |x, y| $f2(x, y)) })*
    }
} }
macro_rules! singles { ($($lanes:ty)*) => { $( by_element! { $lanes: f32;
    exp = f32::exp; log = f32::ln; sin = f32::sin; cos = f32::cos; tanh = f32::tanh; exp2 = f32::exp2; expm1 = f32::exp_m1; log2 = f32::log2; log10 = f32::log10;
    log1p = f32::ln_1p; tan = f32::tan; asin = f32::asin; acos = f32::acos; atan = f32::atan; sinh = f32::sinh; cosh = f32::cosh;
    asinh = libm::asinhf; acosh = libm::acoshf; atanh = libm::atanhf; erf = libm::erff; erfc = libm::erfcf; |
    pow = f32::powf; atan2 = f32::atan2; hypot = f32::hypot; fmod = libm::fmodf;
} )* } }
macro_rules! doubles { ($($lanes:ty)*) => { $( by_element! { $lanes: f64;
    exp = f64::exp; log = f64::ln; sin = f64::sin; cos = f64::cos; tanh = f64::tanh; exp2 = f64::exp2; expm1 = f64::exp_m1; log2 = f64::log2; log10 = f64::log10;
    log1p = f64::ln_1p; tan = f64::tan; asin = f64::asin; acos = f64::acos; atan = f64::atan; sinh = f64::sinh; cosh = f64::cosh;
    asinh = libm::asinh; acosh = libm::acosh; atanh = libm::atanh; erf = libm::erf; erfc = libm::erfc; |
    pow = f64::powf; atan2 = f64::atan2; hypot = f64::hypot; fmod = libm::fmod;
} )* } }
singles! { One<f32> }
doubles! { One<f64> }
#[cfg(target_arch = "x86_64")]
singles! { F32x8 }
#[cfg(target_arch = "x86_64")]
doubles! { F64x4 }
