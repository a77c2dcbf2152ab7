//! Which samples batch `number` holds: arithmetic on positions alone, so that any start costs the same.
use super::blocks::BlockPermutation;
use super::permutation::{Permutation, key_of};
use super::state::State;
use crate::source::BatchRandom;
use rustorch_base::{Result, ensure};

/// How positions of an epoch become samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shuffle {
    /// As they lie in the source.
    #[default]
    Off,
    /// One permutation of all samples.
    Full,
    /// Blocks of `block` samples permuted, then samples within windows of `window` blocks.
    Blocks { block: u64, window: u64 },
}

/// What becomes of the last batch of an epoch, when the samples do not fill it on every rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// Ranks share what is left; their parts differ by one sample at most, and may be empty.
    #[default]
    Keep,
    /// It is left out.
    Drop,
    /// Filled from the epoch's beginning until every rank has as much: some samples come twice.
    Pad,
}

/// Everything that decides the stream of one rank. Batch `g` of an epoch takes `batch_size * ranks` positions; rank `r`
/// has the `r`-th part of them, so the order of all ranks together depends on neither number.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Samples of the source.
    pub len: u64,
    pub batch_size: u64,
    pub seed: u64,
    pub shuffle: Shuffle,
    pub tail: Tail,
    pub rank: u64,
    pub ranks: u64,
    /// The epoch that batch 0 belongs to, and how many of its samples all ranks together have had before.
    pub epoch: u64,
    pub position: u64,
}

/// One rank's part of one batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    pub epoch: u64,
    /// First position in the epoch's order; the others follow.
    pub position: u64,
    /// Samples, which may be none on a rank that [`Tail::Keep`] leaves without.
    pub samples: u64,
    /// Samples of the epoch that all ranks have had after this batch.
    pub consumed: u64,
    /// No batch of this epoch follows.
    pub last: bool,
}

/// The order of one epoch.
#[derive(Clone, Debug)]
pub enum Order {
    Sequential,
    Full(Permutation),
    Blocks(BlockPermutation),
}

impl Order {
    /// The sample at `position`, which must be below the source's length.
    #[inline]
    pub fn at(&self, position: u64) -> u64 {
        match self {
            Order::Sequential => position,
            Order::Full(permutation) => permutation.at(position),
            Order::Blocks(permutation) => permutation.at(position),
        }
    }
}

impl Plan {
    /// A plan of one rank from the beginning, in order. The fields may then be set; [`Plan::check`] refuses nonsense.
    pub fn new(len: u64, batch_size: u64) -> Plan {
        Plan { len, batch_size, seed: 0, shuffle: Shuffle::Off, tail: Tail::Keep, rank: 0, ranks: 1, epoch: 0, position: 0 }
    }

    pub fn check(&self) -> Result<()> {
        ensure!(self.batch_size > 0, value, "batch_size should be a positive integer value, but got batch_size=0");
        ensure!(self.rank < self.ranks, value, "rank {} is not below the number of ranks, {}", self.rank, self.ranks);
        ensure!(self.stride_checked().is_some(), value, "batch_size {} on {} ranks overflows", self.batch_size, self.ranks);
        ensure!(i64::try_from(self.len).is_ok(), value, "a source of {} samples is too long", self.len);
        ensure!(self.position <= self.len, value, "position {} lies beyond the {} samples of an epoch", self.position, self.len);
        Ok(())
    }

    fn stride_checked(&self) -> Option<u64> {
        self.batch_size.checked_mul(self.ranks).filter(|&stride| i64::try_from(stride).is_ok())
    }
    /// Positions that one batch of all ranks takes.
    fn stride(&self) -> u64 {
        self.batch_size * self.ranks
    }

    /// Batches of an epoch of which `left` samples are left.
    fn batches_of(&self, left: u64) -> u64 {
        if self.tail == Tail::Drop { left / self.stride() } else { left.div_ceil(self.stride()) }
    }
    /// Batches of a whole epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.batches_of(self.len)
    }
    /// Batches that the first epoch still has.
    pub fn batches_left(&self) -> u64 {
        self.batches_of(self.len - self.position)
    }

    /// Batch `number`, counted from the plan's start over the ends of epochs. `None` where epochs have no batches.
    pub fn part(&self, number: u64) -> Option<Part> {
        let left = self.batches_left();
        if number < left {
            return Some(self.part_in(self.epoch, self.position, number));
        }
        let (later, each) = (number - left, self.batches_per_epoch());
        (each > 0).then(|| self.part_in(self.epoch.wrapping_add(1 + later / each), 0, later % each))
    }

    fn part_in(&self, epoch: u64, start: u64, batch: u64) -> Part {
        let first = start + batch * self.stride();
        let all = (self.len - first).min(self.stride());
        let last = batch + 1 == self.batches_of(self.len - start);
        let (offset, samples) = if all == self.stride() {
            (self.rank * self.batch_size, self.batch_size)
        } else if self.tail == Tail::Pad {
            let share = all.div_ceil(self.ranks);
            (self.rank * share, share)
        } else {
            share(all, self.rank, self.ranks)
        };
        // samples that Drop leaves out count as had: the epoch is over
        let consumed = if last { self.len } else { first + all };
        Part { epoch, position: first + offset, samples, consumed, last }
    }

    pub fn order(&self, epoch: u64) -> Order {
        let key = key_of(&[self.seed, epoch]);
        match self.shuffle {
            Shuffle::Off => Order::Sequential,
            Shuffle::Full => Order::Full(Permutation::new(self.len, key)),
            Shuffle::Blocks { block, window } => Order::Blocks(BlockPermutation::new(self.len, block, window, key)),
        }
    }

    /// The samples of a part, which replace what `out` holds.
    pub fn indices(&self, part: &Part, out: &mut Vec<u64>) {
        let order = self.order(part.epoch);
        out.clear();
        // only padding runs past the end; it begins anew
        out.extend((part.position..part.position + part.samples).map(|position| order.at(position % self.len)));
    }

    /// What names the generators of a part's samples.
    pub fn random(&self, part: &Part) -> BatchRandom {
        BatchRandom { seed: self.seed, epoch: part.epoch, position: part.position }
    }

    /// The state once the batches below `number` have been consumed.
    pub fn state(&self, number: u64, fingerprint: u64) -> State {
        let before = number.checked_sub(1).and_then(|previous| self.part(previous));
        let (epoch, position) = before.map_or((self.epoch, self.position), |part| (part.epoch, part.consumed));
        State { fingerprint, order: self.shuffle_code(), len: self.len, seed: self.seed, epoch, position }
    }

    /// This plan, continued from `state`: batch size and ranks may differ from the plan that saved it.
    pub fn resume(mut self, state: &State, fingerprint: u64) -> Result<Plan> {
        state.check(fingerprint, self.len, self.shuffle_code())?;
        (self.seed, self.epoch, self.position) = (state.seed, state.epoch, state.position);
        if self.position == self.len {
            (self.epoch, self.position) = (self.epoch.wrapping_add(1), 0);
        }
        self.check()?;
        Ok(self)
    }

    /// One number for the way of shuffling, so that a state saved under another is told apart.
    fn shuffle_code(&self) -> u64 {
        match self.shuffle {
            Shuffle::Off => 0,
            Shuffle::Full => 1,
            Shuffle::Blocks { block, window } => key_of(&[2, block, window]),
        }
    }
}

/// Part `rank` of `all` things in `ranks` parts that differ by one at most: where it begins, and its size.
fn share(all: u64, rank: u64, ranks: u64) -> (u64, u64) {
    let (each, over) = (all / ranks, all % ranks);
    (rank * each + rank.min(over), each + u64::from(rank < over))
}
