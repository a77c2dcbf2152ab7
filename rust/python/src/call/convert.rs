//! One Python object as the kind a parameter takes.
use super::arena::Arena;
use super::overrides;
use super::scalar::{Unread, float, int, number};
use crate::error;
use crate::objects::{device, dtype, generator, layout};
use crate::tensor::object::{is_exact, is_tensor, tensor_of};
use pyo3::ffi::*;
use pyo3::prelude::*;
use rustorch_core::Tensor;
use rustorch_core::op::{Number, Value};
use rustorch_core::schema::{Kind, Param};
use rustorch_core::tensor::key;

/// Why an object does not fit a parameter.
pub enum Unfit {
    Type,
    /// An element of a list, and where.
    Element(usize, *mut PyObject),
    /// An exception is set.
    Raised,
}
impl From<Unread> for Unfit {
    fn from(why: Unread) -> Unfit {
        match why {
            Unread::Type => Unfit::Type,
            Unread::Raised => Unfit::Raised,
        }
    }
}

/// Reads `object` as `param` asks; the keys of tensors in it are ORed into `keys`.
///
/// # Safety
/// The lock is held; `object` is an argument of a running call that `'a` does not outlive.
#[inline(always)]
pub unsafe fn convert<'a>(param: &'a Param, object: *mut PyObject, arena: &'a Arena, keys: &mut u32) -> Result<Value<'a>, Unfit> {
    // SAFETY: handed on.
    unsafe {
        match param.kind {
            Kind::Tensor | Kind::TensorOrNumber => {
                if is_exact(object) {
                    let tensor = tensor_of(object);
                    *keys |= tensor.keys();
                    return Ok(Value::Tensor(tensor));
                }
                tensor_or_number(param.kind, object, keys)
            }
            Kind::Number => Ok(number(object)?.into()),
            Kind::Int => Ok(Value::Int(int(object)?)),
            Kind::Float => Ok(Value::Float(float(object)?)),
            Kind::Bool => {
                if object == Py_True() {
                    Ok(Value::Bool(true))
                } else if object == Py_False() {
                    Ok(Value::Bool(false))
                } else {
                    Err(Unfit::Type)
                }
            }
            Kind::Ints => ints(param, object, arena),
            kind => rare(kind, object, arena, keys),
        }
    }
}

#[inline(never)]
unsafe fn tensor_or_number<'a>(kind: Kind, object: *mut PyObject, keys: &mut u32) -> Result<Value<'a>, Unfit> {
    // SAFETY: handed on.
    unsafe {
        if is_tensor(object) {
            let tensor = tensor_of(object);
            *keys |= tensor.keys() | subclass_key(object);
            return Ok(Value::Tensor(tensor));
        }
        let unread = if kind == Kind::TensorOrNumber { number(object) } else { Err(Unread::Type) };
        match unread {
            Ok(number) => Ok(number.into()),
            Err(Unread::Type) if takes_over(object) => {
                *keys |= key::OVERRIDE;
                Ok(Value::None)
            }
            Err(why) => Err(why.into()),
        }
    }
}

#[inline(never)]
unsafe fn rare<'a>(kind: Kind, object: *mut PyObject, arena: &'a Arena, keys: &mut u32) -> Result<Value<'a>, Unfit> {
    // SAFETY: handed on; `Python` is the promise that the lock is held.
    unsafe {
        let py = Python::assume_attached();
        match kind {
            Kind::Str => text(object).map(Value::Str).ok_or(Unfit::Type),
            Kind::Floats => floats(object, arena),
            Kind::Numbers => numbers(object, arena),
            Kind::Tensors => tensors(object, arena, keys),
            Kind::OptionalTensors => optional_tensors(object, arena, keys),
            Kind::DType => dtype::of(py, object).map(Value::DType).ok_or(Unfit::Type),
            Kind::Device => match device::of(py, object) {
                Ok(Some(device)) => Ok(Value::Device(device)),
                Ok(None) => Err(Unfit::Type),
                Err(refusal) => {
                    error::to_python(refusal).restore(py);
                    Err(Unfit::Raised)
                }
            },
            Kind::MemoryFormat => layout::memory_format_of(py, object).map(Value::MemoryFormat).ok_or(Unfit::Type),
            Kind::Layout => layout::layout_of(py, object).map(Value::Layout).ok_or(Unfit::Type),
            Kind::Generator => generator::of(py, object).map(Value::Generator).ok_or(Unfit::Type),
            _ => Err(Unfit::Type),
        }
    }
}

/// A tuple or a list, whose items are borrowed; an item is null when the list shrank meanwhile.
struct Sequence {
    object: *mut PyObject,
    tuple: bool,
}
impl Sequence {
    #[inline]
    unsafe fn new(object: *mut PyObject) -> Option<Sequence> {
        // SAFETY: the object is live.
        unsafe {
            let tuple = PyTuple_Check(object) != 0;
            (tuple || PyList_Check(object) != 0).then_some(Sequence { object, tuple })
        }
    }
    #[inline]
    fn len(&self) -> usize {
        // SAFETY: the type is known.
        (unsafe { if self.tuple { PyTuple_Size(self.object) } else { PyList_Size(self.object) } }) as usize
    }
    #[inline]
    fn item(&self, i: usize) -> *mut PyObject {
        // SAFETY: the type is known; a place past the end raises, which is taken back.
        unsafe {
            let item = if self.tuple { PyTuple_GetItem(self.object, i as isize) } else { PyList_GetItem(self.object, i as isize) };
            if item.is_null() {
                PyErr_Clear();
            }
            item
        }
    }
    /// Reads every item, or says which one did not fit.
    fn collect<T>(&self, read: impl Fn(*mut PyObject) -> Result<T, Unread>) -> Result<Vec<T>, Unfit> {
        let mut list = Vec::with_capacity(self.len());
        for i in 0..self.len() {
            let item = self.item(i);
            if item.is_null() {
                return Err(Unfit::Type);
            }
            match read(item) {
                Ok(value) => list.push(value),
                Err(Unread::Raised) => return Err(Unfit::Raised),
                Err(Unread::Type) => return Err(if i == 0 { Unfit::Type } else { Unfit::Element(i, item) }),
            }
        }
        Ok(list)
    }
}

#[inline]
unsafe fn ints<'a>(param: &Param, object: *mut PyObject, arena: &'a Arena) -> Result<Value<'a>, Unfit> {
    // SAFETY: the object is live, and so are the items of its sequence until Python code runs; `int` holds what it reads.
    unsafe {
        let Some(sequence) = Sequence::new(object) else {
            // `dim=1` for `dim=(1,)`, and `stride=2` for `stride=(2, 2)`
            if param.repeat == 0 {
                return Err(Unfit::Type);
            }
            let value = int(object)?;
            return arena.ints(param.repeat, |_| Some(value)).map(Value::Ints).ok_or(Unfit::Type);
        };
        let read = |i: usize| {
            let item = sequence.item(i);
            if item.is_null() { Err(Unread::Type) } else { int(item) }
        };
        let count = sequence.len();
        if let Some(list) = arena.ints(count, |i| read(i).ok()) {
            return Ok(Value::Ints(list));
        }
        // PyTorch looks at the first element to choose the overload, and complains of the others later.
        match (0..count).find_map(|i| read(i).err().map(|why| (i, why))) {
            Some((_, Unread::Raised)) => Err(Unfit::Raised),
            Some((i, Unread::Type)) if i > 0 && !sequence.item(i).is_null() => Err(Unfit::Element(i, sequence.item(i))),
            _ => Err(Unfit::Type),
        }
    }
}

unsafe fn floats<'a>(object: *mut PyObject, arena: &'a Arena) -> Result<Value<'a>, Unfit> {
    // SAFETY: as in `ints`.
    unsafe {
        let Some(sequence) = Sequence::new(object) else { return Err(Unfit::Type) };
        sequence.collect(|item| float(item)).map(|list| Value::Floats(arena.floats(list)))
    }
}
unsafe fn numbers<'a>(object: *mut PyObject, arena: &'a Arena) -> Result<Value<'a>, Unfit> {
    // SAFETY: as in `ints`.
    unsafe {
        let Some(sequence) = Sequence::new(object) else { return Err(Unfit::Type) };
        let list: Vec<Number> = sequence.collect(|item| number(item))?;
        Ok(Value::Numbers(arena.numbers(list)))
    }
}

/// A handle of the tensor in a list, with its keys.
unsafe fn handle(item: *mut PyObject, keys: &mut u32) -> Option<Tensor> {
    if !is_tensor(item) {
        return None;
    }
    // SAFETY: checked just now; the item is held by its list.
    let tensor = unsafe { tensor_of(item) };
    *keys |= tensor.keys() | if is_exact(item) { 0 } else { subclass_key(item) };
    Some(tensor.clone())
}
#[inline(never)]
unsafe fn tensors<'a>(object: *mut PyObject, arena: &'a Arena, keys: &mut u32) -> Result<Value<'a>, Unfit> {
    // SAFETY: handed on.
    unsafe {
        let Some(sequence) = Sequence::new(object) else { return Err(Unfit::Type) };
        let mut list = Vec::with_capacity(sequence.len());
        for i in 0..sequence.len() {
            let item = sequence.item(i);
            match handle(item, keys) {
                Some(handle) => list.push(handle),
                None if takes_over(item) => *keys |= key::OVERRIDE,
                None => return Err(Unfit::Element(i, item)),
            }
        }
        Ok(Value::Tensors(arena.tensors(list)))
    }
}
#[inline(never)]
unsafe fn optional_tensors<'a>(object: *mut PyObject, arena: &'a Arena, keys: &mut u32) -> Result<Value<'a>, Unfit> {
    // SAFETY: handed on.
    unsafe {
        let Some(sequence) = Sequence::new(object) else { return Err(Unfit::Type) };
        let mut list = Vec::with_capacity(sequence.len());
        for i in 0..sequence.len() {
            let item = sequence.item(i);
            list.push(if item == Py_None() { None } else { Some(handle(item, keys).ok_or(Unfit::Element(i, item))?) });
        }
        Ok(Value::OptionalTensors(arena.optional_tensors(list)))
    }
}

/// # Safety
/// The lock is held; `object` outlives `'a`.
pub unsafe fn text<'a>(object: *mut PyObject) -> Option<&'a str> {
    // SAFETY: CPython caches the UTF-8 form in the string, which the caller's frame holds.
    unsafe {
        if PyUnicode_Check(object) == 0 {
            return None;
        }
        let mut length = 0;
        let bytes = PyUnicode_AsUTF8AndSize(object, &raw mut length);
        if bytes.is_null() {
            PyErr_Clear();
            return None;
        }
        Some(std::str::from_utf8_unchecked(std::slice::from_raw_parts(bytes.cast(), length as usize)))
    }
}

/// An object that is no tensor may take a call over by its `__torch_function__`; no value of it is needed then.
#[cold]
#[inline(never)]
fn takes_over(object: *mut PyObject) -> bool {
    // SAFETY: called while arguments are parsed, which holds the lock; the object is one of them, or null.
    !object.is_null() && unsafe { overrides::has_override(Python::assume_attached(), Py_TYPE(object)) }
}

/// A subclass's calls go to its `__torch_function__`, unless it has none or switched it off.
#[cold]
#[inline(never)]
pub fn subclass_key(object: *mut PyObject) -> u32 {
    // SAFETY: called while arguments are parsed, which holds the lock; the object is one of them.
    let overrides = unsafe { overrides::has_override(Python::assume_attached(), Py_TYPE(object)) };
    if overrides { key::OVERRIDE } else { 0 }
}
