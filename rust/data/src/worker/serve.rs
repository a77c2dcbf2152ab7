//! Serving leases.
use super::{Encoded, Fetch, Order, Progress, Worker, receive};
use crate::frame::{self, Lease, ToSession, ToWorker};
use crate::lease::Grant;
use crate::payload::{PayloadLayout, encode_refusal};
use crate::ring::Ring;
use crate::ring::slot::{Kind, Label};
use crate::ring::word::{self, State};
use crate::sys::packet;
use rustorch_base::{Error, Result, bail};
use std::any::Any;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Batches that wait for a larger ring: as many as a session leases to one worker at once.
const KEPT: usize = 2;

pub(super) struct Server<'a, F: Fetch> {
    worker: &'a Worker,
    fetch: &'a mut F,
    rings: Vec<(u32, Ring)>,
    kept: Vec<(u64, F::Batch)>,
}

impl<'a, F: Fetch> Server<'a, F> {
    pub fn new(worker: &'a Worker, fetch: &'a mut F) -> Server<'a, F> {
        Server { worker, fetch, rings: Vec::new(), kept: Vec::new() }
    }

    pub fn run(mut self) -> Result<()> {
        let mut buffer = vec![0; packet::LONGEST];
        let mut listening = self.say(&ToSession::Ready)?;
        while listening {
            let Some((sentence, descriptor)) = receive(&self.worker.socket, &mut buffer)? else { return Ok(()) };
            listening = match (sentence, descriptor) {
                (ToWorker::Ring { ring }, Some(file)) => {
                    self.rings.push((ring, Ring::open(file)?));
                    true
                }
                (ToWorker::Lease(lease), beside) => {
                    let word = self.serve(lease, beside)?;
                    self.say(&word)?
                }
                (other, _) => bail!(value, "the session said {other:?} out of turn"),
            };
        }
        Ok(())
    }

    /// False: the session is gone.
    fn say(&self, word: &ToSession) -> Result<bool> {
        match packet::send(&self.worker.socket, &frame::encode(word)?, None) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(false),
            Err(error) => bail!(os, "a worker cannot speak to its session: {error}"),
        }
    }

    fn serve(&mut self, lease: Lease, beside: Option<OwnedFd>) -> Result<ToSession> {
        let (grant, number) = (lease.grant, lease.number);
        // leases come in order: those in older rings are all answered
        self.rings.retain(|(ring, _)| *ring >= grant.ring);
        let Some(at) = self.rings.iter().position(|(ring, _)| *ring == grant.ring) else {
            bail!(value, "a lease names ring {}, which this worker does not have", grant.ring);
        };
        let right = word::Lease { slot: grant.slot, generation: grant.generation, worker: self.worker.job.worker };
        let ring = &self.rings[at].1;
        if grant.slot as usize >= ring.slots() {
            bail!(value, "a lease names slot {} of {}", grant.slot, ring.slots());
        }
        let slot = ring.slot(grant.slot as usize);
        if slot.state.word() != right.word(State::Leased) {
            // it was revoked while it waited in the socket: a batch that nobody wants is not made
            ring.give_up(right);
            return Ok(ToSession::Done { grant, published: false });
        }
        let begin = Instant::now();
        let batch = match self.kept.iter().position(|(kept, _)| *kept == number) {
            Some(kept) => Ok(self.kept.swap_remove(kept).1),
            None => {
                let order = Order { number, random: lease.random, keys: lease.keys.open(beside)? };
                make(self.fetch, &order, Progress(slot))
            }
        };
        let written = batch.and_then(|batch| write(ring, right, number, batch));
        ring.header().busy.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
        let label = match written {
            Ok(Written::Whole(label)) => label,
            Ok(Written::TooLarge { bytes, batch }) => return Ok(self.keep(grant, number, bytes, batch)),
            Err(error) => refuse(ring, right, number, &error),
        };
        Ok(ToSession::Done { grant, published: ring.publish(right, label) })
    }

    fn keep(&mut self, grant: Grant, number: u64, bytes: usize, batch: F::Batch) -> ToSession {
        if self.kept.len() == KEPT {
            // its lease went to another worker meanwhile
            self.kept.remove(0);
        }
        self.kept.push((number, batch));
        ToSession::Grow { grant, bytes: bytes as u64 }
    }
}

enum Written<B> {
    Whole(Label),
    TooLarge { bytes: usize, batch: B },
}

fn make<F: Fetch>(fetch: &mut F, order: &Order, progress: Progress<'_>) -> Result<F::Batch> {
    catch_unwind(AssertUnwindSafe(|| fetch.fetch(order, progress))).unwrap_or_else(|panic| Err(Error::runtime(text(&*panic))))
}

/// Writes the batch into the slot, which is leased to the caller.
fn write<B: Encoded>(ring: &Ring, right: word::Lease, number: u64, batch: B) -> Result<Written<B>> {
    let layout = PayloadLayout::new(batch.buffers(), batch.skeleton().len())?;
    if layout.bytes() > ring.slot_bytes() {
        return Ok(Written::TooLarge { bytes: layout.bytes(), batch });
    }
    ring.prepare(right.slot as usize, layout.bytes())?;
    // SAFETY: the slot is leased to this worker, which answers for the lease after this call and makes no other slice.
    let area = unsafe { ring.area(right.slot as usize) };
    let (buffers, skeleton) = layout.begin(area)?;
    skeleton.copy_from_slice(batch.skeleton());
    let fill = || buffers.into_iter().enumerate().for_each(|(index, place)| batch.write(index, place));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(fill)) {
        bail!(runtime, "{}", text(&*panic));
    }
    Ok(Written::Whole(Label { number, samples: batch.samples(), kind: batch.kind(), payload: layout.bytes() as u64 }))
}

/// Puts an error where the batch would have been: it reaches the trainer in order. The slot is leased to the caller.
pub(crate) fn refuse(ring: &Ring, right: word::Lease, number: u64, error: &Error) -> Label {
    let refusal = encode_refusal(error, ring.slot_bytes());
    let written = PayloadLayout::new(Vec::new(), refusal.len()).and_then(|layout| {
        // SAFETY: the slot is leased to the caller, whose own slice of it is gone.
        let area = unsafe { ring.area(right.slot as usize) };
        layout.begin(area)?.1.copy_from_slice(&refusal);
        Ok(layout.bytes())
    });
    Label { number, samples: 0, kind: Kind::Refusal, payload: written.unwrap_or(0) as u64 }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().copied();
    let text = literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a worker's batch failed: {}", text.unwrap_or("it panicked"))
}
