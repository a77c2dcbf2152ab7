//! Exponentials of whole slices.
use crate::cpu::reduce::{Ordered, Summand, sum};
use std::ops::{Add, Div, Mul, Sub};

/// Floats with an exponential that inlines to arithmetic.
pub trait Exponential: Summand + Ordered + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    fn exponential(self) -> Self;
    fn logarithm(self) -> Self;
    fn is_infinite(self) -> bool;
}

/// Elements worked on between two sums: they stay in the first-level cache.
const PIECE: usize = 512;

/// `dst[i] = exp(src[i] - shift)`; returns the sum.
#[inline(always)]
pub fn exp_into<T: Exponential>(dst: &mut [T], src: &[T], shift: T) -> T {
    let mut total = T::default();
    for (dst, src) in dst.chunks_mut(PIECE).zip(src.chunks(PIECE)) {
        for (to, &x) in dst.iter_mut().zip(src) {
            *to = (x - shift).exponential();
        }
        total = total.plus(sum(dst));
    }
    total
}

/// The sum of `exp(x - shift)` over a slice.
#[inline(always)]
pub fn sum_of_exp<T: Exponential>(items: &[T], shift: T) -> T {
    let mut powers = [T::default(); PIECE];
    items.chunks(PIECE).fold(T::default(), |total, items| total.plus(exp_into(&mut powers[..items.len()], items, shift)))
}

impl Exponential for f32 {
    /// Within 2 units in the last place; 0 below the smallest subnormal, infinity above the largest float.
    #[inline(always)]
    fn exponential(self) -> f32 {
        exp(self)
    }
    #[inline(always)]
    fn logarithm(self) -> f32 {
        self.ln()
    }
    #[inline(always)]
    fn is_infinite(self) -> bool {
        self.abs() == f32::INFINITY
    }
}
impl Exponential for f64 {
    #[inline(always)]
    fn exponential(self) -> f64 {
        self.exp()
    }
    #[inline(always)]
    fn logarithm(self) -> f64 {
        self.ln()
    }
    #[inline(always)]
    fn is_infinite(self) -> bool {
        self.abs() == f64::INFINITY
    }
}

/// exp(x) = 2^n exp(r) with |r| <= ln(2)/2, exp(r) by its Taylor polynomial to the seventh power.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12582912.0;
    // ln(2) in two parts; products of the first with small integers are exact.
    const LN2_HIGH: f32 = 0.693359375;
    const LN2_LOW: f32 = -2.12194440e-4;
    // Beyond these the result is 0 or infinity; NaN stays.
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = p * r + c;
    }
    let y = (p * r) * r + r + 1.0;
    // Two factors, so that neither leaves the normal range when the product is subnormal or overflows.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    y * power(half) * power(n.wrapping_sub(half))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn exp_is_good_to_two_units() {
        let mut x = -104.0f32;
        while x < 89.5 {
            let exact = (x as f64).exp();
            let got = x.exponential();
            let unit = (f32::from_bits((exact as f32).to_bits() + 1) - exact as f32) as f64;
            assert!((got as f64 - exact).abs() <= 2.0 * unit || got == exact as f32, "{x}: {got} {exact}");
            x += 0.00913;
        }
        assert_eq!(f32::INFINITY.exponential(), f32::INFINITY);
        assert_eq!(f32::NEG_INFINITY.exponential(), 0.0);
        assert!(f32::NAN.exponential().is_nan());
    }
}
