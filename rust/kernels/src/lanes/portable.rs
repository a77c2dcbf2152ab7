//! One float as a lane, for machines without vectors of ours: the compiler vectorises the loop around it.
use super::Lanes;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// One f32 or f64.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct One<T>(pub T);

macro_rules! operators { ($t:ty: $($trait:ident $method:ident $op:tt)*) => { $(
    impl $trait for One<$t> { type Output = Self; #[inline(always)] fn $method(self, other: Self) -> Self { One(self.0 $op other.0) } }
    impl $trait<f64> for One<$t> { type Output = Self; #[inline(always)] fn $method(self, other: f64) -> Self { One(self.0 $op other as $t) } }
)* } }
macro_rules! lanes {
    ($t:ident $bits:ident) => {
        operators! { $t: Add add + Sub sub - Mul mul * Div div / }
        impl Neg for One<$t> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                One(-self.0)
            }
        }
        impl Lanes for One<$t> {
            type Element = $t;
            type Mask = bool;
            type Integer = $bits;
            const LANES: usize = 1;
            #[inline(always)]
            fn splat(value: f64) -> Self {
                One(value as $t)
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller's promise.
                One(unsafe { from.read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { to.write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn load_part(_: *const $t, _: usize) -> Self {
                One(0.0)
            }
            #[inline(always)]
            unsafe fn store_part(self, _: *mut $t, _: usize) {}
            // Two roundings: without the instruction `mul_add` is a library call.
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                One(self.0 * b.0 + c.0)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                One(self.0.sqrt())
            }
            #[inline(always)]
            fn floor(self) -> Self {
                One(self.0.floor())
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                One(self.0.trunc())
            }
            #[inline(always)]
            fn round(self) -> Self {
                One(self.0.round_ties_even())
            }
            #[inline(always)]
            fn lt(self, other: Self) -> bool {
                self.0 < other.0
            }
            #[inline(always)]
            fn le(self, other: Self) -> bool {
                self.0 <= other.0
            }
            #[inline(always)]
            fn eq(self, other: Self) -> bool {
                self.0 == other.0
            }
            #[inline(always)]
            fn mask_and(a: bool, b: bool) -> bool {
                a & b
            }
            #[inline(always)]
            fn mask_or(a: bool, b: bool) -> bool {
                a | b
            }
            #[inline(always)]
            fn mask_not(a: bool) -> bool {
                !a
            }
            #[inline(always)]
            fn any(a: bool) -> bool {
                a
            }
            #[inline(always)]
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }
            #[inline(always)]
            fn machine_min(self, other: Self) -> Self {
                if self.0 < other.0 { self } else { other }
            }
            #[inline(always)]
            fn machine_max(self, other: Self) -> Self {
                if self.0 > other.0 { self } else { other }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                One(self.0.abs())
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                One(self.0.copysign(sign.0))
            }
            #[inline(always)]
            fn sign_bit(self) -> bool {
                self.0.is_sign_negative()
            }
            #[inline(always)]
            fn to_bits(self) -> $bits {
                self.0.to_bits()
            }
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                One($t::from_bits(bits))
            }
            #[inline(always)]
            fn integer(value: i64) -> $bits {
                value as $bits
            }
            #[inline(always)]
            fn integer_add(a: $bits, b: $bits) -> $bits {
                a.wrapping_add(b)
            }
            #[inline(always)]
            fn integer_sub(a: $bits, b: $bits) -> $bits {
                a.wrapping_sub(b)
            }
            #[inline(always)]
            fn integer_and(a: $bits, b: $bits) -> $bits {
                a & b
            }
            #[inline(always)]
            fn integer_xor(a: $bits, b: $bits) -> $bits {
                a ^ b
            }
            #[inline(always)]
            fn shift_left<const COUNT: i32>(a: $bits) -> $bits {
                a << COUNT
            }
            #[inline(always)]
            fn shift_right<const COUNT: i32>(a: $bits) -> $bits {
                a >> COUNT
            }
            #[inline(always)]
            fn each(self, f: impl Fn($t) -> $t) -> Self {
                One(f(self.0))
            }
            #[inline(always)]
            fn each_with(self, other: Self, f: impl Fn($t, $t) -> $t) -> Self {
                One(f(self.0, other.0))
            }
        }
    };
}
lanes! { f32 u32 }
lanes! { f64 u64 }
