//! Fork-join over a range, without waiting for anyone who has not come.
//!
//! [`parallel_for`] cuts `0..n` into chunks of `grain`. The caller opens a gate, claims chunks itself, closes the gate
//! when none is left and waits only for the helpers that passed it. A helper which the system has not scheduled
//! therefore costs nothing: the caller does its share.
mod pool;

use pool::{Job, Pool};
use rustorch_base::{Error, Result};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Runs `body` on consecutive ranges of at most `grain` that together are `0..n`, on this thread and on idle helpers.
///
/// The ranges depend on `n` and `grain` alone, so a result built from one partial result a range does not depend on the
/// number of threads. A call from inside a body, or beside another thread's running call, runs on its own thread only.
/// A panic in a body reaches the caller when all helpers have left; ranges not yet begun are then dropped.
///
/// A grain is worth about 20 microseconds of work: a helper that has gone to sleep costs the caller a few to wake.
#[inline]
pub fn parallel_for(n: usize, grain: usize, body: impl Fn(Range<usize>) + Sync) {
    let grain = grain.max(1);
    if n <= grain {
        if n > 0 {
            body(0..n);
        }
        return;
    }
    let job = Job::new(n, grain, &body);
    let threads = num_threads();
    if threads == 1 || !pool().run(&job, threads) {
        job.run_alone();
    }
}

static ASK: OnceLock<fn() -> Result<()>> = OnceLock::new();

/// Long work asks `ask` every 50 ms on its caller's thread, between chunks; an error ends the work. For Ctrl-C.
pub fn ask_during_long_work(ask: fn() -> Result<()>) {
    let _ = ASK.set(ask);
}

/// Runs `work`, whose parallel loops may be ended by what [`ask_during_long_work`] gave: its error comes back.
pub fn stopping<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| match payload.downcast::<Error>() {
        Ok(error) => Err(*error),
        Err(payload) => resume_unwind(payload),
    })
}

/// The number of threads that take part, callers included. 0 until somebody asks.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Threads that [`parallel_for`] may use, its caller included: what [`set_num_threads`] said, else `RUSTORCH_NUM_THREADS`,
/// else `OMP_NUM_THREADS`, else the processors this process may run on.
#[inline]
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => default_threads(),
        n => n,
    }
}

/// Sets [`num_threads`] for the whole process; 0 counts as 1.
pub fn set_num_threads(n: usize) {
    THREADS.store(n.max(1), Ordering::Relaxed);
}

#[cold]
fn default_threads() -> usize {
    let asked = |name| std::env::var(name).ok().and_then(|text| first_number(&text));
    let n = asked("RUSTORCH_NUM_THREADS")
        .or_else(|| asked("OMP_NUM_THREADS"))
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    // Whoever set the number meanwhile wins.
    match THREADS.compare_exchange(0, n, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => n,
        Err(set) => set,
    }
}

/// The first entry of a list such as `4,2`, by which OpenMP names one count a nesting level; zero is no count.
fn first_number(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&n| n > 0)
}

/// The process's pool, made on first use. Null again in a forked child, whose parent's helpers do not exist there.
static POOL: AtomicPtr<Pool> = AtomicPtr::new(null_mut());

#[inline]
fn pool() -> &'static Pool {
    // SAFETY: a published pool is never freed, so the pointer is null or valid for ever.
    unsafe { POOL.load(Ordering::Acquire).as_ref() }.unwrap_or_else(|| new_pool())
}

/// Made without a lock, which a fork could catch in the locked state.
#[cold]
fn new_pool() -> &'static Pool {
    forget_pool_in_children();
    let made = Box::into_raw(Box::new(Pool::new()));
    match POOL.compare_exchange(null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just published, and a published pool is never freed.
        Ok(_) => unsafe { &*made },
        Err(first) => {
            // SAFETY: `made` was never shared; `first` is published.
            unsafe {
                drop(Box::from_raw(made));
                &*first
            }
        }
    }
}

#[cfg(unix)]
fn forget_pool_in_children() {
    static REGISTERED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn in_child() {
        POOL.store(null_mut(), Ordering::Release);
    }
    if REGISTERED.swap(1, Ordering::Relaxed) == 0 {
        // SAFETY: the handler stores one atomic, which is allowed between fork and exec.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}
#[cfg(not(unix))]
fn forget_pool_in_children() {}

#[cfg(test)]
pub mod tests;
