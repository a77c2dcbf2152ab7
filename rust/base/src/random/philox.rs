//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw (Parallel Random Numbers: As Easy as 1, 2, 3; 2011): a counter and a
//! key make four words in ten rounds, with no state between them, so any part of the stream can be made anywhere.

/// The stream of one seed: word `i` is word `i % 4` of the block with counter `i / 4`, its key the seed.
/// `offset` counts the words drawn so far.
#[derive(Clone)]
pub struct Philox {
    pub seed: u64,
    pub offset: u64,
}

impl Philox {
    pub fn new(seed: u64) -> Philox {
        Philox { seed, offset: 0 }
    }

    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        let word = block(self.seed, self.offset / 4)[(self.offset % 4) as usize];
        self.offset = self.offset.wrapping_add(1);
        word
    }

    /// Fills `out` with the next `out.len()` words.
    pub fn fill(&mut self, out: &mut [u32]) {
        let head = (self.offset.wrapping_neg() % 4) as usize;
        let (head, blocks) = out.split_at_mut(head.min(out.len()));
        for word in head {
            *word = self.next_u32();
        }
        for part in blocks.chunks_mut(4) {
            part.copy_from_slice(&block(self.seed, self.offset / 4)[..part.len()]);
            self.offset = self.offset.wrapping_add(part.len() as u64);
        }
    }
}

#[inline]
fn block(seed: u64, counter: u64) -> [u32; 4] {
    philox4x32_10([counter as u32, (counter >> 32) as u32, 0, 0], [seed as u32, (seed >> 32) as u32])
}

/// Ten rounds of the cipher: two widening products, then a permutation with the key, which grows by fixed steps.
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let even = u64::from(counter[0]) * 0xd251_1f53;
        let odd = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [(odd >> 32) as u32 ^ counter[1] ^ key[0], odd as u32, (even >> 32) as u32 ^ counter[3] ^ key[1], even as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_the_paper() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let digits_of_pi = philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(digits_of_pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn filling_in_any_pieces_gives_the_words_drawn_one_by_one() {
        let mut engine = Philox::new(0x1234_5678_9abc_def0);
        let expected: Vec<u32> = (0..100).map(|_| engine.next_u32()).collect();
        for piece in [1, 2, 3, 5, 7, 64] {
            let mut engine = Philox::new(0x1234_5678_9abc_def0);
            let mut words = vec![0; 100];
            words.chunks_mut(piece).for_each(|part| engine.fill(part));
            assert_eq!(words, expected, "pieces of {piece}");
            assert_eq!(engine.offset, 100);
        }
    }
}
