//! Copies in which one side is contiguous along one dimension and the other side along another.
use super::{Bits, GRAIN_BYTES};
use crate::cpu::nest::Nest;
use crate::cpu::threads::parallel_for;

/// A block is read by rows of one side and written by rows of the other: this many elements each way, so that every
/// cache line that is touched is used up before it leaves the first-level cache.
const BLOCK: usize = 32;

/// The loop along which the source is packed while the innermost loop packs the destination, if this is such a copy and
/// large enough to block.
pub(super) fn row_loop(nest: &Nest<2>, size: usize) -> Option<usize> {
    let (n, [to, from]) = nest.innermost();
    if to != size as i64 || from == size as i64 || from == 0 || n < 8 {
        return None;
    }
    (0..nest.shape.len() - 1).find(|&d| nest.steps[1][d] == size as i64 && nest.shape[d] >= 8)
}

/// Copies block by block. `row` is what [`row_loop`] found.
pub(super) fn copy<T: Bits>(nest: Nest<2>, row: usize) {
    let (planes, cols, [_, col_from]) = nest.split_innermost();
    let row = row.min(planes.shape.len() - 1);
    let (planes, rows, [row_to, _]) = planes.with_innermost(row).split_innermost();
    let bands = rows.div_ceil(BLOCK);
    let grain = (GRAIN_BYTES / size_of::<T>() / (BLOCK * cols)).max(1);
    parallel_for(planes.numel() * bands, grain, |range| {
        for number in range {
            let [dst, src] = planes.locate(number / bands);
            let first = number % bands * BLOCK;
            let height = BLOCK.min(rows - first);
            for left in (0..cols).step_by(BLOCK) {
                let width = BLOCK.min(cols - left);
                // SAFETY: the block lies within the rows and columns that the operands reach.
                unsafe {
                    let dst = dst.offset(first as isize * row_to as isize).cast::<T>().add(left);
                    let src = src.offset(left as isize * col_from as isize).cast::<T>().add(first);
                    block::<T>(dst, row_to, src, col_from, height, width);
                }
            }
        }
    });
}

/// `dst` has rows `row_to` bytes apart, `src` columns `col_from` bytes apart; both are packed the other way.
///
/// # Safety
/// `height` by `width` elements must be live on both sides.
#[inline(always)]
unsafe fn block<T: Bits>(dst: *mut T, row_to: i64, src: *const T, col_from: i64, height: usize, width: usize) {
    // SAFETY: every index stays below height and width.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if size_of::<T>() == 4 && height == BLOCK && width == BLOCK && crate::cpu::vectorized::has_avx2() {
            for row in (0..BLOCK).step_by(8) {
                for col in (0..BLOCK).step_by(8) {
                    let dst = dst.byte_offset(row as isize * row_to as isize).add(col);
                    let src = src.byte_offset(col as isize * col_from as isize).add(row);
                    eight_by_eight(dst.cast(), row_to, src.cast(), col_from);
                }
            }
            return;
        }
        for row in 0..height {
            let dst = dst.byte_offset(row as isize * row_to as isize);
            for col in 0..width {
                *dst.add(col) = *src.byte_offset(col as isize * col_from as isize).add(row);
            }
        }
    }
}

/// Transposes 8 by 8 four-byte elements in registers.
///
/// # Safety
/// The processor has AVX2; 8 rows of 8 elements are live on both sides.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn eight_by_eight(dst: *mut f32, row_to: i64, src: *const f32, col_from: i64) {
    use std::arch::x86_64::*;
    // SAFETY: rows 0 to 7 of both sides.
    unsafe {
        let load = |i: isize| _mm256_loadu_ps(src.byte_offset(i * col_from as isize));
        let pairs = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let ((a, b), (c, d)) = (pairs(load(0), load(1)), pairs(load(2), load(3)));
        let ((e, f), (g, h)) = (pairs(load(4), load(5)), pairs(load(6), load(7)));
        let quads = |a, b| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b));
        let ((q0, q1), (q2, q3)) = (quads(a, c), quads(b, d));
        let ((q4, q5), (q6, q7)) = (quads(e, g), quads(f, h));
        let store = |i: isize, x| _mm256_storeu_ps(dst.byte_offset(i * row_to as isize), x);
        for (i, (low, high)) in [(q0, q4), (q1, q5), (q2, q6), (q3, q7)].into_iter().enumerate() {
            store(i as isize, _mm256_permute2f128_ps::<0x20>(low, high));
            store(i as isize + 4, _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
}
