//! The state word of a slot under every order that the memory model permits: who publishes, revokes, takes, reclaims.
//! The data of a slot is a plain cell, so a write that is not ordered before its reader fails the model.
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use rustorch_data::ring::word::{AtomicWord, Lease, Reclaimed, SlotState, State};

struct Modelled(AtomicU64);

impl AtomicWord for Modelled {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }
    fn swap_if(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct Slot {
    state: SlotState<Modelled>,
    data: UnsafeCell<u64>,
}

impl Slot {
    fn new() -> Arc<Slot> {
        Arc::new(Slot { state: SlotState::new(Modelled(AtomicU64::new(0))), data: UnsafeCell::new(0) })
    }
    fn fill(&self, value: u64) {
        // SAFETY: loom checks that no other access of the cell is unordered with this one.
        self.data.with_mut(|data| unsafe { *data = value });
    }
    fn read(&self) -> u64 {
        // SAFETY: as above.
        self.data.with(|data| unsafe { *data })
    }
}

/// A worker that was leased the slot: writes, publishes.
fn work(slot: &Slot, lease: Lease, value: u64) -> bool {
    slot.fill(value);
    slot.state.publish(lease)
}

#[test]
fn of_publish_and_revoke_one_wins_and_the_slot_returns() {
    loom::model(|| {
        let slot = Slot::new();
        let lease = slot.state.lease(0, 1).unwrap();
        let worker = thread::spawn({
            let slot = slot.clone();
            move || work(&slot, lease, 7)
        });
        let revoked = slot.state.revoke(lease);
        // a leaser that finds the slot free again may write into it: the late worker's write lies before that
        if let Some(next) = slot.state.lease(0, 2) {
            assert!(revoked);
            assert!(work(&slot, next, 8));
            assert!(slot.state.take(slot.state.word()));
            assert_eq!(slot.read(), 8);
            assert!(!worker.join().unwrap());
            return;
        }
        let published = worker.join().unwrap();
        assert_ne!(revoked, published);
        let expected = if published { State::Ready } else { State::Free };
        assert_eq!(slot.state.word().state(), Some(expected));
    });
}

#[test]
fn a_taken_batch_is_whole_and_a_released_slot_is_not_read_again() {
    loom::model(|| {
        let slot = Slot::new();
        let lease = slot.state.lease(0, 1).unwrap();
        let worker = thread::spawn({
            let slot = slot.clone();
            move || {
                assert!(work(&slot, lease, 7));
                // the next batch, if the client is done with the first
                if let Some(next) = slot.state.lease(0, 1) {
                    assert!(work(&slot, next, 8));
                }
            }
        });
        let seen = slot.state.word();
        if slot.state.take(seen) {
            let value = slot.read();
            assert_eq!(value, if seen.generation() == 1 { 7 } else { 8 });
            assert!(slot.state.release());
        }
        worker.join().unwrap();
    });
}

#[test]
fn take_and_take_back_do_not_both_win() {
    loom::model(|| {
        let slot = Slot::new();
        let lease = slot.state.lease(0, 1).unwrap();
        assert!(work(&slot, lease, 7));
        let leaser = thread::spawn({
            let slot = slot.clone();
            move || {
                let taken_back = slot.state.take_back(slot.state.word());
                if taken_back && let Some(next) = slot.state.lease(0, 2) {
                    slot.fill(9);
                    slot.state.give_up(next);
                }
                taken_back
            }
        });
        let taken = slot.state.take(lease.word(State::Ready));
        if taken {
            assert_eq!(slot.read(), 7);
        }
        assert_ne!(leaser.join().unwrap(), taken);
    });
}

#[test]
fn a_freeze_ends_all_publishing() {
    loom::model(|| {
        let slot = Slot::new();
        let lease = slot.state.lease(0, 1).unwrap();
        let worker = thread::spawn({
            let slot = slot.clone();
            move || work(&slot, lease, 7)
        });
        slot.state.freeze();
        // what is ready now stays; nothing becomes ready later
        let ready = slot.state.word().state() == Some(State::Ready);
        assert_eq!(worker.join().unwrap(), ready);
        assert_eq!(slot.state.reclaim(lease), Reclaimed::Spoken);
    });
}

#[test]
fn two_leasers_never_share_a_slot() {
    loom::model(|| {
        let slot = Slot::new();
        let other = thread::spawn({
            let slot = slot.clone();
            move || slot.state.lease(0, 1).map(|lease| work(&slot, lease, 1))
        });
        let mine = slot.state.lease(0, 2).map(|lease| work(&slot, lease, 2));
        let others = other.join().unwrap();
        assert!(mine.is_some() != others.is_some());
    });
}
