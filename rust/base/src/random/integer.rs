//! Discrete distributions, whose samples go into elements of any real dtype.
use half::{bf16, f16};

use super::Real;
use super::source::{CHUNK, Source};
use crate::dtype::Truth;
use crate::{Result, ensure};

/// Element types that hold whole numbers.
pub trait Discrete: crate::dtype::Element {
    /// Cast as C++ casts: integers wrap, floats round (the halves by way of float32), a bool is "not zero".
    fn from_i64(value: i64) -> Self;
    /// How many values `random_()` without bounds draws from, and whether a draw takes two words.
    const FULL: (u64, bool);
}

macro_rules! discrete {
    ($($type:ty, $values:expr, $double:literal, |$value:ident| $cast:expr;)*) => { $(impl Discrete for $type {
        #[inline(always)]
        fn from_i64($value: i64) -> $type {
            $cast
        }
        const FULL: (u64, bool) = ($values, $double);
    })* };
}
// Integers draw from 0 to their greatest value, floats from 0 to the last whole number before gaps begin.
discrete! {
    Truth, 2, false, |value| Truth::new(value != 0);
    u8, 1 << 8, false, |value| value as u8;
    i8, 1 << 7, false, |value| value as i8;
    i16, 1 << 15, false, |value| value as i16;
    i32, 1 << 31, false, |value| value as i32;
    i64, 1 << 63, true, |value| value;
    u16, 1 << 16, false, |value| value as u16;
    u32, 1 << 32, false, |value| value as u32;
    u64, 1 << 63, true, |value| value as u64;
    f16, (1 << 11) + 1, false, |value| f16::from_f32(value as f32);
    bf16, (1 << 8) + 1, false, |value| bf16::from_f32(value as f32);
    f32, (1 << 24) + 1, false, |value| value as f32;
    f64, (1 << 53) + 1, true, |value| value as f64;
}

/// `base + draw % range`. One word a draw; two from a range of 2^28 on, where the remainder of one would be skewed.
/// `range` is at least 1.
pub fn in_range<T: Discrete>(source: &mut Source, out: &mut [T], base: i64, range: u64) {
    if range >= 1 << 28 {
        source.map_pairs(out, |bits| T::from_i64(base.wrapping_add((bits % range) as i64)));
    } else {
        let divisor = Divisor::new(range as u32);
        source.map_words(out, |word| T::from_i64(base + i64::from(divisor.remainder(word))));
    }
}

/// Any of the 2^64 values of an int64, cast: `random_` with the least int64 as its lower bound.
pub fn all_64_bits<T: Discrete>(source: &mut Source, out: &mut [T]) {
    source.map_pairs(out, |bits| T::from_i64(bits as i64));
}

/// `random_()` without bounds: [`Discrete::FULL`].
pub fn full_range<T: Discrete>(source: &mut Source, out: &mut [T]) {
    match T::FULL {
        (values, true) => source.map_pairs(out, |bits| T::from_i64((bits % values) as i64)),
        (values, false) => source.map_words(out, |word| T::from_i64((u64::from(word) % values) as i64)),
    }
}

/// The geometric distribution of success probability `p` in (0, 1): `ceil(ln(u) / ln(1 - p))`, of two words.
pub fn geometric<T: Discrete>(source: &mut Source, out: &mut [T], p: f64) {
    let scale = (-p).ln_1p();
    source.map_pairs(out, |bits| T::from_i64((super::real::unit(bits).ln() / scale).ceil() as i64));
}

/// One with probability `p`, else zero: a uniform draw of two words below `p`.
pub fn bernoulli<T: Discrete>(source: &mut Source, out: &mut [T], p: f64) {
    let (zero, one) = (T::from_i64(0), T::from_i64(1));
    // u < p, both times 2^53: exact, for p only changes its exponent.
    let bound = (p * (1_u64 << 53) as f64).ceil() as u64;
    source.map_pairs(out, |bits| if bits & ((1 << 53) - 1) < bound { one } else { zero });
}

/// One with its own probability for every element: two words against float64 probabilities, else one against float32.
/// RuntimeError, before anything is drawn, for a probability outside [0, 1].
pub fn bernoulli_each<T: Discrete, P: Real>(source: &mut Source, out: &mut [T], probabilities: &[P]) -> Result<()> {
    let (least, most) = (P::from_f64(0.0).to_math(), P::from_f64(1.0).to_math());
    ensure!(
        probabilities.iter().all(|p| (least..=most).contains(&p.to_math())),
        runtime,
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  \
         (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
    );
    let (zero, one) = (T::from_i64(0), T::from_i64(1));
    let mut draws = [P::Math::default(); CHUNK];
    for (out, probabilities) in out.chunks_mut(CHUNK).zip(probabilities.chunks(CHUNK)) {
        let draws = &mut draws[..out.len()];
        <P::Math as super::real::Precision>::uniform(source, draws, least, most);
        for ((out, p), &draw) in out.iter_mut().zip(probabilities).zip(draws.iter()) {
            *out = if draw < p.to_math() { one } else { zero };
        }
    }
    Ok(())
}

/// A divisor with its reciprocal, so that a remainder costs two products (Barrett's reduction).
pub(super) struct Divisor {
    divisor: u32,
    reciprocal: u64,
}

impl Divisor {
    pub(super) fn new(divisor: u32) -> Divisor {
        Divisor { divisor, reciprocal: u64::MAX / u64::from(divisor) }
    }
    /// `word % divisor`. The estimated quotient is right or one too small.
    #[inline(always)]
    pub(super) fn remainder(&self, word: u32) -> u32 {
        let quotient = (u128::from(word) * u128::from(self.reciprocal)) >> 64;
        let remainder = word - quotient as u32 * self.divisor;
        if remainder >= self.divisor { remainder - self.divisor } else { remainder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_by_reciprocal_are_remainders() {
        for divisor in [1, 2, 3, 7, 10, 641, 65_535, 65_536, 65_537, (1 << 28) - 1, u32::MAX] {
            let reciprocal = Divisor::new(divisor);
            for word in (0..2_000).chain((0..u32::MAX).step_by(1_000_003)).chain(u32::MAX - 2_000..=u32::MAX) {
                assert_eq!(reciprocal.remainder(word), word % divisor, "{word} % {divisor}");
            }
        }
    }

    #[test]
    fn a_bad_probability_is_refused_before_anything_is_drawn() {
        let mut source = Source::new(super::super::Algorithm::Mt19937, 0);
        let before = source.state();
        for bad in [-0.1, 1.5, f32::NAN] {
            let mut out = [7.0_f32; 3];
            let error = bernoulli_each(&mut source, &mut out, &[0.5, bad, 0.5]).unwrap_err();
            assert!(error.message.starts_with("Expected p_in >= 0 && p_in <= 1 to be true, but got false."));
            assert_eq!(out, [7.0; 3]);
        }
        assert_eq!(source.state(), before);
    }
}
