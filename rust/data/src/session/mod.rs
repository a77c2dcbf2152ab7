//! A session: a thread that has worker processes started, leases slots of the rings to them, and puts right whatever dies.
//!
//! The thread sleeps in one `poll` over the workers' sockets, their process descriptors, their stderr and a wake-up
//! event. It holds no lock while it works, and all signals are blocked in it. The trainer is never forked: its memory would
//! be copied and its threads lost. A [`Starter`] starts one fresh process for all workers of a program, whose forks they
//! are. Workers die with the trainer: the kernel kills them when their starter ends, and a closed socket ends them too. They
//! have a process group of their own, so that Ctrl-C reaches the trainer alone.
//!
//! One case is not covered: a fork server that is stopped while it starts, before it has bound its life to this process (see
//! [`crate::worker::bind`]), stays behind if the trainer is killed before the session has freed it, until it is continued: it
//! then sees its closed socket and leaves. Later the kernel's SIGKILL reaches it, stopped or not.
mod child;
mod crew;
mod engine;
mod fork_server;
mod report;
mod signals;
mod starter;
mod starts;

pub use starter::Starter;

use crate::feed::Feed;
use crate::lease::Limits;
use crate::ring::rings::Rings;
use crate::sys::event::Event;
use rustorch_base::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

/// How the program of workers is started. It finds its socket as standard input ([`crate::worker::fork_server::serve`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Launch {
    /// An absolute path: a search of PATH would need a fork.
    pub program: OsString,
    pub arguments: Vec<OsString>,
    /// Set in addition to this process's environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// What every worker is told, once: bytes that fit into a frame, and a memory file for the rest.
#[derive(Debug)]
pub struct Job {
    pub bytes: Vec<u8>,
    pub blob: Option<OwnedFd>,
}

/// What becomes of a batch that workers die of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnDeath {
    /// Its place in the stream is an error.
    #[default]
    Raise,
    /// It is left out and reported by [`Session::take_skipped`].
    Skip,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub workers: u32,
    pub limits: Limits,
    pub on_death: OnDeath,
}
impl Default for Options {
    fn default() -> Options {
        Options { workers: 2, limits: Limits::default(), on_death: OnDeath::default() }
    }
}

/// A batch that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    pub number: u64,
    pub epoch: u64,
    pub reason: String,
}

/// How a session stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// The worker processes' ids, by place.
    pub processes: Vec<u32>,
    pub batches: u64,
    /// Workers started after the first of each place.
    pub restarts: u64,
}

/// Grace for workers to leave by themselves when the session ends.
const GRACE: Duration = Duration::from_millis(150);
/// A thread ends within this, unless it is stuck in a start; then it is left to itself and ends when that does.
const PATIENCE_WITH_THREADS: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Public {
    status: Status,
    skipped: Vec<Skipped>,
    failure: Option<(ErrorKind, String)>,
    job: Option<Arc<Job>>,
}

struct Shared {
    wake: Event,
    stop: AtomicBool,
    batches: AtomicU64,
    public: Mutex<Public>,
}
impl Shared {
    fn public(&self) -> MutexGuard<'_, Public> {
        // Each change is one assignment or push.
        self.public.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running session. Dropping it ends its workers.
pub struct Session {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl Session {
    /// Starts the thread, which has the workers started. They wait for the job ([`Session::set_job`]), so that they can load
    /// their libraries while it is being packed.
    pub fn start(starter: Arc<Starter>, rings: Arc<Rings>, feed: Arc<dyn Feed>, options: Options) -> Result<Session> {
        let describe = |error: std::io::Error| Error::os(format!("a data loader's session cannot start: {error}"));
        let wake = Event::new().map_err(describe)?;
        let shared = Arc::new(Shared { wake, stop: AtomicBool::new(false), batches: AtomicU64::new(0), public: Mutex::default() });
        let waiting = Arc::downgrade(&shared);
        feed.attach(Arc::new(move || {
            if let Some(shared) = waiting.upgrade() {
                shared.wake.signal();
            }
        }));
        let engine = engine::Engine::new(shared.clone(), starter, rings, feed, options);
        let thread = std::thread::Builder::new().name("rustorch-session".into()).spawn(move || engine.run()).map_err(describe)?;
        Ok(Session { shared, thread: Some(thread), process: std::process::id() })
    }

    /// The job of all workers, present and future. Only the first call counts.
    pub fn set_job(&self, job: Job) {
        self.shared.public().job.get_or_insert_with(|| Arc::new(job));
        self.shared.wake.signal();
    }
    /// Has it look at the rings: there is a new one, or a peer has freed slots of it.
    pub fn look(&self) {
        self.shared.wake.signal();
    }
    /// Why no further batch will come, if so; those that are ready still count.
    pub fn failure(&self) -> Option<Error> {
        self.shared.public().failure.clone().map(|(kind, message)| Error::new(kind, message))
    }
    /// Batches left out since the last call.
    pub fn take_skipped(&self) -> Vec<Skipped> {
        std::mem::take(&mut self.shared.public().skipped)
    }
    pub fn status(&self) -> Status {
        Status { batches: self.shared.batches.load(Relaxed), ..self.shared.public().status.clone() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        end_thread(thread, self.process, || {
            self.shared.stop.store(true, SeqCst);
            self.shared.wake.signal();
        });
    }
}

/// Tells a thread that `process` started to end, and waits until it has. In a fork of that process there is no such thread.
fn end_thread(thread: JoinHandle<()>, process: u32, tell: impl FnOnce()) {
    if process != std::process::id() {
        return std::mem::forget(thread);
    }
    tell();
    let begin = Instant::now();
    while !thread.is_finished() {
        if begin.elapsed() > PATIENCE_WITH_THREADS {
            return;
        }
        sleep(Duration::from_micros(200));
    }
    // it has ended, and it does not panic
    let _ = thread.join();
}
