//! Memory that a thread keeps between products.
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::null_mut;

/// A buffer that only grows, at least cache-line aligned; its bytes are initialised (first with zeros).
pub struct Scratch {
    data: *mut u8,
    bytes: usize,
}

/// From this size buffers are aligned for, and advised to be, huge pages: a packed panel spans thousands of small ones.
const HUGE: usize = 2 << 20;

impl Scratch {
    const EMPTY: Scratch = Scratch { data: null_mut(), bytes: 0 };

    fn layout(bytes: usize) -> Layout {
        // Rounded before the question, so that a layout's own size gives the same layout again.
        let bytes = bytes.next_multiple_of(4096);
        let align = if bytes >= HUGE { HUGE } else { 4096 };
        Layout::from_size_align(bytes.next_multiple_of(align), align).expect("scratch sizes are far below isize::MAX")
    }

    /// Room for `n` elements, holding whatever was left there.
    pub fn get<T: bytemuck::Pod>(&mut self, n: usize) -> *mut T {
        let need = n * size_of::<T>();
        if self.bytes < need || self.data.is_null() {
            self.free();
            let layout = Self::layout(need.max(1));
            // SAFETY: the layout is not empty.
            let data = unsafe { alloc_zeroed(layout) };
            if data.is_null() {
                handle_alloc_error(layout);
            }
            #[cfg(target_os = "linux")]
            if layout.align() == HUGE {
                // SAFETY: advice on memory of our own; a refusal changes nothing.
                unsafe { libc::madvise(data.cast(), layout.size(), libc::MADV_HUGEPAGE) };
            }
            (self.data, self.bytes) = (data, layout.size());
        }
        self.data.cast()
    }

    fn free(&mut self) {
        if !self.data.is_null() {
            // SAFETY: allocated by `get` with the layout of its size, which a second rounding does not change.
            unsafe { dealloc(self.data, Self::layout(self.bytes)) };
            (self.data, self.bytes) = (null_mut(), 0);
        }
    }
}
impl Drop for Scratch {
    fn drop(&mut self) {
        self.free();
    }
}

/// The buffers of a thread, by what they hold; one holder at a time uses each.
#[derive(Clone, Copy)]
pub enum ScratchSlot {
    /// Packed rows of the first operand, shared by all threads of a product.
    PackedA,
    /// Packed columns of the second operand, one thread's own.
    PackedB,
    /// A result on its way to another layout or element type.
    Result,
    /// Images with their border, or in another order of dimensions.
    Plane,
    /// Sums of a weight gradient.
    Gradient,
}

thread_local! {
    static SLOTS: [Cell<Scratch>; 5] = const { [const { Cell::new(Scratch::EMPTY) }; 5] };
}

/// Runs `f` with one of this thread's buffers. A call inside another for the same slot gets a buffer of its own, freed
/// when the outer call puts its own back.
#[inline]
pub fn with_scratch<R>(slot: ScratchSlot, f: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SLOTS.with(|slots| slots[slot as usize].replace(Scratch::EMPTY));
    let result = f(&mut scratch);
    SLOTS.with(|slots| slots[slot as usize].set(scratch));
    result
}
