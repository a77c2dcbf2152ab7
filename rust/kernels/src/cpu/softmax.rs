//! softmax and log_softmax along one dimension, and their gradients.
use super::cast::Cast;
use super::exponential::Exponential;
use super::reduce::{maximum, sum};
use super::rows::{COLUMNS, Matrices, each_column_block, each_row};
use super::vectorized::vectorized;
use crate::Operand;
use rustorch_base::{DType, Result, bail};

#[cfg(test)]
mod tests;

/// Runs the body with `$T` bound to the float that elements of this dtype are computed in.
macro_rules! with_float {
    ($name:literal, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::Float16 | DType::BFloat16 | DType::Float32 => {
                type $T = f32;
                $body
            }
            DType::Float64 => {
                type $T = f64;
                $body
            }
            other => bail!(not_implemented, "\"{}\" not implemented for '{}'", $name, other.scalar_name()),
        }
    };
}
pub(super) use with_float;

/// `output = exp(input) / sum(exp(input))` along `dim` of `shape`, or its logarithm. Floating dtypes; the output may be of
/// another one than the input, and must not overlap it. A shape without dimensions counts as one element.
pub fn softmax(shape: &[i64], dim: usize, output: Operand, input: Operand, log: bool) -> Result<()> {
    with_float!("softmax", input.dtype, T => forward::<T>(shape, dim, [output, input], log));
    Ok(())
}

/// The gradient of [`softmax`] with respect to its input, from the gradient of its output and its `result`. The output must
/// not overlap either.
pub fn softmax_backward(shape: &[i64], dim: usize, output: Operand, gradient: Operand, result: Operand, log: bool) -> Result<()> {
    with_float!("softmax_backward", result.dtype, T => backward::<T>(shape, dim, [output, gradient, result], log));
    Ok(())
}

fn forward<T: Cast + Exponential>(shape: &[i64], dim: usize, operands: [Operand; 2], log: bool) {
    let by_columns = is_inner(shape, dim, operands);
    let columns = |matrices| if log { log_columns::<T>(matrices) } else { plain_columns::<T>(matrices) };
    if by_columns && each_column_block::<T, 2>(shape, dim, operands, columns) {
        return;
    }
    each_row::<T, 2>(shape, dim, operands, |_, to, inputs| {
        let from = inputs[0];
        vectorized(
            #[inline(always)]
            move || {
                if log { log_row(to, from) } else { plain_row(to, from) }
            },
        );
    });
}

/// Lines along `dim` are worse to read one by one than side by side.
fn is_inner<const N: usize>(shape: &[i64], dim: usize, operands: [Operand; N]) -> bool {
    shape.len() > 1 && operands.iter().any(|operand| operand.strides[dim] != 1)
}

#[inline(always)]
fn plain_row<T: Exponential>(to: &mut [T], from: &[T]) {
    let scale = T::ONE / T::exp_into(to, from, maximum(from));
    for x in to {
        *x = *x * scale;
    }
}

#[inline(always)]
fn log_row<T: Exponential>(to: &mut [T], from: &[T]) {
    let largest = maximum(from);
    let log_sum = T::sum_of_exp(from, largest).logarithm();
    for (to, &x) in to.iter_mut().zip(from) {
        *to = x - largest - log_sum;
    }
}

/// The greatest element of each column of an input.
#[inline(always)]
fn column_maxima<T: Exponential, const N: usize>(matrices: &Matrices<T, N>, k: usize) -> [T; COLUMNS] {
    let mut largest = [T::LEAST; COLUMNS];
    for row in 0..matrices.rows {
        for (largest, &x) in largest.iter_mut().zip(matrices.input(k, row)) {
            *largest = if (x > *largest) | x.beats::<true>(*largest) { x } else { *largest };
        }
    }
    largest
}

fn plain_columns<T: Exponential>(mut matrices: Matrices<T, 2>) {
    vectorized(
        #[inline(always)]
        move || {
            let largest = column_maxima(&matrices, 1);
            let mut sums = [T::default(); COLUMNS];
            for row in 0..matrices.rows {
                let lines = matrices.output(row).iter_mut().zip(matrices.input(1, row));
                for ((to, &x), (sum, &largest)) in lines.zip(sums.iter_mut().zip(&largest)) {
                    *to = (x - largest).exponential();
                    *sum = sum.plus(*to);
                }
            }
            let scales = sums.map(|sum| T::ONE / sum);
            for row in 0..matrices.rows {
                for (to, &scale) in matrices.output(row).iter_mut().zip(&scales) {
                    *to = *to * scale;
                }
            }
        },
    );
}

fn log_columns<T: Exponential>(mut matrices: Matrices<T, 2>) {
    vectorized(
        #[inline(always)]
        move || {
            let largest = column_maxima(&matrices, 1);
            let mut sums = [T::default(); COLUMNS];
            for row in 0..matrices.rows {
                for (&x, (sum, &largest)) in matrices.input(1, row).iter().zip(sums.iter_mut().zip(&largest)) {
                    *sum = sum.plus((x - largest).exponential());
                }
            }
            let logs = sums.map(T::logarithm);
            for row in 0..matrices.rows {
                let lines = matrices.output(row).iter_mut().zip(matrices.input(1, row));
                for ((to, &x), (&largest, &log)) in lines.zip(largest.iter().zip(&logs)) {
                    *to = x - largest - log;
                }
            }
        },
    );
}

fn backward<T: Cast + Exponential>(shape: &[i64], dim: usize, operands: [Operand; 3], log: bool) {
    let columns = |matrices| if log { gradient_columns::<T, true>(matrices) } else { gradient_columns::<T, false>(matrices) };
    if is_inner(shape, dim, operands) && each_column_block::<T, 3>(shape, dim, operands, columns) {
        return;
    }
    each_row::<T, 3>(shape, dim, operands, |_, to, inputs| {
        let (gradient, result) = (inputs[0], inputs[1]);
        vectorized(
            #[inline(always)]
            move || if log { gradient_row::<T, true>(to, gradient, result) } else { gradient_row::<T, false>(to, gradient, result) },
        );
    });
}

/// What a line's sum is taken of.
#[inline(always)]
fn term<T: Exponential, const LOG: bool>(gradient: T, result: T) -> T {
    if LOG { gradient } else { gradient * result }
}
#[inline(always)]
fn slope<T: Exponential, const LOG: bool>(gradient: T, result: T, sum: T) -> T {
    if LOG { gradient - result.exponential() * sum } else { (gradient - sum) * result }
}

#[inline(always)]
fn gradient_row<T: Exponential, const LOG: bool>(to: &mut [T], gradient: &[T], result: &[T]) {
    let n = to.len();
    let (gradient, result) = (&gradient[..n], &result[..n]);
    for i in 0..n {
        to[i] = term::<T, LOG>(gradient[i], result[i]);
    }
    let whole = to.chunks(1024).fold(T::default(), |whole, piece| whole.plus(sum(piece)));
    if LOG {
        T::exp_into(to, result, T::default());
        for i in 0..n {
            to[i] = gradient[i] - to[i] * whole;
        }
    } else {
        for i in 0..n {
            to[i] = slope::<T, LOG>(gradient[i], result[i], whole);
        }
    }
}

fn gradient_columns<T: Exponential, const LOG: bool>(mut matrices: Matrices<T, 3>) {
    vectorized(
        #[inline(always)]
        move || {
            let mut sums = [T::default(); COLUMNS];
            for row in 0..matrices.rows {
                let lines = matrices.input(1, row).iter().zip(matrices.input(2, row));
                for (sum, (&gradient, &result)) in sums.iter_mut().zip(lines) {
                    *sum = sum.plus(term::<T, LOG>(gradient, result));
                }
            }
            for row in 0..matrices.rows {
                let lines = matrices.input(1, row).iter().zip(matrices.input(2, row));
                for ((to, &sum), (&gradient, &result)) in matrices.output(row).iter_mut().zip(&sums).zip(lines) {
                    *to = slope::<T, LOG>(gradient, result, sum);
                }
            }
        },
    );
}
