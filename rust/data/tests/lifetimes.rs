#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
//! What outlives what: descriptors, threads and memory after clients, and a batch in a forked child. One test, because it
//! counts what the whole process has.
use rustorch_base::DType;
use rustorch_data::client::{Batch, Client, Next, Options};
use rustorch_data::order::{Plan, PlanFeed};
use rustorch_data::ring::rings::before_fork;
use rustorch_data::source::{Field, MemorySource, Source};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const SAMPLES: u64 = 4000;

fn numbers() -> Arc<dyn Source> {
    let x = (0..SAMPLES as i64).flat_map(i64::to_ne_bytes).collect();
    Arc::new(MemorySource::new(vec![Field::new("x", DType::Int64, [])], vec![x], 1).unwrap())
}
fn client(epochs: u64) -> Client {
    let options = Options { slots: 8, batch_size: 5, workers: 2 };
    Client::with_readers(numbers(), Arc::new(PlanFeed::new(Plan::new(SAMPLES, 5), Some(epochs))), &options).unwrap()
}
fn ready(client: &Client) -> Batch {
    let Next::Ready(batch) = client.next(Duration::from_secs(20)).unwrap() else { panic!("no batch came") };
    batch
}
fn right(batch: &Batch) -> bool {
    let expected = (0..batch.samples() as u64).map(|i| (batch.number() * 5 + i) % SAMPLES);
    batch.buffers().all(|buffer| {
        // SAFETY: the batch's own bytes, aligned to 64.
        let values = unsafe { std::slice::from_raw_parts(buffer.data.cast::<u64>(), buffer.bytes / 8) };
        values.iter().copied().eq(expected.clone())
    })
}
fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn nothing_is_left_behind_and_nothing_is_taken_away() {
    let (descriptors, threads) = (entries("/proc/self/fd"), entries("/proc/self/task"));
    for _ in 0..100 {
        let client = client(1);
        let batch = ready(&client);
        drop(client);
        assert!(right(&batch));
    }
    assert_eq!((entries("/proc/self/fd"), entries("/proc/self/task")), (descriptors, threads));

    let kept: Vec<Batch> = {
        let client = client(13);
        (0..10_000).map(|_| ready(&client)).collect()
    };
    assert!(kept.iter().all(right));
    assert!(entries("/proc/self/fd") <= descriptors + 1);
    drop(kept);
    assert_eq!((entries("/proc/self/fd"), entries("/proc/self/task")), (descriptors, threads));
    assert!(!std::fs::read_dir("/dev/shm").unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().contains("rustorch")));
    a_forked_child_keeps_its_view();
}

/// The child holds a copy of the batch and of the client while the parent goes round the ring many times.
fn a_forked_child_keeps_its_view() {
    let client = Arc::new(client(10));
    for _ in 0..12 {
        let batch = Arc::new(ready(&client));
        let (from_parent, mut to_child) = std::io::pipe().unwrap();
        before_fork();
        let (childs, childs_client) = (batch.clone(), client.clone());
        let look = move || {
            let _ = std::io::Read::read(&mut &from_parent, &mut [0u8]);
            let refused = childs_client.next(Duration::from_secs(1)).is_err();
            if right(&childs) && refused { Ok(()) } else { Err(std::io::Error::other("the child's batch changed")) }
        };
        let mut command = Command::new("true");
        // SAFETY: the closure runs in a forked child: it reads a pipe and memory, takes no lock that another thread may hold.
        unsafe { command.pre_exec(look) };
        let child = std::thread::spawn(move || command.spawn().and_then(|mut child| child.wait()));
        std::thread::sleep(Duration::from_millis(20));
        drop(batch);
        assert!((0..50).all(|_| right(&ready(&client))), "a slot that the child gave back was used again");
        // a byte, not a hang-up: the child has a copy of this end too
        std::io::Write::write_all(&mut to_child, b"x").unwrap();
        assert!(child.join().unwrap().unwrap().success());
    }
}
