//! Variance, standard deviation and mean in one pass over memory, accumulated in float64.
use super::reduction::{Panel, Reduction};
use crate::cpu::cast::{Cast, cast};
use crate::cpu::vectorized::vectorized;
use std::marker::PhantomData;

/// `correction` is subtracted from the number of elements; `root` asks for the standard deviation.
pub struct Moments<T> {
    pub correction: f64,
    pub root: bool,
    pub of: PhantomData<fn() -> T>,
}

/// Of some elements: how many they are, their mean, and the sum of their squared distances from it.
#[derive(Clone, Copy)]
pub struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

const LANES: usize = 16;

/// The sum of `of(x)` over a slice in independent lanes.
#[inline(always)]
fn sum<T: Cast>(items: &[T], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = items.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += of(cast(chunk[i]));
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&x| of(cast(x))).sum::<f64>()
}

impl<T: Cast + Default> Reduction for Moments<T> {
    type Item = T;
    type Partial = Spread;
    type First = f64;
    type Second = f64;

    fn empty(&self) -> Spread {
        Spread { count: 0.0, mean: 0.0, squares: 0.0 }
    }
    // The mean of a block first, then the distances from it: the block is still in the first-level cache.
    fn run(&self, items: &[T], _: i64) -> Spread {
        vectorized(
            #[inline(always)]
            move || {
                let count = items.len() as f64;
                let mean = sum(items, |x| x) / count;
                Spread { count, mean, squares: sum(items, |x| (x - mean) * (x - mean)) }
            },
        )
    }
    fn columns(&self, panel: Panel<T>, _: i64, out: &mut [Spread]) {
        const WIDTH: usize = 64;
        vectorized(
            #[inline(always)]
            move || {
                let count = panel.rows as f64;
                for (tile, out) in out.chunks_mut(WIDTH).enumerate() {
                    let columns = tile * WIDTH..tile * WIDTH + out.len();
                    let (mut mean, mut squares) = ([0.0; WIDTH], [0.0; WIDTH]);
                    for row in 0..panel.rows {
                        for (sum, &x) in mean.iter_mut().zip(&panel.row(row)[columns.clone()]) {
                            *sum += cast::<f64, T>(x);
                        }
                    }
                    for sum in &mut mean {
                        *sum /= count;
                    }
                    for row in 0..panel.rows {
                        for ((sum, mean), &x) in squares.iter_mut().zip(&mean).zip(&panel.row(row)[columns.clone()]) {
                            let distance = cast::<f64, T>(x) - mean;
                            *sum += distance * distance;
                        }
                    }
                    for (j, out) in out.iter_mut().enumerate() {
                        *out = Spread { count, mean: mean[j], squares: squares[j] };
                    }
                }
            },
        );
    }
    fn merge(&self, a: Spread, b: Spread) -> Spread {
        let count = a.count + b.count;
        let distance = b.mean - a.mean;
        let share = b.count / count;
        Spread { count, mean: a.mean + distance * share, squares: a.squares + b.squares + distance * distance * a.count * share }
    }
    fn finish(&self, whole: Spread, count: i64) -> (f64, f64) {
        let variance = whole.squares / (count as f64 - self.correction).max(0.0);
        let mean = if count == 0 { f64::NAN } else { whole.mean };
        (if self.root { variance.sqrt() } else { variance }, mean)
    }
}
