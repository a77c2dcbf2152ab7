//! What one session has asked its starter for.
use super::child::Child;
use super::starter::Starter;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Result;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// A start that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub id: u32,
    pub place: u32,
}

pub(super) struct Starts {
    starter: Arc<Starter>,
    outbox: Sender<(Start, Result<Child>)>,
    results: Receiver<(Start, Result<Child>)>,
    /// What was asked for and has not come, by id.
    pending: BTreeSet<u32>,
    on_started: Arc<dyn Fn() + Send + Sync>,
}

impl Starts {
    /// `on_started` is called after each start, from another thread.
    pub fn new(starter: Arc<Starter>, on_started: Arc<dyn Fn() + Send + Sync>) -> Starts {
        let (outbox, results) = channel();
        Starts { starter, outbox, results, pending: BTreeSet::new(), on_started }
    }
    pub fn program(&self) -> &OsString {
        self.starter.program()
    }
    /// Asks for a start. False: nothing can be started any more.
    pub fn start(&mut self, start: Start) -> bool {
        self.pending.insert(start.id);
        let (outbox, call) = (self.outbox.clone(), self.on_started.clone());
        self.starter.ask(Box::new(move |child| {
            // a session that has ended meanwhile drops the child, which kills it
            let _ = outbox.send((start, child));
            call();
        }))
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
    /// See [`Starter::free_stuck`].
    pub fn free_stuck(&self, patience: Duration) {
        if self.is_busy() {
            self.starter.free_stuck(patience);
        }
    }
}
