//! Kills and stops of workers and trainers at random moments: every batch must still come once, in order, with the bytes
//! of undisturbed work, and nothing may outlive its trainer. `RUSTORCH_SOAK_FAULTS` and `RUSTORCH_SOAK_SEED` make it longer
//! and repeat it.
use crate::cases::{alive, plan, signal};
use crate::stalls::{Control, Log, Span, Waits, now};
use crate::trainer::{SAMPLES, Trainer};
use crate::worker::Plan;
use rustix::process::Signal;
use rustorch_base::random::Philox;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::Options;
use std::collections::BTreeMap;
use std::fs::{read, read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Besides making the batch again, a fault may cost the trainer so much.
const STALL: Duration = Duration::from_millis(300);
/// What a batch costs: 16 samples, so that most faults hit one under way.
const SAMPLE: Duration = Duration::from_micros(300);
const BATCH: Duration = SAMPLE.saturating_mul(SAMPLES as u32);
const LOG: &str = "RUSTORCH_SOAK_LOG";

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// The trainer that the soak disturbs: it logs each batch that has the right bytes, and goes on where the log ends.
pub fn trainer() {
    let path = PathBuf::from(std::env::var_os(LOG).unwrap());
    let mut log = Log::open(&path);
    let first = Waits::read(&path).batches() as u64;
    let control = Control::start();
    let plan = Plan { sample_us: SAMPLE.as_micros() as u64, widening: 4, ..plan() };
    let mut trainer = Trainer::start(&plan, first, u64::MAX, None, Options::default());
    for batch in first.. {
        let begin = now();
        assert_eq!(trainer.next().unwrap(), Kind::Data);
        log.batch(batch, batch == first, Span { begin, end: now() }, &control);
    }
}

/// Faults to come.
struct Left {
    kills: u32,
    stops: u32,
}

struct Soak {
    random: Philox,
    log: PathBuf,
    trainer: Child,
    /// Stopped processes, and until when.
    stopped: BTreeMap<u32, Instant>,
    /// When something was done to a worker.
    faults: Vec<Duration>,
    counts: Counts,
}

#[derive(Default, Debug)]
struct Counts {
    workers_killed: u32,
    workers_stopped: u32,
    trainers_killed: u32,
    trainers_stopped: u32,
}

fn start(log: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("RUSTORCH_TEST_ROLE", "soak").env(LOG, log).spawn().unwrap()
}

/// The processes that a trainer has started, its fork server with them, some perhaps before their exec.
pub fn workers(trainer: u32) -> Vec<u32> {
    let threads = read_dir(format!("/proc/{trainer}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| read_to_string(thread.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Living processes of the soak that writes this log.
fn processes(log: &Path) -> Vec<u32> {
    let ids = read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let setting = format!("{LOG}={}", log.display()).into_bytes();
    let is_ours = |id: &u32| {
        let environment = read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|found| found == setting)
    };
    ids.filter(is_ours).filter(|id| alive(*id)).collect()
}

impl Soak {
    fn below(&mut self, limit: u32) -> u32 {
        self.random.next_u32() % limit
    }
    /// A fault in a while, of which `left` are yet to come. How many numbers it draws does not depend on what happens, so that a
    /// seed repeats the choice.
    fn fault(&mut self, left: &mut Left) {
        // faults come apart or close together
        let most = if self.below(3) == 0 { 20 } else { 160 };
        let pause = Duration::from_millis(self.below(most).into());
        let is_kill = self.below(left.kills + left.stops) < left.kills;
        let (of_trainer, which, length) = (self.below(100) < 12, self.below(1000), Duration::from_millis(20 + u64::from(self.below(280))));
        sleep(pause);
        self.go_on(Instant::now());
        assert!(self.trainer.try_wait().unwrap().is_none(), "the trainer gave up");
        let process = if of_trainer { self.trainer.id() } else { self.worker(which as usize) };
        match (is_kill, of_trainer) {
            (true, true) => {
                self.kill_trainer();
                self.trainer = start(&self.log);
            }
            (true, false) => signal(process, Signal::KILL),
            (false, _) => {
                signal(process, Signal::STOP);
                self.stopped.insert(process, Instant::now() + length);
            }
        }
        if !of_trainer {
            self.faults.push(now());
        }
        let kind = if is_kill { &mut left.kills } else { &mut left.stops };
        *kind -= 1;
        let Counts { workers_killed, workers_stopped, trainers_killed, trainers_stopped } = &mut self.counts;
        *match (is_kill, of_trainer) {
            (true, true) => trainers_killed,
            (true, false) => workers_killed,
            (false, true) => trainers_stopped,
            (false, false) => workers_stopped,
        } += 1;
    }
    /// Some process that the trainer has started.
    fn worker(&mut self, which: usize) -> u32 {
        let begin = Instant::now();
        loop {
            let workers = workers(self.trainer.id());
            if !workers.is_empty() {
                return workers[which % workers.len()];
            }
            assert!(begin.elapsed() < Duration::from_secs(5), "the trainer starts no workers");
            sleep(Duration::from_millis(1));
            self.go_on(Instant::now());
        }
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
    /// Its workers must be gone with it. One that was stopped before it could bind itself to its trainer goes when it is
    /// continued.
    fn kill_trainer(&mut self) {
        self.trainer.kill().unwrap();
        self.trainer.wait().unwrap();
        let begin = Instant::now();
        while !processes(&self.log).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(5), "workers outlive their trainer: {:?}", processes(&self.log));
            sleep(Duration::from_millis(1));
            self.go_on(Instant::now());
        }
    }
}

fn summary(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let [median, most, worst] = [times.len() / 2, times.len() * 99 / 100, times.len() - 1].map(|at| times[at]);
    println!("soak: {what}: median {median:.1?}, 99 % {most:.1?}, worst {worst:.1?} of {}", times.len());
    worst
}

pub fn kills_and_stops_lose_and_repeat_nothing() {
    let faults = number("RUSTORCH_SOAK_FAULTS").unwrap_or(80u32);
    let seed = number("RUSTORCH_SOAK_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000
    });
    println!("soak: seed {seed}, {faults} faults");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let trainer = start(&log);
    let (stopped, counts) = (BTreeMap::new(), Counts::default());
    let mut soak = Soak { random: Philox::new(seed), log, trainer, stopped, faults: Vec::new(), counts };
    let mut left = Left { kills: faults / 2, stops: faults - faults / 2 };
    while left.kills + left.stops > 0 {
        soak.fault(&mut left);
    }
    soak.go_on(Instant::now() + Duration::from_secs(1));
    // undisturbed, it must go on
    let (begin, before) = (Instant::now(), Waits::read(&soak.log).batches());
    while Waits::read(&soak.log).batches() < before + 20 {
        assert!(begin.elapsed() < Duration::from_secs(20), "no batch comes after the last fault");
        sleep(Duration::from_millis(5));
    }
    soak.kill_trainer();
    let waits = Waits::read(&soak.log);
    println!("soak: seed {seed}: {} batches, each once and with the right bytes; {:?}", waits.batches(), soak.counts);
    summary("first batch of a trainer", waits.starts.iter().map(|start| start.length()).collect());
    summary("whole wait for a batch", waits.waits.iter().map(|wait| wait.length()).collect());
    let stalls = waits.stalls(&soak.faults).into_iter().map(|stall| stall.saturating_sub(BATCH)).collect();
    let worst = summary("stall after a fault, without what the batch costs", stalls);
    assert!(worst <= STALL, "seed {seed}: a trainer waited {worst:?} for the service");
    let Counts { workers_killed, workers_stopped, trainers_killed, trainers_stopped } = soak.counts;
    assert!([workers_killed, workers_stopped, trainers_killed, trainers_stopped].iter().all(|count| *count > 0));
}
