//! The order as a whole: every sample once an epoch, the same stream for any split of it, and well shuffled.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
use rustorch_data::order::{Plan, Shuffle, State, Tail};

const SHUFFLES: [Shuffle; 3] = [Shuffle::Off, Shuffle::Full, Shuffle::Blocks { block: 16, window: 4 }];

/// Samples of the first `batches` batches.
fn stream(plan: &Plan, batches: u64) -> Vec<u64> {
    let (mut all, mut indices) = (Vec::new(), Vec::new());
    for number in 0..batches {
        plan.indices(&plan.part(number).unwrap(), &mut indices);
        all.extend_from_slice(&indices);
    }
    all
}

#[test]
fn every_epoch_has_every_sample_once() {
    for shuffle in SHUFFLES {
        let plan = Plan { shuffle, seed: 4, ..Plan::new(1003, 32) };
        let each = plan.batches_per_epoch();
        let all = stream(&plan, 2 * each);
        for epoch in all.chunks(1003) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..1003));
        }
        assert_eq!(all[..1003] == all[1003..], shuffle == Shuffle::Off);
        assert!(plan.part(each - 1).unwrap().last && !plan.part(each).unwrap().last);
    }
}

#[test]
fn ranks_together_have_the_order_of_one() {
    for shuffle in SHUFFLES {
        let one = Plan { shuffle, seed: 1, ..Plan::new(1003, 1) };
        let expected = stream(&one, 1003);
        for (batch_size, ranks) in [(1, 2), (8, 3), (32, 4), (400, 5), (7, 1)] {
            let plans: Vec<Plan> = (0..ranks).map(|rank| Plan { batch_size, rank, ranks, ..one.clone() }).collect();
            let mut all = Vec::new();
            for number in 0..plans[0].batches_per_epoch() {
                for plan in &plans {
                    let mut indices = Vec::new();
                    plan.indices(&plan.part(number).unwrap(), &mut indices);
                    all.extend(indices);
                }
            }
            assert_eq!(all, expected, "batches of {batch_size} on {ranks} ranks");
        }
    }
}

#[test]
fn tails_are_dropped_padded_or_shared() {
    let lengths = |tail, rank| {
        let plan = Plan { tail, rank, ranks: 3, ..Plan::new(26, 4) };
        (0..plan.batches_per_epoch()).map(|number| plan.part(number).unwrap().samples).collect::<Vec<_>>()
    };
    assert_eq!([lengths(Tail::Drop, 0), lengths(Tail::Drop, 2)], [[4, 4], [4, 4]]);
    assert_eq!([lengths(Tail::Keep, 0), lengths(Tail::Keep, 1), lengths(Tail::Keep, 2)], [[4, 4, 1], [4, 4, 1], [4, 4, 0]]);
    assert_eq!([lengths(Tail::Pad, 0), lengths(Tail::Pad, 1), lengths(Tail::Pad, 2)], [[4, 4, 1], [4, 4, 1], [4, 4, 1]]);
    let padded = Plan { tail: Tail::Pad, rank: 2, ranks: 3, ..Plan::new(26, 4) };
    assert_eq!(stream(&padded, 3).last(), Some(&0), "padding begins the epoch anew");
    let dropped = Plan { tail: Tail::Drop, ..Plan::new(10, 4) };
    assert_eq!(dropped.part(1).unwrap().consumed, 10, "what is dropped counts as had");
    assert!(Plan { tail: Tail::Drop, ..Plan::new(3, 4) }.part(0).is_none());
    assert!(Plan::new(0, 4).part(0).is_none());
}

#[test]
fn a_stream_resumes_anywhere_with_other_batches_and_ranks() {
    for shuffle in SHUFFLES {
        let plan = Plan { shuffle, seed: 9, epoch: 2, ..Plan::new(501, 16) };
        let expected = stream(&Plan { batch_size: 1, ..plan.clone() }, 3 * 501);
        for stopped in 0..70 {
            let saved = plan.state(stopped, 77).to_map();
            let state = State::from_map(|name| saved.get(name).copied()).unwrap();
            let other = Plan { batch_size: 5, shuffle, ..Plan::new(501, 5) }.resume(&state, 77).unwrap();
            let had = ((state.epoch - 2) * 501 + state.position) as usize;
            assert_eq!(stream(&other, 30), expected[had..had + stream(&other, 30).len()], "after {stopped} batches");
        }
        assert!(Plan { shuffle, ..Plan::new(501, 5) }.resume(&plan.state(3, 77), 78).is_err());
    }
}

#[test]
fn a_billion_samples_cost_what_a_thousand_do() {
    let plan = Plan { shuffle: Shuffle::Full, ..Plan::new(1_000_000_000, 128) };
    let begin = std::time::Instant::now();
    let (mut indices, mut sum) = (Vec::new(), 0_u64);
    for number in (0..10_000_000).step_by(10_000) {
        plan.indices(&plan.part(number).unwrap(), &mut indices);
        sum = sum.wrapping_add(indices.iter().sum());
    }
    let each = begin.elapsed().as_nanos() / (1000 * 128);
    println!("{each} ns an index ({sum})");
    assert!(each < 500, "{each} ns an index");
}

#[test]
fn impossible_plans_are_refused() {
    assert!(Plan::new(10, 0).check().is_err());
    assert!(Plan { rank: 1, ..Plan::new(10, 2) }.check().is_err());
    assert!(Plan { ranks: 4, ..Plan::new(10, u64::MAX / 2) }.check().is_err());
    assert!(Plan { position: 11, ..Plan::new(10, 2) }.check().is_err());
    Plan { position: 10, ..Plan::new(10, 2) }.check().unwrap();
}

/// Mean distance of neighbours over that of a uniform permutation, which is (n + 1) / 3.
fn adjacency(order: &[u64]) -> f64 {
    let sum: f64 = order.windows(2).map(|pair| pair[0].abs_diff(pair[1]) as f64).sum();
    sum / (order.len() - 1) as f64 / ((order.len() + 1) as f64 / 3.0)
}

/// Chi-square of (which part of the epoch, which part of the source), in standard deviations from its mean.
fn chi_square(order: &[u64], parts: usize) -> f64 {
    let (n, mut counts) = (order.len(), vec![0_f64; parts * parts]);
    for (position, &sample) in order.iter().enumerate() {
        counts[position * parts / n * parts + sample as usize * parts / n] += 1.0;
    }
    let expected = n as f64 / (parts * parts) as f64;
    let sum: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    let freedom = ((parts - 1) * (parts - 1)) as f64;
    (sum - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn the_full_shuffle_looks_like_a_uniform_one() {
    let (mut worst, mut squares) = (0_f64, Vec::new());
    for seed in 0..20 {
        for len in [60_000, 50_000, 65_536] {
            let order = stream(&Plan { shuffle: Shuffle::Full, seed, ..Plan::new(len, len) }, 1);
            worst = worst.max((adjacency(&order) - 1.0).abs());
            squares.push(chi_square(&order, 32));
        }
    }
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    let highest = squares.iter().fold(0_f64, |a, b| a.max(b.abs()));
    println!("adj within {worst:.4} of 1; chi-square mean {mean:+.2}, farthest {highest:.2} standard deviations");
    assert!(worst < 0.02 && mean.abs() < 0.5 && highest < 4.5);
}
