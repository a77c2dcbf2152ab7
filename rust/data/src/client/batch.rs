//! A batch in the trainer's hands.
use crate::payload::{Buffer, BufferSpec, PayloadLayout, decode_refusal};
use crate::ring::slot::{Kind, Label};
use crate::ring::{Ring, Taken};
use rustorch_base::{Error, Result, bail};
use std::ops::Range;
use std::sync::Arc;

/// A batch: its buffers lie in the ring's slot, which goes back when this drops, or in a copy.
pub struct Batch {
    label: Label,
    layout: PayloadLayout,
    place: Place,
}

enum Place {
    Slot(Held),
    Copy(Box<[Line]>),
}

/// 64 bytes on a 64-byte boundary, as buffers lie in a slot.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// The right to one slot. It goes back once, and only from the process that took it: a forked child has a copy of the
/// value but not the right.
pub(super) struct Held {
    ring: Arc<Ring>,
    slot: usize,
    process: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.ring.release(self.slot);
        }
    }
}

/// One tensor of a batch. The memory may be read and written for as long as the batch lives.
#[derive(Clone, Copy, Debug)]
pub struct BatchBuffer<'a> {
    pub spec: &'a BufferSpec,
    pub data: *mut u8,
    pub bytes: usize,
}

impl Batch {
    /// A batch that was taken from `ring`. Errors: its slot holds nonsense; the slot goes back.
    pub(super) fn new(ring: Arc<Ring>, taken: Taken, number: u64, process: u32) -> Result<Batch> {
        let held = Held { ring, slot: taken.slot, process };
        let Some(label) = taken.label.filter(|label| label.number == number) else {
            bail!(runtime, "batch {number} is damaged: its slot's header makes no sense");
        };
        let layout = match label.kind {
            Kind::End => PayloadLayout::new(Vec::new(), 0)?,
            _ => PayloadLayout::read(held.bytes(label.payload as usize))?,
        };
        Ok(Batch { label, layout, place: Place::Slot(held) })
    }

    /// Moves the batch into memory of its own and gives the slot back.
    pub(super) fn copy_out(&mut self) {
        if let Place::Slot(held) = &self.place {
            let bytes = held.bytes(self.layout.bytes().min(self.label.payload as usize));
            let mut lines = vec![Line([0; 64]); bytes.len().div_ceil(64)].into_boxed_slice();
            // SAFETY: the lines are at least as long, do not overlap the slot, and are bytes.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), lines.as_mut_ptr().cast(), bytes.len()) };
            self.place = Place::Copy(lines);
        }
    }

    pub fn number(&self) -> u64 {
        self.label.number
    }
    pub fn samples(&self) -> usize {
        self.label.samples as usize
    }
    pub fn kind(&self) -> Kind {
        self.label.kind
    }
    /// The batch does not lie in the ring: too many were kept.
    pub fn is_copy(&self) -> bool {
        matches!(self.place, Place::Copy(_))
    }
    pub fn len(&self) -> usize {
        self.layout.buffers.len()
    }
    pub fn is_empty(&self) -> bool {
        self.layout.buffers.is_empty()
    }
    /// The tensors, in the order of the source's fields or of the pickle's out-of-band buffers.
    pub fn buffers(&self) -> impl Iterator<Item = BatchBuffer<'_>> {
        self.layout.buffers.iter().map(|Buffer { spec, place }| BatchBuffer { spec, data: self.at(place), bytes: place.len() })
    }
    /// What puts the buffers together; empty for a native batch.
    pub fn skeleton(&self) -> &[u8] {
        let place = &self.layout.skeleton;
        if place.is_empty() {
            return &[];
        }
        // SAFETY: the place lies inside the payload, which was checked when it was read.
        unsafe { std::slice::from_raw_parts(self.at(place), place.len()) }
    }
    /// The error of a native source, if that is what came.
    pub fn refusal(&self) -> Option<Error> {
        (self.kind() == Kind::Refusal).then(|| decode_refusal(self.skeleton()))
    }

    fn at(&self, place: &Range<usize>) -> *mut u8 {
        let start = match &self.place {
            Place::Slot(held) => held.ring.data(held.slot),
            Place::Copy(lines) => lines.as_ptr().cast::<u8>().cast_mut(),
        };
        // SAFETY: the place lies inside the payload and so inside the slot or its copy.
        unsafe { start.add(place.start) }
    }
}

impl Held {
    fn bytes(&self, len: usize) -> &[u8] {
        // SAFETY: the slot is held; the label's length was cut to the slot's.
        unsafe { std::slice::from_raw_parts(self.ring.data(self.slot), len) }
    }
}
