//! `torch.frombuffer`: a tensor over anything with Python's buffer protocol.
use crate::error::{OrRaise, user_warning};
use crate::objects::dtype::PyDTypeArg;
use crate::tensor::reference::to_python;
use pyo3::exceptions::PyValueError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use rustorch_base::Layout;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device, Storage};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A view of a buffer, which its owner may neither move nor free; given back with the lock held.
struct View(Box<Py_buffer>);
// SAFETY: the view is only given back, and that under the lock.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}
impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: taken by `View::new`, and given back once.
        Python::attach(|_| unsafe { PyBuffer_Release(&raw mut *self.0) });
    }
}
impl View {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<View> {
        let mut view = Box::new(Py_buffer::new());
        for flags in [PyBUF_WRITABLE, PyBUF_SIMPLE] {
            // SAFETY: a live object and an empty view.
            if unsafe { PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } == 0 {
                return Ok(View(view));
            }
            PyErr::take(object.py());
        }
        Err(PyValueError::new_err("object does not implement Python buffer protocol."))
    }
}

/// A tensor that shares its memory with a buffer (bytes, bytearray, memoryview, array ...).
#[pyfunction]
#[pyo3(signature = (buffer, *, dtype, count=-1, offset=0, requires_grad=false))]
pub fn frombuffer<'py>(
    buffer: &Bound<'py, PyAny>,
    dtype: PyDTypeArg,
    count: i64,
    offset: i64,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let refuse = |message: String| Err(PyValueError::new_err(message));
    let dtype = dtype.0;
    let size = dtype.size() as i64;
    let view = View::new(buffer)?;
    let length = view.0.len as i64;
    if length == 0 || count == 0 {
        return refuse(format!("both buffer length ({length}) and count ({count}) must not be 0"));
    }
    if !(0..length).contains(&offset) {
        return refuse(format!("offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"));
    }
    let rest = length - offset;
    if count < 0 && rest % size != 0 {
        return refuse(format!("buffer length ({rest} bytes) after offset ({offset} bytes) must be a multiple of element size ({size})"));
    }
    let count = if count < 0 { rest / size } else { count };
    if count.checked_mul(size).is_none_or(|bytes| bytes > rest) {
        return refuse(format!(
            "requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must not be greater than actual buffer length ({length} bytes)"
        ));
    }
    static WARNED: AtomicBool = AtomicBool::new(false);
    if view.0.readonly != 0 && !WARNED.swap(true, Relaxed) {
        user_warning(
            buffer.py(),
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can write to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the buffer to protect its data or make it writable before converting it to a tensor. This type of warning will be suppressed for the rest of this program.",
        )?;
    }
    let data = view.0.buf.cast::<u8>().wrapping_add(offset as usize);
    let (bytes, layout) = ((count * size) as usize, Layout::contiguous(&[count]));
    let array = if data.addr().is_multiple_of(dtype.size()) {
        // SAFETY: the view keeps `length` bytes where they are until it is dropped with the storage.
        let storage = unsafe { Storage::foreign(data, bytes, Box::new(view)) };
        Array { storage, layout, dtype }
    } else {
        // Elements that are not aligned cannot be read in place.
        let array = Array::with_layout(layout, dtype, Device::CPU).or_raise()?;
        // SAFETY: both hold this many bytes, and the array is fresh.
        unsafe { std::ptr::copy_nonoverlapping(data, array.data(), bytes) };
        array
    };
    let tensor = Tensor::new(array);
    tensor.set_requires_grad(requires_grad).or_raise()?;
    to_python(buffer.py(), tensor)
}
