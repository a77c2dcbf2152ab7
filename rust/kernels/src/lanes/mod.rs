//! Groups of floats that one instruction works on: what the kernels and the polynomials are written with. Which
//! instructions exist is asked at run time ([`Isa`]); every method is `inline(always)` and vanishes into a kernel compiled
//! for that instruction set.
#[cfg(target_arch = "x86_64")]
pub mod avx2;
pub mod double;
pub mod functions;
pub mod integer;
pub mod isa;
pub mod portable;
pub mod reference;
pub mod single;
pub mod wide;

pub use integer::Int;
pub use isa::Isa;

use crate::expr::scalar::{Field, Float, Ordered, Ring};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Lanes of f32 or f64. One lane (`portable`, which the compiler vectorises) or an explicit vector (`avx2`).
pub trait Lanes:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    type Element: Copy;
    type Mask: Copy;
    /// The lanes as integers of the same width, for exponents and sign bits.
    type Integer: Copy;
    const LANES: usize;

    fn splat(value: f64) -> Self;
    /// # Safety
    /// All lanes lie in readable memory; no alignment is asked.
    unsafe fn load(from: *const Self::Element) -> Self;
    /// # Safety
    /// All lanes lie in writable memory; no alignment is asked.
    unsafe fn store(self, to: *mut Self::Element);
    /// The first `n < LANES` lanes; the others are 0.
    /// # Safety
    /// The first `n` lanes lie in readable memory.
    unsafe fn load_part(from: *const Self::Element, n: usize) -> Self;
    /// # Safety
    /// The first `n < LANES` lanes lie in writable memory.
    unsafe fn store_part(self, to: *mut Self::Element, n: usize);

    /// self * b + c, in one rounding where the machine has it.
    fn fma(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn trunc(self) -> Self;
    fn round(self) -> Self;
    fn lt(self, other: Self) -> Self::Mask;
    fn le(self, other: Self) -> Self::Mask;
    fn eq(self, other: Self) -> Self::Mask;
    fn mask_and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn mask_or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn mask_not(a: Self::Mask) -> Self::Mask;
    #[inline(always)]
    fn mask_not_equal(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        Self::mask_or(Self::mask_and(a, Self::mask_not(b)), Self::mask_and(b, Self::mask_not(a)))
    }
    fn any(a: Self::Mask) -> bool;
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The machine's minimum: `other` when either is NaN.
    fn machine_min(self, other: Self) -> Self;
    /// The machine's maximum: `other` when either is NaN.
    fn machine_max(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// The magnitude of one with the sign bit of the other.
    fn copysign(self, sign: Self) -> Self;
    /// The sign bit as a mask.
    fn sign_bit(self) -> Self::Mask;
    fn to_bits(self) -> Self::Integer;
    fn from_bits(bits: Self::Integer) -> Self;
    fn integer(value: i64) -> Self::Integer;
    fn integer_add(a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn integer_sub(a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn integer_and(a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn integer_xor(a: Self::Integer, b: Self::Integer) -> Self::Integer;
    fn shift_left<const COUNT: i32>(a: Self::Integer) -> Self::Integer;
    /// Zeros come in from above. (AVX2 has no arithmetic shift of 64 bits.)
    fn shift_right<const COUNT: i32>(a: Self::Integer) -> Self::Integer;

    /// One lane at a time, where no vector form is worth its code.
    fn each(self, f: impl Fn(Self::Element) -> Self::Element) -> Self;
    fn each_with(self, other: Self, f: impl Fn(Self::Element, Self::Element) -> Self::Element) -> Self;
}

/// The functions of a lane type that are more than one instruction: written in [`functions`], once for each width.
pub trait Functions: Lanes {
    fn exp(self) -> Self;
    fn log(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tanh(self) -> Self;
    fn exp2(self) -> Self;
    fn expm1(self) -> Self;
    fn log2(self) -> Self;
    fn log10(self) -> Self;
    fn log1p(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn erf(self) -> Self;
    fn erfc(self) -> Self;
    fn pow(self, other: Self) -> Self;
    fn atan2(self, other: Self) -> Self;
    fn hypot(self, other: Self) -> Self;
    fn fmod(self, other: Self) -> Self;
}

impl<L: Functions> Ring for L {
    #[inline(always)]
    fn literal(value: f64) -> L {
        L::splat(value)
    }
}

macro_rules! forward {
    ($($from:ident::$method:ident($($other:ident)?);)*) => { $(
        #[inline(always)]
        fn $method(self $(, $other: L)?) -> L { $from::$method(self $(, $other)?) }
    )* };
}
impl<L: Functions> Ordered for L {
    type Mask = <L as Lanes>::Mask;
    #[inline(always)]
    fn lt(self, other: L) -> Self::Mask {
        Lanes::lt(self, other)
    }
    #[inline(always)]
    fn le(self, other: L) -> Self::Mask {
        Lanes::le(self, other)
    }
    #[inline(always)]
    fn eq(self, other: L) -> Self::Mask {
        Lanes::eq(self, other)
    }
    #[inline(always)]
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        L::mask_and(a, b)
    }
    #[inline(always)]
    fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        L::mask_or(a, b)
    }
    #[inline(always)]
    fn not(a: Self::Mask) -> Self::Mask {
        L::mask_not(a)
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: L, no: L) -> L {
        Lanes::select(mask, yes, no)
    }
    #[inline(always)]
    fn number(mask: Self::Mask) -> L {
        Lanes::select(mask, L::splat(1.0), L::splat(0.0))
    }
    // The machine gives `other` when either is NaN: only a NaN in self has to be put back.
    #[inline(always)]
    fn min(self, other: L) -> L {
        Lanes::select(Lanes::eq(self, self), self.machine_min(other), self)
    }
    #[inline(always)]
    fn max(self, other: L) -> L {
        Lanes::select(Lanes::eq(self, self), self.machine_max(other), self)
    }
    #[inline(always)]
    fn is_finite(self) -> Self::Mask {
        Lanes::lt(Lanes::abs(self), L::splat(f64::INFINITY))
    }
    #[inline(always)]
    fn sign_bit(self) -> Self::Mask {
        Lanes::sign_bit(self)
    }
    #[inline(always)]
    fn div_trunc(self, other: L) -> L {
        Lanes::trunc(self / other)
    }
    #[inline(always)]
    fn div_floor(self, other: L) -> L {
        functions::div_floor(self, other)
    }
    #[inline(always)]
    fn remainder(self, other: L) -> L {
        functions::remainder(self, other)
    }
    forward! { Lanes::abs(); Lanes::floor(); Lanes::trunc(); Lanes::round(); Functions::fmod(other); Functions::pow(other); }
}
impl<L: Functions> Field for L {
    forward! { Lanes::sqrt(); Functions::exp(); Functions::log(); Functions::sin(); Functions::cos(); Functions::tanh(); }
}
impl<L: Functions> Float for L {
    forward! {
        Functions::exp2(); Functions::expm1(); Functions::log2(); Functions::log10(); Functions::log1p(); Functions::tan();
        Functions::asin(); Functions::acos(); Functions::atan(); Functions::sinh(); Functions::cosh(); Functions::asinh();
        Functions::acosh(); Functions::atanh(); Functions::erf(); Functions::erfc(); Functions::atan2(other);
        Functions::hypot(other); Lanes::copysign(other);
    }
}
