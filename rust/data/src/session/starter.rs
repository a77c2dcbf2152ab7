//! Starts workers, in a thread of its own: whoever starts a program is held up while that is stopped before its exec, and
//! that must not be a session. The thread keeps a fork server ([`crate::worker::fork_server`]) and has it fork a worker for
//! whoever asks: all sessions of one program, one after another or at once. It keeps a double of it, too. The kernel kills the children of a thread that
//! ends, so the thread lives as long as they do.
use super::child::Child;
use super::fork_server::{Answer, ForkServer};
use super::report::ended;
use super::{Launch, end_thread, signals};
use crate::frame::ToForkServer;
use crate::lease::Deaths;
use crate::sys::event::Event;
use crate::sys::poll;
use crate::sys::process::Process;
use rustix::thread::{CpuSet, sched_getaffinity};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a fork server that owes an answer is looked at.
const TICK: Duration = Duration::from_millis(10);

/// What a started process has from this one: workers of an equal origin may come from one fork server.
#[derive(PartialEq)]
struct Origin {
    process: u32,
    launch: Launch,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    processors: Option<CpuSet>,
}

/// The thread, and the fork server with it. Dropping it ends both; workers have to be dead by then.
pub struct Starter {
    origin: Origin,
    shared: Arc<Shared>,
    requests: Mutex<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

/// A worker that is waited for.
pub(super) type Request = Box<dyn FnOnce(Result<Child>) + Send>;

struct Shared {
    wake: Event,
    stop: AtomicBool,
    thread_id: AtomicI32,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// Children of the thread that somebody takes care of.
    known: BTreeSet<u32>,
    /// Since when the thread starts a program, which may hold it up.
    spawning: Option<Instant>,
    /// The first fork server was there, or will never be.
    is_settled: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // the state is whole after each of its changes
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn settle(&self) {
        self.state().is_settled = true;
        self.settled.notify_all();
    }
    /// Children of the thread, those too that are dead and not buried.
    fn children(&self) -> BTreeSet<u32> {
        let list = std::fs::read_to_string(format!("/proc/self/task/{}/children", self.thread_id.load(Relaxed))).unwrap_or_default();
        list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }
    /// From now on somebody takes care of it. What is gone is forgotten: the number may come again.
    fn remember(&self, child: u32) {
        let children = self.children();
        let mut state = self.state();
        state.known.retain(|known| children.contains(known));
        state.known.insert(child);
    }
    /// Children that nobody takes care of.
    fn strangers(&self) -> Vec<u32> {
        self.children().difference(&self.state().known).copied().collect()
    }
}

/// Those that run, for [`Starter::shared`].
static RUNNING: Mutex<Vec<Weak<Starter>>> = Mutex::new(Vec::new());

impl Starter {
    /// The one that starts this program from where this process is now: its folder, its environment and its processors.
    pub fn shared(launch: Launch) -> Result<Arc<Starter>> {
        let origin = Origin {
            process: std::process::id(),
            launch,
            environment: std::env::vars_os().collect(),
            folder: std::env::current_dir().ok(),
            processors: sched_getaffinity(None).ok(),
        };
        // held by nobody for long, or by a thread that a fork has left behind
        let Ok(mut running) = RUNNING.try_lock() else { return Ok(Arc::new(Starter::new(origin)?)) };
        running.retain(|starter| starter.strong_count() > 0);
        if let Some(starter) = running.iter().filter_map(Weak::upgrade).find(|starter| starter.origin == origin) {
            return Ok(starter);
        }
        let starter = Arc::new(Starter::new(origin)?);
        running.push(Arc::downgrade(&starter));
        Ok(starter)
    }

    fn new(origin: Origin) -> Result<Starter> {
        let (requests, inbox) = channel();
        let state = Mutex::new(State::default());
        let (wake, stop, thread_id, settled) = (Event::new()?, AtomicBool::new(false), AtomicI32::new(0), Condvar::new());
        let shared = Arc::new(Shared { wake, stop, thread_id, state, settled });
        let keeper = Keeper {
            launch: origin.launch.clone(),
            shared: shared.clone(),
            inbox,
            waiting: VecDeque::new(),
            server: None,
            double: None,
            deaths: Deaths::default(),
        };
        let thread = std::thread::Builder::new().name("rustorch-starter".into()).spawn(move || keeper.run())?;
        Ok(Starter { origin, shared, requests: Mutex::new(requests), thread: Some(thread) })
    }

    /// Sleeps until workers can be had at once, for `patience` at most.
    pub fn wait(&self, patience: Duration) {
        let is_open = |state: &mut State| !state.is_settled;
        // in vain or not, workers may be asked for
        let _ = self.shared.settled.wait_timeout_while(self.shared.state(), patience, is_open);
    }
    pub(super) fn program(&self) -> &OsString {
        &self.origin.launch.program
    }
    /// Asks for a worker. False: the thread is gone.
    pub(super) fn ask(&self, request: Request) -> bool {
        let sent = self.requests.lock().unwrap_or_else(PoisonError::into_inner).send(request).is_ok();
        self.shared.wake.signal();
        sent
    }
    /// Kills a program that has been stopped before its exec for longer than `patience`, while the thread waits for it.
    pub(super) fn free_stuck(&self, patience: Duration) {
        if self.shared.state().spawning.is_none_or(|since| since.elapsed() < patience) {
            return;
        }
        for child in self.shared.strangers() {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            // a stopped child of ours neither ends by itself nor was it reaped: the number is still its own
            if stat.rsplit(") ").next().is_some_and(|state| state.starts_with('T'))
                && let Some(child) = rustix::process::Pid::from_raw(child as i32)
            {
                let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        end_thread(thread, self.origin.process, || {
            self.shared.stop.store(true, SeqCst);
            self.shared.wake.signal();
        });
    }
}

/// What the thread works on.
struct Keeper {
    launch: Launch,
    shared: Arc<Shared>,
    inbox: Receiver<Request>,
    /// The first is the one that the fork server was asked for.
    waiting: VecDeque<Request>,
    server: Option<ForkServer>,
    /// Takes the place of the other one when that dies.
    double: Option<ForkServer>,
    /// Of fork servers, since the last worker.
    deaths: Deaths,
}

impl Keeper {
    fn run(mut self) {
        signals::block();
        self.shared.thread_id.store(rustix::thread::gettid().as_raw_nonzero().get(), Relaxed);
        self.start();
        while !self.shared.stop.load(SeqCst) {
            if let Err(error) = self.listen() {
                self.refuse(&error.to_string());
            }
            self.waiting.extend(self.inbox.try_iter());
            self.attend();
        }
        (self.server, self.double) = (None, None);
        self.end_strangers();
    }
    /// Ends workers of which a dead fork server could not tell any more.
    fn end_strangers(&self) {
        for stranger in self.shared.strangers() {
            drop(Process::adopt(stranger));
        }
    }

    fn start(&mut self) {
        self.shared.state().spawning = Some(Instant::now());
        // the child takes over this thread's mask, and workers are to hear signals
        signals::unblock();
        let started = ForkServer::start(&self.launch);
        signals::block();
        match started {
            Ok(server) => {
                self.shared.remember(server.id());
                self.server = Some(server);
            }
            Err(error) => self.refuse(&error.to_string()),
        }
        self.shared.state().spawning = None;
    }
    /// Tells everybody who waits.
    fn refuse(&mut self, why: &str) {
        self.waiting.extend(self.inbox.try_iter());
        self.waiting.drain(..).for_each(|request| request(Err(Error::other(why))));
        self.deaths.workers_work();
        self.shared.settle();
    }

    fn listen(&self) -> Result<()> {
        let voices = self.server.iter().chain(&self.double).flat_map(ForkServer::voices);
        let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(self.shared.wake.as_fd()).chain(voices).collect();
        let ready = poll::readable(&descriptors, (!self.waiting.is_empty()).then_some(TICK))?;
        if ready[0] {
            self.shared.wake.clear();
        }
        Ok(())
    }

    fn attend(&mut self) {
        while let Some(answer) = self.server.as_mut().and_then(ForkServer::hear) {
            match answer {
                Answer::Ready => {}
                Answer::Worker(child) => self.hand_out(child),
                Answer::Double(double) => {
                    self.shared.remember(double.id());
                    self.double = Some(double);
                }
                Answer::Became => {
                    if let Some(child) = self.server.take().and_then(ForkServer::into_worker) {
                        self.hand_out(child);
                    }
                }
            }
        }
        while self.double.as_mut().and_then(ForkServer::hear).is_some() {}
        self.double.take_if(|double| double.is_dead());
        if self.server.as_ref().is_some_and(ForkServer::is_dead) {
            self.bury();
        }
        self.ask();
        if self.server.as_ref().is_some_and(|server| server.is_idle() && (self.double.is_some() || !server.can_double())) {
            self.shared.settle();
        }
    }
    /// Workers first, then a double.
    fn ask(&mut self) {
        let asked = match &mut self.server {
            None if self.waiting.is_empty() => Ok(()),
            None => return self.start(),
            Some(server) if server.is_idle() && !self.waiting.is_empty() => server.ask(ToForkServer::Fork),
            Some(server) if self.waiting.is_empty() && self.double.is_none() && server.can_double() => server.ask(ToForkServer::Double),
            Some(server) if !self.waiting.is_empty() => {
                server.kill_if_stopped();
                Ok(())
            }
            Some(_) => Ok(()),
        };
        if let Err(error) = asked {
            self.refuse(&error.to_string());
        }
    }

    fn hand_out(&mut self, child: Child) {
        self.deaths.workers_work();
        self.shared.remember(child.id());
        if let Some(request) = self.waiting.pop_front() {
            request(Ok(child));
        }
    }

    /// Of a dead fork server: its double or soon another one takes its place, unless they go the same way again and again; who
    /// waits is told then.
    fn bury(&mut self) {
        let Some(server) = self.server.take() else { return };
        let was_ready = server.is_ready();
        let (cause, words) = server.bury();
        self.end_strangers();
        self.server = self.double.take();
        if let Some(failure) = cause.and_then(|cause| self.deaths.without_work(cause, &words)) {
            return self.refuse(&ended(&failure));
        }
        let is_wanted = was_ready || !self.waiting.is_empty() || !self.shared.state().is_settled;
        if self.server.is_none() && is_wanted {
            self.start();
        }
    }
}
