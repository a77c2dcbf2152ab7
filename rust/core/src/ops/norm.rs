//! Normalisations: `layer_norm`, `group_norm`, `batch_norm`.
use crate::array::Array;
use crate::autograd::{Context, Grads, Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::{copy, pointwise, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::Operand;
use rustorch_kernels::cpu::norm::{self as kernels, Affine, Running};
use smallvec::smallvec;

/// What is normalised together.
#[derive(Clone, Copy)]
enum Over {
    /// Each row of a matrix of this shape.
    Rows([i64; 2]),
    /// Each of so many groups of the channels of each sample.
    Groups(i64),
    /// Each channel, by the batch's statistics.
    Batch,
    /// Each channel, by statistics that do not depend on the input.
    Running,
}

impl Over {
    fn name(self) -> &'static str {
        match self {
            Over::Rows(_) => "NativeLayerNormBackward0",
            Over::Groups(_) => "NativeGroupNormBackward0",
            Over::Batch | Over::Running => "NativeBatchNormBackward0",
        }
    }
    /// An input's sizes with the dimensions apart that statistics and parameters treat apart, the dimensions of the
    /// statistics, and the sizes of the parameters.
    fn parts(self, sizes: &[i64]) -> (Dims, &'static [usize], Dims) {
        let rest = |from: usize| sizes.iter().skip(from).product::<i64>();
        match self {
            Over::Rows([rows, width]) => (smallvec![rows, width], &[1], smallvec![1, width]),
            Over::Groups(groups) => {
                let members = sizes[1] / groups;
                (smallvec![sizes[0], groups, members, rest(2)], &[2, 3], smallvec![1, groups, members, 1])
            }
            Over::Batch | Over::Running => (smallvec![sizes[0], sizes[1], rest(2)], &[0, 2], smallvec![1, sizes[1], 1]),
        }
    }
    /// The sizes the kernels are given, of contiguous arrays.
    fn kernel_sizes(self, sizes: &[i64]) -> Dims {
        match self {
            Over::Rows(sizes) => sizes.as_slice().into(),
            _ => smallvec![sizes[0], sizes[1], sizes[2..].iter().product()],
        }
    }
    fn statistics(self, sizes: &[i64]) -> Dims {
        match self {
            Over::Rows([rows, _]) => smallvec![rows],
            Over::Groups(groups) => smallvec![sizes[0], groups],
            Over::Batch | Over::Running => smallvec![sizes[1]],
        }
    }
}

/// Statistics are kept in float32 at least.
fn statistics_dtype(dtype: DType) -> DType {
    if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 }
}

/// Parameters have the input's dtype, or float32 beside a shorter one.
fn check_parameters(input: &Tensor, parameters: [Option<&Tensor>; 2]) -> Result<()> {
    for parameter in parameters.into_iter().flatten() {
        let short = matches!(input.dtype(), DType::Float16 | DType::BFloat16);
        ensure!(
            parameter.dtype() == input.dtype() || (short && parameter.dtype() == DType::Float32),
            runtime,
            "mixed dtype (CPU): expect parameter to have scalar type of Float"
        );
    }
    Ok(())
}

/// A contiguous parameter as a vector.
fn vector(parameter: Option<&Tensor>) -> Result<Option<Tensor>> {
    parameter.map(|parameter| shape::reshape_to(&copy::contiguous(&parameter.detached())?, &[parameter.numel()])).transpose()
}

/// The normalised input, with history. `running` are the statistics kept across batches and their momentum.
fn normalised(
    input: &Tensor,
    parameters: [Option<&Tensor>; 2],
    over: Over,
    running: Option<(&Tensor, &Tensor, f64)>,
    eps: f64,
) -> Result<Tensor> {
    check_parameters(input, parameters)?;
    let array = Array::empty(input.shape(), input.dtype(), input.device())?;
    let dtype = statistics_dtype(input.dtype());
    let saved = || Array::empty(&over.statistics(input.shape()), dtype, input.device());
    let (mut mean, mut rstd) = (Tensor::new(saved()?), Tensor::new(saved()?));
    if array.numel() > 0 && !array.device().is_meta() {
        let x = copy::contiguous(&input.detached())?;
        let [weight, bias] = [vector(parameters[0])?, vector(parameters[1])?];
        let affine = Affine { weight: weight.as_ref().map(Tensor::operand), bias: bias.as_ref().map(Tensor::operand) };
        let sizes = over.kernel_sizes(input.shape());
        let strides = rustorch_base::layout::contiguous_strides(&sizes);
        let (to, from) = (array.operand_with(&strides), x.array().operand_with(&strides));
        let statistics = [mean.operand(), rstd.operand()];
        match (over, running) {
            (Over::Rows(sizes), _) => kernels::layer_norm(sizes, to, statistics, from, affine, eps)?,
            (Over::Groups(groups), _) => kernels::group_norm(&sizes, groups, to, statistics, from, affine, eps)?,
            (Over::Running, Some((mean, variance, _))) => {
                kernels::batch_norm_by(&sizes, to, from, [mean.operand(), variance.operand()], affine, eps)?;
            }
            (_, kept) => {
                let moved = kept.map(|(mean, variance, momentum)| Running { mean: mean.operand(), variance: variance.operand(), momentum });
                kernels::batch_norm(&sizes, to, statistics, from, affine, moved, eps)?;
                for kept in kept.iter().flat_map(|kept| [kept.0, kept.1]) {
                    kept.bump_version();
                }
            }
        }
    }
    let out = Tensor::new(array);
    // An absent parameter has no edge, but its place among the inputs.
    let absent = Tensor::empty(&[0], input.dtype())?;
    let inputs = [input, parameters[0].unwrap_or(&absent), parameters[1].unwrap_or(&absent)];
    if tracks(&inputs) {
        if let (Over::Running, Some((kept, variance, _))) = (over, running) {
            let _off = crate::mode::Guard::no_grad();
            // Copies: training may move the kept ones before the gradient is asked for.
            mean = copy::clone(&copy::cast(&kept.detached(), dtype)?)?;
            rstd = pointwise::unary("rsqrt", &shifted(&copy::cast(&variance.detached(), dtype)?, eps)?)?;
        }
        let saved = [Saved::input(input), Saved::optional(parameters[0]), Saved::input(&mean), Saved::input(&rstd)];
        let bias_dtype = parameters[1].map(Tensor::dtype);
        record(over.name(), &inputs, &[&out], saved, move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None, None, None]) };
            gradients(context, g, over, bias_dtype, eps)
        })?;
    }
    Ok(out)
}

fn shifted(t: &Tensor, eps: f64) -> Result<Tensor> {
    pointwise::call("add", &[TensorOrNumber::Tensor(t), TensorOrNumber::Number(Number::Float(eps))])
}

/// By the kernels, or in differentiable steps where those are asked for.
fn gradients(context: &Context, g: &Tensor, over: Over, bias_dtype: Option<DType>, eps: f64) -> Result<Grads> {
    let (x, weight, mean, rstd) = (context.saved(0)?, context.saved_optional(1)?, context.saved(2)?, context.saved(3)?);
    if tracks(&[g, &x, weight.as_ref().unwrap_or(g)]) {
        return differentiable(context, g, [&x, &mean, &rstd], weight.as_ref(), over, bias_dtype, eps);
    }
    let parameter_sizes: Dims = match &weight {
        Some(weight) => weight.shape().into(),
        None => smallvec![over.parts(x.shape()).2.iter().product()],
    };
    let fresh = |sizes: &[i64], dtype: DType| Ok(Some(crate::ops::create::zeros(sizes, dtype)?));
    let made: [Option<Tensor>; 3] = [
        if context.needs(0) { Some(Tensor::new(Array::empty(x.shape(), x.dtype(), x.device())?)) } else { None },
        match &weight {
            Some(weight) if context.needs(1) => fresh(&parameter_sizes, weight.dtype())?,
            _ => None,
        },
        match bias_dtype {
            Some(dtype) if context.needs(2) => fresh(&parameter_sizes, dtype)?,
            _ => None,
        },
    ];
    if x.numel() > 0 {
        let (x, g) = (copy::contiguous(&x.detached())?, copy::contiguous(&copy::cast(&g.detached(), x.dtype())?)?);
        let weight = vector(weight.as_ref())?;
        let weight = weight.as_ref().map(Tensor::operand);
        let sizes = over.kernel_sizes(x.shape());
        let strides = rustorch_base::layout::contiguous_strides(&sizes);
        let flat = |t: &Option<Tensor>| t.as_ref().map(|t| Operand { strides: &[1], ..t.array().operand() });
        let wanted = [made[0].as_ref().map(|t| t.array().operand_with(&strides)), flat(&made[1]), flat(&made[2])];
        let (g, x) = (g.array().operand_with(&strides), x.array().operand_with(&strides));
        let statistics = [mean.operand(), rstd.operand()];
        match over {
            Over::Rows(sizes) => kernels::layer_norm_backward(sizes, wanted, g, x, statistics, weight)?,
            Over::Groups(groups) => kernels::group_norm_backward(&sizes, groups, wanted, g, x, statistics, weight)?,
            Over::Batch => kernels::batch_norm_backward(&sizes, wanted, g, x, statistics, weight, false)?,
            Over::Running => kernels::batch_norm_backward(&sizes, wanted, g, x, statistics, weight, true)?,
        }
    }
    Ok(made.into_iter().collect())
}

/// The formulas of the kernels, step by step.
fn differentiable(
    context: &Context,
    g: &Tensor,
    [input, mean, rstd]: [&Tensor; 3],
    weight: Option<&Tensor>,
    over: Over,
    bias_dtype: Option<DType>,
    eps: f64,
) -> Result<Grads> {
    let (sizes, axes, parameter) = over.parts(input.shape());
    let average = |t: &Tensor| reduce::mean_over(t, axes, true, None, "MeanBackward1");
    let (x, g) = (shape::reshape_to(input, &sizes)?, shape::reshape_to(g, &sizes)?);
    let (centred, rstd) = if let Over::Running = over {
        (pointwise::sub(&x, &shape::reshape_to(mean, &parameter)?)?, shape::reshape_to(rstd, &parameter)?)
    } else {
        let centred = pointwise::sub(&x, &average(&x)?)?;
        let rstd = pointwise::unary("rsqrt", &shifted(&average(&pointwise::mul(&centred, &centred)?)?, eps)?)?;
        (centred, rstd)
    };
    let standard = pointwise::mul(&centred, &rstd)?;
    let own: Dims = weight.map_or_else(|| smallvec![parameter.iter().product()], |weight| weight.shape().into());
    let total = |t: &Tensor, dtype: DType| copy::cast(&shape::reshape_to(&reduce::sum_to(t, &parameter)?, &own)?, dtype);
    let mut gradients: Grads = smallvec![None, None, None];
    if context.needs(0) {
        let scaled = match weight {
            Some(weight) => pointwise::mul(&g, &shape::reshape_to(weight, &parameter)?)?,
            None => g.clone(),
        };
        let rest = if let Over::Running = over {
            scaled
        } else {
            let along = pointwise::mul(&standard, &average(&pointwise::mul(&scaled, &standard)?)?)?;
            pointwise::sub(&pointwise::sub(&scaled, &average(&scaled)?)?, &along)?
        };
        let whole = copy::cast(&pointwise::mul(&rstd, &rest)?, input.dtype())?;
        gradients[0] = Some(shape::reshape_to(&whole, input.shape())?);
    }
    if let (Some(weight), true) = (weight, context.needs(1)) {
        gradients[1] = Some(total(&pointwise::mul(&g, &standard)?, weight.dtype())?);
    }
    if let (Some(dtype), true) = (bias_dtype, context.needs(2)) {
        gradients[2] = Some(total(&g, dtype)?);
    }
    Ok(gradients)
}

fn check_normalized_shape(input: &Tensor, normalized: &[i64], parameters: [(&str, Option<&Tensor>); 2]) -> Result<()> {
    ensure!(
        !normalized.is_empty(),
        runtime,
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = {normalized:?}"
    );
    for (name, parameter) in parameters {
        let Some(parameter) = parameter else { continue };
        ensure!(
            parameter.shape() == normalized,
            runtime,
            "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {:?} and normalized_shape = {normalized:?}",
            parameter.shape()
        );
    }
    if !input.shape().ends_with(normalized) {
        let sizes = normalized.iter().fold(String::new(), |list, size| list + ", " + &size.to_string());
        bail!(
            runtime,
            "Given normalized_shape={normalized:?}, expected input with shape [*{sizes}], but got input of size{:?}",
            input.shape()
        )
    }
    Ok(())
}

fn check_groups(input: &Tensor, groups: i64, parameters: [(&str, Option<&Tensor>); 2]) -> Result<()> {
    ensure!(input.ndim() >= 2, runtime, "Expected at least 2 dimensions for input tensor but received {}", input.ndim());
    let channels = input.shape()[1];
    ensure!(groups > 0, runtime, "Expected num groups to be greater than 0, got {groups}");
    ensure!(
        channels % groups == 0,
        runtime,
        "Expected number of channels in input to be divisible by num_groups, but got input of shape {:?} and num_groups={groups}",
        input.shape()
    );
    for (name, parameter) in parameters {
        let Some(parameter) = parameter else { continue };
        ensure!(
            parameter.shape() == [channels],
            runtime,
            "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape {:?} and input of shape {:?}",
            parameter.shape(),
            input.shape()
        );
    }
    if !input.dtype().is_floating_point() {
        bail!(not_implemented, "\"GroupNormKernelImpl\" not implemented for '{}'", input.dtype().scalar_name())
    }
    Ok(())
}

crate::ops! {
    /// Each slice of the last dimensions, whose sizes are `normalized_shape`, with mean 0 and variance 1; then times `weight`, plus `bias`.
    "layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True)" [FUNCTION | NO_OUT]
    fn layer_norm(input: &Tensor, normalized_shape: &[i64], weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64, cudnn_enable: bool) -> Result<Tensor> {
        let _ = cudnn_enable;
        check_normalized_shape(input, normalized_shape, [("weight", weight), ("bias", bias)])?;
        let rows = input.shape()[..input.ndim() - normalized_shape.len()].iter().product();
        normalised(input, [weight, bias], Over::Rows([rows, normalized_shape.iter().product()]), None, eps)
    }
    /// Each of `num_groups` groups of channels of each sample of (N, C, ...) with mean 0 and variance 1; then scaled by channel.
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True)" [FUNCTION | NO_OUT]
    fn group_norm(input: &Tensor, num_groups: i64, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64, cudnn_enabled: bool) -> Result<Tensor> {
        let _ = cudnn_enabled;
        check_groups(input, num_groups, [("weight", weight), ("bias", bias)])?;
        normalised(input, [weight, bias], Over::Groups(num_groups), None, eps)
    }
    /// Each channel of (N, C, ...) with mean 0 and variance 1 over the batch (`training`), or by the running statistics.
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled)" [FUNCTION | NO_OUT]
    fn batch_norm(input: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, running_mean: Option<&Tensor>, running_var: Option<&Tensor>, training: bool, momentum: f64, eps: f64, cudnn_enabled: bool) -> Result<Tensor> {
        let _ = cudnn_enabled;
        ensure!(input.ndim() >= 2, index, "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
        if running_mean.is_some() != running_var.is_some() {
            bail!(value, "running_mean and running_var must either both be None or neither be None")
        }
        let channels = input.shape()[1];
        for (name, tensor) in [("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)] {
            let Some(tensor) = tensor else { continue };
            ensure!(tensor.numel() == channels, runtime, "{name} should contain {channels} elements not {}", tensor.numel());
        }
        ensure!(training || running_mean.is_some(), runtime, "running_mean must be defined in evaluation mode");
        let running = running_mean.zip(running_var).map(|(mean, variance)| (mean, variance, momentum));
        normalised(input, [weight, bias], if training { Over::Batch } else { Over::Running }, running, eps)
    }
}
