//! The normal distribution by Box and Muller's transform, in the two ways in which PyTorch draws it.
//!
//! Sixteen samples and more go by blocks ([`fill`]): 16 uniform draws become 8 radii and 8 angles, and these 8 cosine and
//! 8 sine samples. Fewer, or scattered ones, go one by one ([`fill_singly`]) in double precision, where the second
//! sample of a pair waits in the source for the next call.
use super::Real;
use super::real::{Precision, unit};
use super::source::{CHUNK, Source};
use super::wide::wide;

const BLOCK: usize = 16;

/// Fills contiguous memory. In blocks of 16; where the length is no multiple of 16, the last 16 elements are drawn anew.
/// In single and double precision uniform draws are made for every element first, the cut block included, so that those
/// of the cut block are lost; in half precision none is made for them.
pub fn fill<T: Real>(source: &mut Source, out: &mut [T], mean: f64, std: f64) {
    let length = out.len();
    if length < BLOCK {
        return fill_singly(source, out, mean, std);
    }
    let cut = length % BLOCK;
    blocks(source, &mut out[..length - cut], mean, std);
    if cut != 0 {
        if size_of::<T>() == size_of::<T::Math>() {
            source.fill(&mut [0; 2 * BLOCK][..cut * T::Math::WORDS]);
        }
        blocks(source, &mut out[length - BLOCK..], mean, std);
    }
}

fn blocks<T: Real>(source: &mut Source, out: &mut [T], mean: f64, std: f64) {
    let (mean, std) = (T::Math::from_f64(mean), T::Math::from_f64(std));
    let mut draws = [T::Math::default(); CHUNK];
    for part in out.chunks_mut(CHUNK) {
        let draws = &mut draws[..part.len()];
        T::Math::uniform(source, draws, T::Math::default(), T::Math::ONE);
        T::Math::box_muller(draws, mean, std);
        part.iter_mut().zip(draws.iter()).for_each(|(out, &draw)| *out = T::from_math(draw));
    }
}

/// Fills element by element, each of two words or of the sample left over.
pub fn fill_singly<T: Real>(source: &mut Source, out: &mut [T], mean: f64, std: f64) {
    for out in out {
        *out = T::from_f64(sample(source, mean, std));
    }
}

/// One sample. An even call draws the angle, then the radius, and leaves the sine sample for the odd one.
pub fn sample(source: &mut Source, mean: f64, std: f64) -> f64 {
    if let Some(spare) = source.spare_normal.take() {
        return spare.mul_add(std, mean);
    }
    let theta = 2.0 * std::f64::consts::PI * unit(source.next_u64());
    let radius = (-2.0 * (-unit(source.next_u64())).ln_1p()).sqrt();
    let (sine, cosine) = theta.sin_cos();
    source.spare_normal = Some(radius * sine);
    (radius * cosine).mul_add(std, mean)
}

pub(super) fn box_muller_double(blocks: &mut [f64], mean: f64, std: f64) {
    for block in blocks.as_chunks_mut::<BLOCK>().0 {
        for j in 0..BLOCK / 2 {
            let radius = (-2.0 * (1.0 - block[j]).ln()).sqrt();
            let (sine, cosine) = (2.0 * std::f64::consts::PI * block[j + 8]).sin_cos();
            block[j] = (radius * cosine).mul_add(std, mean);
            block[j + 8] = (radius * sine).mul_add(std, mean);
        }
    }
}

wide! {
    /// The logarithm, sine and cosine are the ones PyTorch's AVX2 build uses, rounding for rounding: the samples are equal.
    pub(super) fn box_muller_single(blocks: &mut [f32], mean: f32, std: f32) {
        const TWO_PI: f32 = (2.0 * std::f64::consts::PI) as f32;
        for block in blocks.as_chunks_mut::<BLOCK>().0 {
            let radii: [f32; 8] = std::array::from_fn(|j| (-2.0 * logarithm(1.0 - block[j])).sqrt());
            let angles: [f32; 8] = std::array::from_fn(|j| TWO_PI * block[j + 8]);
            for j in 0..8 {
                let (sine, cosine) = sine_and_cosine(angles[j]);
                block[j] = (radii[j] * cosine).mul_add(std, mean);
                block[j + 8] = (radii[j] * sine).mul_add(std, mean);
            }
        }
    }
}

/// ln(x) for a normal x in (0, 1], after Moshier's Cephes `logf`: the mantissa is brought near 1, a polynomial does the rest.
#[inline(always)]
fn logarithm(x: f32) -> f32 {
    const POLYNOMIAL: [f32; 9] = [
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ];
    let (ln2_high, ln2_low) = (0.693359375, -2.12194440e-4);
    let bits = x.to_bits();
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000); // in [1/2, 1)
    let small = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = (bits >> 23) as i32 - 126 - small as i32;
    let exponent = exponent as f32;
    let x = (mantissa - 1.0) + if small { mantissa } else { 0.0 };
    let square = x * x;
    let cubic = horner(x, &POLYNOMIAL) * x;
    let correction = 0.5_f32.mul_add(-square, cubic.mul_add(square, exponent * ln2_low));
    exponent.mul_add(ln2_high, x + correction)
}

/// sin(x) and cos(x) for x in [0, 2 pi], after Moshier's Cephes `sinf` and `cosf`: x less the nearest even multiple of
/// pi/4 goes into two polynomials; the octant says which is which, and the signs.
#[inline(always)]
fn sine_and_cosine(x: f32) -> (f32, f32) {
    const QUARTER_PI: [f32; 3] = [0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8];
    let octant = ((x * (4.0 / std::f32::consts::PI)) as i32 + 1) & !1;
    let multiple = octant as f32;
    let x = QUARTER_PI.iter().fold(x, |x, &part| multiple.mul_add(-part, x));
    let square = x * x;
    let sine = (horner(square, &[-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]) * square).mul_add(x, x);
    let cosine = horner(square, &[2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]) * square;
    let cosine = cosine.mul_add(square, -(square * 0.5)) + 1.0;
    let (first, second) = if octant & 2 == 0 { (sine, cosine) } else { (cosine, sine) };
    let sine_sign = (octant as u32 & 4) << 29;
    let cosine_sign = (!(octant - 2) as u32 & 4) << 29;
    (f32::from_bits(first.to_bits() ^ sine_sign), f32::from_bits(second.to_bits() ^ cosine_sign))
}

/// The polynomial with these coefficients, the highest power's first.
#[inline(always)]
fn horner(x: f32, coefficients: &[f32]) -> f32 {
    coefficients[1..].iter().fold(coefficients[0], |sum, &coefficient| sum.mul_add(x, coefficient))
}
