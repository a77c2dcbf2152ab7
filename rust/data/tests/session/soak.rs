//! Kills and stops of workers and trainers at random moments: every batch must still come once, in order, with the bytes
//! of undisturbed work, and nothing may outlive its trainer. `RUSTORCH_SOAK_FAULTS` and `RUSTORCH_SOAK_SEED` make it longer
//! and repeat it.
use crate::cases::{alive, plan, signal};
use crate::trainer::Trainer;
use crate::worker::Plan;
use rustix::process::Signal;
use rustorch_base::random::Philox;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::Options;
use std::collections::BTreeMap;
use std::fs::{OpenOptions, metadata, read, read_dir, read_to_string};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A batch in the trainer's log: its number, and the microseconds that the trainer waited for it.
const RECORD: usize = 16;
/// Besides making the batch again, a fault may cost the trainer so much on a quiet machine.
const STALL: Duration = Duration::from_millis(300);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The trainer that the soak disturbs: it logs each batch that has the right bytes, and goes on where the log ends.
pub fn trainer() {
    let log = PathBuf::from(std::env::var_os("RUSTORCH_SOAK_LOG").unwrap());
    let first = metadata(&log).map_or(0, |log| log.len() / RECORD as u64);
    let mut file = OpenOptions::new().append(true).create(true).open(&log).unwrap();
    // 16 samples of 300 us: a batch takes 5 ms and more, so that most faults hit one under way
    let plan = Plan { sample_us: 300, widening: 4, ..plan() };
    let mut trainer = Trainer::start(&plan, first, u64::MAX, None, Options::default());
    for batch in first.. {
        let begin = Instant::now();
        assert_eq!(trainer.next().unwrap(), Kind::Data);
        let waited = if batch == first { 0 } else { begin.elapsed().as_micros() as u64 };
        // one write: a kill leaves a whole record or none
        file.write_all(&[batch.to_le_bytes(), waited.to_le_bytes()].concat()).unwrap();
    }
}

struct Soak {
    random: Philox,
    log: PathBuf,
    trainer: Child,
    /// Stopped processes, and until when.
    stopped: BTreeMap<u32, Instant>,
    kills: u32,
    trainers: u32,
    stops: u32,
}

fn start(log: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("RUSTORCH_TEST_ROLE", "soak").env("RUSTORCH_SOAK_LOG", log).spawn().unwrap()
}

/// The processes that a trainer has started, some of them perhaps before their exec.
fn workers(trainer: u32) -> Vec<u32> {
    let threads = read_dir(format!("/proc/{trainer}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| read_to_string(thread.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

impl Soak {
    fn fault(&mut self) {
        self.go_on(Instant::now());
        assert!(self.trainer.try_wait().unwrap().is_none(), "the trainer gave up");
        let workers = workers(self.trainer.id());
        let choice = self.random.next_u32() % 100;
        if choice < 5 {
            self.kill_trainer();
            self.trainer = start(&self.log);
        } else if choice < 10 {
            self.stop(self.trainer.id());
        } else if !workers.is_empty() {
            let worker = workers[self.random.next_u32() as usize % workers.len()];
            if choice < 50 {
                signal(worker, Signal::KILL);
                self.kills += 1;
            } else {
                self.stop(worker);
            }
        }
    }
    fn stop(&mut self, process: u32) {
        signal(process, Signal::STOP);
        self.stopped.insert(process, Instant::now() + Duration::from_millis(20 + self.random.next_u32() as u64 % 280));
        self.stops += 1;
    }
    fn go_on(&mut self, now: Instant) {
        self.stopped.retain(|&process, until| {
            let over = now >= *until;
            if over {
                signal(process, Signal::CONT);
            }
            !over
        });
    }
    /// Its workers must be gone with it. One that was stopped before its exec goes when it is continued.
    fn kill_trainer(&mut self) {
        let workers = workers(self.trainer.id());
        self.trainer.kill().unwrap();
        self.trainer.wait().unwrap();
        self.trainers += 1;
        let begin = Instant::now();
        while workers.iter().any(|&worker| alive(worker)) {
            assert!(begin.elapsed() < Duration::from_secs(5), "workers outlive their trainer: {workers:?}");
            sleep(Duration::from_millis(1));
            self.go_on(Instant::now());
        }
    }
}

/// The waits in the order of the log, whose numbers must be 0, 1, 2 ...
fn waits(log: &Path) -> Vec<Duration> {
    let records = read(log).unwrap();
    let integer = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let wait = |(number, record): (usize, &[u8])| {
        assert_eq!(integer(&record[..8]), number as u64, "a batch is missing or came twice");
        Duration::from_micros(integer(&record[8..]))
    };
    records.chunks_exact(RECORD).enumerate().map(wait).collect()
}

pub fn kills_and_stops_lose_and_repeat_nothing() {
    let faults = number("RUSTORCH_SOAK_FAULTS").unwrap_or(150);
    let seed = number("RUSTORCH_SOAK_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000
    });
    println!("soak: seed {seed}, {faults} faults");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let trainer = start(&log);
    let mut soak = Soak { random: Philox::new(seed), log, trainer, stopped: BTreeMap::new(), kills: 0, trainers: 0, stops: 0 };
    for _ in 0..faults {
        sleep(Duration::from_millis(soak.random.next_u32() as u64 % 60));
        soak.fault();
    }
    soak.go_on(Instant::now() + Duration::from_secs(1));
    // undisturbed, it must go on
    let (begin, before) = (Instant::now(), waits(&soak.log).len());
    while waits(&soak.log).len() < before + 20 {
        assert!(begin.elapsed() < Duration::from_secs(20), "no batch comes after the last fault");
        sleep(Duration::from_millis(5));
    }
    soak.kill_trainer();
    let mut waits = waits(&soak.log);
    waits.sort_unstable();
    let (kills, trainers, stops, batches) = (soak.kills, soak.trainers, soak.stops, waits.len());
    let [median, most, worst] = [batches / 2, batches * 99 / 100, batches - 1].map(|at| waits[at]);
    let long = waits.iter().filter(|wait| **wait > STALL).count();
    println!("soak: seed {seed}: killed {kills} workers and {trainers} trainers, stopped {stops}; {batches} batches");
    println!("soak: waits: median {median:?}, 99 % {most:?}, worst {worst:?}, {long} above {STALL:?}");
    assert!(kills > 0 && stops > 0 && trainers > 0);
}
