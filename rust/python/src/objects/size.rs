//! `torch.Size`: a tuple of ints that prints its name and counts elements.
use crate::error::slot;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PySlice, PyTuple, PyType};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

static CLASS: AtomicPtr<PyTypeObject> = AtomicPtr::new(null_mut());

/// A new Size; null with an exception when memory is out.
///
/// # Safety
/// The lock is held, and the class was made.
#[inline]
pub unsafe fn new(sizes: &[i64]) -> *mut PyObject {
    // SAFETY: a fresh tuple of this length takes over an owned reference for each place.
    unsafe {
        let size = PyType_GenericAlloc(CLASS.load(Relaxed), sizes.len() as isize);
        if size.is_null() {
            return null_mut();
        }
        for (i, &n) in sizes.iter().enumerate() {
            PyTuple_SetItem(size, i as isize, PyLong_FromLongLong(n));
        }
        size
    }
}

/// Does the Size hold these numbers?
///
/// # Safety
/// The lock is held; `size` is a Size.
#[inline]
pub unsafe fn holds(size: *mut PyObject, sizes: &[i64]) -> bool {
    // SAFETY: the items of a Size are ints.
    unsafe {
        PyTuple_Size(size) as usize == sizes.len()
            && sizes.iter().enumerate().all(|(i, &n)| PyLong_AsLongLong(PyTuple_GetItem(size, i as isize)) == n)
    }
}

fn is_size(object: &Bound<'_, PyAny>) -> bool {
    object.get_type().as_type_ptr() == CLASS.load(Relaxed)
}
fn class(py: Python<'_>) -> Bound<'_, PyType> {
    // SAFETY: the class is made once and lives for ever.
    unsafe { Bound::from_borrowed_ptr(py, CLASS.load(Relaxed).cast()).cast_into_unchecked() }
}
fn bound<'py>(py: Python<'py>, object: *mut PyObject) -> Bound<'py, PyAny> {
    // SAFETY: an argument of a running slot.
    unsafe { Bound::from_borrowed_ptr(py, object) }
}
/// A tuple's own answer, as a Size.
fn as_size<'py>(tuple: Bound<'py, PyAny>) -> PyResult<*mut PyObject> {
    Ok(class(tuple.py()).call1((tuple,))?.into_ptr())
}
fn plain<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(object.py(), object.try_iter()?.collect::<PyResult<Vec<_>>>()?)
}

/// `Size(iterable)`: every item an int, or something with `__index__`.
unsafe extern "C" fn tp_new(ty: *mut PyTypeObject, args: *mut PyObject, _kwargs: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let args = bound(py, args).cast_into::<PyTuple>()?;
        let mut items: Vec<Bound<'_, PyAny>> = Vec::new();
        if let Ok(iterable) = args.get_item(0) {
            for (i, item) in iterable.try_iter()?.enumerate() {
                let item = item?;
                if item.is_exact_instance_of::<PyInt>() {
                    items.push(item);
                    continue;
                }
                let index = item.call_method0("__index__").map_err(|_| {
                    let found = item.get_type().name().map(|name| name.to_string()).unwrap_or_default();
                    PyTypeError::new_err(format!("torch.Size() takes an iterable of 'int' (item {i} is '{found}')"))
                })?;
                items.push(index);
            }
        }
        // SAFETY: `ty` is Size or a subclass; a fresh tuple takes over owned references.
        unsafe {
            let size = Bound::from_owned_ptr_or_err(py, PyType_GenericAlloc(ty, items.len() as isize))?;
            for (i, item) in items.into_iter().enumerate() {
                PyTuple_SetItem(size.as_ptr(), i as isize, item.into_ptr());
            }
            Ok(size.into_ptr())
        }
    })
}

unsafe extern "C" fn repr(slf: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let items: Vec<String> = bound(py, slf).try_iter()?.map(|item| Ok(item?.str()?.to_string())).collect::<PyResult<_>>()?;
        Ok(format!("torch.Size([{}])", items.join(", ")).into_pyobject(py)?.into_ptr())
    })
}

/// `+` with any tuple, on either side.
unsafe extern "C" fn add(left: *mut PyObject, right: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let (left, right) = (bound(py, left), bound(py, right));
        if !left.is_instance_of::<PyTuple>() || !right.is_instance_of::<PyTuple>() {
            let other = if is_size(&left) { right } else { left };
            let found = other.get_type().name()?;
            return Err(PyTypeError::new_err(format!("can only concatenate tuple (not {found}) to torch.Size")));
        }
        as_size(plain(&left)?.add(plain(&right)?)?)
    })
}
unsafe extern "C" fn repeat(slf: *mut PyObject, count: Py_ssize_t) -> *mut PyObject {
    slot(|py| as_size(plain(&bound(py, slf))?.mul(count)?))
}
/// A slice of a Size is a Size.
unsafe extern "C" fn subscript(slf: *mut PyObject, index: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let index = bound(py, index);
        let tuple = plain(&bound(py, slf))?;
        let item = tuple.as_any().get_item(&index)?;
        if index.is_instance_of::<PySlice>() { as_size(item) } else { Ok(item.into_ptr()) }
    })
}
unsafe extern "C" fn numel(slf: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let sizes: Vec<i64> = bound(py, slf).extract()?;
        Ok(sizes.iter().product::<i64>().into_pyobject(py)?.into_ptr())
    })
}
unsafe extern "C" fn reduce(slf: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        let size = bound(py, slf);
        Ok((size.get_type(), (plain(&size)?,)).into_pyobject(py)?.into_ptr())
    })
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let method = |name: &'static std::ffi::CStr, function: PyCFunction, doc: &'static std::ffi::CStr| PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer { PyCFunction: function },
        ml_flags: METH_NOARGS,
        ml_doc: doc.as_ptr(),
    };
    let methods = vec![
        method(c"numel", numel, c"numel($self, /)\n--\n\nThe number of elements a tensor of this size has."),
        method(c"__reduce__", reduce, c"For pickle."),
        PyMethodDef::zeroed(),
    ];
    let entry = |slot, function: *mut c_void| PyType_Slot { slot, pfunc: function };
    let slots = vec![
        entry(Py_tp_new, tp_new as *mut c_void),
        entry(Py_tp_repr, repr as *mut c_void),
        entry(Py_nb_add, add as *mut c_void),
        entry(Py_sq_concat, add as *mut c_void),
        entry(Py_sq_repeat, repeat as *mut c_void),
        entry(Py_mp_subscript, subscript as *mut c_void),
        entry(Py_tp_methods, methods.leak().as_mut_ptr().cast()),
        entry(0, null_mut()),
    ];
    let mut spec = PyType_Spec {
        name: c"rustorch.Size".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_TUPLE_SUBCLASS) as u32,
        slots: slots.leak().as_mut_ptr(),
    };
    let base = py.get_type::<PyTuple>();
    // SAFETY: the spec and all it points to are complete; CPython copies the spec and keeps the leaked tables.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, PyType_FromSpecWithBases(&raw mut spec, base.as_ptr()))? };
    CLASS.store(class.as_ptr().cast(), Relaxed);
    module.add("Size", &class)?;
    std::mem::forget(class); // for ever: `CLASS` borrows it
    Ok(())
}
