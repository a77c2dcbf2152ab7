//! The session's workers and rings: what the book of leases acts on.
use super::child::{Beside, Child};
use crate::feed::Task;
use crate::frame::{self, ToWorker};
use crate::lease::{Grant, Slots};
use crate::ring::Ring;
use crate::ring::rings::Rings;
use crate::ring::word::{self, Reclaimed, State};
use rustorch_base::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Crew {
    pub children: BTreeMap<u32, Child>,
    rings: Arc<Rings>,
    /// Rings in which something was leased, by the number that leases call them.
    known: BTreeMap<u32, Arc<Ring>>,
    on_freed: Arc<dyn Fn() + Send + Sync>,
}

impl Crew {
    /// `on_freed` is called from other threads when a slot is free again after [`Ring::set_starved`].
    pub fn new(rings: Arc<Rings>, on_freed: Arc<dyn Fn() + Send + Sync>) -> Crew {
        Crew { children: BTreeMap::new(), rings, known: BTreeMap::new(), on_freed }
    }
    pub fn newest(&self) -> Arc<Ring> {
        self.rings.newest()
    }
    pub fn wake_client(&self) {
        self.rings.wake_client();
    }

    /// The number of a ring; a new one gets the next.
    fn number_of(&mut self, ring: &Arc<Ring>) -> u32 {
        if let Some((number, _)) = self.known.iter().find(|(_, known)| Arc::ptr_eq(known, ring)) {
            return *number;
        }
        let number = self.known.last_key_value().map_or(0, |(last, _)| last + 1);
        self.attend(ring);
        self.known.insert(number, ring.clone());
        number
    }
    /// Hears from now on when a slot of the ring becomes free.
    pub fn attend(&self, ring: &Ring) {
        let call = self.on_freed.clone();
        ring.on_freed(move || call());
    }
    /// Sees to it that the newest ring has slots of at least so many bytes, some time.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        self.rings.grow(bytes)
    }
    /// Lets go of rings in which nobody writes any more; the newest stays.
    pub fn forget_old_rings(&mut self) {
        let Some((&newest, _)) = self.known.last_key_value() else { return };
        self.known.retain(|number, ring| *number == newest || ring.count(State::Leased) + ring.count(State::Revoked) > 0);
    }
    pub fn ring(&self, grant: Grant) -> Option<&Arc<Ring>> {
        self.known.get(&grant.ring)
    }

    /// Tells a worker of its lease, after the ring if that is new to it.
    pub fn send_lease(&mut self, worker: u32, grant: Grant, task: &Task) -> Result<()> {
        let (Some(child), Some(ring)) = (self.children.get_mut(&worker), self.known.get(&grant.ring)) else { return Ok(()) };
        if child.ring != Some(grant.ring) {
            child.tell(frame::encode(&ToWorker::Ring { ring: grant.ring })?, Beside::Ring(ring.clone()));
            child.ring = Some(grant.ring);
        }
        let (frame, file) = frame::encode_lease(grant, task)?;
        child.tell(frame, file.map_or(Beside::Nothing, Beside::File));
        Ok(())
    }

    fn state(&self, worker: u32, grant: Grant) -> Option<(&crate::ring::slot::SlotHeader, word::Lease)> {
        Some((self.known.get(&grant.ring)?.slot(grant.slot as usize), right(worker, grant)))
    }
}

/// A grant in the ring's own terms.
pub(super) fn right(worker: u32, grant: Grant) -> word::Lease {
    word::Lease { slot: grant.slot, generation: grant.generation, worker }
}

impl Slots for Crew {
    fn lease(&mut self, worker: u32) -> Option<Grant> {
        let (ring, lease) = self.rings.lease(worker).ok()?;
        ring.slot(lease.slot as usize).set_progress(0);
        Some(Grant { ring: self.number_of(&ring), slot: lease.slot, generation: lease.generation })
    }
    fn free(&self) -> usize {
        self.newest().count(State::Free)
    }
    fn revoke(&mut self, worker: u32, grant: Grant) -> bool {
        self.state(worker, grant).is_some_and(|(slot, right)| slot.state.revoke(right))
    }
    fn reclaim(&mut self, worker: u32, grant: Grant) -> bool {
        self.state(worker, grant).is_some_and(|(slot, right)| slot.state.reclaim(right) == Reclaimed::Lost)
    }
    fn take_back(&mut self, number: u64) -> bool {
        let ring = self.newest();
        (0..ring.slots()).any(|slot| {
            let slot = ring.slot(slot);
            let word = slot.state.word();
            word.state() == Some(State::Ready) && slot.number() == number && slot.state.take_back(word)
        })
    }
    fn discard_below(&mut self, first: u64) {
        self.rings.discard_below(first);
    }
    fn progress(&self, grant: Grant) -> u32 {
        self.known.get(&grant.ring).map_or(0, |ring| ring.slot(grant.slot as usize).progress())
    }
    fn stopped(&self, worker: u32) -> bool {
        self.children.get(&worker).is_some_and(Child::is_stopped)
    }
}
