//! What a pointwise function may be written with. The bound a row of the table asks for is also its dtype rule:
//! `Ring` all, `Ordered` not complex, `Field` floats and complex numbers, `Float` floats, `Bits` integers and bool.
use super::record::MarkedGradient;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// + - * and literals: every dtype, complex included.
pub trait Ring:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    fn literal(value: f64) -> Self;
    /// `value` is a function of the arguments with a gradient of its own. Only the recorder takes note.
    #[inline(always)]
    fn marked(value: Self, arguments: &[Self], gradient: MarkedGradient) -> Self {
        let _ = (arguments, gradient);
        value
    }
    #[inline(always)]
    fn zero() -> Self {
        Self::literal(0.0)
    }
    #[inline(always)]
    fn one() -> Self {
        Self::literal(1.0)
    }
}

/// Comparison and choice, and the divisions that integers share with floats.
pub trait Ordered: Ring {
    type Mask: Copy;
    fn lt(self, other: Self) -> Self::Mask;
    fn le(self, other: Self) -> Self::Mask;
    fn eq(self, other: Self) -> Self::Mask;
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn not(a: Self::Mask) -> Self::Mask;
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// A mask as a number, 1 or 0: what a bool tensor holds.
    fn number(mask: Self::Mask) -> Self;
    fn abs(self) -> Self;
    /// The smaller; NaN if either is, as `torch.minimum`.
    fn min(self, other: Self) -> Self;
    /// The larger; NaN if either is, as `torch.maximum`.
    fn max(self, other: Self) -> Self;
    fn floor(self) -> Self;
    fn trunc(self) -> Self;
    /// To the nearest integer, halves to the even one.
    fn round(self) -> Self;
    /// Neither infinite nor NaN; every integer is.
    fn is_finite(self) -> Self::Mask;
    /// Set for -0 and for a NaN with the sign bit too.
    fn sign_bit(self) -> Self::Mask;
    /// The quotient cut towards zero.
    fn div_trunc(self, other: Self) -> Self;
    /// The quotient rounded down.
    fn div_floor(self, other: Self) -> Self;
    /// Python's `%`: the sign is the divisor's.
    fn remainder(self, other: Self) -> Self;
    /// C's `fmod`: the sign is the dividend's.
    fn fmod(self, other: Self) -> Self;
    fn pow(self, other: Self) -> Self;

    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }
    #[inline(always)]
    fn ne(self, other: Self) -> Self::Mask {
        Self::not(self.eq(other))
    }
    #[inline(always)]
    fn is_nan(self) -> Self::Mask {
        self.ne(self)
    }
    #[inline(always)]
    fn is_infinite(self) -> Self::Mask {
        Self::not(Self::or(self.is_finite(), self.is_nan()))
    }
    /// -1, 0 or 1; 0 for a NaN.
    #[inline(always)]
    fn sign(self) -> Self {
        Self::number(Self::zero().lt(self)) - Self::number(self.lt(Self::zero()))
    }
    #[inline(always)]
    fn ceil(self) -> Self {
        -(-self).floor()
    }
    /// Not zero: how a number counts as a condition. A NaN is true.
    #[inline(always)]
    fn truth(self) -> Self::Mask {
        self.ne(Self::zero())
    }
}

/// Division and the analytic functions: floats and complex numbers.
pub trait Field: Ring + Div<Output = Self> + Div<f64, Output = Self> {
    fn sqrt(self) -> Self;
    fn exp(self) -> Self;
    fn log(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tanh(self) -> Self;
}

/// The functions of a real float.
pub trait Float: Ordered + Field {
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
    fn atan2(self, other: Self) -> Self;
    fn hypot(self, other: Self) -> Self;
    /// The magnitude of one with the sign of the other.
    fn copysign(self, sign: Self) -> Self;
}

/// Integers as bits. A shift by a negative count or by the width and more leaves 0 (or the sign).
pub trait Bits: Ordered {
    fn bit_and(self, other: Self) -> Self;
    fn bit_or(self, other: Self) -> Self;
    fn bit_xor(self, other: Self) -> Self;
    fn bit_not(self) -> Self;
    fn shift_left(self, count: Self) -> Self;
    fn shift_right(self, count: Self) -> Self;
}
