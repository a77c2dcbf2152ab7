//! Copying and pickling.
use super::object::tensor_of;
use super::reference::to_python;
use super::subclass::instance;
use crate::call::bind::Arguments;
use crate::cold_method;
use crate::error::OrRaise;
use crate::objects::dtype::{self, PyDTypeArg};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyTuple, PyType};
use rustorch_core::ops;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device};

fn tensor<'a>(slf: &'a Bound<'_, PyAny>) -> &'a Tensor {
    // SAFETY: a method's `self`.
    unsafe { tensor_of(slf.as_ptr()) }
}
fn dict<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    Ok(slf.getattr("__dict__")?.cast_into::<PyDict>()?)
}

/// A leaf of the same class, dict and elements; the elements are copied, and the dict's values, by `copy.deepcopy`.
fn deepcopy<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let [memo] = arguments.bind("__deepcopy__", ["memo"], 1, 1)?;
    let Some(memo) = memo else { return Ok(slf.clone()) };
    if !tensor(slf).is_leaf() {
        return Err(PyRuntimeError::new_err(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001",
        ));
    }
    let key = slf.as_ptr() as usize;
    if memo.contains(key)? {
        return memo.get_item(key);
    }
    let copied = ops::strided::clone_laid_as(&tensor(slf).detached(), tensor(slf).layout()).or_raise()?;
    copied.set_requires_grad(tensor(slf).requires_grad()).or_raise()?;
    let copy = instance(&slf.get_type(), copied)?;
    memo.set_item(key, &copy)?;
    let deepcopy = py.import("copy")?.getattr("deepcopy")?;
    let grad = slf.getattr("grad")?;
    if !grad.is_none() {
        copy.setattr("grad", deepcopy.call1((grad, &memo))?)?;
    }
    let state = dict(slf)?;
    if !state.is_empty() {
        dict(&copy)?.update(deepcopy.call1((state, &memo))?.cast::<PyDict>()?.as_mapping())?;
    }
    Ok(copy)
}

/// A leaf of the same class and dict over the same elements.
fn shallow_copy<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let alias = ops::strided::data(tensor(slf));
    alias.set_requires_grad(tensor(slf).requires_grad()).or_raise()?;
    let copy = instance(&slf.get_type(), alias)?;
    let state = dict(slf)?;
    if !state.is_empty() {
        dict(&copy)?.update(state.as_mapping())?;
    }
    Ok(copy)
}

/// For pickle: the elements in row-major order with what is needed to make them a tensor again.
fn reduce_ex<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let source = tensor(slf);
    let dense = ops::copy::contiguous(&source.detached()).or_raise()?;
    let bytes = dense.numel() as usize * dense.dtype().size();
    // SAFETY: a contiguous tensor's elements.
    let elements = unsafe { std::slice::from_raw_parts(dense.array().data(), bytes) };
    let rebuild = py.import("rustorch._C")?.getattr("_rebuild_tensor")?;
    let args = (
        slf.get_type(),
        PyByteArray::new(py, elements),
        dtype::object(py, dense.dtype()),
        PyTuple::new(py, dense.shape())?,
        source.is_leaf() && source.requires_grad(),
    );
    let state = dict(slf)?;
    Ok((rebuild, args, if state.is_empty() { py.None().into_bound(py) } else { state.into_any() }).into_pyobject(py)?.into_any())
}

/// A tensor from the bytes of its elements, in row-major order.
#[pyfunction]
#[pyo3(name = "_rebuild_tensor")]
pub fn rebuild<'py>(
    class: &Bound<'py, PyType>,
    elements: &Bound<'py, PyByteArray>,
    dtype: PyDTypeArg,
    shape: Vec<i64>,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let fresh = Array::empty(&shape, dtype.0, Device::CPU).map(Tensor::new).or_raise()?;
    let bytes = fresh.numel() as usize * dtype.0.size();
    let given = elements.to_vec();
    if given.len() != bytes {
        return Err(PyValueError::new_err(format!("{} bytes for a tensor of {bytes}", given.len())));
    }
    // SAFETY: a fresh contiguous tensor of `bytes` bytes that nobody else has.
    unsafe { std::ptr::copy_nonoverlapping(given.as_ptr(), fresh.array().data(), bytes) };
    fresh.set_requires_grad(requires_grad).or_raise()?;
    if class.is(super::class_object(class.py())) { to_python(class.py(), fresh) } else { instance(class, fresh) }
}

fn setstate<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let state = arguments.args.get_item(0)?;
    dict(slf)?.update(state.cast::<PyDict>()?.as_mapping())?;
    Ok(slf.py().None().into_bound(slf.py()))
}

pub fn table() -> Vec<PyMethodDef> {
    vec![
        cold_method!(c"__deepcopy__", deepcopy, c"A leaf with elements of its own."),
        cold_method!(c"__copy__", shallow_copy, c"A leaf over the same elements."),
        cold_method!(c"__reduce_ex__", reduce_ex, c"For pickle."),
        cold_method!(c"__setstate__", setstate, c"For pickle."),
    ]
}
