//! `t.grad_fn`: a node of the graph.
use super::hooks::{self, RemovableHandle};
use crate::call::results::Wrapped;
use crate::error::OrRaise;
use crate::tensor::reference::to_python;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustorch_core::autograd::Node;
use rustorch_core::autograd::accumulate::AccumulateGrad;
use std::sync::Arc;

#[pyclass(frozen, dict, weakref, name = "Node", module = "rustorch.autograd.graph")]
pub struct PyNode(pub Arc<Node>);

pub fn object(py: Python<'_>, node: Arc<Node>) -> PyResult<Bound<'_, PyAny>> {
    Ok(Bound::new(py, PyNode(node))?.into_any())
}

#[pymethods]
impl PyNode {
    /// The name of the node's rule: `AddBackward0`.
    fn name(&self) -> String {
        let name = self.0.name();
        if matches!(name, "AccumulateGrad" | "CopySlices") { format!("torch::autograd::{name}") } else { name.into() }
    }
    fn __repr__(slf: &Bound<'_, PyNode>) -> String {
        format!("<{} object at {:#x}>", slf.get().0.name(), Arc::as_ptr(&slf.get().0).cast::<()>() as usize)
    }
    fn __eq__(&self, other: &PyNode) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    fn __hash__(&self) -> u64 {
        Arc::as_ptr(&self.0).cast::<()>() as u64
    }
    /// For each input the node its gradient goes to, and which of that node's results the input was.
    #[getter]
    fn next_functions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let edges = self.0.edges().into_iter().map(|edge| match edge {
            Some(edge) => Ok((object(py, edge.node)?, edge.slot)),
            None => Ok((py.None().into_bound(py), 0)),
        });
        PyTuple::new(py, edges.collect::<PyResult<Vec<_>>>()?)
    }
    /// The leaf whose gradient this node accumulates.
    #[getter]
    fn variable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0.rule.as_any().downcast_ref::<AccumulateGrad>() {
            Some(rule) => to_python(py, rule.leaf.clone()),
            None => Err(PyAttributeError::new_err(format!("'{}' object has no attribute 'variable'", self.0.name()))),
        }
    }
    #[getter]
    fn metadata<'py>(slf: &Bound<'py, PyNode>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let dict = slf.getattr("__dict__")?.cast_into::<PyDict>()?;
        if let Some(metadata) = dict.get_item("_metadata")? {
            return Ok(metadata);
        }
        let metadata = PyDict::new(py);
        dict.set_item("_metadata", &metadata)?;
        Ok(metadata.into_any())
    }
    /// What the node keeps for backward.
    #[getter]
    fn saved_tensors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let saved = super::custom::saved(&self.0).or_raise()?;
        PyTuple::new(py, saved.into_iter().map(|tensor| tensor.map(Wrapped)))
    }
    fn _sequence_nr(&self) -> u64 {
        self.0.sequence
    }
    /// `hook(grad_inputs, grad_outputs)` runs after the node; what it returns replaces the gradients of the inputs.
    fn register_hook(&self, hook: Py<PyAny>) -> RemovableHandle {
        hooks::after(&self.0, hook)
    }
    /// `hook(grad_outputs)` runs before the node; what it returns replaces the gradients of the outputs.
    fn register_prehook(&self, hook: Py<PyAny>) -> RemovableHandle {
        hooks::before(&self.0, hook)
    }
}
