//! Conversion between dtypes as PyTorch's `to(dtype)` does it: floats to integers by truncation, anything to bool by
//! `!= 0`, complex to real by dropping the imaginary part.
use super::vectorized::vectorized;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use num_complex::{Complex, Complex32, Complex64};
use rustorch_base::dtype::{Element, Truth};
use rustorch_base::{DType, with_dtype};

/// Converts `n` packed elements. The ranges must not overlap, unless the element sizes are equal and the addresses too.
pub type Convert = unsafe fn(dst: *mut u8, src: *const u8, n: usize);

/// The conversion from `src` to `dst`.
pub fn convert(dst: DType, src: DType) -> Convert {
    match (dst, src) {
        (DType::Float16, DType::Float16) => packed::<f16, f16>,
        (DType::Float16, DType::Float32) => single_to_half,
        (DType::Float32, DType::Float16) => half_to_single,
        (DType::Float16, _) => with_dtype!(src, S => to_half::<S>),
        (_, DType::Float16) => with_dtype!(dst, D => from_half::<D>),
        _ => with_dtype!(dst, D => with_dtype!(src, S => packed::<D, S>)),
    }
}

/// Converts one element.
#[inline(always)]
pub fn cast<D: Cast, S: Cast>(x: S) -> D {
    x.cast()
}

/// An element type that converts to and from every other, by way of the widest type of its kind.
pub trait Cast: Element {
    fn cast<D: Cast>(self) -> D;
    fn from_signed(x: i64) -> Self;
    fn from_unsigned(x: u64) -> Self;
    fn from_single(x: f32) -> Self;
    fn from_double(x: f64) -> Self;
    #[inline(always)]
    fn from_complex(x: Complex64) -> Self {
        Self::from_double(x.re)
    }
    #[inline(always)]
    fn from_complex_single(x: Complex32) -> Self {
        Self::from_single(x.re)
    }
}

/// Truncation as x86 does it and PyTorch shows it: what int64 cannot hold, NaN too, becomes its smallest value.
#[inline(always)]
fn truncate(x: f64) -> i64 {
    const LIMIT: f64 = 9223372036854775808.0;
    if (-LIMIT..LIMIT).contains(&x) { x as i64 } else { i64::MIN }
}
/// [`truncate`] for int32.
#[inline(always)]
fn truncate_narrow(x: f64) -> i32 {
    if x > -2147483649.0 && x < 2147483648.0 { x as i32 } else { i32::MIN }
}
/// [`truncate_narrow`] without widening, so that it vectorises.
#[inline(always)]
fn truncate_single(x: f32) -> i32 {
    // SAFETY: the value lies in the range of i32.
    if (-2147483648.0..2147483648.0).contains(&x) { unsafe { x.to_int_unchecked() } } else { i32::MIN }
}
#[inline(always)]
fn truncate_unsigned(x: f64) -> u64 {
    const LIMIT: f64 = 9223372036854775808.0;
    if (LIMIT..2.0 * LIMIT).contains(&x) {
        x as u64
    } else if x >= LIMIT {
        0
    } else {
        truncate(x) as u64
    }
}

macro_rules! integers {
    ($($t:ty, $up:ident as $wide:ty, $single:expr, $double:expr;)*) => { $(
        impl Cast for $t {
            #[inline(always)]
            fn cast<D: Cast>(self) -> D { D::$up(self as $wide) }
            #[inline(always)]
            fn from_signed(x: i64) -> $t { x as $t }
            #[inline(always)]
            fn from_unsigned(x: u64) -> $t { x as $t }
            #[inline(always)]
            fn from_single(x: f32) -> $t { $single(x) as $t }
            #[inline(always)]
            fn from_double(x: f64) -> $t { $double(x) as $t }
        }
    )* };
}
integers! {
    u8, from_signed as i64, |x: f32| truncate(x as f64), truncate;
    i8, from_signed as i64, truncate_single, truncate_narrow;
    i16, from_signed as i64, truncate_single, truncate_narrow;
    i32, from_signed as i64, truncate_single, truncate_narrow;
    i64, from_signed as i64, |x: f32| truncate(x as f64), truncate;
    u16, from_signed as i64, truncate_single, truncate_narrow;
    u32, from_signed as i64, |x: f32| truncate(x as f64), truncate;
    u64, from_unsigned as u64, |x: f32| truncate_unsigned(x as f64), truncate_unsigned;
}

impl Cast for Truth {
    #[inline(always)]
    fn cast<D: Cast>(self) -> D {
        D::from_signed(self.get() as i64)
    }
    #[inline(always)]
    fn from_signed(x: i64) -> Truth {
        Truth::new(x != 0)
    }
    #[inline(always)]
    fn from_unsigned(x: u64) -> Truth {
        Truth::new(x != 0)
    }
    #[inline(always)]
    fn from_single(x: f32) -> Truth {
        Truth::new(x != 0.0)
    }
    #[inline(always)]
    fn from_double(x: f64) -> Truth {
        Truth::new(x != 0.0)
    }
    #[inline(always)]
    fn from_complex(x: Complex64) -> Truth {
        Truth::new(x.re != 0.0 || x.im != 0.0)
    }
    #[inline(always)]
    fn from_complex_single(x: Complex32) -> Truth {
        Truth::new(x.re != 0.0 || x.im != 0.0)
    }
}

macro_rules! floats {
    ($($t:ty, $up:ident($wide:expr), $from_single:expr, $from_double:expr;)*) => { $(
        impl Cast for $t {
            #[inline(always)]
            fn cast<D: Cast>(self) -> D { D::$up($wide(self)) }
            #[inline(always)]
            fn from_signed(x: i64) -> $t { $from_single(x as f32) }
            #[inline(always)]
            fn from_unsigned(x: u64) -> $t { $from_single(x as f32) }
            #[inline(always)]
            fn from_single(x: f32) -> $t { $from_single(x) }
            #[inline(always)]
            fn from_double(x: f64) -> $t { $from_double(x) }
        }
    )* };
}
floats! {
    f32, from_single(|x: f32| x), |x: f32| x, |x: f64| x as f32;
    f16, from_single(f16::to_f32), f16::from_f32, |x: f64| f16::from_f32(x as f32);
    bf16, from_single(widen), narrow, |x: f64| narrow(x as f32);
}
impl Cast for f64 {
    #[inline(always)]
    fn cast<D: Cast>(self) -> D {
        D::from_double(self)
    }
    #[inline(always)]
    fn from_signed(x: i64) -> f64 {
        x as f64
    }
    #[inline(always)]
    fn from_unsigned(x: u64) -> f64 {
        x as f64
    }
    #[inline(always)]
    fn from_single(x: f32) -> f64 {
        x as f64
    }
    #[inline(always)]
    fn from_double(x: f64) -> f64 {
        x
    }
}

/// bfloat16 is the upper half of a float32.
#[inline(always)]
fn widen(x: bf16) -> f32 {
    f32::from_bits((x.to_bits() as u32) << 16)
}
/// To nearest, ties to even. Integer arithmetic alone, so that loops over it vectorise.
#[inline(always)]
fn narrow(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    bf16::from_bits(if x.is_nan() { 0x7fc0 } else { rounded as u16 })
}

macro_rules! complexes {
    ($($part:ty, $up:ident;)*) => { $(
        impl Cast for Complex<$part> {
            #[inline(always)]
            fn cast<D: Cast>(self) -> D { D::$up(self) }
            #[inline(always)]
            fn from_signed(x: i64) -> Self { Complex::new(x as $part, 0.0) }
            #[inline(always)]
            fn from_unsigned(x: u64) -> Self { Complex::new(x as $part, 0.0) }
            #[inline(always)]
            fn from_single(x: f32) -> Self { Complex::new(x as $part, 0.0) }
            #[inline(always)]
            fn from_double(x: f64) -> Self { Complex::new(x as $part, 0.0) }
            #[inline(always)]
            fn from_complex(x: Complex64) -> Self { Complex::new(x.re as $part, x.im as $part) }
            #[inline(always)]
            fn from_complex_single(x: Complex32) -> Self { Complex::new(x.re as $part, x.im as $part) }
        }
    )* };
}
complexes! { f32, from_complex_single; f64, from_complex; }

/// # Safety
/// As [`Convert`].
unsafe fn packed<D: Cast, S: Cast>(dst: *mut u8, src: *const u8, n: usize) {
    let (dst, src) = (dst.cast::<D>(), src.cast::<S>());
    vectorized(
        #[inline(always)]
        move || {
            for i in 0..n {
                // SAFETY: the caller vouches for `n` elements on both sides.
                unsafe { *dst.add(i) = (*src.add(i)).cast() }
            }
        },
    );
}

/// Elements a conversion to or from float16 holds as float32 in between.
const PIECE: usize = 512;

// float16 goes by way of float32 in pieces: the processor's own instructions convert slices of it.
unsafe fn to_half<S: Cast>(dst: *mut u8, src: *const u8, n: usize) {
    let mut middle = [0f32; PIECE];
    for start in (0..n).step_by(PIECE) {
        let len = PIECE.min(n - start);
        // SAFETY: the piece lies within the `n` elements of both sides and within `middle`.
        unsafe {
            packed::<f32, S>(middle.as_mut_ptr().cast(), src.cast::<S>().add(start).cast(), len);
            single_to_half(dst.cast::<f16>().add(start).cast(), middle.as_ptr().cast(), len);
        }
    }
}
unsafe fn from_half<D: Cast>(dst: *mut u8, src: *const u8, n: usize) {
    let mut middle = [0f32; PIECE];
    for start in (0..n).step_by(PIECE) {
        let len = PIECE.min(n - start);
        // SAFETY: the piece lies within the `n` elements of both sides and within `middle`.
        unsafe {
            half_to_single(middle.as_mut_ptr().cast(), src.cast::<f16>().add(start).cast(), len);
            packed::<D, f32>(dst.cast::<D>().add(start).cast(), middle.as_ptr().cast(), len);
        }
    }
}
unsafe fn single_to_half(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: the caller vouches for `n` elements on both sides, which do not overlap.
    let (dst, src) = unsafe { (std::slice::from_raw_parts_mut(dst.cast::<f16>(), n), std::slice::from_raw_parts(src.cast(), n)) };
    dst.convert_from_f32_slice(src);
}
unsafe fn half_to_single(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: the caller vouches for `n` elements on both sides, which do not overlap.
    let (dst, src) = unsafe { (std::slice::from_raw_parts_mut(dst.cast(), n), std::slice::from_raw_parts(src.cast::<f16>(), n)) };
    src.convert_to_f32_slice(dst);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<D: Cast, S: Cast>(x: S) -> D {
        let mut y = std::mem::MaybeUninit::<D>::uninit();
        // SAFETY: one element of each type.
        unsafe {
            convert(D::DTYPE, S::DTYPE)(y.as_mut_ptr().cast(), (&raw const x).cast(), 1);
            y.assume_init()
        }
    }

    // The values PyTorch 2.13 prints for `torch.tensor([...]).to(dtype)`.
    #[test]
    fn floats_become_integers_as_in_pytorch() {
        assert_eq!([300.7f32, -1.5, 70000.0, 3e9].map(one::<u8, f32>), [44, 255, 112, 0]);
        assert_eq!([300.7f32, -1.5, 70000.0, f32::NAN].map(one::<i16, f32>), [300, -1, 4464, 0]);
        assert_eq!([3e9f64, -3e9, f64::INFINITY].map(one::<i32, f64>), [i32::MIN; 3]);
        assert_eq!([3e9f32, 5e9, 1e20].map(one::<i64, f32>), [3000000000, 5000000000, i64::MIN]);
        assert_eq!([3e9f64, -3e9, -1.5].map(one::<u32, f64>), [3000000000, 1294967296, 4294967295]);
        assert_eq!([-1.5f64, 1e19].map(one::<u64, f64>), [u64::MAX, 10000000000000000000]);
        assert_eq!(one::<i8, f16>(f16::from_f32(-1.5)), -1);
    }

    #[test]
    fn bool_and_complex() {
        assert!(one::<Truth, f32>(f32::NAN).get() && one::<Truth, f16>(f16::from_f32(0.5)).get() && !one::<Truth, f64>(-0.0).get());
        assert!(one::<Truth, Complex32>(Complex::new(0.0, 2.0)).get());
        assert_eq!(one::<f32, Truth>(Truth(3)), 1.0);
        assert_eq!(one::<f16, Complex64>(Complex::new(1.5, 9.0)), f16::from_f32(1.5));
        assert_eq!(one::<Complex64, i32>(-4), Complex::new(-4.0, 0.0));
    }

    #[test]
    fn bfloat16_rounds_to_even_and_keeps_nan() {
        assert_eq!(one::<bf16, f32>(1.00390625).to_f32(), 1.0);
        assert_eq!(one::<bf16, f32>(1.01171875).to_f32(), 1.015625);
        assert!(one::<bf16, f32>(f32::from_bits(0x7f800001)).is_nan());
        assert_eq!(one::<f64, bf16>(bf16::from_f32(-2.5)), -2.5);
    }
}
