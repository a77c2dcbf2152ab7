//! Memory that tensors share.
use crate::alloc;
use crate::device::Device;
use crate::ops::warning;
use rustorch_base::{Result, bail};
use std::any::Any;
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Who gives the bytes back.
enum Owner {
    /// The caching allocator; `capacity` is what it was asked for.
    Pool { capacity: usize },
    /// Foreign memory (a numpy array, a DLPack capsule, a shared slot): dropping the box releases it.
    Foreign { _release: Box<dyn Any + Send + Sync> },
    /// No bytes: a tensor on the meta device.
    Meta,
}

/// Bytes with an owner and a write counter, shared by all tensors that view them.
///
/// Invariants: `data` points to `bytes` readable and writable bytes (dangling when there are none or the device is
/// meta). The bytes may be written through any tensor that shares the storage; racing writers are the caller's mistake,
/// as in PyTorch. Only [`Storage::resize`] moves them, never while a kernel runs: it asks that no kernel works on the
/// storage, which Python's lock and the sole owner in Rust guarantee. A storage whose memory others know (`numpy()`,
/// `from_numpy`, DLPack) is not resizable; that of a ring's slot moves out when it is resized.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    memory: UnsafeCell<Memory>,
    resizable: AtomicBool,
    version: AtomicU32,
    device: Device,
}
struct Memory {
    data: NonNull<u8>,
    bytes: usize,
    owner: Owner,
}
// SAFETY: the bytes are plain data; see the invariants about writers and `resize`.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

const MOVES_OUT: &str = "A batch of a data loader is resized: it is copied out of the shared memory that it lies in, which costs time. \
     Make a new tensor of the new size, or clone the batch first.";

const NOTHING: NonNull<u8> = match NonNull::new(std::ptr::without_provenance_mut(alloc::ALIGNMENT)) {
    Some(aligned) => aligned,
    None => NonNull::dangling(),
};

impl Storage {
    /// Fresh bytes with arbitrary content.
    #[inline]
    pub fn allocate(bytes: usize, device: Device) -> Result<Storage> {
        let (data, owner) = if device.is_meta() {
            (NOTHING, Owner::Meta)
        } else if bytes == 0 {
            (NOTHING, Owner::Pool { capacity: 0 })
        } else {
            (alloc::allocate(bytes)?, Owner::Pool { capacity: bytes })
        };
        Ok(Storage::new(Memory { data, bytes, owner }, device, true))
    }
    /// Memory owned elsewhere: dropping `release` gives it back.
    ///
    /// # Safety
    /// `data` points to `bytes` bytes that stay valid and writable until `release` is dropped.
    pub unsafe fn foreign(data: *mut u8, bytes: usize, release: Box<dyn Any + Send + Sync>) -> Storage {
        let data = NonNull::new(data).unwrap_or(NOTHING);
        Storage::new(Memory { data, bytes, owner: Owner::Foreign { _release: release } }, Device::CPU, false)
    }
    /// Memory of a data loader whose address nobody keeps: a resize moves the bytes out, with a warning, and gives it back.
    ///
    /// # Safety
    /// As for [`Storage::foreign`].
    pub unsafe fn lent(data: *mut u8, bytes: usize, release: Box<dyn Any + Send + Sync>) -> Storage {
        let data = NonNull::new(data).unwrap_or(NOTHING);
        Storage::new(Memory { data, bytes, owner: Owner::Foreign { _release: release } }, Device::CPU, true)
    }
    fn new(memory: Memory, device: Device, resizable: bool) -> Storage {
        Storage(Arc::new(Inner {
            memory: UnsafeCell::new(memory),
            resizable: AtomicBool::new(resizable),
            version: AtomicU32::new(0),
            device,
        }))
    }

    #[inline]
    fn memory(&self) -> &Memory {
        // SAFETY: only `resize` writes, and it asks for exclusion (see the type).
        unsafe { &*self.0.memory.get() }
    }
    #[inline]
    pub fn data(&self) -> *mut u8 {
        self.memory().data.as_ptr()
    }
    #[inline]
    pub fn bytes(&self) -> usize {
        self.memory().bytes
    }
    #[inline]
    pub fn device(&self) -> Device {
        self.0.device
    }
    /// The write counter that a fresh tensor of this storage and its views share.
    #[inline]
    pub fn version(&self) -> &AtomicU32 {
        &self.0.version
    }
    pub fn is_resizable(&self) -> bool {
        self.0.resizable.load(Relaxed)
    }
    /// Others know the address now: the bytes must not move any more.
    pub fn forbid_resize(&self) {
        self.0.resizable.store(false, Relaxed);
    }
    /// Do both share their bytes?
    #[inline]
    pub fn same(&self, other: &Storage) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// How many tensors and saved values hold the storage.
    #[inline]
    pub fn owners(&self) -> usize {
        Arc::strong_count(&self.0)
    }
    /// A number that tells storages apart while they live.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Grows or shrinks; what both sizes hold is kept. Errors, with nothing changed: it cannot be resized, memory is short, or
    /// the user made an error of the warning that lent memory is left.
    pub fn resize(&self, bytes: usize) -> Result<()> {
        if !self.is_resizable() {
            bail!(runtime, "Trying to resize storage that is not resizable")
        }
        if self.0.device.is_meta() {
            // SAFETY: see the type: no kernel works on this storage now.
            unsafe { (*self.0.memory.get()).bytes = bytes };
            return Ok(());
        }
        if let Owner::Foreign { .. } = self.memory().owner {
            warning::warn(MOVES_OUT)?;
        }
        let fresh = if bytes == 0 { NOTHING } else { alloc::allocate(bytes)? };
        let old = self.memory();
        // SAFETY: both blocks hold the copied bytes and are distinct; no kernel works on this storage now.
        unsafe {
            std::ptr::copy_nonoverlapping(old.data.as_ptr(), fresh.as_ptr(), old.bytes.min(bytes));
            let old = std::mem::replace(&mut *self.0.memory.get(), Memory { data: fresh, bytes, owner: Owner::Pool { capacity: bytes } });
            drop(old);
        }
        Ok(())
    }
}

impl Drop for Memory {
    #[inline]
    fn drop(&mut self) {
        if let Owner::Pool { capacity } = self.owner
            && capacity > 0
        {
            // SAFETY: allocated with this size, and the last holder is gone.
            unsafe { alloc::free(self.data, capacity) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks, reason = "tests")]
mod tests {
    use super::*;
    #[test]
    fn resize_keeps_what_both_sizes_hold() {
        let s = Storage::allocate(4, Device::CPU).unwrap();
        unsafe { std::ptr::copy_nonoverlapping([1u8, 2, 3, 4].as_ptr(), s.data(), 4) };
        s.resize(100).unwrap();
        assert_eq!(unsafe { std::slice::from_raw_parts(s.data(), 4) }, &[1, 2, 3, 4]);
        s.forbid_resize();
        assert_eq!(s.resize(200).unwrap_err().message, "Trying to resize storage that is not resizable");
    }
    #[test]
    fn foreign_memory_is_released_once_by_its_last_holder() {
        let flag = Arc::new(());
        let mut bytes = [0u8; 8];
        let s = unsafe { Storage::foreign(bytes.as_mut_ptr(), 8, Box::new(flag.clone())) };
        let t = s.clone();
        drop(s);
        assert_eq!(Arc::strong_count(&flag), 2);
        drop(t);
        assert_eq!(Arc::strong_count(&flag), 1);
    }
}
