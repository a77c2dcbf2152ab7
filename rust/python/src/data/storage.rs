//! `t.untyped_storage()`: the bytes that tensors share.
use crate::call::bind::Arguments;
use crate::cold_method;
use crate::error::OrRaise;
use crate::objects::device;
use crate::tensor::object::tensor_of;
use pyo3::exceptions::PyIndexError;
use pyo3::ffi::PyMethodDef;
use pyo3::prelude::*;
use rustorch_core::Storage;

/// The bytes behind tensors.
#[pyclass(frozen, weakref, module = "rustorch.storage")]
pub struct UntypedStorage(pub Storage);

#[pymethods]
impl UntypedStorage {
    /// The address of the first byte.
    fn data_ptr(&self) -> usize {
        if self.0.bytes() == 0 { 0 } else { self.0.data() as usize }
    }
    fn nbytes(&self) -> usize {
        self.0.bytes()
    }
    fn size(&self) -> usize {
        self.0.bytes()
    }
    fn __len__(&self) -> usize {
        self.0.bytes()
    }
    fn element_size(&self) -> usize {
        1
    }
    /// Whether the bytes may move: not when somebody else knows their address.
    fn resizable(&self) -> bool {
        self.0.is_resizable()
    }
    /// Grows or shrinks; what both sizes hold is kept.
    fn resize_<'py>(slf: &Bound<'py, UntypedStorage>, size: usize) -> PyResult<Bound<'py, UntypedStorage>> {
        slf.get().0.resize(size).or_raise()?;
        Ok(slf.clone())
    }
    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        device::object(py, self.0.device())
    }
    /// A number that is the same for all that share these bytes.
    #[getter]
    fn _cdata(&self) -> usize {
        self.0.identity()
    }
    fn __eq__(&self, other: &UntypedStorage) -> bool {
        self.0.same(&other.0)
    }
    fn __hash__(&self) -> u64 {
        self.0.identity() as u64
    }
    /// One byte.
    fn __getitem__(&self, index: isize) -> PyResult<u8> {
        let length = self.0.bytes() as isize;
        let at = if index < 0 { index + length } else { index };
        if !(0..length).contains(&at) || self.0.device().is_meta() {
            return Err(PyIndexError::new_err(format!("index {index} out of range for storage of size {length}")));
        }
        // SAFETY: inside the storage, whose bytes any tensor may write meanwhile, as in PyTorch.
        Ok(unsafe { *self.0.data().offset(at) })
    }
    fn tolist(&self) -> PyResult<Vec<u8>> {
        (0..self.0.bytes() as isize).map(|i| self.__getitem__(i)).collect()
    }
}

fn untyped_storage<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let storage = unsafe { tensor_of(slf.as_ptr()) }.array().storage.clone();
    Ok(Bound::new(slf.py(), UntypedStorage(storage))?.into_any())
}

pub fn methods() -> Vec<PyMethodDef> {
    vec![
        cold_method!(c"untyped_storage", untyped_storage, c"untyped_storage($self)\n--\n\nThe bytes that the tensor views."),
        cold_method!(c"storage", untyped_storage, c"storage($self)\n--\n\nThe bytes that the tensor views."),
    ]
}
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<UntypedStorage>()
}
