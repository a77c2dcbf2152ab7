//! Plans, as Python describes them: a dict with the fields below.
use crate::error::OrRaise;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustorch_data::order::plan::{Plan, Shuffle, Tail};
use rustorch_data::order::state::State;
use std::collections::HashMap;

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct PlanFields {
    batch_size: u64,
    seed: u64,
    /// `None`: in order; (0, 0): one permutation; otherwise samples of a block, blocks of a window.
    shuffle: Option<(u64, u64)>,
    /// What becomes of an incomplete last batch: "keep", "drop" or "pad".
    tail: String,
    rank: u64,
    ranks: u64,
}

impl PlanFields {
    /// The plan of a source of `len` samples.
    pub fn plan(&self, len: u64) -> PyResult<Plan> {
        let shuffle = match self.shuffle {
            None => Shuffle::Off,
            Some((0, _)) => Shuffle::Full,
            Some((block, window)) => Shuffle::Blocks { block, window },
        };
        let tail = tail_named(&self.tail)?;
        let plan = Plan { seed: self.seed, shuffle, tail, rank: self.rank, ranks: self.ranks, ..Plan::new(len, self.batch_size) };
        plan.check().or_raise()?;
        Ok(plan)
    }
}

/// What a client of a service chooses; `None` is as the service says.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Chosen {
    batch_size: Option<u64>,
    seed: Option<u64>,
    shuffle: Option<bool>,
    tail: Option<String>,
    rank: u64,
    ranks: u64,
}

impl Chosen {
    pub fn of(self, served: Plan) -> PyResult<Plan> {
        let shuffle = match (self.shuffle, served.shuffle) {
            (Some(true), Shuffle::Off) => Shuffle::Full,
            (Some(false), _) => Shuffle::Off,
            (_, shuffle) => shuffle,
        };
        let tail = self.tail.as_deref().map_or(Ok(served.tail), tail_named)?;
        let (batch_size, seed) = (self.batch_size.unwrap_or(served.batch_size), self.seed.unwrap_or(served.seed));
        let plan = Plan { batch_size, seed, shuffle, tail, rank: self.rank, ranks: self.ranks, ..served };
        plan.check().or_raise()?;
        Ok(plan)
    }
}

fn tail_named(name: &str) -> PyResult<Tail> {
    match name {
        "keep" => Ok(Tail::Keep),
        "drop" => Ok(Tail::Drop),
        "pad" => Ok(Tail::Pad),
        other => Err(PyValueError::new_err(format!("a last batch is kept, dropped or padded; '{other}' is neither"))),
    }
}

/// The state in a dict.
pub fn state(map: &HashMap<String, u64>) -> PyResult<State> {
    State::from_map(|name| map.get(name).copied()).or_raise()
}
