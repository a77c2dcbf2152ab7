//! A mapping of a file that unmaps itself.
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
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

    /// Makes the pages of a range, where they do not exist, and enters them into this process's tables now, in one call, so
    /// that first accesses do not pay for it one by one. The range begins at a page. Errors: too little memory.
    pub fn populate(&self, range: Range<usize>) -> Result<()> {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        // SAFETY: the range lies in this mapping; the advice changes no content.
        let done = unsafe { madvise(self.start.as_ptr().add(range.start).cast(), range.len(), Advice::LinuxPopulateWrite) };
        match done {
            // a kernel from before 5.14 does not know the advice: pages are made and entered at first access
            Err(Errno::INVAL) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new` and nothing borrows from a dropped owner.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
