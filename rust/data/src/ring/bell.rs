//! A bell between processes: whoever waits for a change sleeps on it, whoever makes the change rings it.
use crate::sys::futex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// A cache line in shared memory. `waiters` lets the ringer skip the system call when nobody sleeps; a sleeper killed
/// there leaves it high, which costs a needless call per ring and never a lost wake-up.
#[repr(C, align(64))]
pub struct Bell {
    rung: AtomicU32,
    waiters: AtomicU32,
}

impl Bell {
    /// How often it rang. Read this before looking at the condition, and wait with it.
    pub fn count(&self) -> u32 {
        self.rung.load(SeqCst)
    }

    pub fn ring(&self) {
        self.rung.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) != 0 {
            futex::wake_all(&self.rung);
        }
    }

    /// Sleeps until it rings after `seen` was read, or the time is over (false).
    pub fn wait(&self, seen: u32, timeout: Duration) -> bool {
        self.waiters.fetch_add(1, SeqCst);
        let woken = futex::wait(&self.rung, seen, timeout);
        self.waiters.fetch_sub(1, SeqCst);
        woken
    }

    /// Looks for a ring for a moment without sleeping: a wake-up costs some 20 us, a batch that is nearly ready less.
    pub fn spin(&self, seen: u32, rounds: u32) -> bool {
        for _ in 0..rounds {
            if self.count() != seen {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }
}
