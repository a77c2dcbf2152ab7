//! The type's creation: its tables of slots, methods and attributes.
use super::object::{DICT_OFFSET, TensorObject, WEAK_OFFSET, set_class};
use super::{attributes, collect, compare, container, convert, indexing, life, methods, number, subclass};
use crate::call::entry;
use pyo3::ffi::*;
use pyo3::prelude::*;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::null_mut;

fn members() -> Vec<PyMemberDef> {
    let member = |name: &'static CStr, type_code: c_int, offset: usize| PyMemberDef {
        name: name.as_ptr(),
        type_code,
        offset: offset as isize,
        flags: Py_READONLY,
        doc: std::ptr::null(),
    };
    vec![
        member(c"__dictoffset__", Py_T_PYSSIZET, DICT_OFFSET),
        member(c"__weaklistoffset__", Py_T_PYSSIZET, WEAK_OFFSET),
        // Stands in until `__module__` is set below; without it CPython warns of a name without a dot.
        member(c"__module__", Py_T_INT, 0),
        // SAFETY: an entry of nulls ends the table.
        unsafe { std::mem::zeroed() },
    ]
}

fn slots() -> Vec<PyType_Slot> {
    let slot = |slot: c_int, pfunc: *mut c_void| PyType_Slot { slot, pfunc };
    let mut table_methods = entry::methods();
    table_methods.extend(methods::table());
    table_methods.push(PyMethodDef::zeroed());
    let mut slots = number::slots();
    slots.extend([
        slot(Py_tp_new, subclass::tp_new as *mut c_void),
        slot(Py_tp_dealloc, life::dealloc as *mut c_void),
        slot(Py_tp_traverse, collect::traverse as *mut c_void),
        slot(Py_tp_clear, collect::clear as *mut c_void),
        slot(Py_tp_repr, methods::repr as *mut c_void),
        slot(Py_tp_hash, compare::hash as *mut c_void),
        slot(Py_tp_richcompare, compare::compare as *mut c_void),
        slot(Py_tp_iter, container::iterate as *mut c_void),
        slot(Py_mp_length, container::length as *mut c_void),
        slot(Py_mp_subscript, indexing::subscript as *mut c_void),
        slot(Py_mp_ass_subscript, indexing::assign as *mut c_void),
        slot(Py_sq_contains, container::contains as *mut c_void),
        slot(Py_nb_bool, convert::nb_bool as *mut c_void),
        slot(Py_nb_int, convert::nb_int as *mut c_void),
        slot(Py_nb_float, convert::nb_float as *mut c_void),
        slot(Py_nb_index, convert::nb_index as *mut c_void),
        slot(Py_tp_methods, table_methods.leak().as_mut_ptr().cast()),
        slot(Py_tp_members, members().leak().as_mut_ptr().cast()),
        slot(Py_tp_getset, attributes::table().leak().as_mut_ptr().cast()),
        slot(Py_tp_doc, c"An array of numbers of one dtype that operations, gradients and devices know.".as_ptr().cast_mut().cast()),
        slot(0, null_mut()),
    ]);
    slots
}

/// Makes the type. All its tables live as long as it does, which is for ever: leaked on purpose.
pub fn create(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    // No module in the name: CPython's own messages print it (`unsupported operand type(s) for +: 'Tensor' and 'str'`).
    let mut spec = PyType_Spec {
        name: c"Tensor".as_ptr(),
        basicsize: size_of::<TensorObject>() as c_int,
        itemsize: 0,
        flags: (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC) as u32,
        slots: slots().leak().as_mut_ptr(),
    };
    // SAFETY: the spec and all it points to are complete; CPython copies the spec and keeps the leaked tables.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, PyType_FromSpec(&raw mut spec))? };
    set_class(class.as_ptr().cast());
    class.setattr("__module__", "rustorch")?;
    class.setattr("__array_priority__", 1000)?;
    module.add("Tensor", &class)?;
    std::mem::forget(class); // for ever: the class pointer borrows it
    Ok(())
}

/// What `Tensor` finds as its `__torch_function__`.
pub fn add_override(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let default = module.getattr("_torch_function")?;
    let method = py.import("builtins")?.getattr("classmethod")?.call1((default,))?;
    super::class_object(py).setattr("__torch_function__", method)
}

/// The lines of the stub that tell of slots, attributes and methods written by hand.
pub fn stub(indent: &str) -> String {
    include_str!("tensor.pyi").lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{indent}{line}\n") }).collect()
}
