//! A caller's arguments, as the vector-call protocol hands them over.
use pyo3::ffi::*;
use std::mem::MaybeUninit;

/// No op takes more.
pub const MAX_ARGS: usize = 32;

/// Room for the names of keyword arguments, on the caller's stack.
pub type NameRoom = [MaybeUninit<*mut PyObject>; MAX_ARGS];

/// The arguments of one running call, borrowed from the caller's frame.
pub struct Given {
    /// Null for a function.
    pub slf: *mut PyObject,
    args: *const *mut PyObject,
    positional: usize,
    keywords: usize,
    names: *const *mut PyObject,
}

/// Interns the names, so that every overload may compare them by address. (The compiler interned them already, and then
/// this is a look at a flag.)
///
/// # Safety
/// `names` is a call's tuple of keyword names.
#[inline(never)]
unsafe fn intern(names: *mut PyObject, room: &mut NameRoom) -> usize {
    // SAFETY: the tuple outlives the call; each name stays owned by it, or by the table of interned strings.
    unsafe {
        let count = (PyTuple_Size(names) as usize).min(MAX_ARGS);
        for (i, place) in room.iter_mut().enumerate().take(count) {
            let mut name = PyTuple_GetItem(names, i as isize);
            Py_INCREF(name);
            PyUnicode_InternInPlace(&raw mut name);
            Py_DECREF(name);
            place.write(name);
        }
        count
    }
}

impl Given {
    /// The room is the caller's because a struct that held it would be copied on its way out of here.
    ///
    /// # Safety
    /// The interpreter lock is held; the pointers are those of a call that outlives the result, as `room` does.
    #[inline(always)]
    pub unsafe fn new(slf: *mut PyObject, args: *const *mut PyObject, count: usize, names: *mut PyObject, room: &mut NameRoom) -> Given {
        // SAFETY: handed on.
        let keywords = if names.is_null() { 0 } else { unsafe { intern(names, room) } };
        Given { slf, args, positional: count, keywords, names: room.as_ptr().cast() }
    }
    /// 1 for a method: its first parameter is bound.
    #[inline(always)]
    pub fn bound(&self) -> usize {
        !self.slf.is_null() as usize
    }
    /// How many positional arguments there are, `self` left out.
    #[inline(always)]
    pub fn positional_count(&self) -> usize {
        self.positional
    }
    #[inline(always)]
    pub fn keyword_count(&self) -> usize {
        self.keywords
    }
    #[inline(always)]
    pub fn positional(&self, i: usize) -> *mut PyObject {
        debug_assert!(i < self.positional + self.keywords);
        // SAFETY: `new`'s caller vouches for the array, which holds positional arguments, then the keywords' values.
        unsafe { *self.args.add(i) }
    }
    /// Name and value of a keyword argument.
    #[inline(always)]
    pub fn keyword(&self, i: usize) -> (*mut PyObject, *mut PyObject) {
        debug_assert!(i < self.keywords);
        // SAFETY: `new` wrote `keywords` names.
        (unsafe { *self.names.add(i) }, self.positional(self.positional + i))
    }
}
