//! The end of a wrapper, and what its tensor keeps of it for the next one.
use super::object::{TensorObject, alloc, class};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use rustorch_core::tensor::{Tensor, key};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::PoisonError;

/// What a tensor keeps of a wrapper that died before it.
struct Parked {
    class: Py<PyType>,
    dict: Option<Py<PyDict>>,
}

/// PyO3 counts attachments per thread; a `Py<T>` dropped in a slot of ours, which PyO3 did not enter, would be queued
/// instead of released.
pub fn drop_attached<T>(value: T) {
    Python::attach(|_| drop(value));
}

/// # Safety
/// The interpreter calls it, for an object without references.
pub unsafe extern "C" fn dealloc(object: *mut PyObject) {
    // SAFETY: the object is ours alone now, and complete: `alloc` wrote all of it.
    unsafe {
        PyObject_GC_UnTrack(object.cast());
        let this = object.cast::<TensorObject>();
        let ty = Py_TYPE(object);
        let tensor = ManuallyDrop::take(&mut (*this).tensor);
        // First of all leave the tensor, so that no Python code run below can find this object.
        if tensor.wrapper() == object.cast::<c_void>() {
            tensor.set_wrapper(null_mut());
            if (!(*this).dict.is_null() || ty != class()) && tensor.is_shared() {
                park(this, ty, &tensor);
            }
        }
        if !(*this).weak.is_null() {
            PyObject_ClearWeakRefs(object);
        }
        Py_CLEAR(&raw mut (*this).dict);
        Py_CLEAR(&raw mut (*this).size);
        if tensor.keys() & key::EXTRA != 0 {
            drop_attached(tensor);
        } else {
            drop(tensor);
        }
        if ty == class() {
            PyObject_GC_Del(object.cast());
        } else {
            let free: freefunc = std::mem::transmute(PyType_GetSlot(ty, Py_tp_free));
            free(object.cast());
        }
        // A heap type is owned by its instances; CPython's `subtype_dealloc` leaves this to the base's dealloc when the
        // base is itself a heap type, so it is right for subclasses too.
        Py_DECREF(ty.cast());
    }
}

#[cold]
unsafe fn park(this: *mut TensorObject, ty: *mut PyTypeObject, tensor: &Tensor) {
    // SAFETY: called by `dealloc`; the dict is owned by the object, which gives it away.
    let parked = unsafe {
        let py = Python::assume_attached();
        let dict = std::mem::replace(&mut (*this).dict, null_mut());
        Parked {
            class: Bound::from_borrowed_ptr(py, ty.cast()).cast_into_unchecked::<PyType>().unbind(),
            dict: (!dict.is_null()).then(|| Bound::from_owned_ptr(py, dict).cast_into_unchecked::<PyDict>().unbind()),
        }
    };
    let old = tensor.extra_or_new().parked.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::new(parked));
    drop_attached(old);
}

/// A wrapper for a tensor that has none: with the dict and the class of the last one, if it left some.
///
/// # Safety
/// The lock is held.
pub unsafe fn revive(tensor: Tensor) -> *mut PyObject {
    let parked = tensor.extra().and_then(|extra| extra.parked.lock().unwrap_or_else(PoisonError::into_inner).take());
    let parked = parked.and_then(|parked| parked.downcast::<Parked>().ok());
    // SAFETY: handed on; the parked class is Tensor or a subclass, the dict is given to the new object.
    unsafe {
        let Some(parked) = parked else { return alloc(class(), tensor) };
        let Parked { class, dict } = *parked;
        let object = alloc(class.as_ptr().cast(), tensor);
        match dict {
            Some(dict) if !object.is_null() => (*object.cast::<TensorObject>()).dict = dict.into_ptr(),
            dict => drop_attached(dict),
        }
        drop_attached(class);
        object
    }
}
