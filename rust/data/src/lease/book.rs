//! The book of leases itself: works on their way from the feed to a published slot.
use super::deaths::Deaths;
use super::worker::{Lease, Worker};
use super::{Action, Cause, Failure, Grant, Limits, Slots, Work};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

/// The id under which the session itself writes a slot, for a batch that no worker can make. Workers count from 1.
pub const SESSION: u32 = 0;

/// Every work is in exactly one of: `fresh`, `again`, a worker's `leases` or `growing`, `condemned`; then published.
#[derive(Debug)]
pub struct Leases<T> {
    limits: Limits,
    places: u32,
    workers: Vec<Worker<T>>,
    /// From the feed, not leased yet.
    fresh: VecDeque<Work<T>>,
    /// To be leased again, before anything fresh.
    again: BTreeMap<u64, Work<T>>,
    condemned: BTreeMap<u64, (Work<T>, Failure)>,
    /// The greatest numbers published, as many as can be READY at once: any of these may be taken back.
    published: BTreeMap<u64, Work<T>>,
    published_kept: usize,
    /// Of the newest ring; and the most that was asked for.
    slot_bytes: u64,
    asked_bytes: u64,
    deaths: Deaths,
    abandoned: bool,
    actions: Vec<Action<T>>,
}

impl<T: Clone> Leases<T> {
    /// `slots` of `slot_bytes` each, served by one worker a place. The first actions are to start these.
    pub fn new(places: u32, slots: usize, slot_bytes: u64, limits: Limits) -> Leases<T> {
        Leases {
            limits,
            places,
            workers: Vec::new(),
            fresh: VecDeque::new(),
            again: BTreeMap::new(),
            condemned: BTreeMap::new(),
            published: BTreeMap::new(),
            published_kept: 2 * slots,
            slot_bytes,
            asked_bytes: slot_bytes,
            deaths: Deaths::default(),
            abandoned: false,
            actions: (0..places).map(|place| Action::Spawn { place }).collect(),
        }
    }
    pub fn take_actions(&mut self) -> Vec<Action<T>> {
        mem::take(&mut self.actions)
    }
    /// More works are welcome. A few wait here, because the next one may belong to a place that is busy.
    pub fn wants_work(&self) -> bool {
        !self.abandoned && self.fresh.len() < 2 * self.places as usize
    }
    pub fn offer(&mut self, work: Work<T>) {
        self.fresh.push_back(work);
    }
    /// Something is under way that only the clock can reveal to be stuck.
    pub fn needs_clock(&self) -> bool {
        self.workers.iter().any(|worker| !worker.ready || worker.killed || worker.suspect.is_some() || worker.has_work())
    }

    pub fn started(&mut self, id: u32, place: u32, now: Duration) {
        self.workers.push(Worker::new(id, place, now));
        self.workers.sort_by_key(|worker| worker.place);
    }
    pub fn ready(&mut self, id: u32) {
        if let Some(worker) = self.worker(id) {
            worker.ready = true;
            worker.suspect = None;
        }
    }
    /// The worker has finished with the slot: it published, or found its lease revoked and gave the slot back.
    pub fn done(&mut self, id: u32, grant: Grant, published: bool, now: Duration) {
        let Some(lease) = self.worker(id).and_then(|worker| worker.answered(grant, now)) else { return };
        self.deaths.workers_work();
        let Some(work) = lease.work else { return };
        if published { self.was_published(work) } else { self.lease_again(work) }
    }
    /// The batch is larger than the slot, which the worker has left alone since. It keeps the batch, encoded.
    pub fn grow(&mut self, id: u32, grant: Grant, bytes: u64, slots: &mut impl Slots, now: Duration) {
        let Some(lease) = self.worker(id).and_then(|worker| worker.answered(grant, now)) else { return };
        slots.reclaim(id, grant);
        self.deaths.workers_work();
        let Some(work) = lease.work else { return };
        if let Some(worker) = self.worker(id) {
            worker.growing.push(work);
        }
        if bytes > self.asked_bytes {
            self.asked_bytes = bytes;
            self.actions.push(Action::Grow { bytes });
        }
    }
    /// The newest ring has slots of this size.
    pub fn grown(&mut self, slot_bytes: u64) {
        self.slot_bytes = slot_bytes;
        self.asked_bytes = self.asked_bytes.max(slot_bytes);
    }

    /// Proof that no thread of the worker can write any more: only now may its slots be used again.
    pub fn died(&mut self, id: u32, cause: Cause, words: &str, slots: &mut impl Slots) {
        let Some(at) = self.workers.iter().position(|worker| worker.id == id) else { return };
        let worker = self.workers.remove(at);
        let by_itself = !worker.killed && worker.suspect.is_none();
        let mut useless = by_itself && !worker.worked;
        for (position, lease) in worker.leases.into_iter().enumerate() {
            let progress = slots.progress(lease.grant);
            let lost = slots.reclaim(id, lease.grant);
            let Some(work) = lease.work else { continue };
            let blamed = position == 0 && progress > 0 && by_itself;
            useless &= !blamed;
            match (lost, blamed) {
                (false, _) => self.was_published(work),
                (true, false) => self.lease_again(work),
                (true, true) => match self.deaths.on_sample(work.number, progress, &self.limits, cause, words) {
                    Some(failure) => drop(self.condemned.insert(work.number, (work, failure))),
                    None => self.lease_again(work),
                },
            }
        }
        worker.growing.into_iter().for_each(|work| self.lease_again(work));
        match useless.then(|| self.deaths.without_work(cause, words)).flatten() {
            Some(failure) => self.abandon(failure),
            None if !self.abandoned => self.actions.push(Action::Spawn { place: worker.place }),
            None => {}
        }
    }
    /// Nothing more will be started or leased; what is published stays.
    pub fn abandon(&mut self, failure: Failure) {
        if !mem::replace(&mut self.abandoned, true) {
            self.actions.push(Action::Abandon { failure });
        }
    }

    /// Works below `first` are wanted no more. Their leases are revoked, so that each slot comes back when its worker speaks
    /// or dies; what was published before that is taken back. A stream cannot leave anything out: its batches are made.
    pub fn seek(&mut self, first: u64, slots: &mut impl Slots) {
        let stays = |work: &Work<T>| work.number >= first || work.place.is_some();
        self.fresh.retain(stays);
        self.again.retain(|_, work| stays(work));
        self.condemned.retain(|_, (work, _)| stays(work));
        self.published.retain(|_, work| stays(work));
        for worker in &mut self.workers {
            worker.growing.retain(stays);
            for lease in worker.leases.iter_mut().filter(|lease| lease.work.as_ref().is_some_and(|work| !stays(work))) {
                slots.revoke(worker.id, lease.grant);
                lease.work = None;
            }
        }
        self.deaths.forget_below(first);
        // after the leases: nothing of it can be published any more
        slots.discard_below(first);
    }

    /// Leases what can be leased. True: something waits for a slot.
    pub fn dispatch(&mut self, slots: &mut impl Slots, now: Duration) -> bool {
        if self.abandoned {
            return false;
        }
        let mut starved = self.bury_condemned(slots);
        for depth in 1..=2 {
            for at in 0..self.workers.len() {
                let worker = &self.workers[at];
                if !worker.may_work() || worker.leases.len() >= depth.min(worker.depth()) {
                    continue;
                }
                let Some((number, of_stream)) = self.peek(at) else { continue };
                match self.slot_for(self.workers[at].id, number, of_stream, slots) {
                    Some(grant) => self.lease(at, number, grant, now),
                    None => starved = true,
                }
            }
        }
        starved
    }
    /// The next work for this worker: its number, and whether it belongs to its stream.
    fn peek(&self, at: usize) -> Option<(u64, bool)> {
        let worker = &self.workers[at];
        if self.asked_bytes <= self.slot_bytes
            && let Some(work) = worker.growing.first()
        {
            return Some((work.number, work.place.is_some()));
        }
        let suits = |work: &&Work<T>| work.place.is_none_or(|place| place == worker.place);
        let work = self.again.values().find(suits).or_else(|| self.fresh.iter().find(suits))?;
        // a stream is made in order: nothing of it goes ahead of a batch that waits for a larger ring
        (work.place.is_none() || worker.growing.is_empty()).then_some((work.number, work.place.is_some()))
    }
    fn take(&mut self, at: usize, number: u64) -> Option<Work<T>> {
        let growing = &mut self.workers[at].growing;
        if let Some(at) = growing.iter().position(|work| work.number == number) {
            return Some(growing.remove(at));
        }
        self.again.remove(&number).or_else(|| {
            let at = self.fresh.iter().position(|work| work.number == number)?;
            self.fresh.remove(at)
        })
    }
    fn lease(&mut self, at: usize, number: u64, grant: Grant, now: Duration) {
        let Some(work) = self.take(at, number) else { return };
        let worker = &mut self.workers[at];
        worker.leased(Lease { grant, number, work: Some(work.clone()) }, now);
        self.actions.push(Action::Send { worker: worker.id, grant, work });
    }
    /// A free slot. For the batch that the client waits for next, the READY slot of the farthest batch is taken back when
    /// there is none (that batch is a function of its number and can be made again): a slot in quarantine could
    /// otherwise block a ring full of later batches. Streams cannot go back, so they leave the last slot to the first batch.
    fn slot_for(&mut self, worker: u32, number: u64, of_stream: bool, slots: &mut impl Slots) -> Option<Grant> {
        if of_stream && slots.free() < 2 && self.first_number() != Some(number) {
            return None;
        }
        slots.lease(worker).or_else(|| {
            if of_stream || self.first_number() != Some(number) {
                return None;
            }
            // only what its worker has reported: of another batch the report is on its way, and would count as published
            let farthest =
                self.published.keys().rev().take_while(|&&later| later > number).copied().find(|&later| slots.take_back(later))?;
            let work = self.published.remove(&farthest)?;
            self.lease_again(work);
            slots.lease(worker)
        })
    }
    /// The smallest number that is not published.
    fn first_number(&self) -> Option<u64> {
        let at_workers = self.workers.iter().flat_map(|worker| {
            let leased = worker.leases.iter().filter(|lease| lease.work.is_some()).map(|lease| lease.number);
            leased.chain(worker.growing.iter().map(|work| work.number))
        });
        let waiting = self.fresh.iter().map(|work| work.number).chain(self.again.keys().copied());
        at_workers.chain(waiting).chain(self.condemned.keys().copied()).min()
    }
    fn bury_condemned(&mut self, slots: &mut impl Slots) -> bool {
        while let Some((&number, (work, _))) = self.condemned.first_key_value() {
            let of_stream = work.place.is_some();
            let Some(grant) = self.slot_for(SESSION, number, of_stream, slots) else { return true };
            let Some((work, failure)) = self.condemned.remove(&number) else { return true };
            self.deaths.forget(number);
            self.actions.push(Action::Condemn { grant, work, failure });
        }
        false
    }

    /// Looks for workers that are stuck. To be called while [`needs_clock`](Leases::needs_clock), after their words were read.
    pub fn tick(&mut self, slots: &mut impl Slots, now: Duration) {
        for at in 0..self.workers.len() {
            if self.workers[at].killed {
                continue;
            }
            let others = self.workers.iter().enumerate().any(|(other, worker)| other != at && worker.may_work());
            let worker = &mut self.workers[at];
            let moved = worker.moved(slots, now);
            let stopped = !moved && (!worker.ready || worker.has_work()) && slots.stopped(worker.id);
            match worker.suspect {
                None if stopped || others && worker.lease_is_over(now, self.limits.lease) => self.suspect(at, slots, now),
                Some(since) if stopped && now.saturating_sub(since) >= self.limits.stop => {
                    worker.killed = true;
                    self.actions.push(Action::Kill { worker: worker.id });
                }
                Some(_) if !stopped && worker.owes_all() => worker.suspect = None,
                _ => {}
            }
        }
    }
    /// Its batches move on at once, to other slots; those that it holds stay closed.
    fn suspect(&mut self, at: usize, slots: &mut impl Slots, now: Duration) {
        let worker = &mut self.workers[at];
        worker.suspect = Some(now);
        let mut moved = Vec::new();
        for lease in &mut worker.leases {
            let movable = lease.work.as_ref().is_some_and(|work| work.place.is_none());
            if movable && slots.revoke(worker.id, lease.grant) {
                moved.extend(lease.work.take());
            }
        }
        if let Some(first) = moved.first_mut() {
            first.expiries += 1;
        }
        moved.extend(worker.growing.extract_if(.., |work| work.place.is_none()));
        moved.into_iter().for_each(|work| self.lease_again(work));
    }

    fn worker(&mut self, id: u32) -> Option<&mut Worker<T>> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }
    fn lease_again(&mut self, work: Work<T>) {
        self.again.insert(work.number, work);
    }
    fn was_published(&mut self, work: Work<T>) {
        self.deaths.forget(work.number);
        if work.place.is_none() {
            self.published.insert(work.number, work);
            while self.published.len() > self.published_kept {
                self.published.pop_first();
            }
        }
    }
}
