//! The Mersenne Twister of Matsumoto and Nishimura (1998), seeded by one 32-bit word as PyTorch seeds it.
use super::wide::wide;

/// Words of state, and of every block drawn.
pub(super) const WORDS: usize = 624;
/// The distance of the recurrence: word `i` is made of words `i`, `i + 1` and `i + SHIFT`.
const SHIFT: usize = 397;

/// Words are drawn from `state[next..]`; when `remaining` of them are used up the whole block is renewed. A fresh engine
/// has none left, so that its first draw makes the first block, and, while `is_fresh`, the state that the seed stands for:
/// seeding costs nothing until then, which workers that are seeded for every sample rely on. `next + remaining <= WORDS`
/// always.
#[derive(Clone)]
pub struct Mt19937 {
    pub(super) seed: u64,
    state: [u32; WORDS],
    pub(super) next: usize,
    pub(super) remaining: usize,
    is_fresh: bool,
}

impl Mt19937 {
    /// Only the low 32 bits of `seed` choose the stream; all 64 are reported back.
    pub fn new(seed: u64) -> Mt19937 {
        Mt19937 { seed, state: [0; WORDS], next: 0, remaining: 0, is_fresh: true }
    }
    /// The engine in the middle of its stream.
    pub(super) fn at(seed: u64, state: &[u32; WORDS], next: usize, remaining: usize) -> Mt19937 {
        Mt19937 { seed, state: *state, next, remaining, is_fresh: false }
    }
    /// Begins the stream of another seed.
    pub(super) fn restart(&mut self, seed: u64) {
        (self.seed, self.next, self.remaining, self.is_fresh) = (seed, 0, 0, true);
    }
    /// The words that the next block is made of.
    pub(super) fn state(&self) -> [u32; WORDS] {
        if self.is_fresh { seeded(self.seed as u32) } else { self.state }
    }

    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.remaining == 0 {
            self.renew();
        }
        let word = temper(self.state[self.next]);
        self.next += 1;
        self.remaining -= 1;
        word
    }

    /// Fills `out` with the next `out.len()` words.
    pub fn fill(&mut self, mut out: &mut [u32]) {
        while !out.is_empty() {
            if self.remaining == 0 {
                self.renew();
            }
            let (now, later) = out.split_at_mut(out.len().min(self.remaining));
            temper_all(&self.state[self.next..self.next + now.len()], now);
            self.next += now.len();
            self.remaining -= now.len();
            out = later;
        }
    }

    fn renew(&mut self) {
        if self.is_fresh {
            (self.state, self.is_fresh) = (seeded(self.seed as u32), false);
        }
        twist(&mut self.state);
        (self.next, self.remaining) = (0, WORDS);
    }
}

fn seeded(seed: u32) -> [u32; WORDS] {
    let mut state = [seed; WORDS];
    for i in 1..WORDS {
        let previous = state[i - 1];
        state[i] = (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
    }
    state
}

#[inline(always)]
fn temper(word: u32) -> u32 {
    let word = word ^ (word >> 11);
    let word = word ^ ((word << 7) & 0x9d2c_5680);
    let word = word ^ ((word << 15) & 0xefc6_0000);
    word ^ (word >> 18)
}

/// The new word from an old word's top bit, its successor's other bits, and the word `SHIFT` further on.
#[inline(always)]
fn recur(word: u32, successor: u32, shifted: u32) -> u32 {
    let mixed = (word & 0x8000_0000) | (successor & 0x7fff_ffff);
    shifted ^ (mixed >> 1) ^ ((successor & 1).wrapping_neg() & 0x9908_b0df)
}

wide! {
    fn temper_all(state: &[u32], out: &mut [u32]) {
        for (out, &word) in out.iter_mut().zip(state) {
            *out = temper(word);
        }
    }
}

wide! {
    /// Renews the state in place. The first loop reads old words only, the second reads words `WORDS - SHIFT` behind,
    /// already new, so both run in lanes.
    fn twist(state: &mut [u32; WORDS]) {
        let fresh = WORDS - SHIFT;
        for i in 0..fresh {
            state[i] = recur(state[i], state[i + 1], state[i + SHIFT]);
        }
        for i in fresh..WORDS - 1 {
            state[i] = recur(state[i], state[i + 1], state[i - fresh]);
        }
        state[WORDS - 1] = recur(state[WORDS - 1], state[0], state[SHIFT - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_seed_gives_the_reference_words() {
        // The ten thousandth word for seed 5489 is fixed by the C++ standard ([rand.predef]).
        let mut engine = Mt19937::new(5489);
        let words: Vec<u32> = (0..10_000).map(|_| engine.next_u32()).collect();
        assert_eq!(words[..3], [3_499_211_612, 581_869_302, 3_890_346_734]);
        assert_eq!(words[9_999], 4_123_659_995);
    }

    #[test]
    fn filling_in_any_pieces_gives_the_words_drawn_one_by_one() {
        let mut engine = Mt19937::new(7);
        let expected: Vec<u32> = (0..3_000).map(|_| engine.next_u32()).collect();
        for piece in [1, 16, 623, 624, 625, 3_000] {
            let mut engine = Mt19937::new(7);
            let mut words = vec![0; 3_000];
            words.chunks_mut(piece).for_each(|part| engine.fill(part));
            assert_eq!(words, expected, "pieces of {piece}");
        }
    }
}
