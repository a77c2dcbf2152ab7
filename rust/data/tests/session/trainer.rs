//! A trainer in small: a session, and a client that takes batches in order, keeps some, and compares every byte.
use crate::worker::Plan;
use rustorch_base::{Error, Result};
use rustorch_data::client::{Batch, Client, Next as Found};
use rustorch_data::feed::{Feed, Keys, Next, Task, Waker};
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::{Job, Launch, Options, Session, Starter};
use rustorch_data::source::BatchRandom;
use rustorch_data::sys::memory_file;
use rustorch_data::worker::Order;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SAMPLES: u64 = 16;
const KEPT: usize = 3;
/// A wait that deserves a word.
const LONG: Duration = Duration::from_millis(500);
/// So many of them are a failure.
const LATE: u32 = 40;

/// Batches `first` to `end` of a fixed order, or of streams. A client counts from 0.
pub struct Tasks {
    first: u64,
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
        Next::Task(Task { number: number - self.first, random, keys })
    }
    fn give_back(&self, task: Task) {
        panic!("nobody else makes batch {}", task.number);
    }
    fn end(&self) -> Option<u64> {
        Some(self.end - self.first)
    }
    fn attach(&self, _: Waker) {}
}

/// This program as a worker.
pub fn launch() -> Launch {
    let program = std::env::current_exe().unwrap().into_os_string();
    Launch { program, arguments: vec![], environment: vec![("RUSTORCH_TEST_ROLE".into(), "worker".into())] }
}
pub fn job(plan: &Plan) -> Job {
    Job { bytes: postcard::to_allocvec(plan).unwrap(), blob: Some(memory_file::create("test-job", 4096).unwrap()) }
}

pub struct Trainer {
    client: Client,
    plan: Plan,
    streams: Option<u32>,
    first: u64,
    next: u64,
    /// With the hash that each had when it came.
    kept: VecDeque<(Batch, u64)>,
}

impl Trainer {
    pub fn start(plan: &Plan, first: u64, end: u64, streams: Option<u32>, options: Options) -> Trainer {
        Trainer::with(launch(), plan, first, end, streams, options)
    }
    pub fn with(launch: Launch, plan: &Plan, first: u64, end: u64, streams: Option<u32>, options: Options) -> Trainer {
        let feed: Arc<dyn Feed> = Arc::new(Tasks { first, next: Mutex::new(first), end, streams });
        let starter = Starter::shared(launch).unwrap();
        let client = Client::with_workers(starter, feed, 8, SAMPLES as usize * plan.width * 4 + 512, options).unwrap();
        client.session().unwrap().set_job(job(plan));
        Trainer { client, plan: plan.clone(), streams, first, next: 0, kept: VecDeque::new() }
    }
    pub fn session(&self) -> &Session {
        self.client.session().unwrap()
    }
    /// The next batch, compared with what it has to be: its kind. An error is what came in its place.
    pub fn next(&mut self) -> Result<Kind> {
        let batch = self.wait()?;
        assert_eq!(batch.number(), self.next);
        self.next += 1;
        let outcome = match batch.kind() {
            Kind::Data => {
                assert_eq!(hash(&batch), self.expected(self.first + batch.number()), "batch {} has other bytes", batch.number());
                Ok(Kind::Data)
            }
            Kind::Refusal => Err(batch.refusal().unwrap()),
            other => Ok(other),
        };
        let now = hash(&batch);
        self.kept.push_back((batch, now));
        if self.kept.len() > KEPT {
            self.release();
        }
        outcome
    }
    fn wait(&self) -> Result<Batch> {
        for late in 0..LATE {
            match self.client.next(LONG)? {
                Found::Ready(batch) => return Ok(batch),
                Found::Waiting if late == 0 => println!("batch {} is late: {}", self.next, self.describe()),
                Found::Waiting => {}
                Found::Ended => return Err(Error::runtime("the stream has ended")),
            }
        }
        Err(Error::runtime(format!("batch {} does not come: {}", self.next, self.describe())))
    }
    /// The processes as they stand.
    fn describe(&self) -> String {
        let mut text = format!("{:?}", self.session().status());
        for process in self.session().status().processes {
            let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
            text += &format!("\n  {process}: {} {}", read("stat").trim(), read("wchan"));
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        text + "\n  load " + load.trim()
    }
    fn release(&mut self) {
        let Some((batch, before)) = self.kept.pop_front() else { return };
        assert_eq!(hash(&batch), before, "a batch changed while it was held");
    }
    /// What undisturbed work makes of the batch.
    fn expected(&self, number: u64) -> u64 {
        let order = order(number, self.streams);
        let indices = self.plan.indices(&order.keys).unwrap();
        let rows: Vec<f32> = indices.iter().enumerate().flat_map(|(k, &index)| self.plan.row(&order, k, index)).collect();
        let parts = [rows.iter().flat_map(|value| value.to_ne_bytes()).collect(), b"end".to_vec(), Plan::skeleton(&order)];
        hash_of(&parts.concat())
    }
}

/// The hash of a batch's parts; what lies between them means nothing.
fn hash(batch: &Batch) -> u64 {
    // SAFETY: a buffer's memory is valid for as long as the batch lives, and nobody writes it now.
    let mut bytes: Vec<u8> =
        batch.buffers().flat_map(|part| unsafe { std::slice::from_raw_parts(part.data, part.bytes) }.to_vec()).collect();
    bytes.extend(batch.skeleton());
    hash_of(&bytes)
}

fn hash_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
}
