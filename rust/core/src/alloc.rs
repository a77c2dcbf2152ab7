//! The caching allocator of CPU memory. Blocks are 64-byte aligned and come in size classes (multiples of 64 up to
//! 1 KiB, then four steps a power of two); a freed block waits, last in first out, for the next request of its class,
//! so that a training loop neither calls the system nor faults pages. Small blocks wait in a list of their thread, large
//! ones and what overflows in one shared list. Nothing returns to the system before [`empty_cache`].
use crate::fork;
use rustorch_base::{Error, Result};
use std::alloc::Layout as Block;
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Alignment of every block, in bytes: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;
const FINE_LIMIT: usize = 1024;
const FINE_CLASSES: usize = FINE_LIMIT / 64;
const CLASSES: usize = FINE_CLASSES + 4 * (48 - 10);
/// Blocks above this many bytes go straight to the shared list.
const THREAD_LIMIT: usize = 256 * 1024;
/// A thread keeps at most this many bytes of one class to itself.
const THREAD_BYTES: usize = 1024 * 1024;
/// From here on a block asks the system for huge pages.
const HUGE: usize = 4 * 1024 * 1024;

/// The class of a size, and the bytes of a block of that class.
#[inline]
fn class_of(bytes: usize) -> (usize, usize) {
    if bytes <= FINE_LIMIT {
        let class = bytes.saturating_sub(1) / 64;
        return (class, (class + 1) * 64);
    }
    let power = (bytes - 1).ilog2() as usize; // 2^power < bytes <= 2^(power+1), as bytes > 1024
    let quarter = 1usize << (power - 2);
    let step = (bytes - 1 - (1 << power)) / quarter;
    (FINE_CLASSES + (power - 10) * 4 + step, (1 << power) + (step + 1) * quarter)
}

/// Free blocks by class.
struct Lists([Vec<NonNull<u8>>; CLASSES]);
// SAFETY: a free block belongs to whoever holds the list; the pointers are not shared.
unsafe impl Send for Lists {}

static SHARED: Mutex<Lists> = Mutex::new(Lists([const { Vec::new() }; CLASSES]));
fn shared() -> MutexGuard<'static, Lists> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counters of the allocator, in bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes in blocks that tensors hold now.
    pub allocated: i64,
    /// Bytes taken from the system and not returned: held and waiting.
    pub reserved: i64,
    /// Requests so far.
    pub requests: u64,
    /// Requests that the system had to serve.
    pub system_requests: u64,
}
static RESERVED: AtomicI64 = AtomicI64::new(0);
static SYSTEM_REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Counters and lists of one thread. Only its thread writes; anyone may read the counters.
struct Local {
    lists: UnsafeCell<Lists>,
    counters: &'static Counters,
}
#[derive(Default)]
struct Counters {
    allocated: AtomicI64,
    requests: AtomicU64,
}
static ALL_COUNTERS: Mutex<Vec<&'static Counters>> = Mutex::new(Vec::new());
/// Counters whose thread has ended; the next thread goes on with them, so their number stays that of living threads.
static IDLE_COUNTERS: Mutex<Vec<&'static Counters>> = Mutex::new(Vec::new());
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Local {
    fn new() -> Local {
        static GUARDED: AtomicBool = AtomicBool::new(false);
        if !GUARDED.swap(true, Relaxed) {
            guard_fork();
        }
        let counters = lock(&IDLE_COUNTERS).pop().unwrap_or_else(|| {
            let fresh: &'static Counters = Box::leak(Box::default());
            lock(&ALL_COUNTERS).push(fresh);
            fresh
        });
        Local { lists: UnsafeCell::new(Lists([const { Vec::new() }; CLASSES])), counters }
    }
}
impl Drop for Local {
    fn drop(&mut self) {
        let mut shared = shared();
        for (mine, all) in self.lists.get_mut().0.iter_mut().zip(&mut shared.0) {
            all.append(mine);
        }
        lock(&IDLE_COUNTERS).push(self.counters);
    }
}
thread_local! { static LOCAL: Local = Local::new() }

/// A fork copies the memory but only the calling thread: a lock that another thread held would stay locked for ever.
fn guard_fork() {
    fn locks() -> [Box<dyn std::any::Any>; 3] {
        [Box::new(shared()), Box::new(lock(&ALL_COUNTERS)), Box::new(lock(&IDLE_COUNTERS))]
    }
    fork::hold_during_fork(|| Box::new(locks()));
}

/// Adds without a locked instruction: only this thread writes the counter.
#[inline]
fn bump(counter: &AtomicI64, by: i64) {
    counter.store(counter.load(Relaxed) + by, Relaxed);
}

/// A block of at least `bytes` bytes; its content is arbitrary. [`free`] must be told the same number.
#[inline]
pub fn allocate(bytes: usize) -> Result<NonNull<u8>> {
    let (class, size) = class_of(bytes);
    let found = LOCAL.try_with(|local| {
        bump(&local.counters.allocated, size as i64);
        local.counters.requests.store(local.counters.requests.load(Relaxed) + 1, Relaxed);
        // SAFETY: the list is this thread's, and nothing below calls back into the allocator while it is borrowed.
        if size <= THREAD_LIMIT { unsafe { (&mut (*local.lists.get()).0)[class].pop() } } else { None }
    });
    match found {
        Ok(Some(block)) => Ok(block),
        _ => refill(class, size),
    }
}

#[cold]
#[inline(never)]
fn refill(class: usize, size: usize) -> Result<NonNull<u8>> {
    if let Some(block) = shared().0[class].pop() {
        return Ok(block);
    }
    if let Some(block) = from_system(size) {
        return Ok(block);
    }
    empty_cache();
    from_system(size).ok_or_else(|| {
        let _ = LOCAL.try_with(|local| bump(&local.counters.allocated, -(size as i64)));
        Error::out_of_memory(format!("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate {size} bytes."))
    })
}

fn block(size: usize) -> Option<Block> {
    Block::from_size_align(size, ALIGNMENT).ok()
}

fn from_system(size: usize) -> Option<NonNull<u8>> {
    // SAFETY: the layout's size is at least 64.
    let memory = NonNull::new(unsafe { std::alloc::alloc(block(size)?) })?;
    if size >= HUGE {
        // SAFETY: advice about memory we own; a refusal changes nothing.
        unsafe {
            let start = (memory.as_ptr() as usize + 4095) & !4095;
            libc::madvise(start as *mut libc::c_void, (size - 4096) & !4095, libc::MADV_HUGEPAGE);
        }
    }
    RESERVED.fetch_add(size as i64, Relaxed);
    SYSTEM_REQUESTS.fetch_add(1, Relaxed);
    Some(memory)
}

fn to_system(memory: NonNull<u8>, size: usize) {
    if let Some(layout) = block(size) {
        // SAFETY: it came from `from_system` with this size.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
        RESERVED.fetch_sub(size as i64, Relaxed);
    }
}

/// Gives a block back, to wait for the next request of its class.
///
/// # Safety
/// The block came from [`allocate`] with the same `bytes`, and nobody uses it any more.
#[inline]
pub unsafe fn free(memory: NonNull<u8>, bytes: usize) {
    let (class, size) = class_of(bytes);
    let kept = LOCAL.try_with(|local| {
        bump(&local.counters.allocated, -(size as i64));
        if size > THREAD_LIMIT {
            return false;
        }
        // SAFETY: as in `allocate`.
        let list = unsafe { &mut (&mut (*local.lists.get()).0)[class] };
        let room = list.len() < (THREAD_BYTES / size).max(16);
        if room {
            list.push(memory);
        }
        room
    });
    if kept != Ok(true) {
        shared().0[class].push(memory);
    }
}

/// Returns every waiting block of the shared list and of this thread to the system.
pub fn empty_cache() {
    let mut waiting: Vec<(NonNull<u8>, usize)> = Vec::new();
    let mut drain = |lists: &mut Lists| {
        for (class, list) in lists.0.iter_mut().enumerate() {
            waiting.extend(list.drain(..).map(|memory| (memory, bytes_of(class))));
        }
    };
    // SAFETY: this thread's lists, borrowed for this call only.
    let _ = LOCAL.try_with(|local| drain(unsafe { &mut *local.lists.get() }));
    drain(&mut shared());
    for (memory, size) in waiting {
        to_system(memory, size);
    }
}

fn bytes_of(class: usize) -> usize {
    if class < FINE_CLASSES {
        return (class + 1) * 64;
    }
    let (power, step) = (10 + (class - FINE_CLASSES) / 4, (class - FINE_CLASSES) % 4);
    (1 << power) + (step + 1) * (1 << (power - 2))
}

/// The counters, summed over all threads.
pub fn statistics() -> Statistics {
    let counters = lock(&ALL_COUNTERS);
    Statistics {
        allocated: counters.iter().map(|c| c.allocated.load(Relaxed)).sum(),
        requests: counters.iter().map(|c| c.requests.load(Relaxed)).sum(),
        reserved: RESERVED.load(Relaxed),
        system_requests: SYSTEM_REQUESTS.load(Relaxed),
    }
}

#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks, reason = "tests")]
mod tests {
    use super::*;

    /// A request that cannot be met takes the waiting blocks of all threads: of these tests one runs at a time.
    static TURN: Mutex<()> = Mutex::new(());

    #[test]
    fn classes_cover_every_size_and_waste_at_most_a_quarter() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, 3 << 19, (1 << 31) + 5]) {
            let (class, size) = class_of(bytes);
            assert!(size >= bytes && size % 64 == 0, "{bytes} -> {size}");
            assert!(bytes <= FINE_LIMIT || size - bytes <= bytes / 4, "{bytes} -> {size}");
            assert_eq!(bytes_of(class), size);
        }
    }
    #[test]
    fn a_freed_block_is_the_next_one_of_its_class_and_is_aligned() {
        let first = allocate(1000).unwrap();
        assert_eq!(first.as_ptr() as usize % ALIGNMENT, 0);
        unsafe { free(first, 1000) };
        assert_eq!(allocate(970).unwrap(), first);
        unsafe { free(first, 970) };
    }
    #[test]
    fn blocks_of_a_thread_that_ended_are_used_by_others() {
        let _turn = lock(&TURN);
        let address = std::thread::spawn(|| {
            let memory = allocate(77_777).unwrap();
            unsafe { free(memory, 77_777) };
            memory.as_ptr() as usize
        });
        let address = address.join().unwrap();
        assert_eq!(allocate(77_777).unwrap().as_ptr() as usize, address);
    }
    #[test]
    fn an_impossible_request_is_an_error() {
        let _turn = lock(&TURN);
        assert_eq!(allocate(1 << 46).unwrap_err().kind, rustorch_base::ErrorKind::OutOfMemory);
    }
}
