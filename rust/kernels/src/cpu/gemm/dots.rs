//! Products of few rows with depth contiguous in both operands: dot products, a few at a time, nothing packed.
#![allow(clippy::needless_range_loop)] // an index runs over several arrays of registers at once
use super::kernels::Kernels;
use super::product::Shared;
use super::tile::Store;
use super::vector::Vector;
use crate::cpu::threads::parallel_for;
use std::ptr::{null, null_mut};

/// Rows of A and rows of B (columns of the second operand), each contiguous along depth.
#[derive(Clone, Copy)]
pub struct Operands<T> {
    pub depth: usize,
    pub a: *const T,
    pub a_row: isize,
    pub a_rows: usize,
    pub b: *const T,
    pub b_row: isize,
    pub b_rows: usize,
    pub c: *mut T,
    pub c_row: isize,
    pub store: Store<T>,
}
pub type Dots<T> = unsafe fn(&Operands<T>);

/// All of it, rows of B shared out among threads.
///
/// # Safety
/// As [`multiply_rows`].
pub unsafe fn parallel<T: Copy + Sync + Send>(kernels: &Kernels<T>, all: &Operands<T>) {
    let grain = (WORK / (all.depth * all.a_rows).max(1)).next_multiple_of(4).max(4);
    if all.b_rows <= grain {
        // SAFETY: the caller vouches for the rows.
        return unsafe { (kernels.dots)(all) };
    }
    let c = Shared(all.c);
    let (a, b) = (Shared(all.a.cast_mut()), Shared(all.b.cast_mut()));
    let rest = Operands { a: null(), b: null(), c: null_mut(), ..*all };
    parallel_for(all.b_rows, grain, |columns| {
        let start = columns.start;
        let part = Operands {
            a: a.get(),
            b: b.get().wrapping_offset(start as isize * rest.b_row),
            b_rows: columns.len(),
            c: c.get().wrapping_add(start),
            store: rest.store.at(0, start),
            ..rest
        };
        // SAFETY: ranges write disjoint columns of C.
        unsafe { (kernels.dots)(&part) };
    });
}
/// Multiply-adds of a task: about 20 microseconds when B comes from memory.
const WORK: usize = 1 << 18;

/// C(i, j) = the dot product of A's row i with B's row j, stored as [`Store`] says. Each element is summed in the same
/// order whatever the number of rows: two vectors of partial sums by position in depth.
///
/// # Safety
/// As [`Vector`], and the rows describe memory that may be read (C: written).
#[inline(always)]
pub unsafe fn multiply_rows<V: Vector>(d: &Operands<V::Element>)
where
    V::Element: PartialEq + From<i8> + std::ops::Add<Output = V::Element> + std::ops::Mul<Output = V::Element>,
{
    // SAFETY: blocks stay inside the rows.
    unsafe {
        let mut j = 0;
        while j < d.b_rows {
            let four = d.b_rows - j >= 4;
            let mut i = 0;
            while i < d.a_rows {
                match (d.a_rows - i >= 2, four) {
                    (true, true) => block::<V, 2, 4>(d, i, j),
                    (true, false) => block::<V, 2, 1>(d, i, j),
                    (false, true) => block::<V, 1, 4>(d, i, j),
                    (false, false) => block::<V, 1, 1>(d, i, j),
                }
                i += if d.a_rows - i >= 2 { 2 } else { 1 };
            }
            j += if four { 4 } else { 1 };
        }
    }
}

#[inline(always)]
unsafe fn block<V: Vector, const M: usize, const N: usize>(d: &Operands<V::Element>, i: usize, j: usize)
where
    V::Element: PartialEq + From<i8> + std::ops::Add<Output = V::Element> + std::ops::Mul<Output = V::Element>,
{
    // SAFETY: rows i..i+M of A and j..j+N of B exist, and are `depth` long.
    unsafe {
        let (mut a, mut b) = ([d.a; M], [d.b; N]);
        for r in 0..M {
            a[r] = d.a.offset((i + r) as isize * d.a_row);
        }
        for r in 0..N {
            b[r] = d.b.offset((j + r) as isize * d.b_row);
        }
        let mut sums = [[V::splat(0.into()); N]; M];
        let mut p = 0;
        while p + V::LANES <= d.depth {
            for c in 0..N {
                let y = V::load(b[c].add(p));
                for r in 0..M {
                    sums[r][c] = V::load(a[r].add(p)).multiply_add(y, sums[r][c]);
                }
            }
            p += V::LANES;
        }
        let rest = d.depth - p;
        if rest > 0 {
            for c in 0..N {
                let y = V::load_first(b[c].add(p), rest);
                for r in 0..M {
                    sums[r][c] = V::load_first(a[r].add(p), rest).multiply_add(y, sums[r][c]);
                }
            }
        }
        for (r, row) in sums.into_iter().enumerate() {
            for (c, sum) in row.into_iter().enumerate() {
                d.store.at(i + r, j + c).put(sum.sum(), d.c.offset((i + r) as isize * d.c_row).add(j + c));
            }
        }
    }
}
