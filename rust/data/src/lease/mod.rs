//! Who may write which slot for which batch: the bookkeeping of a session, without any I/O.
//!
//! The rule that carries everything: *a slot is used again only after its last writer has spoken or is proved dead*.
//! A batch whose worker is silent therefore moves to ANOTHER slot at once, while the slot of the silent worker stays in
//! quarantine. Of a late publish and a revocation one compare-and-swap wins, so a batch number is published at most once;
//! and a number leaves the book only published, reported as an error, or skipped and reported, so that none is lost.
//!
//! Works with a [`Place`](Work::place) belong to one worker's stream (an iterable data set): only the worker at that place
//! makes them, in order. They are never revoked, because a stream that went on cannot go back; a worker that stays stopped
//! is killed, and its successor replays.
mod book;
mod deaths;
#[cfg(test)]
mod model;
mod worker;

pub use book::{Leases, SESSION};
pub(crate) use deaths::Deaths;
pub use deaths::{Cause, Failure};

use std::time::Duration;

/// The right of one worker to write one slot: void once the slot's generation has moved on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    pub ring: u32,
    pub slot: u32,
    pub generation: u32,
}

/// A batch to make: what the book must know of it, and `body`, which it only carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work<T> {
    pub number: u64,
    /// The one place whose stream makes this batch; `None`: any worker can.
    pub place: Option<u32>,
    pub body: T,
    /// How often its lease ran out; each time doubles the next one's length, so that slow samples get done too.
    pub(crate) expiries: u32,
}
impl<T> Work<T> {
    pub fn new(number: u64, place: Option<u32>, body: T) -> Work<T> {
        Work { number, place, body, expiries: 0 }
    }
}

/// What the book does to the shared rings. Each change is one compare-and-swap there.
pub trait Slots {
    /// A free slot of the newest ring, leased to the worker.
    fn lease(&mut self, worker: u32) -> Option<Grant>;
    /// Free slots of the newest ring.
    fn free(&self) -> usize;
    /// LEASED to REVOKED: true unless the worker published first.
    fn revoke(&mut self, worker: u32, grant: Grant) -> bool;
    /// Frees a slot whose writer has spoken or is dead. True if it was LEASED still, that is, the batch was not published
    /// and had not been revoked before.
    fn reclaim(&mut self, worker: u32, grant: Grant) -> bool;
    /// Frees the slot of the newest ring in which this batch is READY, if there is one.
    fn take_back(&mut self, number: u64) -> bool;
    /// Frees the slots in which batches of smaller numbers are READY.
    fn discard_below(&mut self, first: u64);
    /// The slot's heartbeat: 0 before the first sample, then the running number of the sample being made, from 1.
    fn progress(&self, grant: Grant) -> u32;
    /// The process is stopped (SIGSTOP), not merely slow.
    fn stopped(&self, worker: u32) -> bool;
}

/// What the session is to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<T> {
    /// Start a worker for this place and report it with [`Leases::started`].
    Spawn { place: u32 },
    /// Tell the worker of its lease.
    Send { worker: u32, grant: Grant, work: Work<T> },
    /// SIGKILL: it has been stopped for too long. Its death is reported as any other.
    Kill { worker: u32 },
    /// A batch needs this many bytes: a ring with larger slots is wanted. Answered by [`Leases::grown`].
    Grow { bytes: u64 },
    /// The batch cannot be made: workers die of it. The session itself (worker [`SESSION`]) says so in this slot.
    Condemn { grant: Grant, work: Work<T>, failure: Failure },
    /// Workers die before they can work; nothing more will be started.
    Abandon { failure: Failure },
}

/// The measures of patience.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a lease lasts without a sign of progress, while another worker could take the batch.
    pub lease: Duration,
    /// How long a worker may stay stopped before it is replaced.
    pub stop: Duration,
    /// Deaths on one sample that condemn its batch.
    pub deaths: u32,
}
impl Default for Limits {
    fn default() -> Limits {
        Limits { lease: Duration::from_mins(1), stop: Duration::from_millis(50), deaths: 3 }
    }
}
