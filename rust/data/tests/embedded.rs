#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
//! A client with reader threads in its own process: order, growth, keeping, errors, stopping.
use rustorch_base::{DType, Error, Result};
use rustorch_data::client::{Batch, Client, Next, Options};
use rustorch_data::feed::{Keys, QueueFeed};
use rustorch_data::order::{Plan, PlanFeed, Shuffle};
use rustorch_data::ring::slot::Kind;
use rustorch_data::source::{BatchRandom, Field, MemorySource, SampleRandom, Source};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_secs(20);

fn numbers(len: u64) -> Arc<dyn Source> {
    let fields = vec![Field::new("x", DType::Int64, [6]), Field::new("y", DType::UInt8, [])];
    let x = (0..len as i64 * 6).flat_map(i64::to_ne_bytes).collect();
    let y = (0..len).map(|i| i as u8).collect();
    Arc::new(MemorySource::new(fields, vec![x, y], 1).unwrap())
}
fn options(slots: usize, batch_size: usize, workers: usize) -> Options {
    Options { slots, batch_size, workers }
}
fn plan_feed(plan: Plan, epochs: u64) -> Arc<PlanFeed> {
    Arc::new(PlanFeed::new(plan, Some(epochs)))
}
fn push(feed: &QueueFeed, indices: &[u64]) {
    feed.push(BatchRandom::default(), Keys::Indices(indices.to_vec()));
}
fn ready(client: &Client) -> Batch {
    match client.next(MOMENT).unwrap() {
        Next::Ready(batch) => batch,
        Next::Waiting => panic!("no batch came"),
        Next::Ended => panic!("the stream ended"),
    }
}
/// The batch's samples, read from its bytes.
fn samples(batch: &Batch) -> Vec<u64> {
    let buffers: Vec<_> = batch.buffers().collect();
    assert_eq!((buffers[0].spec.dtype, &buffers[0].spec.shape[..]), (Some(DType::Int64), &[batch.samples(), 6][..]));
    // SAFETY: the buffer is the batch's, aligned to 64 bytes, and has 6 int64 a sample.
    let x = unsafe { std::slice::from_raw_parts(buffers[0].data.cast::<i64>(), batch.samples() * 6) };
    // SAFETY: as above, one byte a sample.
    let y = unsafe { std::slice::from_raw_parts(buffers[1].data, batch.samples()) };
    let rows = x.chunks_exact(6).zip(y).map(|(row, label)| {
        let sample = row[0] / 6;
        assert!(row.iter().enumerate().all(|(k, v)| *v == sample * 6 + k as i64) && *label == sample as u8);
        sample as u64
    });
    rows.collect()
}

#[test]
fn two_epochs_come_in_order_whatever_the_number_of_readers() {
    let plan = Plan { shuffle: Shuffle::Full, seed: 3, ..Plan::new(1000, 32) };
    let stream = |readers| {
        let client = Client::with_readers(numbers(1000), plan_feed(plan.clone(), 2), &options(4, 32, readers)).unwrap();
        let batches: Vec<Vec<u64>> = (0..64).map(|_| samples(&ready(&client))).collect();
        assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
        assert_eq!((client.position(), client.figures().batches, client.figures().work.batches), (64, 64, 64));
        batches
    };
    let one = stream(1);
    assert_eq!(one, stream(5));
    let mut first: Vec<u64> = one[..32].concat();
    first.sort_unstable();
    assert_eq!(first, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_client_goes_on_elsewhere_with_the_same_ring_and_threads() {
    let plan = Plan { shuffle: Shuffle::Full, seed: 3, ..Plan::new(1000, 32) };
    let client = Client::with_readers(numbers(1000), plan_feed(plan.clone(), 2), &options(4, 32, 3)).unwrap();
    let mut random = rustorch_base::random::Philox::new(5);
    let mut kept: Vec<(Batch, Vec<u64>)> = Vec::new();
    for round in 0..300 {
        let there = Plan { epoch: u64::from(random.next_u32() % 9), position: u64::from(random.next_u32() % 1000), ..plan.clone() };
        let feed = plan_feed(there.clone(), 2);
        client.seek(there).unwrap();
        for number in 0..round % 9 {
            let Keys::Indices(expected) = feed.task(number).unwrap().keys else { panic!() };
            let batch = ready(&client);
            assert_eq!(samples(&batch), expected, "round {round}, batch {number}");
            kept.push((batch, expected));
        }
        kept.drain(..kept.len().saturating_sub(3)).for_each(|(batch, expected)| assert_eq!(samples(&batch), expected));
    }
    client.seek(Plan { position: 990, ..plan.clone() }).unwrap();
    assert_eq!((0..33).map(|_| samples(&ready(&client)).len()).sum::<usize>(), 1010);
    assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
    client.seek(Plan { position: 999, ..plan }).unwrap();
    assert_eq!(samples(&ready(&client)).len(), 1);
    assert!(client.drop_outstanding().is_err());
}

#[test]
fn what_was_pushed_is_dropped_and_the_next_push_is_the_next_batch() {
    let feed = QueueFeed::new();
    let client = Client::with_readers(numbers(5000), feed.clone(), &options(3, 4, 2)).unwrap();
    for round in 0..200 {
        (0..7).for_each(|k| push(&feed, &[round, k]));
        (0..round % 4).for_each(|k| assert_eq!(samples(&ready(&client)), [round, k]));
        client.drop_outstanding().unwrap();
    }
    assert!(matches!(client.next(Duration::from_millis(20)).unwrap(), Next::Waiting));
    push(&feed, &[4000]);
    assert_eq!(samples(&ready(&client)), [4000]);
    assert!(client.seek(Plan::new(5000, 4)).is_err());
}

#[test]
fn a_queue_is_followed_as_it_grows_and_ends() {
    let feed = QueueFeed::new();
    let client = Client::with_readers(numbers(50), feed.clone(), &options(3, 2, 2)).unwrap();
    assert!(matches!(client.next(Duration::from_millis(20)).unwrap(), Next::Waiting));
    for round in 0..200 {
        push(&feed, &[round % 50, 7]);
        assert_eq!(samples(&ready(&client)), [round % 50, 7]);
    }
    feed.close();
    assert!(matches!(client.next(MOMENT).unwrap(), Next::Ended));
}

#[test]
fn a_batch_larger_than_the_slots_makes_a_larger_ring() {
    let feed = QueueFeed::new();
    let client = Client::with_readers(numbers(5000), feed.clone(), &options(3, 4, 2)).unwrap();
    let sizes = [4, 4, 1000, 4, 5000, 4, 4, 3000, 1, 0, 200, 5000];
    for round in 0..5 {
        for (k, size) in sizes.iter().enumerate() {
            push(&feed, &(0..*size).map(|i| (i * 7 + k as u64 + round) % 5000).collect::<Vec<_>>());
        }
    }
    for round in 0..5 {
        for (k, size) in sizes.iter().enumerate() {
            let expected: Vec<u64> = (0..*size).map(|i| (i * 7 + k as u64 + round) % 5000).collect();
            assert_eq!(samples(&ready(&client)), expected, "round {round} batch {k}");
        }
    }
}

#[test]
fn kept_batches_move_out_of_the_ring_and_stay_as_they_were() {
    let plan = Plan::new(6400, 16);
    let client = Client::with_readers(numbers(6400), plan_feed(plan, 1), &options(4, 16, 2)).unwrap();
    let kept: Vec<Batch> = (0..400).map(|_| ready(&client)).collect();
    assert!(kept.iter().filter(|batch| !batch.is_copy()).count() <= 2);
    assert!(client.take_copied() && !client.take_copied());
    drop(client);
    for (k, batch) in kept.iter().enumerate() {
        assert_eq!(samples(batch), (k as u64 * 16..k as u64 * 16 + 16).collect::<Vec<_>>());
    }
}

#[test]
fn errors_come_at_their_batch_and_the_stream_goes_on() {
    let feed = QueueFeed::new();
    let client = Client::with_readers(numbers(10), feed.clone(), &options(4, 2, 2)).unwrap();
    push(&feed, &[1]);
    push(&feed, &[1, 99]);
    feed.push(BatchRandom::default(), Keys::Opaque(vec![1]));
    push(&feed, &[2]);
    assert_eq!(samples(&ready(&client)), [1]);
    let failed = ready(&client);
    assert_eq!((failed.kind(), failed.number()), (Kind::Refusal, 1));
    assert!(failed.refusal().unwrap().message.contains("sample 99 is out of range"));
    assert!(ready(&client).refusal().unwrap().message.contains("other keys"));
    assert_eq!(samples(&ready(&client)), [2]);
}

/// A source that fails in every way a source can.
struct Moody(Vec<Field>);

impl Source for Moody {
    fn len(&self) -> u64 {
        100
    }
    fn fields(&self) -> &[Field] {
        &self.0
    }
    fn fingerprint(&self) -> u64 {
        0
    }
    fn read(&self, index: u64, _: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        match index {
            1 => panic!("a bad record"),
            2 => Err(Error::os("train.bin: byte 512: nothing there")),
            3 => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            _ => {
                out[0].fill(index as u8);
                Ok(())
            }
        }
    }
}

fn moody() -> Arc<dyn Source> {
    Arc::new(Moody(vec![Field::new("x", DType::UInt8, [4])]))
}

#[test]
fn a_panic_in_a_source_is_an_error_like_others() {
    std::panic::set_hook(Box::new(|_| ()));
    let feed = QueueFeed::new();
    let client = Client::with_readers(moody(), feed.clone(), &options(4, 1, 1)).unwrap();
    (0..3).for_each(|index| push(&feed, &[index]));
    let texts: Vec<_> = (0..3).map(|_| ready(&client).refusal().map(|error| error.message)).collect();
    drop(std::panic::take_hook());
    let expected = [None, Some("the source failed: a bad record".to_owned()), Some("train.bin: byte 512: nothing there".to_owned())];
    assert_eq!(texts, expected);
}

#[test]
fn dropping_a_client_stops_its_readers_at_once() {
    for _ in 0..20 {
        let feed = QueueFeed::new();
        let client = Client::with_readers(numbers(10), feed.clone(), &options(3, 2, 3)).unwrap();
        push(&feed, &[1]);
        ready(&client);
        let begin = Instant::now();
        drop(client);
        assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
    }
    // full ring, nobody takes
    let client = Client::with_readers(numbers(100), Arc::new(PlanFeed::new(Plan::new(100, 2), None)), &options(3, 2, 3)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let begin = Instant::now();
    drop(client);
    assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
}
