//! Which instruction set the kernels use.
use std::sync::LazyLock;

/// An instruction set with lanes of its own. Another one is a variant here, a file of lanes, and an arm where kernels
/// are picked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Isa {
    /// What the target always has.
    Portable,
    /// AVX2 with FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}
impl Isa {
    /// Those this machine can run, the best last.
    pub fn available() -> Vec<Isa> {
        let mut list = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            list.push(Isa::Avx2);
        }
        list
    }
    pub fn best() -> Isa {
        static BEST: LazyLock<Isa> = LazyLock::new(|| Isa::available().last().copied().unwrap_or(Isa::Portable));
        *BEST
    }
}
