//! `torch.device`.
use crate::call::complain::type_name;
use crate::call::convert::text;
use crate::error::OrRaise;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use rustorch_base::{Result, ensure};
use rustorch_core::device::{Device, DeviceKind};
use std::hash::{DefaultHasher, Hash, Hasher};

#[pyclass(frozen, name = "device", module = "rustorch")]
pub struct PyDevice(pub Device);

/// The device an argument names: a device, its text, or the number of a GPU. `None` when it is of another type.
///
/// # Safety
/// The lock is held; `object` is live.
pub unsafe fn of(py: Python<'_>, object: *mut PyObject) -> Result<Option<Device>> {
    // SAFETY: promised by the caller.
    let bound = unsafe { Borrowed::from_ptr(py, object) };
    if let Ok(device) = bound.cast::<PyDevice>() {
        return Ok(Some(device.get().0));
    }
    // SAFETY: as above; the text is read at once.
    if let Some(name) = unsafe { text(object) } {
        return Device::parse(name).map(Some);
    }
    // SAFETY: as above.
    if unsafe { PyLong_Check(object) != 0 && PyBool_Check(object) == 0 } {
        return gpu(bound.extract().unwrap_or(-1)).map(Some);
    }
    Ok(None)
}
fn gpu(index: i64) -> Result<Device> {
    ensure!((0..128).contains(&index), runtime, "Device index must not be negative");
    Ok(Device { kind: DeviceKind::Cuda, index: Some(index as u8) })
}

pub fn object(py: Python<'_>, device: Device) -> PyResult<Bound<'_, PyAny>> {
    Ok(Bound::new(py, PyDevice(device))?.into_any())
}

#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (*args, **kwargs))]
    fn new(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<PyDevice> {
        let keyword = |name: &str| kwargs.and_then(|kwargs| kwargs.get_item(name).ok().flatten());
        let first = args.get_item(0).ok().or_else(|| keyword("device")).or_else(|| keyword("type"));
        let index = args.get_item(1).ok().or_else(|| keyword("index"));
        let Some(first) = first else { return Err(refuse(args, kwargs)) };
        // SAFETY: a live object, and the lock is held.
        let device = unsafe { of(args.py(), first.as_ptr()) }.or_raise()?.ok_or_else(|| refuse(args, kwargs))?;
        let Some(index) = index else { return Ok(PyDevice(device)) };
        if !first.is_instance_of::<PyString>() {
            return Err(refuse(args, kwargs));
        }
        if device.index.is_some() {
            let name: String = first.extract()?;
            return Err(pyo3::exceptions::PyRuntimeError::new_err(format!(
                "type (string) must not include an index because index was passed explicitly: {name}"
            )));
        }
        let index: i64 = index.extract()?;
        Ok(PyDevice(Device { kind: device.kind, index: if index < 0 { None } else { gpu(index).or_raise()?.index } }))
    }
    #[getter]
    fn r#type(&self) -> &'static str {
        self.0.kind.name()
    }
    #[getter]
    fn index(&self) -> Option<u8> {
        self.0.index
    }
    fn __repr__(&self) -> String {
        match self.0.index {
            Some(index) => format!("device(type='{}', index={index})", self.0.kind.name()),
            None => format!("device(type='{}')", self.0.kind.name()),
        }
    }
    fn __str__(&self) -> String {
        self.0.to_string()
    }
    fn __richcmp__(&self, other: &Bound<'_, PyAny>, how: pyo3::basic::CompareOp) -> Py<PyAny> {
        let py = other.py();
        let equal = other.cast::<PyDevice>().is_ok_and(|other| other.get().0 == self.0);
        let answer = match how {
            pyo3::basic::CompareOp::Eq => equal,
            pyo3::basic::CompareOp::Ne => !equal,
            _ => return py.NotImplemented(),
        };
        pyo3::types::PyBool::new(py, answer).to_owned().into_any().unbind()
    }
    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let kind = if self.0.kind.is_gpu() { DeviceKind::Cuda.name() } else { self.0.kind.name() };
        (kind, self.0.index).hash(&mut hasher);
        hasher.finish()
    }
    fn __reduce__<'py>(slf: &Bound<'py, PyDevice>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let device = slf.get().0;
        let py = slf.py();
        let name = device.kind.name().into_pyobject(py)?.into_any();
        let args = match device.index {
            Some(index) => PyTuple::new(py, [name, index.into_pyobject(py)?.into_any()])?,
            None => PyTuple::new(py, [name])?,
        };
        Ok((slf.get_type(), args))
    }
}

fn refuse(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyErr {
    let mut got: Vec<String> = args.iter().map(|argument| type_name(&argument.get_type())).collect();
    for (name, value) in kwargs.iter().flat_map(|kwargs| kwargs.iter()) {
        got.push(format!("{name}={}", type_name(&value.get_type())));
    }
    let marked = match &got[..] {
        [only] => format!("      didn't match because some of the arguments have invalid types: (!{only}!)\n"),
        _ => String::new(),
    };
    PyTypeError::new_err(format!(
        "device() received an invalid combination of arguments - got ({}), but expected one of:\n * (torch.device device)\n{marked} * (str type, int index = -1)\n",
        got.join(", ")
    ))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDevice>()
}
