//! A source of random words: an engine, and the sample that the normal distribution keeps for its next call.
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;

use super::{Mt19937, Philox};
use crate::{Result, bail};

/// Which engine makes the words. `mt19937` is PyTorch's on the CPU, `philox` the one every device can share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Mt19937,
    Philox,
}

impl Algorithm {
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Mt19937 => "mt19937",
            Algorithm::Philox => "philox",
        }
    }
    /// The algorithm of that name; ValueError for any other.
    pub fn from_name(name: &str) -> Result<Algorithm> {
        match name {
            "mt19937" => Ok(Algorithm::Mt19937),
            "philox" => Ok(Algorithm::Philox),
            _ => bail!(value, "Generator algorithm must be 'mt19937' or 'philox', but got '{name}'"),
        }
    }
}

#[derive(Clone)]
pub(super) enum Engine {
    Mt19937(Box<Mt19937>),
    Philox(Philox),
}

/// What a `torch.Generator` holds. Cloning it forks the stream: both go on with the same numbers.
#[derive(Clone)]
pub struct Source {
    pub(super) engine: Engine,
    /// The second half of the last Box-Muller pair in double precision, used before new words are drawn.
    pub(super) spare_normal: Option<f64>,
    /// The same in single precision: PyTorch never makes one on the CPU, but its states have room for it.
    pub(super) spare_normal_single: Option<f32>,
}

impl Source {
    /// The seed of a `torch.Generator()` that nobody seeded.
    pub const DEFAULT_SEED: u64 = 67_280_421_310_721;

    pub fn new(algorithm: Algorithm, seed: u64) -> Source {
        let engine = match algorithm {
            Algorithm::Mt19937 => Engine::Mt19937(Box::new(Mt19937::new(seed))),
            Algorithm::Philox => Engine::Philox(Philox::new(seed)),
        };
        Source { engine, spare_normal: None, spare_normal_single: None }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.engine {
            Engine::Mt19937(_) => Algorithm::Mt19937,
            Engine::Philox(_) => Algorithm::Philox,
        }
    }

    /// The seed this stream began with.
    pub fn initial_seed(&self) -> u64 {
        match &self.engine {
            Engine::Mt19937(engine) => engine.seed,
            Engine::Philox(engine) => engine.seed,
        }
    }

    /// Begins the stream of `seed`, forgetting all that went before.
    pub fn manual_seed(&mut self, seed: u64) {
        match &mut self.engine {
            Engine::Mt19937(engine) => engine.restart(seed),
            Engine::Philox(engine) => *engine = Philox::new(seed),
        }
        (self.spare_normal, self.spare_normal_single) = (None, None);
    }

    /// Begins the stream of a seed that nobody can foretell, and returns it.
    pub fn seed(&mut self) -> u64 {
        let seed = unpredictable_seed();
        self.manual_seed(seed);
        seed
    }

    /// How many words a Philox stream has given; mt19937 does not count.
    pub fn offset(&self) -> Result<u64> {
        match &self.engine {
            Engine::Mt19937(_) => bail!(runtime, "CPU Generator does not use offset"),
            Engine::Philox(engine) => Ok(engine.offset),
        }
    }

    /// Moves a Philox stream to its word number `offset`.
    pub fn set_offset(&mut self, offset: u64) -> Result<()> {
        match &mut self.engine {
            Engine::Mt19937(_) => bail!(runtime, "CPU Generator does not use offset"),
            Engine::Philox(engine) => engine.offset = offset,
        }
        Ok(())
    }

    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        match &mut self.engine {
            Engine::Mt19937(engine) => engine.next_u32(),
            Engine::Philox(engine) => engine.next_u32(),
        }
    }

    /// Two words, the first of them the high half.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let high = self.next_u32();
        join([high, self.next_u32()])
    }

    /// Fills `out` with the next `out.len()` words.
    pub fn fill(&mut self, out: &mut [u32]) {
        match &mut self.engine {
            Engine::Mt19937(engine) => engine.fill(out),
            Engine::Philox(engine) => engine.fill(out),
        }
    }

    /// Makes each element of `out` of one word, in order.
    #[inline(always)]
    pub(super) fn map_words<T>(&mut self, out: &mut [T], element: impl Fn(u32) -> T) {
        let mut words = [0; CHUNK];
        for part in out.chunks_mut(CHUNK) {
            let words = &mut words[..part.len()];
            self.fill(words);
            part.iter_mut().zip(words).for_each(|(out, word)| *out = element(*word));
        }
    }

    /// Makes each element of `out` of two words, in order, the first of them the high half.
    #[inline(always)]
    pub(super) fn map_pairs<T>(&mut self, out: &mut [T], element: impl Fn(u64) -> T) {
        let mut words = [0; CHUNK];
        for part in out.chunks_mut(CHUNK / 2) {
            let words = &mut words[..2 * part.len()];
            self.fill(words);
            part.iter_mut().zip(words.as_chunks().0).for_each(|(out, pair)| *out = element(join(*pair)));
        }
    }
}

/// Words drawn at a time: two kilobytes, well inside the first cache.
pub(super) const CHUNK: usize = 512;

/// Two words as one, the first of them the high half.
#[inline(always)]
pub(super) fn join([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Sixty-four bits from the system's entropy; where it has no such file, from the keys of the standard library's hasher.
pub fn unpredictable_seed() -> u64 {
    let mut bytes = [0; 8];
    match File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => RandomState::new().build_hasher().finish() ^ u64::from(std::process::id()).rotate_left(32),
    }
}
