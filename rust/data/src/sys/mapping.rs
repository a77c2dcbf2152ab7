//! A mapping of a file that unmaps itself.
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// `len` bytes of a file, shared with whoever else maps them. Who may read or write which part at what time is the
/// business of the owner: this type hands out the address and keeps it valid.
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is an address range without thread affinity; access to its bytes is the owner's protocol.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method reads or writes the bytes.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes for reading and writing. The file must be at least so long and never shrink
    /// (`memory_file::sealed_len` tells), or an access may end in SIGBUS.
    pub fn shared(file: impl AsFd, len: usize) -> Result<Mapping> {
        Mapping::new(file, len, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn new(file: impl AsFd, len: usize, access: ProtFlags) -> Result<Mapping> {
        // SAFETY: a new mapping at an address the kernel chooses overlaps nothing of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::from(ErrorKind::OutOfMemory))?;
        Ok(Mapping { start, len })
    }

    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Enters every page into this process's tables now, in one call, so that first accesses do not pay for it one by one.
    pub fn populate(&self) {
        // SAFETY: the range is this mapping; the advice changes no content. A kernel that does not know it says so, and
        // pages are then entered at first access.
        let _ = unsafe { madvise(self.start.as_ptr().cast(), self.len, Advice::LinuxPopulateWrite) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and nothing borrows from a dropped owner.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
