//! `t[...]`: what stands between the brackets, as the core's index items.
use super::object::{is_exact, is_tensor, tensor_of};
use super::reference::to_python;
use crate::call::complain::type_name;
use crate::call::overrides;
use crate::call::scalar::{self, Unread};
use crate::data;
use crate::error::{OrRaise, slot};
use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PySlice, PyTuple};
use rustorch_base::DType;
use rustorch_core::ops::index::{self, Assigned, Index};
use rustorch_core::tensor::Tensor;
use smallvec::{SmallVec, smallvec};
use std::ffi::c_int;
use std::ptr::null_mut;

type Items = SmallVec<[Index; 4]>;

pub unsafe extern "C" fn subscript(object: *mut PyObject, index: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let (tensor, index) = unsafe { (tensor_of(object), Bound::from_borrowed_ptr(py, index)) };
        if !is_exact(object) && overrides::has_override(py, index_class(object)) {
            return overridden(py, "__getitem__", &[object, index.as_ptr()]);
        }
        Ok(to_python(py, index::get(tensor, &items(&index)?).or_raise()?)?.into_ptr())
    })
}
fn index_class(object: *mut PyObject) -> *mut PyTypeObject {
    // SAFETY: a live object.
    unsafe { Py_TYPE(object) }
}
fn overridden(py: Python<'_>, method: &str, args: &[*mut PyObject]) -> PyResult<*mut PyObject> {
    let function = super::class_object(py).getattr(method)?;
    // SAFETY: arguments of the running slot.
    let args = args.iter().map(|&arg| unsafe { Bound::from_borrowed_ptr(py, arg) });
    let args = PyTuple::new(py, args.collect::<Vec<_>>())?;
    Ok(overrides::dispatch_call(py, &function, args, None)?.into_ptr())
}

pub unsafe extern "C" fn assign(object: *mut PyObject, index: *mut PyObject, value: *mut PyObject) -> c_int {
    slot(|py| {
        if value.is_null() {
            return Err(PyTypeError::new_err("Tensor does not support deleting items"));
        }
        // SAFETY: the interpreter's call.
        let (tensor, index, value) =
            unsafe { (tensor_of(object), Bound::from_borrowed_ptr(py, index), Bound::from_borrowed_ptr(py, value)) };
        if !is_exact(object) && overrides::has_override(py, index_class(object)) {
            // SAFETY: an owned reference that nobody wants.
            unsafe { Py_XDECREF(overridden(py, "__setitem__", &[object, index.as_ptr(), value.as_ptr()])?) };
            return Ok(0);
        }
        let items = items(&index)?;
        if is_tensor(value.as_ptr()) {
            // SAFETY: checked just now.
            index::set(tensor, &items, Assigned::Tensor(unsafe { tensor_of(value.as_ptr()) })).or_raise()?;
            return Ok(0);
        }
        // SAFETY: a live object.
        match unsafe { scalar::number(value.as_ptr()) } {
            Ok(number) => index::set(tensor, &items, Assigned::Number(number)).or_raise()?,
            Err(Unread::Raised) => return Err(PyErr::fetch(py)),
            Err(Unread::Type) if data::numpy::is_array(&value) => {
                let array = data::numpy::to_tensor(&value, false)?;
                index::set(tensor, &items, Assigned::Tensor(&array)).or_raise()?;
            }
            Err(Unread::Type) => {
                let found = type_name(&value.get_type());
                let article = if found.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                let class = format!("torch.{}Tensor", tensor.dtype().scalar_name());
                return Err(PyTypeError::new_err(format!("can't assign {article} {found} to a {class}")));
            }
        }
        Ok(0)
    })
}

/// The items of an index expression. A tuple is several; a list counts as one array of indices.
pub fn items(index: &Bound<'_, PyAny>) -> PyResult<Items> {
    match index.cast::<PyTuple>() {
        Ok(tuple) => tuple.iter().map(|index| item(&index)).collect(),
        Err(_) => Ok(smallvec![item(index)?]),
    }
}

fn item(index: &Bound<'_, PyAny>) -> PyResult<Index> {
    let py = index.py();
    let pointer = index.as_ptr();
    if scalar::is_type(pointer, &raw mut PyLong_Type) {
        return Ok(Index::Int(index.extract()?));
    }
    if let Ok(slice) = index.cast::<PySlice>() {
        return slice_item(slice);
    }
    if index.is_none() {
        return Ok(Index::None);
    }
    // SAFETY: `...` is always there.
    if pointer == unsafe { Py_Ellipsis() } {
        return Ok(Index::Ellipsis);
    }
    if let Ok(flag) = index.cast::<PyBool>() {
        return Ok(Index::Bool(flag.is_true()));
    }
    if is_tensor(pointer) {
        // SAFETY: checked just now.
        return Ok(tensor_item(unsafe { tensor_of(pointer) }));
    }
    if index.is_instance_of::<PyList>() || index.is_instance_of::<PyTuple>() || index.is_instance_of::<pyo3::types::PyRange>() {
        let tensor = data::infer::tensor(index, None)?;
        let empty = tensor.numel() == 0 && tensor.dtype() == rustorch_core::ops::default::dtype();
        return Ok(Index::Tensor(if empty { tensor_of_dtype(&tensor, DType::Int64)? } else { tensor }));
    }
    if data::numpy::is_array(index) {
        return Ok(tensor_item(&data::numpy::to_tensor(index, false)?));
    }
    // SAFETY: a live object.
    match unsafe { scalar::int(pointer) } {
        Ok(i) => Ok(Index::Int(i)),
        Err(Unread::Raised) => Err(PyErr::fetch(py)),
        Err(Unread::Type) => Err(PyIndexError::new_err(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"
                .replace("{}", &type_name(&index.get_type())),
        )),
    }
}
fn tensor_of_dtype(tensor: &Tensor, dtype: DType) -> PyResult<Tensor> {
    rustorch_core::ops::copy::cast(tensor, dtype).or_raise()
}
/// A 0-d integer tensor is an int.
fn tensor_item(tensor: &Tensor) -> Index {
    if tensor.ndim() == 0
        && tensor.dtype().is_integral()
        && tensor.dtype() != DType::UInt8
        && let Ok(rustorch_core::Number::Int(i)) = tensor.item()
    {
        return Index::Int(i);
    }
    Index::Tensor(tensor.clone())
}

/// Bounds may be ints, tensors of one int, or left out.
fn slice_item(slice: &Bound<'_, PySlice>) -> PyResult<Index> {
    let bound = |name: &str| -> PyResult<Option<i64>> {
        let value = slice.getattr(name)?;
        if value.is_none() {
            return Ok(None);
        }
        // SAFETY: a live object.
        match unsafe { PyNumber_AsSsize_t(value.as_ptr(), null_mut()) } {
            -1 if PyErr::occurred(slice.py()) => {
                PyErr::fetch(slice.py());
                Err(PyTypeError::new_err("slice indices must be integers or None or have an __index__ method"))
            }
            i => Ok(Some(i as i64)),
        }
    };
    let (start, stop, step) = (bound("start")?, bound("stop")?, bound("step")?);
    match step {
        Some(0) => return Err(PyValueError::new_err("slice step cannot be zero")),
        Some(negative) if negative < 0 => return Err(PyValueError::new_err("step must be greater than zero")),
        _ => {}
    }
    Ok(Index::Slice { start, stop, step })
}
