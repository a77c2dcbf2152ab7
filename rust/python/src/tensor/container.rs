//! A tensor as a sequence of its rows.
use super::object::tensor_of;
use super::reference::to_python;
use crate::call::bind::Arguments;
use crate::call::scalar;
use crate::error::{OrRaise, slot};
use crate::tensor::object::is_tensor;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rustorch_core::ops::shape;
use std::ffi::c_int;

pub unsafe extern "C" fn length(object: *mut PyObject) -> Py_ssize_t {
    // SAFETY: the interpreter's call.
    match unsafe { tensor_of(object) }.shape().first() {
        Some(&size) => size as Py_ssize_t,
        None => slot(|_| Err(PyTypeError::new_err("len() of a 0-d tensor"))),
    }
}

pub unsafe extern "C" fn iterate(object: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        if tensor.ndim() == 0 {
            return Err(PyTypeError::new_err("iteration over a 0-d tensor"));
        }
        // SAFETY: as above.
        let slf = unsafe { Bound::from_borrowed_ptr(py, object) };
        if !super::object::is_exact(object) {
            return Ok(slf.call_method1("unbind", (0,))?.try_iter()?.into_ptr()); // a subclass may want to see it
        }
        let rows = shape::unbind::call(tensor, 0).or_raise()?;
        let rows = rows.into_iter().map(|row| to_python(py, row)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyList::new(py, rows)?.try_iter()?.into_ptr())
    })
}

/// `x in t`: whether some element equals `x`.
pub unsafe extern "C" fn contains(object: *mut PyObject, element: *mut PyObject) -> c_int {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let (slf, element) = unsafe { (Bound::from_borrowed_ptr(py, object), Bound::from_borrowed_ptr(py, element)) };
        // SAFETY: as above.
        let is_number = is_tensor(element.as_ptr()) || unsafe { scalar::number(element.as_ptr()) }.is_ok();
        if !is_number {
            let class = element.get_type().repr()?;
            return Err(PyRuntimeError::new_err(format!(
                "Tensor.__contains__ only supports Tensor or scalar, but you passed in a {class}."
            )));
        }
        Ok(slf.eq_elements(&element)?.call_method0("any")?.is_truthy()? as c_int)
    })
}

trait EqualElements<'py> {
    fn eq_elements(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>;
}
impl<'py> EqualElements<'py> for Bound<'py, PyAny> {
    fn eq_elements(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.rich_compare(other, pyo3::basic::CompareOp::Eq)
    }
}

/// `reversed(t)`: rows in the opposite order.
pub fn reversed<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    if unsafe { tensor_of(slf.as_ptr()) }.ndim() == 0 {
        return Ok(slf.clone());
    }
    slf.call_method1("flip", (0,))
}
