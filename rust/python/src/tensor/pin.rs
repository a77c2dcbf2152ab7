//! `x.grad is x.grad`: a wrapper kept alive by the tensor whose gradient it wraps.
use super::object::tensor_of;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use std::any::Any;

/// A strong reference to a wrapper, held by a Rust owner of its tensor, where the collector can follow it:
/// x -> x.grad -> its dict. A pin is counted in the tensor: a tensor owned by its wrapper and by pinning owners alone
/// has no owner that the collector cannot see.
///
/// It may be dropped without the lock. The owner's handle goes first (the order of `Grad`'s fields), the count second,
/// the wrapper last, so a tensor that looked unshared does not look shared for a moment.
pub struct Pin(Py<PyAny>);

impl Pin {
    /// # Safety
    /// `object` is a Tensor.
    pub unsafe fn new(py: Python<'_>, object: *mut PyObject) -> Box<dyn Any + Send> {
        // SAFETY: promised by the caller.
        unsafe {
            tensor_of(object).pin();
            Box::new(Pin(Bound::from_borrowed_ptr(py, object).unbind()))
        }
    }
    pub fn wrapper(&self) -> *mut PyObject {
        self.0.as_ptr()
    }
}
impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: the wrapper is alive (we own a reference), and its tensor never changes, so it may be read without the lock.
        unsafe { tensor_of(self.0.as_ptr()) }.unpin();
    }
}
