//! Matrix products: `C = alpha A B + beta C + bias` for float32 and float64 in any strided layout.
mod cut;
mod dots;
mod kernels;
mod product;
mod row_sums;
mod tile;
mod transpose;
mod vector;

pub use cut::Cut;
pub use kernels::{GemmElement, Kernels};
pub use product::{Product, Shared};
pub use tile::Store;
pub(crate) use vector::Vector;

use crate::cpu::pack::{ScratchSlot, Strided, with_scratch};
use std::ptr::null;

/// A matrix to read: element (i, j) is at `data + i * row_stride + j * column_stride`. Strides count elements and may be 0.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<T> {
    pub data: *const T,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: isize,
    pub column_stride: isize,
}
/// A matrix to write; its elements do not overlap.
#[derive(Clone, Copy, Debug)]
pub struct MatrixMut<T> {
    pub data: *mut T,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: isize,
    pub column_stride: isize,
}
impl<T> Matrix<T> {
    #[must_use]
    pub fn transposed(self) -> Matrix<T> {
        Matrix { data: self.data, rows: self.columns, columns: self.rows, row_stride: self.column_stride, column_stride: self.row_stride }
    }
}
impl<T> MatrixMut<T> {
    #[must_use]
    pub fn transposed(self) -> MatrixMut<T> {
        MatrixMut {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// A vector added to every column or row of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias<T> {
    None,
    /// One contiguous value a row of C: a convolution's.
    PerRow(*const T),
    /// One contiguous value a column of C: a linear layer's.
    PerColumn(*const T),
}

/// `alpha`, `beta` and the bias of `alpha A B + beta C + bias`. With beta 0, C is written without being read.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<T> {
    pub alpha: T,
    pub beta: T,
    pub bias: Bias<T>,
}
impl<T: From<i8>> Default for Epilogue<T> {
    fn default() -> Self {
        Epilogue { alpha: 1.into(), beta: 0.into(), bias: Bias::None }
    }
}
impl<T> Epilogue<T> {
    fn transposed(self) -> Epilogue<T> {
        let bias = match self.bias {
            Bias::None => Bias::None,
            Bias::PerRow(p) => Bias::PerColumn(p),
            Bias::PerColumn(p) => Bias::PerRow(p),
        };
        Epilogue { bias, ..self }
    }
    fn store(self) -> Store<T> {
        let (row_bias, column_bias) = match self.bias {
            Bias::None => (null(), null()),
            Bias::PerRow(p) => (p, null()),
            Bias::PerColumn(p) => (null(), p),
        };
        Store { alpha: self.alpha, beta: self.beta, row_bias, column_bias }
    }
}

/// `C = alpha A B + beta C + bias` on the threads of [`crate::cpu::threads`]. The result does not depend on their number.
///
/// # Safety
/// A is m x k, B k x n and C m x n, all in live memory; the bias is as long as its side of C; C overlaps nothing else.
#[inline]
pub unsafe fn gemm<T: GemmElement + bytemuck::Pod>(a: Matrix<T>, b: Matrix<T>, c: MatrixMut<T>, epilogue: Epilogue<T>) {
    // SAFETY: the caller vouches for the operands.
    unsafe { gemm_with(T::kernels(), a, b, c, epilogue) }
}

/// [`gemm`] with the kernels of a given instruction set.
///
/// # Safety
/// As there, and the processor has the instructions.
pub unsafe fn gemm_with<T: GemmElement + bytemuck::Pod>(
    kernels: &'static Kernels<T>,
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    epilogue: Epilogue<T>,
) {
    let (m, n, k) = (c.rows, c.columns, a.columns);
    debug_assert!(a.rows == m && b.rows == k && b.columns == n);
    // A stride of a side of length one says nothing: the columns count as adjacent then.
    let (rows_adjacent, columns_adjacent) = (c.row_stride == 1 || m == 1, c.column_stride == 1 || n == 1);
    if !columns_adjacent && !rows_adjacent {
        // SAFETY: the caller vouches for the operands.
        return unsafe { through_scratch(kernels, a, b, c, epilogue) };
    }
    // One column is computed as one row.
    if !columns_adjacent || (n == 1 && m > 1 && rows_adjacent) {
        // SAFETY: the transposed product is the same product.
        return unsafe { run(kernels, b.transposed(), a.transposed(), c.transposed(), epilogue.transposed()) };
    }
    // SAFETY: the caller vouches for the operands; C's columns are adjacent.
    unsafe { run(kernels, a, b, c, epilogue) }
}

/// Rows of a product up to which dot products beat packing a B whose depth is contiguous.
const DOT_ROWS: usize = 4;

/// Elements of a second operand up to which one row is an ordinary product.
const SMALL_ROW: usize = 1024;

unsafe fn run<T: GemmElement + bytemuck::Pod>(
    kernels: &'static Kernels<T>,
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    epilogue: Epilogue<T>,
) {
    let store = epilogue.store();
    let (m, n, k) = (c.rows, c.columns, a.columns);
    let contiguous_depth = k == 1 || (b.row_stride == 1 && a.column_stride == 1);
    if m <= DOT_ROWS && contiguous_depth && (b.column_stride != 1 || k >= 8) {
        let rows = dots::Operands {
            depth: k,
            a: a.data,
            a_row: a.row_stride,
            a_rows: m,
            b: b.data,
            b_row: b.column_stride,
            b_rows: n,
            c: c.data,
            c_row: c.row_stride,
            store,
        };
        // SAFETY: the caller vouches for the operands.
        return unsafe { dots::parallel(kernels, &rows) };
    }
    if m == 1 && b.column_stride == 1 && n * k > SMALL_ROW {
        let row = row_sums::RowSums {
            depth: k,
            columns: n,
            x: a.data,
            x_step: a.column_stride,
            b: b.data,
            b_row: b.row_stride,
            sums: std::ptr::null_mut(),
        };
        // SAFETY: the caller vouches for the operands; a C of one row is contiguous.
        return unsafe { row_sums::multiply_row(kernels, &row, c.data, &store) };
    }
    let lanes_of_b = if n == 1 { 1 } else { b.column_stride };
    let left = Strided { data: a.data, lane: a.row_stride, depth: a.column_stride };
    let right = Strided { data: b.data, lane: lanes_of_b, depth: b.row_stride };
    let product = Product { kernels, m, n, k, a: &left, b: &right, c: Shared(c.data), c_row: c.row_stride, store };
    // SAFETY: the caller vouches for the operands.
    unsafe { product.run() }
}

/// For a C with neither rows nor columns adjacent: computed in scratch memory, then spread.
unsafe fn through_scratch<T: GemmElement + bytemuck::Pod>(
    kernels: &'static Kernels<T>,
    a: Matrix<T>,
    b: Matrix<T>,
    c: MatrixMut<T>,
    epilogue: Epilogue<T>,
) {
    with_scratch(ScratchSlot::Result, |scratch| {
        let data = scratch.get::<T>(c.rows * c.columns);
        let dense = MatrixMut { data, row_stride: c.columns as isize, column_stride: 1, ..c };
        // SAFETY: the buffer holds all of C; element (i, j) is inside both.
        unsafe {
            run(kernels, a, b, dense, Epilogue { beta: 0.into(), ..epilogue });
            for i in 0..c.rows {
                for j in 0..c.columns {
                    let to = c.data.offset(i as isize * c.row_stride + j as isize * c.column_stride);
                    let value = *data.add(i * c.columns + j);
                    *to = if epilogue.beta == 0.into() { value } else { *to * epilogue.beta + value };
                }
            }
        }
    });
}

#[cfg(test)]
pub mod tests;
