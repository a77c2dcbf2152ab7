//! One loop, compiled for each instruction set and chosen when it runs.

/// Runs `work` compiled for AVX2, FMA and F16C where the processor has them, and for the base instruction set otherwise.
///
/// `work` must be written `#[inline(always)] move || ...`, and what it calls must inline too: only code that ends up inside
/// this function's variants is compiled for them. (By reference, captured addresses would be read again after every store.)
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[inline] // compiled with its caller's family, and not again with every other
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if has_avx2() {
            // SAFETY: the processor has the features.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

/// The processor runs the AVX2 variants. (The standard library remembers the answer.)
#[inline(always)]
pub fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
