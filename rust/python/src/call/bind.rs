//! The arguments of functions that are not hot, bound to their parameters by place and by name.
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// The positional tuple and the keywords of a call.
pub struct Arguments<'py> {
    pub args: Bound<'py, PyTuple>,
    pub kwargs: Option<Bound<'py, PyDict>>,
}

impl<'py> Arguments<'py> {
    /// # Safety
    /// `args` is a call's tuple, `kwargs` its dict or null.
    pub unsafe fn new(py: Python<'py>, args: *mut PyObject, kwargs: *mut PyObject) -> Arguments<'py> {
        // SAFETY: promised by the caller.
        unsafe {
            let kwargs = Bound::from_borrowed_ptr_or_opt(py, kwargs);
            Arguments {
                args: Bound::from_borrowed_ptr(py, args).cast_into_unchecked(),
                kwargs: kwargs.map(|kwargs| kwargs.cast_into_unchecked()),
            }
        }
    }
    /// The value of each parameter that was given one. The first `positional` may be given by place, and the first
    /// `required` must be given.
    pub fn bind<const N: usize>(
        &self,
        name: &str,
        params: [&str; N],
        positional: usize,
        required: usize,
    ) -> PyResult<[Option<Bound<'py, PyAny>>; N]> {
        let count = self.args.len();
        if count > positional {
            let ending = if positional == 1 { "" } else { "s" };
            let verb = if count == 1 { "was" } else { "were" };
            return Err(PyTypeError::new_err(format!("{name}() takes {positional} positional argument{ending} but {count} {verb} given")));
        }
        let mut values = [const { None }; N];
        for (value, arg) in values.iter_mut().zip(self.args.iter()) {
            *value = Some(arg);
        }
        for (keyword, value) in self.kwargs.iter().flat_map(|kwargs| kwargs.iter()) {
            let keyword: String = keyword.extract()?;
            let Some(i) = params.iter().position(|param| *param == keyword) else {
                return Err(PyTypeError::new_err(format!("{name}() got an unexpected keyword argument '{keyword}'")));
            };
            if values[i].replace(value).is_some() {
                return Err(PyTypeError::new_err(format!("{name}() got multiple values for argument '{keyword}'")));
            }
        }
        let missing: Vec<String> = (0..required).filter(|&i| values[i].is_none()).map(|i| format!("\"{}\"", params[i])).collect();
        if !missing.is_empty() {
            let ending = if missing.len() == 1 { "s" } else { "" }; // PyTorch has it the other way round
            let message = format!("{name}() missing {} required positional argument{ending}: {}", missing.len(), missing.join(", "));
            return Err(PyTypeError::new_err(message));
        }
        Ok(values)
    }
}

/// A method definition for a function `fn(&Bound<PyAny>, Arguments) -> PyResult<Bound<PyAny>>`.
#[macro_export]
macro_rules! cold_method {
    ($name:literal, $function:path, $doc:expr $(,)?) => {
        $crate::cold_method!($name, $function, $doc, 0)
    };
    ($name:literal, $function:path, $doc:expr, $flags:expr) => {{
        unsafe extern "C" fn entry(
            slf: *mut pyo3::ffi::PyObject,
            args: *mut pyo3::ffi::PyObject,
            kwargs: *mut pyo3::ffi::PyObject,
        ) -> *mut pyo3::ffi::PyObject {
            $crate::error::slot(|py| {
                // SAFETY: the interpreter's call; a static method's `self` may be null.
                let (slf, arguments) = unsafe {
                    let slf = if slf.is_null() { pyo3::ffi::Py_None() } else { slf };
                    (pyo3::Bound::from_borrowed_ptr(py, slf), $crate::call::bind::Arguments::new(py, args, kwargs))
                };
                $function(&slf, &arguments).map(pyo3::Bound::into_ptr)
            })
        }
        pyo3::ffi::PyMethodDef {
            ml_name: $name.as_ptr(),
            ml_meth: pyo3::ffi::PyMethodDefPointer { PyCFunctionWithKeywords: entry },
            ml_flags: pyo3::ffi::METH_VARARGS | pyo3::ffi::METH_KEYWORDS | $flags,
            ml_doc: $doc.as_ptr(),
        }
    }};
}
