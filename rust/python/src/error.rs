//! Refusals of the core as Python exceptions, and panics kept from unwinding into the interpreter.
use pyo3::create_exception;
use pyo3::exceptions::{
    PyIndexError, PyKeyError, PyKeyboardInterrupt, PyNotImplementedError, PyOSError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use rustorch_base::{Error, ErrorKind};
use std::any::Any;
use std::ffi::{CString, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

create_exception!(rustorch, OutOfMemoryError, PyRuntimeError, "Raised when memory for a tensor is not to be had.");
create_exception!(rustorch, LinAlgError, PyRuntimeError, "Raised when a matrix is not fit for the decomposition asked for.");

/// The exception a refusal becomes: the one table of kinds.
#[cold]
pub fn to_python(error: Error) -> PyErr {
    let message = error.message;
    match error.kind {
        ErrorKind::Runtime => PyRuntimeError::new_err(message),
        ErrorKind::Value => PyValueError::new_err(message),
        ErrorKind::Type => PyTypeError::new_err(message),
        ErrorKind::Index => PyIndexError::new_err(message),
        ErrorKind::NotImplemented => PyNotImplementedError::new_err(message),
        ErrorKind::OutOfMemory => OutOfMemoryError::new_err(message),
        ErrorKind::Os => PyOSError::new_err(message),
        ErrorKind::Key => PyKeyError::new_err(message),
        ErrorKind::LinAlg => LinAlgError::new_err(message),
        ErrorKind::Interrupt => PyKeyboardInterrupt::new_err(message),
        ErrorKind::Foreign => match error.foreign.and_then(|foreign| foreign.downcast::<PyErr>().ok()) {
            Some(exception) => *exception,
            None => PyRuntimeError::new_err("an exception was lost on its way through native code"),
        },
    }
}

/// A Python exception on its way through native code, kept whole.
#[cold]
pub fn to_core(exception: PyErr) -> Error {
    Error::foreign(Box::new(exception))
}

/// `?` for the core's results inside functions that return `PyResult`.
pub trait OrRaise<T> {
    fn or_raise(self) -> PyResult<T>;
}
impl<T> OrRaise<T> for rustorch_base::Result<T> {
    #[inline]
    fn or_raise(self) -> PyResult<T> {
        self.map_err(to_python)
    }
}

/// Sets the exception; the null pointer tells the interpreter to look for it.
#[cold]
pub fn raise(error: Error) -> *mut PyObject {
    Python::attach(|py| to_python(error).restore(py));
    null_mut()
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> PyErr {
    // A parallel loop that the user stopped.
    let payload = match payload.downcast::<Error>() {
        Ok(error) => return to_python(*error),
        Err(payload) => payload,
    };
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!("internal error: {}", text.unwrap_or("a panic")))
}

/// Runs a slot's body: a panic becomes an exception.
#[inline(always)]
pub fn no_panic<R>(failed: R, body: impl FnOnce() -> R) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            Python::attach(|py| panicked(payload).restore(py));
            failed
        }
    }
}

/// What a slot returns, and what it returns when an exception is set.
pub trait SlotResult {
    const FAILED: Self;
}
impl SlotResult for *mut PyObject {
    const FAILED: Self = null_mut();
}
impl SlotResult for c_int {
    const FAILED: Self = -1;
}
impl SlotResult for isize {
    const FAILED: Self = -1;
}

/// Runs the body of a slot that is not hot with PyO3's safe types.
#[inline]
pub fn slot<R: SlotResult>(body: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> R {
    no_panic(R::FAILED, || {
        Python::attach(|py| {
            body(py).unwrap_or_else(|exception| {
                exception.restore(py);
                R::FAILED
            })
        })
    })
}

/// Warns as PyTorch does, at the caller's line.
pub fn warn(py: Python<'_>, category: &Bound<'_, PyAny>, message: &str) -> PyResult<()> {
    let text = CString::new(message).map_err(|_| PyValueError::new_err("a warning with a NUL"))?;
    PyErr::warn(py, category, &text, 1)
}
pub fn user_warning(py: Python<'_>, message: &str) -> PyResult<()> {
    warn(py, &py.get_type::<pyo3::exceptions::PyUserWarning>(), message)
}
