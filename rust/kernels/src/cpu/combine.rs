//! How two elements become one when several are sent to the same place.
use super::cast::{Cast, cast};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};
use rustorch_base::dtype::Truth;
use rustorch_base::{DType, Result, bail};

/// What happens to an element that is already there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    Replace,
    Add,
    Multiply,
    /// The greater or the smaller; NaN wins. Real dtypes.
    Greatest,
    Smallest,
}

impl Combine {
    /// Refuses what has no order.
    pub fn check(self, dtype: DType) -> Result<()> {
        if dtype.is_complex() && matches!(self, Combine::Greatest | Combine::Smallest) {
            bail!(not_implemented, "\"scatter_gather_tensor_cpu\" not implemented for '{}'", dtype.scalar_name());
        }
        Ok(())
    }
}

/// Element types that combine. Integers wrap; bools add by `or` and multiply by `and`.
pub trait Combined: Cast {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// `self` is greater, or NaN.
    fn above(self, other: Self) -> bool;
    fn below(self, other: Self) -> bool;
    /// Integers round down, as PyTorch's means do.
    fn over(self, count: i64) -> Self;
    const LEAST: Self;
    const GREATEST: Self;

    #[inline(always)]
    fn combine(self, other: Self, how: Combine) -> Self {
        match how {
            Combine::Replace => other,
            Combine::Add => self.plus(other),
            Combine::Multiply => self.times(other),
            Combine::Greatest => {
                if other.above(self) {
                    other
                } else {
                    self
                }
            }
            Combine::Smallest => {
                if other.below(self) {
                    other
                } else {
                    self
                }
            }
        }
    }
    /// What changes nothing when combined.
    fn neutral(how: Combine) -> Self {
        match how {
            Combine::Replace | Combine::Add => cast(0i64),
            Combine::Multiply => cast(1i64),
            Combine::Greatest => Self::LEAST,
            Combine::Smallest => Self::GREATEST,
        }
    }
}

macro_rules! integers {
    ($($t:ty)*) => { $(impl Combined for $t {
        const LEAST: $t = <$t>::MIN;
        const GREATEST: $t = <$t>::MAX;
        #[inline(always)]
        fn plus(self, other: $t) -> $t { self.wrapping_add(other) }
        #[inline(always)]
        fn times(self, other: $t) -> $t { self.wrapping_mul(other) }
        #[inline(always)]
        fn above(self, other: $t) -> bool { self > other }
        #[inline(always)]
        fn below(self, other: $t) -> bool { self < other }
        #[inline(always)]
        fn over(self, count: i64) -> $t { (self as i128).div_euclid(count as i128) as $t }
    })* };
}
integers! { u8 i8 i16 i32 i64 u16 u32 u64 }

macro_rules! floats {
    ($($t:ty: $least:expr, $greatest:expr;)*) => { $(impl Combined for $t {
        const LEAST: $t = $least;
        const GREATEST: $t = $greatest;
        #[inline(always)]
        fn plus(self, other: $t) -> $t { self + other }
        #[inline(always)]
        fn times(self, other: $t) -> $t { self * other }
        #[inline(always)]
        fn above(self, other: $t) -> bool { (self > other) | self.is_nan() }
        #[inline(always)]
        fn below(self, other: $t) -> bool { (self < other) | self.is_nan() }
        #[inline(always)]
        fn over(self, count: i64) -> $t { self / cast::<$t, i64>(count) }
    })* };
}
floats! {
    f32: f32::NEG_INFINITY, f32::INFINITY;
    f64: f64::NEG_INFINITY, f64::INFINITY;
    f16: f16::NEG_INFINITY, f16::INFINITY;
    bf16: bf16::NEG_INFINITY, bf16::INFINITY;
}

macro_rules! complexes {
    ($($t:ident as $part:ty;)*) => { $(impl Combined for $t {
        const LEAST: $t = $t::new(<$part>::NEG_INFINITY, 0.0);
        const GREATEST: $t = $t::new(<$part>::INFINITY, 0.0);
        #[inline(always)]
        fn plus(self, other: $t) -> $t { self + other }
        #[inline(always)]
        fn times(self, other: $t) -> $t { self * other }
        // Complex numbers have no order: `Combine::check` refuses before these are asked.
        #[inline(always)]
        fn above(self, other: $t) -> bool { self.re > other.re }
        #[inline(always)]
        fn below(self, other: $t) -> bool { self.re < other.re }
        #[inline(always)]
        fn over(self, count: i64) -> $t { self / count as $part }
    })* };
}
complexes! { Complex32 as f32; Complex64 as f64; }

impl Combined for Truth {
    const LEAST: Truth = Truth(0);
    const GREATEST: Truth = Truth(1);
    #[inline(always)]
    fn plus(self, other: Truth) -> Truth {
        Truth::new(self.get() | other.get())
    }
    #[inline(always)]
    fn times(self, other: Truth) -> Truth {
        Truth::new(self.get() & other.get())
    }
    #[inline(always)]
    fn above(self, other: Truth) -> bool {
        self.get() & !other.get()
    }
    #[inline(always)]
    fn below(self, other: Truth) -> bool {
        !self.get() & other.get()
    }
    #[inline(always)]
    fn over(self, _: i64) -> Truth {
        self
    }
}
