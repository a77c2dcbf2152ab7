//! A matrix in memory as a source.
use super::Source;
use crate::cpu::gemm::GemmElement;

/// Any strided view: plain, transposed, sliced, broadcast (step 0). Steps count elements.
#[derive(Clone, Copy, Debug)]
pub struct Strided<T> {
    pub data: *const T,
    pub lane: isize,
    pub depth: isize,
}
// SAFETY: only read through, by kernels whose caller vouches for the memory.
unsafe impl<T: Sync> Sync for Strided<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for Strided<T> {}

impl<T> Strided<T> {
    #[inline(always)]
    pub fn at(&self, lane: usize, depth: usize) -> *const T {
        self.data.wrapping_offset(lane as isize * self.lane + depth as isize * self.depth)
    }
}

// SAFETY: each branch writes lanes < width of depths rows.
unsafe impl<T: GemmElement> Source<T> for Strided<T> {
    unsafe fn fill(&self, panel: *mut T, width: usize, lane: usize, lanes: usize, depth: usize, depths: usize) {
        let source = self.at(lane, depth);
        // SAFETY: the caller vouches for panel and operand.
        unsafe {
            if self.lane == 1 {
                copy_rows(source, self.depth, panel, width, lanes, depths);
            } else if self.depth == 1 {
                (T::kernels().transpose)(source, self.lane, lanes, depths, panel, width);
            } else {
                for p in 0..depths {
                    for i in 0..lanes {
                        *panel.add(p * width + i) = *source.offset(i as isize * self.lane + p as isize * self.depth);
                    }
                }
            }
        }
    }
    fn in_place(&self) -> Option<Strided<T>> {
        Some(*self)
    }
}

/// Rows of adjacent elements, `step` apart. The usual widths are constants, so that a row is a few vector moves and not
/// a call of memcpy.
unsafe fn copy_rows<T: Copy>(source: *const T, step: isize, panel: *mut T, width: usize, lanes: usize, depths: usize) {
    #[inline(always)]
    unsafe fn fixed<T: Copy, const N: usize>(source: *const T, step: isize, panel: *mut T, width: usize, depths: usize) {
        for p in 0..depths {
            // SAFETY: N lanes of row p, as the caller vouches.
            unsafe {
                panel.add(p * width).cast::<[T; N]>().write_unaligned(source.offset(p as isize * step).cast::<[T; N]>().read_unaligned());
            }
        }
    }
    // SAFETY: the caller vouches for `lanes` elements of each row.
    unsafe {
        match lanes {
            16 => fixed::<T, 16>(source, step, panel, width, depths),
            8 => fixed::<T, 8>(source, step, panel, width, depths),
            6 => fixed::<T, 6>(source, step, panel, width, depths),
            5 => fixed::<T, 5>(source, step, panel, width, depths),
            4 => fixed::<T, 4>(source, step, panel, width, depths),
            _ => {
                for p in 0..depths {
                    std::ptr::copy_nonoverlapping(source.offset(p as isize * step), panel.add(p * width), lanes);
                }
            }
        }
    }
}
