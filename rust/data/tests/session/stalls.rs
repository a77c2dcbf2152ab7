//! How long a trainer waits for what the service does about a fault: its waits, less the time in which it did not run itself.
use rustix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions, read};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The control thread sleeps so long, and what it oversleeps beyond `LATE` proves that the trainer did not run.
const NAP: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(4);
/// A shorter wait is nobody's concern.
const LONG: Duration = Duration::from_millis(20);

/// Since some moment before all processes of a soak.
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Span {
    pub begin: Duration,
    pub end: Duration,
}
impl Span {
    pub fn length(self) -> Duration {
        self.end.saturating_sub(self.begin)
    }
    fn overlap(self, other: Span) -> Duration {
        self.end.min(other.end).saturating_sub(self.begin.max(other.begin))
    }
}

/// A thread that only sleeps. When it wakes far too late, the process was stopped or the machine had no time for it.
pub struct Control(Arc<Mutex<(Duration, Vec<Span>)>>);

impl Control {
    pub fn start() -> Control {
        let seen = Arc::new(Mutex::new((now(), Vec::new())));
        let shared = seen.clone();
        std::thread::spawn(move || {
            loop {
                let begin = now();
                std::thread::sleep(NAP);
                let nap = Span { begin: begin + NAP, end: now() };
                let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                seen.0 = nap.end;
                if nap.length() > LATE {
                    seen.1.push(nap);
                }
            }
        });
        Control(seen)
    }
    /// The times since the last call in which the process did not run, once all of them until `end` are known.
    fn absences(&self, end: Duration) -> Vec<Span> {
        loop {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.0 > end {
                return std::mem::take(&mut seen.1);
            }
            drop(seen);
            std::thread::sleep(NAP);
        }
    }
}

/// Of records of three integers: what, and from when to when in nanoseconds. A batch has its number; the first of a trainer
/// is marked, because its wait is the trainer's own start.
const RECORD: usize = 24;
const ABSENCE: u64 = u64::MAX;
const FIRST: u64 = 1 << 63;

/// What a trainer writes down.
pub struct Log(File);

impl Log {
    pub fn open(path: &Path) -> Log {
        Log(OpenOptions::new().append(true).create(true).open(path).unwrap())
    }
    /// One write: a kill leaves all of it or nothing.
    pub fn batch(&mut self, number: u64, is_first: bool, wait: Span, control: &Control) {
        let absences = if wait.length() > LONG { control.absences(wait.end) } else { Vec::new() };
        let mut bytes: Vec<u8> = absences.into_iter().flat_map(|absence| record(ABSENCE, absence)).collect();
        bytes.extend(record(if is_first { number | FIRST } else { number }, wait));
        self.0.write_all(&bytes).unwrap();
    }
}
fn record(what: u64, span: Span) -> Vec<u8> {
    [what, span.begin.as_nanos() as u64, span.end.as_nanos() as u64].into_iter().flat_map(u64::to_le_bytes).collect()
}

/// What became of a soak.
#[derive(Default)]
pub struct Waits {
    /// Of all batches but the first of each trainer.
    pub waits: Vec<Span>,
    /// From a trainer's start of its workers to its first batch.
    pub starts: Vec<Span>,
    absences: Vec<Span>,
}

impl Waits {
    pub fn batches(&self) -> usize {
        self.waits.len() + self.starts.len()
    }
    /// Reads the log, whose batches must be 0, 1, 2 ...
    pub fn read(path: &PathBuf) -> Waits {
        let mut found = Waits::default();
        for bytes in read(path).unwrap().chunks_exact(RECORD) {
            let integer = |at: usize| u64::from_le_bytes(bytes[at * 8..][..8].try_into().unwrap());
            let span = Span { begin: Duration::from_nanos(integer(1)), end: Duration::from_nanos(integer(2)) };
            if integer(0) == ABSENCE {
                found.absences.push(span);
                continue;
            }
            assert_eq!(integer(0) & !FIRST, found.batches() as u64, "a batch is missing or came twice");
            if integer(0) & FIRST == 0 { found.waits.push(span) } else { found.starts.push(span) }
        }
        found
    }
    /// The longest time, within each wait, from a fault (or the wait's begin) to the next (or the batch), in which the trainer
    /// ran. `faults` are in order.
    pub fn stalls(&self, faults: &[Duration]) -> Vec<Duration> {
        self.waits.iter().map(|wait| self.stall(*wait, faults)).collect()
    }
    fn stall(&self, wait: Span, faults: &[Duration]) -> Duration {
        let from = faults.partition_point(|fault| *fault <= wait.begin);
        let inside = faults[from..].iter().copied().take_while(|fault| *fault < wait.end);
        let ends: Vec<Duration> = std::iter::once(wait.begin).chain(inside).chain([wait.end]).collect();
        let ran = |pair: &[Duration]| {
            let piece = Span { begin: pair[0], end: pair[1] };
            piece.length().saturating_sub(self.absences.iter().map(|absence| piece.overlap(*absence)).sum())
        };
        ends.windows(2).map(ran).max().unwrap_or_default()
    }
}
