//! DLPack: tensors shared with other frameworks, both ways, by its versions 0 and 1.
use crate::call::bind::Arguments;
use crate::cold_method;
use crate::tensor::object::tensor_of;
use crate::tensor::reference::to_python;
use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustorch_base::layout::contiguous_strides;
use rustorch_base::{DType, Layout};
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device, Storage};
use std::ffi::{CStr, c_void};

#[repr(C)]
#[derive(Clone, Copy)]
struct DlDevice {
    kind: i32,
    index: i32,
}
const CPU: i32 = 1;

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct DlType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device: DlDevice,
    ndim: i32,
    dtype: DlType,
    shape: *mut i64,
    /// Null for row-major.
    strides: *mut i64,
    byte_offset: u64,
}

/// What a capsule named `dltensor` holds.
#[repr(C)]
struct Managed {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

/// What a capsule named `dltensor_versioned` holds.
#[repr(C)]
struct ManagedVersioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: DlTensor,
}

/// One of the two forms that capsules take.
trait Form: Sized {
    const NAME: &CStr;
    const USED: &CStr;
    fn new(tensor: DlTensor, context: *mut c_void, deleter: unsafe extern "C" fn(*mut Self)) -> Self;
    fn tensor(&self) -> &DlTensor;
    fn context(&self) -> *mut c_void;
    fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)>;
}
macro_rules! form {
    ($form:ident, $name:literal, $used:literal, { $($version:tt)* }) => {
        impl Form for $form {
            const NAME: &CStr = $name;
            const USED: &CStr = $used;
            fn new(tensor: DlTensor, context: *mut c_void, deleter: unsafe extern "C" fn(*mut Self)) -> Self {
                $form { tensor, context, deleter: Some(deleter), $($version)* }
            }
            fn tensor(&self) -> &DlTensor {
                &self.tensor
            }
            fn context(&self) -> *mut c_void {
                self.context
            }
            fn deleter(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
                self.deleter
            }
        }
    };
}
form!(Managed, c"dltensor", c"used_dltensor", {});
form!(ManagedVersioned, c"dltensor_versioned", c"used_dltensor_versioned", { major: 1, minor: 0, flags: 0 });

fn type_of(dtype: DType) -> DlType {
    let code = match dtype {
        DType::BFloat16 => 4,
        DType::Bool => 6,
        dtype if dtype.is_complex() => 5,
        dtype if dtype.is_floating_point() => 2,
        dtype if dtype.is_signed() => 0,
        _ => 1,
    };
    DlType { code, bits: dtype.size() as u8 * 8, lanes: 1 }
}

/// What an exported tensor keeps until its taker lets go of it.
struct Exported {
    _tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

unsafe extern "C" fn release<F: Form>(managed: *mut F) {
    // SAFETY: both were boxed by `export`, and the taker calls this once.
    unsafe {
        drop(Box::from_raw((*managed).context().cast::<Exported>()));
        drop(Box::from_raw(managed));
    }
}
/// A capsule that nobody took still owns its tensor.
unsafe extern "C" fn forget<F: Form>(capsule: *mut PyObject) {
    // SAFETY: CPython hands the capsule; a taken one has another name.
    unsafe {
        if PyCapsule_IsValid(capsule, F::NAME.as_ptr()) != 0 {
            let managed = PyCapsule_GetPointer(capsule, F::NAME.as_ptr()).cast::<F>();
            if let Some(deleter) = (*managed).deleter() {
                deleter(managed);
            }
        }
    }
}

fn export<'py, F: Form>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let exported = Box::new(Exported { _tensor: tensor.detached(), shape: tensor.shape().to_vec(), strides: tensor.strides().to_vec() });
    let description = DlTensor {
        data: tensor.array().data().cast(),
        device: DlDevice { kind: CPU, index: 0 },
        ndim: tensor.ndim() as i32,
        dtype: type_of(tensor.dtype()),
        shape: exported.shape.as_ptr().cast_mut(),
        strides: exported.strides.as_ptr().cast_mut(),
        byte_offset: 0,
    };
    tensor.array().storage.forbid_resize();
    let managed = Box::new(F::new(description, Box::into_raw(exported).cast(), release::<F>));
    // SAFETY: the capsule owns the box until somebody takes it.
    unsafe { Bound::from_owned_ptr_or_err(py, PyCapsule_New(Box::into_raw(managed).cast(), F::NAME.as_ptr(), Some(forget::<F>))) }
}

/// `t.__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None)`.
fn dlpack<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let params = ["stream", "max_version", "dl_device", "copy"];
    let [_stream, max_version, _device, copy] = arguments.bind("__dlpack__", params, 0, 0)?;
    // SAFETY: a method's `self`.
    let tensor = unsafe { tensor_of(slf.as_ptr()) };
    if tensor.requires_grad() {
        return Err(PyBufferError::new_err("Can't export tensors that require gradient, use tensor.detach()"));
    }
    if tensor.device() != Device::CPU {
        return Err(PyBufferError::new_err(format!("cannot export a tensor on the {} device", tensor.device())));
    }
    if copy.map_or(Ok(false), |copy| copy.is_truthy())? {
        return slf.call_method0("clone")?.call_method0("__dlpack__");
    }
    let versioned = match max_version.filter(|version| !version.is_none()) {
        Some(version) => version.extract::<(u32, u32)>()?.0 >= 1,
        None => false,
    };
    if versioned { export::<ManagedVersioned>(slf.py(), tensor) } else { export::<Managed>(slf.py(), tensor) }
}
fn dlpack_device<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    Ok((CPU, 0).into_pyobject(slf.py())?.into_any())
}

/// A foreign tensor that a storage keeps.
struct Taken<F: Form>(*mut F);
// SAFETY: DLPack lets any thread call the deleter; the pointer is used for nothing else.
unsafe impl<F: Form> Send for Taken<F> {}
// SAFETY: as above.
unsafe impl<F: Form> Sync for Taken<F> {}
impl<F: Form> Drop for Taken<F> {
    fn drop(&mut self) {
        // Its owner may be a Python object.
        // SAFETY: taken from its capsule, and let go of once.
        Python::attach(|_| unsafe {
            if let Some(deleter) = (*self.0).deleter() {
                deleter(self.0);
            }
        });
    }
}

/// Takes the tensor out of a capsule, if the capsule has this form.
fn take<F: Form + 'static>(capsule: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    // SAFETY: the name says what the capsule holds; it is renamed, so that nobody takes it again.
    let taken = unsafe {
        if PyCapsule_IsValid(capsule.as_ptr(), F::NAME.as_ptr()) == 0 {
            return Ok(None);
        }
        let managed = PyCapsule_GetPointer(capsule.as_ptr(), F::NAME.as_ptr()).cast::<F>();
        PyCapsule_SetName(capsule.as_ptr(), F::USED.as_ptr());
        Taken(managed)
    };
    // SAFETY: held by `taken`.
    let description = unsafe { (*taken.0).tensor() };
    if description.device.kind != CPU {
        return Err(PyRuntimeError::new_err(format!("Unsupported device_type: {}", description.device.kind)));
    }
    let Some(dtype) = DType::ALL.iter().copied().find(|&dtype| type_of(dtype) == description.dtype) else {
        return Err(PyRuntimeError::new_err(format!(
            "Unsupported code {} with {} bits and {} lanes",
            description.dtype.code, description.dtype.bits, description.dtype.lanes
        )));
    };
    let numbers = |list: *mut i64| {
        // SAFETY: lists of `ndim` numbers.
        if description.ndim == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(list, description.ndim as usize) }.to_vec() }
    };
    let shape = numbers(description.shape);
    let strides = if description.strides.is_null() { contiguous_strides(&shape).to_vec() } else { numbers(description.strides) };
    if shape.iter().chain(&strides).any(|&n| n < 0) {
        return Err(PyRuntimeError::new_err("tensors with negative sizes or strides are not supported"));
    }
    let layout = Layout { shape: shape.as_slice().into(), strides: strides.as_slice().into(), offset: 0 };
    let data = description.data.cast::<u8>().wrapping_add(description.byte_offset as usize);
    let bytes = layout.extent() as usize * dtype.size();
    if bytes > 0 && !data.addr().is_multiple_of(dtype.size()) {
        return Err(PyRuntimeError::new_err("elements that are not aligned are not supported"));
    }
    // SAFETY: the memory that the description tells of lives until the deleter is called.
    let storage = unsafe { Storage::foreign(data, bytes, Box::new(taken)) };
    Ok(Some(Tensor::new(Array { storage, layout, dtype })))
}

/// A tensor that shares its memory with the tensor of another framework, given as such or as a capsule.
#[pyfunction]
#[pyo3(signature = (ext_tensor))]
pub fn from_dlpack<'py>(ext_tensor: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = ext_tensor.py();
    let capsule = if ext_tensor.hasattr("__dlpack__")? {
        let newest = PyDict::new(py);
        newest.set_item("max_version", (1, 0))?;
        match ext_tensor.call_method("__dlpack__", (), Some(&newest)) {
            Err(refusal) if refusal.is_instance_of::<PyTypeError>(py) => ext_tensor.call_method0("__dlpack__")?,
            other => other?,
        }
    } else {
        ext_tensor.clone()
    };
    let tensor = match take::<ManagedVersioned>(&capsule)? {
        Some(tensor) => Some(tensor),
        None => take::<Managed>(&capsule)?,
    };
    match tensor {
        Some(tensor) => to_python(py, tensor),
        None => Err(PyRuntimeError::new_err(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already constructed a tensor from it once.",
        )),
    }
}

pub fn methods() -> Vec<PyMethodDef> {
    vec![
        cold_method!(c"__dlpack__", dlpack, c"For other frameworks: a capsule that shares the tensor."),
        cold_method!(c"__dlpack_device__", dlpack_device, c"For other frameworks: where the tensor is."),
    ]
}
