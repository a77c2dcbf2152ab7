//! The order for storage that is read in runs (shards, compressed blocks): blocks are permuted, and samples inside a
//! window of blocks. Each block is then read within one window, and a window is all that need be held.
use super::permutation::{Permutation, key_of};

/// What the keys of the two levels are told apart by.
const BLOCK_LEVEL: u64 = 1;
const WINDOW_LEVEL: u64 = 2;

/// Two-level permutation of `0..len`: blocks of `block` samples (the last may be shorter), windows of `window` blocks.
#[derive(Clone, Debug)]
pub struct BlockPermutation {
    len: u64,
    block: u64,
    window: u64,
    key: u64,
    blocks: Permutation,
    /// Where the short last block stands among the permuted ones, and how many samples it lacks.
    short_slot: u64,
    missing: u64,
}

impl BlockPermutation {
    /// `block` and `window` of 0 count as 1.
    pub fn new(len: u64, block: u64, window: u64, key: u64) -> BlockPermutation {
        let (block, window) = (block.max(1), window.max(1));
        let count = len.div_ceil(block);
        let blocks = Permutation::new(count, key_of(&[key, BLOCK_LEVEL]));
        let short_slot = if count == 0 { 0 } else { blocks.position_of(count - 1) };
        let missing = count * block - len;
        BlockPermutation { len, block, window, key, blocks, short_slot, missing }
    }

    pub fn len(&self) -> u64 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at `position`, which must be below `len`.
    pub fn at(&self, position: u64) -> u64 {
        let window = self.slot_of(position).0 / self.window;
        let first_slot = window * self.window;
        let start = self.start_of(first_slot);
        let end = self.start_of((first_slot + self.window).min(self.blocks.len()));
        let inside = Permutation::new(end - start, key_of(&[self.key, WINDOW_LEVEL, window]));
        let (slot, row) = self.slot_of(start + inside.at(position - start));
        self.blocks.at(slot) * self.block + row
    }

    /// Position of the first sample of a slot (a place among the permuted blocks).
    fn start_of(&self, slot: u64) -> u64 {
        slot * self.block - if slot > self.short_slot { self.missing } else { 0 }
    }

    /// The slot that a position falls in, and its row there.
    fn slot_of(&self, position: u64) -> (u64, u64) {
        // past the short slot everything stands `missing` places early
        let end_of_short = (self.short_slot + 1) * self.block - self.missing;
        let aligned = if position >= end_of_short { position + self.missing } else { position };
        (aligned / self.block, aligned % self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_block_and_window_is_a_bijection() {
        for len in (1..200).chain([1000, 4097]) {
            for (block, window) in [(1, 1), (1, 9), (7, 1), (8, 3), (64, 4), (5000, 2)] {
                let order = BlockPermutation::new(len, block, window, 3);
                let mut seen: Vec<u64> = (0..len).map(|position| order.at(position)).collect();
                seen.sort_unstable();
                assert!(seen.iter().copied().eq(0..len), "{len} in blocks of {block}, windows of {window}");
            }
        }
    }

    #[test]
    fn a_window_reads_whole_blocks() {
        let (block, window) = (100, 8);
        let order = BlockPermutation::new(100_050, block, window, 9);
        let mut next = 0;
        let mut windows_of_block = vec![None; 1001];
        for (at, position) in (0..order.len()).enumerate() {
            let number = order.slot_of(position).0 / window;
            next = next.max(number);
            assert_eq!(number, next, "windows follow one another");
            let seen = windows_of_block[(order.at(at as u64) / block) as usize].get_or_insert(number);
            assert_eq!(*seen, number, "a block is read in one window");
        }
    }
}
