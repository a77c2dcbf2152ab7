//! The ring: slots of shared memory through which batches go from whoever makes them to the client that takes them in order.
//! [`word`] has the protocol; this module adds the memory and the batch numbers.
pub mod bell;
pub mod layout;
pub mod rings;
pub mod slot;
pub mod word;

use crate::sys::{mapping::Mapping, memory_file};
use layout::{Layout, RingHeader};
use rustorch_base::{Error, Result, bail, ensure};
use slot::{Label, SlotHeader};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst, fence};
use word::{Lease, State};

/// A ring up to this size has all its pages from the start. A larger one, of which often only some slots are in use, gets
/// a slot's pages when the slot is first written: touching gigabytes takes seconds.
const WHOLE: usize = 64 << 20;

/// One mapping of a ring. The memory is shared with other processes; what follows the file is this process's own.
pub struct Ring {
    mapping: Mapping,
    layout: Layout,
    file: OwnedFd,
    /// How many bytes of each slot this process has pages of, where the ring did not get them at once.
    entered: Box<[AtomicUsize]>,
    pins: Box<[AtomicBool]>,
    pinned: AtomicUsize,
    frozen: AtomicBool,
    on_freed: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// A batch that was taken: its slot belongs to the client until it is released.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub slot: usize,
    /// `None`: the header was nonsense.
    pub label: Option<Label>,
}

impl Ring {
    /// A new ring in sealed memory. Errors: too little memory is refused with the number of bytes.
    pub fn create(slots: usize, slot_bytes: usize) -> Result<Ring> {
        let layout = Layout::new(slots, slot_bytes)?;
        let now = if layout.len() <= WHOLE { layout.len() } else { layout.slot_data(0) };
        let file = memory_file::create_in_part("rustorch-ring", layout.len() as u64, now as u64)?;
        let ring = Ring::map(file, layout)?;
        ring.populate(0..now)?;
        let (magic, version, slots, slot_bytes, data_offset) = layout.header();
        // SAFETY: the mapping is at least a page, page aligned, and nobody else has it yet. A zeroed header and zeroed
        // slots are valid: bells that never rang, free slots of generation 0.
        let header = unsafe { &mut *ring.mapping.start().cast::<RingHeader>() };
        (header.magic, header.version, header.slots) = (magic, version, slots);
        (header.slot_bytes, header.data_offset) = (slot_bytes, data_offset);
        Ok(ring)
    }

    /// Maps a ring that a peer sent. Its measures are copied out once and checked against the sealed length.
    pub fn open(file: OwnedFd) -> Result<Ring> {
        let describe = |error: std::io::Error| Error::os(format!("the ring cannot be read: {error}"));
        let Some(len) = memory_file::sealed_len(&file).map_err(describe)? else {
            bail!(value, "the ring is not sealed against a change of its length");
        };
        ensure!(len >= layout::PAGE as u64 && isize::try_from(len).is_ok(), value, "a ring cannot have {len} bytes");
        let head = Mapping::shared(&file, layout::PAGE).map_err(describe)?;
        // SAFETY: a page holds the header, whose plain fields are integers, valid with any bits; the volatile read copies
        // them once, whatever a peer does meanwhile.
        let header = unsafe { std::ptr::read_volatile(head.start().cast::<[u64; 4]>()) };
        let [magic, version_slots, slot_bytes, data_offset] = header;
        let layout = Layout::check(magic, version_slots as u32, (version_slots >> 32) as u32, slot_bytes, data_offset, len)?;
        Ring::map(file, layout)
    }

    fn map(file: OwnedFd, layout: Layout) -> Result<Ring> {
        let mapping = Mapping::shared(&file, layout.len()).map_err(|error| Error::os(format!("the ring cannot be mapped: {error}")))?;
        let pins = (0..layout.slots).map(|_| AtomicBool::new(false)).collect();
        let entered = (0..layout.slots).map(|_| AtomicUsize::new(0)).collect();
        let (pinned, frozen, on_freed) = (AtomicUsize::new(0), AtomicBool::new(false), OnceLock::new());
        Ok(Ring { mapping, layout, file, entered, pins, pinned, frozen, on_freed })
    }

    fn populate(&self, range: Range<usize>) -> Result<()> {
        let bytes = range.len();
        self.mapping
            .populate(range)
            .map_err(|error| Error::out_of_memory(format!("{bytes} bytes of shared memory for a batch cannot be had: {error}")))
    }

    /// Sees to it that a slot has pages for its first `bytes` bytes. Errors: too little memory.
    pub fn prepare(&self, slot: usize, bytes: usize) -> Result<()> {
        if self.layout.len() <= WHOLE || self.entered[slot].load(Relaxed) >= bytes {
            return Ok(());
        }
        let start = self.layout.slot_data(slot);
        self.populate(start..start + bytes.min(self.layout.slot_bytes))?;
        self.entered[slot].store(bytes, Relaxed);
        Ok(())
    }

    pub fn slots(&self) -> usize {
        self.layout.slots
    }
    /// Data bytes of one slot.
    pub fn slot_bytes(&self) -> usize {
        self.layout.slot_bytes
    }
    /// Bytes of the whole ring.
    pub fn bytes(&self) -> usize {
        self.layout.len()
    }
    /// The memory as a descriptor, to be sent to a peer.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
    pub fn header(&self) -> &RingHeader {
        // SAFETY: the mapping starts with a header, aligned to a page. What peers change in it is atomic; the plain fields
        // are not read after `open`.
        unsafe { &*self.mapping.start().cast::<RingHeader>() }
    }
    pub fn slot(&self, slot: usize) -> &SlotHeader {
        assert!(slot < self.layout.slots, "slot {slot} of {}", self.layout.slots);
        // SAFETY: the layout was checked against the mapping's length; a slot header is all atomics.
        unsafe { &*self.mapping.start().add(self.layout.slot_header(slot)).cast::<SlotHeader>() }
    }
    /// Where a slot's data lies.
    pub fn data(&self, slot: usize) -> *mut u8 {
        assert!(slot < self.layout.slots, "slot {slot} of {}", self.layout.slots);
        // SAFETY: as above; a slot's data lies inside the mapping.
        unsafe { self.mapping.start().add(self.layout.slot_data(slot)) }
    }
    /// A slot's data for writing.
    ///
    /// # Safety
    /// The caller holds the lease of the slot and makes no second slice of it while this one lives.
    #[allow(clippy::mut_from_ref)] // the lease, not the reference to the ring, is what makes it exclusive
    pub unsafe fn area(&self, slot: usize) -> &mut [u8] {
        // SAFETY: inside the mapping, always initialised (the kernel zeroes it), and exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data(slot), self.layout.slot_bytes) }
    }

    /// How many slots are in a state.
    pub fn count(&self, state: State) -> usize {
        (0..self.slots()).filter(|&slot| self.slot(slot).state.word().state() == Some(state)).count()
    }
}

/// What a leaser and its workers do.
impl Ring {
    /// A free slot for `worker`, whose number is below [`word::WORKERS`] and used by nobody before it in this ring.
    pub fn lease(&self, worker: u32) -> Option<Lease> {
        (0..self.slots()).find_map(|slot| self.slot(slot).state.lease(slot as u32, worker))
    }

    /// Says what the slot holds and hands it to the client. False: the lease was revoked; the slot is given back and must
    /// not be touched again.
    pub fn publish(&self, lease: Lease, label: Label) -> bool {
        let slot = self.slot(lease.slot as usize);
        slot.set_label(label);
        let published = slot.state.publish(lease);
        if published {
            self.header().ready.ring();
        } else {
            self.announce_freed();
        }
        published
    }

    /// Gives a leased slot back unused.
    pub fn give_up(&self, lease: Lease) {
        self.slot(lease.slot as usize).state.give_up(lease);
        self.announce_freed();
    }

    /// Takes a published batch back that the client no longer wants, unless it has it already.
    pub fn withdraw(&self, lease: Lease) {
        if self.slot(lease.slot as usize).state.take_back(lease.word(State::Ready)) {
            self.announce_freed();
        }
    }

    /// Takes back the ready batch that is farthest behind `number`, because `number` has to be made first and has no slot.
    /// Its number, which has to be made again.
    pub fn take_back_farthest(&self, number: u64) -> Option<u64> {
        let ready = (0..self.slots()).filter_map(|index| {
            let slot = self.slot(index);
            let word = slot.state.word();
            (word.state() == Some(State::Ready)).then(|| (slot.number(), index, word))
        });
        let (farthest, index, word) = ready.max_by_key(|(number, ..)| *number)?;
        (farthest > number && self.slot(index).state.take_back(word)).then_some(farthest)
    }

    /// Says that a leaser waits for a slot. It has to look once more afterwards, before it sleeps.
    pub fn set_starved(&self) {
        self.header().starved.store(1, SeqCst);
        // pairs with the fence in `announce_freed`: either this side sees the free slot or that side sees the flag
        fence(SeqCst);
    }
    /// Takes that word back: it found a slot after all.
    pub fn clear_starved(&self) {
        self.header().starved.store(0, SeqCst);
    }
}

/// What the client does.
impl Ring {
    /// Takes batch `number` if it is ready.
    pub fn take(&self, number: u64) -> Option<Taken> {
        (0..self.slots()).find_map(|index| {
            let slot = self.slot(index);
            let word = slot.state.word();
            let wanted = word.state() == Some(State::Ready) && slot.number() == number && slot.state.take(word);
            wanted.then(|| Taken { slot: index, label: slot.label(self.slot_bytes()) })
        })
    }

    /// Gives a taken slot back, unless a fork shares it.
    pub fn release(&self, slot: usize) {
        if !self.pins[slot].load(Relaxed) && self.slot(slot).state.release() {
            self.announce_freed();
        }
    }

    /// The leaser is dead: whatever it or its workers still try, no further batch appears here. Ready ones stay.
    pub fn freeze(&self) {
        self.frozen.store(true, SeqCst);
        (0..self.slots()).for_each(|slot| self.slot(slot).state.freeze());
    }

    /// Nothing is ready here, nor can it become so.
    pub fn is_used_up(&self) -> bool {
        let may_come = |state| !self.frozen.load(SeqCst) && self.count(state) > 0;
        self.count(State::Ready) == 0 && !may_come(State::Leased) && !may_come(State::Revoked)
    }

    /// Numbers that are ready.
    pub fn ready(&self) -> impl Iterator<Item = u64> {
        let ready = |slot: &usize| self.slot(*slot).state.word().state() == Some(State::Ready);
        (0..self.slots()).filter(ready).map(|slot| self.slot(slot).number())
    }

    /// Frees ready batches that will not be taken here.
    pub fn discard(&self, unwanted: impl Fn(u64) -> bool) {
        for index in 0..self.slots() {
            let slot = self.slot(index);
            let word = slot.state.word();
            if word.state() == Some(State::Ready) && unwanted(slot.number()) && slot.state.take_back(word) {
                self.announce_freed();
            }
        }
    }

    /// Before a fork: the child will look at the pages of every slot held now, so these slots never return.
    pub fn pin_held(&self) {
        for (slot, pin) in self.pins.iter().enumerate() {
            if self.slot(slot).state.word().state() == Some(State::Held) && !pin.swap(true, Relaxed) {
                self.pinned.fetch_add(1, Relaxed);
            }
        }
    }
    /// Slots that never return.
    pub fn pinned(&self) -> usize {
        self.pinned.load(Relaxed)
    }

    /// Sets what is called when a slot becomes free while a leaser starves: it sleeps on a descriptor, not on the bell.
    /// Only the first call counts.
    pub fn on_freed(&self, call: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_freed.set(Box::new(call));
    }

    fn announce_freed(&self) {
        let header = self.header();
        header.freed.ring();
        fence(SeqCst);
        if let Some(call) = self.on_freed.get()
            && header.starved.load(SeqCst) != 0
            && header.starved.swap(0, SeqCst) != 0
        {
            call();
        }
    }
}
