//! Sleeping on a word of memory. The word may be shared between processes, so the process-private form is not used.
use rustix::thread::futex::{Flags, Timespec, wait as futex_wait, wake as futex_wake};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while the word equals `seen`. False when the time ran out; true for any other reason to look again.
pub fn wait(word: &AtomicU32, seen: u32, timeout: Duration) -> bool {
    let timeout = Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: timeout.subsec_nanos().into() };
    futex_wait(word, Flags::empty(), seen, Some(&timeout)) != Err(rustix::io::Errno::TIMEDOUT)
}

pub fn wake_all(word: &AtomicU32) {
    // The call fails only for an address that is no memory; a reference is.
    let _ = futex_wake(word, Flags::empty(), i32::MAX as u32);
}
