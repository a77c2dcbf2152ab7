//! A tensor of one element as a Python number; any tensor as nested lists.
use super::object::tensor_of;
use crate::call::bind::Arguments;
use crate::call::results::number_to_python;
use crate::error::{OrRaise, slot};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rustorch_base::DType;
use rustorch_core::op::Number;
use rustorch_core::ops::strided::read_element;
use rustorch_core::tensor::Tensor;
use std::ffi::c_int;

/// `t.item()`.
pub unsafe extern "C" fn item(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: a method's `self`.
        let tensor = unsafe { tensor_of(object) };
        Ok(element_to_python(py, tensor, tensor.item().or_raise()?)?.into_ptr())
    })
}
/// An element of a tensor: an unsigned 64-bit one may exceed what a `Number` holds.
fn element_to_python<'py>(py: Python<'py>, tensor: &Tensor, number: Number) -> PyResult<Bound<'py, PyAny>> {
    match number {
        Number::Int(bits) if tensor.dtype() == DType::UInt64 => Ok((bits as u64).into_pyobject(py)?.into_any()),
        number => number_to_python(py, number),
    }
}

fn single(tensor: &Tensor) -> PyResult<Number> {
    if tensor.numel() != 1 {
        return Err(PyValueError::new_err("only one element tensors can be converted to Python scalars"));
    }
    tensor.item().or_raise()
}

pub unsafe extern "C" fn nb_bool(object: *mut PyObject) -> c_int {
    slot(|_| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        match tensor.numel() {
            1 => Ok(match tensor.item().or_raise()? {
                Number::Bool(b) => b,
                Number::Int(i) => i != 0,
                Number::Float(x) => x != 0.0,
                Number::Complex(re, im) => re != 0.0 || im != 0.0,
            } as c_int),
            0 => Err(PyRuntimeError::new_err("Boolean value of Tensor with no values is ambiguous")),
            _ => Err(PyRuntimeError::new_err("Boolean value of Tensor with more than one value is ambiguous")),
        }
    })
}
pub unsafe extern "C" fn nb_int(object: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        let number = match single(tensor)? {
            Number::Complex(re, 0.0) => Number::Float(re),
            Number::Complex(..) => return Err(PyRuntimeError::new_err("value cannot be converted to type int64_t without overflow")),
            number => number,
        };
        Ok(element_to_python(py, tensor, number)?.call_method0("__int__")?.into_ptr())
    })
}
pub unsafe extern "C" fn nb_float(object: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        let number = match single(tensor)? {
            Number::Complex(re, 0.0) => Number::Float(re),
            Number::Complex(..) => return Err(PyRuntimeError::new_err("value cannot be converted to type double without overflow")),
            number => number,
        };
        Ok(element_to_python(py, tensor, number)?.call_method0("__float__")?.into_ptr())
    })
}
pub unsafe extern "C" fn nb_index(object: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        let integral = tensor.dtype().is_integral() || tensor.dtype() == DType::Bool;
        if tensor.numel() != 1 || !integral {
            return Err(PyTypeError::new_err("only integer tensors of a single element can be converted to an index"));
        }
        Ok(element_to_python(py, tensor, tensor.item().or_raise()?)?.call_method0("__int__")?.into_ptr())
    })
}
pub fn complex<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let number = match single(unsafe { tensor_of(slf.as_ptr()) })? {
        Number::Complex(re, im) => Number::Complex(re, im),
        Number::Bool(b) => Number::Complex(b as u8 as f64, 0.0),
        Number::Int(i) => Number::Complex(i as f64, 0.0),
        Number::Float(x) => Number::Complex(x, 0.0),
    };
    number_to_python(slf.py(), number)
}

/// `t.tolist()`: nested lists of Python numbers, a number for a 0-d tensor.
pub unsafe extern "C" fn tolist(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: a method's `self`.
        let tensor = unsafe { tensor_of(object) };
        if tensor.device().is_meta() {
            return Err(PyRuntimeError::new_err("Tensor.tolist() cannot be called on meta tensors"));
        }
        Ok(nested(py, tensor, 0, tensor.array().data())?.into_ptr())
    })
}
fn nested<'py>(py: Python<'py>, tensor: &Tensor, dim: usize, data: *const u8) -> PyResult<Bound<'py, PyAny>> {
    let Some(&size) = tensor.shape().get(dim) else {
        return element_to_python(py, tensor, read_element(data, tensor.dtype()));
    };
    let step = tensor.strides()[dim] as isize * tensor.dtype().size() as isize;
    let items = (0..size as isize).map(|i| nested(py, tensor, dim + 1, data.wrapping_offset(i * step)));
    Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
}
