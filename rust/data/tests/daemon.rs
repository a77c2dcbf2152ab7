//! A daemon as a process of its own, clients beside it, and what happens when either is killed.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
use rustorch_base::random::Philox;
use rustorch_base::{DType, Result};
use rustorch_data::client::{Batch, Client, Next, Request, status};
use rustorch_data::daemon::frames::{self, Open, Seek, ToClient, ToDaemon};
use rustorch_data::daemon::{Daemon, Service};
use rustorch_data::order::{Plan, PlanFeed, Shuffle};
use rustorch_data::ring::Ring;
use rustorch_data::source::{Field, SampleRandom, Source};
use rustorch_data::sys::{packet, socket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const SAMPLES: u64 = 6400;
const MOMENT: Duration = Duration::from_secs(20);
const ADDRESS: &str = "RUSTORCH_TEST_ADDRESS";
const FINGERPRINT: &str = "RUSTORCH_TEST_FINGERPRINT";

/// Sample `i` is `i` seven times and one number of its own generator; every 64th takes a millisecond.
struct Slow {
    fields: Vec<Field>,
    fingerprint: u64,
}

impl Source for Slow {
    fn len(&self) -> u64 {
        SAMPLES
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
    fn read(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        if index.is_multiple_of(64) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (same, own) = out[0].split_at_mut(56);
        same.chunks_exact_mut(8).for_each(|cell| cell.copy_from_slice(&index.to_ne_bytes()));
        own.copy_from_slice(&random.next_u64().to_ne_bytes());
        Ok(())
    }
}

fn source(fingerprint: u64) -> Slow {
    Slow { fields: vec![Field::new("x", DType::Int64, [8])], fingerprint }
}
fn plan(batch_size: u64) -> Plan {
    Plan { shuffle: Shuffle::Full, seed: 9, ..Plan::new(SAMPLES, batch_size) }
}
fn request(batch_size: u64, epochs: u64) -> Request {
    Request { plan: plan(batch_size), epochs: Some(epochs), state: None, slots: 8 }
}

/// A folder of one test, removed when the test ends.
struct Folder(PathBuf);
impl Folder {
    fn new(name: &str) -> Folder {
        Folder(std::env::temp_dir().join(format!("rustorch-daemon-{}-{name}", std::process::id())))
    }
    fn path(&self) -> PathBuf {
        self.0.join("serve")
    }
    fn address(&self) -> String {
        format!("unix:{}", self.path().display())
    }
}
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that does not outlive its test.
struct Running(Child);
impl Running {
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
    fn terminate(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program again, as the process that one of the ignored tests describes.
fn start(role: &str, path: &Path, fingerprint: u64) -> Running {
    let started = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", role, "--test-threads=1"])
        .env(ADDRESS, path)
        .env(FINGERPRINT, fingerprint.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(started.unwrap())
}
fn start_daemon(path: &Path) -> Running {
    let daemon = start("daemon_process", path, 1);
    until(|| socket::connect(path).is_ok());
    daemon
}
fn address_of_role() -> PathBuf {
    PathBuf::from(std::env::var_os(ADDRESS).unwrap())
}

#[test]
#[ignore = "a process that other tests start"]
fn daemon_process() {
    let fingerprint = std::env::var(FINGERPRINT).unwrap().parse().unwrap();
    let service = Service { source: Arc::new(source(fingerprint)), name: "numbers".into(), readers: 2, plan: plan(32), crew: None };
    Daemon::bind(&address_of_role(), service).unwrap().run().unwrap();
}

#[test]
#[ignore = "a process that other tests start"]
fn trainer_process() {
    let client = Client::connect(address_of_role().to_str().unwrap(), request(32, 1_000_000)).unwrap();
    let mut kept = Vec::new();
    loop {
        let batch = ready(&client);
        if kept.len() < 3 {
            kept.push(batch);
        }
    }
}

fn until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < MOMENT, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}
fn ready(client: &Client) -> Batch {
    match client.next(MOMENT).unwrap() {
        Next::Ready(batch) => batch,
        Next::Waiting => panic!("no batch came"),
        Next::Ended => panic!("the stream ended"),
    }
}
fn values(batch: &Batch) -> &[u64] {
    let buffer = batch.buffers().next().unwrap();
    assert_eq!(buffer.spec.shape, [batch.samples(), 8]);
    // SAFETY: the batch's own bytes, aligned to 64.
    unsafe { std::slice::from_raw_parts(buffer.data.cast(), buffer.bytes / 8) }
}
/// Every byte of the batch is what one process without any deaths would have made.
fn check(batch: &Batch, feed: &PlanFeed) {
    check_as(batch, batch.number(), feed);
}
fn check_as(batch: &Batch, number: u64, feed: &PlanFeed) {
    let task = feed.task(number).unwrap();
    let rustorch_data::feed::Keys::Indices(indices) = &task.keys else { panic!("indices") };
    let expected: Vec<u64> = indices
        .iter()
        .enumerate()
        .flat_map(|(k, index)| {
            let own = task.random.sample(k as u64).next_u64();
            [*index, *index, *index, *index, *index, *index, *index, own]
        })
        .collect();
    assert_eq!(values(batch), expected, "batch {}", batch.number());
}
fn count(process: u32, folder: &str) -> usize {
    std::fs::read_dir(format!("/proc/{process}/{folder}")).unwrap().count()
}

#[test]
fn a_stream_comes_whole_and_its_state_continues_with_another_batch_size() {
    let folder = Folder::new("state");
    let daemon = start_daemon(&folder.path());
    let client = Client::connect(&folder.address(), request(100, 1)).unwrap();
    let (served, fields) = client.served().unwrap();
    assert_eq!((served.len, fields), (SAMPLES, source(1).fields));
    let feed = PlanFeed::new(plan(100), Some(1));
    (0..10).for_each(|_| check(&ready(&client), &feed));
    let state = client.state().unwrap();
    assert_eq!((state.epoch, state.position), (0, 1000));
    let rest: Vec<u64> = (10..64).flat_map(|_| values(&ready(&client)).to_vec()).collect();
    assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
    let again = Client::connect(&folder.address(), Request { state: Some(state), ..request(37, 1) }).unwrap();
    let mut others = Vec::new();
    while let Next::Ready(batch) = again.next(MOMENT).unwrap() {
        others.extend_from_slice(values(&batch));
    }
    assert_eq!(rest, others);
    let report = status(&folder.address()).unwrap();
    assert_eq!((report.process, report.samples, report.clients.len()), (daemon.0.id(), SAMPLES, 2));
    assert_eq!((report.clients[0].batches, report.clients[0].batch_size, report.clients[0].slots), (64, 100, 8));
    let changed = rustorch_data::order::State { fingerprint: 2, ..state };
    let refused = Client::connect(&folder.address(), Request { state: Some(changed), ..request(37, 1) });
    assert!(refused.err().unwrap().message.starts_with("the source has changed"));
    daemon.terminate();
    assert!(!folder.path().exists());
    assert!(Client::connect(&folder.address(), request(1, 1)).err().unwrap().message.contains("no data service answers"));
}

#[test]
fn the_status_says_who_waits_for_whom() {
    let folder = Folder::new("waits");
    let _daemon = start_daemon(&folder.path());
    let figures = |pause: Duration, batches: u64| {
        let client = Client::connect(&folder.address(), request(64, 1000)).unwrap();
        for _ in 0..batches {
            ready(&client);
            std::thread::sleep(pause);
        }
        let report = status(&folder.address()).unwrap().clients.pop().unwrap();
        drop(client);
        until(|| status(&folder.address()).unwrap().clients.is_empty());
        assert!(report.waited_seconds <= report.seconds && report.busy_seconds > 0.0, "{report:?}");
        report.waited_seconds / report.seconds
    };
    // a batch takes two readers half a millisecond
    let (hungry, lazy) = (figures(Duration::ZERO, 300), figures(Duration::from_millis(5), 60));
    assert!(hungry > 0.4 && lazy < 0.3, "{hungry} {lazy}");
}

#[test]
fn a_drained_daemon_leaves_what_is_ready_and_its_successor_goes_on() {
    let folder = Folder::new("drain");
    let daemon = start_daemon(&folder.path());
    let client = Client::connect(&folder.address(), request(32, 10)).unwrap();
    let feed = PlanFeed::new(plan(32), Some(10));
    (0..50).for_each(|_| check(&ready(&client), &feed));
    std::thread::sleep(Duration::from_millis(50));
    let begin = Instant::now();
    daemon.terminate();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let mut used_up = 0;
    while let Next::Ready(batch) = client.next(Duration::from_millis(100)).unwrap() {
        check(&batch, &feed);
        used_up += 1;
    }
    assert_eq!(used_up, 8, "the ring was full");
    let successor = start_daemon(&folder.path());
    (58..2000).for_each(|_| check(&ready(&client), &feed));
    assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
    assert_eq!(client.reconnects(), 1);
    successor.kill();
}

#[test]
fn another_source_cannot_continue_a_stream() {
    let folder = Folder::new("another");
    let daemon = start_daemon(&folder.path());
    let client = Client::connect(&folder.address(), request(32, 10)).unwrap();
    ready(&client);
    daemon.kill();
    let other = start("daemon_process", &folder.path(), 2);
    let begin = Instant::now();
    let error = loop {
        match client.next(Duration::from_millis(20)) {
            Err(error) => break error,
            Ok(_) => assert!(begin.elapsed() < MOMENT),
        }
    };
    assert!(error.message.starts_with("the source has changed"), "{error}");
    other.kill();
}

/// The daemon is killed at random moments while two clients stream. Each sees every batch once, with equal bytes, and
/// batches that it keeps do not change.
#[test]
fn clients_outlive_daemons_that_are_killed() {
    let folder = Folder::new("kill");
    let path = folder.path();
    let descriptors = count(std::process::id(), "fd");
    let seed = std::env::var("RUSTORCH_TEST_SEED").map_or(1, |text| text.parse().unwrap());
    let mut daemon = start_daemon(&path);
    let (mut kills, mut longest) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        let connected = |batch_size: u64, epochs: u64| Client::connect(&folder.address(), request(batch_size, epochs)).unwrap();
        let stream = |client: &Client, batch_size: u64, epochs: u64| {
            let feed = PlanFeed::new(plan(batch_size), Some(epochs));
            let (mut kept, mut slowest) = (std::collections::VecDeque::new(), Duration::ZERO);
            for number in 0..plan(batch_size).batches_per_epoch() * epochs {
                let begin = Instant::now();
                let batch = ready(client);
                slowest = slowest.max(begin.elapsed());
                assert_eq!(batch.number(), number);
                check(&batch, &feed);
                kept.push_back(batch);
                if kept.len() > 4 {
                    check(&kept.pop_front().unwrap(), &feed);
                }
            }
            assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
            (client.reconnects(), slowest)
        };
        // before the first kill: whoever finds nobody at first is told so
        let (one, other) = (connected(32, 30), connected(50, 40));
        let clients = [scope.spawn(move || stream(&one, 32, 30)), scope.spawn(move || stream(&other, 50, 40))];
        let mut random = Philox::new(seed);
        while !clients.iter().all(|client| client.is_finished()) {
            std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 60_000)));
            daemon.0.kill().unwrap();
            daemon.0.wait().unwrap();
            kills += 1;
            std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 10_000)));
            daemon = start("daemon_process", &path, 1);
            until(|| socket::connect(&path).is_ok());
        }
        for client in clients {
            let (reconnects, slowest) = client.join().unwrap();
            assert!(reconnects > 5, "seed {seed}: {reconnects}");
            longest = longest.max(slowest);
        }
    });
    println!("\nsoak: seed {seed}: {kills} native services killed, longest wait for a batch {longest:?}");
    daemon.kill();
    // other tests of this program run beside this one and have a few descriptors of their own
    assert!(count(std::process::id(), "fd") <= descriptors + 20);
}

/// Goes to another place and checks `batches` batches from there; some are kept over the next seek.
fn seek_and_check(client: &Client, random: &mut Philox, batches: u64, kept: &mut Vec<(Batch, Vec<u64>)>) -> Duration {
    let mut below = |n: u64| u64::from(random.next_u32()) % n;
    let there = Plan { epoch: below(4), position: below(SAMPLES), ..plan(32) };
    let feed = PlanFeed::new(there.clone(), Some(10));
    let begin = Instant::now();
    client.seek(there).unwrap();
    let mut first = Duration::ZERO;
    for number in 0..batches {
        let batch = ready(client);
        first = if number == 0 { begin.elapsed() } else { first };
        check_as(&batch, number, &feed);
        if below(8) == 0 {
            let content = values(&batch).to_vec();
            kept.push((batch, content));
        }
    }
    for (batch, content) in kept.drain(..kept.len().saturating_sub(3)) {
        assert_eq!(values(&batch), content, "a batch that was kept changed");
    }
    first
}

#[test]
fn a_client_goes_on_elsewhere_over_the_same_connection() {
    let folder = Folder::new("seek");
    let daemon = start_daemon(&folder.path());
    let client = Client::connect(&folder.address(), request(32, 10)).unwrap();
    let (mut random, mut kept) = (Philox::new(3), Vec::new());
    // a connection that only asked for the welcome may still have its thread
    let tasks = || (0..5).map(|_| (std::thread::sleep(Duration::from_millis(20)), count(daemon.0.id(), "task")).1).min().unwrap();
    let before = (ready(&client), tasks()).1;
    let mut waits: Vec<Duration> = (0..100).map(|round| seek_and_check(&client, &mut random, round % 20, &mut kept)).collect();
    waits.sort_unstable();
    println!("first batch after a seek: median {:?}, worst {:?} of {}", waits[50], waits[99], waits.len());
    assert_eq!((client.reconnects(), tasks()), (0, before), "connection and threads stay");
    // to the end, and on from there
    let last = Plan { epoch: 5, position: SAMPLES - 40, ..plan(32) };
    client.seek(last.clone()).unwrap();
    let state = client.state().unwrap();
    assert_eq!((state.epoch, state.position), (5, SAMPLES - 40));
    let left = PlanFeed::new(last, Some(10));
    (0..1802).for_each(|number| check_as(&ready(&client), number, &left));
    assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
    seek_and_check(&client, &mut random, 20, &mut kept);
    assert!(client.seek(plan(33)).unwrap_err().message.contains("keeps its source and its batch size"));
    let beyond = Plan { position: SAMPLES + 1, ..plan(32) };
    assert!(client.seek(beyond).is_err());
    assert_eq!(ready(&client).samples(), 32);
    drop((client, kept));
    daemon.kill();
}

/// The same while daemons are killed: before they hear of a seek, in the middle of it, and afterwards.
#[test]
fn a_seek_outlives_daemons_that_are_killed() {
    let folder = Folder::new("seekkill");
    let path = folder.path();
    let seed = std::env::var("RUSTORCH_TEST_SEED").map_or(1, |text| text.parse().unwrap());
    let mut daemon = start_daemon(&path);
    let client = Client::connect(&folder.address(), request(32, 10)).unwrap();
    let (over, seeks) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    let mut kills = 0;
    std::thread::scope(|scope| {
        let seeking = scope.spawn(|| {
            let (mut random, mut kept) = (Philox::new(seed), Vec::new());
            while !over.load(Relaxed) {
                let batches = u64::from(random.next_u32() % 12);
                seek_and_check(&client, &mut random, batches, &mut kept);
                seeks.fetch_add(1, Relaxed);
            }
        });
        let mut random = Philox::new(seed + 1);
        let begin = Instant::now();
        while (kills < 15 || seeks.load(Relaxed) < 100) && begin.elapsed() < MOMENT && !seeking.is_finished() {
            std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 60_000)));
            daemon.0.kill().unwrap();
            daemon.0.wait().unwrap();
            kills += 1;
            daemon = start("daemon_process", &path, 1);
            until(|| socket::connect(&path).is_ok());
        }
        over.store(true, Relaxed);
        seeking.join().unwrap();
    });
    println!("seed {seed}: {kills} daemons killed, {} seeks, {} reconnections", seeks.load(Relaxed), client.reconnects());
    assert!(kills >= 15 && client.reconnects() >= 5 && seeks.load(Relaxed) >= 100);
    drop(client);
    daemon.kill();
}

#[test]
fn a_killed_trainer_leaves_nothing_in_the_daemon() {
    let folder = Folder::new("trainer");
    let daemon = start_daemon(&folder.path());
    status(&folder.address()).unwrap();
    let counts = || (count(daemon.0.id(), "fd"), count(daemon.0.id(), "task"));
    std::thread::sleep(Duration::from_millis(300));
    let before = counts();
    for round in 0..5 {
        let trainer = start("trainer_process", &folder.path(), 1);
        until(|| status(&folder.address()).unwrap().clients.iter().any(|client| client.batches > 20 + round));
        trainer.kill();
        until(|| counts() == before);
    }
    assert!(status(&folder.address()).unwrap().clients.is_empty());
    daemon.kill();
}

/// Frames of a peer that means harm, or is of another version: each is refused or ends its own connection.
#[test]
fn nonsense_is_refused_and_harms_nobody() {
    let folder = Folder::new("nonsense");
    let mut daemon = start_daemon(&folder.path());
    let path = folder.path();
    let client = Client::connect(&folder.address(), request(32, 1)).unwrap();
    let good = Open { plan: plan(32), epochs: None, number: 0, first: 0, fingerprint: 1 };
    let ask = |open: Open, ring: Option<&Ring>| {
        let socket = socket::connect(&path).unwrap();
        frames::send(&socket, &ToDaemon::Open(open), ring.map(Ring::descriptor)).unwrap();
        frames::receive::<ToClient>(&socket).unwrap().0.answer().err().map(|error| error.message)
    };
    let ring = Ring::create(4, 32 * 64 + 4096).unwrap();
    assert_eq!(ask(good.clone(), Some(&ring)), None);
    assert!(ask(good.clone(), None).unwrap().contains("without a ring"));
    assert!(ask(Open { fingerprint: 2, ..good.clone() }, Some(&ring)).unwrap().contains("has changed"));
    assert!(ask(Open { plan: plan(1000), ..good.clone() }, Some(&ring)).unwrap().contains("a batch needs"));
    assert!(ask(Open { plan: plan(0), ..good.clone() }, Some(&ring)).unwrap().contains("batch_size"));
    assert!(ask(Open { plan: plan(u64::MAX), ..good.clone() }, Some(&ring)).is_some());
    assert!(ask(Open { first: u64::MAX, ..good.clone() }, Some(&ring)).is_none_or(|text| !text.is_empty()));
    // seeks that make no sense end their own connection
    let seek = |seek: Seek| {
        let socket = socket::connect(&path).unwrap();
        frames::send(&socket, &ToDaemon::Open(good.clone()), Some(ring.descriptor())).unwrap();
        frames::receive::<ToClient>(&socket).unwrap().0.answer().unwrap();
        frames::send(&socket, &ToDaemon::Seek(seek), None).unwrap();
        frames::receive::<ToClient>(&socket).unwrap().0.answer().unwrap_err().message
    };
    assert!(seek(Seek { plan: plan(32), number: 0 }).contains("numbers of a stream rise"));
    assert!(seek(Seek { plan: plan(32), number: u64::MAX }).contains("numbers of a stream rise"));
    assert!(seek(Seek { plan: plan(33), number: 1 << 32 }).contains("keeps its source"));
    assert!(seek(Seek { plan: Plan { position: SAMPLES + 1, ..plan(32) }, number: 1 << 32 }).contains("lies beyond"));
    let mut random = Philox::new(4);
    let frame = rustorch_data::frame::encode(&ToDaemon::Open(good)).unwrap();
    for _ in 0..300 {
        let mut bytes = frame.clone();
        for _ in 0..=random.next_u32() % 4 {
            let at = random.next_u32() as usize % bytes.len();
            bytes[at] = random.next_u32() as u8;
        }
        bytes.truncate(1 + random.next_u32() as usize % bytes.len());
        let socket = socket::connect(&path).unwrap();
        packet::send(&socket, &bytes, Some(ring.descriptor())).unwrap();
        let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Write);
    }
    let feed = PlanFeed::new(plan(32), Some(1));
    (0..200).for_each(|_| check(&ready(&client), &feed));
    drop(client);
    until(|| status(&folder.address()).unwrap().clients.is_empty());
    assert!(daemon.0.try_wait().unwrap().is_none());
    daemon.kill();
}
