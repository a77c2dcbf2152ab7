//! The batch of a matmul: which matrices are multiplied with which, and how they are shared among threads.
use super::MatmulShape;
use crate::cpu::threads::{num_threads, parallel_for};
use crate::operand::Operand;
use smallvec::SmallVec;

/// Multiply-adds of a task: about 20 microseconds.
const TASK_WORK: usize = 1 << 20;

/// Row and column step of one matrix.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub row: isize,
    pub column: isize,
}

/// A batch with the dimensions folded into rows that can be: rows of A and C that follow each other and meet the same B.
pub struct Batch {
    /// Size and the steps of A, B, C of each batch dimension.
    dims: SmallVec<[(usize, [isize; 3]); 4]>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Of A, B and C.
    pub steps: [Steps; 3],
}
impl Batch {
    pub fn new(shape: &MatmulShape, a: &Operand, b: &Operand, c: &Operand) -> Batch {
        let ndim = shape.batch.len();
        let steps = [a, b, c].map(|x| Steps { row: x.strides[ndim] as isize, column: x.strides[ndim + 1] as isize });
        let mut dims: SmallVec<[(usize, [isize; 3]); 4]> = SmallVec::new();
        for (d, &size) in shape.batch.iter().enumerate() {
            if size != 1 {
                dims.push((size as usize, [a, b, c].map(|x| x.strides[d] as isize)));
            }
        }
        let mut m = shape.m;
        while let Some(&(size, [a_step, 0, c_step])) = dims.last() {
            if a_step != m as isize * steps[0].row || c_step != m as isize * steps[2].row {
                break;
            }
            m *= size;
            dims.pop();
        }
        Batch { dims, m, n: shape.n, k: shape.k, steps }
    }

    pub fn len(&self) -> usize {
        self.dims.iter().map(|d| d.0).product()
    }

    /// Where product `i`'s matrices A, B, C start.
    fn offsets(&self, mut i: usize) -> [isize; 3] {
        let mut at = [0; 3];
        for (size, steps) in self.dims.iter().rev() {
            let index = (i % size) as isize;
            i /= size;
            for (at, step) in at.iter_mut().zip(steps) {
                *at += index * step;
            }
        }
        at
    }

    /// Calls `f` with the offsets of each product: many small ones on many threads, few large ones in turn, each of which
    /// then may use the threads.
    #[inline]
    pub fn each(&self, f: impl Fn([isize; 3]) + Sync) {
        if self.dims.is_empty() {
            return f([0; 3]);
        }
        let (count, work) = (self.len(), self.m * self.n * self.k);
        if work >= TASK_WORK && count < 2 * num_threads() {
            return (0..count).for_each(|i| f(self.offsets(i)));
        }
        parallel_for(count, (TASK_WORK / work.max(1)).max(1), |range| range.for_each(|i| f(self.offsets(i))));
    }
}
