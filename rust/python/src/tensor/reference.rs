//! The safe faces of the type, for functions written with PyO3.
use super::object::{is_tensor, tensor_of};
use crate::call::complain::type_name;
use crate::call::results::Wrapped;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rustorch_core::tensor::Tensor;
use std::ops::Deref;

/// A tensor argument, borrowed from a Python object: safe, and free of reference counting.
#[derive(Clone, Copy)]
pub struct TensorRef<'a, 'py>(Borrowed<'a, 'py, PyAny>);
impl Deref for TensorRef<'_, '_> {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        // SAFETY: `extract` checked the type; the object outlives `'a`, and its tensor is never replaced.
        unsafe { tensor_of(self.0.as_ptr()) }
    }
}
impl<'a, 'py> FromPyObject<'a, 'py> for TensorRef<'a, 'py> {
    type Error = PyErr;
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if is_tensor(object.as_ptr()) {
            return Ok(TensorRef(object));
        }
        Err(PyTypeError::new_err(format!("expected Tensor, not {}", type_name(&object.get_type()))))
    }
}

/// A handle of a tensor argument.
pub struct Handle(pub Tensor);
impl<'a, 'py> FromPyObject<'a, 'py> for Handle {
    type Error = PyErr;
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Handle((*object.extract::<TensorRef<'a, 'py>>()?).clone()))
    }
}

/// The Python object of a tensor.
pub fn to_python(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    Wrapped(tensor).into_pyobject(py)
}
