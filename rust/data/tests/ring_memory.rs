//! A ring in real shared memory: batches go round, nothing is lost or mixed, foreign memory is checked.
use rustorch_data::ring::Ring;
use rustorch_data::ring::slot::{Kind, Label};
use rustorch_data::ring::word::{Reclaimed, State};
use rustorch_data::sys::memory_file;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

fn label(number: u64) -> Label {
    Label { number, samples: 1, kind: Kind::Data, payload: 8 }
}
fn publish(ring: &Ring, worker: u32, number: u64) -> bool {
    let lease = ring.lease(worker).expect("a free slot");
    // SAFETY: leased just now.
    let area = unsafe { ring.area(lease.slot as usize) };
    area[..8].copy_from_slice(&number.to_le_bytes());
    ring.publish(lease, label(number))
}

#[test]
fn another_mapping_sees_the_same_slots() {
    let ring = Ring::create(4, 5000).unwrap();
    let other = Ring::open(ring.descriptor().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!((other.slots(), other.slot_bytes()), (4, 8192));
    assert!(publish(&other, 1, 42));
    let taken = ring.take(42).unwrap();
    assert_eq!(taken.label, Some(label(42)));
    // SAFETY: held by this test.
    assert_eq!(unsafe { ring.area(taken.slot) }[..8], 42u64.to_le_bytes());
    assert_eq!((other.count(State::Held), other.count(State::Free)), (1, 3));
    ring.release(taken.slot);
    assert_eq!(other.count(State::Free), 4);
}

/// A ring of gigabytes costs what is used of it.
#[test]
fn a_large_ring_gets_the_pages_of_a_slot_when_it_is_written() {
    const SLOT: usize = 100 << 20;
    let ring = Ring::create(3, SLOT).unwrap();
    let held = || rustix::fs::fstat(ring.descriptor()).unwrap().st_blocks as usize * 512;
    assert!(held() <= 1 << 16, "{}", held());
    ring.prepare(1, 5000).unwrap();
    assert!((8192..1 << 17).contains(&held()), "{}", held());
    // SAFETY: nobody else has the ring, and this is the only slice of the slot.
    unsafe { ring.area(1)[..5000].fill(7) };
    let small = Ring::create(3, 5000).unwrap();
    assert_eq!(rustix::fs::fstat(small.descriptor()).unwrap().st_blocks as usize * 512, small.bytes());
}

#[test]
fn the_farthest_batch_is_taken_back_for_an_earlier_one() {
    let ring = Ring::create(2, 64).unwrap();
    assert!(publish(&ring, 1, 5) && publish(&ring, 1, 9));
    assert!(ring.lease(1).is_none());
    assert_eq!(ring.take_back_farthest(9), None);
    assert_eq!(ring.take_back_farthest(4), Some(9));
    assert!(publish(&ring, 1, 4));
    assert!(ring.take(4).is_some() && ring.take(5).is_some() && ring.take(9).is_none());
}

#[test]
fn held_slots_are_pinned_by_a_fork() {
    let ring = Ring::create(3, 64).unwrap();
    assert!(publish(&ring, 1, 0) && publish(&ring, 1, 1));
    let held = ring.take(0).unwrap();
    ring.pin_held();
    let later = ring.take(1).unwrap();
    ring.release(held.slot);
    ring.release(later.slot);
    assert_eq!((ring.count(State::Held), ring.count(State::Free), ring.pinned()), (1, 2, 1));
}

#[test]
fn a_starved_leaser_is_called_once() {
    let ring = Ring::create(2, 64).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    ring.on_freed(move || {
        counted.fetch_add(1, Relaxed);
    });
    assert!(publish(&ring, 1, 0) && publish(&ring, 1, 1));
    ring.set_starved();
    for number in 0..2 {
        let slot = ring.take(number).unwrap().slot;
        ring.release(slot);
    }
    assert_eq!(calls.load(Relaxed), 1);
}

#[test]
fn a_frozen_ring_keeps_what_is_ready() {
    let ring = Ring::create(3, 64).unwrap();
    assert!(publish(&ring, 1, 0));
    let lease = ring.lease(2).unwrap();
    ring.freeze();
    assert!(!ring.publish(lease, label(1)));
    assert_eq!(ring.slot(lease.slot as usize).state.reclaim(lease), Reclaimed::Spoken);
    assert!(ring.take(0).is_some() && ring.take(1).is_none());
}

#[test]
fn foreign_memory_that_is_no_ring_is_refused() {
    let zero = memory_file::create("test", 8 << 12).unwrap();
    assert!(Ring::open(zero).err().unwrap().message.contains("no ring"));
    let short = memory_file::create("test", 100).unwrap();
    assert!(Ring::open(short).err().unwrap().message.contains("100 bytes"));
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    assert!(Ring::open(file.into()).is_err());
    assert!(Ring::create(8, 1 << 46).err().unwrap().message.contains("bytes of shared memory"));
}

/// Peers may scribble over every byte of the shared headers: numbers come out wrong, addresses never do.
#[test]
fn scribbled_headers_move_no_address() {
    let ring = Ring::create(4, 4096).unwrap();
    let mut random = rustorch_base::random::Philox::new(3);
    let before = ring.data(0) as usize;
    let start = std::ptr::from_ref(ring.header()) as *mut u32;
    for _ in 0..2000 {
        for word in 0..(before - start as usize) / 4 {
            if random.next_u32().is_multiple_of(4) {
                // SAFETY: inside the header part of the mapping; this is what a hostile peer can do.
                unsafe { start.add(word).write_volatile(random.next_u32() >> (random.next_u32() % 32)) };
            }
        }
        assert_eq!((ring.slots(), ring.slot_bytes(), ring.data(0) as usize), (4, 4096, before));
        for number in 0..4 {
            if let Some(taken) = ring.take(number) {
                assert!(taken.slot < 4 && taken.label.is_none_or(|label| label.payload <= 4096));
                ring.release(taken.slot);
            }
        }
        if let Some(lease) = ring.lease(1) {
            ring.publish(lease, label(0));
        }
        ring.take_back_farthest(0);
        ring.freeze();
    }
    assert!(Ring::open(ring.descriptor().try_clone_to_owned().unwrap()).is_err());
}

/// Three writers that are revoked now and then, one reader: every number comes once, in order, with its own bytes.
#[test]
fn batches_come_once_and_whole_under_revocation() {
    const BATCHES: u64 = 20_000;
    let ring = Ring::create(6, 1024).unwrap();
    let (next, again) = (AtomicU64::new(0), std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let worker = |me: u32| {
        loop {
            let seen = ring.header().freed.count();
            let Some(lease) = ring.lease(me) else {
                ring.header().freed.wait(seen, Duration::from_millis(20));
                continue;
            };
            let returned = again.lock().unwrap().pop_first();
            let number = returned.unwrap_or_else(|| next.fetch_add(1, Relaxed));
            if number >= BATCHES {
                return ring.give_up(lease);
            }
            // SAFETY: leased just now.
            let area = unsafe { ring.area(lease.slot as usize) };
            area[..1024].chunks_exact_mut(8).for_each(|cell| cell.copy_from_slice(&number.to_le_bytes()));
            let revoked = returned.is_none() && number % 7 == 3 && ring.slot(lease.slot as usize).state.revoke(lease);
            if revoked {
                again.lock().unwrap().insert(number);
            }
            assert_eq!(ring.publish(lease, label(number)), !revoked);
        }
    };
    std::thread::scope(|scope| {
        (1..=3).for_each(|me| drop(scope.spawn(move || worker(me))));
        for number in 0..BATCHES {
            let taken = loop {
                let seen = ring.header().ready.count();
                match ring.take(number) {
                    Some(taken) => break taken,
                    None => drop(ring.header().ready.wait(seen, Duration::from_millis(20))),
                }
            };
            // SAFETY: held by this thread.
            let area = unsafe { ring.area(taken.slot) };
            assert!(area[..1024].chunks_exact(8).all(|cell| cell == number.to_le_bytes()), "batch {number}");
            ring.release(taken.slot);
        }
    });
}
