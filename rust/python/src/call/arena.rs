//! Room for a call's lists: short lists of ints on the caller's stack, everything else on the heap.
use rustorch_core::Tensor;
use rustorch_core::op::Number;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

const INTS: usize = 24;

/// Lists borrowed from an arena live as long as it does: nothing in it is moved or freed before.
pub struct Arena {
    ints: UnsafeCell<[MaybeUninit<i64>; INTS]>,
    used: Cell<usize>,
    /// Kept for their drop.
    spilled: UnsafeCell<Vec<Box<dyn Any>>>,
}

impl Arena {
    #[inline(always)]
    pub fn new() -> Arena {
        Arena { ints: UnsafeCell::new([const { MaybeUninit::uninit() }; INTS]), used: Cell::new(0), spilled: UnsafeCell::new(Vec::new()) }
    }

    /// A list of `count` ints, or `None` when `item` gives none for some place.
    #[inline]
    pub fn ints(&self, count: usize, item: impl Fn(usize) -> Option<i64>) -> Option<&[i64]> {
        let at = self.used.get();
        if at + count > INTS {
            return (0..count).map(item).collect::<Option<Vec<i64>>>().map(|list| self.keep(list));
        }
        self.used.set(at + count);
        // SAFETY: the places at..at + count were reserved just now, so nothing else refers to them.
        let room = unsafe { std::slice::from_raw_parts_mut(self.ints.get().cast::<i64>().add(at), count) };
        for (i, place) in room.iter_mut().enumerate() {
            *place = item(i)?;
        }
        Some(room)
    }

    pub fn floats(&self, list: Vec<f64>) -> &[f64] {
        self.keep(list)
    }
    pub fn numbers(&self, list: Vec<Number>) -> &[Number] {
        self.keep(list)
    }
    /// Takes handles, not borrows: a caller's frame keeps its arguments alive but not what a list holds, which a later
    /// `__index__`, or another thread while the op runs without the lock, may empty.
    pub fn tensors(&self, handles: Vec<Tensor>) -> &[&Tensor] {
        let handles = self.keep(handles);
        let list: &[*const Tensor] = self.keep(handles.iter().map(std::ptr::from_ref).collect());
        // SAFETY: a reference and a pointer have one layout; the handles live as long as the arena.
        unsafe { &*(std::ptr::from_ref(list) as *const [&Tensor]) }
    }
    pub fn optional_tensors(&self, handles: Vec<Option<Tensor>>) -> &[Option<&Tensor>] {
        let handles = self.keep(handles);
        let list: &[*const Tensor] =
            self.keep(handles.iter().map(|handle| handle.as_ref().map_or(std::ptr::null(), std::ptr::from_ref)).collect());
        // SAFETY: an optional reference and a pointer that may be null have one layout; the handles live as long as the arena.
        unsafe { &*(std::ptr::from_ref(list) as *const [Option<&Tensor>]) }
    }

    fn keep<T: 'static>(&self, list: Vec<T>) -> &[T] {
        let list: Box<Vec<T>> = Box::new(list);
        let items: *const [T] = &raw const list[..];
        // SAFETY: the items do not move when the vector of boxes grows, and live as long as the arena; no reference into
        // the vector of boxes is held.
        unsafe {
            (*self.spilled.get()).push(list);
            &*items
        }
    }
}
