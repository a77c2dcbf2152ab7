//! Random numbers of one sample: a pure function of seed, epoch and position, so that they are the same whatever the
//! number of workers or the batch size.
use rustorch_base::random::philox4x32_10;

/// What names the generators of one batch: its samples stand at `position`, `position + 1` ... of the epoch's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct BatchRandom {
    pub seed: u64,
    pub epoch: u64,
    pub position: u64,
}

impl BatchRandom {
    /// The generator of the batch's sample `k`.
    #[inline]
    pub fn sample(&self, k: u64) -> SampleRandom {
        SampleRandom::new(self.seed, self.epoch, self.position.wrapping_add(k))
    }
}

/// The Philox stream of one sample. Its key is the seed; the counter holds epoch, position and the number of the block.
#[derive(Clone, Debug)]
pub struct SampleRandom {
    key: [u32; 2],
    counter: [u32; 4],
    words: [u32; 4],
    used: u8,
}

/// Block number of [`sample_key`]: far above any that a stream reaches.
const KEY_BLOCK: u32 = u32::MAX;

impl SampleRandom {
    #[inline]
    pub fn new(seed: u64, epoch: u64, position: u64) -> SampleRandom {
        // an epoch beyond 2^32 lends its high half to the key, as no counter word is left
        let key = [seed as u32, (seed >> 32) as u32 ^ (epoch >> 32) as u32];
        SampleRandom { key, counter: [0, epoch as u32, position as u32, (position >> 32) as u32], words: [0; 4], used: 4 }
    }

    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32_10(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used as usize];
        self.used += 1;
        word
    }

    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(low) | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2^-24.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f32) -> bool {
        self.uniform() < p
    }

    /// Uniform below `bound` without bias (Lemire's method); 0 for a bound of 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 {
            return 0;
        }
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= unfair {
                return (product >> 32) as u32;
            }
        }
    }
}

/// One number that stands for a sample's generator where another kind of generator is seeded (Python's, numpy's).
/// Independent of the words that [`SampleRandom`] draws.
pub fn sample_key(seed: u64, epoch: u64, position: u64) -> u64 {
    let mut random = SampleRandom::new(seed, epoch, position);
    random.counter[0] = KEY_BLOCK;
    random.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_numbers_wherever_its_batch_begins() {
        let whole = BatchRandom { seed: 5, epoch: 2, position: 0 };
        let later = BatchRandom { position: 96, ..whole };
        let draw = |mut random: SampleRandom| -> Vec<u32> { (0..9).map(|_| random.next_u32()).collect() };
        assert_eq!(draw(whole.sample(100)), draw(later.sample(4)));
        assert_ne!(draw(whole.sample(100)), draw(whole.sample(101)));
        assert_ne!(draw(whole.sample(100)), draw(BatchRandom { epoch: 3, ..whole }.sample(100)));
        assert_ne!(draw(whole.sample(100)), draw(BatchRandom { seed: 6, ..whole }.sample(100)));
    }

    #[test]
    fn keys_of_samples_differ_in_every_coordinate() {
        let mut keys: Vec<u64> = (0..4).flat_map(|s| (0..8).flat_map(move |e| (0..500).map(move |p| sample_key(s, e, p)))).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 4 * 8 * 500);
    }

    #[test]
    fn numbers_below_a_bound_are_even() {
        let mut counts = [0_u32; 7];
        for position in 0..70_000 {
            counts[SampleRandom::new(1, 0, position).below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!(SampleRandom::new(1, 0, 0).below(0), 0);
    }
}
