//! Starts workers in a thread of its own: a child that is stopped before its exec holds up whoever starts it, and that
//! must not be the session. The kernel kills workers when the thread that started them ends, so this one lives as long as
//! the session does.
use super::Launch;
use super::child::Child;
use super::signals;
use std::collections::BTreeMap;
use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The id with which a process is asked for that has no place yet.
pub(super) const SPARE: u32 = u32::MAX;

/// A start that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub id: u32,
    pub place: u32,
}

pub(super) struct Starter {
    /// `None` once no further start will be asked for.
    requests: Option<Sender<Start>>,
    results: Receiver<(Start, Result<Child>)>,
    /// What was asked for and has not come, by id, and since when.
    pending: BTreeMap<u32, Duration>,
    thread: JoinHandle<()>,
    thread_id: Arc<AtomicI32>,
}

impl Starter {
    /// `started` is called after each start.
    pub fn new(launch: Launch, started: impl Fn() + Send + 'static) -> Result<Starter> {
        let (requests, inbox) = channel::<Start>();
        let (outbox, results) = channel();
        let thread_id = Arc::new(AtomicI32::new(0));
        let own_id = thread_id.clone();
        let serve = move || {
            own_id.store(rustix::thread::gettid().as_raw_nonzero().get(), Relaxed);
            signals::block();
            for start in inbox {
                // the child takes over this thread's mask, and workers are to hear signals
                signals::unblock();
                let child = Child::start(&launch, start.place);
                signals::block();
                // if the session has ended meanwhile, this drops the child, which kills it
                let _ = outbox.send((start, child));
                started();
            }
        };
        let thread = std::thread::Builder::new().name("rustorch-starter".into()).spawn(serve)?;
        Ok(Starter { requests: Some(requests), results, pending: BTreeMap::new(), thread, thread_id })
    }

    /// Asks for a start. False: the thread is gone.
    pub fn start(&mut self, start: Start, now: Duration) -> bool {
        self.pending.insert(start.id, now);
        self.requests.as_ref().is_some_and(|requests| requests.send(start).is_ok())
    }
    /// The next start that is over.
    pub fn finished(&mut self) -> Option<(Start, Result<Child>)> {
        let finished = self.results.try_recv().ok()?;
        self.pending.remove(&finished.0.id);
        Some(finished)
    }
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Kills a child that has been stopped before its exec for longer than `patience`: all children of the thread that the
    /// session does not know (`known`) and that are stopped.
    pub fn free_stuck(&self, known: &[u32], now: Duration, patience: Duration) {
        let Some(since) = self.pending.values().min() else { return };
        if now.saturating_sub(*since) < patience {
            return;
        }
        let list = std::fs::read_to_string(format!("/proc/self/task/{}/children", self.thread_id.load(Relaxed))).unwrap_or_default();
        for child in list.split_whitespace().filter_map(|id| id.parse::<u32>().ok()).filter(|id| !known.contains(id)) {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            // a stopped child of ours neither ends by itself nor was it reaped: the number is still its own
            if stat.rsplit(") ").next().is_some_and(|state| state.starts_with('T'))
                && let Some(child) = rustix::process::Pid::from_raw(child as i32)
            {
                let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
            }
        }
    }

    /// Ends the thread, whose workers are dead. One that is stuck in a start is left to itself.
    pub fn end(mut self) {
        self.requests = None;
        if self.pending.is_empty() {
            // it does not panic
            let _ = self.thread.join();
        }
    }
}
