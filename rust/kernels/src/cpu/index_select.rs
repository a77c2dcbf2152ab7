//! Whole slices of an array picked or changed by a list of indices along one dimension; embeddings.
use super::combine::{Combine, Combined};
use super::copy::run_of_size;
use super::fill::{element, fill_with};
use super::nest::Nest;
use super::threads::parallel_for;
use crate::{Number, Operand};
use num_complex::Complex64;
use rustorch_base::{Dims, Result, ensure, with_dtype};

#[cfg(test)]
mod tests;

/// Elements a thread takes at once.
const GRAIN: usize = 16 * 1024;

/// Slice `i` of the output is slice `index[i]` of the input, along `dim`. `shape` is the output's; `size` the input's along
/// `dim`. One dtype; no overlap.
pub fn index_select(shape: &[i64], dim: usize, size: i64, output: Operand, input: Operand, index: &[i64]) -> Result<()> {
    let inside = index.iter().all(|&index| (index as u64) < size as u64);
    ensure!(inside, index, "index out of range in self");
    let slices = Slices::new(shape, dim, [&output, &input]);
    let (per_slice, bytes) = (slices.others.numel(), output.dtype.size());
    let (_, [to, from]) = slices.others.innermost();
    parallel_for(index.len(), (GRAIN / per_slice.max(1)).max(1), |range| {
        for i in range {
            let ahead = [i as i64 * slices.steps[0], index[i] * slices.steps[1]];
            slices.others.each_run(0..per_slice, |[output, input], n| {
                // SAFETY: the operands reach these elements; the index was checked.
                unsafe { run_of_size(bytes, output.offset(ahead[0] as isize), to, input.offset(ahead[1] as isize), from, n) }
            });
        }
    });
    Ok(())
}

/// The loops over a slice, and the bytes from a slice to the next.
struct Slices<const N: usize> {
    others: Nest<N>,
    steps: [i64; N],
}

impl<const N: usize> Slices<N> {
    fn new(shape: &[i64], dim: usize, operands: [&Operand; N]) -> Slices<N> {
        let others = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), operands).sorted().merged();
        let steps = operands.map(|operand| operand.strides.get(dim).map_or(0, |s| s * operand.dtype.size() as i64));
        Slices { others, steps }
    }
}

/// Combines slice `i` of `source`, times `alpha`, with slice `index[i]` of `output`, one after the other. `shape` is the
/// source's; `size` the output's along `dim`. With [`Combine::Replace`] this is `index_copy`, with [`Combine::Add`]
/// `index_add`. One dtype; no overlap.
pub fn index_combine(
    shape: &[i64],
    dim: usize,
    size: i64,
    [output, source]: [Operand; 2],
    index: &[i64],
    how: Combine,
    alpha: Number,
) -> Result<()> {
    if let Some(index) = index.iter().find(|&&index| index as u64 >= size as u64) {
        let text = format!("index {index} is out of bounds for dimension {dim} with size {size}");
        ensure!(how != Combine::Replace, index, "index_copy_(): {text}");
        ensure!(false, runtime, "{text}");
    }
    how.check(output.dtype)?;
    let operands = [output, source];
    with_dtype!(output.dtype, T => match (how, factor::<T>(alpha)) {
        (Combine::Add, None) => combine_slices::<T>(shape, dim, operands, index, T::plus),
        (_, alpha) => combine_slices::<T>(shape, dim, operands, index, |old, new| old.combine(alpha.map_or(new, |alpha| new.times(alpha)), how)),
    });
    Ok(())
}

/// A number as an element, unless it is one and changes nothing.
fn factor<T: Combined>(alpha: Number) -> Option<T> {
    match alpha {
        Number::Int(1) | Number::Bool(true) | Number::Float(1.0) => None,
        Number::Bool(x) => Some(T::from_signed(x as i64)),
        Number::Int(x) => Some(T::from_signed(x)),
        Number::Float(x) => Some(T::from_double(x)),
        Number::Complex(re, im) => Some(T::from_complex(Complex64::new(re, im))),
    }
}

/// Threads divide the slices' elements, so that each place is written by one of them.
fn combine_slices<T: Combined>(shape: &[i64], dim: usize, operands: [Operand; 2], index: &[i64], how: impl Fn(T, T) -> T + Sync + Copy) {
    let slices = Slices::new(shape, dim, [&operands[0], &operands[1]]);
    let (_, [to, from]) = slices.others.innermost();
    let packed = [to, from] == [size_of::<T>() as i64; 2];
    parallel_for(slices.others.numel(), (GRAIN / index.len().max(1)).max(512), |range| {
        for (i, &index) in index.iter().enumerate() {
            let ahead = [index * slices.steps[0], i as i64 * slices.steps[1]];
            slices.others.each_run(range.clone(), |[output, source], n| {
                let (output, source) = (output.wrapping_offset(ahead[0] as isize), source.wrapping_offset(ahead[1] as isize));
                // SAFETY: the operands reach these elements; the index was checked; source and output do not overlap.
                unsafe {
                    if packed {
                        let (output, source) =
                            (std::slice::from_raw_parts_mut(output.cast::<T>(), n), std::slice::from_raw_parts(source.cast::<T>(), n));
                        output.iter_mut().zip(source).for_each(|(old, &new)| *old = how(*old, new));
                    } else {
                        for j in 0..n as i64 {
                            let target = output.offset((j * to) as isize).cast::<T>();
                            *target = how(*target, *source.offset((j * from) as isize).cast::<T>());
                        }
                    }
                }
            });
        }
    });
}

/// Fills the slices `index` of `output` along `dim`; negative indices count from the end. Refuses an index out of bounds and
/// a value the dtype cannot hold.
pub fn index_fill(shape: &[i64], dim: usize, output: Operand, index: &[i64], value: Number) -> Result<()> {
    let size = shape.get(dim).copied().unwrap_or(1);
    if let Some(index) = index.iter().find(|&&index| index < -size || index >= size) {
        ensure!(false, index, "index {index} is out of bounds for dimension {dim} with size {size}");
    }
    let value = element(value, output.dtype)?;
    let mut slice: Dims = shape.into();
    if let Some(size) = slice.get_mut(dim) {
        *size = 1;
    }
    let step = output.strides.get(dim).map_or(0, |s| s * output.dtype.size() as i64);
    for &index in index {
        let index = if index < 0 { index + size } else { index };
        fill_with(&slice, Operand { data: output.data.wrapping_offset((index * step) as isize), ..output }, value);
    }
    Ok(())
}

/// The gradient of an embedding's weight of `shape` `[rows, width]`: row `index[i]` of `output`, which starts as zeros, gets
/// row `i` of `gradient` added. Rows of `padding` stay zero; `by_frequency` divides by how often an index occurs.
pub fn embedding_backward(
    shape: [i64; 2],
    output: Operand,
    gradient: Operand,
    index: &[i64],
    padding: Option<i64>,
    by_frequency: bool,
) -> Result<()> {
    let inside = index.iter().all(|&index| (index as u64) < shape[0] as u64);
    ensure!(inside, index, "index out of range in self");
    fill_with(&shape, output, [0; 2]);
    let mut counts = vec![0i64; if by_frequency { shape[0] as usize } else { 0 }];
    if by_frequency {
        for &index in index {
            counts[index as usize] += 1;
        }
    }
    with_dtype!(output.dtype, T => add_rows::<T>(shape[1], output, gradient, index, padding, &counts));
    Ok(())
}

/// Threads divide the columns, and meet the rows in order.
fn add_rows<T: Combined>(width: i64, output: Operand, gradient: Operand, index: &[i64], padding: Option<i64>, counts: &[i64]) {
    parallel_for(width as usize, (GRAIN / index.len().max(1)).max(64), |range| {
        let columns = range.start as i64..range.end as i64;
        for (i, &index) in index.iter().enumerate().filter(|&(_, &index)| Some(index) != padding) {
            let count = counts.get(index as usize).copied().unwrap_or(1);
            for column in columns.clone() {
                // SAFETY: the operands reach these rows; the index was checked.
                unsafe {
                    let x = *gradient.at::<T>(i as i64 * gradient.strides[0] + column * gradient.strides[1]);
                    let target = output.at::<T>(index * output.strides[0] + column * output.strides[1]);
                    *target = (*target).plus(if count > 1 { x.over(count) } else { x });
                }
            }
        }
    });
}
