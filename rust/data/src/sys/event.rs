//! A descriptor that becomes readable when another thread says so: it wakes a thread that sleeps in `poll`.
use rustix::event::{EventfdFlags, eventfd};
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub struct Event(OwnedFd);

impl Event {
    pub fn new() -> Result<Event> {
        Ok(Event(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }
    /// Makes the descriptor readable. A counter already at its top is readable too, so a refused write loses nothing.
    pub fn signal(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
    /// Makes it unreadable until the next signal.
    pub fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Event> for OwnedFd {
    fn from(event: Event) -> OwnedFd {
        event.0
    }
}
