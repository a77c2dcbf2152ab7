//! One worker process as the session has it: its process, its socket, and what it says on stderr.
use super::{Job, Launch};
use crate::lease::Cause;
use crate::ring::Ring;
use crate::sys::process::{Ending, Process};
use crate::sys::{packet, poll};
use crate::worker::PARENT;
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Result, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A worker's last words are at most so many bytes, and so many lines.
const WORDS: usize = 4096;
const LINES: usize = 20;

/// A descriptor that goes beside a frame.
pub(super) enum Beside {
    Nothing,
    File(OwnedFd),
    /// The file of the job.
    Job(Arc<Job>),
    Ring(Arc<Ring>),
}

pub(super) struct Child {
    pub place: u32,
    process: Process,
    socket: OwnedFd,
    /// Frames that its socket had no room for.
    waiting: VecDeque<(Vec<u8>, Beside)>,
    stderr: Option<File>,
    words: VecDeque<u8>,
    pub has_job: bool,
    /// The newest ring that it was sent.
    pub ring: Option<u32>,
    /// Since when its socket is closed although it lives: it can only be leaving.
    pub hung_up: Option<Duration>,
}

/// A pipe for what a process writes to stderr: this process's end, which never makes it wait, and the other.
pub(super) fn errors() -> Result<(File, OwnedFd)> {
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reading, true)?;
    Ok((reading.into(), writing))
}

impl Child {
    /// Starts a program.
    pub fn start(launch: &Launch) -> Result<Child> {
        let (mine, theirs) = packet::pair()?;
        let (reading, writing) = errors()?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).envs(launch.environment.iter().map(|(name, value)| (name, value)));
        command.env(PARENT, std::process::id().to_string()).stderr(Stdio::from(writing)).process_group(0);
        Ok(Child::new(Process::spawn(&mut command, theirs)?, mine, reading))
    }
    pub fn new(process: Process, socket: OwnedFd, errors: File) -> Child {
        let (waiting, words, stderr) = (VecDeque::new(), VecDeque::new(), Some(errors));
        Child { place: 0, process, socket, waiting, stderr, words, has_job: false, ring: None, hung_up: None }
    }
    /// The same process, with which this one speaks by other descriptors from now on.
    pub fn turn_into(mut self, socket: OwnedFd, errors: File) -> Child {
        self.overhear();
        Child { words: self.words, ..Child::new(self.process, socket, errors) }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
    pub fn kill(&self) {
        self.process.kill();
    }
    /// Stopped by a signal at this moment.
    pub fn is_stopped(&self) -> bool {
        self.process.is_stopped()
    }
    pub fn is_dead(&self) -> bool {
        poll::readable(&[self.life()], Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }
    pub fn life(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
    /// What to listen to: the socket until it hangs up, and stderr until it ends.
    pub fn voices(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [self.hung_up.is_none().then(|| self.socket.as_fd()), self.stderr.as_ref().map(AsFd::as_fd)]
    }

    /// Sends a frame, now or when there is room. A dead worker is not told; its process descriptor tells of it.
    pub fn tell(&mut self, frame: Vec<u8>, beside: Beside) {
        self.waiting.push_back((frame, beside));
        self.flush();
    }
    pub fn flush(&mut self) {
        while let Some((frame, beside)) = self.waiting.front() {
            let descriptor = match beside {
                Beside::Nothing => None,
                Beside::File(file) => Some(file.as_fd()),
                Beside::Job(job) => job.blob.as_ref().map(AsFd::as_fd),
                Beside::Ring(ring) => Some(ring.descriptor()),
            };
            match packet::try_send(&self.socket, frame, descriptor) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(()) | Err(_) => drop(self.waiting.pop_front()),
            }
        }
    }
    /// Sends a frame at once, or not at all.
    pub fn send(&self, frame: &[u8], beside: BorrowedFd<'_>) -> Result<()> {
        packet::try_send(&self.socket, frame, Some(beside))
    }
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
    /// The length of the next frame, if one is there; 0 is a hang-up.
    pub fn hear(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match packet::try_receive(&self.socket, buffer) {
            Ok(received) => received.map(|received| received.len),
            Err(_) => Some(0),
        }
    }

    /// Passes on what it wrote to stderr, and keeps the end of it.
    pub fn overhear(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut buffer) {
                Ok(0) => self.stderr = None,
                Ok(len) => {
                    // Whoever reads our stderr may be gone; that is no reason to stop.
                    let _ = std::io::stderr().write_all(&buffer[..len]);
                    self.words.extend(&buffer[..len]);
                    let surplus = self.words.len().saturating_sub(WORDS);
                    self.words.drain(..surplus);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.stderr = None,
            }
        }
    }
    /// The end of a dead worker: how it ended, and its last lines.
    pub fn bury(mut self) -> (Cause, String) {
        self.overhear();
        let cause = match self.process.reap() {
            Ok(Ending::Signal(signal)) => Cause::Signal(signal),
            Ok(Ending::Exit(code)) => Cause::Exit(code),
            Err(_) => Cause::Unknown,
        };
        let text = String::from_utf8_lossy(self.words.make_contiguous()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        (cause, lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }
    /// Tells it to leave.
    pub fn hang_up(&self) {
        // a socket that is closed already is as it should be
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}
