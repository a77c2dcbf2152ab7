//! The micro-kernel: a few rows by a few vectors of C held in registers while depth runs.
#![allow(clippy::needless_range_loop)] // an index runs over several arrays of registers at once
use super::vector::Vector;
use std::ptr::null;

/// What happens to a sum on its way from the registers to C: `alpha * sum + beta * C + bias`.
#[derive(Clone, Copy)]
pub struct Store<T> {
    pub alpha: T,
    /// With 0, C is written without being read: what it held, NaN included, does not matter.
    pub beta: T,
    /// One value a row of C, or null.
    pub row_bias: *const T,
    /// One value a column of C, or null.
    pub column_bias: *const T,
}
// SAFETY: the pointers are only read, and what they point to outlives the product.
unsafe impl<T: Sync> Sync for Store<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for Store<T> {}

impl<T: Copy + From<i8>> Store<T> {
    /// For depth blocks after the first: add to what the first has stored.
    #[must_use]
    pub fn continued(self) -> Store<T> {
        Store { beta: T::from(1), row_bias: null(), column_bias: null(), ..self }
    }
}
impl<T> Store<T> {
    /// The same for the part of C that starts at (row, column).
    #[must_use]
    #[inline(always)]
    pub fn at(self, row: usize, column: usize) -> Store<T> {
        let step = |p: *const T, by| if p.is_null() { p } else { p.wrapping_add(by) };
        Store { row_bias: step(self.row_bias, row), column_bias: step(self.column_bias, column), ..self }
    }
}

impl<T: Copy + PartialEq + From<i8> + std::ops::Add<Output = T> + std::ops::Mul<Output = T>> Store<T> {
    /// Stores one element, as [`store_tile`] stores many.
    ///
    /// # Safety
    /// C and the biases point to one element.
    #[inline(always)]
    pub unsafe fn put(&self, sum: T, c: *mut T) {
        // SAFETY: the caller vouches for them.
        unsafe {
            let mut value = if self.alpha == 1.into() { sum } else { sum * self.alpha };
            if !self.column_bias.is_null() {
                value = value + *self.column_bias;
            }
            if !self.row_bias.is_null() {
                value = value + *self.row_bias;
            }
            if self.beta != 0.into() {
                value = *c * self.beta + value;
            }
            *c = value;
        }
    }
}

/// One call of a micro-kernel. One struct, so that the kernels of all heights, widths and instruction sets have one type.
///
/// A's element (i, p) is at `a + i * a_row + p * a_depth`, B's (p, j) at `b + p * b_depth + j`. B is read in whole
/// vectors, past its last column where that is not at a lane boundary, except in its last `guarded` rows.
#[derive(Clone, Copy)]
pub struct Tile<T> {
    pub depth: usize,
    pub a: *const T,
    pub a_row: isize,
    pub a_depth: isize,
    pub b: *const T,
    pub b_depth: isize,
    pub guarded: usize,
    pub c: *mut T,
    pub c_row: isize,
    /// Lanes in use in the last vector of a row: 1 to LANES.
    pub last: usize,
    pub store: Store<T>,
}
pub type Kernel<T> = unsafe fn(&Tile<T>);

/// Rows of A next to each other in memory: packed, or A stored by columns.
pub const ADJACENT: bool = false;
/// Rows of A `a_row` apart: a row-major A read where it lies.
pub const APART: bool = true;

/// The sums of `ROWS` x `VECTORS`: one multiply-add an element and depth step, in order of depth, so a result does not
/// depend on the tile it fell into.
///
/// # Safety
/// As [`Vector`], and the tile describes memory that may be read (C: written).
#[inline(always)]
pub unsafe fn multiply_tile<V: Vector, const ROWS: usize, const VECTORS: usize, const A: bool>(t: &Tile<V::Element>)
where
    V::Element: PartialEq + From<i8>,
{
    // SAFETY: the caller vouches for the tile.
    unsafe {
        let mut sums = [[V::splat(0.into()); VECTORS]; ROWS];
        for i in 0..ROWS {
            for v in 0..VECTORS {
                V::prefetch(t.c.wrapping_offset(i as isize * t.c_row).wrapping_add(v * V::LANES));
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.depth - t.guarded {
            let mut row = [V::splat(0.into()); VECTORS];
            for v in 0..VECTORS {
                row[v] = V::load(b.add(v * V::LANES));
            }
            multiply_step::<V, ROWS, VECTORS, A>(&mut sums, row, a, t.a_row);
            a = a.wrapping_offset(t.a_depth);
            b = b.wrapping_offset(t.b_depth);
        }
        for _ in 0..t.guarded {
            let mut row = [V::splat(0.into()); VECTORS];
            for v in 0..VECTORS {
                row[v] = load_column::<V, VECTORS>(b, v, t.last);
            }
            multiply_step::<V, ROWS, VECTORS, A>(&mut sums, row, a, t.a_row);
            a = a.wrapping_offset(t.a_depth);
            b = b.wrapping_offset(t.b_depth);
        }
        store_tile::<V, ROWS, VECTORS>(sums, t.c, t.c_row, t.last, &t.store);
    }
}

/// One step of depth: a row of B times ROWS elements of A. Plain loops throughout: a closure would not inherit the
/// instruction set.
#[inline(always)]
unsafe fn multiply_step<V: Vector, const ROWS: usize, const VECTORS: usize, const A: bool>(
    sums: &mut [[V; VECTORS]; ROWS],
    row: [V; VECTORS],
    a: *const V::Element,
    a_row: isize,
) {
    for i in 0..ROWS {
        // SAFETY: A has these rows.
        unsafe {
            let x = V::splat(*a.offset(if A == APART { i as isize * a_row } else { i as isize }));
            for v in 0..VECTORS {
                sums[i][v] = x.multiply_add(row[v], sums[i][v]);
            }
        }
    }
}

#[inline(always)]
unsafe fn load_column<V: Vector, const VECTORS: usize>(p: *const V::Element, v: usize, last: usize) -> V {
    // SAFETY: the caller's row has the whole vectors and `last` lanes of the last.
    unsafe { if v == VECTORS - 1 { V::load_first(p.add(v * V::LANES), last) } else { V::load(p.add(v * V::LANES)) } }
}

/// Writes a tile of sums as [`Store`] says.
///
/// # Safety
/// As [`Vector`]; C and the biases are as long as the tile.
#[inline(always)]
pub unsafe fn store_tile<V: Vector, const ROWS: usize, const VECTORS: usize>(
    mut sums: [[V; VECTORS]; ROWS],
    c: *mut V::Element,
    c_row: isize,
    last: usize,
    store: &Store<V::Element>,
) where
    V::Element: PartialEq + From<i8>,
{
    // SAFETY: the caller vouches for C and the biases.
    unsafe {
        if store.alpha != 1.into() {
            let alpha = V::splat(store.alpha);
            for row in &mut sums {
                for sum in row {
                    *sum = sum.multiply(alpha);
                }
            }
        }
        if !store.column_bias.is_null() {
            for v in 0..VECTORS {
                let bias = load_column::<V, VECTORS>(store.column_bias, v, last);
                for row in &mut sums {
                    row[v] = row[v].add(bias);
                }
            }
        }
        if !store.row_bias.is_null() {
            for (i, row) in sums.iter_mut().enumerate() {
                let bias = V::splat(*store.row_bias.add(i));
                for sum in row {
                    *sum = sum.add(bias);
                }
            }
        }
        if store.beta != 0.into() {
            let beta = V::splat(store.beta);
            for (i, row) in sums.iter_mut().enumerate() {
                for v in 0..VECTORS {
                    row[v] = load_column::<V, VECTORS>(c.offset(i as isize * c_row), v, last).multiply_add(beta, row[v]);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            let p = c.offset(i as isize * c_row);
            for v in 0..VECTORS - 1 {
                row[v].store(p.add(v * V::LANES));
            }
            row[VECTORS - 1].store_first(p.add((VECTORS - 1) * V::LANES), last);
        }
    }
}
