//! Loops compiled twice: for the processor at hand (AVX2 with FMA, where it has them) and for any.

/// Wraps a function so that its body runs with AVX2 and FMA instructions where the processor has them. Both versions
/// give the same bits: `mul_add` rounds once in either, only slower in the portable one.
macro_rules! wide {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) {
            #[inline(always)]
            fn portable($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    portable($($argument),*);
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: both features were just found on this processor.
                    return unsafe { avx2($($argument),*) };
                }
            }
            portable($($argument),*);
        }
    };
}
pub(super) use wide;
