//! Integers as a number type: wrapping, as PyTorch's are. A newtype, since `i64 + f64` cannot be written on `i64`.
use crate::expr::scalar::{Bits, Ordered, Ring};
use std::cell::Cell;
use std::ops::{Add, Mul, Neg, Sub};

thread_local! { static DIVIDED_BY_ZERO: Cell<bool> = const { Cell::new(false) }; }
#[cold]
#[inline(never)]
fn refuse_zero() {
    DIVIDED_BY_ZERO.set(true);
}
/// Whether a kernel of this thread met a zero divisor since the last call.
pub fn take_divided_by_zero() -> bool {
    DIVIDED_BY_ZERO.take()
}

/// One integer. A zero divisor gives 0 and is remembered ([`take_divided_by_zero`]).
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(transparent)]
pub struct Int<T>(pub T);

macro_rules! operators { ($t:ty: $($trait:ident $method:ident $f:ident)*) => { $(
    impl $trait for Int<$t> { type Output = Self; #[inline(always)] fn $method(self, other: Self) -> Self { Int(self.0.$f(other.0)) } }
    impl $trait<f64> for Int<$t> { type Output = Self; #[inline(always)] fn $method(self, other: f64) -> Self { self.$method(Int(other as $t)) } }
)* } }
macro_rules! integers { ($($t:ident)*) => { $(
    operators! { $t: Add add wrapping_add Sub sub wrapping_sub Mul mul wrapping_mul }
    impl Neg for Int<$t> { type Output = Self; #[inline(always)] fn neg(self) -> Self { Int(self.0.wrapping_neg()) } }
    impl Ring for Int<$t> { #[inline(always)] fn literal(value: f64) -> Self { Int(value as $t) } }
    impl Ordered for Int<$t> {
        type Mask = bool;
        #[inline(always)] fn lt(self, other: Self) -> bool { self.0 < other.0 }
        #[inline(always)] fn le(self, other: Self) -> bool { self.0 <= other.0 }
        #[inline(always)] fn eq(self, other: Self) -> bool { self.0 == other.0 }
        #[inline(always)] fn and(a: bool, b: bool) -> bool { a & b }
        #[inline(always)] fn or(a: bool, b: bool) -> bool { a | b }
        #[inline(always)] fn not(a: bool) -> bool { !a }
        #[inline(always)] fn select(mask: bool, yes: Self, no: Self) -> Self { if mask { yes } else { no } }
        #[inline(always)] fn number(mask: bool) -> Self { Int(mask as $t) }
        #[inline(always)] fn abs(self) -> Self { if self.0 < (0 as $t) { -self } else { self } }
        #[inline(always)] fn min(self, other: Self) -> Self { Int(Ord::min(self.0, other.0)) }
        #[inline(always)] fn max(self, other: Self) -> Self { Int(Ord::max(self.0, other.0)) }
        #[inline(always)] fn floor(self) -> Self { self }
        #[inline(always)] fn trunc(self) -> Self { self }
        #[inline(always)] fn round(self) -> Self { self }
        #[inline(always)] fn is_finite(self) -> bool { true }
        #[inline(always)] fn sign_bit(self) -> bool { self.0 < (0 as $t) }
        #[inline(always)] fn div_trunc(self, other: Self) -> Self {
            if other.0 == 0 { refuse_zero(); return Int(0); }
            Int(self.0.wrapping_div(other.0))
        }
        #[inline(always)] fn div_floor(self, other: Self) -> Self {
            if other.0 == 0 { refuse_zero(); return Int(0); }
            let (quotient, rest) = (self.0.wrapping_div(other.0), self.0.wrapping_rem(other.0));
            Int(quotient.wrapping_sub((rest != 0 && (rest < (0 as $t)) != (other.0 < (0 as $t))) as $t))
        }
        #[inline(always)] fn remainder(self, other: Self) -> Self {
            if other.0 == 0 { refuse_zero(); return Int(0); }
            let rest = self.0.wrapping_rem(other.0);
            Int(if rest != 0 && (rest < (0 as $t)) != (other.0 < (0 as $t)) { rest.wrapping_add(other.0) } else { rest })
        }
        #[inline(always)] fn fmod(self, other: Self) -> Self {
            if other.0 == 0 { refuse_zero(); return Int(0); }
            Int(self.0.wrapping_rem(other.0))
        }
        // By squaring; a negative exponent gives the integer part of the true power.
        #[inline(always)] fn pow(self, other: Self) -> Self {
            let (mut base, mut exponent, mut result) = (self.0, other.0, 1 as $t);
            if exponent < (0 as $t) {
                return Int(if base == 1 { 1 } else if base.wrapping_add(1) == 0 { if exponent & 1 == 0 { 1 } else { base } } else { 0 });
            }
            while exponent > 0 {
                if exponent & 1 == 1 { result = result.wrapping_mul(base); }
                exponent >>= 1;
                base = base.wrapping_mul(base);
            }
            Int(result)
        }
    }
    impl Bits for Int<$t> {
        #[inline(always)] fn bit_and(self, other: Self) -> Self { Int(self.0 & other.0) }
        #[inline(always)] fn bit_or(self, other: Self) -> Self { Int(self.0 | other.0) }
        #[inline(always)] fn bit_xor(self, other: Self) -> Self { Int(self.0 ^ other.0) }
        #[inline(always)] fn bit_not(self) -> Self { Int(!self.0) }
        #[inline(always)] fn shift_left(self, count: Self) -> Self {
            let fits = count.0 >= (0 as $t) && count.0 < $t::BITS as $t;
            Int(if fits { self.0.wrapping_shl(count.0 as u32) } else { 0 })
        }
        #[inline(always)] fn shift_right(self, count: Self) -> Self {
            let fits = count.0 >= (0 as $t) && count.0 < $t::BITS as $t;
            Int(self.0.wrapping_shr(if fits { count.0 as u32 } else { $t::BITS - 1 }) & if !fits && $t::MIN == 0 { 0 } else { !0 })
        }
    }
)* } }
integers! { i32 i64 u64 }
