//! The op table becomes Python callables. No op is named here.
use super::arena::Arena;
use super::complain;
use super::given::{Given, MAX_ARGS};
use super::overrides;
use super::parser::{Mismatch, Parser};
use super::results::{self, Results};
use super::{document, pool};
use crate::error::{no_panic, raise};
use crate::interrupt;
use crate::tensor::object::{tensor_of, wrap};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;
use rustorch_core::op::{self, Args, Def, Ret, Target, Value};
use rustorch_core::schema;
use rustorch_core::tensor::{Tensor, key};
use rustorch_core::{mode, ops};
use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// All rows of one name.
pub struct Op {
    pub name: &'static str,
    pub defs: Vec<&'static Def>,
}

/// How an op is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Function,
    Nn,
    Method,
    Inplace,
}
impl Form {
    pub const fn flag(self) -> u16 {
        match self {
            Form::Function => op::FUNCTION,
            Form::Nn => op::NN,
            Form::Method => op::METHOD,
            Form::Inplace => op::INPLACE,
        }
    }
    pub const fn is_method(self) -> bool {
        matches!(self, Form::Method | Form::Inplace)
    }
}

/// A row with what a call needs of it, compiled by the first call: an import pays for no schema.
struct Compiled {
    def: &'static Def,
    results: Results,
}

/// One Python callable: the rows of a name that have this form.
pub struct Entry {
    pub op: &'static Op,
    pub form: Form,
    pub rows: Vec<&'static Def>,
    compiled: OnceLock<Result<(Vec<Compiled>, Vec<Parser>), String>>,
}

impl Entry {
    pub fn new(op: &'static Op, form: Form) -> Option<Entry> {
        let rows: Vec<_> = op.defs.iter().copied().filter(|def| def.forms & form.flag() != 0).collect();
        (!rows.is_empty()).then(|| Entry { op, form, rows, compiled: OnceLock::new() })
    }
    pub fn name(&self) -> String {
        if self.form == Form::Inplace { format!("{}_", self.op.name) } else { self.op.name.into() }
    }
    /// 1 for a method: its first parameter is `self`.
    pub fn bound(&self) -> usize {
        self.form.is_method() as usize
    }
    /// The text of a row's schema in this form: a function takes `out=`, unless its row says otherwise.
    pub fn text(&self, def: &'static Def) -> &'static str {
        if self.form == Form::Function && def.forms & op::NO_OUT == 0 { schema::with_out(def.schema) } else { def.schema }
    }
    #[cold]
    fn compile(&self) -> Result<(Vec<Compiled>, Vec<Parser>), String> {
        let mut compiled = Vec::new();
        let mut parsers = Vec::new();
        for &def in &self.rows {
            let parser = Parser::new(self.text(def))?;
            compiled.push(Compiled { def, results: Results::new(&parser.schema) });
            parsers.push(parser);
        }
        Ok((compiled, parsers))
    }
}

/// All arguments of a call enter here; a panic does not leave.
///
/// # Safety
/// The arguments are a running vector call's.
#[inline(never)]
pub unsafe fn enter(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
    entry: &'static Entry,
) -> *mut PyObject {
    // SAFETY: handed on; `room` lives as long as `given`.
    no_panic(null_mut(), || unsafe {
        if !names.is_null() && PyTuple_Size(names) as usize > MAX_ARGS {
            let message = format!("{}() got more keyword arguments than any function takes", entry.name());
            Python::attach(|py| PyTypeError::new_err(message).restore(py));
            return null_mut();
        }
        let slf = if entry.form.is_method() { slf } else { null_mut() };
        let mut room = [const { MaybeUninit::uninit() }; MAX_ARGS];
        let given = Given::new(slf, args, count as usize, names, &mut room);
        serve(entry, &given)
    })
}

#[inline(always)]
unsafe fn serve(entry: &'static Entry, given: &Given) -> *mut PyObject {
    let (rows, parsers) = match entry.compiled.get_or_init(|| entry.compile()) {
        Ok(compiled) => compiled,
        Err(fault) => {
            Python::attach(|py| PyRuntimeError::new_err(fault.clone()).restore(py));
            return null_mut();
        }
    };
    if mode::modes() & mode::FUNCTION_MODE != 0 && overrides::modes::is_listening() {
        return Python::attach(|py| results::give(py, overrides::dispatch(py, entry, given)));
    }
    let arena = Arena::new();
    let mut room = [const { MaybeUninit::uninit() }; MAX_ARGS];
    let mut first = None;
    for (row, parser) in rows.iter().zip(parsers) {
        // SAFETY: the call is running and the lock is held.
        match unsafe { parser.parse(given, &arena, &mut room) } {
            Ok(keys) if keys & key::OVERRIDE != 0 => {
                return Python::attach(|py| results::give(py, overrides::dispatch(py, entry, given)));
            }
            Ok(keys) => {
                let count = parser.schema.params.len() - parser.schema.has_out as usize;
                // SAFETY: `parse` wrote every parameter (`out` too, when this is a function).
                let values = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<Value<'_>>(), count) };
                let single: &Tensor; // where a lone `out` lies while the door reads it
                let (out, target): (&[&Tensor], _) = if entry.form == Form::Inplace {
                    // SAFETY: a method's `self` is a Tensor, held by the caller's frame.
                    single = unsafe { tensor_of(given.slf) };
                    (std::slice::from_ref(&single), Target::Inplace)
                } else if parser.schema.has_out && given.bound() == 0 {
                    // SAFETY: see above.
                    match unsafe { room[count].assume_init() } {
                        Value::Tensor(tensor) => {
                            single = tensor;
                            (std::slice::from_ref(&single), Target::Out)
                        }
                        Value::Tensors(list) => (list, Target::Out),
                        _ => (&[], Target::Fresh),
                    }
                } else {
                    (&[], Target::Fresh)
                };
                let args = Args { values, keys, out, target };
                let ret = if interrupt::is_long(values) { interrupt::call_detached(row.def, &args) } else { op::call(row.def, &args) };
                return match ret {
                    // SAFETY: the lock is held.
                    Ok(Ret::Tensor(tensor)) => unsafe { wrap(tensor) },
                    Ok(other) => Python::attach(|py| results::give(py, row.results.to_python(py, other))),
                    Err(refusal) => raise(refusal),
                };
            }
            Err(Mismatch::Raised) => return null_mut(),
            // The list suited by its first element; PyTorch chooses the overload by that and sticks to it.
            Err(mismatch @ Mismatch::Element { .. }) => {
                return Python::attach(|py| {
                    complain::single(py, &entry.name(), parser, given, mismatch).restore(py);
                    null_mut()
                });
            }
            Err(mismatch) => first = Some(mismatch),
        }
    }
    Python::attach(|py| {
        complain::explain(py, entry, parsers, given, first).restore(py);
        null_mut()
    })
}

/// Text that CPython reads for the life of the process.
pub fn immortal(text: String) -> *const c_char {
    CString::new(text.replace('\0', " ")).unwrap_or_default().into_raw()
}

/// The definition of a callable, as CPython reads it.
fn method_def(op: &'static Op, form: Form) -> Option<PyMethodDef> {
    let entry: &'static Entry = Box::leak(Box::new(Entry::new(op, form)?));
    Some(PyMethodDef {
        ml_name: immortal(entry.name()),
        ml_meth: PyMethodDefPointer { PyCFunctionFastWithKeywords: pool::claim(entry)? },
        ml_flags: METH_FASTCALL | METH_KEYWORDS,
        ml_doc: immortal(document::doc(entry)),
    })
}

/// Groups the rows by name, in order of first appearance.
pub fn table() -> &'static [Op] {
    static TABLE: OnceLock<Vec<Op>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut grouped: Vec<Op> = vec![];
        let mut places = FxHashMap::default();
        for def in ops::table() {
            let place = *places.entry(def.name()).or_insert_with(|| {
                grouped.push(Op { name: def.name(), defs: vec![] });
                grouped.len() - 1
            });
            grouped[place].defs.push(def);
        }
        grouped
    })
}

/// The methods of Tensor that the table gives.
pub fn methods() -> Vec<PyMethodDef> {
    table().iter().flat_map(|op| [Form::Method, Form::Inplace].map(|form| method_def(op, form))).flatten().collect()
}

/// Adds the functions of one form to a module.
pub fn add_functions(module: &Bound<'_, PyModule>, form: Form) -> PyResult<()> {
    let name = module.name()?;
    for op in table() {
        let Some(def) = method_def(op, form) else { continue };
        let def = Box::leak(Box::new(def));
        // SAFETY: `def` is leaked; the module is the function's `self`, so that it pickles by name.
        let function = unsafe { Bound::from_owned_ptr_or_err(module.py(), PyCFunction_NewEx(def, module.as_ptr(), name.as_ptr()))? };
        module.add(op.name, function)?;
    }
    Ok(())
}
