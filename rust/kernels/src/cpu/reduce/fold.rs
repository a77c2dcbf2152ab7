//! Reductions that take one element after the other.
use super::reduction::{Panel, Reduction};
use crate::cpu::vectorized::vectorized;
use rustorch_base::dtype::Element;

/// A reduction that is a step from an accumulator and an element to the next accumulator. The start must be neutral:
/// lanes of the same run each begin with it.
pub trait Fold: Sync {
    type Item: Element + Default;
    type Sum: Copy + Send + Sync;
    type Out: Element + Default;
    fn start(&self) -> Self::Sum;
    fn step(&self, sum: Self::Sum, x: Self::Item) -> Self::Sum;
    fn merge(&self, a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn finish(&self, sum: Self::Sum, count: i64) -> Self::Out;
}

/// Combines all elements of a slice, in as many independent accumulators as hide the latency of an addition.
#[inline(always)]
pub fn fold_lanes<F: Fold>(fold: &F, items: &[F::Item]) -> F::Sum {
    match items.len() {
        256.. => in_lanes::<F, 32>(fold, items),
        8.. => in_lanes::<F, 8>(fold, items),
        _ => items.iter().fold(fold.start(), |sum, &x| fold.step(sum, x)),
    }
}

#[inline(always)]
fn in_lanes<F: Fold, const LANES: usize>(fold: &F, items: &[F::Item]) -> F::Sum {
    let mut lanes = [fold.start(); LANES];
    let (chunks, rest) = items.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = fold.step(lanes[i], chunk[i]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = fold.step(*lane, x);
    }
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = fold.merge(lanes[i], lanes[i + n]);
        }
    }
    lanes[0]
}

/// A fold as the driver sees it.
pub struct Folded<F>(pub F);

impl<F: Fold> Reduction for Folded<F> {
    type Item = F::Item;
    type Partial = F::Sum;
    type First = F::Out;
    type Second = u8;

    fn empty(&self) -> F::Sum {
        self.0.start()
    }
    #[inline]
    fn run(&self, items: &[F::Item], _: i64) -> F::Sum {
        vectorized(
            #[inline(always)]
            move || fold_lanes(&self.0, items),
        )
    }
    fn columns(&self, panel: Panel<F::Item>, _: i64, out: &mut [F::Sum]) {
        vectorized(
            #[inline(always)]
            move || {
                out.fill(self.0.start());
                let whole = panel.rows / 4 * 4;
                // Four rows a pass: the accumulators are loaded and stored a quarter as often.
                for row in (0..whole).step_by(4) {
                    let (a, b, c, d) = (panel.row(row), panel.row(row + 1), panel.row(row + 2), panel.row(row + 3));
                    for (j, sum) in out.iter_mut().enumerate() {
                        // SAFETY: the rows are as wide as `out`.
                        let (a, b, c, d) = unsafe { (*a.get_unchecked(j), *b.get_unchecked(j), *c.get_unchecked(j), *d.get_unchecked(j)) };
                        *sum = self.0.step(self.0.step(self.0.step(self.0.step(*sum, a), b), c), d);
                    }
                }
                for row in whole..panel.rows {
                    for (sum, &x) in out.iter_mut().zip(panel.row(row)) {
                        *sum = self.0.step(*sum, x);
                    }
                }
            },
        );
    }
    fn merge(&self, a: F::Sum, b: F::Sum) -> F::Sum {
        self.0.merge(a, b)
    }
    fn finish(&self, whole: F::Sum, count: i64) -> (F::Out, u8) {
        (self.0.finish(whole, count), 0)
    }
}
