//! Waiting for several descriptors at once.
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::Result;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// For each descriptor whether it can be read or its other end is gone, after at most `timeout` (`None`: no limit).
/// A signal ends the wait early with nothing ready.
pub fn readable(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Vec<bool>> {
    let mut entries: Vec<_> = descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: t.subsec_nanos().into() });
    match poll(&mut entries, timeout.as_ref()) {
        Ok(_) => Ok(entries.iter().map(|entry| !entry.revents().is_empty()).collect()),
        Err(Errno::INTR) => Ok(vec![false; descriptors.len()]),
        Err(error) => Err(error.into()),
    }
}
