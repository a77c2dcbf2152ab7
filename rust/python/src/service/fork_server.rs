//! The program of worker processes, as a script holds it.
use pyo3::prelude::*;
use rustorch_data::session::{Launch, Starter};
use std::ffi::OsString;
use std::sync::Arc;

/// A program that is loaded once: its forks are the workers of all clients that are given this. It ends when the last of them
/// and this are gone.
#[pyclass(frozen, name = "ForkServer", module = "rustorch._C._data")]
pub struct PyForkServer(Arc<Starter>);

#[pymethods]
impl PyForkServer {
    /// The one that runs ``program``, from this process's folder and environment; a new one where there is none.
    #[new]
    fn new(py: Python<'_>, program: OsString, arguments: Vec<OsString>) -> PyResult<PyForkServer> {
        let launch = Launch { program, arguments, environment: Vec::new() };
        Ok(PyForkServer(py.detach(|| Starter::shared(launch))?))
    }
}

impl PyForkServer {
    pub fn starter(&self) -> Arc<Starter> {
        self.0.clone()
    }
}
