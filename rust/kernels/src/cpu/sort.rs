//! Sorting along a dimension, and what rests on it.
use super::copy::run_of_size;
use super::nest::Nest;
use super::threads::parallel_for;
use crate::Operand;
use rustorch_base::{DType, Result, bail, ensure};

mod key;
#[cfg(test)]
mod tests;

use key::{Entry, Keys, is_wide, keys, nan, sort_entries};

/// Elements a thread takes at once.
const GRAIN: usize = 8 * 1024;

/// Sorts along `dim` of `shape`. Equal elements keep their order; NaN is greater than all numbers. `values` has the input's
/// dtype, `indices` is int64; either may be left out. Neither may overlap the input. Refuses complex dtypes.
pub fn sort(shape: &[i64], dim: usize, descending: bool, values: Option<Operand>, indices: Option<Operand>, input: Operand) -> Result<()> {
    let lines = Lines::new("sort", shape, dim, [values, indices], input)?;
    if is_wide(input.dtype) {
        lines.each::<u128>(descending, |entries, _| sort_entries(entries));
    } else {
        lines.each::<u64>(descending, |entries, _| sort_entries(entries));
    }
    Ok(())
}

/// The `k` greatest (`largest`) or smallest elements along `dim` in order; the outputs have size `k` there. Otherwise as
/// [`sort`].
pub fn topk(
    shape: &[i64],
    dim: usize,
    k: i64,
    largest: bool,
    values: Option<Operand>,
    indices: Option<Operand>,
    input: Operand,
) -> Result<()> {
    let size = shape.get(dim).copied().unwrap_or(1);
    ensure!((0..=size).contains(&k), runtime, "selected index k out of range");
    let lines = Lines::new("topk", shape, dim, [values, indices], input)?;
    if is_wide(input.dtype) {
        lines.each::<u128>(largest, |entries, _| first(entries, k as usize));
    } else {
        lines.each::<u64>(largest, |entries, _| first(entries, k as usize));
    }
    Ok(())
}

/// Keeps the first `k` entries of the sorted order.
fn first<E: Entry>(entries: &mut Vec<E>, k: usize) {
    if k > 0 && k < entries.len() {
        entries.select_nth_unstable(k - 1);
    }
    entries.truncate(k);
    entries.sort_unstable();
}

/// Which element of the sorted order [`kth`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kth {
    /// Counted from 1.
    Number(i64),
    /// The lower middle; a NaN, if there is one.
    Median,
    /// The lower middle of the numbers; NaN if there are none.
    NanMedian,
}

/// One element of each line along `dim`; the outputs have size 1 there. Lines are not empty. Otherwise as [`sort`].
pub fn kth(shape: &[i64], dim: usize, which: Kth, values: Option<Operand>, indices: Option<Operand>, input: Operand) -> Result<()> {
    let size = shape.get(dim).copied().unwrap_or(1);
    if let Kth::Number(k) = which {
        ensure!((1..=size).contains(&k), runtime, "kthvalue(): selected number k out of range for dimension {dim}");
    }
    let op = if matches!(which, Kth::Number(_)) { "kthvalue_cpu" } else { "median_out" };
    let lines = Lines::new(op, shape, dim, [values, indices], input)?;
    if is_wide(input.dtype) {
        lines.each::<u128>(false, |entries, nan| keep_kth(entries, which, nan));
    } else {
        lines.each::<u64>(false, |entries, nan| keep_kth(entries, which, nan));
    }
    Ok(())
}

fn keep_kth<E: Entry>(entries: &mut Vec<E>, which: Kth, nan: Option<u64>) {
    let is_nan = |entry: &&E| Some(entry.key()) == nan;
    let numbers = entries.len() - entries.iter().filter(is_nan).count();
    let place = match which {
        Kth::Number(k) => k as usize - 1,
        Kth::Median if numbers < entries.len() => numbers, // the first NaN
        Kth::Median | Kth::NanMedian => numbers.saturating_sub(1) / 2,
    };
    entries.select_nth_unstable(place);
    entries.swap(0, place);
    entries.truncate(1);
}

/// The lines of an input along a dimension, and where what is chosen of them goes.
struct Lines {
    /// Over the other dimensions: input, values, indices.
    others: Nest<3>,
    steps: [i64; 3],
    /// Elements of a line and bytes of an element.
    n: usize,
    size: usize,
    keys: Keys,
    dtype: DType,
    wanted: [bool; 2],
}

impl Lines {
    fn new(op: &str, shape: &[i64], dim: usize, outputs: [Option<Operand>; 2], input: Operand) -> Result<Lines> {
        let nowhere: rustorch_base::Dims = smallvec::smallvec![0; shape.len()];
        let nowhere = Operand { data: std::ptr::null_mut(), dtype: DType::Int64, strides: &nowhere };
        let wanted = outputs.map(|output| output.is_some());
        let [values, indices] = outputs.map(|output| output.unwrap_or(nowhere));
        let operands = [&input, &values, &indices];
        let others = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), operands).merged();
        let steps = operands.map(|operand| operand.strides.get(dim).map_or(0, |s| s * operand.dtype.size() as i64));
        let n = shape.get(dim).map_or(1, |&n| n as usize);
        let (dtype, size, keys) = (input.dtype, input.dtype.size(), keys(op, input.dtype)?);
        ensure!(is_wide(dtype) || n < u32::MAX as usize, runtime, "{op}: a dimension of {n} elements is too long");
        Ok(Lines { others, steps, n, size, keys, dtype, wanted })
    }

    /// Calls `choose` with the entries of each line, to reorder and shorten them (and the key of NaN, if there is one), and
    /// stores what it leaves. `descending` turns the keys' order around.
    fn each<E: Entry>(&self, descending: bool, choose: impl Fn(&mut Vec<E>, Option<u64>) + Sync) {
        let turn = if descending { u64::MAX >> (64 - E::KEY_BITS) } else { 0 };
        let nan = nan(self.dtype).map(|key| key ^ turn);
        parallel_for(self.others.numel(), (GRAIN / self.n.max(1)).max(1), |range| {
            let (mut keys, mut entries) = (Vec::new(), Vec::<E>::new());
            self.others.each(range, |[input, values, indices]| {
                keys.clear();
                entries.clear();
                // SAFETY: the input reaches a line from here.
                unsafe { (self.keys)(input, self.steps[0], self.n, &mut keys) }
                entries.extend(keys.iter().enumerate().map(|(i, &key)| E::new(key ^ turn, i)));
                choose(&mut entries, nan);
                for (i, entry) in entries.iter().enumerate() {
                    let (i, from) = (i as i64, entry.index() as i64);
                    // SAFETY: the outputs reach as many elements as were chosen; the place is one of the line.
                    unsafe {
                        if self.wanted[0] {
                            let (to, from) = ((i * self.steps[1]) as isize, (from * self.steps[0]) as isize);
                            run_of_size(self.size, values.offset(to), 0, input.offset(from), 0, 1);
                        }
                        if self.wanted[1] {
                            *indices.offset((i * self.steps[2]) as isize).cast::<i64>() = from;
                        }
                    }
                }
            });
        });
    }
}

/// The different elements of an array.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unique {
    /// The row-major number of the first of each.
    pub first: Vec<i64>,
    /// For each element of the array, which of the different ones it is.
    pub inverse: Vec<i64>,
    /// How often each occurs.
    pub counts: Vec<i64>,
}

/// The different elements in ascending order, or with `consecutive` those that differ from the one before them, in the order
/// of the array. Every NaN differs from every other.
pub fn unique(shape: &[i64], input: Operand, consecutive: bool) -> Result<Unique> {
    let nest = Nest::new(shape, [&input]).merged();
    let (n, (_, [step])) = (nest.numel(), nest.innermost());
    let keys_of = keys("unique", input.dtype)?;
    let mut keys = Vec::with_capacity(n);
    // SAFETY: the operand reaches these elements.
    nest.each_run(0..n, |[at], n| unsafe { keys_of(at, step, n, &mut keys) });
    let mut entries: Vec<u128> = keys.iter().enumerate().map(|(i, &key)| u128::new(key, i)).collect();
    if !consecutive {
        sort_entries(&mut entries);
    }
    let mut unique = Unique { inverse: vec![0; n], ..Unique::default() };
    let nan = nan(input.dtype);
    let mut last = None;
    for entry in entries {
        if last != Some(entry.key()) || last == nan {
            unique.first.push(entry.index() as i64);
            unique.counts.push(0);
        }
        last = Some(entry.key());
        let place = unique.first.len() - 1;
        unique.inverse[entry.index()] = place as i64;
        unique.counts[place] += 1;
    }
    Ok(unique)
}

/// Where each element of `values` would be inserted into its line of the ascending `sorted`: before equal elements, or after
/// them (`right`). `shape` is that of the values and of the int64 `output`; the sequences lie along the last dimension, have
/// `length` elements, and the same other dimensions (repeated by strides of 0). One dtype.
pub fn searchsorted(shape: &[i64], length: i64, output: Operand, sorted: Operand, values: Operand, right: bool) -> Result<()> {
    let keys_of = keys("searchsorted", values.dtype)?;
    let last = shape.len().saturating_sub(1);
    let others = Nest::over(shape, 0..last, [&output, &sorted, &values]).merged();
    let step = |operand: &Operand| operand.strides.get(last).map_or(0, |s| s * operand.dtype.size() as i64);
    let (to, from) = (step(&output), step(&values));
    let along = sorted.strides.last().map_or(0, |s| s * sorted.dtype.size() as i64);
    let n = shape.get(last).map_or(1, |&n| n as usize);
    parallel_for(others.numel(), (GRAIN / (n + length as usize).max(1)).max(1), |range| {
        let (mut sequence, mut wanted) = (Vec::new(), Vec::new());
        others.each(range, |[output, sorted, values]| {
            sequence.clear();
            wanted.clear();
            // SAFETY: the operands reach a line each from here.
            unsafe {
                keys_of(sorted, along, length as usize, &mut sequence);
                keys_of(values, from, n, &mut wanted);
                for (i, &key) in wanted.iter().enumerate() {
                    let place = sequence.partition_point(|&other| if right { other <= key } else { other < key });
                    *output.offset((i as i64 * to) as isize).cast::<i64>() = place as i64;
                }
            }
        });
    });
    Ok(())
}

/// How often each number occurs in `input`, a vector of int64, or the sum of its `weights`: at least `minimum` bins. Refuses
/// negative numbers.
pub fn bincount(input: &[i64], weights: Option<&[f64]>, minimum: i64) -> Result<Vec<f64>> {
    if input.iter().any(|&number| number < 0) {
        bail!(runtime, "bincount only supports 1-d non-negative integral inputs.");
    }
    let bins = input.iter().max().map_or(0, |&greatest| greatest + 1).max(minimum);
    let mut counts = vec![0.0; bins as usize];
    for (i, &number) in input.iter().enumerate() {
        counts[number as usize] += weights.map_or(1.0, |weights| weights[i]);
    }
    Ok(counts)
}
