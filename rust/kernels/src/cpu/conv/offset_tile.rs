//! The micro-kernel of convolutions with few output channels: pixels are read in place, each tap at its offset.
#![allow(clippy::needless_range_loop, clippy::manual_memcpy)] // plain loops over several arrays of registers at once
use crate::cpu::gemm::Vector;
use std::ptr::{null, null_mut};

/// Vectors of the widest kernel.
pub const VECTORS: usize = 4;
/// Rows of the tallest kernel.
pub const ROWS: usize = 6;
/// Vectors a kernel of this many rows works on: as many sums as registers hold.
pub const fn vectors(rows: usize) -> usize {
    if rows <= 3 { 4 } else { 2 }
}

/// Some rows of the weight against a few vectors of neighbouring pixels, each with its own place in the image and in the output.
/// Whole vectors are read; of each, the first `lanes` are stored (none for a vector that is not used).
#[derive(Clone, Copy)]
pub struct OffsetTile<T> {
    pub depth: usize,
    /// Rows of the weight, contiguous, `a_row` apart.
    pub a: *const T,
    pub a_row: usize,
    /// One a step of depth.
    pub offsets: *const isize,
    pub b: [*const T; VECTORS],
    pub c: [*mut T; VECTORS],
    pub lanes: [usize; VECTORS],
    pub c_row: usize,
    /// One value a row, or null.
    pub bias: *const T,
}
impl<T> OffsetTile<T> {
    pub fn unused(image: *const T) -> OffsetTile<T> {
        OffsetTile {
            depth: 0,
            a: null(),
            a_row: 0,
            offsets: null(),
            b: [image; VECTORS],
            c: [null_mut(); VECTORS],
            lanes: [0; VECTORS],
            c_row: 0,
            bias: null(),
        }
    }
}
pub type OffsetKernel<T> = unsafe fn(&OffsetTile<T>);

/// One multiply-add an element and depth step, in order of depth.
///
/// # Safety
/// As [`Vector`], and the tile describes memory that may be read (C: written).
#[inline(always)]
pub unsafe fn multiply_offsets<V: Vector, const ROWS: usize, const VECTORS: usize>(t: &OffsetTile<V::Element>)
where
    V::Element: From<i8>,
{
    // SAFETY: the caller vouches for the tile.
    unsafe {
        let mut sums = [[V::splat(0.into()); VECTORS]; ROWS];
        let mut b = [t.b[0]; VECTORS];
        for v in 0..VECTORS {
            b[v] = t.b[v];
        }
        for p in 0..t.depth {
            let offset = *t.offsets.add(p);
            let mut pixels = [sums[0][0]; VECTORS];
            for v in 0..VECTORS {
                pixels[v] = V::load(b[v].offset(offset));
            }
            for i in 0..ROWS {
                let x = V::splat(*t.a.add(i * t.a_row + p));
                for v in 0..VECTORS {
                    sums[i][v] = x.multiply_add(pixels[v], sums[i][v]);
                }
            }
        }
        for i in 0..ROWS {
            let bias = V::splat(if t.bias.is_null() { 0.into() } else { *t.bias.add(i) });
            for v in 0..VECTORS {
                if t.lanes[v] > 0 {
                    sums[i][v].add(bias).store_first(t.c[v].add(i * t.c_row), t.lanes[v]);
                }
            }
        }
    }
}
