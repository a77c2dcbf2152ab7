//! Running sums, products and extremes along one dimension.
use super::cast::Cast;
use super::combine::Combined;
use super::nest::Nest;
use super::reduce::Ordered;
use super::rows::{COLUMNS, Matrices, each_column_block, each_row};
use super::vectorized::vectorized;
use crate::Operand;
use num_complex::{Complex32, Complex64};
use rustorch_base::{DType, Result, bail};

#[cfg(test)]
mod tests;

/// What runs along the dimension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan {
    /// Any dtype. Elements are converted to the output's; float32 accumulates in float64, integers in int64.
    Sum,
    Product,
    /// Floating dtypes.
    LogSumExp,
}

/// `output[..., i, ...]` is made of `input[..., 0..=i, ...]` along `dim` of `shape`. The output must not overlap the input.
pub fn scan(op: Scan, shape: &[i64], dim: usize, output: Operand, input: Operand) -> Result<()> {
    let operands = [output, input];
    macro_rules! run {
        ($T:ty, $sum:ty) => {
            match op {
                Scan::Sum => fold::<$T, $sum>(shape, dim, operands, 0, <$sum>::plus),
                Scan::Product => fold::<$T, $sum>(shape, dim, operands, 1, <$sum>::times),
                Scan::LogSumExp => return refuse(output.dtype),
            }
        };
    }
    match (op, output.dtype) {
        (Scan::LogSumExp, DType::Float16 | DType::BFloat16 | DType::Float32) => log_sum_exp::<f32>(shape, dim, operands),
        (Scan::LogSumExp, DType::Float64) => log_sum_exp::<f64>(shape, dim, operands),
        (_, DType::Float16 | DType::BFloat16 | DType::Float32) => run!(f32, f64),
        (_, DType::Float64) => run!(f64, f64),
        (_, DType::Complex64) => run!(Complex32, Complex64),
        (_, DType::Complex128) => run!(Complex64, Complex64),
        _ => run!(i64, i64),
    }
    Ok(())
}

#[cold]
fn refuse(dtype: DType) -> Result<()> {
    bail!(not_implemented, "\"logcumsumexp_out_cpu\" not implemented for '{}'", dtype.scalar_name())
}

fn fold<T: Cast + Default, S: Combined>(
    shape: &[i64],
    dim: usize,
    operands: [Operand; 2],
    start: i64,
    step: impl Fn(S, S) -> S + Sync + Copy,
) {
    let start = S::from_signed(start);
    let columns = |mut matrices: Matrices<T, 2>| {
        vectorized(
            #[inline(always)]
            move || {
                let mut sums = [start; COLUMNS];
                for row in 0..matrices.rows {
                    let lines = matrices.output(row).iter_mut().zip(matrices.input(1, row));
                    for ((to, &x), sum) in lines.zip(&mut sums) {
                        *sum = step(*sum, x.cast());
                        *to = sum.cast();
                    }
                }
            },
        );
    };
    if dim + 1 < shape.len() && each_column_block::<T, 2>(shape, dim, operands, columns) {
        return;
    }
    each_row::<T, 2>(shape, dim, operands, |_, to, inputs| {
        let mut sum = start;
        for (to, &x) in to.iter_mut().zip(inputs[0]) {
            sum = step(sum, x.cast());
            *to = sum.cast();
        }
    });
}

fn log_sum_exp<T: Cast + Default>(shape: &[i64], dim: usize, operands: [Operand; 2]) {
    each_row::<T, 2>(shape, dim, operands, |_, to, inputs| {
        let mut sum = f64::NEG_INFINITY;
        for (to, &x) in to.iter_mut().zip(inputs[0]) {
            sum = log_add_exp(sum, x.cast());
            *to = sum.cast();
        }
    });
}

/// `log(exp(a) + exp(b))`
fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // Two infinities of one sign have no difference.
    if low == high && high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
}

/// The greatest (`greater`) or smallest element so far along `dim`, and its index. Of equal elements the last counts; from the
/// first NaN on the latest NaN does. `indices` is int64. Real dtypes.
pub fn scan_extreme(greater: bool, shape: &[i64], dim: usize, values: Operand, indices: Operand, input: Operand) -> Result<()> {
    let operands = [values, input];
    macro_rules! run {
        ($T:ty) => {
            if greater { extreme::<$T, true>(shape, dim, operands, indices) } else { extreme::<$T, false>(shape, dim, operands, indices) }
        };
    }
    match input.dtype {
        DType::Float16 | DType::BFloat16 | DType::Float32 => run!(f32),
        DType::Float64 => run!(f64),
        DType::UInt64 => run!(u64),
        DType::Complex64 | DType::Complex128 => {
            let name = if greater { "cummax_cpu" } else { "cummin_cpu" };
            bail!(not_implemented, "\"{name}\" not implemented for '{}'", input.dtype.scalar_name())
        }
        _ => run!(i64),
    }
    Ok(())
}

fn extreme<T: Cast + Ordered, const GREATER: bool>(shape: &[i64], dim: usize, operands: [Operand; 2], indices: Operand) {
    let lines = Nest::over(shape, (0..shape.len()).filter(|&d| d != dim), [&indices]).merged();
    let step = indices.strides.get(dim).copied().unwrap_or(0);
    each_row::<T, 2>(shape, dim, operands, |number, to, inputs| {
        let [first] = lines.locate(number);
        let (mut best, mut at) = (inputs[0][0], 0);
        for (i, (to, &x)) in to.iter_mut().zip(inputs[0]).enumerate() {
            let ahead = if GREATER { x >= best } else { x <= best };
            if ahead || x.is_nan() {
                (best, at) = (x, i as i64);
            }
            *to = best;
            // SAFETY: the indices reach this element.
            unsafe { *first.cast::<i64>().offset((i as i64 * step) as isize) = at }
        }
    });
}
