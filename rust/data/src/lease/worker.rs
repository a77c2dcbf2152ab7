//! What the book knows of one worker process.
use super::{Grant, Slots, Work};
use std::time::Duration;

/// Batches quicker than this are leased two at a time, so that the next one waits in the worker's socket.
const QUICK: Duration = Duration::from_millis(5);

/// A lease that the worker has not answered yet.
#[derive(Debug)]
pub(super) struct Lease<T> {
    pub grant: Grant,
    pub number: u64,
    /// `None` once revoked: the batch is made elsewhere, the slot waits for this worker's word or death.
    pub work: Option<Work<T>>,
}

#[derive(Debug)]
pub(super) struct Worker<T> {
    pub id: u32,
    pub place: u32,
    pub ready: bool,
    /// It has answered for a lease.
    pub worked: bool,
    /// Oldest first: the worker serves its leases in this order.
    pub leases: Vec<Lease<T>>,
    /// Batches that it holds encoded and for which no slot was large enough.
    pub growing: Vec<Work<T>>,
    /// When its lease ran out or it was seen stopped; cleared by its next word.
    pub suspect: Option<Duration>,
    pub killed: bool,
    heartbeat: u32,
    /// The last sign of progress.
    pub alive_at: Duration,
    /// When the batch at the head of `leases` was begun, as far as the session can tell.
    begun: Duration,
    batch_time: Option<Duration>,
}

impl<T> Worker<T> {
    pub fn new(id: u32, place: u32, now: Duration) -> Worker<T> {
        Worker {
            id,
            place,
            ready: false,
            worked: false,
            leases: Vec::new(),
            growing: Vec::new(),
            suspect: None,
            killed: false,
            heartbeat: 0,
            alive_at: now,
            begun: now,
            batch_time: None,
        }
    }
    /// Leases that it may hold at once. Long batches go one by one: none waits behind a slow one while others are idle.
    pub fn depth(&self) -> usize {
        if self.batch_time.is_some_and(|time| time < QUICK) { 2 } else { 1 }
    }
    pub fn may_work(&self) -> bool {
        self.ready && self.suspect.is_none() && !self.killed
    }
    pub fn leased(&mut self, lease: Lease<T>, now: Duration) {
        if self.leases.is_empty() {
            (self.heartbeat, self.alive_at, self.begun) = (0, now, now);
        }
        self.leases.push(lease);
    }
    /// The worker answered for this slot: the lease, unless the answer is a stranger.
    pub fn answered(&mut self, grant: Grant, now: Duration) -> Option<Lease<T>> {
        let at = self.leases.iter().position(|lease| lease.grant == grant)?;
        let took = now.saturating_sub(self.begun);
        self.batch_time = Some(self.batch_time.map_or(took, |mean| (mean * 3 + took) / 4));
        (self.heartbeat, self.alive_at, self.begun, self.suspect, self.worked) = (0, now, now, None, true);
        Some(self.leases.remove(at))
    }
    /// The heartbeat of the batch that it is making: true if it has moved since the last call.
    pub fn moved(&mut self, slots: &impl Slots, now: Duration) -> bool {
        let Some(first) = self.leases.first() else { return false };
        let heartbeat = slots.progress(first.grant);
        let moved = heartbeat != self.heartbeat;
        if moved {
            (self.heartbeat, self.alive_at) = (heartbeat, now);
        }
        moved
    }
    pub fn has_work(&self) -> bool {
        !self.leases.is_empty() || !self.growing.is_empty()
    }
    /// No lease of it was revoked.
    pub fn owes_all(&self) -> bool {
        self.leases.iter().all(|lease| lease.work.is_some())
    }
    pub fn lease_is_over(&self, now: Duration, length: Duration) -> bool {
        let expiries = self.leases.first().and_then(|lease| lease.work.as_ref()).map(|work| work.expiries);
        expiries.is_some_and(|expiries| now.saturating_sub(self.alive_at) > length.saturating_mul(1 << expiries.min(20)))
    }
}
