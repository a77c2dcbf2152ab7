//! The autograd engine's Python side: modes, passes, nodes, hooks, functions written in Python.
pub mod custom;
pub mod engine;
pub mod hooks;
pub mod mode;
pub mod node;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    engine::register(module)?;
    mode::register(module)?;
    module.add_function(wrap_pyfunction!(custom::custom_function, module)?)?;
    module.add_class::<node::PyNode>()?;
    module.add_class::<hooks::RemovableHandle>()
}
