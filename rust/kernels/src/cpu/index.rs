//! Advanced indexing: a base array addressed by integer arrays that are broadcast together.
use super::combine::{Combine, Combined};
use super::copy::{Bits, run};
use super::nest::Nest;
use super::threads::parallel_for;
use crate::Operand;
use rustorch_base::layout::contiguous_strides;
use rustorch_base::{Dims, Result, bail, ensure, with_dtype};

#[cfg(test)]
mod tests;

/// Elements a thread takes at once.
const GRAIN: usize = 16 * 1024;

/// Where a base array is indexed. `indices` has an entry for each of its dimensions: an int64 array walked over `shape`, to
/// which all of them were broadcast, or none where the dimension is taken whole.
#[derive(Clone, Copy, Debug)]
pub struct Indices<'a> {
    pub shape: &'a [i64],
    pub indices: &'a [Option<Operand<'a>>],
}

impl Indices<'_> {
    /// The shape of `base[indices]`: the indices' shape takes the place of the indexed dimensions if they are neighbours, and
    /// the front otherwise; the dimensions taken whole follow in order.
    pub fn result_shape(&self, base: &[i64]) -> Dims {
        let at = self.front();
        let whole = |dims: std::ops::Range<usize>| dims.filter(|&d| self.indices[d].is_none()).map(|d| base[d]);
        whole(0..at).chain(self.shape.iter().copied()).chain(whole(at..base.len())).collect()
    }

    /// Before which base dimension the indices' shape is put.
    fn front(&self) -> usize {
        let indexed = |d: &usize| self.indices[*d].is_some();
        let first = (0..self.indices.len()).find(indexed).unwrap_or(0);
        let last = (0..self.indices.len()).rfind(indexed).unwrap_or(0);
        if (first..=last).all(|d| indexed(&d)) { first } else { 0 }
    }

    /// The bytes from the base's first element to each indexed place, row-major over the indices' shape.
    fn offsets(&self, base_shape: &[i64], base: &Operand) -> Result<Vec<i64>> {
        let n = self.shape.iter().product::<i64>() as usize;
        let mut offsets = vec![0i64; n];
        for (d, index) in self.indices.iter().enumerate() {
            let Some(index) = index else { continue };
            let (size, step) = (base_shape[d], base.strides[d] * base.dtype.size() as i64);
            ensure!(size > 0 || n == 0, index, "index is out of bounds for dimension with size 0");
            let nest = Nest::new(self.shape, [index]).merged();
            let mut wrong = None;
            let mut number = 0;
            nest.each(0..n, |[at]| {
                // SAFETY: the operand reaches these indices.
                let index = unsafe { *at.cast::<i64>() };
                if index < -size || index >= size {
                    wrong = wrong.or(Some(index));
                }
                offsets[number] += if index < 0 { index.wrapping_add(size) } else { index }.wrapping_mul(step);
                number += 1;
            });
            if let Some(index) = wrong {
                bail!(index, "index {index} is out of bounds for dimension {d} with size {size}");
            }
        }
        Ok(offsets)
    }

    /// Strides over the result's shape: of the base, 0 along the indices' dimensions, and of the offsets.
    fn strides(&self, base: &Operand) -> (Dims, Dims) {
        let at = self.front();
        let (mut of_base, mut of_offsets) = (Dims::new(), Dims::new());
        for d in 0..=self.indices.len() {
            if d == at {
                of_base.extend(self.shape.iter().map(|_| 0));
                of_offsets.extend(contiguous_strides(self.shape));
            }
            if d < self.indices.len() && self.indices[d].is_none() {
                of_base.push(base.strides[d]);
                of_offsets.push(0);
            }
        }
        (of_base, of_offsets)
    }
}

/// Calls `visit` with the result's shape, the base without its indexed dimensions, and the byte offsets to be added to it,
/// both walked over that shape.
fn resolved(base_shape: &[i64], base: Operand, indices: &Indices, visit: impl FnOnce(&[i64], Operand, Operand)) -> Result<()> {
    let mut offsets = indices.offsets(base_shape, &base)?;
    let (base_strides, offset_strides) = indices.strides(&base);
    let data = offsets.as_mut_ptr().cast();
    let offsets = Operand { data, dtype: rustorch_base::DType::Int64, strides: &offset_strides };
    visit(&indices.result_shape(base_shape), Operand { strides: &base_strides, ..base }, offsets);
    Ok(())
}

/// `output = base[indices]`: the output has [`Indices::result_shape`] and the base's dtype, and does not overlap it. Negative
/// indices count from the end; one out of bounds is refused before anything is written.
pub fn index(base_shape: &[i64], output: Operand, base: Operand, indices: &Indices) -> Result<()> {
    resolved(base_shape, base, indices, |shape, base, offsets| match base.dtype.size() {
        1 => pick::<u8>(shape, output, base, offsets),
        2 => pick::<u16>(shape, output, base, offsets),
        4 => pick::<u32>(shape, output, base, offsets),
        8 => pick::<u64>(shape, output, base, offsets),
        _ => pick::<[u64; 2]>(shape, output, base, offsets),
    })
}

fn pick<T: Bits>(shape: &[i64], output: Operand, base: Operand, offsets: Operand) {
    let nest = Nest::new(shape, [&output, &base, &offsets]).sorted().merged();
    let (_, [to, from, next]) = nest.innermost();
    parallel_for(nest.numel(), GRAIN, |range| {
        nest.each_run(range, |[output, base, offset], n| {
            // SAFETY: the operands reach these elements; the offsets lie within the base.
            unsafe {
                if next == 0 {
                    return run::<T>(output, to, base.offset(*offset.cast::<i64>() as isize), from, n);
                }
                for i in 0..n as i64 {
                    let offset = *offset.offset((i * next) as isize).cast::<i64>();
                    *output.offset((i * to) as isize).cast::<T>() = *base.offset((i * from + offset) as isize).cast::<T>();
                }
            }
        });
    });
}

/// `base[indices] = values`, or with [`Combine::Add`] `+=`, where the same place may be met several times: each value counts,
/// in row-major order. The values have [`Indices::result_shape`] (broadcast by strides of 0) and the base's dtype, and do not
/// overlap it.
pub fn index_put(base_shape: &[i64], base: Operand, values: Operand, indices: &Indices, how: Combine) -> Result<()> {
    ensure!(
        base.dtype == values.dtype,
        runtime,
        "Index put requires the source and destination dtypes match, got {} for the destination and {} for the source.",
        base.dtype.scalar_name(),
        values.dtype.scalar_name()
    );
    how.check(base.dtype)?;
    resolved(base_shape, base, indices, |shape, base, offsets| {
        with_dtype!(base.dtype, T => place::<T>(shape, base, values, offsets, how));
    })
}

/// On one thread: several offsets may lead to one place.
fn place<T: Combined>(shape: &[i64], base: Operand, values: Operand, offsets: Operand, how: Combine) {
    let nest = Nest::new(shape, [&offsets, &base, &values]).merged();
    let (_, [next, to, from]) = nest.innermost();
    nest.each_run(0..nest.numel(), |[offset, base, values], n| {
        for i in 0..n as i64 {
            // SAFETY: the operands reach these elements; the offsets lie within the base.
            unsafe {
                let offset = *offset.offset((i * next) as isize).cast::<i64>();
                let target = base.offset((i * to + offset) as isize).cast::<T>();
                *target = (*target).combine(*values.offset((i * from) as isize).cast::<T>(), how);
            }
        }
    });
}

/// The places of a flattened array of this shape as offsets for [`take`] and [`put`]: row-major numbers, negative ones from
/// the end.
fn flat_offsets(base_shape: &[i64], base: &Operand, shape: &[i64], index: &Operand) -> Result<Vec<i64>> {
    let numel: i64 = base_shape.iter().product();
    let all = Nest::new(base_shape, [base]).merged();
    let nest = Nest::new(shape, [index]).merged();
    let mut offsets = Vec::with_capacity(nest.numel());
    let mut wrong = None;
    nest.each(0..nest.numel(), |[at]| {
        // SAFETY: the operand reaches these indices.
        let index = unsafe { *at.cast::<i64>() };
        if index < -numel || index >= numel {
            wrong = wrong.or(Some(index));
        } else {
            let [place] = all.locate(if index < 0 { index + numel } else { index } as usize);
            offsets.push(place as i64 - base.data as i64);
        }
    });
    match wrong {
        Some(index) => bail!(index, "out of range: tried to access index {index} on a tensor of {numel} elements."),
        None => Ok(offsets),
    }
}

/// `output[i] = base.flatten()[index[i]]` for every `i` of `shape`.
pub fn take(base_shape: &[i64], shape: &[i64], output: Operand, base: Operand, index: Operand) -> Result<()> {
    flat(base_shape, shape, base, index, |base, offsets| match base.dtype.size() {
        1 => pick::<u8>(shape, output, base, offsets),
        2 => pick::<u16>(shape, output, base, offsets),
        4 => pick::<u32>(shape, output, base, offsets),
        8 => pick::<u64>(shape, output, base, offsets),
        _ => pick::<[u64; 2]>(shape, output, base, offsets),
    })
}

/// `base.flatten()[index[i]] = values[i]` (or another [`Combine`]) for every `i` of `shape`. One dtype.
pub fn put(base_shape: &[i64], shape: &[i64], base: Operand, values: Operand, index: Operand, how: Combine) -> Result<()> {
    how.check(base.dtype)?;
    flat(base_shape, shape, base, index, |base, offsets| {
        with_dtype!(base.dtype, T => place::<T>(shape, base, values, offsets, how));
    })
}

fn flat(base_shape: &[i64], shape: &[i64], base: Operand, index: Operand, visit: impl FnOnce(Operand, Operand)) -> Result<()> {
    let mut offsets = flat_offsets(base_shape, &base, shape, &index)?;
    let (strides, still) = (contiguous_strides(shape), Dims::from_elem(0, shape.len()));
    let data = offsets.as_mut_ptr().cast();
    visit(Operand { strides: &still, ..base }, Operand { data, dtype: rustorch_base::DType::Int64, strides: &strides });
    Ok(())
}
