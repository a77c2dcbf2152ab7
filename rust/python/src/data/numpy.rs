//! NumPy's arrays, shared both ways through their array interface: no header of NumPy is needed, and it is imported
//! when the first array is asked for.
use crate::call::bind::Arguments;
use crate::call::complain::type_name;
use crate::cold_method;
use crate::error::{OrRaise, user_warning};
use crate::tensor::life::drop_attached;
use crate::tensor::object::tensor_of;
use crate::tensor::reference::to_python;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use rustorch_base::{DType, Layout};
use rustorch_core::ops;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device, Storage};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// `__array_struct__`, as NumPy documents it.
#[repr(C)]
struct ArrayInterface {
    two: c_int,
    nd: c_int,
    typekind: c_char,
    itemsize: c_int,
    flags: c_int,
    shape: *mut isize,
    strides: *mut isize,
    data: *mut c_void,
    descr: *mut PyObject,
}
const ALIGNED: c_int = 0x100;
const NATIVE_ORDER: c_int = 0x200;
const WRITEABLE: c_int = 0x400;

/// NumPy's kind of each dtype that it has.
fn kind_of(dtype: DType) -> Option<u8> {
    match dtype {
        DType::BFloat16 => None,
        DType::Bool => Some(b'b'),
        dtype if dtype.is_floating_point() => Some(b'f'),
        dtype if dtype.is_complex() => Some(b'c'),
        dtype if dtype.is_signed() => Some(b'i'),
        _ => Some(b'u'),
    }
}
fn dtype_from(kind: u8, size: usize) -> Option<DType> {
    DType::ALL.iter().copied().find(|dtype| kind_of(*dtype) == Some(kind) && dtype.size() == size)
}

/// NumPy's class of arrays, once NumPy is loaded.
fn array_class(py: Python<'_>) -> Option<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if CLASS.get(py).is_none() {
        let modules = py.import("sys").and_then(|sys| sys.getattr("modules")).ok()?;
        let class = modules.get_item("numpy").and_then(|numpy| numpy.getattr("ndarray")).ok()?;
        let _ = CLASS.set(py, class.unbind());
    }
    CLASS.get(py).map(|class| class.bind(py))
}
pub fn is_array(object: &Bound<'_, PyAny>) -> bool {
    array_class(object.py()).is_some_and(|class| object.is_instance(class).unwrap_or(false))
}
fn unsupported(object: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let name: String = object.getattr("dtype")?.getattr("type")?.getattr("__name__")?.extract()?;
    Ok(PyTypeError::new_err(format!(
        "can't convert np.ndarray of type numpy.{name}. The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
    )))
}

/// The dtype of an array or a NumPy scalar; `None` for other objects.
pub fn dtype_of(object: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    let generic = crate::call::scalar::numpy_generic(object.py());
    let is_scalar = generic.is_some_and(|class| object.is_instance(class).unwrap_or(false));
    if !is_scalar && !is_array(object) {
        return Ok(None);
    }
    let dtype = object.getattr("dtype")?;
    let (kind, size): (String, usize) = (dtype.getattr("kind")?.extract()?, dtype.getattr("itemsize")?.extract()?);
    match kind.bytes().next().and_then(|kind| dtype_from(kind, size)) {
        Some(dtype) => Ok(Some(dtype)),
        None => Err(unsupported(object)?),
    }
}

/// An array that a storage keeps alive; let go of with the lock held.
struct Owner(Option<Py<PyAny>>);
impl Drop for Owner {
    fn drop(&mut self) {
        drop_attached(self.0.take());
    }
}

/// A tensor over an array's own memory, which it keeps alive. `warn`: of an array that may not be written.
pub fn to_tensor(array: &Bound<'_, PyAny>, warn: bool) -> PyResult<Tensor> {
    let refuse = |message: &str| Err(PyValueError::new_err(message.to_string()));
    let capsule = array.getattr("__array_struct__")?;
    // SAFETY: NumPy's capsule holds such a structure, valid while the capsule lives.
    let interface = unsafe { &*PyCapsule_GetPointer(capsule.as_ptr(), null()).cast::<ArrayInterface>() };
    let ndim = interface.nd as usize;
    let numbers = |list: *mut isize| -> Vec<i64> {
        // SAFETY: lists of `nd` numbers.
        if ndim == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(list, ndim) }.iter().map(|&n| n as i64).collect() }
    };
    let (shape, steps) = (numbers(interface.shape), numbers(interface.strides));
    if steps.iter().any(|&step| step < 0) {
        return refuse(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. (You can probably work around this by making a copy of your array  with array.copy().) ",
        );
    }
    if interface.flags & NATIVE_ORDER == 0 {
        return refuse(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.",
        );
    }
    let Some(dtype) = dtype_from(interface.typekind as u8, interface.itemsize as usize) else { return Err(unsupported(array)?) };
    if steps.iter().any(|step| step % dtype.size() as i64 != 0) {
        return refuse("given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.");
    }
    if interface.flags & ALIGNED == 0 {
        return to_tensor(&array.call_method0("copy")?, warn);
    }
    static WARNED: AtomicBool = AtomicBool::new(false);
    if warn && interface.flags & WRITEABLE == 0 && !WARNED.swap(true, Relaxed) {
        user_warning(
            array.py(),
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to this tensor will result in undefined behavior. You may want to copy the array to protect its data or make it writable before converting it to a tensor. This type of warning will be suppressed for the rest of this program.",
        )?;
    }
    let strides = steps.iter().map(|step| step / dtype.size() as i64).collect();
    let layout = Layout { shape: shape.as_slice().into(), strides, offset: 0 };
    let bytes = layout.extent() as usize * dtype.size();
    let owner = Box::new(Owner(Some(array.clone().unbind())));
    // SAFETY: the array's memory reaches as far as its shape and strides do, and lives as long as the array.
    let storage = unsafe { Storage::foreign(interface.data.cast(), bytes, owner) };
    Ok(Tensor::new(Array { storage, layout, dtype }))
}

/// A tensor that shares its memory with a NumPy array: writing one writes the other.
#[pyfunction]
#[pyo3(signature = (ndarray, /))]
pub fn from_numpy<'py>(ndarray: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if !is_array(ndarray) {
        return Err(PyTypeError::new_err(format!("expected np.ndarray (got {})", type_name(&ndarray.get_type()))));
    }
    to_python(ndarray.py(), to_tensor(ndarray, true)?)
}

/// Tells NumPy where a tensor's elements are, and keeps them there.
#[pyclass(frozen)]
struct Elements {
    tensor: Tensor,
    shape: Vec<isize>,
    steps: Vec<isize>,
    kind: u8,
}
#[pymethods]
impl Elements {
    #[getter]
    fn __array_struct__(slf: &Bound<'_, Elements>) -> PyResult<Py<PyAny>> {
        unsafe extern "C" fn free(capsule: *mut PyObject) {
            // SAFETY: the pointer that the capsule was made with.
            drop(unsafe { Box::from_raw(PyCapsule_GetPointer(capsule, null()).cast::<ArrayInterface>()) });
        }
        let this = slf.get();
        let interface = Box::new(ArrayInterface {
            two: 2,
            nd: this.shape.len() as c_int,
            typekind: this.kind as c_char,
            itemsize: this.tensor.dtype().size() as c_int,
            flags: ALIGNED | NATIVE_ORDER | WRITEABLE,
            shape: this.shape.as_ptr().cast_mut(),
            strides: this.steps.as_ptr().cast_mut(),
            data: this.tensor.array().data().cast(),
            descr: null_mut(),
        });
        // SAFETY: the lists live as long as `slf`, which NumPy keeps as the array's base.
        unsafe { Ok(Bound::from_owned_ptr_or_err(slf.py(), PyCapsule_New(Box::into_raw(interface).cast(), null(), Some(free)))?.unbind()) }
    }
}

/// The array over a tensor's memory. The storage may not be resized from then on.
pub fn to_array<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    static ASARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let Some(kind) = kind_of(tensor.dtype()) else {
        return Err(PyTypeError::new_err(format!("Got unsupported ScalarType {}", tensor.dtype().scalar_name())));
    };
    let size = tensor.dtype().size() as isize;
    let elements = Elements {
        tensor: tensor.detached(),
        shape: tensor.shape().iter().map(|&n| n as isize).collect(),
        steps: tensor.strides().iter().map(|&step| step as isize * size).collect(),
        kind,
    };
    tensor.array().storage.forbid_resize();
    let asarray = ASARRAY.get_or_try_init(py, || PyResult::Ok(py.import("numpy")?.getattr("asarray")?.unbind()))?;
    asarray.bind(py).call1((Bound::new(py, elements)?,))
}

/// `t.numpy(*, force=False)`.
fn numpy<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [force] = arguments.bind("numpy", ["force"], 0, 0)?;
    let force = force.map_or(Ok(false), |force| force.is_truthy())?;
    // SAFETY: a method's `self`.
    let tensor = unsafe { tensor_of(slf.as_ptr()) };
    if tensor.device() != Device::CPU && !force {
        return Err(PyTypeError::new_err(format!(
            "can't convert {} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.",
            tensor.device()
        )));
    }
    if tensor.requires_grad() && !force {
        return Err(PyRuntimeError::new_err("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."));
    }
    to_array(slf.py(), &ops::copy::to(&tensor.detached(), tensor.dtype(), Device::CPU).or_raise()?)
}

/// `numpy.asarray(t)`.
fn array<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [dtype, copy] = arguments.bind("__array__", ["dtype", "copy"], 2, 0)?;
    let mut array = slf.call_method0("numpy")?;
    if let Some(dtype) = dtype.filter(|dtype| !dtype.is_none()) {
        let kwargs = PyDict::new(slf.py());
        kwargs.set_item("copy", false)?;
        array = array.call_method("astype", (dtype,), Some(&kwargs))?;
    }
    if copy.map_or(Ok(false), |copy| copy.is_truthy())? { array.call_method0("copy") } else { Ok(array) }
}
/// What NumPy's own functions make of a tensor becomes a tensor again.
fn array_wrap<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let result = arguments.args.get_item(0)?;
    let result = if is_array(&result) { result } else { slf.py().import("numpy")?.getattr("asarray")?.call1((result,))? };
    to_python(slf.py(), to_tensor(&result, false)?)
}

pub fn methods() -> Vec<PyMethodDef> {
    vec![
        cold_method!(c"numpy", numpy, c"numpy($self, *, force=False)\n--\n\nA NumPy array over the tensor's memory."),
        cold_method!(c"__array__", array, c"For numpy.asarray()."),
        cold_method!(c"__array_wrap__", array_wrap, c"For NumPy's own functions."),
    ]
}
