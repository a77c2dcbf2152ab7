//! `log(sum(exp(x)))` without overflow.
use super::fold::fold_lanes;
use super::folds::{Maximum, better};
use super::reduction::{Panel, Reduction};
use crate::cpu::exponential::Exponential;
use crate::cpu::vectorized::vectorized;
use std::marker::PhantomData;

pub struct LogSumExp<T>(pub PhantomData<fn() -> T>);

/// Of some elements: the largest, and the sum of `exp(x - shift(largest))`.
#[derive(Clone, Copy)]
pub struct Scaled<T> {
    largest: T,
    sum: T,
}

/// What is subtracted before `exp`: the largest element, unless it is infinite (the difference would be NaN).
#[inline(always)]
fn shift<T: Exponential>(largest: T) -> T {
    if largest.is_infinite() { T::default() } else { largest }
}

impl<T: Exponential> Reduction for LogSumExp<T> {
    type Item = T;
    type Partial = Scaled<T>;
    type First = T;
    type Second = u8;

    fn empty(&self) -> Scaled<T> {
        Scaled { largest: T::LEAST, sum: T::default() }
    }
    fn run(&self, items: &[T], _: i64) -> Scaled<T> {
        vectorized(
            #[inline(always)]
            move || {
                let largest = fold_lanes(&Maximum::<T>(PhantomData), items);
                Scaled { largest, sum: T::sum_of_exp(items, shift(largest)) }
            },
        )
    }
    fn columns(&self, panel: Panel<T>, _: i64, out: &mut [Scaled<T>]) {
        const WIDTH: usize = 64;
        vectorized(
            #[inline(always)]
            move || {
                for (tile, out) in out.chunks_mut(WIDTH).enumerate() {
                    let columns = tile * WIDTH..tile * WIDTH + out.len();
                    let (mut largest, mut shifts, mut sums) = ([T::LEAST; WIDTH], [T::default(); WIDTH], [T::default(); WIDTH]);
                    for row in 0..panel.rows {
                        for (largest, &x) in largest.iter_mut().zip(&panel.row(row)[columns.clone()]) {
                            *largest = better::<true, T>(*largest, x);
                        }
                    }
                    shifts.iter_mut().zip(&largest).for_each(|(to, &x)| *to = shift(x));
                    for row in 0..panel.rows {
                        for ((sum, &shift), &x) in sums.iter_mut().zip(&shifts).zip(&panel.row(row)[columns.clone()]) {
                            *sum = sum.plus((x - shift).exponential());
                        }
                    }
                    for (j, out) in out.iter_mut().enumerate() {
                        *out = Scaled { largest: largest[j], sum: sums[j] };
                    }
                }
            },
        );
    }
    fn merge(&self, a: Scaled<T>, b: Scaled<T>) -> Scaled<T> {
        let largest = better::<true, T>(a.largest, b.largest);
        // A sum of zero stays zero, whatever its scale.
        let scaled = |part: Scaled<T>| {
            if part.sum == T::default() { part.sum } else { part.sum.times((shift(part.largest) - shift(largest)).exponential()) }
        };
        Scaled { largest, sum: scaled(a).plus(scaled(b)) }
    }
    fn finish(&self, whole: Scaled<T>, _: i64) -> (T, u8) {
        (whole.sum.logarithm() + shift(whole.largest), 0)
    }
}
