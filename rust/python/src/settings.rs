//! Threads, memory and instruction sets: what a program may ask and set.
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustorch_core::{alloc, threads};

/// How many threads an operation on the CPU may use.
#[pyfunction]
fn get_num_threads() -> usize {
    threads::num_threads()
}
/// Sets how many threads an operation on the CPU may use.
#[pyfunction]
fn set_num_threads(num_threads: i64) -> PyResult<()> {
    let count = usize::try_from(num_threads).ok().filter(|&count| count > 0);
    threads::set_num_threads(count.ok_or_else(|| PyRuntimeError::new_err("set_num_threads expects a positive integer"))?);
    Ok(())
}

/// Gives memory that no tensor uses back to the system.
#[pyfunction]
fn empty_cache() {
    alloc::empty_cache();
}

/// Counters of the memory that tensors on the CPU use, under the names of `torch.cuda.memory_stats()`.
#[pyfunction]
fn memory_stats(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let statistics = alloc::statistics();
    let counters = PyDict::new(py);
    counters.set_item("allocated_bytes.all.current", statistics.allocated)?;
    counters.set_item("allocation.all.allocated", statistics.requests)?;
    counters.set_item("reserved_bytes.all.current", statistics.reserved)?;
    counters.set_item("segment.all.allocated", statistics.system_requests)?;
    Ok(counters)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(get_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(empty_cache, module)?)?;
    module.add_function(wrap_pyfunction!(memory_stats, module)?)
}
