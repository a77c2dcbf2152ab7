//! Convolution in one to three dimensions of space, and transposed convolution. Three linear maps - forward, input gradient,
//! weight gradient - are each other's derivatives, so every order of gradient is one of them.
use crate::array::Array;
use crate::autograd::{Grads, Saved, record, tracks};
use crate::ops::{copy, pointwise, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::MemoryFormat;
use rustorch_base::{Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu::conv::{self, Geometry, Space};
use smallvec::{SmallVec, smallvec};

/// How a kernel moves over its input: one number a dimension of space.
#[derive(Clone, Debug)]
struct Steps {
    stride: Dims,
    padding: Dims,
    dilation: Dims,
    groups: i64,
}

/// One number stands for every dimension.
fn spread(given: &[i64], space: usize, name: &str) -> Result<Dims> {
    match given.len() {
        1 => Ok(smallvec![given[0]; space]),
        n if n == space => Ok(given.into()),
        n => bail!(
            runtime,
            "expected {name} to be a single integer value or a list of {space} values to match the convolution dimensions, but got {name}={given:?} of {n} values"
        ),
    }
}

/// Missing dimensions of space in front.
fn in_three(sizes: &[i64], fill: usize) -> Space {
    let mut space = [fill; 3];
    for (to, &from) in space[3 - sizes.len()..].iter_mut().zip(sizes) {
        *to = from as usize;
    }
    space
}

impl Steps {
    fn geometry(&self, input: &[i64], weight: &[i64]) -> Geometry {
        Geometry {
            batch: input[0] as usize,
            groups: self.groups as usize,
            in_channels: input[1] as usize,
            out_channels: weight[0] as usize,
            input: in_three(&input[2..], 1),
            kernel: in_three(&weight[2..], 1),
            stride: in_three(&self.stride, 1),
            padding: in_three(&self.padding, 0),
            dilation: in_three(&self.dilation, 1),
        }
    }
    /// The size of the forward result.
    fn output(&self, input: &[i64], weight: &[i64]) -> Dims {
        let geometry = self.geometry(input, weight);
        let mut sizes: Dims = smallvec![input[0], weight[0]];
        sizes.extend(geometry.output()[3 - (input.len() - 2)..].iter().map(|&n| n as i64));
        sizes
    }
}

/// `input * weight + bias`, with history.
fn convolve(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, steps: &Steps) -> Result<Tensor> {
    let sizes = steps.output(input.shape(), weight.shape());
    let array = Array::empty(&sizes, input.dtype(), input.device())?;
    if array.numel() > 0 && !array.device().is_meta() {
        let (x, w) = (copy::contiguous(&input.detached())?, copy::contiguous(&weight.detached())?);
        let b = bias.map(|bias| copy::contiguous(&bias.detached())).transpose()?;
        let geometry = steps.geometry(input.shape(), weight.shape());
        let bias = b.as_ref().map(Tensor::operand);
        // SAFETY: contiguous arrays of the geometry's sizes and one dtype; the result is fresh.
        unsafe { conv::forward(&geometry, &x.operand(), &w.operand(), bias.as_ref(), &array.operand())? };
    }
    let out = Tensor::new(like_format(array, input, weight)?);
    let saved = [Saved::input(input), Saved::input(weight)];
    let steps = steps.clone();
    let with_bias = bias.is_some();
    let formula = move |context: &crate::autograd::Context, g: &[Option<Tensor>]| {
        let mut gradients: Grads = smallvec![None; if with_bias { 3 } else { 2 }];
        let Some(g) = &g[0] else { return Ok(gradients) };
        let (x, w) = (context.saved(0)?, context.saved(1)?);
        if context.needs(0) {
            gradients[0] = Some(input_gradient(g, &w, x.shape(), &steps)?);
        }
        if context.needs(1) {
            gradients[1] = Some(weight_gradient(g, &x, w.shape(), &steps)?);
        }
        if with_bias && context.needs(2) {
            let axes: SmallVec<[usize; 5]> = (0..g.ndim()).filter(|&d| d != 1).collect();
            gradients[2] = Some(reduce::sum_over(g, &axes, false, None, "SumBackward1")?);
        }
        Ok(gradients)
    };
    match bias {
        Some(bias) if tracks(&[input, weight, bias]) => record("ConvolutionBackward0", &[input, weight, bias], &[&out], saved, formula)?,
        None if tracks(&[input, weight]) => record("ConvolutionBackward0", &[input, weight], &[&out], saved, formula)?,
        _ => {}
    }
    Ok(out)
}

/// A convolution of channels-last tensors is channels-last.
fn like_format(array: Array, input: &Tensor, weight: &Tensor) -> Result<Array> {
    let last = |t: &Tensor| t.layout().is_channels_last(MemoryFormat::ChannelsLast) && !t.is_contiguous();
    if array.layout.ndim() != 4 || !(last(input) || last(weight)) {
        return Ok(array);
    }
    let strides = rustorch_base::layout::channels_last_strides(array.shape());
    let laid = Array::with_layout(Layout { shape: array.shape().into(), strides, offset: 0 }, array.dtype, array.device())?;
    copy::copy_elements(&laid, &array)?;
    Ok(laid)
}

/// The gradient of the input, of size `sizes`: also the transposed convolution.
fn input_gradient(g: &Tensor, weight: &Tensor, sizes: &[i64], steps: &Steps) -> Result<Tensor> {
    let array = Array::empty(sizes, g.dtype(), g.device())?;
    if array.numel() > 0 && !array.device().is_meta() {
        let (dy, w) = (copy::contiguous(&g.detached())?, copy::contiguous(&weight.detached())?);
        let geometry = steps.geometry(sizes, weight.shape());
        // SAFETY: as in `convolve`.
        unsafe { conv::input_gradient(&geometry, &dy.operand(), &w.operand(), &array.operand())? };
    }
    let out = Tensor::new(array);
    if tracks(&[g, weight]) {
        let steps = steps.clone();
        record("ConvolutionBackwardBackward0", &[g, weight], &[&out], [Saved::input(g), Saved::input(weight)], move |context, gg| {
            let mut gradients: Grads = smallvec![None, None];
            let Some(gg) = &gg[0] else { return Ok(gradients) };
            let (dy, w) = (context.saved(0)?, context.saved(1)?);
            if context.needs(0) {
                gradients[0] = Some(convolve(gg, &w, None, &steps)?);
            }
            if context.needs(1) {
                gradients[1] = Some(weight_gradient(&dy, gg, w.shape(), &steps)?);
            }
            Ok(gradients)
        })?;
    }
    Ok(out)
}

/// The gradient of the weight, of size `sizes`.
fn weight_gradient(g: &Tensor, input: &Tensor, sizes: &[i64], steps: &Steps) -> Result<Tensor> {
    let array = Array::empty(sizes, g.dtype(), g.device())?;
    if array.numel() > 0 && !array.device().is_meta() {
        let (dy, x) = (copy::contiguous(&g.detached())?, copy::contiguous(&input.detached())?);
        let geometry = steps.geometry(input.shape(), sizes);
        // SAFETY: as in `convolve`.
        unsafe { conv::weight_gradient(&geometry, &dy.operand(), &x.operand(), &array.operand())? };
    }
    let out = Tensor::new(array);
    if tracks(&[g, input]) {
        let steps = steps.clone();
        record("ConvolutionBackwardBackward0", &[g, input], &[&out], [Saved::input(g), Saved::input(input)], move |context, gg| {
            let mut gradients: Grads = smallvec![None, None];
            let Some(gg) = &gg[0] else { return Ok(gradients) };
            let (dy, x) = (context.saved(0)?, context.saved(1)?);
            if context.needs(0) {
                gradients[0] = Some(convolve(&x, gg, None, &steps)?);
            }
            if context.needs(1) {
                gradients[1] = Some(input_gradient(&dy, gg, x.shape(), &steps)?);
            }
            Ok(gradients)
        })?;
    }
    Ok(out)
}

/// The checks that both directions share. Returns the batched input, and whether a batch dimension was added.
fn checked(input: &Tensor, weight: &Tensor, space: usize, name: &str) -> Result<(Tensor, bool)> {
    ensure!(
        input.ndim() == space + 1 || input.ndim() == space + 2,
        runtime,
        "Expected {}D (unbatched) or {}D (batched) input to {name}, but got input of size: {:?}",
        space + 1,
        space + 2,
        input.shape()
    );
    ensure!(
        weight.ndim() == space + 2,
        runtime,
        "weight should have at least three dimensions: expected {}-dimensional weight for {name}, but got weight of size {:?}",
        space + 2,
        weight.shape()
    );
    ensure!(
        input.dtype() == weight.dtype(),
        runtime,
        "Input type ({}) and bias type ({}) should be the same",
        input.dtype().c_name(),
        weight.dtype().c_name()
    );
    ensure!(
        input.dtype().is_floating_point(),
        not_implemented,
        "\"slow_conv2d_cpu\" not implemented for '{}'",
        input.dtype().scalar_name()
    );
    let unbatched = input.ndim() == space + 1;
    Ok((if unbatched { shape::unsqueeze_at(input, 0)? } else { input.clone() }, unbatched))
}

fn check_steps(steps: &Steps) -> Result<()> {
    ensure!(steps.stride.iter().all(|&s| s > 0), runtime, "non-positive stride is not supported");
    ensure!(steps.padding.iter().all(|&p| p >= 0), runtime, "negative padding is not supported");
    ensure!(steps.dilation.iter().all(|&d| d > 0), runtime, "dilation should be greater than zero");
    ensure!(steps.groups > 0, runtime, "non-positive groups is not supported");
    Ok(())
}

fn check_bias(bias: Option<&Tensor>, weight: &Tensor, channels: i64) -> Result<()> {
    if let Some(bias) = bias {
        ensure!(
            bias.ndim() == 1 && bias.shape()[0] == channels,
            runtime,
            "Given weight of size {:?}, expected bias to be 1-dimensional with {channels} elements, but got bias of size {:?} instead",
            weight.shape(),
            bias.shape()
        );
        ensure!(
            bias.dtype() == weight.dtype(),
            runtime,
            "Input type ({}) and bias type ({}) should be the same",
            weight.dtype().c_name(),
            bias.dtype().c_name()
        );
    }
    Ok(())
}

fn joined(sizes: &[i64]) -> String {
    sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ")
}

fn forward(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, steps: &Steps, space: usize) -> Result<Tensor> {
    let (batched, unbatched) = checked(input, weight, space, &format!("conv{space}d"))?;
    check_steps(steps)?;
    let (w, x) = (weight.shape(), batched.shape());
    ensure!(
        w[0] % steps.groups == 0 && w[0] >= steps.groups,
        runtime,
        "Given groups={}, expected weight to be divisible by {} at dimension 0, but got weight of size {w:?} instead",
        steps.groups,
        steps.groups
    );
    ensure!(
        x[1] == w[1] * steps.groups,
        runtime,
        "Given groups={}, weight of size {w:?}, expected input{:?} to have {} channels, but got {} channels instead",
        steps.groups,
        input.shape(),
        w[1] * steps.groups,
        x[1]
    );
    check_bias(bias, weight, w[0])?;
    let padded: Dims = (0..space).map(|d| x[2 + d] + 2 * steps.padding[d]).collect();
    let kernel: Dims = (0..space).map(|d| steps.dilation[d] * (w[2 + d] - 1) + 1).collect();
    ensure!(
        padded.iter().zip(&kernel).all(|(p, k)| p >= k),
        runtime,
        "Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size can't be greater than actual input size",
        joined(&padded),
        joined(&kernel)
    );
    let out = convolve(&batched, weight, bias, steps)?;
    if unbatched { shape::squeeze_dim(&out, 0) } else { Ok(out) }
}

/// `padding="same"` pads so that the size stays; an odd rest goes behind.
fn with_padding(input: &Tensor, weight: &Tensor, padding: &str, mut steps: Steps, space: usize, bias: Option<&Tensor>) -> Result<Tensor> {
    match padding {
        "valid" => {
            steps.padding = smallvec![0; space];
            forward(input, weight, bias, &steps, space)
        }
        "same" => {
            ensure!(steps.stride.iter().all(|&s| s == 1), runtime, "padding='same' is not supported for strided convolutions");
            ensure!(weight.ndim() == space + 2, runtime, "expected {}-dimensional weight, but got {:?}", space + 2, weight.shape());
            let total: Dims = (0..space).map(|d| steps.dilation[d] * (weight.shape()[2 + d] - 1)).collect();
            steps.padding = total.iter().map(|t| t / 2).collect();
            let mut padded = input.clone();
            for (d, t) in total.iter().enumerate().filter(|(_, t)| *t % 2 == 1) {
                let _ = t;
                padded = pad_behind(&padded, input.ndim() - space + d, 1)?;
            }
            forward(&padded, weight, bias, &steps, space)
        }
        other => bail!(runtime, "Invalid padding string: '{other}'"),
    }
}
/// Zeros behind a dimension, `rows` of them.
fn pad_behind(input: &Tensor, dim: usize, rows: i64) -> Result<Tensor> {
    if rows == 0 {
        return Ok(input.clone());
    }
    let mut sizes: Dims = input.shape().into();
    sizes[dim] = rows;
    let border = crate::ops::create::zeros(&sizes, input.dtype())?;
    crate::ops::join::cat_tensors(&[input, &border], dim)
}

/// A transposed convolution of size `sizes` where some output padding is a whole stride or more, so that a convolution of
/// that size would have windows that `input` lacks: made without padding, then cropped, with zeros behind where it ends.
fn uncropped(input: &Tensor, weight: &Tensor, sizes: &[i64], steps: &Steps) -> Result<Tensor> {
    let (x, w) = (input.shape(), weight.shape());
    let without = Steps { padding: smallvec![0; steps.padding.len()], ..steps.clone() };
    let mut whole: Dims = sizes.into();
    for d in 0..sizes.len() - 2 {
        whole[2 + d] = (x[2 + d] - 1) * steps.stride[d] + steps.dilation[d] * (w[2 + d] - 1) + 1;
    }
    let mut out = input_gradient(input, weight, &whole, &without)?;
    for d in 2..sizes.len() {
        let start = steps.padding[d - 2].min(whole[d]);
        let length = sizes[d].min(whole[d] - start);
        out = pad_behind(&shape::slice_range(&out, d, start, length, 1)?, d, sizes[d] - length)?;
    }
    copy::contiguous(&out)
}

/// Transposed convolution; `weight` is (in_channels, out_channels / groups, kernel).
fn transposed(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    steps: &Steps,
    output_padding: &[i64],
    space: usize,
) -> Result<Tensor> {
    let (batched, unbatched) = checked(input, weight, space, &format!("conv_transpose{space}d"))?;
    check_steps(steps)?;
    let (w, x) = (weight.shape(), batched.shape());
    ensure!(
        x[1] == w[0],
        runtime,
        "Given transposed=1, weight of size {w:?}, expected input{:?} to have {} channels, but got {} channels instead",
        input.shape(),
        w[0],
        x[1]
    );
    let channels = w[1] * steps.groups;
    check_bias(bias, weight, channels)?;
    let mut sizes: Dims = smallvec![x[0], channels];
    for d in 0..space {
        let extra = output_padding[d];
        ensure!(
            extra >= 0 && (extra < steps.stride[d] || extra < steps.dilation[d]),
            runtime,
            "output padding must be smaller than either stride or dilation, but got output_padding: {extra} stride: {} dilation: {}",
            steps.stride[d],
            steps.dilation[d]
        );
        sizes.push((x[2 + d] - 1) * steps.stride[d] - 2 * steps.padding[d] + steps.dilation[d] * (w[2 + d] - 1) + extra + 1);
    }
    ensure!(
        sizes[2..].iter().all(|&n| n > 0),
        runtime,
        "Given input size per channel: ({}). Calculated output size per channel: ({}). Output size is too small",
        joined(&x[2..]),
        joined(&sizes[2..])
    );
    let matched = (0..space).all(|d| output_padding[d] < steps.stride[d]);
    let mut out = if matched { input_gradient(&batched, weight, &sizes, steps)? } else { uncropped(&batched, weight, &sizes, steps)? };
    if let Some(bias) = bias {
        let mut column: Dims = smallvec![1; space + 1];
        column[0] = channels;
        out = pointwise::add(&out, &shape::reshape_to(bias, &column)?)?;
    }
    if unbatched { shape::squeeze_dim(&out, 0) } else { Ok(out) }
}

fn steps(stride: &[i64], padding: &[i64], dilation: &[i64], groups: i64, space: usize) -> Result<Steps> {
    Ok(Steps {
        stride: spread(stride, space, "stride")?,
        padding: spread(padding, space, "padding")?,
        dilation: spread(dilation, space, "dilation")?,
        groups,
    })
}

crate::ops! {
    /// Convolution over one dimension of space: input (batch, in_channels, length), weight (out_channels, in_channels / groups, kernel).
    "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, SymInt[1] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv1d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], dilation: &[i64], groups: i64) -> Result<Tensor> {
        forward(input, weight, bias, &steps(stride, padding, dilation, groups, 1)?, 1)
    }
    /// Convolution with `padding` "same" or "valid".
    "conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, str padding='valid', SymInt[1] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv1d_named(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &str, dilation: &[i64], groups: i64) -> Result<Tensor> {
        with_padding(input, weight, padding, steps(stride, &[0], dilation, groups, 1)?, 1, bias)
    }
    /// Convolution over two dimensions of space: input (batch, in_channels, height, width), weight (out_channels,
    /// in_channels / groups, kernel height, kernel width).
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv2d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], dilation: &[i64], groups: i64) -> Result<Tensor> {
        forward(input, weight, bias, &steps(stride, padding, dilation, groups, 2)?, 2)
    }
    /// Convolution with `padding` "same" or "valid".
    "conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, str padding='valid', SymInt[2] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv2d_named(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &str, dilation: &[i64], groups: i64) -> Result<Tensor> {
        with_padding(input, weight, padding, steps(stride, &[0], dilation, groups, 2)?, 2, bias)
    }
    /// Convolution over three dimensions of space.
    "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv3d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], dilation: &[i64], groups: i64) -> Result<Tensor> {
        forward(input, weight, bias, &steps(stride, padding, dilation, groups, 3)?, 3)
    }
    /// Convolution with `padding` "same" or "valid".
    "conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, str padding='valid', SymInt[3] dilation=1, SymInt groups=1)" [FUNCTION | NO_OUT]
    fn conv3d_named(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &str, dilation: &[i64], groups: i64) -> Result<Tensor> {
        with_padding(input, weight, padding, steps(stride, &[0], dilation, groups, 3)?, 3, bias)
    }
    /// Transposed convolution over one dimension of space; weight (in_channels, out_channels / groups, kernel).
    "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=1, SymInt[1] padding=0, SymInt[1] output_padding=0, SymInt groups=1, SymInt[1] dilation=1)" [FUNCTION | NO_OUT]
    fn conv_transpose1d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], output_padding: &[i64], groups: i64, dilation: &[i64]) -> Result<Tensor> {
        transposed(input, weight, bias, &steps(stride, padding, dilation, groups, 1)?, &spread(output_padding, 1, "output_padding")?, 1)
    }
    /// Transposed convolution over two dimensions of space.
    "conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2] output_padding=0, SymInt groups=1, SymInt[2] dilation=1)" [FUNCTION | NO_OUT]
    fn conv_transpose2d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], output_padding: &[i64], groups: i64, dilation: &[i64]) -> Result<Tensor> {
        transposed(input, weight, bias, &steps(stride, padding, dilation, groups, 2)?, &spread(output_padding, 2, "output_padding")?, 2)
    }
    /// Transposed convolution over three dimensions of space.
    "conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] padding=0, SymInt[3] output_padding=0, SymInt groups=1, SymInt[3] dilation=1)" [FUNCTION | NO_OUT]
    fn conv_transpose3d(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: &[i64], padding: &[i64], output_padding: &[i64], groups: i64, dilation: &[i64]) -> Result<Tensor> {
        transposed(input, weight, bias, &steps(stride, padding, dilation, groups, 3)?, &spread(output_padding, 3, "output_padding")?, 3)
    }
}
