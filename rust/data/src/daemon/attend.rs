//! One client of the daemon: its ring, and the readers that fill it.
use super::Shared;
use super::frames::{self, ClientReport, Open, Seek, ToClient, ToDaemon};
use crate::feed::Feed;
use crate::order::{Plan, PlanFeed};
use crate::readers::{Readers, Work, slot_bytes};
use crate::ring::Ring;
use crate::ring::rings::Rings;
use crate::ring::word::State;
use crate::session::{self, Job, Session};
use crate::sys::event::Event;
use crate::sys::poll;
use rustorch_base::{Error, Result, ensure};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub(super) struct Attended {
    process: i32,
    open: Open,
    feed: Arc<PlanFeed>,
    rings: Arc<Rings>,
    /// Taken out when the client has gone.
    makers: Mutex<Option<Makers>>,
    count: u64,
    begin: Instant,
}

/// What a client says after the opening is short.
const LONGEST_WORD: usize = 1024;
/// No stream comes as far: above it numbers could overflow.
const GREATEST: u64 = u64::MAX / 2;

/// Who makes a client's batches.
enum Makers {
    Readers(Readers),
    Workers(Session),
}

impl Makers {
    fn start(shared: &Shared, feed: Arc<PlanFeed>, rings: Arc<Rings>) -> Result<Makers> {
        let service = &shared.service;
        let Some(crew) = &service.crew else {
            return Readers::start(service.source.clone(), feed, rings, service.readers).map(Makers::Readers);
        };
        let job = crew.job.try_clone().map_err(|error| Error::os(format!("the workers' job cannot be handed on: {error}")))?;
        let options = session::Options { workers: crew.workers, ..session::Options::default() };
        let session = Session::start(crew.starter.clone(), rings, feed, options)?;
        session.set_job(Job { bytes: Vec::new(), blob: Some(job) });
        Ok(Makers::Workers(session))
    }
    fn work(&self, rings: &Rings) -> Work {
        match self {
            Makers::Readers(readers) => readers.work(),
            Makers::Workers(session) => Work { batches: session.status().batches, busy: rings.busy() },
        }
    }
}

impl Attended {
    /// Starts to fill the client's ring. Errors: the ring or the plan make no sense, or belong to another source.
    pub fn start(shared: &Shared, open: &Open, ring: Option<OwnedFd>, process: i32, socket: &Arc<OwnedFd>) -> Result<Attended> {
        let service = &shared.service;
        let source = &service.source;
        open.plan.check()?;
        let numbers = open.number.checked_add(open.first);
        ensure!(numbers.is_some_and(|first| first <= GREATEST), value, "batch {} cannot be called {}", open.first, open.number);
        ensure!(
            open.plan.len == source.len() && open.fingerprint == source.fingerprint(),
            value,
            "{}: its fingerprint was {:016x} and now is {:016x}",
            crate::order::state::CHANGED_SOURCE,
            open.fingerprint,
            source.fingerprint()
        );
        let ring = Ring::open(ring.ok_or_else(|| Error::value("a client came without a ring"))?)?;
        let needed = if service.crew.is_some() { 0 } else { slot_bytes(&**source, open.plan.batch_size as usize)? };
        ensure!(needed <= ring.slot_bytes(), value, "a batch needs {needed} bytes, the ring's slots have {}", ring.slot_bytes());
        let socket = Arc::downgrade(socket);
        let ask = move |bytes| match socket.upgrade() {
            Some(socket) => frames::send(&socket, &ToClient::Grow { bytes }, None),
            None => Ok(()),
        };
        let rings = Arc::new(Rings::of_peer(ring, ask));
        let feed = Arc::new(PlanFeed::called(open.plan.clone(), open.epochs, open.number).starting_at(open.first));
        let makers = Mutex::new(Some(Makers::start(shared, feed.clone(), rings.clone())?));
        let count = service.crew.as_ref().map_or(service.readers as u64, |crew| crew.workers.into());
        Ok(Attended { process, open: open.clone(), feed, rings, makers, count, begin: Instant::now() })
    }

    /// Serves until the client has gone or the daemon is to end. When this returns no thread writes into the ring. Errors:
    /// the client wants what cannot be.
    pub fn until_hang_up(&self, socket: &OwnedFd, stop: &Event) -> Result<()> {
        let outcome = self.listen(socket, stop);
        let ClientReport { process, batches, seconds, busy_seconds, .. } = self.report();
        drop(self.makers.lock().unwrap_or_else(PoisonError::into_inner).take());
        tracing::info!(process, batches, seconds, busy_seconds, "client gone");
        outcome
    }

    fn listen(&self, socket: &OwnedFd, stop: &Event) -> Result<()> {
        let mut buffer = vec![0; LONGEST_WORD];
        loop {
            let ready = poll::readable(&[socket.as_fd(), stop.as_fd()], None);
            if ready.map_or(true, |ready| ready[1]) {
                return Ok(());
            }
            match frames::receive_into(socket, &mut buffer) {
                Ok((ToDaemon::Freed, _)) => self.look(),
                Ok((ToDaemon::Seek(seek), _)) => self.seek(seek)?,
                Ok((ToDaemon::Ring, Some(ring))) => {
                    self.rings.replace(Ring::open(ring)?)?;
                    self.look();
                }
                // a hang-up, or nothing that this program knows
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    /// Reader threads sleep on the ring's bell; a session sleeps on descriptors.
    fn look(&self) {
        if let Some(Makers::Workers(session)) = &*self.makers.lock().unwrap_or_else(PoisonError::into_inner) {
            session.look();
        }
    }

    fn seek(&self, Seek { plan, number }: Seek) -> Result<()> {
        plan.check()?;
        let Plan { len, batch_size, .. } = self.open.plan;
        ensure!(
            (plan.len, plan.batch_size) == (len, batch_size),
            value,
            "a stream keeps its source and its batch size when it is sought in"
        );
        ensure!(number > self.feed.first() && number <= GREATEST, value, "the numbers of a stream rise");
        self.feed.seek(plan, number);
        self.rings.discard_below(number);
        Ok(())
    }

    pub fn report(&self) -> ClientReport {
        let work =
            self.makers.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|makers| makers.work(&self.rings)).unwrap_or_default();
        let ring = self.rings.newest();
        ClientReport {
            process: self.process,
            batch_size: self.open.plan.batch_size,
            first: self.open.first,
            batches: work.batches,
            seconds: self.begin.elapsed().as_secs_f64(),
            readers: self.count,
            busy_seconds: work.busy.as_secs_f64(),
            waited_seconds: self.rings.waited().as_secs_f64(),
            slots: ring.slots() as u64,
            ready: ring.count(State::Ready) as u64,
            held: ring.count(State::Held) as u64,
        }
    }
}
