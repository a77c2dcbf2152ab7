//! The bytes of a generator's state. mt19937: the 5,056 bytes of PyTorch's CPU generator, so that states move both ways.
//! Philox: the 16 bytes of PyTorch's CUDA generator (seed, offset), all little-endian.
//!
//! ```text
//!    0  u64       initial seed              5016  f64   unused (0)
//!    8  i32       words left, plus 1        5024  f64   spare normal sample
//!   12  i32       seeded (1)                5032  f64   unused (0)
//!   16  u64       next word                 5040  i32   spare normal sample is valid
//!   24  u64[624]  state words               5048  f32   spare single-precision sample; 5052 u8 it is valid
//! ```
use super::mt19937::WORDS;
use super::source::Engine;
use super::{Mt19937, Philox, Source};
use crate::{Result, bail, ensure};

const LEFT: usize = 8;
const SEEDED: usize = 12;
const NEXT: usize = 16;
const STATE: usize = 24;
const SPARE: usize = 5024;
const SPARE_VALID: usize = 5040;
const SINGLE: usize = 5048;
const SINGLE_VALID: usize = 5052;
const MT19937_BYTES: usize = 5056;
const PHILOX_BYTES: usize = 16;

impl Source {
    /// The state as bytes, in PyTorch's layout.
    pub fn state(&self) -> Vec<u8> {
        match &self.engine {
            Engine::Mt19937(engine) => self.mt19937_state(engine),
            Engine::Philox(engine) => [engine.seed.to_le_bytes(), engine.offset.to_le_bytes()].concat(),
        }
    }

    /// Goes on from a state that [`Source::state`] or PyTorch wrote. RuntimeError, and nothing changed, if it is of
    /// another size or could not have been written.
    pub fn set_state(&mut self, bytes: &[u8]) -> Result<()> {
        *self = match &self.engine {
            Engine::Mt19937(_) => read_mt19937(bytes)?,
            Engine::Philox(_) => read_philox(bytes)?,
        };
        Ok(())
    }

    fn mt19937_state(&self, engine: &Mt19937) -> Vec<u8> {
        let mut bytes = vec![0; MT19937_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &engine.seed.to_le_bytes());
        put(LEFT, &(engine.remaining as i32 + 1).to_le_bytes());
        put(SEEDED, &1_i32.to_le_bytes());
        put(NEXT, &(engine.next as u64).to_le_bytes());
        for (i, &word) in engine.state().iter().enumerate() {
            put(STATE + 8 * i, &u64::from(word).to_le_bytes());
        }
        if let Some(sample) = self.spare_normal {
            put(SPARE, &sample.to_le_bytes());
            put(SPARE_VALID, &1_i32.to_le_bytes());
        }
        if let Some(sample) = self.spare_normal_single {
            put(SINGLE, &sample.to_le_bytes());
            put(SINGLE_VALID, &[1]);
        }
        bytes
    }
}

/// `N` bytes of a state at a place that lies inside it by the layout above.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[at..at + N]);
    value
}

fn read_mt19937(bytes: &[u8]) -> Result<Source> {
    let found = bytes.len();
    ensure!(
        found == MT19937_BYTES,
        runtime,
        "Expected a CPUGeneratorImplState of size {MT19937_BYTES} but found the input RNG state size to be {found}"
    );
    let left = i32::from_le_bytes(bytes_at(bytes, LEFT));
    let next = u64::from_le_bytes(bytes_at(bytes, NEXT)) as u32 as usize;
    let seeded = i32::from_le_bytes(bytes_at(bytes, SEEDED)) != 0;
    // PyTorch checks both bounds but not their sum, and would then read past its own state.
    if !seeded || left < 1 || next + left as usize > WORDS + 1 {
        bail!(runtime, "Invalid mt19937 state");
    }
    let mut state = [0; WORDS];
    for (i, word) in state.iter_mut().enumerate() {
        *word = u64::from_le_bytes(bytes_at(bytes, STATE + 8 * i)) as u32;
    }
    let engine = Mt19937::at(u64::from_le_bytes(bytes_at(bytes, 0)), &state, next, left as usize - 1);
    let spare = i32::from_le_bytes(bytes_at(bytes, SPARE_VALID)) != 0;
    Ok(Source {
        engine: Engine::Mt19937(Box::new(engine)),
        spare_normal: spare.then(|| f64::from_le_bytes(bytes_at(bytes, SPARE))),
        spare_normal_single: (bytes[SINGLE_VALID] != 0).then(|| f32::from_le_bytes(bytes_at(bytes, SINGLE))),
    })
}

fn read_philox(bytes: &[u8]) -> Result<Source> {
    ensure!(bytes.len() == PHILOX_BYTES, runtime, "RNG state is wrong size");
    let engine = Philox { seed: u64::from_le_bytes(bytes_at(bytes, 0)), offset: u64::from_le_bytes(bytes_at(bytes, 8)) };
    Ok(Source { engine: Engine::Philox(engine), spare_normal: None, spare_normal_single: None })
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, normal};
    use super::*;

    #[test]
    fn a_state_goes_on_where_it_was_taken() {
        for algorithm in [Algorithm::Mt19937, Algorithm::Philox] {
            let mut source = Source::new(algorithm, 3);
            let mut samples = [0.0_f64; 3];
            if algorithm == Algorithm::Mt19937 {
                normal::fill(&mut source, &mut samples, 0.0, 1.0); // an odd number leaves a spare sample
            }
            source.fill(&mut [0; 700]);
            let mut other = Source::new(algorithm, 99);
            other.set_state(&source.state()).unwrap();
            assert_eq!(other.initial_seed(), 3);
            assert_eq!(other.spare_normal, source.spare_normal);
            assert!((0..2_000).all(|_| other.next_u32() == source.next_u32()));
        }
    }

    #[test]
    fn a_fresh_state_has_the_bytes_of_pytorch() {
        let bytes = Source::new(Algorithm::Mt19937, 0).state();
        assert_eq!(bytes.len(), MT19937_BYTES);
        let words: Vec<u64> = bytes[..40].as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        assert_eq!(words, [0, 0x1_0000_0001, 0, 0, 1]);
        assert!(bytes[5016..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn states_that_nobody_wrote_are_refused_and_change_nothing() {
        let mut source = Source::new(Algorithm::Mt19937, 5);
        let good = source.state();
        let refused = |source: &mut Source, bytes: &[u8]| source.set_state(bytes).unwrap_err().message;
        assert_eq!(
            refused(&mut source, &good[1..]),
            "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 5055"
        );
        for (at, byte) in [(SEEDED, 0), (LEFT, 0), (LEFT + 3, 255), (NEXT + 1, 3)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(refused(&mut source, &bad), "Invalid mt19937 state");
        }
        assert_eq!(source.state(), good);
    }
}
