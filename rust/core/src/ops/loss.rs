//! Losses: negative log-likelihood, cross-entropy, mean squared error.
use crate::array::Array;
use crate::autograd::engine::{self, Options};
use crate::autograd::{Grads, Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::{pointwise, reduce, select, shape, softmax};
use crate::tensor::Tensor;
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::Operand;
use rustorch_kernels::cpu::loss::{self as kernels, Labels, Reduction};
use smallvec::{SmallVec, smallvec};

/// PyTorch's numbers for `reduction`.
fn reduction_of(number: i64) -> Result<Reduction> {
    Ok(match number {
        0 => Reduction::None,
        1 => Reduction::Mean,
        2 => Reduction::Sum,
        other => bail!(value, "{other} is not a valid value for reduction"),
    })
}

/// What a classification loss is asked besides its input.
#[derive(Clone)]
struct Task {
    target: Tensor,
    weight: Option<Tensor>,
    ignore_index: i64,
    reduction: Reduction,
}

fn class_dim(input: &Tensor) -> usize {
    usize::from(input.ndim() > 1)
}

impl Task {
    fn new(input: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: i64, ignore_index: i64) -> Result<Task> {
        let (x, y) = (input.shape(), target.shape());
        ensure!(!x.is_empty(), value, "Expected 1 or more dimensions (got 0)");
        if x.len() > 1 {
            ensure!(
                !y.is_empty() && x[0] == y[0],
                value,
                "Expected input batch_size ({}) to match target batch_size ({}).",
                x[0],
                y.first().unwrap_or(&0)
            );
        }
        let mut expected: Dims = x.into();
        let classes = expected.remove(class_dim(input));
        if y != &expected[..] {
            if x.len() == 2 || x.len() == 1 {
                ensure!(y.len() < 2, runtime, "0D or 1D target tensor expected, multi-target not supported");
                bail!(runtime, "size mismatch (got input: {x:?}, target: {y:?})")
            }
            bail!(runtime, "Expected target size {:?}, got {y:?}", &expected[..])
        }
        ensure!(
            matches!(target.dtype(), DType::Int64 | DType::UInt8),
            runtime,
            "expected scalar type Long but found {}",
            target.dtype().scalar_name()
        );
        if let Some(weight) = weight {
            ensure!(
                weight.ndim() == 1 && weight.numel() == classes,
                runtime,
                "weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: {:?}",
                weight.shape()
            );
            ensure!(
                weight.dtype() == input.dtype(),
                runtime,
                "expected scalar type {} but found {}",
                input.dtype().scalar_name(),
                weight.dtype().scalar_name()
            );
        }
        Ok(Task { target: target.clone(), weight: weight.cloned(), ignore_index, reduction: reduction_of(reduction)? })
    }
    fn labels(&self) -> Labels<'_> {
        Labels {
            target: self.target.operand(),
            weight: self.weight.as_ref().map(Tensor::operand),
            ignore_index: self.ignore_index,
            reduction: self.reduction,
        }
    }
    fn saved(&self) -> [Saved; 2] {
        [Saved::input(&self.target), Saved::optional(self.weight.as_ref())]
    }
    /// The loss's array, and the one of the total weight.
    fn outputs(&self, input: &Tensor) -> Result<(Array, Array)> {
        let shape: Dims = if self.reduction == Reduction::None { self.target.shape().into() } else { Dims::new() };
        Ok((Array::empty(&shape, input.dtype(), input.device())?, Array::empty(&[], input.dtype(), input.device())?))
    }
}

/// The negative log-likelihood: linear in the input, so its gradient's gradient is itself.
fn nll(input: &Tensor, task: &Task) -> Result<Tensor> {
    ensure!(
        input.dtype().is_floating_point(),
        not_implemented,
        "\"nll_loss_out_frame\" not implemented for '{}'",
        input.dtype().scalar_name()
    );
    let (loss, total) = task.outputs(input)?;
    kernels::nll_loss(input.shape(), loss.operand(), total.operand(), input.operand(), task.labels())?;
    let out = Tensor::new(loss);
    if tracks(&[input]) {
        let name = if input.ndim() < 4 { "NllLossBackward0" } else { "NllLoss2DBackward0" };
        let [target, weight] = task.saved();
        let (task, sizes): (Task, Dims) = (task.clone(), input.shape().into());
        let total = Saved::input(&Tensor::new(total));
        record(name, &[input], &[&out], [target, weight, total], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            context.saved(0)?;
            Ok(smallvec![Some(nll_gradient(g, &context.saved(2)?, &sizes, &task)?)])
        })?;
    }
    Ok(out)
}
fn nll_gradient(g: &Tensor, total: &Tensor, sizes: &[i64], task: &Task) -> Result<Tensor> {
    let array = Array::empty(sizes, total.dtype(), total.device())?;
    kernels::nll_loss_backward(sizes, array.operand(), g.operand(), total.operand(), task.labels())?;
    let out = Tensor::new(array);
    if tracks(&[g]) {
        let task = task.clone();
        record("NllLossBackwardBackward0", &[g], &[&out], [], move |_, gg| {
            Ok(smallvec![gg[0].as_ref().map(|gg| nll(gg, &task)).transpose()?])
        })?;
    }
    Ok(out)
}

/// Log-softmax and its likelihood in one pass.
fn cross_entropy_of_classes(input: &Tensor, task: &Task, smoothing: f64) -> Result<Tensor> {
    ensure!(
        input.dtype().is_floating_point(),
        not_implemented,
        "\"log_softmax_lastdim_kernel_impl\" not implemented for '{}'",
        input.dtype().scalar_name()
    );
    let (loss, total) = task.outputs(input)?;
    let log_probabilities = Array::empty(input.shape(), input.dtype(), input.device())?;
    let outputs: [Operand<'_>; 3] = [loss.operand(), total.operand(), log_probabilities.operand()];
    kernels::cross_entropy(input.shape(), outputs, input.operand(), task.labels(), smoothing)?;
    let out = Tensor::new(loss);
    if tracks(&[input]) {
        let [target, weight] = task.saved();
        let held = [Saved::input(input), target, weight, Saved::input(&Tensor::new(total)), Saved::input(&Tensor::new(log_probabilities))];
        let task = task.clone();
        let name = if input.ndim() < 4 { "NllLossBackward0" } else { "NllLoss2DBackward0" };
        record(name, &[input], &[&out], held, move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let input = context.saved(0)?;
            context.saved(1)?;
            if tracks(&[g, &input]) {
                return differentiable_gradient(&input, g, &task, smoothing);
            }
            let (total, log_probabilities) = (context.saved(3)?, context.saved(4)?);
            let array = Array::empty(input.shape(), input.dtype(), input.device())?;
            let reads = [g.operand(), total.operand(), log_probabilities.operand()];
            kernels::cross_entropy_backward(input.shape(), array.operand(), reads, task.labels(), smoothing)?;
            Ok(smallvec![Some(Tensor::new(array))])
        })?;
    }
    Ok(out)
}

/// The gradient as a graph of its own: of the loss composed of differentiable steps.
fn differentiable_gradient(input: &Tensor, g: &Tensor, task: &Task, smoothing: f64) -> Result<Grads> {
    let log_probabilities = softmax::softmax_along(input, class_dim(input), None, true)?;
    let mut loss = nll(&log_probabilities, task)?;
    if smoothing > 0.0 {
        loss = scaled(&loss, 1.0 - smoothing)?;
        loss = pointwise::add(&loss, &uniform_loss(&log_probabilities, task, smoothing)?)?;
    }
    let options = Options { keep_graph: true, create_graph: true };
    Ok(engine::grad(&[loss], std::slice::from_ref(input), &[Some(g.clone())], options, false)?.into_iter().collect())
}
/// The part of a smoothed loss that all classes share.
fn uniform_loss(log_probabilities: &Tensor, task: &Task, smoothing: f64) -> Result<Tensor> {
    let dim = class_dim(log_probabilities);
    let classes = log_probabilities.shape()[dim];
    let weighted = match &task.weight {
        None => log_probabilities.clone(),
        Some(weight) => pointwise::mul(log_probabilities, &along_classes(weight, log_probabilities)?)?,
    };
    let each = pointwise::unary("neg", &reduce::sum_over(&weighted, &[dim], false, None, "SumBackward1")?)?;
    let ignored = pointwise::call("eq", &[TensorOrNumber::Tensor(&task.target), TensorOrNumber::Number(Number::Int(task.ignore_index))])?;
    let each = select::masked_fill_number(&each, &ignored, Number::Float(0.0))?;
    let reduced = match task.reduction {
        Reduction::None => each,
        Reduction::Sum => reduce::sum(&each, None)?,
        Reduction::Mean => {
            let (loss, total) = task.outputs(log_probabilities)?;
            kernels::nll_loss(log_probabilities.shape(), loss.operand(), total.operand(), log_probabilities.operand(), task.labels())?;
            pointwise::div(&reduce::sum(&each, None)?, &Tensor::new(total))?
        }
    };
    scaled(&reduced, smoothing / classes as f64)
}
/// A weight a class, shaped to broadcast over the input.
fn along_classes(weight: &Tensor, input: &Tensor) -> Result<Tensor> {
    let mut sizes: Dims = smallvec![1; input.ndim()];
    sizes[class_dim(input)] = weight.numel();
    shape::reshape_to(weight, &sizes)
}

/// The target is a distribution over the classes.
fn cross_entropy_of_probabilities(
    input: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: Reduction,
    smoothing: f64,
) -> Result<Tensor> {
    ensure!(
        target.dtype().is_floating_point(),
        runtime,
        "Expected floating point type for target with class probabilities, got {}",
        target.dtype().scalar_name()
    );
    let dim = class_dim(input);
    let classes = input.shape()[dim];
    let mut target = target.clone();
    if smoothing > 0.0 {
        let uniform = TensorOrNumber::Number(Number::Float(smoothing / classes as f64));
        let one = TensorOrNumber::Number(Number::Int(1));
        target = pointwise::call("add", &[TensorOrNumber::Tensor(&scaled(&target, 1.0 - smoothing)?), uniform, one])?;
    }
    let mut product = pointwise::mul(&softmax::softmax_along(input, dim, None, true)?, &target)?;
    if let Some(weight) = weight {
        product = pointwise::mul(&product, &along_classes(weight, input)?)?;
    }
    let axes: SmallVec<[usize; 5]> = if reduction == Reduction::None { smallvec![dim] } else { (0..input.ndim()).collect() };
    let total = pointwise::unary("neg", &reduce::sum_over(&product, &axes, false, None, "SumBackward1")?)?;
    if reduction == Reduction::Mean {
        let samples = if input.ndim() > 1 { input.numel() / classes.max(1) } else { 1 };
        return pointwise::call("div", &[TensorOrNumber::Tensor(&total), TensorOrNumber::Number(Number::Int(samples))]);
    }
    Ok(total)
}

fn scaled(tensor: &Tensor, factor: f64) -> Result<Tensor> {
    pointwise::scale(tensor, factor)
}

crate::ops! {
    /// Minus the log-probability of the target class; input (C), (N, C) or (N, C, ...), reduction 0 none, 1 mean, 2 sum.
    "nll_loss_nd(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100)" [NN | NO_OUT]
    fn nll_loss_nd(input: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: i64, ignore_index: i64) -> Result<Tensor> {
        nll(input, &Task::new(input, target, weight, reduction, ignore_index)?)
    }
    /// `nll_loss_nd` for one dimension of samples.
    "nll_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100)" [NN | NO_OUT]
    fn nll_loss(input: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: i64, ignore_index: i64) -> Result<Tensor> {
        nll_loss_nd(input, target, weight, reduction, ignore_index)
    }
    /// `nll_loss` of `log_softmax`; the target is class numbers, or probabilities of the input's shape.
    "cross_entropy_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.0)" [NN | NO_OUT]
    fn cross_entropy_loss(input: &Tensor, target: &Tensor, weight: Option<&Tensor>, reduction: i64, ignore_index: i64, label_smoothing: f64) -> Result<Tensor> {
        ensure!((0.0..=1.0).contains(&label_smoothing), runtime, "label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}");
        if input.shape() == target.shape() && input.ndim() > 0 && target.dtype().is_floating_point() {
            ensure!(ignore_index < 0, runtime, "ignore_index is not supported for floating point target");
            return cross_entropy_of_probabilities(input, target, weight, reduction_of(reduction)?, label_smoothing);
        }
        cross_entropy_of_classes(input, &Task::new(input, target, weight, reduction, ignore_index)?, label_smoothing)
    }
    /// The squared differences, their mean or their sum.
    "mse_loss(Tensor input, Tensor target, int reduction=1)" [NN | NO_OUT]
    fn mse_loss(input: &Tensor, target: &Tensor, reduction: i64) -> Result<Tensor> {
        let reduction = reduction_of(reduction)?;
        let value = {
            let _off = crate::mode::Guard::no_grad();
            let difference = pointwise::sub(input, target)?;
            let squared = pointwise::mul(&difference, &difference)?;
            match reduction {
                Reduction::None => squared,
                Reduction::Mean => reduce::mean(&squared, None)?,
                Reduction::Sum => reduce::sum(&squared, None)?,
            }
        };
        if tracks(&[input, target]) {
            let shapes: (Dims, Dims) = (input.shape().into(), target.shape().into());
            record("MseLossBackward0", &[input, target], &[&value], [Saved::input(input), Saved::input(target)], move |context, g| {
                let mut gradients: Grads = smallvec![None, None];
                let Some(g) = &g[0] else { return Ok(gradients) };
                let difference = pointwise::sub(&context.saved(0)?, &context.saved(1)?)?;
                let factor = if reduction == Reduction::Mean { 2.0 / difference.numel() as f64 } else { 2.0 };
                let full = scaled(&pointwise::mul(&difference, g)?, factor)?;
                if context.needs(1) { gradients[1] = Some(reduce::sum_to(&pointwise::unary("neg", &full)?, &shapes.1)?) }
                if context.needs(0) { gradients[0] = Some(reduce::sum_to(&full, &shapes.0)?) }
                Ok(gradients)
            })?;
        }
        Ok(value)
    }
}
