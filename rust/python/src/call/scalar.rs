//! Python objects read as numbers: Python's own, NumPy's scalars, and tensors of one element.
use crate::tensor::object::{is_tensor, tensor_of};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyComplex;
use rustorch_core::Tensor;
use rustorch_core::op::Number;
use rustorch_core::tensor::key;

/// Why an object was not read.
pub enum Unread {
    /// It is of another type.
    Type,
    /// Reading it raised; the exception is set.
    Raised,
}

#[inline(always)]
pub fn is_type(object: *mut PyObject, ty: *mut PyTypeObject) -> bool {
    // SAFETY: the caller's object is live.
    unsafe { Py_TYPE(object) == ty }
}
#[inline(always)]
fn is_bool(object: *mut PyObject) -> bool {
    is_type(object, &raw mut PyBool_Type)
}

/// What PyTorch calls a Number.
///
/// # Safety
/// The lock is held; `object` is live.
#[inline(always)]
pub unsafe fn number(object: *mut PyObject) -> Result<Number, Unread> {
    // SAFETY: each read is of the type just found.
    unsafe {
        if is_type(object, &raw mut PyFloat_Type) {
            return Ok(Number::Float(PyFloat_AsDouble(object)));
        }
        if is_type(object, &raw mut PyLong_Type) {
            return long(object).map(Number::Int);
        }
        if is_bool(object) {
            return Ok(Number::Bool(object == Py_True()));
        }
        other_number(object)
    }
}

/// Python's int, within 64 bits.
unsafe fn long(object: *mut PyObject) -> Result<i64, Unread> {
    // SAFETY: `object` is an int.
    unsafe {
        let value = PyLong_AsLongLong(object);
        if value == -1 && !PyErr_Occurred().is_null() { Err(Unread::Raised) } else { Ok(value) }
    }
}

#[cold]
#[inline(never)]
unsafe fn other_number(object: *mut PyObject) -> Result<Number, Unread> {
    // SAFETY: as in `number`.
    unsafe {
        if PyFloat_Check(object) != 0 {
            return Ok(Number::Float(PyFloat_AsDouble(object)));
        }
        if PyLong_Check(object) != 0 {
            return long(object).map(Number::Int);
        }
        let py = Python::assume_attached();
        let bound = Bound::from_borrowed_ptr(py, object);
        if let Ok(complex) = bound.cast::<PyComplex>() {
            return Ok(complex_number(complex));
        }
        if is_tensor(object) {
            return single(tensor_of(object));
        }
        numpy_scalar(&bound).ok_or(Unread::Type)
    }
}
fn complex_number(complex: &Bound<'_, PyComplex>) -> Number {
    use pyo3::types::PyComplexMethods;
    Number::Complex(complex.real(), complex.imag())
}

/// A 0-d tensor outside of the graph stands for its number.
fn single(tensor: &Tensor) -> Result<Number, Unread> {
    if !tensor.shape().is_empty() || tensor.keys() & key::REQUIRES_GRAD != 0 {
        return Err(Unread::Type);
    }
    tensor.item().map_err(|_| Unread::Type)
}

/// NumPy's class of scalars, once NumPy is loaded: an object made by it cannot come before.
pub fn numpy_generic(py: Python<'_>) -> Option<&Bound<'_, PyAny>> {
    static GENERIC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if GENERIC.get(py).is_none() {
        let modules = py.import("sys").and_then(|sys| sys.getattr("modules")).ok()?;
        let generic = modules.get_item("numpy").and_then(|numpy| numpy.getattr("generic")).ok()?;
        let _ = GENERIC.set(py, generic.unbind());
    }
    GENERIC.get(py).map(|generic| generic.bind(py))
}

/// The value of a NumPy scalar, by the kind of its dtype.
#[cold]
pub fn numpy_scalar(object: &Bound<'_, PyAny>) -> Option<Number> {
    if !object.is_instance(numpy_generic(object.py())?).unwrap_or(false) {
        return None;
    }
    let kind: String = object.getattr("dtype").and_then(|dtype| dtype.getattr("kind")).and_then(|kind| kind.extract()).ok()?;
    Some(match kind.as_str() {
        "b" => Number::Bool(object.is_truthy().ok()?),
        "i" | "u" => Number::Int(object.call_method0("__int__").and_then(|int| int.extract()).ok()?),
        "f" => Number::Float(object.call_method0("__float__").and_then(|float| float.extract()).ok()?),
        "c" => complex_number(object.call_method0("__complex__").ok()?.cast::<PyComplex>().ok()?),
        _ => return None,
    })
}

/// PyTorch's float: an int will do, and a bool.
///
/// # Safety
/// As [`number`].
#[inline]
pub unsafe fn float(object: *mut PyObject) -> Result<f64, Unread> {
    // SAFETY: handed on.
    match unsafe { number(object) }? {
        Number::Float(x) => Ok(x),
        Number::Int(i) => Ok(i as f64),
        Number::Bool(b) => Ok(b as u8 as f64),
        Number::Complex(..) => Err(Unread::Type),
    }
}

/// An int, or anything with `__index__`; a bool is not one here, as in PyTorch.
///
/// # Safety
/// As [`number`].
#[inline(always)]
pub unsafe fn int(object: *mut PyObject) -> Result<i64, Unread> {
    // SAFETY: handed on.
    unsafe { if is_type(object, &raw mut PyLong_Type) { long(object) } else { index_like(object) } }
}

// Not `PyIndex_Check`: pyo3-ffi 0.28 links it by its PyPy name under abi3, and the symbol is missing at import.
#[cold]
#[inline(never)]
unsafe fn index_like(object: *mut PyObject) -> Result<i64, Unread> {
    // SAFETY: `__index__` is Python code and may take the object out of the list it came from, so it is held meanwhile.
    unsafe {
        if is_bool(object) {
            return Err(Unread::Type);
        }
        if is_tensor(object) {
            let t = tensor_of(object);
            if !t.dtype().is_integral() || t.numel() != 1 || t.keys() & key::REQUIRES_GRAD != 0 {
                return Err(Unread::Type);
            }
        } else if PyType_GetSlot(Py_TYPE(object), Py_nb_index).is_null() {
            return Err(Unread::Type);
        }
        Py_INCREF(object);
        let value = PyLong_AsLongLong(object);
        Py_DECREF(object);
        if value == -1 && !PyErr_Occurred().is_null() {
            // An array of several elements has the slot and refuses.
            if PyErr_ExceptionMatches(PyExc_TypeError) != 0 {
                PyErr_Clear();
                return Err(Unread::Type);
            }
            return Err(Unread::Raised);
        }
        Ok(value)
    }
}
