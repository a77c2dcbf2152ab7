//! Whether gradients are recorded: `no_grad`, `enable_grad`, `inference_mode`.
use pyo3::prelude::*;
use rustorch_core::mode;

/// Whether the calling thread records gradients.
#[pyfunction]
fn is_grad_enabled() -> bool {
    mode::is_grad_enabled()
}
/// Whether the calling thread is in inference mode.
#[pyfunction]
fn is_inference_mode_enabled() -> bool {
    mode::is_inference_mode_enabled()
}
#[pyfunction]
fn _set_grad_enabled(enabled: bool) {
    mode::set_grad_enabled(enabled);
}
#[pyfunction]
fn _set_inference_mode(enabled: bool) {
    mode::set(mode::INFERENCE, enabled);
}

/// The part of `no_grad` and `enable_grad` that is entered and left: the modes before are kept on the object.
#[pyclass(subclass, module = "rustorch._C")]
pub struct _GradMode {
    enabled: bool,
    before: Vec<bool>,
}
#[pymethods]
impl _GradMode {
    #[new]
    #[pyo3(signature = (enabled=false))]
    fn new(enabled: bool) -> _GradMode {
        _GradMode { enabled, before: Vec::new() }
    }
    fn __enter__(&mut self) {
        self.before.push(mode::set_grad_enabled(self.enabled));
    }
    #[pyo3(signature = (*_exception))]
    fn __exit__(&mut self, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        if let Some(before) = self.before.pop() {
            mode::set_grad_enabled(before);
        }
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(is_grad_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(is_inference_mode_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(_set_grad_enabled, module)?)?;
    module.add_function(wrap_pyfunction!(_set_inference_mode, module)?)?;
    module.add_class::<_GradMode>()
}
