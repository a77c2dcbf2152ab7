//! The trainer's side: takes batches in order from its rings, whoever fills them.
pub mod batch;
mod link;
mod seek;
mod workers;

use crate::feed::Feed;
use crate::order::{self, PlanFeed};
use crate::readers::{Readers, Work, slot_bytes};
use crate::ring::rings::Rings;
use crate::ring::word::State;
use crate::session::Session;
use crate::source::{Field, Source};
use link::Link;
use rustorch_base::{Result, ensure};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use batch::{Batch, BatchBuffer};
pub use link::{Request, status, welcome};
pub use seek::Tasks;

/// Looks at the bell this often before sleeping: a batch that is nearly ready comes sooner than a wake-up.
const SPIN: u32 = 60;
/// While two rings are in use a batch may appear in either, so the sleep on one bell is short.
const LOOK_AT_OTHERS: Duration = Duration::from_millis(1);

/// The same for a daemon whose death no bell tells.
const LOOK_AT_DAEMON: Duration = Duration::from_millis(4);

/// How a client is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Batches that the ring holds. Two of them always stay in motion.
    pub slots: usize,
    /// Samples of the usual batch; a larger one makes a larger ring.
    pub batch_size: usize,
    /// Reader threads, or worker processes.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { slots: 8, batch_size: 1, workers: 2 }
    }
}

/// What [`Client::next`] found.
pub enum Next {
    Ready(Batch),
    /// Not yet; the time is over.
    Waiting,
    /// There is no further batch.
    Ended,
}

/// Takes the batches of one stream, each once, in order. Any thread may call; one at a time gets a batch.
pub struct Client {
    next: Mutex<u64>,
    rings: Arc<Rings>,
    tasks: Tasks,
    feed: Arc<dyn Feed>,
    engine: Engine,
    process: u32,
    copied: AtomicBool,
    waited: AtomicU64,
    taken: AtomicU64,
}

/// Who makes the batches.
enum Engine {
    Readers(Readers),
    Workers(Session),
    Daemon(Mutex<Link>),
}

/// Figures of a stream so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub batches: u64,
    /// Time that [`Client::next`] spent without a batch: the trainer waited for the workers.
    pub waited: Duration,
    pub work: Work,
}

impl Client {
    /// A native source read by threads of this process. Errors: too little memory for the ring, by number of bytes.
    pub fn with_readers(source: Arc<dyn Source>, tasks: impl Into<Tasks>, options: &Options) -> Result<Client> {
        let tasks = tasks.into();
        let rings = Arc::new(Rings::create(options.slots, slot_bytes(&*source, options.batch_size)?)?);
        let readers = Readers::start(source, tasks.feed(), rings.clone(), options.workers)?;
        Ok(Client::new(rings, tasks, Engine::Readers(readers)))
    }

    /// A stream from the daemon at `address`. Should it die, this client uses up what is ready, waits until it is back, and
    /// goes on. Errors: nobody serves there, the request is refused, or a state belongs to another source.
    pub fn connect(address: &str, request: Request) -> Result<Client> {
        let (link, rings) = Link::open(crate::daemon::address(address)?, request)?;
        let feed = Arc::new(PlanFeed::new(link.plan.clone(), link.epochs));
        Ok(Client::new(Arc::new(rings), Tasks::Plan(feed), Engine::Daemon(Mutex::new(link))))
    }

    fn new(rings: Arc<Rings>, tasks: Tasks, engine: Engine) -> Client {
        let feed = tasks.feed();
        let process = std::process::id();
        let waiting = Arc::downgrade(&rings);
        // a feed that is closed tells a client that waits for its end
        feed.attach(Arc::new(move || {
            if let Some(rings) = waiting.upgrade() {
                rings.wake_client();
            }
        }));
        let (copied, waited, taken) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        Client { next: Mutex::new(0), rings, tasks, feed, engine, process, copied, waited, taken }
    }

    /// The next batch, if it comes within `timeout`. Errors: a damaged slot, or a forked child asks.
    pub fn next(&self, timeout: Duration) -> Result<Next> {
        self.check_process()?;
        let mut number = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // one cheap call: a death is noticed while finished batches remain, and these hide the return
        self.attend(*number)?;
        if let Some(batch) = self.take(&mut number)? {
            return Ok(Next::Ready(batch));
        }
        let begin = Instant::now();
        let found = self.wait_for(&mut number, begin, timeout);
        let waited = begin.elapsed().as_nanos() as u64;
        self.waited.fetch_add(waited, Relaxed);
        // where a daemon sees it
        self.rings.newest().header().waited.fetch_add(waited, Relaxed);
        found
    }

    fn check_process(&self) -> Result<()> {
        ensure!(
            self.process == std::process::id(),
            runtime,
            "a data loader's batches belong to the process that made it; this one was forked from it"
        );
        Ok(())
    }

    fn wait_for(&self, number: &mut u64, begin: Instant, timeout: Duration) -> Result<Next> {
        loop {
            let rings = self.rings.all();
            let Some(newest) = rings.last() else { return Ok(Next::Waiting) };
            let bell = &newest.header().ready;
            let seen = bell.count();
            if !Arc::ptr_eq(newest, &self.rings.newest()) {
                // its bells rang before this look at one of them
                continue;
            }
            if let Some(batch) = self.take(number)? {
                return Ok(Next::Ready(batch));
            }
            if self.feed.end().is_some_and(|end| *number >= end) {
                return Ok(Next::Ended);
            }
            if let Some(error) = self.failure() {
                return Err(error);
            }
            self.attend(*number)?;
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(Next::Waiting);
            }
            if !bell.spin(seen, SPIN) {
                bell.wait(seen, left.min(self.look(rings.len())));
            }
        }
    }

    fn link(&self) -> Option<MutexGuard<'_, Link>> {
        match &self.engine {
            Engine::Daemon(link) => Some(link.lock().unwrap_or_else(PoisonError::into_inner)),
            Engine::Readers(_) | Engine::Workers(_) => None,
        }
    }
    fn attend(&self, number: u64) -> Result<()> {
        let Some(mut link) = self.link() else { return Ok(()) };
        if self.feed.end().is_some_and(|end| number >= end) {
            return Ok(());
        }
        link.attend(&self.rings, number)
    }
    /// How long to sleep at most before looking at everything again.
    fn look(&self, rings: usize) -> Duration {
        let look = if rings > 1 { LOOK_AT_OTHERS } else { Duration::MAX };
        self.link().map_or(look, |link| look.min(link.until_look(LOOK_AT_DAEMON)))
    }

    /// A batch that is damaged was delivered too: the stream goes on behind it.
    fn take(&self, number: &mut u64) -> Result<Option<Batch>> {
        let Some((ring, taken)) = self.rings.take(*number) else { return Ok(None) };
        *number += 1;
        let held = ring.count(State::Held);
        // with only two slots left the batch moves out, and forks that pinned half the slots make a new ring
        let crowded = held + 2 > ring.slots();
        let renew = ring.pinned() * 2 > ring.slots() && Arc::ptr_eq(&ring, &self.rings.newest());
        let mut batch = Batch::new(ring, taken, *number - 1, self.process)?;
        if renew {
            match self.link() {
                None => self.rings.renew()?,
                // the next call finds the connection ended, and goes on with a new ring
                Some(mut link) => link.leave(),
            }
        } else if crowded {
            batch.copy_out();
            self.copied.store(true, Relaxed);
        }
        self.taken.fetch_add(1, Relaxed);
        Ok(Some(batch))
    }

    /// The number of the batch that [`Client::next`] gives next.
    pub fn position(&self) -> u64 {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Where a stream from a daemon stands: batches that [`Client::next`] gave are consumed.
    pub fn state(&self) -> Option<order::State> {
        let number = self.position();
        self.link().map(|link| link.state(number))
    }
    /// What a daemon serves: the plan that the stream follows and the fields of a sample.
    pub fn served(&self) -> Option<(order::Plan, Vec<Field>)> {
        self.link().map(|link| (link.plan.clone(), link.fields.clone()))
    }
    /// How often the daemon was found again.
    pub fn reconnects(&self) -> u64 {
        self.link().map_or(0, |link| link.reconnects)
    }
    /// True once, after a batch had to be copied because too many are kept: something to tell the user.
    pub fn take_copied(&self) -> bool {
        self.copied.swap(false, Relaxed)
    }
    pub fn figures(&self) -> Figures {
        let work = match &self.engine {
            Engine::Readers(readers) => readers.work(),
            Engine::Workers(session) => Work { batches: session.status().batches, busy: self.rings.busy() },
            Engine::Daemon(_) => Work::default(),
        };
        Figures { batches: self.taken.load(Relaxed), waited: Duration::from_nanos(self.waited.load(Relaxed)), work }
    }
}
