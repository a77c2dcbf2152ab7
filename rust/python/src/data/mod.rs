//! Data in and out of tensors: Python's sequences, NumPy's arrays, buffers, DLPack.
pub mod buffer;
pub mod dlpack;
pub mod element;
pub mod infer;
pub mod numpy;
pub mod storage;
pub mod typed_storage;

use crate::call::bind::Arguments;
use crate::call::complain::type_name;
use crate::cold_method;
use crate::error::{OrRaise, user_warning};
use crate::objects::{device, dtype};
use crate::tensor::object::{is_tensor, tensor_of};
use crate::tensor::reference::{Handle, to_python};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::PyMethodDef;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustorch_base::DType;
use rustorch_core::device::Device;
use rustorch_core::ops;
use rustorch_core::tensor::Tensor;

fn wrong(name: &str, param: &str, word: &str, given: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{name}(): argument '{param}' must be {word}, not {}", type_name(&given.get_type())))
}
/// A keyword that names a dtype; None for the inferred one.
fn dtype_of(name: &str, given: Option<Bound<'_, PyAny>>) -> PyResult<Option<DType>> {
    let Some(given) = given.filter(|given| !given.is_none()) else { return Ok(None) };
    // SAFETY: a live object.
    let dtype = unsafe { dtype::of(given.py(), given.as_ptr()) };
    dtype.map_or_else(|| Err(wrong(name, "dtype", "torch.dtype", &given)), |dtype| Ok(Some(dtype)))
}
fn device_of(name: &str, given: Option<Bound<'_, PyAny>>) -> PyResult<Option<Device>> {
    let Some(given) = given.filter(|given| !given.is_none()) else { return Ok(None) };
    // SAFETY: a live object.
    let device = unsafe { device::of(given.py(), given.as_ptr()) }.or_raise()?;
    device.map_or_else(|| Err(wrong(name, "device", "torch.device", &given)), |device| Ok(Some(device)))
}
fn flag(name: &str, param: &str, given: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
    given.map_or(Ok(false), |given| given.extract().map_err(|_| wrong(name, param, "bool", &given)))
}
fn arguments<'py>(args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> Arguments<'py> {
    Arguments { args: args.clone(), kwargs: kwargs.cloned() }
}
/// The first argument, which `bind` has seen to be there.
fn given<'py>(data: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    data.ok_or_else(|| PyTypeError::new_err("data is missing"))
}
fn moved(tensor: Tensor, device: Device) -> PyResult<Tensor> {
    if device == tensor.device() { Ok(tensor) } else { ops::copy::to(&tensor, tensor.dtype(), device).or_raise() }
}
fn requiring(tensor: Tensor, requires_grad: bool) -> PyResult<Tensor> {
    if requires_grad {
        if !tensor.dtype().is_differentiable() {
            return Err(PyRuntimeError::new_err("Only Tensors of floating point and complex dtype can require gradients"));
        }
        tensor.set_requires_grad(true).or_raise()?;
    }
    Ok(tensor)
}

/// A tensor of its own from any data.
fn fresh(data: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    let shared = if is_tensor(data.as_ptr()) {
        // SAFETY: checked just now.
        unsafe { tensor_of(data.as_ptr()) }.detached()
    } else if numpy::is_array(data) {
        numpy::to_tensor(data, false)?
    } else {
        return infer::tensor(data, dtype);
    };
    let wanted = dtype.unwrap_or(shared.dtype());
    if wanted == shared.dtype() { ops::copy::clone(&shared).or_raise() } else { ops::copy::cast(&shared, wanted).or_raise() }
}

/// A new tensor with a copy of the data: a number, nested sequences of numbers, a NumPy array, another tensor.
#[pyfunction]
#[pyo3(signature = (*args, **kwargs), text_signature = "(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False)")]
fn tensor<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
    let params = ["data", "dtype", "device", "requires_grad", "pin_memory", "names"];
    let [data, dtype, device, requires_grad, pinned, _names] = arguments(args, kwargs).bind("tensor", params, 1, 1)?;
    let data = given(data)?;
    let (dtype, device) = (dtype_of("tensor", dtype)?, device_of("tensor", device)?);
    let requires_grad = flag("tensor", "requires_grad", requires_grad)?;
    flag("tensor", "pin_memory", pinned)?;
    if is_tensor(data.as_ptr()) {
        user_warning(
            py,
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
        )?;
    }
    let made = moved(fresh(&data, dtype)?, device.unwrap_or_else(ops::default::device))?;
    to_python(py, requiring(made, requires_grad)?)
}

/// A tensor of the data, which is shared where dtype and device allow.
#[pyfunction]
#[pyo3(signature = (*args, **kwargs), text_signature = "(data, dtype=None, device=None)")]
fn as_tensor<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
    let [data, dtype, device] = arguments(args, kwargs).bind("as_tensor", ["data", "dtype", "device"], 1, 1)?;
    let data = given(data)?;
    let (dtype, device) = (dtype_of("as_tensor", dtype)?, device_of("as_tensor", device)?);
    if is_tensor(data.as_ptr()) {
        let handle = data.extract::<Handle>()?.0;
        return to_python(py, ops::copy::to(&handle, dtype.unwrap_or(handle.dtype()), device.unwrap_or(handle.device())).or_raise()?);
    }
    let made = if numpy::is_array(&data) {
        let view = numpy::to_tensor(&data, true)?;
        ops::copy::cast(&view, dtype.unwrap_or(view.dtype())).or_raise()?
    } else {
        infer::tensor(&data, dtype)?
    };
    to_python(py, moved(made, device.unwrap_or_else(ops::default::device))?)
}

/// A tensor of the data: shared where it can be, unless `copy` asks for one of its own.
#[pyfunction]
#[pyo3(signature = (*args, **kwargs), text_signature = "(obj, *, dtype=None, device=None, copy=None, requires_grad=False)")]
fn asarray<'py>(py: Python<'py>, args: &Bound<'py, PyTuple>, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
    let params = ["obj", "dtype", "device", "copy", "requires_grad"];
    let [data, dtype, device, copy, requires_grad] = arguments(args, kwargs).bind("asarray", params, 1, 1)?;
    let data = given(data)?;
    let (dtype, device) = (dtype_of("asarray", dtype)?, device_of("asarray", device)?);
    let requires_grad = flag("asarray", "requires_grad", requires_grad)?;
    let copy = copy.filter(|copy| !copy.is_none()).map(|copy| copy.is_truthy()).transpose()?;
    let is_shareable = is_tensor(data.as_ptr()) || numpy::is_array(&data);
    if copy == Some(false) && !is_shareable {
        return Err(PyValueError::new_err("can't alias arbitrary sequence into a tensor."));
    }
    let made = if copy == Some(true) || !is_shareable {
        let own = fresh(&data, dtype)?;
        let target = device.unwrap_or(own.device());
        moved(own, target)?
    } else {
        let base = if is_tensor(data.as_ptr()) { data.extract::<Handle>()?.0 } else { numpy::to_tensor(&data, true)? };
        ops::copy::to(&base, dtype.unwrap_or(base.dtype()), device.unwrap_or(base.device())).or_raise()?
    };
    to_python(py, requiring(made, requires_grad)?)
}

/// `t.new_tensor(data, *, dtype=None, device=None, requires_grad=False)`: of this tensor's dtype, unless told otherwise.
fn new_tensor<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let params = ["data", "dtype", "device", "requires_grad", "layout", "pin_memory"];
    let [data, dtype, device, requires_grad, _layout, _pinned] = arguments.bind("new_tensor", params, 1, 1)?;
    // SAFETY: a method's `self`.
    let like = unsafe { tensor_of(slf.as_ptr()) };
    let dtype = dtype_of("new_tensor", dtype)?.unwrap_or(like.dtype());
    let device = device_of("new_tensor", device)?.unwrap_or(like.device());
    let made = moved(fresh(&given(data)?, Some(dtype))?, device)?;
    to_python(slf.py(), requiring(made, flag("new_tensor", "requires_grad", requires_grad)?)?)
}

pub fn methods() -> Vec<PyMethodDef> {
    let doc = c"new_tensor($self, data, *, dtype=None, device=None, requires_grad=False)\n--\n\nA tensor with a copy of the data, of this tensor's dtype.";
    let mut methods = vec![cold_method!(c"new_tensor", new_tensor, doc)];
    methods.extend(numpy::methods());
    methods.extend(dlpack::methods());
    methods.extend(storage::methods());
    methods
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(tensor, module)?)?;
    module.add_function(wrap_pyfunction!(as_tensor, module)?)?;
    module.add_function(wrap_pyfunction!(asarray, module)?)?;
    module.add_function(wrap_pyfunction!(numpy::from_numpy, module)?)?;
    module.add_function(wrap_pyfunction!(buffer::frombuffer, module)?)?;
    module.add_function(wrap_pyfunction!(dlpack::from_dlpack, module)?)?;
    storage::register(module)
}
