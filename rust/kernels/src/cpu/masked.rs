//! Elements picked, placed or found by a mask.
use super::copy::{Caster, run_of_size};
use super::fill::element;
use super::nest::Nest;
use super::threads::parallel_for;
use crate::{Number, Operand};
use rustorch_base::dtype::Element;
use rustorch_base::{DType, Result, ensure, with_dtype};

#[cfg(test)]
mod tests;

/// Elements a thread takes at once.
const GRAIN: usize = 32 * 1024;

/// `output[i] = value` where `mask[i]`. The mask is bool. Refuses a value the dtype cannot hold.
pub fn masked_fill(shape: &[i64], output: Operand, mask: Operand, value: Number) -> Result<()> {
    let value = element(value, output.dtype)?;
    let nest = Nest::new(shape, [&output, &mask]).sorted().merged();
    let (_, [to, next]) = nest.innermost();
    with_dtype!(output.dtype, T => {
        // SAFETY: `element` wrote one element of this dtype.
        let value = unsafe { *value.as_ptr().cast::<T>() };
        parallel_for(nest.numel(), GRAIN, |range| nest.each_run(range, |[output, mask], n| {
            // SAFETY: the operands reach these elements.
            unsafe { fill_run(output.cast::<T>(), to, mask, next, n, value) }
        }));
    });
    Ok(())
}

#[inline(always)]
unsafe fn fill_run<T: Element>(output: *mut T, to: i64, mask: *const u8, next: i64, n: usize, value: T) {
    // SAFETY: the caller vouches for `n` elements.
    unsafe {
        if to == size_of::<T>() as i64 && next == 1 {
            for i in 0..n {
                let old = *output.add(i);
                *output.add(i) = if *mask.add(i) != 0 { value } else { old };
            }
        } else {
            for i in 0..n as i64 {
                if *mask.offset((i * next) as isize) != 0 {
                    *output.byte_offset((i * to) as isize) = value;
                }
            }
        }
    }
}

/// The number of elements of a mask that are set: what [`masked_select`] and [`masked_scatter`] need room for.
pub fn count(shape: &[i64], mask: Operand) -> i64 {
    let nest = Nest::new(shape, [&mask]).sorted().merged();
    let (_, [next]) = nest.innermost();
    let mut count = 0;
    nest.each_run(0..nest.numel(), |[mask], n| {
        // SAFETY: the operand reaches these elements.
        count += (0..n as i64).map(|i| unsafe { *mask.offset((i * next) as isize) != 0 } as i64).sum::<i64>();
    });
    count
}

/// Packs the elements of `input` where `mask` is set, in row-major order, into the vector `output`, which has room for them.
/// One dtype; no overlap.
pub fn masked_select(shape: &[i64], output: Operand, input: Operand, mask: Operand) {
    let size = input.dtype.size();
    let step = output.strides[0] * size as i64;
    let mut to = output.data;
    Nest::new(shape, [&input, &mask]).merged().each_set(|at| {
        // SAFETY: the mask has as many set elements as the output has room for.
        unsafe { run_of_size(size, to, 0, at, 0, 1) }
        to = to.wrapping_offset(step as isize);
    });
}

/// `output[i] = the next element of source` where `mask[i]`, in row-major order. `source` is a vector of `available` elements
/// of the same dtype. Refuses too short a source before writing.
pub fn masked_scatter(shape: &[i64], output: Operand, mask: Operand, source: Operand, available: i64) -> Result<()> {
    ensure!(count(shape, mask) <= available, runtime, "Number of elements of source < number of ones in mask");
    let size = output.dtype.size();
    let step = source.strides.first().map_or(0, |s| s * size as i64);
    let mut from = source.data;
    Nest::new(shape, [&output, &mask]).merged().each_set(|at| {
        // SAFETY: the source has as many elements as the mask has set ones.
        unsafe { run_of_size(size, at, 0, from, 0, 1) }
        from = from.wrapping_offset(step as isize);
    });
    Ok(())
}

/// Elements of a mask looked at together.
const PIECE: usize = 512;

/// Which of up to [`PIECE`] elements are set: their numbers, and how many. Without a branch, which a mask would mislead.
#[inline(always)]
fn set_ones(n: usize, is_set: impl Fn(usize) -> bool) -> ([u16; PIECE], usize) {
    let (mut ones, mut count) = ([0u16; PIECE], 0);
    for i in 0..n {
        ones[count] = i as u16;
        count += is_set(i) as usize;
    }
    (ones, count)
}

impl Nest<2> {
    /// Visits the elements of the first array where the second, a mask, is set.
    #[inline]
    fn each_set(&self, mut visit: impl FnMut(*mut u8)) {
        let (_, [step, next]) = self.innermost();
        self.each_run(0..self.numel(), |[at, mask], n| {
            for start in (0..n).step_by(PIECE) {
                let at = at.wrapping_offset(start as isize * step as isize);
                // SAFETY: the operand reaches these elements.
                let is_set = |i: usize| unsafe { *mask.offset((start + i) as isize * next as isize) != 0 };
                let (ones, count) = set_ones(PIECE.min(n - start), is_set);
                ones[..count].iter().for_each(|&i| visit(at.wrapping_offset(i as isize * step as isize)));
            }
        });
    }
}

/// The indices of the elements of `input` that are not zero (NaN is not), in row-major order: as many numbers for each as
/// there are dimensions, one element after the other. Any dtype.
pub fn nonzero(shape: &[i64], input: Operand) -> Vec<i64> {
    let mut found = Vec::new();
    let nest = Nest::new(shape, [&input]).merged();
    let (_, [step]) = nest.innermost();
    let truth = Caster::new(DType::Bool, input.dtype);
    let mut set = [0u8; PIECE];
    let mut number = 0;
    nest.each_run(0..nest.numel(), |[at], n| {
        for start in (0..n).step_by(PIECE) {
            let len = PIECE.min(n - start);
            // SAFETY: the operand reaches these elements; `set` has room for a piece.
            unsafe { truth.run(set.as_mut_ptr(), 1, at.offset(start as isize * step as isize), step, len) }
            let (ones, count) = set_ones(len, |i| set[i] != 0);
            for &i in &ones[..count] {
                push_index(shape, number + i as usize, &mut found);
            }
            number += len;
        }
    });
    found
}

/// Appends the index of the element of this number.
fn push_index(shape: &[i64], number: usize, found: &mut Vec<i64>) {
    if shape.len() == 1 {
        return found.push(number as i64);
    }
    let start = found.len();
    let mut rest = number as i64;
    found.resize(start + shape.len(), 0);
    for d in (0..shape.len()).rev() {
        found[start + d] = rest % shape[d];
        rest /= shape[d];
    }
}
