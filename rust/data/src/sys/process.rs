//! Starting a process and watching it by a descriptor, so that its death is proved, not guessed.
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal};
use std::io::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A child process. Its descriptor becomes readable when it is dead: then, and only then, no thread of it can write any
/// more. Dropping kills and reaps.
pub struct Process {
    child: Child,
    descriptor: OwnedFd,
}

impl Process {
    /// Starts `command` with one end of a socket as its standard input. Nothing is set up between fork and exec, so the
    /// library may use `posix_spawn`, whose cost does not grow with the memory of this process.
    pub fn spawn(command: &mut Command, socket: OwnedFd) -> Result<Process> {
        let mut child = command.stdin(Stdio::from(socket)).spawn()?;
        match watch(child.id()) {
            Ok(descriptor) => Ok(Process { child, descriptor }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// The child's end of a pipe that `command` asked for as standard error.
    pub fn take_stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }
    pub fn kill(&self) {
        // A process that is gone already is as it should be.
        let _ = pidfd_send_signal(&self.descriptor, Signal::KILL);
    }
    /// Takes up the status of a dead child; sleeps while it lives.
    pub fn reap(&mut self) -> Result<ExitStatus> {
        self.child.wait()
    }
    pub fn try_reap(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
            let _ = self.child.wait();
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
        assert!(!process.reap().unwrap().success());
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
