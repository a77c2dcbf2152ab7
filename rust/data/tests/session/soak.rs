//! Kills and stops at random moments: every batch must still come once, in order, with the bytes of undisturbed work.
//! `RUSTORCH_SOAK_FAULTS` and `RUSTORCH_SOAK_SEED` make it longer and repeat it.
use crate::cases::{plan, signal};
use crate::trainer::Trainer;
use crate::worker::Plan;
use rustix::process::Signal;
use rustorch_base::random::Philox;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::Options;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub fn kills_and_stops_lose_and_repeat_nothing() {
    let faults = number("RUSTORCH_SOAK_FAULTS").unwrap_or(120);
    let seed = number("RUSTORCH_SOAK_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000
    });
    println!("soak: seed {seed}, {faults} faults");
    // 16 samples of 300 us: a batch takes 5 ms and more, so that most faults hit one under way
    let plan = Plan { sample_us: 300, widening: 4, ..plan() };
    let mut trainer = Trainer::start(&plan, 0, u64::MAX, None, Options::default());
    let (over, workers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let adversary = spawn({
        let (over, workers) = (over.clone(), workers.clone());
        move || disturb(seed, faults, &over, &workers)
    });
    let (mut waits, mut batches) = (Vec::new(), 0u64);
    while !over.load(Relaxed) {
        *workers.lock().unwrap() = trainer.session().status().processes;
        let begin = Instant::now();
        assert_eq!(trainer.next().unwrap(), Kind::Data, "seed {seed}");
        waits.push(begin.elapsed());
        batches += 1;
    }
    let (kills, stops) = adversary.join().unwrap();
    trainer.release_all();
    waits.sort_unstable();
    let (restarts, worst) = (trainer.session().status().restarts, waits[waits.len() - 1]);
    println!(
        "soak: seed {seed}: {kills} kills, {stops} stops, {restarts} restarts, {batches} batches; waits: median {:?}, 99 % {:?}, worst {worst:?}",
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100]
    );
    assert!(kills > 0 && stops > 0 && restarts > 0);
}

/// Kills and stops one worker after another; stopped ones go on after up to 300 ms.
fn disturb(seed: u64, faults: u64, over: &AtomicBool, workers: &Mutex<Vec<u32>>) -> (u32, u32) {
    let mut random = Philox::new(seed);
    let (mut kills, mut stops) = (0, 0);
    let mut stopped: BTreeMap<u32, Instant> = BTreeMap::new();
    for _ in 0..faults {
        sleep(Duration::from_millis(random.next_u32() as u64 % 60));
        stopped.retain(|&process, until| {
            let over = Instant::now() >= *until;
            if over {
                signal(process, Signal::CONT);
            }
            !over
        });
        let choice = workers.lock().unwrap().clone();
        if choice.is_empty() {
            continue;
        }
        let process = choice[random.next_u32() as usize % choice.len()];
        if random.next_u32().is_multiple_of(2) {
            signal(process, Signal::KILL);
            kills += 1;
        } else {
            signal(process, Signal::STOP);
            stopped.insert(process, Instant::now() + Duration::from_millis(20 + random.next_u32() as u64 % 280));
            stops += 1;
        }
    }
    stopped.keys().for_each(|&process| signal(process, Signal::CONT));
    over.store(true, Relaxed);
    (kills, stops)
}
