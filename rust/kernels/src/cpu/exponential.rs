//! Exponentials of whole slices, and of single elements in loops that the compiler vectorises. The arithmetic is that of
//! the lanes.
use crate::cpu::reduce::{Ordered, Summand};
use crate::lanes::portable::One;
use crate::lanes::{Functions, Isa, Lanes};
use std::ops::{Add, Div, Mul, Sub};

/// Floats with an exponential that inlines to arithmetic.
pub trait Exponential: Summand + Ordered + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    fn exponential(self) -> Self;
    fn logarithm(self) -> Self;
    fn is_infinite(self) -> bool;
    /// `dst[i] = exp(src[i] - shift)`; returns the sum. The slices have one length.
    fn exp_into(dst: &mut [Self], src: &[Self], shift: Self) -> Self;

    /// The sum of `exp(x - shift)` over a slice.
    #[inline]
    fn sum_of_exp(items: &[Self], shift: Self) -> Self {
        const PIECE: usize = 512;
        let mut powers = [Self::default(); PIECE];
        let of = |items: &[Self]| Self::exp_into(&mut powers[..items.len()], items, shift);
        items.chunks(PIECE).map(of).fold(Self::default(), Self::plus)
    }
}

macro_rules! exponential {
    ($($t:ident, $wide:ident;)*) => { $(impl Exponential for $t {
        #[inline(always)]
        fn exponential(self) -> $t {
            One(self).exp().0
        }
        #[inline(always)]
        fn logarithm(self) -> $t {
            self.ln()
        }
        #[inline(always)]
        fn is_infinite(self) -> bool {
            self.abs() == $t::INFINITY
        }
        fn exp_into(dst: &mut [$t], src: &[$t], shift: $t) -> $t {
            assert_eq!(dst.len(), src.len());
            let (to, from, n) = (dst.as_mut_ptr(), src.as_ptr(), dst.len());
            match Isa::best() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => {
                    use crate::lanes::avx2::$wide;
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn by_vectors(to: *mut $t, from: *const $t, n: usize, shift: $t) -> $t {
                        // SAFETY: handed on.
                        unsafe { total(exp_lanes::<$wide>(to, from, n, shift as f64)) }
                    }
                    // SAFETY: `n` elements on both sides; the machine has the instructions.
                    unsafe { by_vectors(to, from, n, shift) }
                }
                // SAFETY: `n` elements on both sides.
                Isa::Portable => unsafe { total(exp_lanes::<One<$t>>(to, from, n, shift as f64)) },
            }
        }
    })* };
}
exponential! { f32, F32x8; f64, F64x4; }

/// Accumulators of a sum.
const SUMS: usize = 4;

/// # Safety
/// `n` elements lie on both sides, and the machine has the lanes.
#[inline(always)]
unsafe fn exp_lanes<L: Functions>(to: *mut L::Element, from: *const L::Element, n: usize, shift: f64) -> [L; SUMS] {
    let shift = L::splat(shift);
    let mut sums = [L::splat(0.0); SUMS];
    let whole = n / L::LANES;
    for i in 0..whole {
        // SAFETY: the vector lies within the `n` elements.
        let x = unsafe { Functions::exp(L::load(from.add(i * L::LANES)) - shift) };
        sums[i % SUMS] = sums[i % SUMS] + x;
        // SAFETY: as above.
        unsafe { x.store(to.add(i * L::LANES)) }
    }
    let rest = n % L::LANES;
    if rest > 0 {
        // SAFETY: as above. The lanes beyond are loaded as 0; what they give is stored nowhere, and must not be summed.
        unsafe {
            let x = Functions::exp(L::load_part(from.add(whole * L::LANES), rest) - shift);
            x.store_part(to.add(whole * L::LANES), rest);
            sums[0] = sums[0] + L::load_part(to.add(whole * L::LANES), rest);
        }
    }
    sums
}

/// The sum of all lanes of the accumulators.
#[inline(always)]
fn total<L: Lanes>([a, b, c, d]: [L; SUMS]) -> L::Element
where
    L::Element: Default + Add<Output = L::Element>,
{
    let mut lanes = [L::Element::default(); 16];
    // SAFETY: no vector has more lanes than the array.
    unsafe { ((a + b) + (c + d)).store(lanes.as_mut_ptr()) }
    // A loop: an iterator's closure is compiled without the vectors' instruction set wherever it does not inline.
    let mut sum = lanes[0];
    for &lane in &lanes[1..L::LANES] {
        sum = sum + lane;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_their_sums() {
        for n in [0usize, 1, 7, 8, 9, 31, 100] {
            let src: Vec<f32> = (0..n).map(|i| i as f32 * 0.37 - 5.0).collect();
            let mut dst = vec![0.0; n];
            let sum = f32::exp_into(&mut dst, &src, 2.0);
            let exact: Vec<f64> = src.iter().map(|&x| (x as f64 - 2.0).exp()).collect();
            for (&got, &exact) in dst.iter().zip(&exact) {
                assert!((got as f64 - exact).abs() <= 3e-7 * exact);
            }
            let whole: f64 = exact.iter().sum();
            assert!((sum as f64 - whole).abs() <= 1e-6 * whole && (f32::sum_of_exp(&src, 2.0) - sum).abs() <= 1e-6 * sum);
        }
    }

    #[test]
    fn single_elements_at_the_edges() {
        assert_eq!(f32::INFINITY.exponential(), f32::INFINITY);
        assert_eq!(f64::NEG_INFINITY.exponential(), 0.0);
        assert!(f32::NAN.exponential().is_nan());
        assert!((1f64.exponential() - std::f64::consts::E).abs() < 1e-15);
    }
}
