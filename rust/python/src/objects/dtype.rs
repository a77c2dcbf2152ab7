//! `torch.dtype`: one object for each element type.
use crate::call::complain::type_name;
use crate::error::OrRaise;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use rustorch_base::DType;
use rustorch_core::ops::default;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

#[pyclass(frozen, name = "dtype", module = "rustorch")]
pub struct PyDType(pub DType);

static OBJECTS: PyOnceLock<Vec<Py<PyDType>>> = PyOnceLock::new();
static CLASS: AtomicPtr<PyTypeObject> = AtomicPtr::new(null_mut());

fn objects(py: Python<'_>) -> &Vec<Py<PyDType>> {
    OBJECTS.get_or_init(py, || {
        let object = |&dtype: &DType| Py::new(py, PyDType(dtype)).ok();
        DType::ALL.iter().filter_map(object).collect()
    })
}

/// The one object of a dtype.
#[inline]
pub fn object(py: Python<'_>, dtype: DType) -> Bound<'_, PyAny> {
    objects(py)[dtype as usize].bind(py).clone().into_any()
}

/// The dtype an argument names: a dtype, or one of Python's number types.
///
/// # Safety
/// `object` is live.
#[inline]
pub unsafe fn of(py: Python<'_>, object: *mut PyObject) -> Option<DType> {
    // SAFETY: the type is checked before the cast.
    unsafe {
        if Py_TYPE(object) == CLASS.load(Relaxed) {
            return Some(Borrowed::from_ptr(py, object).cast_unchecked::<PyDType>().get().0);
        }
        let class: *mut PyTypeObject = object.cast();
        Some(match class {
            c if c == &raw mut PyFloat_Type => DType::Float64,
            c if c == &raw mut PyLong_Type => DType::Int64,
            c if c == &raw mut PyBool_Type => DType::Bool,
            c if c == &raw mut PyComplex_Type => DType::Complex128,
            _ => return None,
        })
    }
}

impl<'py> FromPyObject<'_, 'py> for PyDTypeArg {
    type Error = PyErr;
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<PyDTypeArg> {
        // SAFETY: a live object.
        match unsafe { of(object.py(), object.as_ptr()) } {
            Some(dtype) => Ok(PyDTypeArg(dtype)),
            None => Err(PyTypeError::new_err(format!("expected a torch.dtype, not {}", type_name(&object.get_type())))),
        }
    }
}
/// A dtype argument of a hand-written function.
#[derive(Clone, Copy)]
pub struct PyDTypeArg(pub DType);

#[pymethods]
impl PyDType {
    fn __repr__(&self) -> String {
        format!("torch.{}", self.0.name())
    }
    /// Pickled by name.
    fn __reduce__(&self) -> &'static str {
        self.0.name()
    }
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_floating_point()
    }
    #[getter]
    fn is_complex(&self) -> bool {
        self.0.is_complex()
    }
    #[getter]
    fn is_signed(&self) -> bool {
        self.0.is_signed()
    }
    #[getter]
    fn abbr(&self) -> &'static str {
        match self.0 {
            DType::UInt8 => "u8",
            DType::UInt16 => "u16",
            DType::UInt32 => "u32",
            DType::UInt64 => "u64",
            DType::Int8 => "i8",
            DType::Int16 => "i16",
            DType::Int32 => "i32",
            DType::Int64 => "i64",
            DType::Float16 => "f16",
            DType::BFloat16 => "bf16",
            DType::Float32 => "f32",
            DType::Float64 => "f64",
            DType::Complex64 => "c64",
            DType::Complex128 => "c128",
            DType::Bool => "b8",
        }
    }
    /// The real dtype of a complex one's parts.
    fn to_real<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        object(py, self.0.to_real())
    }
    /// The complex dtype whose parts hold this one.
    fn to_complex<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        object(py, self.0.to_complex())
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<PyDType>()?;
    CLASS.store(py.get_type::<PyDType>().as_type_ptr(), Relaxed);
    for &dtype in DType::ALL {
        module.add(dtype.name(), object(py, dtype))?;
    }
    module.add_function(wrap_pyfunction!(get_default_dtype, module)?)?;
    module.add_function(wrap_pyfunction!(set_default_dtype, module)?)?;
    Ok(())
}

/// The dtype of tensors made from Python floats.
#[pyfunction]
fn get_default_dtype(py: Python<'_>) -> Bound<'_, PyAny> {
    object(py, default::dtype())
}

/// Sets the dtype of tensors made from Python floats.
#[pyfunction]
fn set_default_dtype(d: PyDTypeArg) -> PyResult<()> {
    default::set_dtype(d.0).or_raise()
}
