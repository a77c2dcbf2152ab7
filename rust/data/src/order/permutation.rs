//! A keyed permutation of `0..n` with random access: a Feistel network over the next power of two, walked until it
//! falls inside. Nothing is stored but the keys, so the order of 10^9 samples costs what that of ten does.

/// Four rounds already show structure in small domains, six in pairs of neighbours; eight show none.
const ROUNDS: usize = 8;
/// 2^64 over the golden ratio, the usual odd multiplier.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of `0..len` chosen by a key.
#[derive(Clone, Debug)]
pub struct Permutation {
    len: u64,
    low_bits: u32,
    low_mask: u64,
    high_mask: u64,
    keys: [u64; ROUNDS],
}

/// SplitMix64: the next word of a sequence whose state is one counter.
#[inline]
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One key of several numbers; their order counts.
pub fn key_of(parts: &[u64]) -> u64 {
    let mut state = 0;
    parts.iter().fold(0, |key, &part| {
        state = key ^ part;
        splitmix(&mut state)
    })
}

#[inline(always)]
fn round(half: u64, key: u64) -> u64 {
    let product = (half ^ key).wrapping_mul(GOLDEN);
    product ^ (product >> 32)
}

impl Permutation {
    pub fn new(len: u64, key: u64) -> Permutation {
        // an odd width gets unequal halves, so that the domain stays below 2n and a walk takes less than two steps
        let bits = (u64::BITS - len.saturating_sub(1).leading_zeros()).max(2);
        let low_bits = bits / 2;
        let mut state = key;
        let keys = std::array::from_fn(|_| splitmix(&mut state));
        Permutation { len, low_bits, low_mask: (1 << low_bits) - 1, high_mask: (1 << (bits - low_bits)) - 1, keys }
    }

    pub fn len(&self) -> u64 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at `position`, which must be below `len`.
    #[inline]
    pub fn at(&self, position: u64) -> u64 {
        debug_assert!(position < self.len);
        let mut value = self.forward(position);
        while value >= self.len {
            value = self.forward(value);
        }
        value
    }

    /// Where `value`, which must be below `len`, stands.
    pub fn position_of(&self, value: u64) -> u64 {
        debug_assert!(value < self.len);
        let mut position = self.backward(value);
        while position >= self.len {
            position = self.backward(position);
        }
        position
    }

    #[inline(always)]
    fn forward(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.low_mask);
        for pair in self.keys.chunks_exact(2) {
            high ^= round(low, pair[0]) & self.high_mask;
            low ^= round(high, pair[1]) & self.low_mask;
        }
        high << self.low_bits | low
    }

    fn backward(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.low_mask);
        for pair in self.keys.chunks_exact(2).rev() {
            low ^= round(high, pair[1]) & self.low_mask;
            high ^= round(low, pair[0]) & self.high_mask;
        }
        high << self.low_bits | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_a_bijection_with_its_inverse() {
        for len in (1..2000).chain([59_999, 60_000, 65_536, 65_537]) {
            let permutation = Permutation::new(len, key_of(&[7, 3]));
            let mut seen = vec![false; len as usize];
            for position in 0..len {
                let value = permutation.at(position);
                assert!(!std::mem::replace(&mut seen[value as usize], true), "{value} twice in {len}");
                assert_eq!(permutation.position_of(value), position);
            }
        }
    }

    #[test]
    fn large_lengths_keep_their_inverse() {
        for len in [1 << 32, (1 << 32) + 1, 1_000_000_000, (1 << 63) + 1, u64::MAX] {
            let permutation = Permutation::new(len, 11);
            for step in 0..2000_u64 {
                let position = step.wrapping_mul(0x5851_f42d_4c95_7f2d) % len;
                assert_eq!(permutation.position_of(permutation.at(position)), position);
            }
        }
    }

    #[test]
    fn keys_and_epochs_give_other_orders() {
        let order = |parts: &[u64]| (0..1000).map(|p| Permutation::new(1000, key_of(parts)).at(p)).collect::<Vec<_>>();
        let equal = |a: &[u64], b: &[u64]| order(a).iter().zip(order(b)).filter(|&(a, b)| *a == b).count();
        for (a, b) in [([0, 0], [0, 1]), ([0, 1], [1, 0]), ([5, 0], [5, 1]), ([1, 1], [2, 2])] {
            // two unrelated orders agree in about one place
            assert!(equal(&a, &b) < 8, "{a:?} {b:?} agree in {} of 1000", equal(&a, &b));
        }
    }
}
