//! Matrices of another element type, converted while they are packed.
use super::{Source, Strided};

/// A strided view of elements that become `T`: float16 and bfloat16 are multiplied as float32.
pub struct Converted<H, T> {
    pub view: Strided<H>,
    pub convert: fn(H) -> T,
}

// SAFETY: writes lanes < width of depths rows.
unsafe impl<H: Copy + Sync, T> Source<T> for Converted<H, T> {
    unsafe fn fill(&self, panel: *mut T, width: usize, lane: usize, lanes: usize, depth: usize, depths: usize) {
        let source = self.view.at(lane, depth);
        let element = |i: usize, p: usize| source.wrapping_offset(i as isize * self.view.lane + p as isize * self.view.depth);
        // The operand is walked along its smaller step.
        if self.view.lane.abs() <= self.view.depth.abs() {
            for p in 0..depths {
                for i in 0..lanes {
                    // SAFETY: the caller vouches for panel and operand.
                    unsafe { panel.add(p * width + i).write((self.convert)(*element(i, p))) }
                }
            }
        } else {
            for i in 0..lanes {
                for p in 0..depths {
                    // SAFETY: as above.
                    unsafe { panel.add(p * width + i).write((self.convert)(*element(i, p))) }
                }
            }
        }
    }
}
