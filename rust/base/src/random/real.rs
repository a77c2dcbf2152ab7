//! Continuous distributions other than the normal. A uniform draw in single or half precision takes one word (its low 24
//! bits), in double precision two (the low 53 bits); all others are computed in double precision and take two.
use std::ops::{AddAssign, DivAssign, Sub};

use half::{bf16, f16};

use super::source::{CHUNK, Source, join};
use super::wide::wide;
use crate::dtype::Element;

/// The floating-point types a distribution can fill. `Math` is the precision in which a uniform or normal draw is made:
/// the type itself, or float32 for the halves.
pub trait Real: Element + PartialEq {
    type Math: Precision;
    fn from_math(value: Self::Math) -> Self;
    fn to_math(self) -> Self::Math;
    /// Rounded as C++ does it: a half by way of float32.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    type Math = f32;
    #[inline(always)]
    fn from_math(value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn to_math(self) -> f32 {
        self
    }
    #[inline(always)]
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}
impl Real for f64 {
    type Math = f64;
    #[inline(always)]
    fn from_math(value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn to_math(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f64(value: f64) -> f64 {
        value
    }
}
macro_rules! halves {
    ($($half:ty),*) => { $(impl Real for $half {
        type Math = f32;
        #[inline(always)]
        fn from_math(value: f32) -> $half {
            <$half>::from_f32(value)
        }
        #[inline(always)]
        fn to_math(self) -> f32 {
            self.to_f32()
        }
        #[inline(always)]
        fn from_f64(value: f64) -> $half {
            <$half>::from_f32(value as f32)
        }
    })* };
}
halves!(f16, bf16);

/// The two precisions in which draws are made.
pub trait Precision: Real<Math = Self> + Default + PartialOrd + Sub<Output = Self> + AddAssign + DivAssign + Into<f64> {
    const ONE: Self;
    /// Words one uniform draw takes.
    const WORDS: usize;
    /// `low + width * u` for uniform `u` in [0, 1), rounded once.
    fn uniform(source: &mut Source, out: &mut [Self], low: Self, width: Self);
    /// Box and Muller's transform of blocks of 16 uniform draws in place; see [`super::normal`].
    fn box_muller(blocks: &mut [Self], mean: Self, std: Self);
}

impl Precision for f32 {
    const ONE: f32 = 1.0;
    const WORDS: usize = 1;
    fn uniform(source: &mut Source, out: &mut [f32], low: f32, width: f32) {
        let mut words = [0; CHUNK];
        for part in out.chunks_mut(CHUNK) {
            let words = &mut words[..part.len()];
            source.fill(words);
            spread(words, part, low, width);
        }
    }
    fn box_muller(blocks: &mut [f32], mean: f32, std: f32) {
        super::normal::box_muller_single(blocks, mean, std);
    }
}
impl Precision for f64 {
    const ONE: f64 = 1.0;
    const WORDS: usize = 2;
    fn uniform(source: &mut Source, out: &mut [f64], low: f64, width: f64) {
        let mut words = [0; CHUNK];
        for part in out.chunks_mut(CHUNK / 2) {
            let words = &mut words[..2 * part.len()];
            source.fill(words);
            spread_double(words, part, low, width);
        }
    }
    fn box_muller(blocks: &mut [f64], mean: f64, std: f64) {
        super::normal::box_muller_double(blocks, mean, std);
    }
}

wide! {
    fn spread(words: &[u32], out: &mut [f32], low: f32, width: f32) {
        const STEP: f32 = 1.0 / (1 << 24) as f32;
        for (out, &word) in out.iter_mut().zip(words) {
            // 24 bits fit an i32, whose conversion has an instruction everywhere.
            *out = ((word & 0xff_ffff) as i32 as f32 * STEP).mul_add(width, low);
        }
    }
}

wide! {
    fn spread_double(words: &[u32], out: &mut [f64], low: f64, width: f64) {
        for (out, &pair) in out.iter_mut().zip(words.as_chunks().0) {
            *out = unit(join(pair)).mul_add(width, low);
        }
    }
}

/// The uniform double in [0, 1) of two words.
#[inline(always)]
pub(super) fn unit(bits: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (bits & ((1 << 53) - 1)) as i64 as f64 * STEP
}

/// Uniform in `[from, to)`. A draw that rounds to `to` becomes `from`.
pub fn uniform<T: Real>(source: &mut Source, out: &mut [T], from: f64, to: f64) {
    let low = T::Math::from_f64(from);
    let width = T::Math::from_f64(to) - low;
    let (first, end) = (T::from_f64(from), T::from_f64(to));
    let mut draws = [T::Math::default(); CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let draws = &mut draws[..part.len()];
        T::Math::uniform(source, draws, low, width);
        for (out, &draw) in part.iter_mut().zip(draws.iter()) {
            let value = T::from_math(draw);
            *out = if value == end { first } else { value };
        }
    }
}

/// Exponential of rate `lambda`: `-ln(1 - u) / lambda`.
pub fn exponential<T: Real>(source: &mut Source, out: &mut [T], lambda: f64) {
    let scale = -1.0 / lambda;
    source.map_pairs(out, |bits| T::from_f64(scale * (-unit(bits)).ln_1p()));
}

/// Cauchy around `median` with half width `sigma`: `median + sigma * tan(pi * (u - 1/2))`.
pub fn cauchy<T: Real>(source: &mut Source, out: &mut [T], median: f64, sigma: f64) {
    source.map_pairs(out, |bits| T::from_f64((std::f64::consts::PI * (unit(bits) - 0.5)).tan().mul_add(sigma, median)));
}

/// The exponential of a normal sample of that mean and deviation, each drawn as [`super::normal::fill_singly`] draws.
pub fn log_normal<T: Real>(source: &mut Source, out: &mut [T], mean: f64, std: f64) {
    for out in out {
        *out = T::from_f64(super::normal::sample(source, mean, std).exp());
    }
}
