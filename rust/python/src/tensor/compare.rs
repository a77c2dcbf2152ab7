//! `==`, `<` and the others, element by element; `hash`, by identity.
use super::number::{self, EQ, GE, GT, LE, LT, NE};
use pyo3::ffi::*;
use std::ffi::c_int;

#[allow(non_upper_case_globals, reason = "CPython's names")]
pub unsafe extern "C" fn compare(a: *mut PyObject, b: *mut PyObject, how: c_int) -> *mut PyObject {
    let place = match how {
        Py_LT => LT,
        Py_LE => LE,
        Py_EQ => EQ,
        Py_NE => NE,
        Py_GT => GT,
        _ => GE,
    };
    // SAFETY: the interpreter's call.
    unsafe { number::binary(place, a, b) }
}

/// By identity of the wrapper, as PyTorch: it must agree with `is`, not with `==`.
pub unsafe extern "C" fn hash(object: *mut PyObject) -> Py_hash_t {
    object as Py_hash_t
}
