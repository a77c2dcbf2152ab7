//! The few vector operations micro-kernels are made of, one implementation an instruction set.

/// A register of `LANES` elements. Methods are inlined into a function that enables the instruction set.
///
/// # Safety
/// Calling any method needs a processor with the instructions of the implementation; pointers must be valid for the
/// lanes read or written (the first `n` only, for the `_first` methods, with 0 < n <= LANES).
pub unsafe trait Vector: Copy {
    type Element: Copy;
    const LANES: usize;
    unsafe fn splat(x: Self::Element) -> Self;
    unsafe fn load(p: *const Self::Element) -> Self;
    /// The lanes after the first `n` are zero.
    unsafe fn load_first(p: *const Self::Element, n: usize) -> Self;
    unsafe fn store(self, p: *mut Self::Element);
    unsafe fn store_first(self, p: *mut Self::Element, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn multiply(self, other: Self) -> Self;
    /// `self * factor + addend`
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// Of all lanes.
    unsafe fn sum(self) -> Self::Element;
    unsafe fn prefetch(p: *const Self::Element);
}

/// Plain Rust: any processor.
macro_rules! portable {
    ($name:ident, $element:ty, $lanes:literal) => {
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub struct $name([$element; $lanes]);
        // SAFETY: uses no special instructions.
        unsafe impl Vector for $name {
            type Element = $element;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: $element) -> Self {
                $name([x; $lanes])
            }
            #[inline(always)]
            unsafe fn load(p: *const $element) -> Self {
                // SAFETY: the caller vouches for all lanes.
                unsafe { p.cast::<Self>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn load_first(p: *const $element, n: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                for (i, lane) in lanes.iter_mut().enumerate().take(n) {
                    // SAFETY: i < n.
                    *lane = unsafe { *p.add(i) };
                }
                $name(lanes)
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $element) {
                // SAFETY: the caller vouches for all lanes.
                unsafe { p.cast::<Self>().write_unaligned(self) }
            }
            #[inline(always)]
            unsafe fn store_first(self, p: *mut $element, n: usize) {
                for i in 0..n {
                    // SAFETY: i < n.
                    unsafe { *p.add(i) = self.0[i] }
                }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                $name(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }
            #[inline(always)]
            unsafe fn multiply(self, other: Self) -> Self {
                $name(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }
            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                $name(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
            }
            #[inline(always)]
            unsafe fn sum(self) -> $element {
                self.0.iter().sum()
            }
            #[inline(always)]
            unsafe fn prefetch(_: *const $element) {}
        }
    };
}
portable! { PortableF32, f32, 4 }
portable! { PortableF64, f64, 2 }

#[cfg(target_arch = "x86_64")]
pub use avx2::{Avx2F32, Avx2F64};

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Vector;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct Avx2F32(pub __m256);
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct Avx2F64(pub __m256d);

    /// All bits set in the first `n` lanes: a window into this table.
    static MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    static MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

    // SAFETY: every method is as its intrinsic says; `Vector` asks its callers for AVX2 and FMA.
    unsafe impl Vector for Avx2F32 {
        type Element = f32;
        const LANES: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F32(_mm256_set1_ps(x)) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            // SAFETY: the caller vouches for all lanes.
            unsafe { Avx2F32(_mm256_loadu_ps(p)) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f32, n: usize) -> Self {
            // SAFETY: 8 - n + 8 <= 16; masked lanes are not read.
            unsafe { Avx2F32(_mm256_maskload_ps(p, _mm256_loadu_si256(MASK32.as_ptr().add(8 - n).cast()))) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            // SAFETY: the caller vouches for all lanes.
            unsafe { _mm256_storeu_ps(p, self.0) }
        }
        /// By halves: a masked store costs a dozen cycles on AMD's processors before Zen 4.
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, n: usize) {
            // SAFETY: the pieces written add up to the bits of n.
            unsafe {
                if n == 8 {
                    return _mm256_storeu_ps(p, self.0);
                }
                let (mut p, mut rest) = (p, _mm256_castps256_ps128(self.0));
                if n & 4 != 0 {
                    _mm_storeu_ps(p, rest);
                    rest = _mm256_extractf128_ps(self.0, 1);
                    p = p.add(4);
                }
                if n & 2 != 0 {
                    _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
                    rest = _mm_movehl_ps(rest, rest);
                    p = p.add(2);
                }
                if n & 1 != 0 {
                    _mm_store_ss(p, rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F32(_mm256_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn multiply(self, other: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F32(_mm256_mul_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F32(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: see the impl.
            unsafe {
                let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps(self.0, 1));
                let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
            }
        }
        #[inline(always)]
        unsafe fn prefetch(p: *const f32) {
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
    }

    // SAFETY: as above.
    unsafe impl Vector for Avx2F64 {
        type Element = f64;
        const LANES: usize = 4;
        #[inline(always)]
        unsafe fn splat(x: f64) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F64(_mm256_set1_pd(x)) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f64) -> Self {
            // SAFETY: the caller vouches for all lanes.
            unsafe { Avx2F64(_mm256_loadu_pd(p)) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f64, n: usize) -> Self {
            // SAFETY: 4 - n + 4 <= 8; masked lanes are not read.
            unsafe { Avx2F64(_mm256_maskload_pd(p, _mm256_loadu_si256(MASK64.as_ptr().add(4 - n).cast()))) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f64) {
            // SAFETY: the caller vouches for all lanes.
            unsafe { _mm256_storeu_pd(p, self.0) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f64, n: usize) {
            // SAFETY: the pieces written add up to the bits of n.
            unsafe {
                if n == 4 {
                    return _mm256_storeu_pd(p, self.0);
                }
                let (mut p, mut rest) = (p, _mm256_castpd256_pd128(self.0));
                if n & 2 != 0 {
                    _mm_storeu_pd(p, rest);
                    rest = _mm256_extractf128_pd(self.0, 1);
                    p = p.add(2);
                }
                if n & 1 != 0 {
                    _mm_store_sd(p, rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F64(_mm256_add_pd(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn multiply(self, other: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F64(_mm256_mul_pd(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: see the impl.
            unsafe { Avx2F64(_mm256_fmadd_pd(self.0, factor.0, addend.0)) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f64 {
            // SAFETY: see the impl.
            unsafe {
                let two = _mm_add_pd(_mm256_castpd256_pd128(self.0), _mm256_extractf128_pd(self.0, 1));
                _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
            }
        }
        #[inline(always)]
        unsafe fn prefetch(p: *const f64) {
            // SAFETY: a prefetch of any address is allowed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
        }
    }
}
