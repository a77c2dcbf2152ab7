//! Packing: an operand of a product copied into panels that a micro-kernel reads from front to back.
//!
//! A source fills one panel at a time (hundreds to thousands of elements), so it is called through `dyn`: no layout and
//! no element type multiplies the engine's code. Convolution patches and half-precision matrices are sources too.
mod convert;
mod scratch;
mod strided;

pub use convert::Converted;
pub use scratch::{Scratch, ScratchSlot, with_scratch};
pub use strided::Strided;

/// One operand seen as lanes x depth: lanes are C's rows for A and C's columns for B; depth is what is summed over.
///
/// # Safety
/// `fill` must stay inside the panel it is given.
pub unsafe trait Source<T>: Sync {
    /// Writes `panel[p * width + i] = operand(lane + i, depth + p)` for i < lanes, p < depths. Lanes up to `width` may
    /// be written with anything.
    ///
    /// # Safety
    /// The panel holds width x depths elements, lanes <= width, and the operand has these lanes and depths.
    unsafe fn fill(&self, panel: *mut T, width: usize, lane: usize, lanes: usize, depth: usize, depths: usize);
    /// The operand as it lies in memory, if its elements are there unchanged.
    fn in_place(&self) -> Option<Strided<T>> {
        None
    }
}
