//! The state word of a slot and every change it may make, each one compare-and-swap of the whole word, so that of two
//! parties that race (a late writer and whoever revokes its lease) exactly one wins.
//!
//! | from -> to | who | when |
//! |---|---|---|
//! | Free(g) -> Leased(g+1, w) | leaser | slot first, batch number second; nothing else is written before |
//! | Leased(g, w) -> Ready(g, w) | worker w | after its last write |
//! | Leased(g, w) -> Revoked(g, w) | leaser: no progress; client: leaser is dead | the batch goes to another slot at once |
//! | Leased(g, w), Revoked(g, w) -> Free(g) | worker w as its last act, or the leaser once w is proved dead | never on a timer |
//! | Ready(g, w) -> Held(g, w) | client | the number is the next one wanted |
//! | Ready(g, w) -> Free(g) | leaser | an earlier batch has no slot: the farthest is taken back |
//! | Held(g, w) -> Free(g) | client | the last tensor is dropped |
//!
//! What carries it: **a slot is used again only after its last writer has spoken or is proved dead.** Generations alone do
//! not suffice: a stopped writer that wakes would write into the next batch.
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    Free = 0,
    Leased = 1,
    Ready = 2,
    Held = 3,
    Revoked = 4,
}

/// Worker numbers are below this and are never used again in one ring.
pub const WORKERS: u32 = 1 << 24;

/// A value of the word: generation (32 bits), worker (24), state (8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word(pub u64);

impl Word {
    pub const fn new(generation: u32, worker: u32, state: State) -> Word {
        Word((generation as u64) << 32 | ((worker % WORKERS) as u64) << 8 | state as u64)
    }
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub const fn worker(self) -> u32 {
        (self.0 >> 8) as u32 % WORKERS
    }
    /// `None`: a peer wrote nonsense; such a slot takes part in nothing.
    pub const fn state(self) -> Option<State> {
        Some(match self.0 as u8 {
            0 => State::Free,
            1 => State::Leased,
            2 => State::Ready,
            3 => State::Held,
            4 => State::Revoked,
            _ => return None,
        })
    }
    const fn with(self, state: State) -> Word {
        Word(self.0 & !0xFF | state as u64)
    }
}

/// The right to write into one slot, named so that no later right to it has the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    pub slot: u32,
    pub generation: u32,
    pub worker: u32,
}

impl Lease {
    pub const fn word(self, state: State) -> Word {
        Word::new(self.generation, self.worker, state)
    }
}

/// What the leaser found in the slot of a dead worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reclaimed {
    /// The batch was being made: it has to be leased again.
    Lost,
    /// The lease had been revoked: its batch was leased again then.
    Revoked,
    /// The worker had published, or given the slot back: there is nothing to do.
    Spoken,
}

/// The atomic under a state word. The standard one everywhere but in the model that tries all orders.
pub trait AtomicWord {
    fn load(&self, order: Ordering) -> u64;
    fn swap_if(&self, from: u64, to: u64) -> bool;
}

impl AtomicWord for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }
    #[inline]
    fn swap_if(&self, from: u64, to: u64) -> bool {
        self.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[repr(transparent)]
pub struct SlotState<A: AtomicWord = AtomicU64>(A);

impl<A: AtomicWord> SlotState<A> {
    pub const fn new(atomic: A) -> SlotState<A> {
        SlotState(atomic)
    }
    pub fn word(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }
    fn change(&self, from: Word, to: Word) -> bool {
        self.0.swap_if(from.0, to.0)
    }

    /// Free -> Leased. Nothing of the slot may be touched before this has won.
    pub fn lease(&self, slot: u32, worker: u32) -> Option<Lease> {
        let old = self.word();
        if old.state() != Some(State::Free) {
            return None;
        }
        let lease = Lease { slot, generation: old.generation().wrapping_add(1), worker };
        self.change(old, lease.word(State::Leased)).then_some(lease)
    }

    /// Leased -> Ready. False: the lease was revoked meanwhile; the slot went back by this very call and the worker must
    /// not touch it again.
    pub fn publish(&self, lease: Lease) -> bool {
        self.change(lease.word(State::Leased), lease.word(State::Ready)) || {
            self.change(lease.word(State::Revoked), lease.word(State::Free));
            false
        }
    }

    /// Leased or Revoked -> Free, by the worker itself: it has nothing to write and will not.
    pub fn give_up(&self, lease: Lease) {
        if !self.change(lease.word(State::Leased), lease.word(State::Free)) {
            self.change(lease.word(State::Revoked), lease.word(State::Free));
        }
    }

    /// Leased -> Revoked. True: from now on this lease cannot publish, and its batch may go to another slot.
    pub fn revoke(&self, lease: Lease) -> bool {
        self.change(lease.word(State::Leased), lease.word(State::Revoked))
    }

    /// Leased -> Revoked whoever has it: the leaser is dead and the ring is given up.
    pub fn freeze(&self) {
        let old = self.word();
        if old.state() == Some(State::Leased) {
            // a failed swap means that the worker has just spoken
            self.change(old, old.with(State::Revoked));
        }
    }

    /// Leased or Revoked -> Free, by the leaser after the worker's death is proved.
    pub fn reclaim(&self, lease: Lease) -> Reclaimed {
        if self.change(lease.word(State::Leased), lease.word(State::Free)) {
            Reclaimed::Lost
        } else if self.change(lease.word(State::Revoked), lease.word(State::Free)) {
            Reclaimed::Revoked
        } else {
            Reclaimed::Spoken
        }
    }

    /// Ready -> Held. `seen` is the word under which the batch number was read: if the slot was used again in between,
    /// its generation differs and this fails.
    pub fn take(&self, seen: Word) -> bool {
        seen.state() == Some(State::Ready) && self.change(seen, seen.with(State::Held))
    }

    /// Ready -> Free, by the leaser; `seen` as for `take`.
    pub fn take_back(&self, seen: Word) -> bool {
        seen.state() == Some(State::Ready) && self.change(seen, seen.with(State::Free))
    }

    /// Held -> Free.
    pub fn release(&self) -> bool {
        let old = self.word();
        old.state() == Some(State::Held) && self.change(old, old.with(State::Free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> SlotState {
        SlotState::new(AtomicU64::new(0))
    }

    #[test]
    fn a_word_keeps_its_parts() {
        let word = Word::new(u32::MAX, WORKERS - 1, State::Revoked);
        assert_eq!((word.generation(), word.worker(), word.state()), (u32::MAX, WORKERS - 1, Some(State::Revoked)));
        assert_eq!(Word(5).state(), None);
    }

    #[test]
    fn a_batch_goes_round() {
        let slot = free();
        let lease = slot.lease(3, 7).unwrap();
        assert_eq!(lease, Lease { slot: 3, generation: 1, worker: 7 });
        assert_eq!(slot.lease(3, 8), None);
        assert!(slot.publish(lease));
        assert!(!slot.revoke(lease));
        assert!(slot.take(slot.word()));
        assert!(!slot.take(slot.word()));
        assert!(slot.release());
        assert!(!slot.release());
        assert_eq!(slot.lease(3, 8).unwrap().generation, 2);
    }

    #[test]
    fn a_revoked_lease_gives_its_slot_back_when_it_speaks() {
        let slot = free();
        let lease = slot.lease(0, 1).unwrap();
        assert!(slot.revoke(lease));
        assert_eq!(slot.lease(0, 2), None);
        assert!(!slot.publish(lease));
        assert!(slot.lease(0, 2).is_some());
        assert!(!slot.publish(lease), "an old lease changes nothing");
        slot.give_up(lease);
        assert_eq!(slot.word().state(), Some(State::Leased));
    }

    #[test]
    fn a_dead_workers_slot_says_what_was_in_it() {
        let slot = free();
        let lease = slot.lease(0, 1).unwrap();
        assert_eq!(slot.reclaim(lease), Reclaimed::Lost);
        let lease = slot.lease(0, 2).unwrap();
        slot.freeze();
        assert_eq!(slot.reclaim(lease), Reclaimed::Revoked);
        let lease = slot.lease(0, 3).unwrap();
        assert!(slot.publish(lease));
        assert_eq!(slot.reclaim(lease), Reclaimed::Spoken);
        assert!(slot.take_back(slot.word()));
        assert!(!slot.take(lease.word(State::Ready)), "it was taken back");
    }

    #[test]
    fn generations_wrap() {
        let slot = SlotState::new(AtomicU64::new(Word::new(u32::MAX, 0, State::Free).0));
        assert_eq!(slot.lease(0, 1).unwrap().generation, 0);
    }
}
