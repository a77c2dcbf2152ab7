//! Lanes as 256-bit vectors. The methods are `inline(always)`: their instructions exist only where the kernel around
//! them was compiled for AVX2 and FMA, and these types must not be used anywhere else.
use super::Lanes;
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Eight f32.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct F32x8(pub __m256);
/// Four f64.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct F64x4(pub __m256d);

/// One intrinsic. A macro and no closure: a closure is a function of its own without the target features.
macro_rules! vector {
    ($intrinsic:expr) => {
        // SAFETY: kernels that use these lanes are entered only where `Isa::Avx2` was detected.
        unsafe { $intrinsic }
    };
}
macro_rules! operators { ($lanes:ident: $($trait:ident $method:ident $intrinsic:ident)*) => { $(
    impl $trait for $lanes { type Output = Self; #[inline(always)] fn $method(self, other: Self) -> Self { $lanes(vector!($intrinsic(self.0, other.0))) } }
    impl $trait<f64> for $lanes { type Output = Self; #[inline(always)] fn $method(self, other: f64) -> Self { $trait::$method(self, <$lanes as Lanes>::splat(other)) } }
)* } }
/// What the two widths share: the intrinsics' names differ in their suffix.
macro_rules! lanes {
    ($lanes:ident $element:ident $count:literal $mask:ident; $set:ident $load:ident $store:ident $load_mask:ident $store_mask:ident $first:ident
    $add:ident $sub:ident $mul:ident $div:ident $fma:ident $sqrt:ident $round:ident $compare:ident $and:ident $andnot:ident $or:ident $xor:ident $blend:ident
    $min:ident $max:ident $signs:ident $to_bits:ident $from_bits:ident $integer_set:ident $integer:ident $integer_add:ident $integer_sub:ident $left:ident $right:ident) => {
        operators! { $lanes: Add add $add Sub sub $sub Mul mul $mul Div div $div }
        impl Neg for $lanes {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                $lanes(vector!($xor(self.0, $set(-0.0))))
            }
        }
        impl Lanes for $lanes {
            type Element = $element;
            type Mask = $mask;
            type Integer = __m256i;
            const LANES: usize = $count;
            #[inline(always)]
            fn splat(value: f64) -> Self {
                $lanes(vector!($set(value as $element)))
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                $lanes(vector!($load(from)))
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                vector!($store(to, self.0))
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $element, n: usize) -> Self {
                $lanes(vector!($load_mask(from, $first(n))))
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $element, n: usize) {
                vector!($store_mask(to, $first(n), self.0))
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                $lanes(vector!($fma(self.0, b.0, c.0)))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $lanes(vector!($sqrt(self.0)))
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $lanes(vector!($round::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0)))
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                $lanes(vector!($round::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(self.0)))
            }
            #[inline(always)]
            fn round(self) -> Self {
                $lanes(vector!($round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)))
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                vector!($compare::<_CMP_LT_OQ>(self.0, other.0))
            }
            #[inline(always)]
            fn le(self, other: Self) -> $mask {
                vector!($compare::<_CMP_LE_OQ>(self.0, other.0))
            }
            #[inline(always)]
            fn eq(self, other: Self) -> $mask {
                vector!($compare::<_CMP_EQ_OQ>(self.0, other.0))
            }
            #[inline(always)]
            fn mask_and(a: $mask, b: $mask) -> $mask {
                vector!($and(a, b))
            }
            #[inline(always)]
            fn mask_or(a: $mask, b: $mask) -> $mask {
                vector!($or(a, b))
            }
            #[inline(always)]
            fn mask_not(a: $mask) -> $mask {
                vector!($xor(a, $from_bits(_mm256_set1_epi32(-1))))
            }
            #[inline(always)]
            fn any(a: $mask) -> bool {
                vector!($signs(a)) != 0
            }
            #[inline(always)]
            fn select(mask: $mask, yes: Self, no: Self) -> Self {
                $lanes(vector!($blend(no.0, yes.0, mask)))
            }
            #[inline(always)]
            fn machine_min(self, other: Self) -> Self {
                $lanes(vector!($min(self.0, other.0)))
            }
            #[inline(always)]
            fn machine_max(self, other: Self) -> Self {
                $lanes(vector!($max(self.0, other.0)))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $lanes(vector!($andnot($set(-0.0), self.0)))
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $lanes(vector!($or($andnot($set(-0.0), self.0), $and($set(-0.0), sign.0))))
            }
            // A blend looks at nothing but the sign bit.
            #[inline(always)]
            fn sign_bit(self) -> $mask {
                self.0
            }
            #[inline(always)]
            fn to_bits(self) -> __m256i {
                vector!($to_bits(self.0))
            }
            #[inline(always)]
            fn from_bits(bits: __m256i) -> Self {
                $lanes(vector!($from_bits(bits)))
            }
            #[inline(always)]
            fn integer(value: i64) -> __m256i {
                vector!($integer_set(value as $integer))
            }
            #[inline(always)]
            fn integer_add(a: __m256i, b: __m256i) -> __m256i {
                vector!($integer_add(a, b))
            }
            #[inline(always)]
            fn integer_sub(a: __m256i, b: __m256i) -> __m256i {
                vector!($integer_sub(a, b))
            }
            #[inline(always)]
            fn integer_and(a: __m256i, b: __m256i) -> __m256i {
                vector!(_mm256_and_si256(a, b))
            }
            #[inline(always)]
            fn integer_xor(a: __m256i, b: __m256i) -> __m256i {
                vector!(_mm256_xor_si256(a, b))
            }
            #[inline(always)]
            fn shift_left<const COUNT: i32>(a: __m256i) -> __m256i {
                vector!($left::<COUNT>(a))
            }
            #[inline(always)]
            fn shift_right<const COUNT: i32>(a: __m256i) -> __m256i {
                vector!($right::<COUNT>(a))
            }
            #[inline(always)]
            fn each(self, f: impl Fn($element) -> $element) -> Self {
                let mut lanes = [0.0; $count];
                vector!($store(lanes.as_mut_ptr(), self.0));
                let mut i = 0;
                while i < $count {
                    lanes[i] = f(lanes[i]);
                    i += 1;
                }
                $lanes(vector!($load(lanes.as_ptr())))
            }
            #[inline(always)]
            fn each_with(self, other: Self, f: impl Fn($element, $element) -> $element) -> Self {
                let (mut lanes, mut others) = ([0.0; $count], [0.0; $count]);
                vector!($store(lanes.as_mut_ptr(), self.0));
                vector!($store(others.as_mut_ptr(), other.0));
                let mut i = 0;
                while i < $count {
                    lanes[i] = f(lanes[i], others[i]);
                    i += 1;
                }
                $lanes(vector!($load(lanes.as_ptr())))
            }
        }
    };
}

/// The first n of eight 32-bit lanes, as masked loads and stores take it.
#[inline(always)]
unsafe fn first_of_8(n: usize) -> __m256i {
    vector!(_mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
}
/// The first n of four 64-bit lanes.
#[inline(always)]
unsafe fn first_of_4(n: usize) -> __m256i {
    vector!(_mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)))
}

lanes! { F32x8 f32 8 __m256; _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_maskload_ps _mm256_maskstore_ps first_of_8
_mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_fmadd_ps _mm256_sqrt_ps _mm256_round_ps _mm256_cmp_ps _mm256_and_ps _mm256_andnot_ps
_mm256_or_ps _mm256_xor_ps _mm256_blendv_ps _mm256_min_ps _mm256_max_ps _mm256_movemask_ps _mm256_castps_si256 _mm256_castsi256_ps
_mm256_set1_epi32 i32 _mm256_add_epi32 _mm256_sub_epi32 _mm256_slli_epi32 _mm256_srli_epi32 }
lanes! { F64x4 f64 4 __m256d; _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_maskload_pd _mm256_maskstore_pd first_of_4
_mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_fmadd_pd _mm256_sqrt_pd _mm256_round_pd _mm256_cmp_pd _mm256_and_pd _mm256_andnot_pd
_mm256_or_pd _mm256_xor_pd _mm256_blendv_pd _mm256_min_pd _mm256_max_pd _mm256_movemask_pd _mm256_castpd_si256 _mm256_castsi256_pd
_mm256_set1_epi64x i64 _mm256_add_epi64 _mm256_sub_epi64 _mm256_slli_epi64 _mm256_srli_epi64 }

impl F32x8 {
    /// The lanes as two vectors of f64: what needs more than 24 bits is worked there.
    #[inline(always)]
    pub fn widen(self) -> [F64x4; 2] {
        [
            F64x4(vector!(_mm256_cvtps_pd(_mm256_castps256_ps128(self.0)))),
            F64x4(vector!(_mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0)))),
        ]
    }
    #[inline(always)]
    pub fn narrow(halves: [F64x4; 2]) -> F32x8 {
        F32x8(vector!(_mm256_set_m128(_mm256_cvtpd_ps(halves[1].0), _mm256_cvtpd_ps(halves[0].0))))
    }
}
