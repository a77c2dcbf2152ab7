//! Exponentials in loops that the compiler vectorises.
use crate::cpu::reduce::{Ordered, Summand};
use std::ops::{Add, Sub};

/// Floats with an exponential that inlines to arithmetic.
pub trait Exponential: Summand + Ordered + Add<Output = Self> + Sub<Output = Self> {
    fn exponential(self) -> Self;
    fn logarithm(self) -> Self;
    fn is_infinite(self) -> bool;
    /// The sum of `exp(x - shift)` over a slice.
    #[inline(always)]
    fn sum_of_exp(items: &[Self], shift: Self) -> Self {
        const LANES: usize = 32;
        let mut lanes = [Self::default(); LANES];
        let chunks = items.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            for i in 0..LANES {
                lanes[i] = lanes[i].plus((chunk[i] - shift).exponential());
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = lane.plus((x - shift).exponential());
        }
        let mut n = LANES;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                lanes[i] = lanes[i].plus(lanes[i + n]);
            }
        }
        lanes[0]
    }
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
    // Beyond these the result is 0 or infinity; NaN passes both comparisons by.
    let clamped = if x > 89.0 {
        89.0
    } else if x < -104.0 {
        -104.0
    } else {
        x
    };
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
