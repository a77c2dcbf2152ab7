//! `t.shape`, `t.dtype` and the other attributes that are not ops.
use super::gradient;
use super::object::{TensorObject, tensor_of};
use super::reference::to_python;
use crate::error::{OrRaise, slot};
use crate::objects::{device, dtype, layout, size};
use pyo3::IntoPyObjectExt;
use pyo3::ffi::*;
use pyo3::prelude::*;
use rustorch_core::tensor::Tensor;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::Relaxed;

/// The Size of a tensor: the one returned last, as long as it still holds.
///
/// # Safety
/// The lock is held; `object` is a Tensor.
#[inline]
pub unsafe fn shape_of(object: *mut PyObject) -> *mut PyObject {
    // SAFETY: promised by the caller; the cached Size is owned by the object.
    unsafe {
        let this = object.cast::<TensorObject>();
        let sizes = tensor_of(object).shape();
        let cached = (*this).size;
        if !cached.is_null() && size::holds(cached, sizes) {
            Py_INCREF(cached);
            return cached;
        }
        let fresh = size::new(sizes);
        if !fresh.is_null() {
            Py_INCREF(fresh);
            let old = std::mem::replace(&mut (*this).size, fresh);
            Py_XDECREF(old);
        }
        fresh
    }
}
unsafe extern "C" fn get_shape(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { shape_of(object) }
}
unsafe extern "C" fn get_ndim(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe { PyLong_FromSsize_t(tensor_of(object).ndim() as isize) }
}
unsafe extern "C" fn get_dtype(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
    // SAFETY: the interpreter's call, which holds the lock.
    unsafe { dtype::object(Python::assume_attached(), tensor_of(object).dtype()).into_ptr() }
}

/// An attribute that is not hot: its body sees the tensor and returns what becomes a Python object.
macro_rules! attribute {
    ($name:ident, |$py:ident, $tensor:ident| $value:expr) => {
        unsafe extern "C" fn $name(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
            slot(|$py| {
                // SAFETY: the interpreter's call.
                let $tensor: &Tensor = unsafe { tensor_of(object) };
                Ok($value.into_py_any($py)?.into_ptr())
            })
        }
    };
}
attribute!(get_device, |py, tensor| device::object(py, tensor.device())?);
attribute!(get_layout, |py, _tensor| layout::strided(py)?);
attribute!(get_is_leaf, |py, tensor| tensor.is_leaf());
attribute!(get_version, |py, tensor| tensor.version().or_raise()?);
attribute!(get_output_nr, |py, tensor| tensor.output_nr());
attribute!(get_nbytes, |py, tensor| tensor.numel() * tensor.dtype().size() as i64);
attribute!(get_itemsize, |py, tensor| tensor.dtype().size());
attribute!(get_is_cuda, |py, tensor| tensor.device().kind.is_gpu());
attribute!(get_is_cpu, |py, tensor| tensor.device() == rustorch_core::Device::CPU);
attribute!(get_is_meta, |py, tensor| tensor.device().is_meta());
attribute!(get_false, |py, _tensor| false);
attribute!(get_names, |py, tensor| pyo3::types::PyTuple::new(py, (0..tensor.ndim()).map(|_| py.None()))?);
attribute!(get_retains_grad, |py, tensor| tensor.extra().is_some_and(|extra| extra.retains_grad.load(Relaxed)));
attribute!(get_base, |py, tensor| match tensor.view() {
    Some(view) => to_python(py, view.base.clone())?,
    None => py.None().into_bound(py),
});

/// Attributes that are results of ops: the method of the op is called, so that a subclass may see it.
macro_rules! derived {
    ($name:ident, $function:path) => {
        unsafe extern "C" fn $name(object: *mut PyObject, _: *mut c_void) -> *mut PyObject {
            slot(|py| {
                // SAFETY: the interpreter's call.
                let slf = unsafe { Bound::from_borrowed_ptr(py, object) };
                Ok($function(&slf)?.into_ptr())
            })
        }
    };
}
derived!(get_t, super::transposed::t);
derived!(get_mt, super::transposed::matrix);
derived!(get_h, super::transposed::hermitian);
derived!(get_mh, super::transposed::matrix_hermitian);
derived!(get_real, super::transposed::real);
derived!(get_imag, super::transposed::imag);

unsafe extern "C" fn set_real(object: *mut PyObject, value: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: the interpreter's call.
    slot(|py| unsafe {
        super::transposed::assign_part(&Bound::from_borrowed_ptr(py, object), "real", Bound::from_borrowed_ptr_or_opt(py, value))
    })
}
unsafe extern "C" fn set_imag(object: *mut PyObject, value: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: the interpreter's call.
    slot(|py| unsafe {
        super::transposed::assign_part(&Bound::from_borrowed_ptr(py, object), "imag", Bound::from_borrowed_ptr_or_opt(py, value))
    })
}

/// The table of attributes.
pub fn table() -> Vec<PyGetSetDef> {
    let writable = |name: &'static CStr, get: getter, set: Option<setter>, doc: &'static CStr| PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set,
        doc: doc.as_ptr(),
        closure: null_mut(),
    };
    let only = |name, get, doc| writable(name, get, None, doc);
    vec![
        writable(c"__dict__", PyObject_GenericGetDict, Some(PyObject_GenericSetDict), c""),
        only(c"shape", get_shape, c"The size of each dimension, a torch.Size."),
        only(c"ndim", get_ndim, c"The number of dimensions."),
        only(c"dtype", get_dtype, c"The type of the elements."),
        only(c"device", get_device, c"Where the elements are."),
        only(c"layout", get_layout, c"How the elements are stored: torch.strided."),
        writable(c"grad", gradient::get_grad, Some(gradient::set_grad), c"The gradient that backward() accumulated, or None."),
        writable(c"data", gradient::get_data, Some(gradient::set_data), c"The same elements without history."),
        writable(
            c"requires_grad",
            gradient::get_requires_grad,
            Some(gradient::set_requires_grad),
            c"Whether gradients are to be computed for this tensor.",
        ),
        only(c"grad_fn", gradient::get_grad_fn, c"The node of the graph that made this tensor; None for a leaf."),
        only(c"is_leaf", get_is_leaf, c"Whether the tensor was made by the user rather than by a recorded operation."),
        only(c"_version", get_version, c"How often the elements were written."),
        only(c"_base", get_base, c"The tensor that this one is a view of, or None."),
        only(c"output_nr", get_output_nr, c"Which result of its grad_fn this tensor is."),
        only(c"retains_grad", get_retains_grad, c"Whether a tensor that is no leaf keeps its gradient."),
        only(c"nbytes", get_nbytes, c"Bytes of all elements."),
        only(c"itemsize", get_itemsize, c"Bytes of one element."),
        only(c"is_cuda", get_is_cuda, c"Whether the elements are on a GPU."),
        only(c"is_cpu", get_is_cpu, c"Whether the elements are in the computer's own memory."),
        only(c"is_meta", get_is_meta, c"Whether the tensor has a shape and no elements."),
        only(c"is_sparse", get_false, c"False: only dense tensors are built."),
        only(c"is_sparse_csr", get_false, c"False: only dense tensors are built."),
        only(c"is_quantized", get_false, c"False: only dense tensors are built."),
        only(c"is_mkldnn", get_false, c"False: only dense tensors are built."),
        only(c"is_mps", get_false, c"False."),
        only(c"is_nested", get_false, c"False: only dense tensors are built."),
        only(c"names", get_names, c"The names of the dimensions: None for each."),
        only(c"T", get_t, c"The tensor with its dimensions in the opposite order."),
        only(c"mT", get_mt, c"The tensor with its last two dimensions exchanged."),
        only(c"H", get_h, c"The conjugate transpose of a matrix."),
        only(c"mH", get_mh, c"The conjugate transpose of the last two dimensions."),
        writable(c"real", get_real, Some(set_real), c"The real parts."),
        writable(c"imag", get_imag, Some(set_imag), c"The imaginary parts of a complex tensor."),
        // SAFETY: an entry of nulls ends the table.
        unsafe { std::mem::zeroed() },
    ]
}
