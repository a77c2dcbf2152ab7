//! The greatest or smallest element and where it is.
use super::reduce::drive::drive;
use super::reduce::fold::fold_lanes;
use super::reduce::folds::{Maximum, Minimum, Ordered};
use super::reduce::reduction::{Panel, Reduction};
use super::vectorized::vectorized;
use crate::Operand;
use rustorch_base::{DType, Result, bail};
use std::marker::PhantomData;

#[cfg(test)]
mod tests;

/// Finds the greatest (`greater`) or smallest element over the dimensions `dims` of `input`, whose shape is `shape`, and its
/// place: the row-major number of the element among those reduced, which along one dimension is its index. Of equal elements
/// the first is taken; NaN is beyond all numbers, and the first NaN wins.
///
/// `values` has the input's dtype, `indices` usually int64; either may be left out. Their strides along `dims` are ignored.
/// Refuses complex inputs. There must be an element to find.
pub fn arg_reduce(
    greater: bool,
    shape: &[i64],
    dims: &[usize],
    values: Option<Operand>,
    indices: Option<Operand>,
    input: Operand,
) -> Result<()> {
    let outputs = [values, indices];
    macro_rules! pick {
        ($T:ty) => {
            if greater {
                drive(&Pick::<$T, true>(PhantomData), shape, dims, outputs, input)
            } else {
                drive(&Pick::<$T, false>(PhantomData), shape, dims, outputs, input)
            }
        };
    }
    match input.dtype {
        DType::Float16 | DType::BFloat16 | DType::Float32 => pick!(f32),
        DType::Float64 => pick!(f64),
        DType::UInt64 => pick!(u64),
        DType::Complex64 | DType::Complex128 => {
            let name = if greater { "argmax_cpu" } else { "argmin_cpu" };
            bail!(not_implemented, "\"{name}\" not implemented for '{}'", input.dtype.scalar_name())
        }
        _ => pick!(i64),
    }
    Ok(())
}

struct Pick<T, const GREATER: bool>(PhantomData<fn() -> T>);

impl<T: Ordered, const GREATER: bool> Pick<T, GREATER> {
    #[inline(always)]
    fn best(items: &[T]) -> T {
        if GREATER { fold_lanes(&Maximum::<T>(PhantomData), items) } else { fold_lanes(&Minimum::<T>(PhantomData), items) }
    }
}

/// Where the first element equal to `best` is (or the first NaN): chunks are searched as a whole first, which vectorises.
#[inline(always)]
fn position<T: Ordered>(items: &[T], best: T) -> usize {
    const CHUNK: usize = 64;
    let found = |x: T| if best.is_nan() { x.is_nan() } else { x == best };
    let (chunks, _) = items.as_chunks::<CHUNK>();
    let any = |chunk: &[T; CHUNK]| chunk.iter().fold(false, |any, &x| any | found(x));
    let start = chunks.iter().position(any).unwrap_or(chunks.len()) * CHUNK;
    start + items[start..].iter().position(|&x| found(x)).unwrap_or(0)
}

impl<T: Ordered, const GREATER: bool> Reduction for Pick<T, GREATER> {
    type Item = T;
    type Partial = (T, i64);
    type First = T;
    type Second = i64;
    const ORDERED: bool = true;

    fn empty(&self) -> (T, i64) {
        (if GREATER { T::LEAST } else { T::GREATEST }, 0)
    }
    fn run(&self, items: &[T], first: i64) -> (T, i64) {
        vectorized(
            #[inline(always)]
            move || {
                let best = Self::best(items);
                (best, first + position(items, best) as i64)
            },
        )
    }
    fn columns(&self, panel: Panel<T>, first: i64, out: &mut [(T, i64)]) {
        const WIDTH: usize = 64;
        vectorized(
            #[inline(always)]
            move || {
                for (tile, out) in out.chunks_mut(WIDTH).enumerate() {
                    let columns = tile * WIDTH..tile * WIDTH + out.len();
                    let (mut best, mut rows) = ([T::default(); WIDTH], [0u32; WIDTH]);
                    best[..out.len()].copy_from_slice(&panel.row(0)[columns.clone()]);
                    for row in 1..panel.rows {
                        for ((best, at), &x) in best.iter_mut().zip(&mut rows).zip(&panel.row(row)[columns.clone()]) {
                            let displaced = x.beats::<GREATER>(*best);
                            *best = if displaced { x } else { *best };
                            *at = if displaced { row as u32 } else { *at };
                        }
                    }
                    for (j, out) in out.iter_mut().enumerate() {
                        *out = (best[j], first + rows[j] as i64);
                    }
                }
            },
        );
    }
    fn merge(&self, a: (T, i64), b: (T, i64)) -> (T, i64) {
        if b.0.beats::<GREATER>(a.0) { b } else { a }
    }
    fn finish(&self, whole: (T, i64), _: i64) -> (T, i64) {
        whole
    }
}
