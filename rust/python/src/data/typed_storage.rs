//! `t.storage()`: a storage seen as elements of one dtype.
use super::element::store;
use super::storage;
use crate::call::results::number_to_python;
use crate::call::scalar::{self, Unread};
use crate::error::OrRaise;
use crate::objects::{device, dtype};
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rustorch_base::DType;
use rustorch_core::Storage;
use rustorch_core::ops::strided::read_element;

/// The elements behind tensors of one dtype.
// Scripts compare `id(a.storage())` with `id(b.storage())`, so the next object is made where the last one was freed. (PyO3's
// list holds one object fewer than it is given.)
#[pyclass(frozen, weakref, freelist = 2, module = "rustorch.storage")]
pub struct TypedStorage {
    storage: Storage,
    dtype: DType,
}

impl TypedStorage {
    pub fn new(storage: Storage, dtype: DType) -> TypedStorage {
        TypedStorage { storage, dtype }
    }
    pub fn storage(&self) -> &Storage {
        &self.storage
    }
    fn length(&self) -> usize {
        self.storage.bytes() / self.dtype.size()
    }
    /// The address of an element that is there.
    fn element(&self, index: isize) -> PyResult<*mut u8> {
        let length = self.length() as isize;
        let at = if index < 0 { index + length } else { index };
        if !(0..length).contains(&at) || self.storage.device().is_meta() {
            return Err(PyIndexError::new_err(format!("index {index} out of range for storage of size {length}")));
        }
        Ok(self.storage.data().wrapping_add(at as usize * self.dtype.size()))
    }
}

#[pymethods]
impl TypedStorage {
    fn __len__(&self) -> usize {
        self.length()
    }
    fn size(&self) -> usize {
        self.length()
    }
    fn nbytes(&self) -> usize {
        self.storage.bytes()
    }
    fn element_size(&self) -> usize {
        self.dtype.size()
    }
    /// The address of the first element.
    fn data_ptr(&self) -> usize {
        if self.storage.bytes() == 0 { 0 } else { self.storage.data() as usize }
    }
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        dtype::object(py, self.dtype)
    }
    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        device::object(py, self.storage.device())
    }
    /// The bytes.
    fn untyped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        storage::object(py, self.storage.clone())
    }
    #[getter]
    fn _untyped_storage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.untyped(py)
    }
    /// Grows or shrinks, in elements; what both sizes hold is kept.
    fn resize_(&self, size: usize) -> PyResult<()> {
        self.storage.resize(size.saturating_mul(self.dtype.size())).or_raise()
    }
    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        number_to_python(py, read_element(self.element(index)?, self.dtype))
    }
    fn __setitem__(&self, index: isize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        // SAFETY: a live object.
        let number = match unsafe { scalar::number(value.as_ptr()) } {
            Ok(number) => number,
            Err(Unread::Raised) => return Err(PyErr::fetch(value.py())),
            Err(Unread::Type) => return Err(PyTypeError::new_err("a number is needed")),
        };
        // SAFETY: `element` gives the address of a live, aligned element.
        unsafe { store(self.element(index)?, self.dtype, number) }
    }
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = (0..self.length() as isize).map(|i| self.__getitem__(py, i));
        PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)
    }
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.tolist(py)?.try_iter()?.into_any())
    }
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = String::new();
        for item in self.tolist(py)? {
            text.push_str(&format!(" {}\n", item.repr()?));
        }
        let (dtype, device, size) = (self.dtype.name(), self.storage.device(), self.length());
        Ok(format!("{text}[torch.storage.TypedStorage(dtype=torch.{dtype}, device={device}) of size {size}]"))
    }
}
