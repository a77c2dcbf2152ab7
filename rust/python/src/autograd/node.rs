//! `t.grad_fn`: a node of the graph.
use super::hooks::{self, RemovableHandle};
use crate::call::results::Wrapped;
use crate::error::OrRaise;
use crate::tensor::reference::to_python;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use rustorch_core::autograd::Node;
use rustorch_core::autograd::accumulate::AccumulateGrad;
use std::cell::Cell;
use std::sync::Arc;

#[pyclass(frozen, subclass, dict, weakref, name = "Node", module = "rustorch.autograd.graph")]
pub struct PyNode(pub Arc<Node>);

/// The live objects of nodes, by address, so that `y.grad_fn is y.grad_fn`; an object keeps its node, and with it the
/// address, as long as it lives.
static OBJECTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
thread_local! {
    /// The node of the object that is being made: Python's classes call `__new__`, which takes it from here.
    static COMING: Cell<Option<Arc<Node>>> = const { Cell::new(None) };
}
/// A class for each name of a rule.
static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

pub fn object(py: Python<'_>, node: Arc<Node>) -> PyResult<Bound<'_, PyAny>> {
    let objects = OBJECTS.get_or_try_init(py, || PyResult::Ok(py.import("weakref")?.getattr("WeakValueDictionary")?.call0()?.unbind()))?;
    let address = Arc::as_ptr(&node).cast::<()>() as usize;
    let known = objects.bind(py).call_method1("get", (address,))?;
    if !known.is_none() {
        return Ok(known);
    }
    let class = class_of(py, node.name())?;
    COMING.set(Some(node));
    let object = class.call0()?;
    objects.bind(py).set_item(address, &object)?;
    Ok(object)
}
fn class_of<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let classes = CLASSES.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    if let Some(class) = classes.get_item(name)? {
        return Ok(class);
    }
    let body = PyDict::new(py);
    body.set_item("__slots__", PyTuple::empty(py))?;
    let class = py.get_type::<PyType>().call1((name, (py.get_type::<PyNode>(),), body))?;
    classes.set_item(name, &class)?;
    Ok(class)
}

#[pymethods]
impl PyNode {
    #[new]
    fn new() -> PyResult<PyNode> {
        COMING.take().map(PyNode).ok_or_else(|| PyTypeError::new_err("cannot create 'Node' instances"))
    }
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
    /// `_saved_self`, `_saved_other`, `_saved_result` ...: a value kept for backward.
    fn __getattr__<'py>(slf: &Bound<'py, PyNode>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let node = &slf.get().0;
        match name.strip_prefix("_saved_").and_then(|saved| node.rule.saved_index(saved)) {
            Some(index) => Ok(node.saved(index).or_raise()?.map(Wrapped).into_pyobject(slf.py())?),
            None => Err(PyAttributeError::new_err(format!("'{}' object has no attribute '{name}'", node.name()))),
        }
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
