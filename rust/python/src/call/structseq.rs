//! `torch.return_types.max(values=..., indices=...)`: tuples whose items have names.
use super::entry::immortal;
use crate::error::slot;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};
use std::ptr::null_mut;

/// The class of one op's results, made when it first returns some.
pub struct Class {
    name: &'static str,
    fields: Vec<&'static str>,
    class: PyOnceLock<Py<PyType>>,
}

impl Class {
    pub fn new(op: &'static str, fields: &[&'static str]) -> Class {
        Class { name: op, fields: fields.to_vec(), class: PyOnceLock::new() }
    }
    pub fn fields(&self) -> usize {
        self.fields.len()
    }
    pub fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        Ok(self.class.get_or_try_init(py, || make(py, self.name, &self.fields))?.bind(py))
    }
    pub fn instance<'py>(&self, py: Python<'py>, items: Vec<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let class = self.get(py)?;
        // SAFETY: the class was made by `PyStructSequence_NewType`; each item is handed over as an owned reference, and
        // there are as many items as fields.
        unsafe {
            let object = Bound::from_owned_ptr_or_err(py, PyStructSequence_New(class.as_type_ptr()))?;
            for (i, item) in items.into_iter().enumerate() {
                PyStructSequence_SetItem(object.as_ptr(), i as isize, item.into_ptr());
            }
            Ok(object)
        }
    }
}

fn make(py: Python<'_>, name: &'static str, fields: &[&'static str]) -> PyResult<Py<PyType>> {
    let mut list: Vec<PyStructSequence_Field> =
        fields.iter().map(|field| PyStructSequence_Field { name: immortal((*field).into()), doc: c"".as_ptr() }).collect();
    list.push(PyStructSequence_Field { name: std::ptr::null(), doc: std::ptr::null() });
    let mut desc = PyStructSequence_Desc {
        name: immortal(format!("torch.return_types.{name}")),
        doc: std::ptr::null(),
        fields: list.leak().as_mut_ptr(),
        n_in_sequence: fields.len() as i32,
    };
    // SAFETY: the description and all it points to are complete, and leaked.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, PyStructSequence_NewType(&raw mut desc).cast())?.cast_into::<PyType>()? };
    let repr = PyMethodDef {
        ml_name: c"__repr__".as_ptr(),
        ml_meth: PyMethodDefPointer { PyCFunction: repr },
        ml_flags: METH_NOARGS,
        ml_doc: null_mut(),
    };
    // SAFETY: the definition is leaked; a method descriptor of this class.
    let descriptor = unsafe { Bound::from_owned_ptr_or_err(py, PyDescr_NewMethod(class.as_type_ptr(), Box::leak(Box::new(repr))))? };
    class.setattr("__repr__", descriptor)?;
    class.setattr("__module__", "rustorch.return_types")?;
    class.setattr("_fields", fields)?;
    Ok(class.unbind())
}

/// One line an item, each with its name.
unsafe extern "C" fn repr(slf: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: a method's `self`.
        let tuple = unsafe { Bound::from_borrowed_ptr(py, slf) };
        let fields: Vec<String> = tuple.get_type().getattr("_fields")?.extract()?;
        let items = PyList::new(py, tuple.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        let lines: Vec<String> =
            fields.iter().zip(items).map(|(field, item)| Ok(format!("{field}={}", item.repr()?))).collect::<PyResult<_>>()?;
        let name: String = tuple.get_type().name()?.extract()?;
        Ok(format!("torch.return_types.{name}(\n{})", lines.join(",\n")).into_pyobject(py)?.into_ptr())
    })
}
