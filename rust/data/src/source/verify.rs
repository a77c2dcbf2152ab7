//! Reads every record of a source and names the damaged ones.
use super::{SampleRandom, Source};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// A record that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    pub index: u64,
    /// File, offset and reason.
    pub message: String,
}

/// Records a thread takes at a time.
const SHARE: u64 = 64;

/// Reads all records on `threads` threads. `progress` hears how many have been read; when it answers false, the rest is
/// left. Damages come in the order of the records.
pub fn verify(source: &dyn Source, threads: usize, progress: &(dyn Fn(u64) -> bool + Sync)) -> Vec<Damage> {
    let found = Mutex::new(Vec::new());
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut buffers: Vec<Vec<u8>> = source.fields().iter().map(|field| vec![0; field.bytes()]).collect();
        let mut out: Vec<&mut [u8]> = buffers.iter_mut().map(|buffer| &mut buffer[..]).collect();
        while !stop.load(Relaxed) {
            let begin = next.fetch_add(SHARE, Relaxed);
            let end = source.len().min(begin.saturating_add(SHARE));
            for index in begin..end {
                if let Err(error) = source.read(index, &mut SampleRandom::new(0, 0, index), &mut out) {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push(Damage { index, message: error.message });
                }
            }
            if begin >= end {
                return;
            }
            if !progress(done.fetch_add(end - begin, Relaxed) + end - begin) {
                stop.store(true, Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|damage| damage.index);
    found
}
