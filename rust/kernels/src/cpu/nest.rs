//! The iteration space of a few arrays that are walked together.
use crate::Operand;
use rustorch_base::Dims;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// Loop sizes, outermost first, and for each of `N` arrays its address and the bytes it steps in each loop. Sizes of one
/// are dropped; there is always at least one loop, so the last one can be handed to a kernel as a run.
///
/// Reordering and merging loops change the order in which elements are met, never which elements of the arrays meet.
#[derive(Clone, Debug)]
pub struct Nest<const N: usize> {
    pub shape: Dims,
    pub steps: [Dims; N],
    pub data: [*mut u8; N],
}

// SAFETY: a nest only holds addresses. Kernels that write through them from several threads divide the outputs between them.
unsafe impl<const N: usize> Send for Nest<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Nest<N> {}

impl<const N: usize> Nest<N> {
    /// The loops over `shape` in the order given. Each operand has as many strides as there are dimensions.
    pub fn new(shape: &[i64], operands: [&Operand; N]) -> Nest<N> {
        Nest::over(shape, 0..shape.len(), operands)
    }

    /// The loops over some dimensions of `shape`, in the order they are listed.
    pub fn over(shape: &[i64], dims: impl Iterator<Item = usize>, operands: [&Operand; N]) -> Nest<N> {
        let mut nest = Nest { shape: Dims::new(), steps: std::array::from_fn(|_| Dims::new()), data: operands.map(|operand| operand.data) };
        for d in dims.filter(|&d| shape[d] != 1) {
            nest.shape.push(shape[d]);
            for (steps, operand) in nest.steps.iter_mut().zip(operands) {
                steps.push(operand.strides[d] * operand.dtype.size() as i64);
            }
        }
        nest.close();
        nest
    }

    fn close(&mut self) {
        if self.shape.is_empty() {
            self.shape.push(1);
            self.steps.iter_mut().for_each(|steps| steps.push(0));
        }
    }

    /// Loops in the order of memory: the smallest steps innermost, the first array deciding before the second.
    #[must_use]
    pub fn sorted(mut self) -> Nest<N> {
        let key = |d: usize| -> [i64; N] { std::array::from_fn(|k| self.steps[k][d]) };
        if (1..self.shape.len()).all(|d| key(d - 1) >= key(d)) {
            return self;
        }
        let mut order: SmallVec<[usize; 6]> = (0..self.shape.len()).collect();
        order.sort_by_key(|&d| std::cmp::Reverse(key(d)));
        let pick = |from: &Dims| order.iter().map(|&d| from[d]).collect::<Dims>();
        self.steps = std::array::from_fn(|k| pick(&self.steps[k]));
        self.shape = pick(&self.shape);
        self
    }

    /// Joins neighbouring loops that step as one.
    #[must_use]
    pub fn merged(mut self) -> Nest<N> {
        let mut last = 0;
        for d in 1..self.shape.len() {
            let joins = self.steps.iter().all(|steps| steps[last] == steps[d] * self.shape[d]);
            if !joins {
                last += 1;
            }
            self.shape[last] = if joins { self.shape[last] * self.shape[d] } else { self.shape[d] };
            self.steps.iter_mut().for_each(|steps| steps[last] = steps[d]);
        }
        self.shape.truncate(last + 1);
        self.steps.iter_mut().for_each(|steps| steps.truncate(last + 1));
        self
    }

    /// Moves one loop to the innermost place.
    #[must_use]
    pub fn with_innermost(mut self, d: usize) -> Nest<N> {
        self.shape[d..].rotate_left(1);
        self.steps.iter_mut().for_each(|steps| steps[d..].rotate_left(1));
        self
    }

    /// Takes the innermost loop out: what is left, and its size and steps.
    pub fn split_innermost(mut self) -> (Nest<N>, usize, [i64; N]) {
        let size = self.shape.pop().unwrap_or(1) as usize;
        let steps = std::array::from_fn(|k| self.steps[k].pop().unwrap_or(0));
        self.close();
        (self, size, steps)
    }

    pub fn numel(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }

    /// The size and steps of the innermost loop.
    pub fn innermost(&self) -> (usize, [i64; N]) {
        let last = self.shape.len() - 1;
        (self.shape[last] as usize, std::array::from_fn(|k| self.steps[k][last]))
    }

    /// Where in the arrays the element of this number (counted row-major in the loops) lies.
    #[inline]
    pub fn locate(&self, number: usize) -> [*mut u8; N] {
        let mut at = self.data;
        let mut rest = number as i64;
        for d in (0..self.shape.len()).rev() {
            let index = rest % self.shape[d];
            rest /= self.shape[d];
            for (at, steps) in at.iter_mut().zip(&self.steps) {
                *at = at.wrapping_offset((index * steps[d]) as isize);
            }
        }
        at
    }

    /// Visits the elements whose numbers are in `range`, a piece of an innermost loop at a time: its first addresses and
    /// its length.
    #[inline]
    pub fn each_run(&self, range: Range<usize>, mut visit: impl FnMut([*mut u8; N], usize)) {
        if range.is_empty() {
            return;
        }
        let last = self.shape.len() - 1;
        let size = self.shape[last] as usize;
        let mut index: SmallVec<[i64; 8]> = smallvec![0; last + 1];
        let mut rest = range.start as i64;
        let mut at = self.data;
        for d in (0..=last).rev() {
            index[d] = rest % self.shape[d];
            rest /= self.shape[d];
            for (at, steps) in at.iter_mut().zip(&self.steps) {
                *at = at.wrapping_offset((index[d] * steps[d]) as isize);
            }
        }
        let mut left = range.len();
        while left > 0 {
            let n = left.min(size - index[last] as usize);
            visit(at, n);
            left -= n;
            if left == 0 {
                return;
            }
            // The run was finished: back to its start, and one step in the first outer loop that has one left.
            for (at, steps) in at.iter_mut().zip(&self.steps) {
                *at = at.wrapping_offset(-(index[last] * steps[last]) as isize);
            }
            index[last] = 0;
            for d in (0..last).rev() {
                index[d] += 1;
                if index[d] < self.shape[d] {
                    for (at, steps) in at.iter_mut().zip(&self.steps) {
                        *at = at.wrapping_offset(steps[d] as isize);
                    }
                    break;
                }
                index[d] = 0;
                for (at, steps) in at.iter_mut().zip(&self.steps) {
                    *at = at.wrapping_offset(-((self.shape[d] - 1) * steps[d]) as isize);
                }
            }
        }
    }

    /// [`Nest::each_run`] for single elements.
    #[inline]
    pub fn each(&self, range: Range<usize>, mut visit: impl FnMut([*mut u8; N])) {
        let (_, steps) = self.innermost();
        self.each_run(range, |mut at, n| {
            for _ in 0..n {
                visit(at);
                for (at, step) in at.iter_mut().zip(steps) {
                    *at = at.wrapping_offset(step as isize);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_base::DType;

    #[test]
    fn loops_merge_and_sort_without_changing_what_meets() {
        let shape = [2, 3, 1, 4];
        let a = Operand { data: std::ptr::null_mut(), dtype: DType::UInt8, strides: &[1, 2, 7, 6] };
        let b = Operand { data: std::ptr::null_mut(), dtype: DType::UInt8, strides: &[12, 4, 0, 1] };
        let met = |nest: &Nest<2>| {
            let mut met = vec![];
            nest.each_run(0..5, |at, n| (0..n as i64).for_each(|i| met.push(step(nest, at, i))));
            nest.each(5..nest.numel(), |at| met.push(at.map(|p| p as usize)));
            met.sort_unstable();
            met
        };
        fn step(nest: &Nest<2>, at: [*mut u8; 2], i: i64) -> [usize; 2] {
            let (_, steps) = nest.innermost();
            [at[0] as usize + (i * steps[0]) as usize, at[1] as usize + (i * steps[1]) as usize]
        }
        let plain = Nest::new(&shape, [&a, &b]);
        assert_eq!(plain.shape[..], [2, 3, 4]);
        let expected = met(&plain);
        assert_eq!(expected.len(), 24);
        let sorted = plain.clone().sorted();
        assert_eq!(sorted.steps[0][..], [6, 2, 1]);
        assert_eq!(met(&sorted.merged()), expected);
        assert_eq!(met(&plain.with_innermost(0).merged()), expected);
        let dense = Operand { strides: &[12, 4, 9, 1], ..a };
        assert_eq!(Nest::new(&shape, [&dense]).merged().shape[..], [24]);
    }
}
