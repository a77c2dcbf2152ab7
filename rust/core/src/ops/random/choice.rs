//! Draws by given probabilities, means or deviations: `bernoulli`, `normal` of tensors, `multinomial`; and permutations.
use super::draw::{self, into, refuse_wide_unsigned, with_discrete, with_real};
use super::{checked_out, drawing_ops, record_constant};
use crate::array::Array;
use crate::mode;
use crate::ops::{copy, pointwise};
use crate::random::Generator;
use crate::tensor::Tensor;
use rustorch_base::layout::broadcast_shapes;
use rustorch_base::random::choice;
use rustorch_base::{DType, Result, ensure};

/// More categories than float32 has consecutive integers are refused.
const MOST_CATEGORIES: i64 = 1 << 24;

/// Can a permutation of `n` integers be held in this dtype?
pub fn check_permutation(n: i64, dtype: DType) -> Result<()> {
    let (most, name) = match dtype {
        DType::UInt8 => (1 << 8, "uint8_t"),
        DType::Int8 => (1 << 7, "int8_t"),
        DType::Int16 => (1 << 15, "int16_t"),
        DType::Int32 => (1 << 31, "int"),
        DType::Float16 => return within(n, (1 << 11) + 1, "2049", "Half"),
        DType::Float32 => return within(n, (1 << 24) + 1, "2^24+1", "Float"),
        DType::Float64 => return within(n, (1 << 53) + 1, "2^53+1", "Double"),
        _ => (i64::MAX, ""),
    };
    ensure!(n <= most, runtime, "value cannot be converted to type {name} without overflow");
    Ok(())
}
fn within(n: i64, most: i64, text: &str, dtype: &str) -> Result<()> {
    ensure!(n <= most, runtime, "n cannot be greater than {text} for {dtype} type.");
    Ok(())
}

/// Writes a permutation of the integers from 0 on into a one-dimensional array.
pub fn permute(array: &Array, generator: Option<&Generator>) -> Result<()> {
    refuse_wide_unsigned(array.dtype, "randperm")?;
    ensure!(array.dtype != DType::Bool, not_implemented, "\"randperm\" not implemented for 'Bool'");
    with_discrete!(array.dtype, "randperm", T => into::<T>(array, |out| {
        choice::permutation(&mut Generator::or_default(generator).source(), out);
        Ok(())
    }))
}

/// A new contiguous tensor, or `out=` in that shape.
fn destination(name: &str, out: Option<&Tensor>, shape: &[i64], like: &Tensor) -> Result<Tensor> {
    match out {
        Some(out) => checked_out(name, out, shape, None),
        None => Ok(Tensor::new(Array::empty(shape, like.dtype(), like.device())?)),
    }
}

/// Every deviation is a number that is not negative.
fn check_deviations(std: &Tensor) -> Result<()> {
    ensure!(!std.dtype().is_complex(), runtime, "normal expects standard deviation to be non-complex");
    if std.device().is_meta() {
        return Ok(());
    }
    let plain = plain(std, DType::Float64)?;
    // SAFETY: a contiguous float64 array that nobody writes now.
    let values = unsafe { std::slice::from_raw_parts(plain.data().cast::<f64>(), plain.numel() as usize) };
    ensure!(values.iter().all(|&value| value >= 0.0), runtime, "normal expects all elements of std >= 0.0");
    Ok(())
}

/// The elements in row-major order, of this dtype.
fn plain(tensor: &Tensor, dtype: DType) -> Result<Array> {
    let _off = mode::Guard::no_grad();
    Ok(copy::contiguous(&copy::cast(tensor, dtype)?)?.array().clone())
}

/// `target = target * std + mean`, each step in the target's dtype.
fn spread(target: &Tensor, std: Option<&Tensor>, mean: Option<&Tensor>) -> Result<()> {
    let _off = mode::Guard::no_grad();
    let mut value = target.clone();
    if let Some(std) = std {
        value = copy::cast(&pointwise::mul(&value, std)?, target.dtype())?;
    }
    if let Some(mean) = mean {
        value = copy::cast(&pointwise::add(&value, mean)?, target.dtype())?;
    }
    copy::copy_elements(target.array(), value.array())?;
    target.bump_version();
    Ok(())
}

/// `normal` with the mean, the deviation or both as tensors; a deviation that is a number is drawn with.
fn normal_by(
    out: Option<&Tensor>,
    mean: Option<&Tensor>,
    std: Option<&Tensor>,
    drawn: f64,
    name: &'static str,
    generator: Option<&Generator>,
) -> Result<Tensor> {
    if let Some(std) = std {
        check_deviations(std)?;
    }
    let inputs: Vec<&Tensor> = mean.into_iter().chain(std).collect();
    let shape = match inputs[..] {
        [mean, std] => broadcast_shapes(mean.shape(), std.shape())?,
        _ => inputs[0].shape().into(),
    };
    ensure!(
        out.is_none() || !crate::autograd::tracks(&inputs),
        runtime,
        "normal(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
    );
    let target = destination("normal", out, &shape, inputs[0])?;
    draw::normal(target.array(), 0.0, drawn, generator)?;
    spread(&target, std, mean)?;
    record_constant(name, &inputs, &target)?;
    Ok(target)
}

/// The rows of weights and the length of one.
fn check_weights(input: &Tensor, samples: i64, replacement: bool, out: Option<&Tensor>) -> Result<(i64, i64)> {
    ensure!((1..=2).contains(&input.ndim()), runtime, "prob_dist must be 1 or 2 dim");
    ensure!(
        input.dtype().is_floating_point(),
        runtime,
        "multinomial only supports floating-point dtypes for input, got: {}",
        input.dtype().scalar_name()
    );
    if let Some(out) = out {
        ensure!(out.dtype() == DType::Int64, runtime, "multinomial expects Long tensor out, got: {}", out.dtype().scalar_name());
    }
    ensure!(samples > 0, runtime, "cannot sample n_sample <= 0 samples");
    let categories = input.shape()[input.ndim() - 1];
    ensure!(replacement || samples <= categories, runtime, "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    ensure!(categories <= MOST_CATEGORIES, runtime, "number of categories cannot exceed 2^24");
    Ok((if input.ndim() == 2 { input.shape()[0] } else { 1 }, categories))
}

/// Fills `out`, `samples` categories for each row of weights.
fn sample_rows(
    weights: &Array,
    categories: usize,
    samples: usize,
    replacement: bool,
    out: &mut [i64],
    generator: Option<&Generator>,
) -> Result<()> {
    let mut source = Generator::or_default(generator).source();
    with_real!(weights.dtype, "multinomial", T => {
        // SAFETY: a contiguous array of this dtype that nobody writes now.
        let rows = unsafe { std::slice::from_raw_parts(weights.data().cast::<T>(), weights.numel() as usize) };
        if !replacement || samples == 1 {
            ensure!(
                categories > 0,
                runtime,
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            );
            return choice::without_replacement(&mut source, rows, categories, samples, out);
        }
        for (i, out) in out.chunks_mut(samples).enumerate() {
            choice::with_replacement(&mut source, &rows[i * categories..(i + 1) * categories], out)?;
        }
        Ok(())
    })
}

drawing_ops! {
    /// Ones with the probabilities of the input, else zeros.
    "bernoulli(Tensor input, *, Generator? generator=None, Tensor? out=None)" [FUNCTION | METHOD]
    fn bernoulli(out: Option<&Tensor>, input: &Tensor, generator: Option<&Generator>) {
        let target = destination("bernoulli", out, input.shape(), input)?;
        draw::bernoulli_each(target.array(), input.array(), generator)?;
        target.bump_version();
        record_constant("BernoulliBackward0", &[input], &target)?;
        Ok(target)
    }
    /// Ones with probability `p`, else zeros, in a tensor of the input's shape and dtype.
    "bernoulli(Tensor input, float p, *, Generator? generator=None)" [FUNCTION | METHOD | NO_OUT]
    fn bernoulli_of(out: Option<&Tensor>, input: &Tensor, p: f64, generator: Option<&Generator>) {
        let target = destination("bernoulli", out, input.shape(), input)?;
        draw::bernoulli(target.array(), p, generator)?;
        record_constant("BernoulliBackward2", &[input], &target)?;
        Ok(target)
    }
    /// Numbers from normal distributions, each of its own mean and standard deviation.
    "normal(Tensor mean, Tensor std, *, Generator? generator=None, Tensor? out=None)" [FUNCTION]
    fn normal(out: Option<&Tensor>, mean: &Tensor, std: &Tensor, generator: Option<&Generator>) {
        normal_by(out, Some(mean), Some(std), 1.0, "NormalBackward3", generator)
    }
    /// Numbers from normal distributions, each of its own mean.
    "normal(Tensor mean, float std=1, *, Generator? generator=None, Tensor? out=None)" [FUNCTION]
    fn normal_about(out: Option<&Tensor>, mean: &Tensor, std: f64, generator: Option<&Generator>) {
        normal_by(out, Some(mean), None, std, "NormalBackward1", generator)
    }
    /// Numbers from normal distributions, each of its own standard deviation.
    "normal(float mean, Tensor std, *, Generator? generator=None, Tensor? out=None)" [FUNCTION]
    fn normal_within(out: Option<&Tensor>, mean: f64, std: &Tensor, generator: Option<&Generator>) {
        let target = normal_by(out, None, Some(std), 1.0, "NormalBackward2", generator)?;
        if mean != 0.0 {
            let mean = crate::ops::create::scalar(rustorch_kernels::Number::Float(mean), target.dtype())?;
            spread(&target, None, Some(&mean))?;
        }
        Ok(target)
    }
    /// Indices drawn by weights: for each row of the input, with or without replacement.
    "multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None, Tensor? out=None)" [FUNCTION | METHOD]
    fn multinomial(out: Option<&Tensor>, input: &Tensor, num_samples: i64, replacement: bool, generator: Option<&Generator>) {
        let (rows, categories) = check_weights(input, num_samples, replacement, out)?;
        let shape = if input.ndim() == 2 { vec![rows, num_samples] } else { vec![num_samples] };
        let drawn = Array::empty(&shape, DType::Int64, input.device())?;
        if drawn.numel() > 0 && !input.device().is_meta() {
            let weights = plain(input, input.dtype())?;
            into::<i64>(&drawn, |out| sample_rows(&weights, categories as usize, num_samples as usize, replacement, out, generator))?;
        }
        let Some(out) = out else { return Ok(Tensor::new(drawn)) };
        let target = checked_out("multinomial", out, &shape, None)?;
        copy::copy_elements(target.array(), &drawn)?;
        target.bump_version();
        Ok(target)
    }
}
