//! Normalisations and their gradients: over whole rows, over channels of a batch, over groups of channels.
//!
//! The formulas: with `x̂ = (x - mean) * rstd` and `y = x̂ * weight + bias`, and `g` the gradient of `y`,
//! `dx = rstd * (g * weight - mean(g * weight) - x̂ * mean(g * weight * x̂))`, the means over what was normalised together.
use super::cast::Cast;
use super::copy::{read, write};
use super::exponential::Exponential;
use super::reduce::moments;
use super::softmax::with_float;
use crate::Operand;
use rustorch_base::{DType, Dims, Result, bail};

mod layer;
mod planes;
#[cfg(test)]
mod tests;

pub use layer::{layer_norm, layer_norm_backward};
use planes::{Factors, apply, sums};

/// What the normalised elements are multiplied by and added to: vectors, or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Affine<'a> {
    pub weight: Option<Operand<'a>>,
    pub bias: Option<Operand<'a>>,
}

impl Affine<'_> {
    fn read(&self, n: i64) -> (Vec<f64>, Vec<f64>) {
        let or = |operand: Option<Operand>, x: f64| operand.map_or_else(|| vec![x; n as usize], |operand| read(&[n], operand));
        (or(self.weight, 1.0), or(self.bias, 0.0))
    }
}

/// Estimates that batch_norm keeps across batches, moved towards each batch's statistics by `momentum`.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    pub mean: Operand<'a>,
    pub variance: Operand<'a>,
    pub momentum: f64,
}

/// Normalises each channel (dimension 1 of `shape`) by its own mean and variance over all other dimensions. `saved` take the
/// mean and the reciprocal standard deviation of each channel. Floating dtypes; the output must not overlap the input.
pub fn batch_norm(
    shape: &[i64],
    output: Operand,
    saved: [Operand; 2],
    input: Operand,
    affine: Affine,
    running: Option<Running>,
    eps: f64,
) -> Result<()> {
    let channels = shape[1];
    let others: Vec<usize> = (0..shape.len()).filter(|&d| d != 1).collect();
    let (mean, variance) = statistics(shape, &others, channels as usize, input)?;
    if let Some(running) = running {
        let count = shape.iter().product::<i64>() as f64 / channels as f64;
        // The estimate is of the population: Bessel's correction.
        let unbiased: Vec<f64> = variance.iter().map(|variance| variance * count / (count - 1.0)).collect();
        for (kept, new) in [(running.mean, &mean), (running.variance, &unbiased)] {
            let old = read(&[channels], kept);
            let moved: Vec<f64> = old.iter().zip(new).map(|(old, new)| old + running.momentum * (new - old)).collect();
            write(&[channels], kept, &moved);
        }
    }
    let rstd: Vec<f64> = variance.iter().map(|variance| 1.0 / (variance + eps).sqrt()).collect();
    write(&[channels], saved[0], &mean);
    write(&[channels], saved[1], &rstd);
    normalise(shape, output, input, affine, |_, channel| (mean[channel], rstd[channel]))
}

/// [`batch_norm`] by statistics that are given.
pub fn batch_norm_by(
    shape: &[i64],
    output: Operand,
    input: Operand,
    [mean, variance]: [Operand; 2],
    affine: Affine,
    eps: f64,
) -> Result<()> {
    let (mean, variance) = (read(&shape[1..2], mean), read(&shape[1..2], variance));
    normalise(shape, output, input, affine, |_, channel| (mean[channel], 1.0 / (variance[channel] + eps).sqrt()))
}

/// The gradients of [`batch_norm`] with respect to its input, weight and bias, those that are wanted. With `fixed` statistics
/// (those of [`batch_norm_by`]) the mean and the deviation are constants.
pub fn batch_norm_backward(
    shape: &[i64],
    wanted: [Option<Operand>; 3],
    gradient: Operand,
    input: Operand,
    [mean, rstd]: [Operand; 2],
    weight: Option<Operand>,
    fixed: bool,
) -> Result<()> {
    let channels = shape[1] as usize;
    let (mean, rstd) = (read(&shape[1..2], mean), read(&shape[1..2], rstd));
    let (weight, _) = Affine { weight, bias: None }.read(shape[1]);
    let planes = plane_sums(shape, gradient, input, |_, channel| mean[channel])?;
    let mut totals = vec![(0.0, 0.0); channels];
    for (plane, sums) in planes.iter().enumerate() {
        let total = &mut totals[plane % channels];
        *total = (total.0 + sums.0, total.1 + sums.1);
    }
    store_affine(&wanted, &totals.iter().zip(&rstd).map(|(total, rstd)| (total.0, total.1 * rstd)).collect::<Vec<_>>());
    let count = shape.iter().product::<i64>() as f64 / channels as f64;
    let Some(output) = wanted[0] else { return Ok(()) };
    slope(shape, output, gradient, input, |_, channel| {
        let scale = weight[channel] * rstd[channel];
        let (sum, product) = if fixed { (0.0, 0.0) } else { totals[channel] };
        Factors {
            gradient: scale,
            center: mean[channel],
            input: -scale * rstd[channel] * rstd[channel] * product / count,
            constant: -scale * sum / count,
        }
    })
}

/// Normalises each of `groups` groups of neighbouring channels of each sample. `saved`, of shape `[N, groups]`, take the means
/// and the reciprocal standard deviations. Otherwise as [`batch_norm`].
pub fn group_norm(
    shape: &[i64],
    groups: i64,
    output: Operand,
    saved: [Operand; 2],
    input: Operand,
    affine: Affine,
    eps: f64,
) -> Result<()> {
    let members = shape[1] / groups;
    let mut split: Dims = smallvec::smallvec![shape[0], groups, members];
    split.extend_from_slice(&shape[2..]);
    let mut strides: Dims = smallvec::smallvec![input.strides[0], input.strides[1] * members, input.strides[1]];
    strides.extend_from_slice(&input.strides[2..]);
    let inner: Vec<usize> = (2..split.len()).collect();
    let outputs = (shape[0] * groups) as usize;
    let (mean, variance) = statistics(&split, &inner, outputs, Operand { strides: &strides, ..input })?;
    let rstd: Vec<f64> = variance.iter().map(|variance| 1.0 / (variance + eps).sqrt()).collect();
    write(&[shape[0], groups], saved[0], &mean);
    write(&[shape[0], groups], saved[1], &rstd);
    let group = |sample: usize, channel: usize| sample * groups as usize + channel / members as usize;
    normalise(shape, output, input, affine, |sample, channel| (mean[group(sample, channel)], rstd[group(sample, channel)]))
}

/// The gradients of [`group_norm`] with respect to its input, weight and bias, those that are wanted.
pub fn group_norm_backward(
    shape: &[i64],
    groups: i64,
    wanted: [Option<Operand>; 3],
    gradient: Operand,
    input: Operand,
    [mean, rstd]: [Operand; 2],
    weight: Option<Operand>,
) -> Result<()> {
    let (channels, members) = (shape[1] as usize, (shape[1] / groups) as usize);
    let (mean, rstd) = (read(&[shape[0], groups], mean), read(&[shape[0], groups], rstd));
    let (weight, _) = Affine { weight, bias: None }.read(shape[1]);
    let group = |sample: usize, channel: usize| sample * groups as usize + channel / members;
    let planes = plane_sums(shape, gradient, input, |sample, channel| mean[group(sample, channel)])?;
    let (mut by_group, mut by_channel) = (vec![(0.0, 0.0); mean.len()], vec![(0.0, 0.0); channels]);
    for (plane, sums) in planes.iter().enumerate() {
        let (sample, channel) = (plane / channels, plane % channels);
        let group = group(sample, channel);
        let (whole, own) = (&mut by_group[group], &mut by_channel[channel]);
        *whole = (whole.0 + weight[channel] * sums.0, whole.1 + weight[channel] * sums.1);
        *own = (own.0 + sums.0, own.1 + sums.1 * rstd[group]);
    }
    store_affine(&wanted, &by_channel);
    let count = shape[2..].iter().product::<i64>() as f64 * members as f64;
    let Some(output) = wanted[0] else { return Ok(()) };
    slope(shape, output, gradient, input, |sample, channel| {
        let group = group(sample, channel);
        let (rstd, (sum, product)) = (rstd[group], by_group[group]);
        Factors {
            gradient: weight[channel] * rstd,
            center: mean[group],
            input: -rstd * rstd * rstd * product / count,
            constant: -rstd * sum / count,
        }
    })
}

/// Means and (biased) variances over `dims`, as float64.
fn statistics(shape: &[i64], dims: &[usize], outputs: usize, input: Operand) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut mean, mut variance) = (vec![0.0; outputs], vec![0.0; outputs]);
    let kept: Dims = shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect();
    let strides = rustorch_base::layout::contiguous_strides(&kept);
    let operand = |values: &mut Vec<f64>| Operand { data: values.as_mut_ptr().cast(), dtype: DType::Float64, strides: &strides };
    let operands = [Some(operand(&mut variance)), Some(operand(&mut mean))];
    moments(shape, dims, operands, input, 0.0, false)?;
    Ok((mean, variance))
}

/// `(x - mean) * rstd * weight + bias`, the mean and rstd being those of each sample and channel.
fn normalise(shape: &[i64], output: Operand, input: Operand, affine: Affine, of: impl Fn(usize, usize) -> (f64, f64) + Sync) -> Result<()> {
    let (weight, bias) = affine.read(shape[1]);
    let factors = |sample: usize, channel: usize| {
        let (mean, rstd) = of(sample, channel);
        Factors { gradient: 0.0, center: mean, input: rstd * weight[channel], constant: bias[channel] }
    };
    with_float!("batch_norm", input.dtype, T => apply::<T, 2>(shape, [output, input], factors));
    Ok(())
}

fn slope(
    shape: &[i64],
    output: Operand,
    gradient: Operand,
    input: Operand,
    factors: impl Fn(usize, usize) -> Factors + Sync,
) -> Result<()> {
    with_float!("batch_norm_backward", input.dtype, T => apply::<T, 3>(shape, [output, input, gradient], factors));
    Ok(())
}

/// For each sample and channel the sums of `g` and of `g * (x - mean)`.
fn plane_sums(shape: &[i64], gradient: Operand, input: Operand, mean: impl Fn(usize, usize) -> f64 + Sync) -> Result<Vec<(f64, f64)>> {
    Ok(with_float!("batch_norm_backward", input.dtype, T => sums::<T>(shape, gradient, input, mean)))
}

/// Stores the gradients of weight and bias, given for each channel as (sum of g, sum of g * x̂).
fn store_affine(wanted: &[Option<Operand>; 3], totals: &[(f64, f64)]) {
    let n = [totals.len() as i64];
    if let Some(weight) = wanted[1] {
        write(&n, weight, &totals.iter().map(|total| total.1).collect::<Vec<_>>());
    }
    if let Some(bias) = wanted[2] {
        write(&n, bias, &totals.iter().map(|total| total.0).collect::<Vec<_>>());
    }
}

/// The floats that rows are worked on in.
trait Real: Cast + Exponential {}
impl<T: Cast + Exponential> Real for T {}
