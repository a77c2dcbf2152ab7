//! Where things lie in a ring: header page(s), slot headers, then the slots' data, each part on a page boundary.
use crate::ring::bell::Bell;
use crate::ring::slot::SlotHeader;
use rustorch_base::{Result, bail, ensure};
use std::sync::atomic::{AtomicU32, AtomicU64};

pub const PAGE: usize = 4096;
/// A ring has 2 to this many slots: below, nothing could be in motion; above, scanning for a slot would cost more than a batch.
pub const MOST_SLOTS: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"rt-ring\0");
const VERSION: u32 = 2;

/// The start of the shared memory. The plain fields are written once by the creator and read once by whoever opens it.
#[repr(C)]
pub struct RingHeader {
    pub magic: u64,
    pub version: u32,
    pub slots: u32,
    pub slot_bytes: u64,
    pub data_offset: u64,
    /// A leaser that has work and no slot sets this; the next release takes it down and calls the leaser.
    pub starved: AtomicU32,
    /// Rung when a batch is ready.
    pub ready: Bell,
    /// Rung when a slot is free, or when native readers have another reason to look.
    pub freed: Bell,
    /// Nanoseconds that the client has been without a batch that it wanted.
    pub waited: AtomicU64,
    /// Nanoseconds that worker processes have spent making batches, all together.
    pub busy: AtomicU64,
}

/// A ring's measures, computed by its creator or copied out of a header and checked. All later address arithmetic uses
/// this copy: what a peer writes into the header afterwards moves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    pub slots: usize,
    /// Data bytes of one slot, a multiple of the page.
    pub slot_bytes: usize,
    data_offset: usize,
    len: usize,
}

impl Layout {
    /// Room for `slots` batches of up to `slot_bytes` bytes. Errors: a number out of range, or a product beyond the
    /// address space.
    pub fn new(slots: usize, slot_bytes: usize) -> Result<Layout> {
        ensure!((2..=MOST_SLOTS).contains(&slots), value, "a ring has 2 to {MOST_SLOTS} slots, not {slots}");
        let headers = SLOT_HEADERS + slots * size_of::<SlotHeader>();
        let data_offset = headers.next_multiple_of(PAGE);
        let Some((slot_bytes, len)) = sizes(slots, slot_bytes.max(1), data_offset) else {
            bail!(out_of_memory, "a ring of {slots} slots of {slot_bytes} bytes does not fit into the address space");
        };
        Ok(Layout { slots, slot_bytes, data_offset, len })
    }

    /// The measures a header states, if they are those of a ring in a file of `len` bytes.
    pub fn check(magic: u64, version: u32, slots: u32, slot_bytes: u64, data_offset: u64, len: u64) -> Result<Layout> {
        ensure!(magic == MAGIC, value, "the shared memory holds no ring");
        ensure!(version == VERSION, value, "the ring has version {version}, this program knows {VERSION}");
        let stated = usize::try_from(slot_bytes).ok().and_then(|bytes| Layout::new(slots as usize, bytes).ok());
        match stated {
            Some(layout)
                if layout.len as u64 == len && layout.data_offset as u64 == data_offset && layout.slot_bytes as u64 == slot_bytes =>
            {
                Ok(layout)
            }
            _ => bail!(value, "the ring's header ({slots} slots of {slot_bytes} bytes from {data_offset}) does not fit its {len} bytes"),
        }
    }

    pub fn header(&self) -> (u64, u32, u32, u64, u64) {
        (MAGIC, VERSION, self.slots as u32, self.slot_bytes as u64, self.data_offset as u64)
    }
    /// Bytes of the whole ring.
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn slot_header(&self, slot: usize) -> usize {
        debug_assert!(slot < self.slots);
        SLOT_HEADERS + slot * size_of::<SlotHeader>()
    }
    pub fn slot_data(&self, slot: usize) -> usize {
        debug_assert!(slot < self.slots);
        self.data_offset + slot * self.slot_bytes
    }
}

const SLOT_HEADERS: usize = size_of::<RingHeader>().next_multiple_of(align_of::<SlotHeader>());

fn sizes(slots: usize, slot_bytes: usize, data_offset: usize) -> Option<(usize, usize)> {
    let slot_bytes = slot_bytes.checked_next_multiple_of(PAGE)?;
    let len = slot_bytes.checked_mul(slots)?.checked_add(data_offset)?;
    isize::try_from(len).is_ok().then_some((slot_bytes, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: &Layout) -> Result<Layout> {
        let (magic, version, slots, bytes, offset) = layout.header();
        Layout::check(magic, version, slots, bytes, offset, layout.len() as u64)
    }

    #[test]
    fn parts_do_not_overlap() {
        for (slots, bytes) in [(2, 1), (8, 401_408), (33, 4096), (MOST_SLOTS, 5000)] {
            let layout = Layout::new(slots, bytes).unwrap();
            assert!(layout.slot_header(0) >= size_of::<RingHeader>());
            assert!(layout.slot_header(slots - 1) + size_of::<SlotHeader>() <= layout.slot_data(0));
            assert!(layout.slot_bytes >= bytes && layout.slot_data(slots - 1) + layout.slot_bytes == layout.len());
            assert_eq!(layout.slot_data(slots - 1) % PAGE, 0);
            assert_eq!(check(&layout).unwrap(), layout);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Layout::new(1, 10).is_err());
        assert!(Layout::new(MOST_SLOTS + 1, 10).is_err());
        assert!(Layout::new(8, usize::MAX).is_err());
        assert!(Layout::new(8, usize::MAX / 8 - 5).is_err());
    }

    /// Every header that is not the one of its length is refused, whatever is in it.
    #[test]
    fn hostile_headers_are_refused() {
        let good = Layout::new(8, 10_000).unwrap();
        let (magic, version, slots, bytes, offset) = good.header();
        let len = good.len() as u64;
        let mut random = rustorch_base::random::Philox::new(11);
        let mut wide = || u64::from(random.next_u32()) << 32 | u64::from(random.next_u32());
        let edges = [0, 1, 7, 4095, 4096, 1 << 31, u64::from(u32::MAX), 1 << 62, u64::MAX - 4095, u64::MAX];
        for _ in 0..20_000 {
            let mut pick = |normal: u64| match wide() % 4 {
                0 => wide(),
                1 => edges[(wide() % edges.len() as u64) as usize],
                2 => normal.wrapping_add(wide() % 8192).wrapping_sub(4096),
                _ => normal,
            };
            let (s, b, o, l) = (pick(slots.into()) as u32, pick(bytes), pick(offset), pick(len));
            let found = Layout::check(magic, version, s, b, o, l);
            if let Ok(layout) = found {
                assert_eq!(layout.len() as u64, l);
                assert!(layout.slots >= 2 && layout.slot_data(layout.slots - 1) + layout.slot_bytes == layout.len());
            }
        }
        assert!(Layout::check(magic ^ 1, version, slots, bytes, offset, len).is_err());
        assert!(Layout::check(magic, version + 1, slots, bytes, offset, len).is_err());
        assert!(Layout::check(magic, version, slots, bytes, offset, len + 4096).is_err());
    }
}
