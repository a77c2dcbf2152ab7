//! The rings of one client: the newest, where batches are made, and older ones until they are used up. For a batch that
//! does not fit the client makes a larger one; a daemon asks for it.
use super::Ring;
use super::word::Lease;
use rustorch_base::{Error, Result, ensure};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Leases are taken under the lock, and only in the newest ring: an older one without a lease and without a ready batch
/// can therefore be forgotten; batches that are held keep their ring themselves.
pub struct Rings {
    live: Mutex<Vec<Arc<Ring>>>,
    /// Of a client in another process: how it is asked for a ring with slots of so many bytes.
    ask: Option<Box<dyn Fn(u64) -> Result<()> + Send + Sync>>,
    before: Spent,
}

/// Takes a lease and gives it back at once.
const NOBODY: u32 = 0;

/// Nanoseconds that headers of rings tell of, of those that are gone as well. A peer may write anything there: sums wrap.
#[derive(Default)]
struct Spent {
    busy: AtomicU64,
    waited: AtomicU64,
}

impl Spent {
    fn add(&self, ring: &Ring) {
        self.busy.fetch_add(ring.header().busy.load(Relaxed), Relaxed);
        self.waited.fetch_add(ring.header().waited.load(Relaxed), Relaxed);
    }
}

/// No slot is free: the ring on whose `freed` bell to wait, and the bell's count from before the look.
pub struct NoSlot {
    pub ring: Arc<Ring>,
    pub seen: u32,
}

impl Rings {
    /// The rings of this process's own client. Errors: see [`Ring::create`].
    pub fn create(slots: usize, slot_bytes: usize) -> Result<Rings> {
        Ok(Rings { live: Mutex::new(vec![owned(slots, slot_bytes)?]), ask: None, before: Spent::default() })
    }
    /// The ring that a client in another process sent. It is replaced by one that the client sends ([`Rings::replace`]).
    pub fn of_peer(ring: Ring, ask: impl Fn(u64) -> Result<()> + Send + Sync + 'static) -> Rings {
        Rings { live: Mutex::new(vec![Arc::new(ring)]), ask: Some(Box::new(ask)), before: Spent::default() }
    }
    /// The client sent a larger ring. Who still writes into the old one has it; to take and to free what lies there is the
    /// client's.
    pub fn replace(&self, ring: Ring) -> Result<()> {
        let mut live = self.live();
        let bytes = newest(&live).slot_bytes();
        ensure!(ring.slot_bytes() > bytes, value, "a ring with slots of {} bytes follows one of {bytes}", ring.slot_bytes());
        let old = std::mem::replace(&mut *live, vec![Arc::new(ring)]);
        old.iter().for_each(|ring| self.before.add(ring));
        wake(&old);
        Ok(())
    }

    fn live(&self) -> MutexGuard<'_, Vec<Arc<Ring>>> {
        // The list is whole after each of its changes.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn newest(&self) -> Arc<Ring> {
        newest(&self.live()).clone()
    }
    pub fn all(&self) -> Vec<Arc<Ring>> {
        self.live().clone()
    }

    /// How long worker processes have been making batches, all together.
    pub fn busy(&self) -> Duration {
        self.spent(|spent| &spent.busy)
    }
    /// How long the client has been without a batch that it wanted.
    pub fn waited(&self) -> Duration {
        self.spent(|spent| &spent.waited)
    }
    fn spent(&self, which: impl Fn(&Spent) -> &AtomicU64) -> Duration {
        let all = Spent::default();
        self.live().iter().for_each(|ring| all.add(ring));
        Duration::from_nanos(which(&all).load(Relaxed).wrapping_add(which(&self.before).load(Relaxed)))
    }

    /// A slot of the newest ring.
    pub fn lease(&self, worker: u32) -> Result<(Arc<Ring>, Lease), NoSlot> {
        let live = self.live();
        let ring = newest(&live);
        let seen = ring.header().freed.count();
        match ring.lease(worker) {
            Some(lease) => Ok((ring.clone(), lease)),
            None => Err(NoSlot { ring: ring.clone(), seen }),
        }
    }

    /// A slot of at least `bytes` bytes, in a new and larger ring if need be. It is there at once: who asks has a batch
    /// that others may be waiting for. Errors: the ring belongs to a peer, or memory is short.
    pub fn lease_large(&self, worker: u32, bytes: usize) -> Result<(Arc<Ring>, Lease)> {
        let mut live = self.live();
        let last = newest(&live);
        if last.slot_bytes() >= bytes
            && let Some(lease) = last.lease(worker)
        {
            return Ok((last.clone(), lease));
        }
        ensure!(
            self.ask.is_none(),
            runtime,
            "a batch of {bytes} bytes does not fit into the slots of {} bytes that the client made",
            last.slot_bytes()
        );
        // room to grow, so that batches of rising size do not make a ring each
        let room = if last.slot_bytes() >= bytes { last.slot_bytes() } else { bytes.saturating_add(bytes / 4).max(2 * last.slot_bytes()) };
        let ring = owned(last.slots(), room).or_else(|_| owned(last.slots(), bytes))?;
        let Some(lease) = ring.lease(worker) else { unreachable!("every slot of a new ring is free") };
        live.push(ring.clone());
        wake_all(&live);
        Ok((ring, lease))
    }

    /// Sees to it that there is a ring whose slots have at least so many bytes: at once, or when a peer has sent it. Errors:
    /// memory is short, or the peer is gone.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        if let Some(ask) = &self.ask {
            return ask(bytes);
        }
        let bytes =
            usize::try_from(bytes).map_err(|_| Error::out_of_memory(format!("a batch of {bytes} bytes does not fit into memory")))?;
        if self.newest().slot_bytes() < bytes {
            let (ring, lease) = self.lease_large(NOBODY, bytes)?;
            ring.give_up(lease);
        }
        Ok(())
    }

    /// Goes on in a new ring of the same measures: forks have pinned too many slots of the newest.
    pub fn renew(&self) -> Result<()> {
        let mut live = self.live();
        let (slots, slot_bytes) = (newest(&live).slots(), newest(&live).slot_bytes());
        live.push(owned(slots, slot_bytes)?);
        wake_all(&live);
        Ok(())
    }

    /// Takes batch `number` wherever it is ready.
    pub fn take(&self, number: u64) -> Option<(Arc<Ring>, super::Taken)> {
        let mut live = self.live();
        let found = live.iter().find_map(|ring| Some((ring.clone(), ring.take(number)?)));
        if live.len() > 1 {
            let last = live.len() - 1;
            // a daemon that was given up may have made in its ring what came from another
            live[..last].iter().for_each(|ring| ring.discard(|ready| ready < number));
            let mut index = 0;
            live.retain(|ring| {
                index += 1;
                let stays = index > last || !ring.is_used_up();
                if !stays {
                    self.before.add(ring);
                }
                stays
            });
        }
        found
    }

    /// Whoever filled these rings is dead: nothing further appears in them.
    pub fn freeze(&self) {
        self.live().iter().for_each(|ring| ring.freeze());
    }

    /// Frees ready batches of smaller numbers: the client has gone elsewhere.
    pub fn discard_below(&self, first: u64) {
        self.live().iter().for_each(|ring| ring.discard(|number| number < first));
    }

    /// The first number from `next` on that is ready nowhere. Batches behind it, which somebody else will make again, are
    /// discarded.
    pub fn keep_run(&self, next: u64) -> u64 {
        let live = self.live();
        let ready: BTreeSet<u64> = live.iter().flat_map(|ring| ring.ready()).collect();
        let first = (next..=next + ready.len() as u64).find(|number| !ready.contains(number)).unwrap_or(next);
        live.iter().for_each(|ring| ring.discard(|number| number >= first || number < next));
        first
    }

    /// Calls the client to look again.
    pub fn wake_client(&self) {
        self.live().iter().for_each(|ring| ring.header().ready.ring());
    }
    /// Calls everybody who waits for a slot or, at the same bell, for a task.
    pub fn wake_makers(&self) {
        wake(&self.live());
    }
}

fn newest(live: &[Arc<Ring>]) -> &Arc<Ring> {
    live.last().expect("the list begins with a ring and the newest is never removed")
}

/// There is another ring: whoever sleeps on a bell, the client too, has to look at it.
fn wake_all(live: &[Arc<Ring>]) {
    wake(live);
    live.iter().for_each(|ring| ring.header().ready.ring());
}

fn wake(live: &[Arc<Ring>]) {
    live.iter().for_each(|ring| ring.header().freed.ring());
}

/// Rings that this process's clients own, for whoever is about to fork.
static OWNED: Mutex<Vec<Weak<Ring>>> = Mutex::new(Vec::new());

fn owned(slots: usize, slot_bytes: usize) -> Result<Arc<Ring>> {
    let ring = Arc::new(Ring::create(slots, slot_bytes)?);
    let mut list = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|ring| ring.strong_count() > 0);
    list.push(Arc::downgrade(&ring));
    Ok(ring)
}

/// To be called before this process forks: batches that it holds stay as they are for as long as the child may look.
pub fn before_fork() {
    let list = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    list.iter().filter_map(Weak::upgrade).for_each(|ring| ring.pin_held());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::slot::{Kind, Label};
    use crate::ring::word::State;

    fn publish(ring: &Ring, lease: Lease, number: u64) {
        assert!(ring.publish(lease, Label { number, samples: 0, kind: Kind::Data, payload: 0 }));
    }

    #[test]
    fn what_was_spent_is_known_after_a_ring_is_gone() {
        let rings = Rings::of_peer(Ring::create(2, 100).unwrap(), |_| Ok(()));
        rings.newest().header().waited.store(3_000, Relaxed);
        rings.newest().header().busy.store(u64::MAX, Relaxed);
        rings.replace(Ring::create(2, 10_000).unwrap()).unwrap();
        rings.newest().header().waited.store(40, Relaxed);
        rings.newest().header().busy.store(11, Relaxed);
        assert_eq!((rings.waited(), rings.busy()), (Duration::from_nanos(3_040), Duration::from_nanos(10)));
    }

    #[test]
    fn a_larger_ring_is_made_when_a_batch_does_not_fit() {
        let rings = Rings::create(3, 1000).unwrap();
        let (first, late) = rings.lease(1).ok().unwrap();
        let (large, lease) = rings.lease_large(2, 10_000).unwrap();
        assert!(large.slot_bytes() >= 12_500 && Arc::ptr_eq(&large, &rings.newest()));
        publish(&large, lease, 0);
        assert!(rings.take(0).is_some());
        assert_eq!(rings.all().len(), 2, "batch 1 is still being made in the first ring");
        publish(&first, late, 1);
        let (ring, _) = rings.take(1).unwrap();
        assert!(Arc::ptr_eq(&ring, &first));
        assert_eq!(rings.all().len(), 1);
        let again = rings.lease_large(2, 11_000).unwrap();
        assert!(Arc::ptr_eq(&again.0, &large));
    }

    #[test]
    fn a_run_of_ready_batches_is_kept_and_what_lies_behind_a_gap_is_not() {
        let rings = Rings::create(6, 1000).unwrap();
        for number in [7, 4, 5, 3, 8] {
            let (ring, lease) = rings.lease(1).ok().unwrap();
            publish(&ring, lease, number);
        }
        rings.freeze();
        assert_eq!(rings.keep_run(4), 6);
        assert!(rings.take(4).is_some() && rings.take(5).is_some());
        assert!([3, 7, 8].into_iter().all(|number| rings.take(number).is_none()));
        assert_eq!(rings.keep_run(9), 9);
    }

    #[test]
    fn a_peer_is_asked_for_a_larger_ring() {
        let asked = Arc::new(Mutex::new(0));
        let heard = asked.clone();
        let rings = Rings::of_peer(Ring::create(3, 1000).unwrap(), move |bytes| {
            *heard.lock().unwrap() = bytes;
            Ok(())
        });
        let (old, lease) = rings.lease_large(1, 4000).ok().unwrap();
        assert!(rings.lease_large(1, 5000).err().unwrap().message.contains("batch of 5000 bytes"));
        rings.grow(5000).unwrap();
        assert_eq!((*asked.lock().unwrap(), rings.newest().slot_bytes()), (5000, old.slot_bytes()));
        assert!(rings.replace(Ring::create(3, 1000).unwrap()).is_err());
        rings.replace(Ring::create(3, 6000).unwrap()).unwrap();
        assert!(rings.lease(1).ok().unwrap().0.slot_bytes() >= 6000);
        assert!(old.publish(lease, Label { number: 0, samples: 0, kind: Kind::Data, payload: 0 }));
        let own = Rings::create(3, 1000).unwrap();
        own.grow(100).unwrap();
        assert_eq!(own.all().len(), 1);
        own.grow(9000).unwrap();
        assert_eq!((own.all().len(), own.newest().count(State::Free)), (2, 3));
    }

    #[test]
    fn a_fork_pins_what_is_held_now() {
        let rings = Rings::create(3, 1000).unwrap();
        let (ring, lease) = rings.lease(1).ok().unwrap();
        publish(&ring, lease, 0);
        let (ring, taken) = rings.take(0).unwrap();
        before_fork();
        ring.release(taken.slot);
        assert_eq!((ring.pinned(), ring.count(State::Held)), (1, 1));
        rings.renew().unwrap();
        assert!(rings.take(1).is_none());
        assert_eq!(rings.all().len(), 1);
    }
}
