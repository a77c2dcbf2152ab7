//! `torch.layout` and `torch.memory_format`: one object for each value.
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use rustorch_base::layout::MemoryFormat;
use rustorch_core::op::TensorLayout;

#[pyclass(frozen, name = "layout", module = "rustorch")]
pub struct PyLayout(&'static str, TensorLayout);
#[pyclass(frozen, name = "memory_format", module = "rustorch")]
pub struct PyMemoryFormat(&'static str, MemoryFormat);

const FORMATS: [(&str, MemoryFormat); 4] = [
    ("contiguous_format", MemoryFormat::Contiguous),
    ("preserve_format", MemoryFormat::Preserve),
    ("channels_last", MemoryFormat::ChannelsLast),
    ("channels_last_3d", MemoryFormat::ChannelsLast3d),
];
static STRIDED: PyOnceLock<Py<PyLayout>> = PyOnceLock::new();

/// # Safety
/// `object` is live.
pub unsafe fn layout_of(py: Python<'_>, object: *mut PyObject) -> Option<TensorLayout> {
    // SAFETY: promised by the caller.
    unsafe { Borrowed::from_ptr(py, object) }.cast::<PyLayout>().ok().map(|layout| layout.get().1)
}
/// # Safety
/// `object` is live.
pub unsafe fn memory_format_of(py: Python<'_>, object: *mut PyObject) -> Option<MemoryFormat> {
    // SAFETY: promised by the caller.
    unsafe { Borrowed::from_ptr(py, object) }.cast::<PyMemoryFormat>().ok().map(|format| format.get().1)
}

/// `torch.strided`.
pub fn strided(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let layout = STRIDED.get_or_try_init(py, || Py::new(py, PyLayout("strided", TensorLayout::Strided)))?;
    Ok(layout.bind(py).clone().into_any())
}

#[pymethods]
impl PyLayout {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0)
    }
    /// Pickled by name.
    fn __reduce__(&self) -> &'static str {
        self.0
    }
}
#[pymethods]
impl PyMemoryFormat {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0)
    }
    /// Pickled by name.
    fn __reduce__(&self) -> &'static str {
        self.0
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<PyLayout>()?;
    module.add_class::<PyMemoryFormat>()?;
    module.add("strided", strided(py)?)?;
    for (name, format) in FORMATS {
        module.add(name, Py::new(py, PyMemoryFormat(name, format))?)?;
    }
    Ok(())
}
