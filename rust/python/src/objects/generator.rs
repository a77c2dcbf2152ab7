//! `torch.Generator`: a random stream of one's own.
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use rustorch_core::random::Generator;

#[pyclass(frozen, name = "Generator", module = "rustorch")]
pub struct PyGenerator(pub Generator);

/// The stream in an argument.
///
/// # Safety
/// The lock is held; `object` outlives `'a`.
pub unsafe fn of<'a>(py: Python<'_>, object: *mut PyObject) -> Option<&'a Generator> {
    // SAFETY: promised by the caller; a frozen class's content never moves.
    unsafe { Borrowed::from_ptr(py, object).cast::<PyGenerator>().ok().map(|generator| &*std::ptr::from_ref(&generator.get().0)) }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyGenerator>()?;
    module.add("default_generator", Bound::new(module.py(), PyGenerator(Generator))?)
}
