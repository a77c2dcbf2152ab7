//! One thing each.
use crate::soak::workers as children_of;
use crate::trainer::{Trainer, job, launch, order};
use crate::worker::{Plan, SLOW_START, STILLBORN, THREAD};
use rustix::process::{Pid, Signal, kill_process};
use rustorch_base::{Error, ErrorKind};
use rustorch_data::client::{Client, Next};
use rustorch_data::feed::{Keys, QueueFeed};
use rustorch_data::ring::rings::Rings;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::{Launch, OnDeath, Options, Session, Starter};
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
    // a batch is in the ring before its worker tells the session of it
    let begin = Instant::now();
    while trainer.session().status().batches < 300 {
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", trainer.session().status());
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = trainer.session().status();
    assert_eq!((status.processes.len(), status.restarts, status.batches), (2, 0, 300));
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
    let client = Client::with_workers(Starter::shared(launch()).unwrap(), feed.clone(), 4, 65_536, Options::default()).unwrap();
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

/// Why a session of this program fails.
fn failure_of(launch: Launch) -> Error {
    let rings = Arc::new(Rings::create(4, 4096).unwrap());
    let session = Session::start(Starter::shared(launch).unwrap(), rings, QueueFeed::new(), Options::default()).unwrap();
    let begin = Instant::now();
    while session.failure().is_none() && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
    session.failure().unwrap()
}

pub fn a_program_that_is_not_there_is_named() {
    let error = failure_of(Launch { program: "/nowhere/python".into(), ..Launch::default() });
    assert!(error.kind == ErrorKind::Os && error.message.contains("/nowhere/python"), "{error}");
}

pub fn a_program_that_ends_while_it_loads_is_named_with_its_last_words() {
    let error = failure_of(launch_with(STILLBORN, "yes"));
    assert!(
        error.message.contains("cannot be started") && error.message.contains("it ended with exit status 5, 3 times in a row"),
        "{error}"
    );
    assert!(error.message.ends_with("this program has no legs"), "{error}");
    assert!(children().is_empty());
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

fn launch_with(name: &str, value: &str) -> Launch {
    let mut launch = launch();
    launch.environment.push((name.into(), value.into()));
    launch
}
/// Loading the program takes so long: as an interpreter does on a busy machine.
const SLOW: Duration = Duration::from_secs(1);
fn slow_launch() -> Launch {
    launch_with(SLOW_START, &SLOW.as_millis().to_string())
}
/// Another program than [`launch`]'s.
fn quick_launch() -> Launch {
    launch_with(SLOW_START, "0")
}
fn parent(process: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}
/// The fork server and its double, the older first.
fn fork_servers(trainer: &Trainer) -> [u32; 2] {
    let begin = Instant::now();
    loop {
        let workers = trainer.session().status().processes;
        let mut others: Vec<u32> = children().into_iter().filter(|child| !workers.contains(child) && alive(*child)).collect();
        if others.len() == 2 && workers.len() == 2 {
            // numbers grow, and seldom begin again
            others.sort_unstable();
            return others.try_into().unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{others:?} beside {workers:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
/// The longest of so many waits.
fn longest_wait(trainer: &mut Trainer, batches: usize) -> Duration {
    let wait = |_| {
        let begin = Instant::now();
        trainer.next().unwrap();
        begin.elapsed()
    };
    (0..batches).map(wait).max().unwrap()
}

/// The program is loaded once; then workers come in no time, for each session, and they are children of this process.
pub fn a_program_is_loaded_once_for_all_sessions() {
    let begin = Instant::now();
    let starter = Starter::shared(slow_launch()).unwrap();
    starter.wait(Duration::from_secs(20));
    assert!(begin.elapsed() >= SLOW && children().len() == 2);
    for _ in 0..3 {
        let begin = Instant::now();
        let mut trainer = Trainer::with(slow_launch(), &plan(), 0, 20, None, Options::default());
        trainer.next().unwrap();
        assert!(begin.elapsed() < SLOW / 2, "{:?}", begin.elapsed());
        let workers = trainer.session().status().processes;
        assert!(workers.len() == 2 && workers.iter().all(|&worker| parent(worker) == std::process::id()), "{workers:?}");
        assert_eq!(children().len(), 4);
    }
    drop(starter);
    assert!(children().is_empty());
}

/// Another folder, another environment: another program is started.
pub fn workers_begin_where_their_trainer_is() {
    let here = Starter::shared(launch()).unwrap();
    assert!(Arc::ptr_eq(&here, &Starter::shared(launch()).unwrap()));
    assert!(!Arc::ptr_eq(&here, &Starter::shared(slow_launch()).unwrap()));
    let (folder, elsewhere) = (std::env::current_dir().unwrap(), tempfile::tempdir().unwrap());
    std::env::set_current_dir(elsewhere.path()).unwrap();
    assert!(!Arc::ptr_eq(&here, &Starter::shared(launch()).unwrap()));
    std::env::set_current_dir(folder).unwrap();
    assert!(Arc::ptr_eq(&here, &Starter::shared(launch()).unwrap()));
}

/// No death of a worker, nor several at once, waits for a program to load.
pub fn deaths_of_workers_cost_a_fork() {
    let mut trainer = Trainer::with(slow_launch(), &plan(), 0, u64::MAX, None, Options::default());
    trainer.next().unwrap();
    for round in 0..10 {
        trainer.session().status().processes.iter().for_each(|&worker| signal(worker, Signal::KILL));
        let longest = longest_wait(&mut trainer, 20);
        assert!(longest < SLOW / 2, "round {round}: {longest:?}");
    }
    assert_eq!(trainer.session().status().restarts, 20);
}

/// Neither its death nor its stop costs anything, even with all workers' deaths: its double goes on, and doubles itself.
pub fn the_fork_server_has_a_double() {
    let mut trainer = Trainer::with(slow_launch(), &plan(), 0, u64::MAX, None, Options::default());
    trainer.next().unwrap();
    for round in 0..9 {
        let [server, double] = fork_servers(&trainer);
        let workers = trainer.session().status().processes;
        match round % 3 {
            0 => signal(server, Signal::KILL),
            1 => signal(server, Signal::STOP),
            _ => signal(double, Signal::KILL),
        }
        workers.iter().for_each(|&worker| signal(worker, Signal::KILL));
        let longest = longest_wait(&mut trainer, 20);
        assert!(longest < SLOW / 2, "round {round}: {longest:?}");
    }
    let workers = trainer.session().status().processes;
    fork_servers(&trainer).iter().for_each(|&server| signal(server, Signal::KILL));
    std::thread::sleep(SLOW / 4);
    longest_wait(&mut trainer, 20);
    assert_eq!(trainer.session().status().processes, workers, "the workers outlive them");
    workers.iter().for_each(|&worker| signal(worker, Signal::KILL));
    let longest = longest_wait(&mut trainer, 20);
    assert!(longest < SLOW * 2, "{longest:?}");
    drop(trainer);
    assert!(children().is_empty());
}

/// Workers that were asked for and not yet forked, or forked and not yet told of, end with it.
pub fn a_session_that_ends_at_once_leaves_nothing() {
    let starter = Starter::shared(launch()).unwrap();
    for round in 0..60 {
        let rings = Arc::new(Rings::create(4, 4096).unwrap());
        let session = Session::start(starter.clone(), rings, QueueFeed::new(), Options::default()).unwrap();
        std::thread::sleep(Duration::from_micros(round * 50));
        drop(session);
    }
    for round in 0..60 {
        let rings = Arc::new(Rings::create(4, 4096).unwrap());
        let session = Session::start(Starter::shared(quick_launch()).unwrap(), rings, QueueFeed::new(), Options::default()).unwrap();
        std::thread::sleep(Duration::from_micros(round * 200));
        drop(session);
        // those of the other program that were asked for before
        let begin = Instant::now();
        while children().len() > 2 {
            assert!(begin.elapsed() < Duration::from_secs(5), "round {round}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(starter);
    assert!(children().is_empty());
}

fn only_child() -> u32 {
    let begin = Instant::now();
    loop {
        if let [child] = children()[..]
            && alive(child)
        {
            return child;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "no program is started");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whatever ends it before it is ready: a session is not given up for kills from outside.
pub fn a_fork_server_may_be_killed_many_times_while_it_loads() {
    let mut trainer = Trainer::with(slow_launch(), &plan(), 0, 20, None, Options::default());
    for _ in 0..8 {
        signal(only_child(), Signal::KILL);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(trainer.next().unwrap(), Kind::Data);
    drop(trainer);
    // where nobody has asked for workers yet, too
    let starter = Starter::shared(slow_launch()).unwrap();
    signal(only_child(), Signal::KILL);
    let begin = Instant::now();
    starter.wait(SLOW * 8);
    assert!(begin.elapsed() < SLOW * 4 && children().len() == 2, "{:?}", begin.elapsed());
}

/// It becomes the worker that it was asked for, and the next worker is another process of the program.
pub fn a_program_with_threads_is_not_forked() {
    let mut trainer = Trainer::with(launch_with(THREAD, "yes"), &plan(), 0, u64::MAX, None, Options::default());
    for round in 0..3 {
        longest_wait(&mut trainer, 20);
        let workers = trainer.session().status().processes;
        assert_eq!(workers.len(), 2);
        for &worker in &workers {
            let threads = std::fs::read_dir(format!("/proc/{worker}/task")).unwrap().count();
            assert_eq!((threads, parent(worker)), (2, std::process::id()), "round {round}");
        }
        signal(workers[round % 2], Signal::KILL);
    }
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
