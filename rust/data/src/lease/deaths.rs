//! Counting deaths, so that one bad sample ends in an error and not in workers started for ever.
use super::Limits;
use std::collections::BTreeMap;

/// A batch whose workers die at ever other samples (memory that runs out) is condemned by this many.
const DEATHS_OF_A_BATCH: u32 = 10;
/// Deaths of processes that never finished anything. A SIGKILL came from outside and weighs little; a process that leaves by
/// itself will do so again.
const PATIENCE: u32 = 30;
const WEIGHT_OF_AN_EXIT: u32 = 10;

/// How a worker ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    Exit(i32),
    Signal(i32),
    /// Somebody else collected the exit status.
    Unknown,
}
const SIGKILL: i32 = 9;

/// Why a batch, or the whole session, was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub deaths: u32,
    /// The place in its batch of the sample on which the workers died, where there is one.
    pub sample: Option<u32>,
    pub cause: Cause,
    /// The last lines that the last of them wrote to stderr.
    pub words: String,
}

#[derive(Default, Debug)]
pub(crate) struct Deaths {
    by_sample: BTreeMap<(u64, u32), u32>,
    /// Of workers that never finished anything, since one last did: their number, and their weight.
    useless: u32,
    weight: u32,
}

impl Deaths {
    pub fn workers_work(&mut self) {
        (self.useless, self.weight) = (0, 0);
    }
    /// The batch was published, or given up: its deaths no longer matter.
    pub fn forget(&mut self, number: u64) {
        self.by_sample.retain(|&(of, _), _| of != number);
    }
    pub fn forget_below(&mut self, first: u64) {
        self.by_sample.retain(|&(of, _), _| of >= first);
    }
    pub fn on_sample(&mut self, number: u64, progress: u32, limits: &Limits, cause: Cause, words: &str) -> Option<Failure> {
        let deaths = self.by_sample.entry((number, progress)).or_default();
        *deaths += 1;
        let here = *deaths;
        let of_batch: u32 = self.by_sample.range((number, 0)..=(number, u32::MAX)).map(|(_, deaths)| deaths).sum();
        let sample = (here >= limits.deaths).then(|| progress - 1);
        (sample.is_some() || of_batch >= DEATHS_OF_A_BATCH).then(|| Failure {
            deaths: if sample.is_some() { here } else { of_batch },
            sample,
            cause,
            words: words.to_owned(),
        })
    }
    /// A process died that had finished nothing and had begun nothing: it will not go better next time.
    pub fn without_work(&mut self, cause: Cause, words: &str) -> Option<Failure> {
        self.useless += 1;
        self.weight += if cause == Cause::Signal(SIGKILL) { 1 } else { WEIGHT_OF_AN_EXIT };
        (self.weight >= PATIENCE).then(|| Failure { deaths: self.useless, sample: None, cause, words: words.to_owned() })
    }
}
