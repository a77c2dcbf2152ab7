//! Where the time of a sample goes, stage by stage.
use std::time::{Duration, Instant};

/// What a sample passes through. Sources in memory or mapped know only the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Read,
    Decode,
    Transform,
    Gather,
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Read, Stage::Decode, Stage::Transform, Stage::Gather];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Decode => "decode",
            Stage::Transform => "transform",
            Stage::Gather => "gather",
        }
    }
}

/// Time spent in each stage; measures nothing unless asked to.
#[derive(Clone, Debug)]
pub struct Stages {
    on: bool,
    spent: [Duration; 4],
}

impl Stages {
    pub fn off() -> Stages {
        Stages { on: false, spent: [Duration::ZERO; 4] }
    }
    pub fn on() -> Stages {
        Stages { on: true, ..Stages::off() }
    }
    pub fn spent(&self, stage: Stage) -> Duration {
        self.spent[stage as usize]
    }
    /// Runs `work` on the account of `stage`.
    #[inline]
    pub fn time<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        if !self.on {
            return work();
        }
        let begin = Instant::now();
        let result = work();
        self.spent[stage as usize] += begin.elapsed();
        result
    }
}
