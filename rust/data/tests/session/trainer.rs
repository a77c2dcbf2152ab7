//! A trainer in small: a session, and a client that takes batches in order, keeps some, and compares every byte.
use crate::worker::Plan;
use rustorch_base::{Error, Result};
use rustorch_data::feed::{Feed, Keys, Next, Task, Waker};
use rustorch_data::payload::{PayloadLayout, decode_refusal};
use rustorch_data::ring::rings::Rings;
use rustorch_data::ring::slot::Kind;
use rustorch_data::ring::{Ring, Taken};
use rustorch_data::session::{Job, Launch, Options, Session};
use rustorch_data::source::BatchRandom;
use rustorch_data::sys::memory_file;
use rustorch_data::worker::Order;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SAMPLES: u64 = 16;
const KEPT: usize = 3;
/// A wait that deserves a word.
const LONG: Duration = Duration::from_millis(500);

/// The first `end` batches of a fixed order, or of streams.
pub struct Tasks {
    next: Mutex<u64>,
    end: u64,
    streams: Option<u32>,
}
pub fn order(number: u64, streams: Option<u32>) -> Order {
    let keys = match streams {
        Some(places) => Keys::Stream { place: (number % places as u64) as u32, turn: number / places as u64 },
        None => Keys::Indices((0..SAMPLES).map(|k| (number * SAMPLES + k) * 7919 % 100_003).collect()),
    };
    Order { number, random: BatchRandom { seed: 4, epoch: 1, position: number * SAMPLES }, keys }
}
impl Feed for Tasks {
    fn next(&self) -> Next {
        let mut next = self.next.lock().unwrap();
        if *next == self.end {
            return Next::Ended;
        }
        let Order { number, random, keys } = order(*next, self.streams);
        *next += 1;
        Next::Task(Task { number, random, keys })
    }
    fn give_back(&self, task: Task) {
        panic!("nobody else makes batch {}", task.number);
    }
    fn end(&self) -> Option<u64> {
        Some(self.end)
    }
    fn attach(&self, _: Waker) {}
}

struct Kept {
    ring: Arc<Ring>,
    taken: Taken,
    hash: u64,
}

pub struct Trainer {
    pub session: Session,
    rings: Arc<Rings>,
    plan: Plan,
    streams: Option<u32>,
    next: u64,
    kept: VecDeque<Kept>,
}

impl Trainer {
    pub fn start(plan: &Plan, first: u64, end: u64, streams: Option<u32>, options: Options) -> Trainer {
        let rings = Arc::new(Rings::create(8, SAMPLES as usize * plan.width * 4 + 512).unwrap());
        let feed = Arc::new(Tasks { next: Mutex::new(first), end, streams });
        let program = std::env::current_exe().unwrap().into_os_string();
        let launch = Launch { program, arguments: vec![], environment: vec![("RUSTORCH_TEST_ROLE".into(), "worker".into())] };
        let session = Session::start(launch, rings.clone(), feed, options).unwrap();
        let blob = Some(memory_file::create("test-job", 4096).unwrap());
        session.set_job(Job { bytes: postcard::to_allocvec(plan).unwrap(), blob });
        Trainer { session, rings, plan: plan.clone(), streams, next: first, kept: VecDeque::new() }
    }
    /// The next batch, compared with what it has to be: its kind. An error is what came in its place.
    pub fn next(&mut self) -> Result<Kind> {
        let (ring, taken) = self.wait()?;
        let label = taken.label.expect("a header makes sense");
        assert_eq!(label.number, self.next);
        self.next += 1;
        let payload = payload(&ring, taken);
        let outcome = match label.kind {
            Kind::Data => {
                assert_eq!(parts(payload), self.expected(label.number), "batch {} has other bytes", label.number);
                Ok(Kind::Data)
            }
            Kind::Refusal => Err(decode_refusal(&payload[PayloadLayout::read(payload)?.skeleton])),
            other => Ok(other),
        };
        self.kept.push_back(Kept { hash: hash(payload), ring, taken });
        if self.kept.len() > KEPT {
            self.release();
        }
        outcome
    }
    fn wait(&self) -> Result<(Arc<Ring>, Taken)> {
        let (begin, mut described) = (Instant::now(), false);
        loop {
            let ring = self.rings.newest();
            if begin.elapsed() > LONG && !described {
                described = true;
                println!("batch {} is late: {}", self.next, self.describe());
            }
            let seen = ring.header().ready.count();
            if let Some(found) = self.rings.take(self.next) {
                return Ok(found);
            }
            if let Some(error) = self.session.failure() {
                return Err(error);
            }
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(Error::runtime(format!("batch {} does not come: {}", self.next, self.describe())));
            }
            ring.header().ready.wait(seen, Duration::from_millis(5));
        }
    }
    /// Slots and processes as they stand.
    fn describe(&self) -> String {
        let mut text = format!("{:?}, batches by number", self.session.status());
        for ring in self.rings.all() {
            let words = (0..ring.slots()).map(|slot| (ring.slot(slot), ring.slot(slot).state.word()));
            let slots: Vec<String> = words
                .map(|(slot, word)| format!("{} {:?} by {} at {}", slot.number(), word.state(), word.worker(), slot.progress()))
                .collect();
            text += &format!("\n  ring: {}", slots.join(", "));
        }
        for process in self.session.status().processes {
            let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
            text += &format!("\n  {process}: {} {}", read("stat").trim(), read("wchan"));
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        text + "\n  load " + load.trim()
    }
    fn release(&mut self) {
        let Some(Kept { ring, taken, hash: before }) = self.kept.pop_front() else { return };
        assert_eq!(hash(payload(&ring, taken)), before, "a batch changed while it was held");
        ring.release(taken.slot);
    }
    pub fn release_all(&mut self) {
        while !self.kept.is_empty() {
            self.release();
        }
    }
    /// What undisturbed work makes of the batch.
    fn expected(&self, number: u64) -> u64 {
        let order = order(number, self.streams);
        let indices = self.plan.indices(&order.keys).unwrap();
        let rows: Vec<f32> = indices.iter().enumerate().flat_map(|(k, &index)| self.plan.row(&order, k, index)).collect();
        let mut bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_ne_bytes()).collect();
        bytes.extend(b"end");
        bytes.extend(Plan::skeleton(&order));
        hash(&bytes)
    }
}

fn payload(ring: &Ring, taken: Taken) -> &[u8] {
    let bytes = taken.label.map_or(0, |label| label.payload as usize);
    // SAFETY: the slot is held by this process, and the label's length was cut to the slot's.
    unsafe { std::slice::from_raw_parts(ring.data(taken.slot), bytes) }
}

/// The hash of a payload's parts; what lies between them means nothing.
fn parts(payload: &[u8]) -> u64 {
    let layout = PayloadLayout::read(payload).unwrap();
    let places = layout.buffers.iter().map(|buffer| &buffer.place).chain([&layout.skeleton]);
    hash(&places.flat_map(|place| payload[place.clone()].to_vec()).collect::<Vec<u8>>())
}

pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
}
