//! `autograd.Function`: a node whose rule is written in Python.
use super::node;
use crate::call::results::Wrapped;
use crate::error::{OrRaise, to_core};
use crate::tensor::reference::Handle;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rustorch_base::Result;
use rustorch_core::autograd::node::SavedList;
use rustorch_core::autograd::record::record_rule;
use rustorch_core::autograd::{Context, Edge, Grads, Node, Rule, Saved, inplace, tracks};
use rustorch_core::tensor::Tensor;
use std::any::Any;
use std::sync::Arc;

/// Calls `context._run_backward(node, cotangents)`.
struct PythonRule {
    context: Py<PyAny>,
    name: String,
    /// For each input of the node, its place among the function's arguments.
    places: Vec<usize>,
    saved: usize,
    outputs: usize,
}

impl Rule for PythonRule {
    fn name(&self) -> &str {
        &self.name
    }
    fn backward(&self, context: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        Python::attach(|py| {
            let node = node::object(py, context.node.clone())?;
            // The engine leaves out trailing outputs that received nothing.
            let cotangent = |slot: usize| cotangents.get(slot).cloned().flatten().map(Wrapped);
            let given = PyTuple::new(py, (0..self.outputs).map(cotangent))?;
            let answer = self.context.bind(py).call_method1("_run_backward", (node, given))?;
            let gradients: Vec<Option<Handle>> = answer.extract()?;
            Ok(self.places.iter().map(|&place| gradients.get(place).and_then(Option::as_ref).map(|gradient| gradient.0.clone())).collect())
        })
        .map_err(to_core)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The values that a node keeps, all of them.
pub fn saved(node: &Arc<Node>) -> Result<Vec<Option<Tensor>>> {
    let count = node.rule.as_any().downcast_ref::<PythonRule>().map_or(0, |rule| rule.saved);
    (0..count).map(|i| node.saved(i)).collect()
}

/// Records a call of a Python function: returns its outputs, as results of a node that calls `context` back.
///
/// An output that is one of the inputs, and was not written, becomes a view of it; one that was written in place moves
/// on to the new node.
#[pyfunction]
#[pyo3(name = "_custom_function")]
#[expect(clippy::too_many_arguments, reason = "what a function says of one call")]
pub fn custom_function<'py>(
    py: Python<'py>,
    context: Py<PyAny>,
    name: String,
    inputs: Vec<Option<Handle>>,
    outputs: Vec<Handle>,
    dirty: Vec<Handle>,
    non_differentiable: Vec<Handle>,
    to_save: Vec<Option<Handle>>,
) -> PyResult<Bound<'py, PyList>> {
    let among = |tensor: &Tensor, list: &[Handle]| list.iter().any(|other| other.0.is_same(tensor));
    let places: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].is_some()).collect();
    let tensors: Vec<&Tensor> = inputs.iter().flatten().map(|input| &input.0).collect();
    let is_input = |tensor: &Tensor| tensors.iter().any(|input| input.is_same(tensor));
    for written in &dirty {
        inplace::check(&written.0).or_raise()?;
    }
    // An untouched input, or a view, comes out as another tensor: it is to have a history of its own.
    let result = |output: &Handle| {
        let borrowed = is_input(&output.0) || output.0.view().is_some();
        if borrowed && !among(&output.0, &dirty) { output.0.detached() } else { output.0.clone() }
    };
    let results: Vec<Tensor> = outputs.iter().map(result).collect();
    if tracks(&tensors) {
        let own_output = |saved: &Tensor| outputs.iter().position(|output| output.0.is_same(saved) && !is_input(saved));
        let save = |tensor: &Option<Handle>| match tensor {
            None => Saved::Nothing,
            Some(tensor) => own_output(&tensor.0).map_or_else(|| Saved::input(&tensor.0), |slot| Saved::output(&tensor.0, slot as u32)),
        };
        let saved: SavedList = to_save.iter().map(save).collect();
        let rule = PythonRule { context, name, places, saved: saved.len(), outputs: outputs.len() };
        let node = record_rule(rule, &tensors, &[], saved).or_raise()?;
        for (slot, (output, result)) in outputs.iter().zip(&results).enumerate() {
            if result.dtype().is_differentiable() && !among(&output.0, &non_differentiable) {
                inplace::rebase_after_write(result, Some(Edge { node: node.clone(), slot: slot as u32 })).or_raise()?;
            }
        }
    }
    PyList::new(py, results.into_iter().map(Wrapped))
}
