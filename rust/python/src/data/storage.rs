//! `t.untyped_storage()`: the bytes that tensors share.
use super::typed_storage::TypedStorage;
use crate::call::bind::Arguments;
use crate::cold_method;
use crate::error::OrRaise;
use crate::objects::device;
use crate::tensor::object::tensor_of;
use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::ffi::PyMethodDef;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyByteArray;
use pyo3::{PyClass, PyClassInitializer};
use rustorch_base::layout::contiguous_strides;
use rustorch_core::ops::strided;
use rustorch_core::{Array, Device, Layout, Storage};

/// The bytes behind tensors.
#[pyclass(frozen, weakref, module = "rustorch.storage")]
pub struct UntypedStorage(pub Storage);

/// The live objects of storages, by identity: one object for one storage, so that pickle and copy keep sharing.
static OBJECTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The live object under a key, or a new one.
fn live<'py, T: PyClass + Into<PyClassInitializer<T>>>(
    py: Python<'py>,
    key: impl IntoPyObject<'py> + Copy,
    make: impl FnOnce() -> T,
) -> PyResult<Bound<'py, PyAny>> {
    let objects = OBJECTS.get_or_try_init(py, || PyResult::Ok(py.import("weakref")?.getattr("WeakValueDictionary")?.call0()?.unbind()))?;
    let known = objects.bind(py).call_method1("get", (key,))?;
    if !known.is_none() {
        return Ok(known);
    }
    let object = Bound::new(py, make())?.into_any();
    objects.bind(py).set_item(key, &object)?;
    Ok(object)
}

pub fn object(py: Python<'_>, storage: Storage) -> PyResult<Bound<'_, PyAny>> {
    live(py, storage.identity(), || UntypedStorage(storage))
}

/// A storage with a copy of the bytes.
fn copied(storage: &Storage) -> PyResult<Storage> {
    let fresh = Storage::allocate(storage.bytes(), storage.device()).or_raise()?;
    if !storage.device().is_meta() {
        // SAFETY: both hold this many bytes; nobody else knows the fresh ones.
        unsafe { std::ptr::copy_nonoverlapping(storage.data(), fresh.data(), storage.bytes()) };
    }
    Ok(fresh)
}

/// A storage of these bytes.
#[pyfunction]
#[pyo3(name = "_rebuild_storage")]
pub fn rebuild<'py>(elements: &Bound<'py, PyByteArray>) -> PyResult<Bound<'py, PyAny>> {
    let bytes = elements.to_vec();
    let fresh = Storage::allocate(bytes.len(), Device::CPU).or_raise()?;
    // SAFETY: both hold this many bytes; nobody else knows the fresh ones.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), fresh.data(), bytes.len()) };
    object(elements.py(), fresh)
}

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
    fn __repr__(&self) -> PyResult<String> {
        let bytes: Vec<String> = self.tolist()?.iter().map(u8::to_string).collect();
        let lines = if bytes.is_empty() { String::new() } else { format!(" {}\n", bytes.join("\n ")) };
        Ok(format!("{lines}[torch.storage.UntypedStorage(device={}) of size {}]", self.0.device(), self.0.bytes()))
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
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.0.device().is_meta() {
            return Err(PyRuntimeError::new_err("a storage without elements cannot be pickled"));
        }
        // SAFETY: the storage's own bytes; a writer meanwhile may be seen in part, as in PyTorch.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.data(), self.0.bytes()) };
        let rebuild = py.import("rustorch._C")?.getattr("_rebuild_storage")?;
        Ok((rebuild, (PyByteArray::new(py, bytes),)).into_pyobject(py)?.into_any())
    }
    fn __deepcopy__<'py>(&self, py: Python<'py>, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // One copy for all objects that ever stood for this storage.
        let key = ("storage", self.0.identity());
        if memo.contains(key)? {
            return memo.get_item(key);
        }
        let copy = object(py, copied(&self.0)?)?;
        memo.set_item(key, &copy)?;
        Ok(copy)
    }
    fn tolist(&self) -> PyResult<Vec<u8>> {
        (0..self.0.bytes() as isize).map(|i| self.__getitem__(i)).collect()
    }
}

/// `t.storage()`: the same, seen as elements of the tensor's dtype.
fn typed_storage<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let array = unsafe { tensor_of(slf.as_ptr()) }.array().clone();
    live(slf.py(), (array.storage.identity(), array.dtype as u8), || TypedStorage::new(array.storage, array.dtype))
}
fn untyped_storage<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let storage = unsafe { tensor_of(slf.as_ptr()) }.array().storage.clone();
    object(slf.py(), storage)
}

/// `t.set_(...)`: the table's forms take tensors; a storage, with or without a place in it, is taken here.
fn set<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let first = arguments.args.get_item(0).ok();
    let storage = first.as_ref().and_then(|first| match first.cast::<UntypedStorage>() {
        Ok(untyped) => Some(untyped.get().0.clone()),
        Err(_) => first.cast::<TypedStorage>().ok().map(|typed| typed.get().storage().clone()),
    });
    let Some(storage) = storage else { return slf.call_method("_set_", &arguments.args, arguments.kwargs.as_ref()) };
    let [_, offset, size, stride] = arguments.bind("set_", ["source", "storage_offset", "size", "stride"], 4, 1)?;
    // SAFETY: a method's `self`.
    let tensor = unsafe { tensor_of(slf.as_ptr()) };
    let list = |given: Option<Bound<'py, PyAny>>| given.map(|given| given.extract::<Vec<i64>>()).transpose();
    let shape = list(size)?.unwrap_or_else(|| vec![(storage.bytes() / tensor.dtype().size()) as i64]);
    let strides = match list(stride)? {
        Some(strides) if strides.len() == shape.len() => strides.as_slice().into(),
        Some(strides) if !strides.is_empty() => {
            return Err(PyRuntimeError::new_err(format!("mismatch in length of strides and shape: {} and {}", strides.len(), shape.len())));
        }
        _ => contiguous_strides(&shape),
    };
    let offset = offset.map(|offset| offset.extract::<i64>()).transpose()?.unwrap_or(0);
    if offset < 0 || strides.iter().any(|&stride: &i64| stride < 0) {
        return Err(PyRuntimeError::new_err(format!("Tensor: invalid storage offset {offset}")));
    }
    let layout = Layout { shape: shape.as_slice().into(), strides, offset };
    strided::set_array(tensor, Array { storage, layout, dtype: tensor.dtype() }).or_raise()?;
    Ok(slf.clone())
}

pub fn methods() -> Vec<PyMethodDef> {
    vec![
        cold_method!(
            c"set_",
            set,
            c"set_($self, source=None, storage_offset=0, size=None, stride=None)\n--\n\nPuts another storage under the tensor."
        ),
        cold_method!(c"untyped_storage", untyped_storage, c"untyped_storage($self)\n--\n\nThe bytes that the tensor views."),
        cold_method!(c"storage", typed_storage, c"storage($self)\n--\n\nThe elements that the tensor views."),
    ]
}
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(rebuild, module)?)?;
    module.add_class::<TypedStorage>()?;
    module.add_class::<UntypedStorage>()
}
