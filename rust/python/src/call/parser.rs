//! A compiled schema takes a call's arguments apart. No allocation in the common case.
use super::arena::Arena;
use super::convert::{Unfit, convert, subclass_key};
use super::given::{Given, MAX_ARGS};
use super::scalar::{Unread, int, is_type};
use crate::tensor::object::{is_exact, tensor_of};
use pyo3::ffi::*;
use rustorch_core::op::Value;
use rustorch_core::schema::{Schema, aliases, compile};
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Where the values of a call are written, on the caller's stack.
pub type ValueRoom<'a> = [MaybeUninit<Value<'a>>; MAX_ARGS];

/// A parameter's name and its aliases, as interned strings that are never released.
struct Names {
    name: *mut PyObject,
    aliases: Box<[*mut PyObject]>,
}

/// A schema with its names as Python strings.
pub struct Parser {
    pub schema: Schema,
    names: Vec<Names>,
    /// One positional list of ints, last: `view(2, 3)` means `view((2, 3))`.
    variadic: bool,
}
// SAFETY: the interned strings are never released, and compared by address alone.
unsafe impl Send for Parser {}
// SAFETY: as above.
unsafe impl Sync for Parser {}

/// Why a schema did not take the arguments; the words are made later, if at all.
#[derive(Clone, Copy, Debug)]
pub enum Mismatch {
    TooMany,
    /// From this parameter on.
    Missing(usize),
    Type {
        param: usize,
        keyword: bool,
        object: *mut PyObject,
    },
    Keyword,
    /// An element of a list.
    Element {
        param: usize,
        position: usize,
        object: *mut PyObject,
    },
    /// An exception is set.
    Raised,
}

impl Parser {
    /// The lock is held: the names become Python strings.
    pub fn new(text: &'static str) -> Result<Parser, String> {
        let schema = compile(text)?;
        if schema.params.len() > MAX_ARGS {
            return Err(format!("more than {MAX_ARGS} parameters in schema `{text}`"));
        }
        let intern = |name: &str| {
            let name = CString::new(name).unwrap_or_default();
            // SAFETY: the lock is held; the string is NUL-terminated.
            unsafe { PyUnicode_InternFromString(name.as_ptr()) }
        };
        let names = schema
            .params
            .iter()
            .map(|param| Names { name: intern(param.name), aliases: aliases(param.name).iter().map(|alias| intern(alias)).collect() })
            .collect();
        let variadic = schema.variadic().is_some();
        Ok(Parser { schema, names, variadic })
    }

    /// How many parameters a call of a function or method may fill: a method has no `out=`.
    pub fn fillable(&self, bound: usize) -> usize {
        self.schema.params.len() - (bound & self.schema.has_out as usize)
    }
    /// Whether all positional arguments may be one list.
    pub fn is_variadic(&self, bound: usize) -> bool {
        self.variadic && self.schema.max_positional - bound == 1
    }
    /// The parameter of a keyword.
    pub fn find(&self, keyword: *mut PyObject) -> Option<usize> {
        self.names.iter().position(|names| names.name == keyword || names.aliases.contains(&keyword))
    }

    /// Writes a value for each parameter into `room`; returns the OR of the tensors' keys.
    ///
    /// # Safety
    /// The lock is held; `given` is a running call's, and `'a` does not outlive the call.
    #[inline(always)]
    pub unsafe fn parse<'a>(&'a self, given: &Given, arena: &'a Arena, room: &mut ValueRoom<'a>) -> Result<u32, Mismatch> {
        let mut keys = 0;
        let bound = given.bound();
        if bound == 1 {
            // SAFETY: a method's `self` is a Tensor, which the caller's frame holds.
            let tensor = unsafe { tensor_of(given.slf) };
            keys |= tensor.keys() | if is_exact(given.slf) { 0 } else { subclass_key(given.slf) };
            room[0].write(Value::Tensor(tensor));
        }
        let params = &self.schema.params[..self.fillable(bound)];
        let (positional, keywords) = (given.positional_count(), given.keyword_count());
        let variadic = self.is_variadic(bound);
        if positional + bound > self.schema.max_positional && !variadic {
            return Err(Mismatch::TooMany);
        }
        let mut used_keywords = 0;
        let mut at = 0; // the next positional argument
        for (i, param) in params.iter().enumerate().skip(bound) {
            let (object, keyword) = if at < positional {
                if param.keyword_only {
                    return Err(Mismatch::TooMany);
                }
                at += 1;
                (given.positional(at - 1), false)
            } else if used_keywords < keywords {
                let object = self.by_keyword(i, given);
                used_keywords += !object.is_null() as usize;
                (object, true)
            } else {
                (null_mut(), true)
            };
            if object.is_null() {
                if !param.optional {
                    return Err(Mismatch::Missing(i));
                }
                room[i].write(param.default);
                continue;
            }
            if variadic && !keyword && at == 1 && !is_type(object, &raw mut PyTuple_Type) {
                // SAFETY: handed on.
                if let Some(list) = unsafe { self.variadic_list(given, arena, i) }? {
                    room[i].write(list);
                    at = positional;
                    continue;
                }
            }
            // SAFETY: handed on.
            match unsafe { convert(param, object, arena, &mut keys) } {
                Ok(value) => {
                    room[i].write(value);
                }
                // SAFETY: `None` is always there.
                Err(_) if param.allow_none && object == unsafe { Py_None() } => {
                    room[i].write(Value::None);
                }
                Err(Unfit::Type) => return Err(Mismatch::Type { param: i, keyword, object }),
                Err(Unfit::Element(position, object)) => return Err(Mismatch::Element { param: i, position, object }),
                Err(Unfit::Raised) => return Err(Mismatch::Raised),
            }
        }
        if at < positional {
            return Err(Mismatch::TooMany);
        }
        if used_keywords < keywords {
            return Err(Mismatch::Keyword);
        }
        Ok(keys)
    }

    /// `view(2, 3)`: an int where a list is wanted, so all positional arguments are the list.
    #[inline]
    unsafe fn variadic_list<'a>(&self, given: &Given, arena: &'a Arena, param: usize) -> Result<Option<Value<'a>>, Mismatch> {
        // SAFETY: the arguments are live, the lock is held.
        let read = |i: usize| unsafe { int(given.positional(i)) };
        match read(0) {
            Ok(_) => {}
            Err(Unread::Type) => return Ok(None),
            Err(Unread::Raised) => return Err(Mismatch::Raised),
        }
        let count = given.positional_count();
        if let Some(list) = arena.ints(count, |i| read(i).ok()) {
            return Ok(Some(Value::Ints(list)));
        }
        match (0..count).find_map(|i| read(i).err().map(|why| (i, why))) {
            Some((position, Unread::Type)) => Err(Mismatch::Element { param, position, object: given.positional(position) }),
            _ => Err(Mismatch::Raised),
        }
    }

    #[inline(always)]
    fn by_keyword(&self, param: usize, given: &Given) -> *mut PyObject {
        let Names { name, aliases } = &self.names[param];
        for i in 0..given.keyword_count() {
            let (keyword, value) = given.keyword(i);
            if keyword == *name || (!aliases.is_empty() && aliases.contains(&keyword)) {
                return value;
            }
        }
        null_mut()
    }
}
