//! What a Tensor is in memory, and how a tensor finds its wrapper.
//!
//! Who owns what:
//! * a wrapper owns one handle of its tensor, for its whole life;
//! * the tensor knows its wrapper by a borrowed pointer, read and written under the interpreter's lock only;
//! * when the wrapper dies and the tensor lives on, the tensor inherits the wrapper's `__dict__` and class and hands
//!   them to its next wrapper ([`super::life`]).
use super::life;
use pyo3::ffi::*;
use rustorch_core::tensor::{Tensor, key};
use std::ffi::c_void;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

#[repr(C)]
pub struct TensorObject {
    base: PyObject,
    /// Set by `alloc` before anyone sees the object and never replaced: this is what lets `tensor_of` hand out a plain
    /// `&Tensor`. (`x.data = y` swaps inside the tensor.)
    pub tensor: ManuallyDrop<Tensor>,
    pub dict: *mut PyObject,
    pub weak: *mut PyObject,
    /// The Size that `.shape` returned last.
    pub size: *mut PyObject,
    /// What `traverse` decided in the collection numbered `epoch`: whether anything in Rust shares the tensor, and whether
    /// the hooks of the node that made it die with it.
    pub epoch: u32,
    pub shared: bool,
    pub owns_hooks: bool,
}
pub const DICT_OFFSET: usize = offset_of!(TensorObject, dict);
pub const WEAK_OFFSET: usize = offset_of!(TensorObject, weak);

static CLASS: AtomicPtr<PyTypeObject> = AtomicPtr::new(null_mut());

#[inline(always)]
pub fn class() -> *mut PyTypeObject {
    CLASS.load(Relaxed)
}
pub fn set_class(class: *mut PyTypeObject) {
    CLASS.store(class, Relaxed);
}

/// Of class `Tensor` itself.
#[inline(always)]
pub fn is_exact(object: *mut PyObject) -> bool {
    // SAFETY: the caller's object is live.
    unsafe { Py_TYPE(object) == class() }
}
/// Of class `Tensor` or a subclass.
#[inline(always)]
pub fn is_tensor(object: *mut PyObject) -> bool {
    // SAFETY: as above.
    is_exact(object) || unsafe { PyType_IsSubtype(Py_TYPE(object), class()) != 0 }
}

/// # Safety
/// `object` is a Tensor ([`is_tensor`]) that lives for `'a`.
#[inline(always)]
pub unsafe fn tensor_of<'a>(object: *mut PyObject) -> &'a Tensor {
    // SAFETY: promised by the caller; the field is never replaced.
    unsafe { &*(&raw const (*object.cast::<TensorObject>()).tensor).cast::<Tensor>() }
}

/// A new wrapper of class `class` (`Tensor` or a subclass of it). No `__new__`, no `__init__` runs.
///
/// # Safety
/// The lock is held.
#[inline]
pub unsafe fn alloc(class: *mut PyTypeObject, tensor: Tensor) -> *mut PyObject {
    // SAFETY: fresh memory, zeroed, so all pointers in it are null.
    unsafe {
        let object = PyType_GenericAlloc(class, 0).cast::<TensorObject>();
        if object.is_null() {
            return null_mut();
        }
        tensor.set_wrapper(object.cast::<c_void>());
        (&raw mut (*object).tensor).write(ManuallyDrop::new(tensor));
        object.cast()
    }
}

/// The tensor's wrapper: the living one, or a new one. Returns a new reference.
///
/// # Safety
/// The lock is held.
#[inline]
pub unsafe fn wrap(tensor: Tensor) -> *mut PyObject {
    let wrapper = tensor.wrapper().cast::<PyObject>();
    // SAFETY: handed on.
    unsafe {
        if wrapper.is_null() && tensor.keys() & key::EXTRA == 0 {
            return alloc(class(), tensor);
        }
        wrap_known(tensor, wrapper)
    }
}

#[cold]
#[inline(never)]
unsafe fn wrap_known(tensor: Tensor, wrapper: *mut PyObject) -> *mut PyObject {
    // SAFETY: the lock is held, so the wrapper is either alive or being deallocated further up this thread's stack.
    unsafe {
        if wrapper.is_null() {
            return life::revive(tensor);
        }
        if Py_REFCNT(wrapper) > 0 {
            Py_INCREF(wrapper);
            return wrapper;
        }
        // The wrapper is dying: CPython runs Python code (weakref callbacks, `__del__` of slot values) between the last
        // release and our `dealloc`. Reviving an object without references would free it twice, so a new wrapper takes
        // over its dict; `dealloc` sees that it was replaced.
        let dict = std::mem::replace(&mut (*wrapper.cast::<TensorObject>()).dict, null_mut());
        let successor = alloc(Py_TYPE(wrapper), tensor);
        if successor.is_null() {
            Py_XDECREF(dict);
        } else {
            (*successor.cast::<TensorObject>()).dict = dict;
        }
        successor
    }
}
