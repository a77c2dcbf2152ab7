//! Threads that make the batches of a native source. They serve themselves: a slot first, then a task, so that of all
//! batches under way the lowest always has a slot and later ones cannot fill the ring before it.
use crate::feed::{Feed, Keys, Next, Task};
use crate::payload::{BufferSpec, PayloadLayout, encode_refusal};
use crate::ring::rings::{NoSlot, Rings};
use crate::ring::slot::{Kind, Label};
use crate::ring::{Ring, word::Lease};
use crate::source::{Field, Source};
use rustorch_base::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that waits looks up this often even if no bell rings.
const LOOK: Duration = Duration::from_millis(500);

/// Running reader threads. Dropping stops and joins them; a batch under way is finished first.
pub struct Readers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    process: u32,
}

struct Shared {
    source: Arc<dyn Source>,
    feed: Arc<dyn Feed>,
    rings: Arc<Rings>,
    stop: AtomicBool,
    batches: AtomicU64,
    busy: AtomicU64,
}

/// What the threads have done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    pub batches: u64,
    /// Time spent making them, all threads together.
    pub busy: Duration,
}

/// Bytes that a slot needs for `samples` samples of this source.
pub fn slot_bytes(source: &dyn Source, samples: usize) -> Result<usize> {
    slot_bytes_of(source.fields(), samples)
}

/// [`slot_bytes`] of a source that has these fields.
pub fn slot_bytes_of(fields: &[Field], samples: usize) -> Result<usize> {
    Ok(batch_layout(fields, samples)?.bytes())
}

fn batch_layout(fields: &[Field], samples: usize) -> Result<PayloadLayout> {
    let specs = fields.iter().map(|field| {
        let shape = std::iter::once(samples).chain(field.shape.iter().copied()).collect();
        BufferSpec { dtype: Some(field.dtype), shape }
    });
    PayloadLayout::new(specs.collect(), 0)
}

impl Readers {
    /// Starts `threads` readers. Errors: the system has no thread left.
    pub fn start(source: Arc<dyn Source>, feed: Arc<dyn Feed>, rings: Arc<Rings>, threads: usize) -> Result<Readers> {
        let waiting = Arc::downgrade(&rings);
        feed.attach(Arc::new(move || {
            if let Some(rings) = waiting.upgrade() {
                rings.wake_makers();
            }
        }));
        let shared =
            Arc::new(Shared { source, feed, rings, stop: AtomicBool::new(false), batches: AtomicU64::new(0), busy: AtomicU64::new(0) });
        let mut readers = Readers { shared: shared.clone(), threads: Vec::new(), process: std::process::id() };
        for number in 1..=threads.max(1) as u32 {
            let mut reader = Reader { shared: shared.clone(), number, layout: None };
            let thread = std::thread::Builder::new().name(format!("rustorch-reader-{number}")).spawn(move || reader.run());
            readers.threads.push(thread.map_err(|error| Error::runtime(format!("a reader thread cannot start: {error}")))?);
        }
        Ok(readers)
    }

    pub fn work(&self) -> Work {
        Work { batches: self.shared.batches.load(Relaxed), busy: Duration::from_nanos(self.shared.busy.load(Relaxed)) }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // a forked child has this value but none of the threads
            return std::mem::forget(std::mem::take(&mut self.threads));
        }
        self.shared.stop.store(true, SeqCst);
        self.shared.rings.wake_makers();
        for thread in self.threads.drain(..) {
            // a reader catches what its source throws: there is no panic to pass on
            let _ = thread.join();
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    number: u32,
    /// The layout of the last batch: all but an epoch's last have the same.
    layout: Option<(usize, PayloadLayout)>,
}

impl Reader {
    fn run(&mut self) {
        while !self.stopped() {
            let (ring, lease) = match self.shared.rings.lease(self.number) {
                Ok(found) => found,
                Err(NoSlot { ring, seen }) => {
                    self.wait(&ring, seen);
                    continue;
                }
            };
            let Some(task) = self.task(&ring) else { return ring.give_up(lease) };
            self.make(ring, lease, task);
        }
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(SeqCst)
    }

    /// `seen` was read before the look that found nothing; the flag is looked at after it, so no ring for it is missed.
    fn wait(&self, ring: &Ring, seen: u32) {
        if !self.stopped() {
            ring.header().freed.wait(seen, LOOK);
        }
    }

    /// The next task; `None` when the readers are stopped. After the last one the client may go on elsewhere.
    fn task(&self, ring: &Ring) -> Option<Task> {
        while !self.stopped() {
            let seen = ring.header().freed.count();
            match self.shared.feed.next() {
                Next::Task(task) => return Some(task),
                Next::Wait | Next::Ended => self.wait(ring, seen),
            }
        }
        None
    }

    fn make(&mut self, ring: Arc<Ring>, lease: Lease, task: Task) {
        let (number, begin) = (task.number, Instant::now());
        let (ring, lease, outcome) = match self.slot_for(&ring, &task) {
            Ok(Some((larger, larger_lease))) => {
                ring.give_up(lease);
                let outcome = self.fill(&larger, larger_lease, &task);
                (larger, larger_lease, outcome)
            }
            Ok(None) => {
                let outcome = self.fill(&ring, lease, &task);
                (ring, lease, outcome)
            }
            Err(error) => (ring, lease, Err(error)),
        };
        let label = outcome.unwrap_or_else(|error| refuse(&ring, lease, number, &error));
        self.shared.batches.fetch_add(1, Relaxed);
        self.shared.busy.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
        // asked after it was published: whoever seeks finds it ready, or this finds that somebody has sought
        if ring.publish(lease, label) && number < self.shared.feed.first() {
            ring.withdraw(lease);
        }
    }

    /// A slot of another ring, if the batch is larger than those of this one.
    fn slot_for(&mut self, ring: &Ring, task: &Task) -> Result<Option<(Arc<Ring>, Lease)>> {
        let bytes = self.layout(indices(task)?.len())?.bytes();
        if bytes <= ring.slot_bytes() {
            return Ok(None);
        }
        self.shared.rings.lease_large(self.number, bytes).map(Some)
    }

    fn fill(&mut self, ring: &Ring, lease: Lease, task: &Task) -> Result<Label> {
        let indices = indices(task)?;
        let source = self.shared.source.clone();
        let layout = self.layout(indices.len())?;
        ring.prepare(lease.slot as usize, layout.bytes())?;
        // SAFETY: the slot is leased to this reader, and this is its one slice.
        let area = unsafe { ring.area(lease.slot as usize) };
        let (mut buffers, _) = layout.begin(area)?;
        let read = catch_unwind(AssertUnwindSafe(|| source.read_many(indices, task.random, &mut buffers)));
        read.unwrap_or_else(|panic| Err(Error::runtime(format!("the source failed: {}", text(&*panic)))))?;
        Ok(Label { number: task.number, samples: indices.len() as u32, kind: Kind::Data, payload: layout.bytes() as u64 })
    }

    fn layout(&mut self, samples: usize) -> Result<&PayloadLayout> {
        let layout = match self.layout.take() {
            Some((known, layout)) if known == samples => layout,
            _ => batch_layout(self.shared.source.fields(), samples)?,
        };
        Ok(&self.layout.insert((samples, layout)).1)
    }
}

fn indices(task: &Task) -> Result<&[u64]> {
    match &task.keys {
        Keys::Indices(indices) => Ok(indices),
        Keys::Opaque(_) | Keys::Stream { .. } => {
            Err(Error::type_("a native source is read by integer indices; this sampler yields other keys"))
        }
    }
}

/// Puts an error where the batch would have been: it reaches the trainer in order.
fn refuse(ring: &Ring, lease: Lease, number: u64, error: &Error) -> Label {
    let text = encode_refusal(error, ring.slot_bytes());
    let written = PayloadLayout::new(Vec::new(), text.len()).and_then(|layout| {
        // SAFETY: the slot is leased to the caller, whose own slice of it is gone.
        let area = unsafe { ring.area(lease.slot as usize) };
        layout.begin(area)?.1.copy_from_slice(&text);
        Ok(layout.bytes())
    });
    Label { number, samples: 0, kind: Kind::Refusal, payload: written.unwrap_or(0) as u64 }
}

fn text(panic: &(dyn std::any::Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
