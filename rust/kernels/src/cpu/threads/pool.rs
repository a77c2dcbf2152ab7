//! The helpers and the gate they pass.
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::hint::spin_loop;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Longer than the usual gap between two ops, shorter than a scheduler's slice.
const SPIN: Duration = Duration::from_micros(50);
const OPEN: u32 = 1 << 31;
const ASK_EVERY: Duration = Duration::from_millis(50);

/// One `parallel_for`: a body with its type forgotten, and what it runs over. Lives on the caller's stack.
#[derive(Clone, Copy)]
pub struct Job {
    body: *const (),
    call: unsafe fn(*const (), Range<usize>),
    n: usize,
    grain: usize,
}
impl Job {
    /// The job must not be run after `body` is gone.
    #[inline]
    pub fn new<F: Fn(Range<usize>) + Sync>(n: usize, grain: usize, body: &F) -> Job {
        // Inline, so that it is compiled with the family whose body it calls, and not again with every other family's.
        #[inline]
        unsafe fn call<F: Fn(Range<usize>)>(body: *const (), range: Range<usize>) {
            // SAFETY: `Job::new` made this pair of a pointer to an F and the function for F.
            unsafe { (*body.cast::<F>())(range) }
        }
        Job { body: std::ptr::from_ref(body).cast(), call: call::<F>, n, grain }
    }
    fn chunks(&self) -> usize {
        self.n.div_ceil(self.grain)
    }
    fn run_chunk(&self, chunk: usize) {
        let start = chunk * self.grain;
        // SAFETY: whoever runs a job keeps its body alive (see `new`).
        unsafe { (self.call)(self.body, start..(start + self.grain).min(self.n)) }
    }
    pub fn run_alone(&self) {
        let mut patience = Patience::new();
        for chunk in 0..self.chunks() {
            patience.check();
            self.run_chunk(chunk);
        }
    }
}

thread_local! { static IS_HELPER: Cell<bool> = const { Cell::new(false) } }

/// When to ask next whether a job's caller still wants its result. An answer of no unwinds with the error that it is, as a
/// panic in a body would; [`super::stopping`] catches it. Helpers never ask: the answer may need a lock that their caller holds.
struct Patience(Option<Instant>);
impl Patience {
    fn new() -> Patience {
        if IS_HELPER.get() || super::ASK.get().is_none() { Patience::endless() } else { Patience(Some(Instant::now() + ASK_EVERY)) }
    }
    fn endless() -> Patience {
        Patience(None)
    }
    #[inline]
    fn check(&mut self) {
        if self.0.is_some_and(|next| Instant::now() >= next) {
            self.0 = Some(Instant::now() + ASK_EVERY);
            if let Some(Err(error)) = super::ASK.get().map(|ask| ask()) {
                resume_unwind(Box::new(error));
            }
        }
    }
}

/// A cache line (and the one fetched beside it) of its own: what the caller writes and what helpers spin on must not share one.
#[repr(align(128))]
struct Line<T>(T);

struct Shared {
    /// Counts jobs; idle helpers watch it.
    turn: Line<AtomicU32>,
    /// The OPEN bit, and the number of helpers inside. While it is not zero the job cell does not change.
    gate: Line<AtomicU32>,
    /// The next chunk nobody has claimed.
    next: Line<AtomicUsize>,
    /// Written by the holder of `Pool::busy` while the gate is zero; read by helpers inside the gate.
    job: Line<UnsafeCell<Option<Job>>>,
    /// Helpers with this index or a higher one stay away: the thread count was lowered.
    invited: AtomicUsize,
    /// The first panic of the running job.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}
// SAFETY: `job`, the only part that is not Sync, is written and read as its comment says; the pointer in it is to a Sync body.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

struct Helper {
    thread: Thread,
    parked: Arc<Line<AtomicBool>>,
}

/// Helper threads, which live as long as the process, and the one job they share.
pub struct Pool {
    shared: Arc<Shared>,
    /// A job is posted. Its holder alone touches `helpers`.
    busy: AtomicBool,
    helpers: UnsafeCell<Vec<Helper>>,
}
// SAFETY: `helpers` is touched only by the thread that holds `busy`.
unsafe impl Sync for Pool {}

impl Pool {
    pub fn new() -> Pool {
        let shared = Shared {
            turn: Line(AtomicU32::new(0)),
            gate: Line(AtomicU32::new(0)),
            next: Line(AtomicUsize::new(0)),
            job: Line(UnsafeCell::new(None)),
            invited: AtomicUsize::new(0),
            panic: Mutex::new(None),
        };
        Pool { shared: Arc::new(shared), busy: AtomicBool::new(false), helpers: UnsafeCell::new(Vec::new()) }
    }

    /// Runs a job on this thread and up to `threads - 1` helpers. False, and nothing done, while another job runs here:
    /// a nested or concurrent call cannot deadlock because it never waits for the pool.
    pub fn run(&self, job: &Job, threads: usize) -> bool {
        if self.busy.swap(true, Acquire) {
            return false;
        }
        // SAFETY: this thread holds `busy`.
        let helpers = unsafe { &mut *self.helpers.get() };
        let wanted = (threads - 1).min(job.chunks() - 1);
        while helpers.len() < wanted {
            // A system that refuses a thread leaves the job to those that exist.
            let Some(helper) = Helper::spawn(&self.shared, helpers.len()) else { break };
            helpers.push(helper);
        }
        self.shared.post(job, &helpers[..wanted.min(helpers.len())]);
        self.shared.claim(job, &mut Patience::new());
        self.shared.close();
        let panic = self.shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.busy.store(false, Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        true
    }
}

impl Shared {
    fn post(&self, job: &Job, helpers: &[Helper]) {
        // SAFETY: the caller holds `busy` and the gate is zero, so nobody reads the cell.
        unsafe { *self.job.0.get() = Some(*job) };
        self.next.0.store(0, Relaxed);
        self.invited.store(helpers.len(), Relaxed);
        self.gate.0.store(OPEN, Release);
        self.turn.0.fetch_add(1, SeqCst);
        for helper in helpers {
            if helper.parked.0.load(SeqCst) {
                helper.thread.unpark();
            }
        }
    }

    /// Shuts the gate and waits for those inside. After this the job's body may go.
    fn close(&self) {
        self.gate.0.fetch_and(!OPEN, AcqRel);
        let mut spins = 0u32;
        while self.gate.0.load(Acquire) != 0 {
            spins += 1;
            if spins < 20_000 { spin_loop() } else { std::thread::yield_now() }
        }
    }

    /// Runs chunks until none is left. A panic is kept for the caller, and ends the claiming for all.
    fn claim(&self, job: &Job, patience: &mut Patience) {
        let chunks = job.chunks();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let chunk = self.next.0.fetch_add(1, Relaxed);
                if chunk >= chunks {
                    return;
                }
                patience.check();
                job.run_chunk(chunk);
            }
        }));
        if let Err(payload) = outcome {
            self.next.0.store(chunks, Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }

    fn enter(&self) {
        let mut gate = self.gate.0.load(Relaxed);
        while gate & OPEN != 0 {
            match self.gate.0.compare_exchange_weak(gate, gate + 1, Acquire, Relaxed) {
                Ok(_) => {
                    // SAFETY: inside the gate the cell is not written, and the body lives until the count falls again.
                    if let Some(job) = unsafe { *self.job.0.get() } {
                        self.claim(&job, &mut Patience::endless());
                    }
                    self.gate.0.fetch_sub(1, Release);
                    return;
                }
                Err(now) => gate = now,
            }
        }
    }

    /// Waits for a turn other than `seen`: spins, then sleeps.
    fn next_turn(&self, seen: u32, parked: &AtomicBool) -> u32 {
        let start = Instant::now();
        while self.turn.0.load(Acquire) == seen {
            for _ in 0..32 {
                spin_loop();
            }
            if start.elapsed() > SPIN {
                parked.store(true, SeqCst);
                // Looked at again after the flag is up, so that a job posted between is not slept through.
                while self.turn.0.load(SeqCst) == seen {
                    std::thread::park();
                }
                parked.store(false, Relaxed);
            }
        }
        self.turn.0.load(Acquire)
    }
}

impl Helper {
    fn spawn(shared: &Arc<Shared>, index: usize) -> Option<Helper> {
        let shared = shared.clone();
        let parked = Arc::new(Line(AtomicBool::new(false)));
        let flag = parked.clone();
        let work = move || {
            IS_HELPER.set(true);
            let mut seen = 0;
            loop {
                seen = shared.next_turn(seen, &flag.0);
                if index < shared.invited.load(Relaxed) {
                    shared.enter();
                }
            }
        };
        let handle = std::thread::Builder::new().name(format!("rustorch-{}", index + 1)).spawn(work).ok()?;
        Some(Helper { thread: handle.thread().clone(), parked })
    }
}
