//! Dropout: elements or whole channels become zero with probability `p`, the others grow so that the mean stays.
use crate::array::Array;
use crate::autograd::{record, tracks};
use crate::mode;
use crate::op::{self, Args, Def, Number, Target, TensorOrNumber, Value};
use crate::ops::random::draw;
use crate::ops::{copy, create, pointwise};
use crate::tensor::Tensor;
use rustorch_base::{DType, Result, ensure};
use smallvec::smallvec;

/// The limit of SELU for large negative inputs, times -1: what dropped elements become.
const SELU_LIMIT: f64 = 1.7580993408473766;

/// What is dropped, and what takes its place.
#[derive(Clone, Copy)]
struct Kind {
    channels: bool,
    keeps_variance: bool,
}

const ELEMENTS: Kind = Kind { channels: false, keeps_variance: false };
const CHANNELS: Kind = Kind { channels: true, keeps_variance: false };
const SELF_NORMALIZING: Kind = Kind { channels: false, keeps_variance: true };
const SELF_NORMALIZING_CHANNELS: Kind = Kind { channels: true, keeps_variance: true };

/// A pointwise op of the tensor and numbers, without history.
fn with_numbers(name: &str, tensor: &Tensor, numbers: &[f64]) -> Result<Tensor> {
    let _off = mode::Guard::no_grad();
    let numbers = numbers.iter().map(|&number| TensorOrNumber::Number(Number::Float(number)));
    let operands: Vec<_> = std::iter::once(TensorOrNumber::Tensor(tensor)).chain(numbers).collect();
    pointwise::call(name, &operands)
}
/// `tensor + number`; the op's last operand is its `alpha`.
fn plus(tensor: &Tensor, number: f64) -> Result<Tensor> {
    with_numbers("add", tensor, &[number, 1.0])
}
fn times(tensor: &Tensor, number: f64) -> Result<Tensor> {
    with_numbers("mul", tensor, &[number])
}

/// Ones for what is kept, zeros for what is dropped: one for each element, or for each channel of each sample.
fn mask(input: &Tensor, p: f64, kind: Kind) -> Result<Tensor> {
    let mask = if kind.channels {
        ensure!(input.ndim() >= 2, runtime, "Feature dropout requires at least 2 dimensions in the input");
        let mut shape = vec![1; input.ndim()];
        shape[..2].copy_from_slice(&input.shape()[..2]);
        Tensor::new(Array::empty(&shape, input.dtype(), input.device())?)
    } else {
        create::empty_like(&input.detached(), None, None, None, None, false, false)?
    };
    draw::bernoulli(mask.array(), 1.0 - p, None)?;
    Ok(mask)
}

/// Whether the input passes as it is.
fn is_nothing_to_do(input: &Tensor, p: f64, train: bool) -> Result<bool> {
    ensure!((0.0..=1.0).contains(&p), runtime, "dropout probability has to be between 0 and 1, but got {}", draw::six_digits(p));
    Ok(p == 0.0 || !train || input.numel() == 0)
}

/// The product with a mask, which carries the gradient too.
fn apply(input: &Tensor, p: f64, train: bool, kind: Kind) -> Result<Tensor> {
    if is_nothing_to_do(input, p, train)? {
        return Ok(input.clone());
    }
    if p == 1.0 {
        return pointwise::mul(input, &create::full(&[], Number::Int(0), input.dtype(), input.device())?);
    }
    let mask = mask(input, p, kind)?;
    if kind.keeps_variance {
        let scale = 1.0 / ((SELU_LIMIT * SELU_LIMIT * p + 1.0) * (1.0 - p)).sqrt();
        let dropped = plus(&mask, -1.0)?;
        let shift = plus(&times(&dropped, SELU_LIMIT * scale)?, SELU_LIMIT * scale * p)?;
        return pointwise::add(&pointwise::mul(input, &times(&mask, scale)?)?, &shift);
    }
    ensure!(
        input.dtype().is_differentiable(),
        runtime,
        "result type Float can't be cast to the desired output type {}",
        input.dtype().scalar_name()
    );
    pointwise::mul(input, &with_numbers("div", &mask, &[1.0 - p])?)
}

/// The op in place, by way of the door.
fn in_place(def: &'static Def, input: &Tensor, p: f64, train: bool) -> Result<Tensor> {
    if is_nothing_to_do(input, p, train)? {
        return Ok(input.clone());
    }
    let values = [Value::Tensor(input), Value::Float(p), Value::Bool(train)];
    let args = Args { values: &values, keys: op::keys_of(&values), out: &[input], target: Target::Inplace };
    copy::single(op::call(def, &args)?)
}

crate::ops! {
    /// Sets elements to zero with probability `p` and scales the others by `1 / (1 - p)`; outside of training the input.
    "dropout(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn dropout(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { apply(input, p, train, ELEMENTS) }
    /// [`dropout`] in place.
    "dropout_(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn dropout_(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { in_place(&dropout::DEF, input, p, train) }
    /// Sets whole channels (the second dimension) to zero with probability `p` and scales the others.
    "feature_dropout(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn feature_dropout(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { apply(input, p, train, CHANNELS) }
    /// [`feature_dropout`] in place.
    "feature_dropout_(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn feature_dropout_(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { in_place(&feature_dropout::DEF, input, p, train) }
    /// Dropout that keeps mean and variance behind SELU.
    "alpha_dropout(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn alpha_dropout(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { apply(input, p, train, SELF_NORMALIZING) }
    /// [`alpha_dropout`] in place.
    "alpha_dropout_(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn alpha_dropout_(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { in_place(&alpha_dropout::DEF, input, p, train) }
    /// Dropout of whole channels that keeps mean and variance behind SELU.
    "feature_alpha_dropout(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn feature_alpha_dropout(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { apply(input, p, train, SELF_NORMALIZING_CHANNELS) }
    /// [`feature_alpha_dropout`] in place.
    "feature_alpha_dropout_(Tensor input, float p, bool train)" [FUNCTION | NO_OUT]
    fn feature_alpha_dropout_(input: &Tensor, p: f64, train: bool) -> Result<Tensor> { in_place(&feature_alpha_dropout::DEF, input, p, train) }
    /// Dropout and the mask of what it kept.
    "native_dropout(Tensor input, float p, bool? train)" [FUNCTION | NO_OUT]
    fn native_dropout(input: &Tensor, p: f64, train: Option<bool>) -> Result<(Tensor, Tensor)> {
        if train == Some(false) {
            let kept = create::full_like(input, Number::Bool(true), None, Some(DType::Bool), None, None, false, false)?;
            return Ok((copy::clone(input)?, kept));
        }
        ensure!((0.0..=1.0).contains(&p), runtime, "bernoulli_ expects p to be in [0, 1], but got p={}", draw::six_digits(1.0 - p));
        let kept = create::empty_like(&input.detached(), None, Some(DType::Bool), None, None, false, false)?;
        draw::bernoulli(kept.array(), 1.0 - p, None)?;
        let scale = if p == 1.0 { 0.0 } else { 1.0 / (1.0 - p) };
        let scaled = move |x: &Tensor, kept: &Tensor| pointwise::scale(&pointwise::mul(x, kept)?, scale);
        let out = {
            let _off = mode::Guard::no_grad();
            scaled(input, &kept)?
        };
        if tracks(&[input]) {
            let kept = kept.clone();
            record("NativeDropoutBackward0", &[input], &[&out], [], move |_, g| {
                Ok(smallvec![g[0].as_ref().map(|g| scaled(g, &kept)).transpose()?])
            })?;
        }
        Ok((out, kept))
    }
}
