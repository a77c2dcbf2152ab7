//! Figures: how long a trainer waits for its first batch, and after kills. Printed, with bounds wide enough for a busy machine.
use crate::cases::{plan, signal};
use crate::trainer::Trainer;
use crate::worker::Plan;
use rustix::process::Signal;
use rustorch_data::ring::slot::Kind;
use rustorch_data::session::Options;
use std::time::{Duration, Instant};

fn summary(what: &str, mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    let worst = waits[waits.len() - 1];
    println!("{what}: median {:?}, worst {worst:?} of {}", waits[waits.len() / 2], waits.len());
    worst
}

/// Batches of 16 samples of 200 us, so 3.5 ms each.
pub fn restarts_take_milliseconds() {
    let plan = Plan { sample_us: 200, ..plan() };
    let mut trainer = Trainer::start(&plan, 0, u64::MAX, None, Options::default());
    for count in 0..3 {
        let waits = (0..12).map(|_| {
            (0..4).for_each(|_| assert_eq!(trainer.next().unwrap(), Kind::Data));
            trainer.session().status().processes.into_iter().take(count).for_each(|process| signal(process, Signal::KILL));
            // what was ready or under way covers the first moments: the longest of eight waits is the stall
            let next = |_| {
                let begin = Instant::now();
                trainer.next().unwrap();
                begin.elapsed()
            };
            (0..8).map(next).max().unwrap()
        });
        let worst = summary(&format!("longest wait of 8 batches, {count} of 2 workers killed"), waits.collect());
        assert!(worst < Duration::from_secs(2));
    }
}

/// Starting a worker must not copy the page tables of a large trainer, as a fork would.
pub fn starts_do_not_grow_with_the_trainer() {
    let mut best = Vec::new();
    for megabytes in [0, 1024] {
        let ballast = vec![1u8; megabytes << 20];
        let mut waits: Vec<Duration> = (0..10)
            .map(|_| {
                let begin = Instant::now();
                Trainer::start(&plan(), 0, 1, None, Options::default()).next().unwrap();
                begin.elapsed()
            })
            .collect();
        summary(&format!("first batch beside {} MB", ballast.len() >> 20), waits.clone());
        waits.sort_unstable();
        best.push(waits[0]);
    }
    assert!(best[1] < best[0] * 3 + Duration::from_millis(10), "{best:?}");
}
