//! The event loop of a session's thread.
use super::child::{Beside, Child};
use super::crew::{Crew, right};
use super::report;
use super::signals;
use super::starter::Starter;
use super::starts::{Start, Starts};
use super::{GRACE, Job, OnDeath, Options, Shared, Skipped};
use crate::feed::{Feed, Keys, Next, Task};
use crate::frame::{self, ToSession, ToWorker};
use crate::lease::{Action, Cause, Failure, Grant, Leases, SESSION, Work};
use crate::ring::rings::Rings;
use crate::ring::slot::{Kind, Label};
use crate::sys::{packet, poll};
use crate::worker::refuse;
use rustorch_base::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

/// How often workers with leases are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How soon to look again for a slot even if nobody calls.
const STARVED: Duration = Duration::from_millis(50);
/// A worker without a socket has so long to be gone.
const LEAVING: Duration = Duration::from_millis(500);

pub(super) struct Engine {
    shared: Arc<Shared>,
    starts: Starts,
    options: Options,
    feed: Arc<dyn Feed>,
    book: Leases<Task>,
    crew: Crew,
    job: Option<Arc<Job>>,
    /// As the feed has it: works below it were left out.
    first: u64,
    next_id: u32,
    begin: Instant,
    ticked: Duration,
    /// Workers whose deaths were seen and not dealt with yet.
    dead: Vec<u32>,
    buffer: Vec<u8>,
}

impl Engine {
    pub fn new(shared: Arc<Shared>, starter: Arc<Starter>, rings: Arc<Rings>, feed: Arc<dyn Feed>, options: Options) -> Engine {
        let ring = rings.newest();
        let options = Options { workers: options.workers.max(1), ..options };
        let book = Leases::new(options.workers, ring.slots(), ring.slot_bytes() as u64, options.limits);
        let waiting = Arc::downgrade(&shared);
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if let Some(shared) = waiting.upgrade() {
                shared.wake.signal();
            }
        });
        let (crew, starts) = (Crew::new(rings, wake.clone()), Starts::new(starter, wake));
        let buffer = vec![0; packet::LONGEST];
        let (begin, ticked) = (Instant::now(), Duration::ZERO);
        Engine {
            shared,
            starts,
            options,
            feed,
            book,
            crew,
            job: None,
            first: 0,
            next_id: SESSION + 1,
            begin,
            ticked,
            dead: Vec::new(),
            buffer,
        }
    }

    pub fn run(mut self) {
        signals::block();
        let mut starved = false;
        self.act();
        while !self.shared.stop.load(SeqCst) {
            if let Err(error) = self.listen(starved) {
                self.fail(error.kind, error.message);
            }
            self.welcome();
            self.bury_the_dead();
            self.tick();
            starved = self.lease();
        }
        self.end();
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Sleeps until somebody speaks, dies or calls, and hears what was said.
    fn listen(&mut self, starved: bool) -> Result<()> {
        let leaving = self.crew.children.values().any(|child| child.hung_up.is_some() || child.is_waiting());
        let tick = (self.book.needs_clock() || leaving || self.starts.is_busy())
            .then(|| TICK.saturating_sub(self.now().saturating_sub(self.ticked)));
        let timeout = if starved { Some(tick.unwrap_or(STARVED).min(STARVED)) } else { tick };
        let mut descriptors = vec![self.shared.wake.as_fd()];
        let (mut lives, mut speakers) = (Vec::new(), Vec::new());
        for (id, child) in &self.crew.children {
            lives.push((descriptors.len(), *id));
            descriptors.push(child.life());
            for (voice, descriptor) in child.voices().into_iter().enumerate() {
                if let Some(descriptor) = descriptor {
                    speakers.push((descriptors.len(), *id, voice));
                    descriptors.push(descriptor);
                }
            }
        }
        let ready =
            poll::readable(&descriptors, timeout).map_err(|error| Error::os(format!("a data loader's session cannot wait: {error}")))?;
        self.dead = lives.into_iter().filter(|(at, _)| ready[*at]).map(|(_, id)| id).collect();
        if ready[0] {
            self.shared.wake.clear();
            self.take_job();
        }
        for (at, id, voice) in speakers {
            match (ready[at], voice) {
                (true, 0) => self.hear(id),
                (true, _) => drop(self.crew.children.get_mut(&id).map(Child::overhear)),
                (false, _) => {}
            }
        }
        Ok(())
    }

    fn take_job(&mut self) {
        if self.job.is_none() {
            self.job = self.shared.public().job.clone();
            let ids: Vec<u32> = self.crew.children.keys().copied().collect();
            ids.into_iter().for_each(|id| self.send_job(id));
        }
    }
    fn send_job(&mut self, id: u32) {
        let (Some(job), Some(child)) = (&self.job, self.crew.children.get_mut(&id)) else { return };
        if child.has_job {
            return;
        }
        child.has_job = true;
        let (place, places) = (child.place, self.options.workers);
        let description = frame::Job { worker: id, place, places, blob: job.blob.is_some(), bytes: job.bytes.clone() };
        let frames = frame::encode(&ToWorker::Job(description)).and_then(|job| Ok((job, frame::encode(&ToWorker::Blob)?)));
        let (frame, blob) = match frames {
            Ok(frames) => frames,
            Err(error) => return self.fail(error.kind, error.message),
        };
        child.tell(frame, Beside::Nothing);
        if job.blob.is_some() {
            child.tell(blob, Beside::Job(job.clone()));
        }
    }

    /// Everything that one worker has said.
    fn hear(&mut self, id: u32) {
        let now = self.now();
        while let Some(child) = self.crew.children.get_mut(&id) {
            let Some(len) = child.hear(&mut self.buffer) else { return };
            if len == 0 {
                child.hung_up.get_or_insert(now);
                return;
            }
            match frame::decode(&self.buffer[..len]) {
                Ok(ToSession::Here) => {}
                Ok(ToSession::Ready) => self.book.ready(id),
                Ok(ToSession::Done { grant, published }) => {
                    self.shared.batches.fetch_add(published.into(), Relaxed);
                    self.book.done(id, grant, published, now);
                }
                Ok(ToSession::Grow { grant, bytes }) => self.book.grow(id, grant, bytes, &mut self.crew, now),
                // it cannot be understood any more; its death puts everything right
                Err(_) => return child.kill(),
            }
        }
    }

    fn bury_the_dead(&mut self) {
        for id in std::mem::take(&mut self.dead) {
            // what it said before it died counts
            self.hear(id);
            let Some(child) = self.crew.children.remove(&id) else { continue };
            let (cause, words) = child.bury();
            self.book.died(id, cause, &words, &mut self.crew);
        }
        self.act();
    }

    fn tick(&mut self) {
        let now = self.now();
        if now.saturating_sub(self.ticked) < TICK {
            return;
        }
        self.ticked = now;
        self.book.tick(&mut self.crew, now);
        for child in self.crew.children.values_mut() {
            child.flush();
            if child.hung_up.is_some_and(|since| now.saturating_sub(since) > LEAVING) {
                child.kill();
            }
        }
        self.starts.free_stuck(self.options.limits.stop);
        self.crew.forget_old_rings();
        self.act();
    }

    /// Leases what can be leased. True: something waits for a slot, and a call is ordered for when there is one.
    fn lease(&mut self) -> bool {
        self.book.grown(self.crew.newest().slot_bytes() as u64);
        let first = self.feed.first();
        if first > self.first {
            self.first = first;
            self.book.seek(first, &mut self.crew);
        }
        while self.book.wants_work() {
            let Next::Task(task) = self.feed.next() else { break };
            let place = if let Keys::Stream { place, .. } = task.keys { Some(place % self.options.workers) } else { None };
            self.book.offer(Work::new(task.number, place, task));
        }
        let now = self.now();
        let mut starved = self.book.dispatch(&mut self.crew, now);
        if starved {
            let ring = self.crew.newest();
            self.crew.attend(&ring);
            ring.set_starved();
            // a slot may have become free before the flag was up
            starved = self.book.dispatch(&mut self.crew, now);
            if !starved {
                ring.clear_starved();
            }
        }
        self.act();
        starved
    }

    fn act(&mut self) {
        let mut actions = self.book.take_actions();
        while !actions.is_empty() {
            for action in actions {
                match action {
                    Action::Spawn { place } => self.start_worker(place),
                    Action::Send { worker, grant, work } => {
                        if let Err(error) = self.crew.send_lease(worker, grant, &work.body) {
                            self.fail(error.kind, error.message);
                        }
                    }
                    Action::Kill { worker } => drop(self.crew.children.get(&worker).map(Child::kill)),
                    Action::Grow { bytes } => {
                        if let Err(error) = self.crew.grow(bytes) {
                            self.fail(error.kind, error.message);
                        }
                    }
                    Action::Condemn { grant, work, failure } => self.condemn(grant, &work.body, &failure),
                    Action::Abandon { failure } => self.fail(ErrorKind::Runtime, report::abandoned(&failure)),
                }
            }
            actions = self.book.take_actions();
        }
    }

    fn start_worker(&mut self, place: u32) {
        let id = self.next_id;
        self.next_id += 1;
        if !self.starts.start(Start { id, place }) {
            self.fail(ErrorKind::Runtime, "the thread that starts DataLoader workers has ended".into());
        }
    }
    fn welcome(&mut self) {
        while let Some((Start { id, place }, started)) = self.starts.finished() {
            match started {
                Ok(child) => self.admit(id, place, child),
                Err(error) => {
                    let program = self.starts.program().to_string_lossy();
                    self.fail(ErrorKind::Os, format!("a DataLoader worker cannot be started ({program}): {error}"));
                }
            }
        }
    }
    /// The process is the worker with this id from now on.
    fn admit(&mut self, id: u32, place: u32, mut child: Child) {
        child.place = place;
        self.crew.children.insert(id, child);
        self.book.started(id, place, self.now());
        self.send_job(id);
        let processes = self.processes();
        let mut public = self.shared.public();
        public.status.processes = processes;
        public.status.restarts = u64::from(id.saturating_sub(self.options.workers));
    }
    fn processes(&self) -> Vec<u32> {
        let mut processes: Vec<(u32, u32)> = self.crew.children.values().map(|child| (child.place, child.id())).collect();
        processes.sort_unstable();
        processes.into_iter().map(|(_, id)| id).collect()
    }

    /// Says in the batch's place why it does not come.
    fn condemn(&mut self, grant: Grant, task: &Task, failure: &Failure) {
        let Some(ring) = self.crew.ring(grant) else { return };
        let reason = report::condemned(task, failure);
        let (number, right) = (task.number, right(SESSION, grant));
        let label = match self.options.on_death {
            OnDeath::Raise => refuse(ring, right, number, &Error::runtime(reason)),
            OnDeath::Skip => {
                self.shared.public().skipped.push(Skipped { number, epoch: task.random.epoch, reason });
                Label { number, samples: 0, kind: Kind::End, payload: 0 }
            }
        };
        ring.publish(right, label);
    }

    /// No further batch will come; the client hears why after the last that is ready.
    fn fail(&mut self, kind: ErrorKind, message: String) {
        self.shared.public().failure.get_or_insert((kind, message));
        self.book.abandon(Failure { deaths: 0, sample: None, cause: Cause::Unknown, words: String::new() });
        self.crew.wake_client();
    }

    /// Workers that do not leave by themselves are killed.
    fn end(mut self) {
        let begin = Instant::now();
        self.crew.children.values().for_each(Child::hang_up);
        while !self.crew.children.is_empty() && begin.elapsed() < GRACE {
            let descriptors: Vec<_> = self.crew.children.values().map(Child::life).collect();
            let left = GRACE.saturating_sub(begin.elapsed());
            let Ok(dead) = poll::readable(&descriptors, Some(left)) else { break };
            let mut dead = dead.into_iter();
            self.crew.children.retain(|_, child| {
                child.overhear();
                !dead.next().unwrap_or(false)
            });
        }
        self.crew.children.values().for_each(Child::kill);
        self.crew.children.clear();
    }
}
