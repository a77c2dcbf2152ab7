//! Running a graph back. The lock is released once for the pass; hooks and Python functions take it again.
use crate::call::results::Wrapped;
use crate::error::OrRaise;
use crate::tensor::reference::Handle;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustorch_core::autograd::engine::{self, Options};
use rustorch_core::tensor::Tensor;

/// `tensors.backward(gradients)`.
pub fn backward(
    py: Python<'_>,
    tensors: Vec<Tensor>,
    gradients: Vec<Option<Tensor>>,
    keep_graph: bool,
    create_graph: bool,
    inputs: Option<Vec<Tensor>>,
) -> PyResult<()> {
    let options = Options { keep_graph, create_graph };
    py.detach(|| engine::backward(&tensors, &gradients, options, inputs.as_deref())).or_raise()
}

fn handles(list: Vec<Handle>) -> Vec<Tensor> {
    list.into_iter().map(|handle| handle.0).collect()
}
fn optional(list: Vec<Option<Handle>>) -> Vec<Option<Tensor>> {
    list.into_iter().map(|handle| handle.map(|handle| handle.0)).collect()
}

/// Adds the gradients of the outputs to `.grad` of the leaves, or of `inputs` alone.
#[pyfunction]
#[pyo3(signature = (outputs, gradients, keep_graph, create_graph, inputs=None))]
fn _backward(
    py: Python<'_>,
    outputs: Vec<Handle>,
    gradients: Vec<Option<Handle>>,
    keep_graph: bool,
    create_graph: bool,
    inputs: Option<Vec<Handle>>,
) -> PyResult<()> {
    backward(py, handles(outputs), optional(gradients), keep_graph, create_graph, inputs.map(handles))
}

/// The gradients of the outputs with respect to the inputs, None for an input they do not depend on.
#[pyfunction]
fn _grad<'py>(
    py: Python<'py>,
    outputs: Vec<Handle>,
    inputs: Vec<Handle>,
    gradients: Vec<Option<Handle>>,
    keep_graph: bool,
    create_graph: bool,
    allow_unused: bool,
) -> PyResult<Bound<'py, PyTuple>> {
    let (outputs, inputs, gradients) = (handles(outputs), handles(inputs), optional(gradients));
    let options = Options { keep_graph, create_graph };
    let found = py.detach(|| engine::grad(&outputs, &inputs, &gradients, options, allow_unused)).or_raise()?;
    PyTuple::new(py, found.into_iter().map(|gradient| gradient.map(Wrapped)))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_backward, module)?)?;
    module.add_function(wrap_pyfunction!(_grad, module)?)
}
