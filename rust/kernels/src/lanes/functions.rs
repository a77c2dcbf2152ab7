//! Which formula each lane type uses for a function, and the divisions that all share.
#[cfg(target_arch = "x86_64")]
use super::avx2::{F32x8, F64x4};
use super::portable::One;
use super::wide::Single;
use super::{Functions, Lanes, double, single};

/// The quotient rounded down, by way of the exact rest: `(a - a mod b) / b` is an integer but for one rounding. A
/// zero divisor gives a / b, infinite dividends NaN.
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

/// f32 lanes: polynomials of their own, or f64 ones.
macro_rules! singles { ($($lanes:ty)*) => { $( impl Functions for $lanes { singles! { @each
    exp() log() sin() cos() tanh() exp2() expm1() log2() log10() log1p() tan() asin() acos() atan() sinh() cosh() asinh() acosh()
    atanh() erf() erfc() pow(other) atan2(other) hypot(other) fmod(other)
} } )* };
    (@each $($name:ident($($other:ident)?))*) => { $(
        #[inline(always)]
        fn $name(self $(, $other: Self)?) -> Self { single::$name(self $(, $other)?) }
    )* };
}
/// f64 lanes: polynomials for the commonest, the scalar library for the others.
macro_rules! doubles { ($($lanes:ty)*) => { $( impl Functions for $lanes {
    doubles! { @double exp expm1 log sin cos tanh }
    doubles! { @scalar exp2 = f64::exp2; log2 = f64::log2; log10 = f64::log10; log1p = f64::ln_1p; tan = f64::tan;
        asin = f64::asin; acos = f64::acos; atan = f64::atan; sinh = f64::sinh; cosh = f64::cosh; asinh = libm::asinh;
        acosh = f64::acosh; atanh = libm::atanh; erf = libm::erf; erfc = libm::erfc; }
    doubles! { @scalar2 pow = f64::powf; atan2 = f64::atan2; hypot = f64::hypot; fmod = std::ops::Rem::rem; }
} )* };
    (@double $($name:ident)*) => { $(
        #[inline(always)]
        fn $name(self) -> Self { double::$name(self) }
    )* };
    (@scalar $($name:ident = $f:path;)*) => { $(
        #[inline(always)]
        fn $name(self) -> Self { self.each(|x| $f(x)) }
    )* };
    (@scalar2 $($name:ident = $f:path;)*) => { $(
        #[inline(always)]
        fn $name(self, other: Self) -> Self { self.each_with(other, |x, y| $f(x, y)) }
    )* };
}
singles! { One<f32> }
doubles! { One<f64> }
#[cfg(target_arch = "x86_64")]
singles! { F32x8 }
#[cfg(target_arch = "x86_64")]
doubles! { F64x4 }

impl Single for One<f32> {
    type Wide = One<f64>;
    #[inline(always)]
    fn widely(self, f: impl Fn(One<f64>) -> One<f64>) -> Self {
        One(f(One(self.0 as f64)).0 as f32)
    }
    #[inline(always)]
    fn widely_with(self, other: Self, f: impl Fn(One<f64>, One<f64>) -> One<f64>) -> Self {
        One(f(One(self.0 as f64), One(other.0 as f64)).0 as f32)
    }
}
#[cfg(target_arch = "x86_64")]
impl Single for F32x8 {
    type Wide = F64x4;
    #[inline(always)]
    fn widely(self, f: impl Fn(F64x4) -> F64x4) -> Self {
        let [low, high] = self.widen();
        F32x8::narrow([f(low), f(high)])
    }
    #[inline(always)]
    fn widely_with(self, other: Self, f: impl Fn(F64x4, F64x4) -> F64x4) -> Self {
        let ([low, high], [other_low, other_high]) = (self.widen(), other.widen());
        F32x8::narrow([f(low, other_low), f(high, other_high)])
    }
}
