//! Kernels that need one line of elements along a dimension at a time.
use super::cast::Cast;
use super::copy::Caster;
use super::nest::Nest;
use super::threads::parallel_for;
use crate::Operand;
use smallvec::{SmallVec, smallvec};

/// Elements worth waking a thread for.
const GRAIN: usize = 16 * 1024;

/// Calls `kernel` for each line along `dim` of `shape`, with the line's number (row-major over the other dimensions), the
/// output's line and the inputs' lines, packed and as `T` whatever their layouts and dtypes are. `operands` are the output
/// and the inputs; the output must not overlap an input.
#[inline]
pub fn each_row<T: Cast + Default, const N: usize>(
    shape: &[i64],
    dim: usize,
    operands: [Operand; N],
    kernel: impl Fn(usize, &mut [T], &[&[T]]) + Sync,
) {
    let n = shape.get(dim).map_or(1, |&n| n as usize); // a number is a line of one
    let others: Nest<N> = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), std::array::from_fn(|k| &operands[k])).merged();
    if n == 0 {
        return;
    }
    let size = size_of::<T>() as i64;
    let steps = operands.map(|operand| operand.strides.get(dim).map_or(0, |stride| stride * operand.dtype.size() as i64));
    let packed: [bool; N] = std::array::from_fn(|k| operands[k].dtype == T::DTYPE && (steps[k] == size || n == 1));
    let load: [Caster; N] = std::array::from_fn(|k| Caster::new(T::DTYPE, operands[k].dtype));
    let store = Caster::new(operands[0].dtype, T::DTYPE);
    parallel_for(others.numel(), (GRAIN / n).max(1), |range| {
        let mut room: SmallVec<[Vec<T>; 4]> = packed.iter().map(|&packed| vec![T::default(); if packed { 0 } else { n }]).collect();
        let mut number = range.start;
        others.each(range, |at| {
            let (output_room, input_rooms) = room.split_at_mut(1);
            let mut inputs: SmallVec<[&[T]; 4]> = smallvec![];
            for (k, room) in input_rooms.iter_mut().enumerate() {
                let k = k + 1;
                // SAFETY: the operand reaches a line of `n` elements from here; the room holds as many.
                inputs.push(unsafe {
                    if packed[k] {
                        std::slice::from_raw_parts(at[k].cast::<T>(), n)
                    } else {
                        load[k].run(room.as_mut_ptr().cast(), size, at[k], steps[k], n);
                        room
                    }
                });
            }
            if packed[0] {
                // SAFETY: the operand reaches a line of `n` elements from here, which overlaps no input.
                kernel(number, unsafe { std::slice::from_raw_parts_mut(at[0].cast::<T>(), n) }, &inputs);
            } else {
                let row = &mut output_room[0];
                kernel(number, row, &inputs);
                // SAFETY: as above.
                unsafe { store.run(at[0], steps[0], row.as_ptr().cast(), size, n) }
            }
            number += 1;
        });
    });
}

/// `N` matrices whose rows lie along a dimension and whose packed columns are the dimensions inside it.
#[derive(Clone, Copy)]
pub struct Matrices<T, const N: usize> {
    first: [*mut T; N],
    /// Elements from a row to the next.
    steps: [isize; N],
    pub rows: usize,
    pub width: usize,
}

impl<T, const N: usize> Matrices<T, N> {
    /// A row of the first matrix, the output.
    #[inline(always)]
    pub fn output<'a>(&mut self, row: usize) -> &'a mut [T] {
        debug_assert!(row < self.rows);
        // SAFETY: whoever made the matrices vouches for their rows; the output overlaps no input.
        unsafe { std::slice::from_raw_parts_mut(self.first[0].offset(row as isize * self.steps[0]), self.width) }
    }
    /// A row of an input; number 0 would be the output.
    #[inline(always)]
    pub fn input<'a>(&self, k: usize, row: usize) -> &'a [T] {
        debug_assert!(row < self.rows && k > 0);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.first[k].offset(row as isize * self.steps[k]), self.width) }
    }
}

/// Columns given to a kernel at once.
pub const COLUMNS: usize = 64;

/// Where all operands are of type `T` and some loop over dimensions other than `dim` steps by one element in each of them,
/// calls `kernel` for up to [`COLUMNS`] neighbouring lines at a time and returns true. Otherwise does nothing.
#[inline]
pub fn each_column_block<T: Cast, const N: usize>(
    shape: &[i64],
    dim: usize,
    operands: [Operand; N],
    kernel: impl Fn(Matrices<T, N>) + Sync,
) -> bool {
    if dim >= shape.len() || operands.iter().any(|operand| operand.dtype != T::DTYPE) {
        return false;
    }
    let others = (0..shape.len()).filter(|&d| d != dim);
    let others: Nest<N> = Nest::over(shape, others, std::array::from_fn(|k| &operands[k])).sorted().merged();
    let (width, across) = others.innermost();
    if width < 8 || across != [size_of::<T>() as i64; N] {
        return false;
    }
    let rows = shape[dim] as usize;
    let steps = operands.map(|operand| operand.strides[dim] as isize);
    let (outer, width, _) = others.split_innermost();
    let blocks = width.div_ceil(COLUMNS);
    parallel_for(outer.numel() * blocks, (GRAIN / (rows * COLUMNS).max(1)).max(1), |range| {
        for number in range {
            let left = number % blocks * COLUMNS;
            let first = outer.locate(number / blocks).map(|at| at.cast::<T>().wrapping_add(left));
            kernel(Matrices { first, steps, rows, width: COLUMNS.min(width - left) });
        }
    });
    true
}
