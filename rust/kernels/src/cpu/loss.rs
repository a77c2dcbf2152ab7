//! Losses of classification: negative log-likelihood, and cross-entropy as one forward and one backward pass.
use super::cast::Cast;
use super::copy::{Caster, read, write};
use super::exponential::Exponential;
use super::nest::Nest;
use super::rows::each_row;
use super::softmax::{softmax, with_float};
use super::threads::parallel_for;
use super::vectorized::vectorized;
use crate::Operand;
use rustorch_base::{DType, Dims, Result, bail};
use std::sync::Mutex;

#[cfg(test)]
mod tests;

/// What becomes of the losses of single samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    None,
    Mean,
    Sum,
}

/// What the samples should be.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Class numbers, int64 or uint8, in the input's shape without the class dimension.
    pub target: Operand<'a>,
    /// A weight for each class, in the input's dtype.
    pub weight: Option<Operand<'a>>,
    /// Samples with this class count nothing.
    pub ignore_index: i64,
    pub reduction: Reduction,
}

/// Samples a thread takes at once.
const GRAIN: usize = 4096;

/// The negative log-likelihood of `input`, log-probabilities of shape `[N, C, ...]` (or `[C]`, one sample). `output` has one
/// element for each sample, or one alone if they are reduced; `total_weight`, of the input's dtype, one element: the sum of
/// the weights that count (0 if nothing is reduced). Refuses classes out of bounds before writing.
pub fn nll_loss(shape: &[i64], output: Operand, total_weight: Operand, input: Operand, labels: Labels) -> Result<()> {
    let samples = Samples::new(shape, &labels)?;
    samples.forward(shape, output, total_weight, input, 0.0);
    Ok(())
}

/// The gradient of [`nll_loss`] with respect to its input, into `output`, from the gradient of its output and its
/// `total_weight`.
pub fn nll_loss_backward(shape: &[i64], output: Operand, gradient: Operand, total_weight: Operand, labels: Labels) -> Result<()> {
    let samples = Samples::new(shape, &labels)?;
    super::fill::fill_with(shape, output, [0; 2]);
    samples.backward(shape, output, gradient, total_weight);
    Ok(())
}

/// log_softmax of `input` along the class dimension into `log_probabilities`, and its [`nll_loss`]. With `smoothing` s the
/// target is the mixture of the class (1 - s) and the uniform distribution (s).
pub fn cross_entropy(
    shape: &[i64],
    [output, total_weight, log_probabilities]: [Operand; 3],
    input: Operand,
    labels: Labels,
    smoothing: f64,
) -> Result<()> {
    let samples = Samples::new(shape, &labels)?;
    softmax(shape, class_dim(shape), log_probabilities, input, true)?;
    samples.forward(shape, output, total_weight, log_probabilities, smoothing);
    Ok(())
}

/// The gradient of [`cross_entropy`] with respect to its input, into `output`.
pub fn cross_entropy_backward(
    shape: &[i64],
    output: Operand,
    [gradient, total_weight, log_probabilities]: [Operand; 3],
    labels: Labels,
    smoothing: f64,
) -> Result<()> {
    let samples = Samples::new(shape, &labels)?;
    with_float!("cross_entropy_backward", output.dtype, T => {
        samples.cross_backward::<T>(shape, output, [gradient, total_weight, log_probabilities], smoothing);
    });
    Ok(())
}

fn class_dim(shape: &[i64]) -> usize {
    (shape.len() > 1) as usize
}

/// The shape without its class dimension.
fn sample_shape(shape: &[i64]) -> Dims {
    let mut shape: Dims = shape.into();
    shape.remove(class_dim(&shape));
    shape
}

/// Checked labels, ready to be read: for each sample its class, or none if it is ignored.
struct Samples {
    shape: Dims,
    classes: Vec<Option<usize>>,
    /// A weight for each class.
    weights: Vec<f64>,
    reduction: Reduction,
}

impl Samples {
    fn new(shape: &[i64], labels: &Labels) -> Result<Samples> {
        let count = shape[class_dim(shape)];
        let over = sample_shape(shape);
        let mut classes = Vec::with_capacity(over.iter().product::<i64>() as usize);
        let nest = Nest::new(&over, [&labels.target]);
        let mut wrong = None;
        nest.each(0..nest.numel(), |[at]| {
            // SAFETY: the target reaches one element for each sample.
            let class = if labels.target.dtype == DType::UInt8 { unsafe { *at as i64 } } else { unsafe { *at.cast::<i64>() } };
            let counts = class != labels.ignore_index;
            if counts && !(0..count).contains(&class) {
                wrong = wrong.or(Some(class));
            }
            classes.push(counts.then_some(class as usize));
        });
        if let Some(class) = wrong {
            bail!(index, "Target {class} is out of bounds.");
        }
        let weights = labels.weight.map_or_else(|| vec![1.0; count as usize], |weight| read(&[count], weight));
        Ok(Samples { shape: over, classes, weights, reduction: labels.reduction })
    }

    /// Stores the losses, given for each sample (by its number) as loss and weight, as the reduction asks.
    fn store(&self, output: Operand, total_weight: Operand, loss: impl Fn(usize) -> (f64, f64) + Sync) {
        let n = self.classes.len();
        if self.reduction == Reduction::None {
            let nest = Nest::new(&self.shape, [&output]);
            parallel_for(n, GRAIN, |range| {
                let mut sample = range.start;
                nest.each(range, |[at]| {
                    put(at, output.dtype, loss(sample).0);
                    sample += 1;
                });
            });
            return put(total_weight.data, total_weight.dtype, 0.0);
        }
        // One sum a chunk, added in order: the result does not depend on the threads.
        let sums = Mutex::new(vec![(0.0, 0.0); n.div_ceil(GRAIN)]);
        parallel_for(n, GRAIN, |range| {
            let chunk = range.start / GRAIN;
            let sum = range.map(&loss).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            if let Ok(mut sums) = sums.lock() {
                sums[chunk] = sum;
            }
        });
        let sums = sums.into_inner().unwrap_or_default();
        let (sum, weight) = sums.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        put(output.data, output.dtype, if self.reduction == Reduction::Mean { sum / weight } else { sum });
        put(total_weight.data, total_weight.dtype, weight);
    }

    /// The negative log-likelihoods; with `smoothing` those of the smoothed targets.
    fn forward(&self, shape: &[i64], output: Operand, total_weight: Operand, input: Operand, smoothing: f64) {
        let lines = Lines::new(shape, input);
        let uniform = smoothing / self.weights.len() as f64;
        self.store(output, total_weight, |sample| {
            let Some(class) = self.classes[sample] else { return (0.0, 0.0) };
            let weight = self.weights[class];
            let picked = -(1.0 - smoothing) * weight * lines.get(sample, class);
            let all = |uniform: f64| self.weights.iter().enumerate().map(|(class, w)| uniform * w * lines.get(sample, class)).sum::<f64>();
            (if smoothing == 0.0 { picked } else { picked - all(uniform) }, weight)
        });
    }

    /// What each sample's own gradient is multiplied by, by the sample's number.
    fn scales(&self, gradient: Operand, total_weight: Operand) -> Vec<f64> {
        let n = self.classes.len();
        match self.reduction {
            Reduction::None => read(&self.shape, gradient),
            Reduction::Sum => vec![read(&[], gradient)[0]; n],
            Reduction::Mean => vec![read(&[], gradient)[0] / read(&[], total_weight)[0]; n],
        }
    }

    fn backward(&self, shape: &[i64], output: Operand, gradient: Operand, total_weight: Operand) {
        let scales = self.scales(gradient, total_weight);
        let lines = Lines::new(shape, output);
        parallel_for(self.classes.len(), GRAIN, |range| {
            for sample in range {
                if let Some(class) = self.classes[sample] {
                    put(lines.at(sample, class), output.dtype, -self.weights[class] * scales[sample]);
                }
            }
        });
    }

    fn cross_backward<T: Cast + Exponential>(
        &self,
        shape: &[i64],
        output: Operand,
        [gradient, total_weight, log_probabilities]: [Operand; 3],
        smoothing: f64,
    ) {
        let scales = self.scales(gradient, total_weight);
        let uniform: Vec<f64> = self.weights.iter().map(|weight| weight * smoothing / self.weights.len() as f64).collect();
        let all: f64 = uniform.iter().sum();
        let uniform: Vec<T> = uniform.into_iter().map(T::from_double).collect();
        each_row::<T, 2>(shape, class_dim(shape), [output, log_probabilities], |sample, to, inputs| {
            let Some(class) = self.classes[sample] else { return to.fill(T::default()) };
            let (log, scale) = (inputs[0], T::from_double(scales[sample]));
            let picked = (1.0 - smoothing) * self.weights[class];
            // The target distribution sums to `total`; the gradient is total * softmax - target.
            let total = T::from_double(picked + all) * scale;
            let uniform = &uniform;
            vectorized(
                #[inline(always)]
                move || {
                    T::exp_into(to, log, T::default());
                    for (to, &uniform) in to.iter_mut().zip(uniform) {
                        *to = *to * total - uniform * scale;
                    }
                    to[class] = to[class] - T::from_double(picked) * scale;
                },
            );
        });
    }
}

/// Single elements of an array by sample and class.
struct Lines<'a> {
    first: Nest<1>,
    stride: i64,
    operand: Operand<'a>,
    double: Caster,
}

impl<'a> Lines<'a> {
    fn new(shape: &[i64], operand: Operand<'a>) -> Lines<'a> {
        let class = class_dim(shape);
        let first = Nest::over(shape, (0..shape.len()).filter(|&d| d != class), [&operand]).merged();
        let stride = operand.strides[class] * operand.dtype.size() as i64;
        Lines { first, stride, operand, double: Caster::new(DType::Float64, operand.dtype) }
    }
    fn at(&self, sample: usize, class: usize) -> *mut u8 {
        let [first] = self.first.locate(sample);
        first.wrapping_offset((class as i64 * self.stride) as isize)
    }
    fn get(&self, sample: usize, class: usize) -> f64 {
        let mut x = 0.0;
        // SAFETY: the operand reaches this element.
        unsafe { self.double.run((&raw mut x).cast(), 8, self.at(sample, class), self.operand.dtype.size() as i64, 1) }
        x
    }
}

/// Stores one element.
fn put(at: *mut u8, dtype: DType, x: f64) {
    write(&[], Operand { data: at, dtype, strides: &[] }, &[x]);
}
