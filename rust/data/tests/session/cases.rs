//! One thing each.
use crate::soak::workers as children_of;
use crate::trainer::{Trainer, job, launch, order};
use crate::worker::{Plan, SLOW_START};
use rustix::process::{Pid, Signal, kill_process};
use rustorch_base::ErrorKind;
use rustorch_data::client::{Client, Next};
use rustorch_data::feed::{Keys, QueueFeed};
use rustorch_data::ring::rings::Rings;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::{Launch, OnDeath, Options, Session, Standby};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn plan() -> Plan {
    Plan { width: 64, sample_us: 20, widening: 1, ..Plan::default() }
}
pub fn signal(process: u32, signal: Signal) {
    // one that has died meanwhile needs no signal
    let _ = Pid::from_raw(process as i32).map(|process| kill_process(process, signal));
}
pub fn alive(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}
fn children() -> Vec<u32> {
    children_of(std::process::id())
}
fn is_stopped(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") T"))
}
/// The sample at place 5 of batch `number`.
fn sample_of(number: u64) -> u64 {
    let Keys::Indices(indices) = order(number, None).keys else { panic!() };
    indices[5]
}

pub fn batches_arrive_once_in_order_in_rings_that_grow() {
    let mut trainer = Trainer::start(&Plan { widening: 9, ..plan() }, 0, 300, None, Options::default());
    for _ in 0..300 {
        assert_eq!(trainer.next().unwrap(), Kind::Data);
    }
    let status = trainer.session().status();
    assert_eq!((status.processes.len(), status.restarts), (2, 0));
    assert!(status.batches >= 300, "{status:?}");
}

/// The first batch of each trainer needs a larger ring, while the client sleeps on the first one's bell.
pub fn a_client_hears_of_a_larger_ring() {
    let plan = Plan { widening: 9, sample_us: 2000, ..plan() };
    for _ in 0..4 {
        let mut trainer = Trainer::start(&plan, 3, 4, None, Options::default());
        let begin = Instant::now();
        assert_eq!(trainer.next().unwrap(), Kind::Data);
        assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    }
}

pub fn batches_come_as_tasks_are_pushed() {
    let feed = QueueFeed::new();
    let client = Client::with_workers(launch(), feed.clone(), 4, 65_536, Options::default()).unwrap();
    client.session().unwrap().set_job(job(&plan()));
    for number in 0..6 {
        // the session sleeps until it is called
        std::thread::sleep(Duration::from_millis(30));
        let task = order(number, None);
        assert_eq!(feed.push(task.random, task.keys), number);
        let Next::Ready(batch) = client.next(Duration::from_secs(20)).unwrap() else { panic!("no batch came") };
        assert_eq!((batch.number(), batch.kind(), batch.samples()), (number, Kind::Data, 16));
    }
    assert!(matches!(client.next(Duration::from_millis(1)).unwrap(), Next::Waiting));
    // six batches of 16 samples, of which each takes 20 microseconds
    let busy = client.figures().work.busy;
    assert!(busy >= Duration::from_micros(6 * 16 * 20), "{busy:?}");
    feed.close();
    assert!(matches!(client.next(Duration::from_secs(20)).unwrap(), Next::Ended));
}

pub fn errors_come_in_their_batchs_place() {
    let mut trainer = Trainer::start(&Plan { broken: Some(sample_of(11)), ..plan() }, 0, 20, None, Options::default());
    for number in 0..20 {
        match trainer.next() {
            Ok(kind) => assert!(kind == Kind::Data && number != 11),
            Err(error) => {
                let text = format!("sample {} is broken", sample_of(11));
                assert_eq!((number, error.kind, error.message), (11, ErrorKind::Index, text));
            }
        }
    }
}

pub fn a_deadly_sample_is_named_with_the_last_words() {
    let deadly = sample_of(8);
    let mut trainer = Trainer::start(&Plan { deadly: Some(deadly), ..plan() }, 0, 20, None, Options::default());
    for number in 0..20 {
        match trainer.next() {
            Ok(kind) => assert!(kind == Kind::Data && number != 8),
            Err(error) => {
                let text = format!("epoch 1, batch 8: 3 DataLoader workers died of sample {deadly} (the last with exit status 7)");
                assert_eq!((number, error.message), (8, format!("{text}. Its last words:\nsample {deadly} is too much")));
            }
        }
    }
    assert_eq!(trainer.session().status().restarts, 3);
}

pub fn a_deadly_sample_can_be_skipped() {
    let options = Options { on_death: OnDeath::Skip, ..Options::default() };
    let mut trainer = Trainer::start(&Plan { deadly: Some(sample_of(8)), ..plan() }, 0, 20, None, options);
    for number in 0..20 {
        assert_eq!(trainer.next().unwrap(), if number == 8 { Kind::End } else { Kind::Data });
    }
    let skipped = trainer.session().take_skipped();
    assert_eq!((skipped.len(), skipped[0].number, skipped[0].epoch), (1, 8, 1));
    assert!(skipped[0].reason.contains("is too much"), "{skipped:?}");
}

pub fn workers_that_never_work_end_the_session() {
    let mut trainer = Trainer::start(&Plan { stillborn: true, ..plan() }, 0, 20, None, Options::default());
    let error = trainer.next().unwrap_err();
    assert!(error.message.contains("died before they had made a batch (the last with exit status 3)"), "{error}");
    assert!(error.message.ends_with("this worker has no legs"), "{error}");
}

pub fn a_program_that_is_not_there_is_named() {
    let rings = Arc::new(Rings::create(4, 4096).unwrap());
    let launch = Launch { program: "/nowhere/python".into(), ..Launch::default() };
    let session = Session::start(launch, rings, QueueFeed::new(), Options::default()).unwrap();
    let begin = Instant::now();
    while session.failure().is_none() && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = session.failure().unwrap();
    assert!(error.kind == ErrorKind::Os && error.message.contains("/nowhere/python"), "{error}");
}

pub fn streams_are_replayed_after_a_kill() {
    let plan = Plan { stream: 30, sample_us: 200, ..plan() };
    let mut trainer = Trainer::start(&plan, 0, 64, Some(2), Options::default());
    for number in 0..64 {
        if number % 9 == 4 {
            signal(trainer.session().status().processes[number as usize / 9 % 2], Signal::KILL);
        }
        assert_eq!(trainer.next().unwrap(), if number < 60 { Kind::Data } else { Kind::End });
    }
    assert!(trainer.session().status().restarts >= 5);
}

/// Starting a worker takes so long: as an interpreter does on a busy machine.
fn slow_launch(slow: Duration) -> Launch {
    let mut launch = launch();
    launch.environment.push((SLOW_START.into(), slow.as_millis().to_string().into()));
    launch
}

/// What stands by when a service can be reached works at once; what died or was stopped meanwhile is replaced.
pub fn a_service_starts_its_workers_before_its_first_client_comes() {
    let slow = Duration::from_millis(400);
    let begin = Instant::now();
    let standby = Arc::new(Standby::start(slow_launch(slow), 4).unwrap());
    let processes = children();
    assert!(begin.elapsed() >= slow && processes.len() == 4, "{processes:?}");
    signal(processes[3], Signal::STOP);
    signal(processes[2], Signal::KILL);
    while alive(processes[2]) || !is_stopped(processes[3]) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let rings = Arc::new(Rings::create(8, 65_536).unwrap());
    let begin = Instant::now();
    let session = Session::start_with(Some(standby.clone()), slow_launch(slow), rings, QueueFeed::new(), Options::default()).unwrap();
    while session.status().processes.len() < 2 {
        assert!(begin.elapsed() < slow / 2, "{:?}", session.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut workers = session.status().processes;
    workers.sort_unstable();
    assert_eq!(workers, processes[..2]);
    drop(session);
    drop(standby);
    assert!(children().is_empty());
}

/// Whoever met a death once, meets the next two at once without waiting for a start.
pub fn after_a_death_spares_are_kept() {
    let slow = Duration::from_millis(400);
    let launch = slow_launch(slow);
    let mut trainer = Trainer::with(launch, &plan(), 0, u64::MAX, None, Options::default());
    let workers = |trainer: &Trainer| trainer.session().status().processes;
    let mut wait = || {
        let begin = Instant::now();
        trainer.next().unwrap();
        (begin.elapsed(), workers(&trainer), children())
    };
    let (_, first, all) = wait();
    assert_eq!((first.len(), all.len()), (2, 2), "without trouble there is no spare");
    signal(first[0], Signal::KILL);
    // the successor starts, and then one spare after the other
    let begin = Instant::now();
    while begin.elapsed() < slow * 7 / 2 {
        assert!(wait().0 < slow / 2, "the other worker goes on");
    }
    let (_, pair, all) = wait();
    assert_eq!((pair.len(), all.len()), (2, 4));
    pair.iter().for_each(|&worker| signal(worker, Signal::KILL));
    let longest = (0..20).map(|_| wait().0).max().unwrap();
    assert!(longest < slow / 2, "{longest:?}");
    assert!(all.iter().filter(|process| !pair.contains(process)).all(|spare| workers(&trainer).contains(spare)));
}

pub fn nothing_is_left_behind() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut before = 0;
    for round in 0..6 {
        let mut trainer = Trainer::start(&Plan { widening: 3, ..plan() }, 0, 1000, None, Options::default());
        for _ in 0..20 {
            trainer.next().unwrap();
        }
        let processes = trainer.session().status().processes;
        if round % 2 == 1 {
            signal(processes[0], Signal::STOP);
        }
        let begin = Instant::now();
        drop(trainer);
        assert!(begin.elapsed() < Duration::from_millis(300), "the session took {:?} to end", begin.elapsed());
        assert!(processes.iter().all(|&process| !alive(process)));
        if round == 0 {
            before = descriptors();
        }
    }
    assert_eq!(descriptors(), before);
    assert!(std::fs::read_to_string("/proc/self/task/self/children").unwrap_or_default().is_empty());
}

/// Starts a session, says who its workers are, and trains until it is killed.
pub fn trainer_to_be_killed() {
    let mut trainer = Trainer::start(&Plan { sample_us: 1000, ..plan() }, 0, u64::MAX, None, Options::default());
    trainer.next().unwrap();
    println!("{:?}", trainer.session().status().processes);
    while trainer.next().is_ok() {}
}

pub fn workers_die_with_their_trainer() {
    for stopped in [false, true] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut trainer = command.env("RUSTORCH_TEST_ROLE", "trainer").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(trainer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let workers: Vec<u32> = line.trim().trim_matches(['[', ']']).split(", ").map(|id| id.parse().unwrap()).collect();
        assert!(workers.len() == 2 && workers.iter().all(|&worker| alive(worker)));
        if stopped {
            signal(workers[1], Signal::STOP);
        }
        trainer.kill().unwrap();
        trainer.wait().unwrap();
        let begin = Instant::now();
        while workers.iter().any(|&worker| alive(worker)) {
            assert!(begin.elapsed() < Duration::from_secs(2), "workers {workers:?} outlive their trainer");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
