//! 4,096 entry points, one machine function each: CPython tells a method descriptor's function nothing but its
//! arguments, so the function's own address has to say which op it is.
use super::entry::{Entry, enter};
use pyo3::ffi::*;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

const SIZE: usize = 4096;
static ENTRIES: [AtomicPtr<Entry>; SIZE] = [const { AtomicPtr::new(null_mut()) }; SIZE];
static USED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn entry_point<const I: usize>(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: `claim` stored a leaked entry before Python could know this function; the rest is the call's.
    unsafe { enter(slf, args, count, names, &*ENTRIES[I].load(Relaxed)) }
}

/// Four, sixteen, ... entry points that follow a number.
macro_rules! four {
    ($leaf:ident, $at:expr) => {
        [$leaf!($at * 4), $leaf!($at * 4 + 1), $leaf!($at * 4 + 2), $leaf!($at * 4 + 3)]
    };
}
macro_rules! point {
    ($at:expr) => {
        entry_point::<{ $at }>
    };
}
macro_rules! points4 {
    ($at:expr) => {
        four!(point, ($at))
    };
}
macro_rules! points16 {
    ($at:expr) => {
        four!(points4, ($at))
    };
}
macro_rules! points64 {
    ($at:expr) => {
        four!(points16, ($at))
    };
}
macro_rules! points256 {
    ($at:expr) => {
        four!(points64, ($at))
    };
}
macro_rules! points1024 {
    ($at:expr) => {
        four!(points256, ($at))
    };
}
/// By the digits of the number to the base of four.
static POINTS: [[[[[[PyCFunctionFastWithKeywords; 4]; 4]; 4]; 4]; 4]; 4] = four!(points1024, 0);

/// An unused entry point, which will serve `entry` from now on; `None` when all are taken.
pub fn claim(entry: &'static Entry) -> Option<PyCFunctionFastWithKeywords> {
    let i = USED.fetch_add(1, Relaxed);
    ENTRIES.get(i)?.store(std::ptr::from_ref(entry).cast_mut(), Relaxed);
    let digit = |place: usize| i >> (2 * place) & 3;
    Some(POINTS[digit(5)][digit(4)][digit(3)][digit(2)][digit(1)][digit(0)])
}
