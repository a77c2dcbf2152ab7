//! Layer normalisation: each row by its own mean and variance.
use super::{Affine, Real};
use crate::Operand;
use crate::cpu::cast::cast;
use crate::cpu::copy::{Caster, read};
use crate::cpu::reduce::sum;
use crate::cpu::rows::each_row;
use crate::cpu::softmax::with_float;
use crate::cpu::threads::parallel_for;
use crate::cpu::vectorized::vectorized;
use rustorch_base::{DType, Result, bail};

/// Elements summed before the sum is widened.
const PIECE: usize = 2048;
/// Columns whose parameter gradients are summed together.
const COLUMNS: usize = 64;

/// Normalises the rows of a matrix of `shape`. `saved` take each row's mean and reciprocal standard deviation. Floating
/// dtypes; the output must not overlap the input.
pub fn layer_norm(shape: [i64; 2], output: Operand, saved: [Operand; 2], input: Operand, affine: Affine, eps: f64) -> Result<()> {
    with_float!("LayerNormKernelImpl", input.dtype, T => forward::<T>(shape, output, saved, input, affine, eps));
    Ok(())
}

/// The gradients of [`layer_norm`] with respect to its input, weight and bias, those that are wanted.
pub fn layer_norm_backward(
    shape: [i64; 2],
    wanted: [Option<Operand>; 3],
    gradient: Operand,
    input: Operand,
    saved: [Operand; 2],
    weight: Option<Operand>,
) -> Result<()> {
    with_float!("LayerNormBackwardKernelImpl", input.dtype, T => {
        if let Some(output) = wanted[0] {
            input_gradient::<T>(shape, output, gradient, input, saved, weight);
        }
        if wanted[1].is_some() || wanted[2].is_some() {
            parameter_gradients::<T>(shape, [wanted[1], wanted[2]], gradient, input, saved);
        }
    });
    Ok(())
}

fn vector<T: Real>(n: i64, operand: Option<Operand>, otherwise: f64) -> Vec<T> {
    let values = operand.map_or_else(|| vec![otherwise; n as usize], |operand| read(&[n], operand));
    values.into_iter().map(T::from_double).collect()
}

/// The mean of a function of a row's elements.
#[inline(always)]
fn mean_of<T: Real>(n: usize, room: &mut [T], of: impl Fn(usize) -> T) -> f64 {
    let mut total = 0.0;
    for start in (0..n).step_by(PIECE) {
        let len = PIECE.min(n - start);
        for (i, to) in room[..len].iter_mut().enumerate() {
            *to = of(start + i);
        }
        total += cast::<f64, T>(sum(&room[..len]));
    }
    total / n as f64
}

fn forward<T: Real>(shape: [i64; 2], output: Operand, saved: [Operand; 2], input: Operand, affine: Affine, eps: f64) {
    let (weight, bias) = (vector::<T>(shape[1], affine.weight, 1.0), vector::<T>(shape[1], affine.bias, 0.0));
    let stores = saved.map(|operand| Caster::new(operand.dtype, DType::Float64));
    each_row::<T, 2>(&shape, 1, [output, input], |row, to, inputs| {
        let (x, weight, bias) = (inputs[0], &weight[..to.len()], &bias[..to.len()]);
        let statistics = vectorized(
            #[inline(always)]
            move || {
                let n = to.len();
                let x = &x[..n];
                // The output is not needed yet: it is the room for what is summed.
                let mean = mean_of(n, to, |i| x[i]);
                let center = T::from_double(mean);
                let variance = mean_of(n, to, |i| (x[i] - center) * (x[i] - center));
                let rstd = 1.0 / (variance + eps).sqrt();
                let scale = T::from_double(rstd);
                for i in 0..n {
                    to[i] = (x[i] - center) * scale * weight[i] + bias[i];
                }
                [mean, rstd]
            },
        );
        for k in 0..2 {
            let at = saved[k].data.wrapping_offset((row as i64 * saved[k].strides[0]) as isize * saved[k].dtype.size() as isize);
            // SAFETY: the saved vectors have an element a row.
            unsafe { stores[k].run(at, 0, (&raw const statistics[k]).cast(), 8, 1) }
        }
    });
}

fn input_gradient<T: Real>(
    shape: [i64; 2],
    output: Operand,
    gradient: Operand,
    input: Operand,
    saved: [Operand; 2],
    weight: Option<Operand>,
) {
    let weight = vector::<T>(shape[1], weight, 1.0);
    let [means, rstds] = saved.map(|operand| read(&shape[..1], operand));
    each_row::<T, 3>(&shape, 1, [output, gradient, input], |row, to, inputs| {
        let (g, x, weight) = (inputs[0], inputs[1], &weight[..]);
        let (center, rstd) = (T::from_double(means[row]), T::from_double(rstds[row]));
        vectorized(
            #[inline(always)]
            move || {
                let n = to.len();
                let (g, x, weight) = (&g[..n], &x[..n], &weight[..n]);
                let plain = T::from_double(mean_of(n, to, |i| g[i] * weight[i]));
                let along = T::from_double(mean_of(n, to, |i| g[i] * weight[i] * ((x[i] - center) * rstd)));
                for i in 0..n {
                    to[i] = rstd * (g[i] * weight[i] - plain - (x[i] - center) * rstd * along);
                }
            },
        );
    });
}

/// Sums over the rows, a block of columns at a time: threads divide the columns.
fn parameter_gradients<T: Real>(shape: [i64; 2], wanted: [Option<Operand>; 2], gradient: Operand, input: Operand, saved: [Operand; 2]) {
    let [means, rstds] = saved.map(|operand| read(&shape[..1], operand));
    let columns = shape[1] as usize;
    let load = [gradient, input].map(|operand| Caster::new(T::DTYPE, operand.dtype));
    let stores = wanted.map(|operand| operand.map(|operand| Caster::new(operand.dtype, DType::Float64)));
    parallel_for(columns.div_ceil(COLUMNS), (16 * 1024 / (COLUMNS * shape[0].max(1) as usize)).max(1), |range| {
        for block in range {
            let left = block * COLUMNS;
            let n = COLUMNS.min(columns - left);
            let mut rooms = [[T::default(); COLUMNS]; 2];
            let mut totals = [[0f64; COLUMNS]; 2];
            for row in 0..shape[0] {
                for (k, operand) in [gradient, input].iter().enumerate() {
                    let size = operand.dtype.size() as i64;
                    let at = operand.data.wrapping_offset(((row * operand.strides[0] + left as i64 * operand.strides[1]) * size) as isize);
                    // SAFETY: the operands reach this row's columns; a block fits the room.
                    unsafe {
                        let room = rooms[k].as_mut_ptr().cast();
                        load[k].run(room, size_of::<T>() as i64, at, operand.strides[1] * size, n);
                    }
                }
                let (center, rstd) = (T::from_double(means[row as usize]), T::from_double(rstds[row as usize]));
                let (totals, rooms) = (&mut totals, &rooms);
                vectorized(
                    #[inline(always)]
                    move || {
                        for i in 0..COLUMNS {
                            let (g, x) = (rooms[0][i], rooms[1][i]);
                            totals[0][i] += cast::<f64, T>(g * ((x - center) * rstd));
                            totals[1][i] += cast::<f64, T>(g);
                        }
                    },
                );
            }
            for k in 0..2 {
                if let (Some(store), Some(operand)) = (&stores[k], &wanted[k]) {
                    let step = operand.strides[0] * operand.dtype.size() as i64;
                    // SAFETY: the vectors have an element a column.
                    unsafe { store.run(operand.data.offset((left as i64 * step) as isize), step, totals[k].as_ptr().cast(), 8, n) }
                }
            }
        }
    });
}
