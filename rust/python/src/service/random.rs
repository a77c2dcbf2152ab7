//! The random numbers of a sample in a worker: one key for `random`, NumPy and rustorch, a function of the sample's place in
//! the epoch. What draws from NumPy's global generator finds it seeded by that key, at the price of one store for all the
//! samples that do not draw.
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{PyCapsule_GetPointer, PyCapsule_New};
use pyo3::prelude::*;
use rustorch_core::random::Generator;
use rustorch_data::source::{BatchRandom, SampleRandom, sample_key};
use rustorch_data::worker::Progress;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The batch being made: where its random numbers come from, and whom to tell of each sample.
struct Current {
    random: BatchRandom,
    sample: u64,
    progress: Option<Progress<'static>>,
}
static CURRENT: Mutex<Current> = Mutex::new(Current { random: BatchRandom { seed: 0, epoch: 0, position: 0 }, sample: 0, progress: None });

fn current() -> MutexGuard<'static, Current> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the batch when it is dropped.
pub struct During(());
impl Drop for During {
    fn drop(&mut self) {
        current().progress = None;
    }
}

/// Until the result is dropped, samples belong to this batch.
pub fn during(random: BatchRandom, progress: Progress<'_>) -> During {
    // SAFETY: only the lifetime changes, and `During`, which the caller drops before `progress` ends, takes it back.
    let progress = unsafe { std::mem::transmute::<Progress<'_>, Progress<'static>>(progress) };
    *current() = Current { random, sample: 0, progress: Some(progress) };
    During(())
}

/// The random numbers of the batch being made.
pub fn of_batch() -> BatchRandom {
    current().random
}

/// The generator of the sample that was begun last.
pub fn of_sample() -> SampleRandom {
    let current = current();
    current.random.sample(current.sample)
}

/// Says whose samples follow, where no worker's loop says it.
#[pyfunction]
pub fn begin_batch(seed: u64, epoch: u64, position: u64) {
    current().random = BatchRandom { seed, epoch, position };
}

/// The batch's sample ``k`` is begun: seeds rustorch's default generator and NumPy's, and gives the key for others.
/// The second value says that NumPy's generator has been drawn from since the last sample.
#[pyfunction]
pub fn begin_sample(k: u64) -> (u64, bool) {
    let mut current = current();
    current.sample = k;
    if let Some(progress) = current.progress {
        progress.sample(k as u32);
    }
    let BatchRandom { seed, epoch, position } = current.random;
    let key = sample_key(seed, epoch, position.wrapping_add(k));
    Generator::global().manual_seed(key);
    KEY.store(key, Relaxed);
    (key, !PENDING.swap(true, Relaxed))
}

/// NumPy's `bitgen_t`: how its distributions draw from any generator.
#[repr(C)]
struct Bits {
    state: *mut c_void,
    next_u64: extern "C" fn(*mut c_void) -> u64,
    next_u32: extern "C" fn(*mut c_void) -> u32,
    next_double: extern "C" fn(*mut c_void) -> f64,
    next_raw: extern "C" fn(*mut c_void) -> u64,
}

/// NumPy's Mersenne Twister.
#[repr(C)]
struct Twister {
    words: [u32; WORDS],
    next: i32,
}
const WORDS: usize = 624;
const NAME: &CStr = c"BitGenerator";

/// The key that NumPy's generator is to be seeded with before it is next drawn from.
static KEY: AtomicU64 = AtomicU64::new(0);
static PENDING: AtomicBool = AtomicBool::new(false);
/// NumPy's own generator behind ours; it lives as long as the process.
static INNER: AtomicPtr<Bits> = AtomicPtr::new(std::ptr::null_mut());

/// NumPy's own generator, seeded. It is only called with NumPy's lock of the generator held.
#[inline]
fn awake() -> &'static Bits {
    // SAFETY: `lazy_bits` stored it before any of the functions below could be called.
    let inner = unsafe { &*INNER.load(Relaxed) };
    if PENDING.swap(false, Relaxed) {
        // SAFETY: the state of a Mersenne Twister, which `lazy_bits` made sure of.
        seed(unsafe { &mut *inner.state.cast::<Twister>() }, KEY.load(Relaxed) as u32);
    }
    inner
}

/// The state that `numpy.random.seed(seed)` makes.
fn seed(twister: &mut Twister, seed: u32) {
    let mut word = seed;
    for (position, place) in twister.words.iter_mut().enumerate() {
        *place = word;
        word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(position as u32 + 1);
    }
    twister.next = WORDS as i32;
}

extern "C" fn next_u64(_: *mut c_void) -> u64 {
    let inner = awake();
    (inner.next_u64)(inner.state)
}
extern "C" fn next_u32(_: *mut c_void) -> u32 {
    let inner = awake();
    (inner.next_u32)(inner.state)
}
extern "C" fn next_double(_: *mut c_void) -> f64 {
    let inner = awake();
    (inner.next_double)(inner.state)
}
extern "C" fn next_raw(_: *mut c_void) -> u64 {
    let inner = awake();
    (inner.next_raw)(inner.state)
}

/// A generator for NumPy in front of the Mersenne Twister in ``capsule``, which has just been seeded with ``seed``.
///
/// Raises:
///     RuntimeError: the state in memory is not the one that this seed makes: NumPy's layout is not the one known here.
#[pyfunction]
pub fn lazy_bits<'py>(capsule: &Bound<'py, PyAny>, seed: u32) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a capsule of this name holds the structure; another name gives null and an exception.
    let inner = unsafe { PyCapsule_GetPointer(capsule.as_ptr(), NAME.as_ptr()) }.cast::<Bits>();
    if inner.is_null() {
        return Err(PyErr::fetch(capsule.py()));
    }
    let mut expected = Twister { words: [0; WORDS], next: 0 };
    self::seed(&mut expected, seed);
    // SAFETY: NumPy's structure is live, and its state at least as large as the smallest Mersenne Twister; only compared.
    let found = unsafe { &*(*inner).state.cast::<Twister>() };
    if found.words != expected.words || found.next != expected.next {
        return Err(PyRuntimeError::new_err("the state of numpy.random is not laid out as it is known here"));
    }
    INNER.store(inner, Relaxed);
    let ours = Box::leak(Box::new(Bits { state: std::ptr::null_mut(), next_u64, next_u32, next_double, next_raw }));
    // SAFETY: the leaked structure outlives the capsule, and the name is static.
    unsafe { Bound::from_owned_ptr_or_err(capsule.py(), PyCapsule_New(std::ptr::from_mut(ours).cast(), NAME.as_ptr(), None)) }
}

/// Seeds NumPy's generator now, for whoever looks at its state.
#[pyfunction]
pub fn wake_bits() {
    if !INNER.load(Relaxed).is_null() {
        awake();
    }
}

/// The pending key is void: somebody seeds the generator himself.
#[pyfunction]
pub fn forget_bits() {
    PENDING.store(false, Relaxed);
}
