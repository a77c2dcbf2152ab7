//! One row times a matrix with its columns adjacent: bound by reading the matrix once, so it is read row after row.
#![allow(clippy::needless_range_loop)] // an index runs over several arrays of registers at once
use super::kernels::Kernels;
use super::product::Shared;
use super::tile::Store;
use super::vector::Vector;
use crate::cpu::pack::{ScratchSlot, with_scratch};
use crate::cpu::threads::parallel_for;

/// `sums[j] += x(p) b(p, j)` for all p, j; `sums` is contiguous.
#[derive(Clone, Copy)]
pub struct RowSums<T> {
    pub depth: usize,
    pub columns: usize,
    pub x: *const T,
    pub x_step: isize,
    pub b: *const T,
    pub b_row: isize,
    pub sums: *mut T,
}
pub type RowSumsKernel<T> = unsafe fn(&RowSums<T>);

/// Rows of B that pass at once: the sums are read and written once for all of them.
const ROWS: usize = 4;

/// An element's multiply-adds run in order of depth.
///
/// # Safety
/// As [`Vector`], and the rows describe memory that may be read (the sums: written).
#[inline(always)]
pub unsafe fn add_rows<V: Vector>(r: &RowSums<V::Element>) {
    // SAFETY: rows p..p + ROWS exist, and are `columns` long.
    unsafe {
        let mut p = 0;
        while p + ROWS <= r.depth {
            add_some::<V, ROWS>(r, p);
            p += ROWS;
        }
        while p < r.depth {
            add_some::<V, 1>(r, p);
            p += 1;
        }
    }
}

#[inline(always)]
unsafe fn add_some<V: Vector, const ROWS: usize>(r: &RowSums<V::Element>, p: usize) {
    // SAFETY: the caller vouches for the rows.
    unsafe {
        let (mut x, mut b) = ([V::splat(*r.x); ROWS], [r.b; ROWS]);
        for i in 0..ROWS {
            x[i] = V::splat(*r.x.offset((p + i) as isize * r.x_step));
            b[i] = r.b.offset((p + i) as isize * r.b_row);
        }
        let mut j = 0;
        while j + V::LANES <= r.columns {
            let mut sum = V::load(r.sums.add(j));
            for i in 0..ROWS {
                sum = x[i].multiply_add(V::load(b[i].add(j)), sum);
            }
            sum.store(r.sums.add(j));
            j += V::LANES;
        }
        let rest = r.columns - j;
        if rest > 0 {
            let mut sum = V::load_first(r.sums.add(j), rest);
            for i in 0..ROWS {
                sum = x[i].multiply_add(V::load_first(b[i].add(j), rest), sum);
            }
            sum.store_first(r.sums.add(j), rest);
        }
    }
}

/// Multiply-adds of a task: about 20 microseconds when B comes from memory.
const WORK: usize = 1 << 18;

/// All of a product of one row, columns shared out among threads.
///
/// # Safety
/// The operands are as long as `depth` and `columns` say; C is contiguous and as long as `columns`; `all.sums` is not used.
pub unsafe fn multiply_row<T>(kernels: &Kernels<T>, all: &RowSums<T>, c: *mut T, store: &Store<T>)
where
    T: bytemuck::Pod + Send + Sync + PartialEq + From<i8> + std::ops::Add<Output = T> + std::ops::Mul<Output = T>,
{
    let (x, b, c) = (Shared(all.x.cast_mut()), Shared(all.b.cast_mut()), Shared(c));
    let (depth, x_step, b_row) = (all.depth, all.x_step, all.b_row);
    parallel_for(all.columns, (WORK / depth.max(1)).next_multiple_of(64).max(64), |columns| {
        with_scratch(ScratchSlot::Result, |scratch| {
            let sums = scratch.get::<T>(columns.len());
            let b = b.get().wrapping_add(columns.start).cast_const();
            // SAFETY: the scratch has room for these columns; ranges write disjoint columns of C.
            unsafe {
                std::slice::from_raw_parts_mut(sums, columns.len()).fill(T::from(0));
                (kernels.row_sums)(&RowSums { depth, columns: columns.len(), x: x.get(), x_step, b, b_row, sums });
                for (i, column) in columns.enumerate() {
                    store.at(0, column).put(*sums.add(i), c.get().add(column));
                }
            }
        });
    });
}
