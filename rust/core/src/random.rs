//! Random streams: the generators that ops draw from, and the default one.
use crate::device::Device;
use crate::fork;
use crate::tensor::Tensor;
use rustorch_base::random::unpredictable_seed;
pub use rustorch_base::random::{Algorithm, Source};
use rustorch_base::{DType, Result, bail, ensure};
use rustorch_kernels::cpu;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A source of random numbers that ops draw from, shared by all its handles. A draw holds the lock for the whole of an
/// op, so that concurrent ops never interleave their numbers.
#[derive(Clone)]
pub struct Generator(Arc<Mutex<Source>>);

impl Generator {
    /// A generator at the start of the default seed's stream.
    pub fn new(algorithm: Algorithm) -> Generator {
        Generator::of(Source::new(algorithm, Source::DEFAULT_SEED))
    }
    fn of(source: Source) -> Generator {
        Generator(Arc::new(Mutex::new(source)))
    }
    /// What ops draw from when the call names no generator; its first seed is unpredictable.
    pub fn global() -> &'static Generator {
        static DEFAULT: OnceLock<Generator> = OnceLock::new();
        DEFAULT.get_or_init(|| {
            fork::hold_during_fork(|| Box::new(Generator::global().source()));
            Generator::of(Source::new(Algorithm::Mt19937, unpredictable_seed()))
        })
    }
    /// The given generator, or the default one.
    pub fn or_default(given: Option<&Generator>) -> &Generator {
        given.unwrap_or_else(|| Generator::global())
    }
    /// Another generator that goes on with the same numbers.
    #[must_use]
    pub fn fork_state(&self) -> Generator {
        Generator::of(self.source().clone())
    }
    /// The stream itself, for as long as an op draws.
    pub fn source(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn is_same(&self, other: &Generator) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    pub fn device(&self) -> Device {
        Device::CPU
    }
    pub fn algorithm(&self) -> Algorithm {
        self.source().algorithm()
    }
    pub fn initial_seed(&self) -> u64 {
        self.source().initial_seed()
    }
    pub fn manual_seed(&self, seed: u64) {
        self.source().manual_seed(seed);
    }
    /// Starts over from an unpredictable seed, and returns it.
    pub fn seed(&self) -> u64 {
        self.source().seed()
    }
    /// The state as a uint8 tensor, in PyTorch's layout (mt19937: 5,056 bytes).
    pub fn state(&self) -> Result<Tensor> {
        let bytes = self.source().state();
        let tensor = Tensor::empty(&[bytes.len() as i64], DType::UInt8)?;
        // SAFETY: the fresh tensor has as many bytes, and nobody else knows it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), tensor.array().data(), bytes.len()) };
        Ok(tensor)
    }
    /// Goes on from a state that this or PyTorch's generator gave.
    pub fn set_state(&self, state: &Tensor) -> Result<()> {
        ensure!(state.dtype() == DType::UInt8 && !state.device().is_meta(), type_, "RNG state must be a torch.ByteTensor");
        let mut bytes = vec![0; state.numel() as usize];
        let plain = Tensor::empty(state.shape(), DType::UInt8)?;
        cpu::copy::copy(state.shape(), plain.operand(), state.operand());
        // SAFETY: the contiguous copy has as many bytes as the vector.
        unsafe { std::ptr::copy_nonoverlapping(plain.array().data(), bytes.as_mut_ptr(), bytes.len()) };
        self.source().set_state(&bytes)
    }
}

/// The 64 bits that a Python seed stands for: negative ones count down from 2^64.
pub fn seed_from(seed: i128) -> Result<u64> {
    match u64::try_from(seed).or_else(|_| i64::try_from(seed).map(|seed| seed as u64)) {
        Ok(seed) => Ok(seed),
        Err(_) => bail!(value, "Overflow when unpacking long long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_wrap_as_pytorch_s() {
        assert_eq!(seed_from(-1).unwrap(), u64::MAX);
        assert_eq!(seed_from(i128::from(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(seed_from(i128::from(i64::MIN)).unwrap(), 1 << 63);
        for bad in [1_i128 << 64, i128::from(i64::MIN) - 1] {
            assert_eq!(seed_from(bad).unwrap_err().message, "Overflow when unpacking long long");
        }
    }

    #[test]
    fn a_state_moves_between_generators() {
        let generator = Generator::new(Algorithm::Mt19937);
        assert_eq!(generator.initial_seed(), 67_280_421_310_721);
        generator.manual_seed(0);
        let state = generator.state().unwrap();
        assert_eq!(state.shape(), [5_056]);
        let first = generator.source().next_u32();
        let other = Generator::new(Algorithm::Mt19937);
        other.set_state(&state).unwrap();
        assert_eq!((other.initial_seed(), other.source().next_u32()), (0, first));
        assert_eq!(other.fork_state().source().next_u32(), generator.source().next_u32());
        let wrong = Tensor::empty(&[5_056], DType::Int8).unwrap();
        assert_eq!(other.set_state(&wrong).unwrap_err().message, "RNG state must be a torch.ByteTensor");
    }
}
