//! What an op returned, as Python sees it.
use super::structseq;
use crate::objects::dtype;
use crate::tensor::object::wrap;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyComplex, PyTuple};
use rustorch_core::op::{Number, Ret};
use rustorch_core::schema::Schema;
use rustorch_core::tensor::Tensor;
use std::ptr::null_mut;

impl<'py> IntoPyObject<'py> for Wrapped {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;
    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: `py` is the promise of the lock; `wrap` returns an owned reference, or null with an exception.
        unsafe { Bound::from_owned_ptr_or_err(py, wrap(self.0)) }
    }
}
/// A tensor on its way to Python.
pub struct Wrapped(pub Tensor);

/// An owned reference for the interpreter, or null with the exception set.
pub fn give(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> *mut PyObject {
    match result {
        Ok(object) => object.into_ptr(),
        Err(exception) => {
            exception.restore(py);
            null_mut()
        }
    }
}

pub fn number_to_python(py: Python<'_>, number: Number) -> PyResult<Bound<'_, PyAny>> {
    Ok(match number {
        Number::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
        Number::Int(i) => i.into_pyobject(py)?.into_any(),
        Number::Float(x) => x.into_pyobject(py)?.into_any(),
        Number::Complex(re, im) => PyComplex::from_doubles(py, re, im).into_any(),
    })
}

/// How the results of a row become Python's: a tuple of several has a class of its own when they have names.
pub struct Results {
    named: Option<structseq::Class>,
}
impl Results {
    pub fn new(schema: &Schema) -> Results {
        Results { named: (!schema.results.is_empty()).then(|| structseq::Class::new(schema.name, &schema.results)) }
    }
    #[cold]
    pub fn to_python<'py>(&self, py: Python<'py>, ret: Ret) -> PyResult<Bound<'py, PyAny>> {
        Ok(match ret {
            Ret::Tensor(tensor) => Wrapped(tensor).into_pyobject(py)?,
            Ret::Two(a, b) => self.several(py, [a, b])?,
            Ret::Three(a, b, c) => self.several(py, [a, b, c])?,
            Ret::Many(list) => self.several(py, list)?,
            Ret::Optional(list) => PyTuple::new(py, list.into_iter().map(|tensor| tensor.map(Wrapped)))?.into_any(),
            Ret::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
            Ret::Int(i) => i.into_pyobject(py)?.into_any(),
            Ret::Float(x) => x.into_pyobject(py)?.into_any(),
            Ret::Number(number) => number_to_python(py, number)?,
            Ret::Ints(list) => PyTuple::new(py, list)?.into_any(),
            Ret::DType(dtype) => dtype::object(py, dtype),
            Ret::Str(text) => text.into_pyobject(py)?.into_any(),
            Ret::None => py.None().into_bound(py),
        })
    }
    fn several<'py, L>(&self, py: Python<'py>, tensors: L) -> PyResult<Bound<'py, PyAny>>
    where
        L: IntoIterator<Item = Tensor>,
    {
        let items: Vec<Bound<'py, PyAny>> = tensors.into_iter().map(|tensor| Wrapped(tensor).into_pyobject(py)).collect::<PyResult<_>>()?;
        match &self.named {
            Some(class) if class.fields() == items.len() => class.instance(py, items),
            _ => Ok(PyTuple::new(py, items)?.into_any()),
        }
    }
}
