//! The data service's Python side: the trainer's client, tensors over the slots of its ring, the worker's loop, and the
//! random numbers of a worker's samples.
mod batch;
mod client;
mod columns;
mod daemon;
mod fork_server;
mod plan;
mod random;
mod source;
mod worker;

use pyo3::prelude::*;

pub fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "rustorch._C._data")?;
    module.add_class::<client::PyClient>()?;
    module.add_class::<fork_server::PyForkServer>()?;
    module.add_class::<source::PySource>()?;
    module.add_function(wrap_pyfunction!(batch::raise_refusal, &module)?)?;
    module.add_function(wrap_pyfunction!(daemon::serve, &module)?)?;
    module.add_function(wrap_pyfunction!(daemon::command_line, &module)?)?;
    module.add_function(wrap_pyfunction!(give_back_heap, &module)?)?;
    module.add_function(wrap_pyfunction!(worker::bind_worker, &module)?)?;
    module.add_function(wrap_pyfunction!(worker::serve_forks, &module)?)?;
    module.add_function(wrap_pyfunction!(worker::run_worker, &module)?)?;
    module.add_function(wrap_pyfunction!(random::begin_batch, &module)?)?;
    module.add_function(wrap_pyfunction!(random::begin_sample, &module)?)?;
    module.add_function(wrap_pyfunction!(random::lazy_bits, &module)?)?;
    module.add_function(wrap_pyfunction!(random::wake_bits, &module)?)?;
    module.add_function(wrap_pyfunction!(random::forget_bits, &module)?)?;
    parent.add("_data", &module)
}

/// Gives the system back what is free of the C library's heap.
#[pyfunction]
fn give_back_heap() {
    rustorch_data::sys::heap::give_back();
}
