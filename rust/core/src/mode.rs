//! The modes a thread may be in: what `no_grad`, `inference_mode`, autocast, tracing and the like switch.
//!
//! A thread's modes are one word. Every bit that is set is a departure from the plain mode of work, and the number of
//! threads that depart at all is counted in [`DEPARTED`]: as long as it is zero, the call door reads one global word and
//! no thread-local (in a shared library that read is a function call).
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Gradients are not recorded (`no_grad`).
pub const NO_GRAD: u32 = 1;
/// New tensors are inference tensors: without version and history.
pub const INFERENCE: u32 = 1 << 1;
pub const AUTOCAST: u32 = 1 << 2;
pub const TRACE: u32 = 1 << 3;
pub const PROFILE: u32 = 1 << 4;
/// A `TorchFunctionMode` is on the thread's stack.
pub const FUNCTION_MODE: u32 = 1 << 5;
/// vmap, grad, jvp and other functional transforms.
pub const TRANSFORM: u32 = 1 << 6;

static DEPARTED: AtomicU32 = AtomicU32::new(0);
thread_local! { static MODES: Cell<u32> = const { Cell::new(0) } }

/// The calling thread's modes; cheap when no thread has any.
#[inline(always)]
pub fn modes() -> u32 {
    if DEPARTED.load(Relaxed) == 0 { 0 } else { MODES.get() }
}

/// Sets the thread's modes to `new` and returns what they were, for [`restore`].
#[inline]
pub fn replace(new: u32) -> u32 {
    let old = MODES.replace(new);
    if (old == 0) != (new == 0) {
        if new != 0 {
            DEPARTED.fetch_add(1, Relaxed);
        } else {
            DEPARTED.fetch_sub(1, Relaxed);
        }
    }
    old
}

/// Switches one mode; returns whether it was on.
#[inline]
pub fn set(bit: u32, on: bool) -> bool {
    let old = MODES.get();
    replace(if on { old | bit } else { old & !bit });
    old & bit != 0
}

#[inline]
pub fn is_grad_enabled() -> bool {
    modes() & NO_GRAD == 0
}
/// Returns whether gradients were recorded before.
#[inline]
pub fn set_grad_enabled(on: bool) -> bool {
    !set(NO_GRAD, !on)
}
#[inline]
pub fn is_inference_mode_enabled() -> bool {
    modes() & INFERENCE != 0
}

/// Restores the thread's modes when it goes out of scope.
pub struct Guard(u32);
impl Guard {
    /// Within the guard's life the thread is in the mode (or, with `on` false, out of it).
    pub fn set(bit: u32, on: bool) -> Guard {
        let old = MODES.get();
        Guard(replace(if on { old | bit } else { old & !bit }))
    }
    pub fn no_grad() -> Guard {
        Guard::set(NO_GRAD, true)
    }
}
impl Drop for Guard {
    fn drop(&mut self) {
        replace(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_guard_restores_what_was_there() {
        assert!(is_grad_enabled());
        {
            let _outer = Guard::no_grad();
            assert!(!is_grad_enabled());
            {
                let _inner = Guard::set(NO_GRAD, false);
                assert!(is_grad_enabled());
            }
            assert!(!is_grad_enabled());
        }
        assert!(is_grad_enabled());
    }
}
