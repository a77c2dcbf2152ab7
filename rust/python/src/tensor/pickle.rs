//! Copying and pickling.
use super::object::tensor_of;
use super::subclass::instance;
use crate::call::bind::Arguments;
use crate::cold_method;
use crate::data::storage::{self, UntypedStorage};
use crate::error::OrRaise;
use crate::objects::dtype::{self, PyDTypeArg};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use rustorch_base::{DType, Layout};
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
    let storage = storage::object(py, tensor(slf).array().storage.clone())?.call_method1("__deepcopy__", (&memo,))?;
    let copied = over(&storage, tensor(slf).dtype(), tensor(slf).layout().clone())?;
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

/// For pickle: the storage, whose sharing pickle keeps, and where in it the elements are.
fn reduce_ex<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let source = tensor(slf);
    let rebuild = py.import("rustorch._C")?.getattr("_rebuild_tensor")?;
    let args = (
        slf.get_type(),
        storage::object(py, source.array().storage.clone())?,
        dtype::object(py, source.dtype()),
        source.offset(),
        PyTuple::new(py, source.shape())?,
        PyTuple::new(py, source.strides())?,
        source.is_leaf() && source.requires_grad(),
    );
    let state = dict(slf)?;
    Ok((rebuild, args, if state.is_empty() { py.None().into_bound(py) } else { state.into_any() }).into_pyobject(py)?.into_any())
}

/// A tensor over a storage. RuntimeError when the layout leaves it.
fn over(storage: &Bound<'_, PyAny>, dtype: DType, layout: Layout) -> PyResult<Tensor> {
    let storage = storage.cast::<UntypedStorage>()?.get().0.clone();
    if layout.shape.len() != layout.strides.len() || layout.shape.iter().chain(&layout.strides).any(|&n| n < 0) || layout.offset < 0 {
        return Err(PyRuntimeError::new_err("a tensor with negative sizes or strides"));
    }
    let tensor = Tensor::new(Array::empty(&[0], dtype, Device::CPU).or_raise()?);
    ops::strided::set_array(&tensor, Array { storage, layout, dtype }).or_raise()?;
    Ok(tensor)
}

/// A tensor over a storage, as pickle puts it together again.
#[pyfunction]
#[pyo3(name = "_rebuild_tensor")]
pub fn rebuild<'py>(
    class: &Bound<'py, PyType>,
    storage: &Bound<'py, PyAny>,
    dtype: PyDTypeArg,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let layout = Layout { shape: shape.as_slice().into(), strides: strides.as_slice().into(), offset };
    let tensor = over(storage, dtype.0, layout)?;
    tensor.set_requires_grad(requires_grad).or_raise()?;
    instance(class, tensor)
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
