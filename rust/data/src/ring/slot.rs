//! The header of a slot, and what a published one says.
use crate::ring::word::SlotState;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// What a slot carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// A batch.
    Data = 0,
    /// The stream of this worker is exhausted: there is no batch with this number.
    End = 1,
    /// A pickled exception and its traceback, in the skeleton.
    Error = 2,
    /// An error of a native source, in the skeleton: its kind and its text.
    Refusal = 3,
}

impl Kind {
    pub fn from_code(code: u32) -> Option<Kind> {
        Some(match code {
            0 => Kind::Data,
            1 => Kind::End,
            2 => Kind::Error,
            3 => Kind::Refusal,
            _ => return None,
        })
    }
}

/// What is said beside the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    pub number: u64,
    pub samples: u32,
    pub kind: Kind,
    /// Bytes of the data area that are the payload.
    pub payload: u64,
}

/// Shared memory, one per slot; no two share a pair of cache lines. All but `state` is written by the holder of the lease
/// (`leased_at` by whoever leased) and means nothing in another state.
#[repr(C, align(128))]
pub struct SlotHeader {
    pub state: SlotState,
    number: AtomicU64,
    payload: AtomicU64,
    samples: AtomicU32,
    kind: AtomicU32,
    progress: AtomicU32,
    /// Milliseconds of the monotonic clock.
    pub leased_at: AtomicU64,
}

impl SlotHeader {
    /// Written before the state is published, which makes it visible.
    pub fn set_label(&self, label: Label) {
        self.number.store(label.number, Relaxed);
        self.payload.store(label.payload, Relaxed);
        self.samples.store(label.samples, Relaxed);
        self.kind.store(label.kind as u32, Relaxed);
    }
    pub fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }
    /// A copy of everything said; `None` when a peer wrote nonsense. The payload's length is cut to `slot_bytes`.
    pub fn label(&self, slot_bytes: usize) -> Option<Label> {
        let kind = Kind::from_code(self.kind.load(Relaxed))?;
        let payload = self.payload.load(Relaxed).min(slot_bytes as u64);
        Some(Label { number: self.number(), samples: self.samples.load(Relaxed), kind, payload })
    }
    /// 1 + the place in the batch of the sample being made, 0 before the first: a heartbeat (a slow batch is not a stopped
    /// one), and the name of the sample on which a worker died.
    pub fn set_progress(&self, progress: u32) {
        self.progress.store(progress, Relaxed);
    }
    pub fn progress(&self) -> u32 {
        self.progress.load(Relaxed)
    }
}
