//! The worker that these tests start: batches that are a function of their orders, made slowly, and some of them deadly.
use crate::trainer::SAMPLES;
use rustorch_base::{DType, Error, Result};
use rustorch_data::feed::Keys;
use rustorch_data::payload::BufferSpec;
use rustorch_data::ring::slot::Kind;
use rustorch_data::worker::{Encoded, Fetch, Order, Progress, Worker, fork_server};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the workers of one test do.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub sample_us: u64,
    pub width: usize,
    /// Every seventh batch is so many times as wide.
    pub widening: usize,
    /// The index of a sample that ends the process.
    pub deadly: Option<u64>,
    /// The index of a sample that cannot be made.
    pub broken: Option<u64>,
    /// The process ends before it works.
    pub stillborn: bool,
    /// Batches of a stream, where keys are of that kind.
    pub stream: u64,
}

pub struct Batch {
    kind: Kind,
    rows: Vec<Vec<f32>>,
    skeleton: Vec<u8>,
}

impl Plan {
    /// What the batch has in common with the same one of another run, whatever its number there.
    fn number(order: &Order) -> u64 {
        order.random.position / SAMPLES
    }
    fn width_of(&self, order: &Order) -> usize {
        if Plan::number(order) % 7 == 3 { self.width * self.widening.max(1) } else { self.width }
    }
    /// The bytes of sample `k` of a batch: its index, and numbers drawn by its own generator.
    pub fn row(&self, order: &Order, k: usize, index: u64) -> Vec<f32> {
        let mut random = order.random.sample(k as u64);
        let mut row: Vec<f32> = (0..self.width_of(order)).map(|_| random.uniform()).collect();
        row[0] = index as f32;
        row
    }
    pub fn indices(&self, keys: &Keys) -> Option<Vec<u64>> {
        match keys {
            Keys::Indices(indices) => Some(indices.clone()),
            Keys::Stream { place, turn } => {
                (*turn < self.stream).then(|| (0..8).map(|k| place * 10_000 + *turn as u32 * 8 + k).map(u64::from).collect())
            }
            Keys::Opaque(_) => None,
        }
    }
    pub fn skeleton(order: &Order) -> Vec<u8> {
        format!("batch {}", Plan::number(order)).into_bytes()
    }
}

struct Maker {
    plan: Plan,
    /// How far this process's stream is: a stream cannot go back.
    turn: u64,
}

impl Maker {
    fn samples(&self, order: &Order, indices: &[u64], progress: Option<Progress<'_>>) -> Result<Vec<Vec<f32>>> {
        let mut rows = Vec::new();
        for (k, &index) in indices.iter().enumerate() {
            if let Some(progress) = progress {
                progress.sample(k as u32);
            }
            if self.plan.deadly == Some(index) {
                eprintln!("sample {index} is too much");
                std::process::exit(7);
            }
            if self.plan.broken == Some(index) {
                return Err(Error::index(format!("sample {index} is broken")));
            }
            std::thread::sleep(Duration::from_micros(self.plan.sample_us));
            rows.push(self.plan.row(order, k, index));
        }
        Ok(rows)
    }
}

impl Fetch for Maker {
    type Batch = Batch;
    fn fetch(&mut self, order: &Order, progress: Progress<'_>) -> Result<Batch> {
        if let Keys::Stream { place, turn } = order.keys {
            assert!(turn >= self.turn, "the stream was asked to go back from {} to {turn}", self.turn);
            for replayed in self.turn..turn {
                let indices = self.plan.indices(&Keys::Stream { place, turn: replayed }).unwrap_or_default();
                self.samples(order, &indices, None)?;
            }
            self.turn = turn + 1;
        }
        let Some(indices) = self.plan.indices(&order.keys) else { return Ok(Batch { kind: Kind::End, rows: vec![], skeleton: vec![] }) };
        let rows = self.samples(order, &indices, Some(progress))?;
        Ok(Batch { kind: Kind::Data, rows, skeleton: Plan::skeleton(order) })
    }
}

impl Encoded for Batch {
    fn kind(&self) -> Kind {
        self.kind
    }
    fn samples(&self) -> u32 {
        self.rows.len() as u32
    }
    fn buffers(&self) -> Vec<BufferSpec> {
        let width = self.rows.first().map_or(0, Vec::len);
        vec![BufferSpec { dtype: Some(DType::Float32), shape: vec![self.rows.len(), width] }, BufferSpec::opaque(3)]
    }
    fn skeleton(&self) -> &[u8] {
        &self.skeleton
    }
    fn write(&self, index: usize, place: &mut [u8]) {
        match index {
            0 => self.rows.iter().flatten().zip(place.chunks_exact_mut(4)).for_each(|(value, to)| to.copy_from_slice(&value.to_ne_bytes())),
            _ => place.copy_from_slice(b"end"),
        }
    }
}

/// The environment variable that says how many milliseconds the program takes to load.
pub const SLOW_START: &str = "RUSTORCH_TEST_SLOW_START";
/// Set where the program starts a thread, with which it cannot be forked.
pub const THREAD: &str = "RUSTORCH_TEST_THREAD";
/// Set where the program ends while it loads.
pub const STILLBORN: &str = "RUSTORCH_TEST_STILLBORN";

struct Host;
impl fork_server::Host for Host {}

pub fn main() {
    if std::env::var_os(STILLBORN).is_some() {
        eprintln!("this program has no legs");
        std::process::exit(5);
    }
    if let Some(pause) = std::env::var(SLOW_START).ok().and_then(|pause| pause.parse().ok()) {
        std::thread::sleep(Duration::from_millis(pause));
    }
    if std::env::var_os(THREAD).is_some() {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(1000)));
    }
    if !fork_server::serve(&Host).unwrap() {
        return;
    }
    let Some(mut worker) = Worker::attach().unwrap() else { return };
    let plan: Plan = postcard::from_bytes(&worker.job().bytes).unwrap();
    assert!(worker.take_blob().is_some());
    if plan.stillborn {
        eprintln!("this worker has no legs");
        std::process::exit(3);
    }
    worker.run(&mut Maker { plan, turn: 0 }).unwrap();
}
