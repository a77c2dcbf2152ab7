//! `.grad`, `.requires_grad`, hooks and `backward`.
use super::object::{is_tensor, tensor_of, wrap};
use super::pin::Pin;
use super::reference::{Handle, TensorRef, to_python};
use crate::autograd;
use crate::call::bind::Arguments;
use crate::call::complain::type_name;
use crate::error::{OrRaise, slot, user_warning};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use rustorch_core::tensor::{Grad, Tensor};
use std::ffi::{c_int, c_void};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

const INNER_GRAD: &str = "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more information.";

pub unsafe extern "C" fn get_grad(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        let Some(grad) = tensor.grad() else {
            let retains = tensor.extra().is_some_and(|extra| extra.retains_grad.load(Relaxed));
            if tensor.requires_grad() && !tensor.is_leaf() && !retains {
                user_warning(py, INNER_GRAD)?;
            }
            return Ok(py.None().into_ptr());
        };
        // SAFETY: the lock is held; the wrapper is a Tensor.
        unsafe {
            let wrapper = Bound::from_owned_ptr_or_err(py, wrap(grad))?;
            // Making the wrapper may have run Python code (a collection): look again before pinning.
            if let Some(extra) = tensor.extra()
                && let Some(grad) = &mut *extra.grad.lock().unwrap_or_else(PoisonError::into_inner)
                && grad.pin.is_none()
                && grad.tensor.is_same(tensor_of(wrapper.as_ptr()))
            {
                grad.pin = Some(Pin::new(py, wrapper.as_ptr()));
            }
            Ok(wrapper.into_ptr())
        }
    })
}

/// PyTorch's conditions on an assigned gradient.
fn check_grad(tensor: &Tensor, grad: &Tensor) -> PyResult<()> {
    let refuse = |message: String| Err(PyRuntimeError::new_err(message));
    if tensor.is_same(grad) {
        return refuse("can't assign Variable as its own grad".into());
    }
    if tensor.shape() != grad.shape() {
        return refuse(format!(
            "attempting to assign a gradient of size '{:?}' to a tensor of size '{:?}'. Please ensure that the gradient and the tensor are the same size",
            grad.shape(),
            tensor.shape()
        ));
    }
    if tensor.dtype() != grad.dtype() {
        return refuse(format!(
            "attempting to assign a gradient with dtype '{}' to a tensor with grad_dtype '{}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume they match.",
            grad.dtype().c_name(),
            tensor.dtype().scalar_name()
        ));
    }
    if tensor.device() != grad.device() {
        return refuse(format!(
            "attempting to assign a gradient with device type '{}' to a tensor with device type '{}'. Please ensure that the gradient and the tensor are on the same device",
            grad.device().kind.name(),
            tensor.device().kind.name()
        ));
    }
    Ok(())
}

pub unsafe extern "C" fn set_grad(object: *mut PyObject, value: *mut PyObject, _: *mut c_void) -> c_int {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let tensor = unsafe { tensor_of(object) };
        // SAFETY: `None` is always there.
        let new = if value.is_null() || value == unsafe { Py_None() } {
            None
        } else if is_tensor(value) {
            // SAFETY: checked just now.
            unsafe {
                check_grad(tensor, tensor_of(value))?;
                Some(Grad { tensor: tensor_of(value).clone(), pin: Some(Pin::new(py, value)) })
            }
        } else {
            // SAFETY: the assigned value.
            let found = type_name(&unsafe { Bound::from_borrowed_ptr(py, value) }.get_type());
            return Err(PyTypeError::new_err(format!("assigned grad expected to be a Tensor or None but got grad of type {found}")));
        };
        if new.is_none() && tensor.extra().is_none() {
            return Ok(0);
        }
        let old = std::mem::replace(&mut *tensor.extra_or_new().grad.lock().unwrap_or_else(PoisonError::into_inner), new);
        drop(old); // after the lock is free: it may run Python code that asks for `.grad`
        Ok(0)
    })
}

pub unsafe extern "C" fn get_requires_grad(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { PyBool_FromLong(tensor_of(object).requires_grad().into()) }
}
pub unsafe extern "C" fn set_requires_grad(object: *mut PyObject, value: *mut PyObject, _: *mut c_void) -> c_int {
    slot(|_| {
        // SAFETY: True and False are always there; the interpreter's call.
        let (tensor, on, off) = unsafe { (tensor_of(object), value == Py_True(), value == Py_False()) };
        if !on && !off {
            return Err(PyRuntimeError::new_err("requires_grad must be a bool"));
        }
        tensor.set_requires_grad(on).or_raise()?;
        Ok(0)
    })
}

/// `requires_grad_(requires_grad=True)`.
pub fn requires_grad_<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [value] = arguments.bind("requires_grad_", ["requires_grad"], 1, 0)?;
    let on = value.map_or(Ok(true), |value| {
        value.extract::<bool>().map_err(|_| {
            PyTypeError::new_err(format!(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {}",
                type_name(&value.get_type())
            ))
        })
    })?;
    // SAFETY: a method's `self`.
    unsafe { tensor_of(slf.as_ptr()) }.set_requires_grad(on).or_raise()?;
    Ok(slf.clone())
}

pub unsafe extern "C" fn get_grad_fn(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        match unsafe { tensor_of(object) }.grad_fn().or_raise()? {
            Some(node) => Ok(autograd::node::object(py, node)?.into_ptr()),
            None => Ok(py.None().into_ptr()),
        }
    })
}

/// `backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)`.
pub fn backward<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let [gradient, retain_graph, create_graph, inputs] =
        arguments.bind("backward", ["gradient", "retain_graph", "create_graph", "inputs"], 4, 0)?;
    let create_graph = create_graph.map_or(Ok(false), |flag| flag.is_truthy())?;
    let keep_graph = match retain_graph.filter(|flag| !flag.is_none()) {
        Some(flag) => flag.is_truthy()?,
        None => create_graph,
    };
    let tensor = slf.extract::<Handle>()?.0;
    let gradient = match gradient.filter(|gradient| !gradient.is_none()) {
        Some(gradient) => Some(gradient.extract::<Handle>()?.0),
        None => None,
    };
    let inputs = match inputs.filter(|inputs| !inputs.is_none()) {
        None => None,
        Some(inputs) if is_tensor(inputs.as_ptr()) => Some(vec![inputs.extract::<Handle>()?.0]),
        Some(inputs) => Some(inputs.try_iter()?.map(|input| Ok(input?.extract::<Handle>()?.0)).collect::<PyResult<Vec<_>>>()?),
    };
    autograd::engine::backward(py, vec![tensor], vec![gradient], keep_graph, create_graph, inputs)?;
    Ok(py.None().into_bound(py))
}

/// `register_hook(hook)`: `hook(grad)` runs whenever the gradient of this tensor is computed, and may return another one.
pub fn register_hook<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [hook] = arguments.bind("register_hook", ["hook"], 1, 1)?;
    let Some(hook) = hook else { return Ok(slf.clone()) };
    autograd::hooks::register(slf, &hook)
}

/// `register_post_accumulate_grad_hook(hook)`: `hook(leaf)` runs when the gradient has been added to `leaf.grad`.
pub fn register_accumulated_hook<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [hook] = arguments.bind("register_post_accumulate_grad_hook", ["hook"], 1, 1)?;
    let Some(hook) = hook else { return Ok(slf.clone()) };
    autograd::hooks::register_accumulated(slf, &hook)
}

pub fn retain_grad<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    rustorch_core::autograd::hooks::retain_grad(&*slf.extract::<TensorRef<'_, '_>>()?).or_raise()?;
    Ok(slf.py().None().into_bound(slf.py()))
}

/// `t.data`: the same elements without history, and with a write counter of their own.
pub unsafe extern "C" fn get_data(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    slot(|py| Ok(to_python(py, rustorch_core::ops::strided::data(unsafe { tensor_of(object) }))?.into_ptr()))
}
pub unsafe extern "C" fn set_data(object: *mut PyObject, value: *mut PyObject, _: *mut c_void) -> c_int {
    slot(|py| {
        if value.is_null() || !is_tensor(value) {
            let found = if value.is_null() { "NULL".into() } else { crate::call::complain::type_word(py, value) };
            return Err(PyTypeError::new_err(format!("Variable data has to be a tensor, but got {found}")));
        }
        // SAFETY: checked just now.
        rustorch_core::ops::strided::set_data(unsafe { tensor_of(object) }, unsafe { tensor_of(value) }).or_raise()?;
        Ok(0)
    })
}
