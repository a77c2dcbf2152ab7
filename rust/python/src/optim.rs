//! Optimizer steps: one call for all parameters of a group. The bookkeeping (groups, settings, the state's dictionaries)
//! is Python's; its names are read here where they are used.
use crate::error::OrRaise;
use crate::tensor::object::{is_tensor, tensor_of};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{PyDict_GetItemWithError, PyObject};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use rustorch_core::ops::optim::{self, Adam, AdamParameter, Sgd, SgdParameter};
use rustorch_core::tensor::Tensor;
use smallvec::SmallVec;

/// Elements from which a step is worth letting other threads of Python run.
const LONG: i64 = 1 << 14;

/// The tensor handles of a list, with their Python objects borrowed from it.
fn tensors<'a, 'py>(params: &'a Bound<'py, PyList>) -> impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Tensor)>> + 'a {
    params.iter().map(|object| {
        if !is_tensor(object.as_ptr()) {
            return Err(PyTypeError::new_err("optimizer can only optimize Tensors"));
        }
        // SAFETY: checked just now; `object` keeps it alive.
        let tensor = unsafe { tensor_of(object.as_ptr()) }.clone();
        Ok((object, tensor))
    })
}

/// `dictionary[key]`, without making missing entries (the state is a `defaultdict`).
fn entry<'a, 'py>(dictionary: &'a Bound<'py, PyDict>, key: *mut PyObject) -> PyResult<Option<Borrowed<'a, 'py, PyAny>>> {
    let py = dictionary.py();
    // SAFETY: both are live objects; the result is borrowed from the dictionary, which nothing changes before it is used.
    let found = unsafe { Borrowed::from_ptr_or_opt(py, PyDict_GetItemWithError(dictionary.as_ptr(), key)) };
    match found {
        Some(found) => Ok(Some(found)),
        None => PyErr::take(py).map_or(Ok(None), Err),
    }
}

/// The tensor under a name of a parameter's state.
fn saved(state: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<Option<Tensor>> {
    let Some(found) = entry(state, name.as_ptr())?.filter(|found| is_tensor(found.as_ptr())) else { return Ok(None) };
    // SAFETY: checked just now.
    Ok(Some(unsafe { tensor_of(found.as_ptr()) }.clone()))
}

/// The state of a parameter, where it has one.
fn state_of<'py>(state: &Bound<'py, PyDict>, parameter: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    Ok(entry(state, parameter.as_ptr())?.and_then(|found| found.to_owned().cast_into::<PyDict>().ok()))
}

fn run<R: Send>(py: Python<'_>, elements: i64, step: impl FnOnce() -> R + Send) -> R {
    if elements >= LONG { py.detach(step) } else { step() }
}

/// One SGD step of all of `params` that have gradients. False, and nothing has changed, where the caller must compose it:
/// a momentum buffer is missing, or a tensor is not what the kernels are made for.
#[pyfunction]
#[pyo3(name = "_sgd_step")]
#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "the settings of a group, as PyTorch names them")]
fn sgd_step(
    params: &Bound<'_, PyList>,
    state: &Bound<'_, PyDict>,
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
) -> PyResult<bool> {
    let py = params.py();
    let mut list: SmallVec<[SgdParameter; 16]> = SmallVec::new();
    let mut elements = 0;
    for pair in tensors(params) {
        let (object, parameter) = pair?;
        let Some(gradient) = parameter.grad() else { continue };
        let mut buffer = None;
        if momentum != 0.0 {
            let Some(own) = state_of(state, &object)? else { return Ok(false) };
            buffer = saved(&own, intern!(py, "momentum_buffer"))?;
            if buffer.is_none() {
                return Ok(false);
            }
        }
        elements += parameter.numel();
        list.push(SgdParameter { parameter, gradient, buffer });
    }
    let settings = Sgd { lr, momentum, dampening, weight_decay, nesterov, maximize };
    Ok(run(py, elements, || optim::sgd_step(&settings, &list)))
}

/// One Adam step of all of `params` that have gradients. False, and nothing has changed, where the caller must compose it:
/// a parameter has no state yet, or a tensor is not what the kernels are made for.
#[pyfunction]
#[pyo3(name = "_adam_step")]
#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "the settings of a group, as PyTorch names them")]
fn adam_step(
    params: &Bound<'_, PyList>,
    state: &Bound<'_, PyDict>,
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
    decoupled: bool,
) -> PyResult<bool> {
    let py = params.py();
    let mut list: SmallVec<[AdamParameter; 16]> = SmallVec::new();
    let mut elements = 0;
    for pair in tensors(params) {
        let (object, parameter) = pair?;
        let Some(gradient) = parameter.grad() else { continue };
        let Some(own) = state_of(state, &object)? else { return Ok(false) };
        let step = saved(&own, intern!(py, "step"))?;
        let mean = saved(&own, intern!(py, "exp_avg"))?;
        let square = saved(&own, intern!(py, "exp_avg_sq"))?;
        let largest = if amsgrad { saved(&own, intern!(py, "max_exp_avg_sq"))? } else { None };
        let (Some(step), Some(mean), Some(square)) = (step, mean, square) else { return Ok(false) };
        if amsgrad && largest.is_none() {
            return Ok(false);
        }
        elements += parameter.numel();
        list.push(AdamParameter { parameter, gradient, mean, square, largest, step });
    }
    let settings = Adam { lr, beta1, beta2, eps, weight_decay, maximize, decoupled, ..Adam::default() };
    Ok(run(py, elements, || optim::adam_step(&settings, &list)))
}

/// Drops the gradients of all of `params`, or fills them with zeros and cuts them from their graph.
#[pyfunction]
#[pyo3(name = "_zero_grad")]
fn zero_grad(params: &Bound<'_, PyList>, set_to_none: bool) -> PyResult<()> {
    for pair in tensors(params) {
        let (_, parameter) = pair?;
        if set_to_none {
            parameter.set_grad(None);
        } else if let Some(gradient) = parameter.grad() {
            optim::zero_gradient(&gradient).or_raise()?;
        }
    }
    Ok(())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sgd_step, module)?)?;
    module.add_function(wrap_pyfunction!(adam_step, module)?)?;
    module.add_function(wrap_pyfunction!(zero_grad, module)?)
}
