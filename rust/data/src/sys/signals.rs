//! SIGTERM and SIGINT as a descriptor, so that a loop can end in its own time.
use crate::sys::event::Event;
use std::io::{Error, Result};
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::OnceLock;

static ASKED: OnceLock<OwnedFd> = OnceLock::new();

/// A descriptor that becomes readable, and stays so, when the process is asked to end; whichever thread the kernel
/// chooses to hear it. From here on the two signals do nothing else.
pub fn termination() -> Result<BorrowedFd<'static>> {
    if ASKED.get().is_none() {
        let _ = ASKED.set(Event::new()?.into());
    }
    let Some(asked) = ASKED.get() else { return Err(Error::other("the signals' descriptor is lost")) };
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the action is plain data, zeroed and then filled; the handler only writes to a descriptor, which a handler
        // may do, and that descriptor is never closed.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            if libc::sigaction(signal, &raw const action, null_mut()) != 0 {
                return Err(Error::last_os_error());
            }
        }
    }
    Ok(std::os::fd::AsFd::as_fd(asked))
}

extern "C" fn note(_signal: libc::c_int) {
    if let Some(asked) = ASKED.get() {
        // SAFETY: eight bytes that live for ever, to a descriptor that is never closed. The interrupted code must find the error
        // number as it left it.
        unsafe {
            let before = *libc::__errno_location();
            libc::write(asked.as_raw_fd(), (&raw const ONE).cast(), size_of::<u64>());
            *libc::__errno_location() = before;
        }
    }
}

static ONE: u64 = 1;
