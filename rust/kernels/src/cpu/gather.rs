//! gather and scatter: elements picked or placed along one dimension by an index for each of them.
use super::combine::{Combine, Combined};
use super::copy::Bits;
use super::nest::Nest;
use super::threads::parallel_for;
use crate::Operand;
use rustorch_base::{Dims, Result, bail, ensure, with_dtype};

#[cfg(test)]
mod tests;

/// Elements a thread takes at once.
const GRAIN: usize = 16 * 1024;

/// Refuses an index (int64, of this shape) that is not in `0..size`. `dim` is what the message names.
fn check(shape: &[i64], index: &Operand, dim: usize, size: i64) -> Result<()> {
    let nest = Nest::new(shape, [index]).merged();
    let (_, [step]) = nest.innermost();
    let mut wrong = None;
    nest.each_run(0..nest.numel(), |[at], n| {
        // SAFETY: the operand reaches these indices.
        let index = |i: usize| unsafe { *at.offset((i as i64 * step) as isize).cast::<i64>() };
        let outside = |index: i64| index as u64 >= size as u64;
        // Without an exit the loop vectorises.
        if wrong.is_none() && (0..n).fold(false, |any, i| any | outside(index(i))) {
            wrong = (0..n).map(index).find(|&index| outside(index));
        }
    });
    match wrong {
        Some(index) => bail!(runtime, "index {index} is out of bounds for dimension {dim} with size {size}"),
        None => Ok(()),
    }
}

/// An operand that stands still along `dim`, and the bytes it would step there.
fn without_dim<'a>(operand: &Operand<'_>, dim: usize, strides: &'a mut Dims) -> (Operand<'a>, i64) {
    *strides = operand.strides.into();
    let step = strides.get_mut(dim).map_or(0, std::mem::take);
    (Operand { data: operand.data, dtype: operand.dtype, strides }, step * operand.dtype.size() as i64)
}

/// `output[i] = input[i with index[i] in place of its coordinate along dim]` for every `i` of `shape`, the index's. `size` is
/// the input's along `dim`. Both are of one dtype; they must not overlap.
pub fn gather(shape: &[i64], dim: usize, size: i64, output: Operand, input: Operand, index: Operand) -> Result<()> {
    check(shape, &index, dim, size)?;
    match input.dtype.size() {
        1 => pick::<u8>(shape, dim, output, input, index),
        2 => pick::<u16>(shape, dim, output, input, index),
        4 => pick::<u32>(shape, dim, output, input, index),
        8 => pick::<u64>(shape, dim, output, input, index),
        _ => pick::<[u64; 2]>(shape, dim, output, input, index),
    }
    Ok(())
}

fn pick<T: Bits>(shape: &[i64], dim: usize, output: Operand, input: Operand, index: Operand) {
    let mut strides = Dims::new();
    let (input, along) = without_dim(&input, dim, &mut strides);
    let nest = Nest::new(shape, [&output, &input, &index]).sorted().merged();
    let (_, [to, from, next]) = nest.innermost();
    parallel_for(nest.numel(), GRAIN, |range| {
        nest.each_run(range, |[output, input, index], n| {
            for i in 0..n as i64 {
                // SAFETY: the operands reach these elements; the index was checked.
                unsafe {
                    let place = *index.offset((i * next) as isize).cast::<i64>();
                    let from = input.offset((i * from + place * along) as isize).cast::<T>();
                    *output.offset((i * to) as isize).cast::<T>() = *from;
                }
            }
        });
    });
}

/// How [`scatter`] treats what lands in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scatter {
    pub combine: Combine,
    /// Divide by the number of elements that came together.
    pub mean: bool,
    /// The element that was there takes part.
    pub include_self: bool,
}

impl Scatter {
    /// The last one stays.
    pub const REPLACE: Scatter = Scatter { combine: Combine::Replace, mean: false, include_self: true };
    pub const ADD: Scatter = Scatter { combine: Combine::Add, mean: false, include_self: true };
}

/// Sends `source[i]` to `output[i with index[i] in place of its coordinate along dim]` for every `i` of `shape`, the index's.
/// `size` is the output's along `dim`. Both are of one dtype; a single value comes as a source with strides of 0. Of several
/// elements for one place the order is that of `dim`.
pub fn scatter(shape: &[i64], dim: usize, size: i64, output: Operand, source: Operand, index: Operand, how: Scatter) -> Result<()> {
    ensure!(output.dtype == source.dtype, runtime, "scatter(): Expected self.dtype to be equal to src.dtype");
    how.combine.check(output.dtype)?;
    check(shape, &index, dim, size)?;
    let operands = [output, source, index];
    with_dtype!(output.dtype, T => match how {
        Scatter::REPLACE => combine::<T>(shape, dim, operands, |_, new| new),
        Scatter::ADD => combine::<T>(shape, dim, operands, T::plus),
        _ => place::<T>(shape, dim, size, output, source, index, how),
    });
    Ok(())
}

/// Combines what is there with what comes. Threads divide the lines along `dim`; along whichever of lines and `dim` the
/// index lies closer together, it is walked innermost.
fn combine<T: Combined>(shape: &[i64], dim: usize, [output, source, index]: [Operand; 3], how: impl Fn(T, T) -> T + Sync + Copy) {
    let n = shape.get(dim).copied().unwrap_or(1);
    let step = |operand: &Operand| operand.strides.get(dim).map_or(0, |s| s * operand.dtype.size() as i64);
    let [to, from, next] = [step(&output), step(&source), step(&index)];
    let others: Nest<3> = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), [&index, &output, &source]).sorted().merged();
    let (_, across) = others.innermost();
    parallel_for(others.numel(), (GRAIN / n.max(1) as usize).max(64), |range| {
        others.each_run(range, |[index, output, source], lines| {
            let at = |i: i64, line: i64| {
                // SAFETY: the operands reach these elements; the index was checked.
                unsafe {
                    let place = *index.offset((i * next + line * across[0]) as isize).cast::<i64>();
                    let target = output.offset((place * to + line * across[1]) as isize).cast::<T>();
                    *target = how(*target, *source.offset((i * from + line * across[2]) as isize).cast::<T>());
                }
            };
            if next <= across[0] {
                (0..lines as i64).for_each(|line| (0..n).for_each(|i| at(i, line)));
            } else {
                (0..n).for_each(|i| (0..lines as i64).for_each(|line| at(i, line)));
            }
        });
    });
}

/// Line by line along `dim`: whatever lands in one place comes from one line, so threads do not meet.
fn place<T: Combined>(shape: &[i64], dim: usize, size: i64, output: Operand, source: Operand, index: Operand, how: Scatter) {
    let mut strides = Dims::new();
    let n = shape.get(dim).copied().unwrap_or(1);
    let step = |operand: &Operand| operand.strides.get(dim).map_or(0, |s| s * operand.dtype.size() as i64);
    let (from, next) = (step(&source), step(&index));
    let (output, along) = without_dim(&output, dim, &mut strides);
    let others: Nest<3> = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), [&output, &source, &index]).sorted().merged();
    let counting = how.mean || !how.include_self;
    parallel_for(others.numel(), (GRAIN / n.max(1) as usize).max(1), |range| {
        let mut counts = vec![0i64; if counting { size as usize } else { 0 }];
        others.each(range, |[output, source, index]| {
            // SAFETY: the operands reach these elements; the index was checked.
            let place = |i: i64| unsafe { *index.offset((i * next) as isize).cast::<i64>() };
            let target = |place: i64| output.wrapping_offset((place * along) as isize).cast::<T>();
            if counting {
                counts.fill(how.include_self as i64);
            }
            for i in 0..n {
                let at = place(i);
                let target = target(at);
                // SAFETY: as above.
                unsafe {
                    let x = *source.offset((i * from) as isize).cast::<T>();
                    let old = if counting && counts[at as usize] == 0 { T::neutral(how.combine) } else { *target };
                    *target = old.combine(x, how.combine);
                }
                if counting {
                    counts[at as usize] += 1;
                }
            }
            if how.mean {
                for (at, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 1) {
                    // SAFETY: as above.
                    unsafe { *target(at as i64) = (*target(at as i64)).over(count) }
                }
            }
        });
    });
}
