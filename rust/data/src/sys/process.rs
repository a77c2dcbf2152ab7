//! Starting a process and watching it by a descriptor, so that its death is proved, not guessed.
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal, waitid,
};
use std::io::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Exit(i32),
    Signal(i32),
}

/// A child process. Its descriptor becomes readable when it is dead: then, and only then, no thread of it can write any
/// more. Dropping kills and reaps.
pub struct Process {
    id: u32,
    descriptor: OwnedFd,
    is_reaped: bool,
}

impl Process {
    /// Starts `command` with one end of a socket as its standard input. Nothing is set up between fork and exec, so the
    /// library may use `posix_spawn`, whose cost does not grow with the memory of this process.
    pub fn spawn(command: &mut Command, socket: OwnedFd) -> Result<Process> {
        let mut child = command.stdin(Stdio::from(socket)).spawn()?;
        Process::adopt(child.id()).or_else(|error| {
            child.kill()?;
            child.wait()?;
            Err(error)
        })
    }
    /// A child of this process that was started in another way, and that nobody else reaps.
    pub fn adopt(id: u32) -> Result<Process> {
        Ok(Process { id, descriptor: watch(id)?, is_reaped: false })
    }

    pub fn id(&self) -> u32 {
        self.id
    }
    pub fn kill(&self) {
        // A process that is gone already is as it should be.
        let _ = pidfd_send_signal(&self.descriptor, Signal::KILL);
    }
    /// Stopped by a signal at this moment. The question takes nothing away from whoever else asks.
    pub fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::PidFd(self.as_fd()), options), Ok(Some(status)) if status.stopped())
    }
    /// Takes up the status of a dead child; sleeps while it lives.
    pub fn reap(&mut self) -> Result<Ending> {
        let wait = || waitid(WaitId::PidFd(self.descriptor.as_fd()), WaitIdOptions::EXITED);
        let status = rustix::io::retry_on_intr(wait)?.ok_or_else(|| Error::other("the process lives"))?;
        self.is_reaped = true;
        let signal = status.terminating_signal().map(Ending::Signal);
        signal.or(status.exit_status().map(Ending::Exit)).ok_or_else(|| Error::other("the process ended in no known way"))
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill();
            // somebody else's wait may have taken the status
            let _ = self.reap();
        }
    }
}

/// A descriptor that is readable once the process is dead. For a child that was not reaped, or a parent: a number alone
/// may by now belong to somebody else.
pub fn watch(id: u32) -> Result<OwnedFd> {
    let id = Pid::from_raw(id as i32).ok_or_else(|| Error::other("no process has the number 0"))?;
    Ok(pidfd_open(id, PidfdFlags::empty())?)
}

/// Asks the kernel to kill this process when the thread that started it ends. False when that has happened already
/// (`parent` is the starter's number, told by it): then no signal will come and the caller has to leave.
pub fn die_with_parent(parent: u32) -> Result<bool> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(getppid().is_some_and(|id| id.as_raw_nonzero().get() as u32 == parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{packet, poll};
    use std::time::Duration;

    #[test]
    fn a_death_is_seen_by_the_descriptor_and_by_the_socket() {
        let (mine, theirs) = packet::pair().unwrap();
        let mut process = Process::spawn(Command::new("sleep").arg("60"), theirs).unwrap();
        let look = |process: &Process, ms| poll::readable(&[process.as_fd(), mine.as_fd()], Some(Duration::from_millis(ms))).unwrap();
        assert_eq!(look(&process, 0), [false, false]);
        process.kill();
        // the socket hangs up first, while the process is still on its way out
        assert!(poll::readable(&[process.as_fd()], Some(Duration::from_secs(5))).unwrap()[0]);
        assert_eq!(process.reap().unwrap(), Ending::Signal(9));
        // a child that another thread is just starting holds a copy of the socket until its exec
        assert!(poll::readable(&[mine.as_fd()], Some(Duration::from_secs(5))).unwrap()[0]);
        assert_eq!(look(&process, 0), [true, true]);
    }

    #[test]
    fn a_dropped_process_is_dead_and_reaped() {
        let (_mine, theirs) = packet::pair().unwrap();
        let process = Process::spawn(Command::new("sleep").arg("60"), theirs).unwrap();
        let id = process.id();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}
