//! `.T`, `.mT`, `.H`, `.real` and their like: attributes that call ops.
use super::object::tensor_of;
use crate::error::user_warning;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn ndim(slf: &Bound<'_, PyAny>) -> usize {
    // SAFETY: an attribute's `self`.
    unsafe { tensor_of(slf.as_ptr()) }.ndim()
}
fn is_complex(slf: &Bound<'_, PyAny>) -> bool {
    // SAFETY: as above.
    unsafe { tensor_of(slf.as_ptr()) }.dtype().is_complex()
}
fn refuse(text: String) -> PyErr {
    PyRuntimeError::new_err(text)
}

pub fn t<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let ndim = ndim(slf);
    if ndim != 2 && ndim != 0 && !WARNED.swap(true, Relaxed) {
        user_warning(
            slf.py(),
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
        )?;
    }
    slf.call_method1("permute", (PyTuple::new(slf.py(), (0..ndim).rev())?,))
}
pub fn matrix<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match ndim(slf) {
        0 => Err(refuse("tensor.mT is only supported on matrices or batches of matrices. Got 0-D tensor.".into())),
        1 => Err(refuse("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.".into())),
        _ => slf.call_method1("transpose", (-2, -1)),
    }
}
pub fn hermitian<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match ndim(slf) {
        0 => Ok(slf.clone()),
        2 => conjugate(&slf.call_method1("transpose", (0, 1))?),
        n => Err(refuse(format!(
            "tensor.H is only supported on matrices (2-D tensors). Got {n}-D tensor. For batches of matrices, consider using tensor.mH"
        ))),
    }
}
pub fn matrix_hermitian<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match ndim(slf) {
        n @ (0 | 1) => Err(refuse(format!("tensor.mH is only supported on matrices or batches of matrices. Got {n}-D tensor."))),
        _ => conjugate(&slf.call_method1("transpose", (-2, -1))?),
    }
}
fn conjugate<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if is_complex(slf) { slf.call_method0("conj") } else { Ok(slf.clone()) }
}
fn part<'py>(slf: &Bound<'py, PyAny>, index: i64) -> PyResult<Bound<'py, PyAny>> {
    let parts = slf.py().import("rustorch._C")?.getattr("view_as_real")?.call1((slf,))?;
    parts.call_method1("select", (-1, index))
}
pub fn real<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if is_complex(slf) { part(slf, 0) } else { Ok(slf.clone()) }
}
pub fn imag<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if is_complex(slf) { part(slf, 1) } else { Err(refuse("imag is not implemented for tensors with non-complex dtypes.".into())) }
}
/// `t.real = value`.
pub fn assign_part(slf: &Bound<'_, PyAny>, name: &str, value: Option<Bound<'_, PyAny>>) -> PyResult<c_int> {
    let Some(value) = value else { return Err(refuse(format!("cannot delete {name} attribute"))) };
    let target = slf.getattr(name)?;
    let method = if super::object::is_tensor(value.as_ptr()) { "copy_" } else { "fill_" };
    target.call_method1(method, (value,))?;
    Ok(0)
}
