//! Pooling: the greatest or the average of each window.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::ops::{copy, gather, shape};
use crate::tensor::Tensor;
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::cpu::conv::Space;
use rustorch_kernels::cpu::pool::{self, Averaging, PoolGeometry, pooled_size};
use smallvec::smallvec;

/// The windows of one call, and the sizes around them.
#[derive(Clone)]
struct Windows {
    geometry: PoolGeometry,
    /// The batched output's size.
    sizes: Dims,
}

fn in_three(sizes: &[i64], fill: usize) -> Space {
    let mut space = [fill; 3];
    for (to, &from) in space[3 - sizes.len()..].iter_mut().zip(sizes) {
        *to = from as usize;
    }
    space
}

/// What a call says of its windows; empty lists mean the defaults.
struct Request<'a> {
    kernel: &'a [i64],
    stride: &'a [i64],
    padding: &'a [i64],
    dilation: &'a [i64],
    ceil_mode: bool,
}

fn spread(given: &[i64], space: usize, otherwise: &[i64], name: &str, op: &str) -> Result<Dims> {
    match given.len() {
        0 => Ok(otherwise.into()),
        1 => Ok(smallvec![given[0]; space]),
        n if n == space => Ok(given.into()),
        _ => bail!(runtime, "{op}: {name} must either be a single int, or a tuple of {} ints", ["", "one", "two", "three"][space]),
    }
}

fn windows(input: &Tensor, request: &Request<'_>, space: usize, op: &str) -> Result<Windows> {
    ensure!(
        input.ndim() == space + 1 || input.ndim() == space + 2,
        runtime,
        "{op}(): Expected {}D or {}D input tensor, but got input of size: {:?}",
        space + 1,
        space + 2,
        input.shape()
    );
    let kernel = spread(request.kernel, space, &[], "kernel_size", op)?;
    let stride = spread(request.stride, space, &kernel, "stride", op)?;
    let zeros: Dims = smallvec![0; space];
    let ones: Dims = smallvec![1; space];
    let padding = spread(request.padding, space, &zeros, "padding", op)?;
    let dilation = spread(request.dilation, space, &ones, "dilation", op)?;
    ensure!(stride.iter().all(|&s| s != 0), runtime, "stride should not be zero");
    ensure!(
        kernel.iter().chain(&stride).all(|&n| n > 0),
        runtime,
        "kernel size should be greater than zero, but got kH: {} kW: {}",
        kernel[0],
        kernel[space - 1]
    );
    ensure!(
        dilation.iter().all(|&d| d > 0),
        runtime,
        "dilation should be greater than zero, but got dilationH: {} dilationW: {}",
        dilation[0],
        dilation[space - 1]
    );
    for d in 0..space {
        ensure!(padding[d] >= 0, runtime, "pad must be non-negative, but got pad: {}", padding[d]);
        ensure!(
            padding[d] <= ((kernel[d] - 1) * dilation[d] + 1) / 2,
            runtime,
            "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
            padding[d],
            kernel[d],
            dilation[d]
        );
    }
    let first = input.ndim() - space;
    let from = &input.shape()[first..];
    let mut output = Dims::new();
    for d in 0..space {
        let size = if from[d] + 2 * padding[d] < dilation[d] * (kernel[d] - 1) + 1 {
            0
        } else {
            pooled_size(
                from[d] as usize,
                kernel[d] as usize,
                stride[d] as usize,
                padding[d] as usize,
                dilation[d] as usize,
                request.ceil_mode,
            )
        };
        output.push(size as i64);
    }
    if output.contains(&0) {
        let channels = input.shape()[first - 1];
        let list = |sizes: &[i64]| sizes.iter().map(i64::to_string).collect::<Vec<_>>().join("x");
        bail!(
            runtime,
            "Given input size: ({channels}x{}). Calculated output size: ({channels}x{}). Output size is too small",
            list(from),
            list(&output)
        )
    }
    let geometry = PoolGeometry {
        planes: input.shape()[..first].iter().product::<i64>() as usize,
        input: in_three(from, 1),
        output: in_three(&output, 1),
        kernel: in_three(&kernel, 1),
        stride: in_three(&stride, 1),
        padding: in_three(&padding, 0),
        dilation: in_three(&dilation, 1),
    };
    let mut sizes: Dims = input.shape()[..first].into();
    sizes.extend_from_slice(&output);
    Ok(Windows { geometry, sizes })
}

/// The greatest element of each window, and where it is in its plane.
fn max_pool(input: &Tensor, request: &Request<'_>, space: usize) -> Result<(Tensor, Tensor)> {
    let windows = windows(input, request, space, &format!("max_pool{space}d"))?;
    let values = Array::empty(&windows.sizes, input.dtype(), input.device())?;
    let indices = Array::empty(&windows.sizes, DType::Int64, input.device())?;
    if !values.device().is_meta() && values.numel() > 0 {
        let x = copy::contiguous(&input.detached())?;
        // SAFETY: contiguous arrays of the geometry's sizes; the results are fresh.
        unsafe { pool::max_pool(&windows.geometry, &x.operand(), &values.operand(), &indices.operand())? };
    }
    let (out, indices) = (Tensor::new(values), Tensor::new(indices));
    if tracks(&[input]) {
        let name = ["", "MaxPool1DBackward0", "MaxPool2DWithIndicesBackward0", "MaxPool3DWithIndicesBackward0"][space];
        let former: Dims = input.shape().into();
        record(name, &[input], &[&out], [Saved::input(&indices)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(max_pool_gradient(g, &context.saved(0)?, &former, &windows)?)])
        })?;
    }
    Ok((out, indices))
}

/// Each window's gradient at the place of its greatest element; linear, with gathering there as its own gradient.
fn max_pool_gradient(g: &Tensor, indices: &Tensor, former: &[i64], windows: &Windows) -> Result<Tensor> {
    let array = Array::empty(former, g.dtype(), g.device())?;
    let packed = copy::contiguous(&g.detached())?;
    // SAFETY: contiguous arrays of the geometry's sizes; the indices are the forward pass's.
    unsafe { pool::max_pool_gradient(&windows.geometry, &packed.operand(), &indices.operand(), &array.operand())? };
    let out = Tensor::new(array);
    if tracks(&[g]) {
        let planes = windows.geometry.planes as i64;
        let sizes = windows.sizes.clone();
        record("MaxPool2DWithIndicesBackwardBackward0", &[g], &[&out], [Saved::input(indices)], move |context, gg| {
            let Some(gg) = &gg[0] else { return Ok(smallvec![None]) };
            let flat_indices = shape::reshape_to(
                &context.saved(0)?,
                &[planes, -1].map(|n| if n == -1 { sizes.iter().product::<i64>() / planes.max(1) } else { n }),
            )?;
            let flat = shape::reshape_to(gg, &[planes, gg.numel() / planes.max(1)])?;
            Ok(smallvec![Some(shape::reshape_to(&gather::gather_along(&flat, 1, &flat_indices)?, &sizes)?)])
        })?;
    }
    Ok(out)
}

/// The average of each window.
fn average_pool(input: &Tensor, request: &Request<'_>, averaging: Averaging, space: usize) -> Result<Tensor> {
    ensure!(averaging.divisor != Some(0), runtime, "divisor must be not zero");
    let windows = windows(input, request, space, &format!("avg_pool{space}d"))?;
    averaged(input, windows, averaging, space)
}
fn averaged(input: &Tensor, windows: Windows, averaging: Averaging, space: usize) -> Result<Tensor> {
    let array = Array::empty(&windows.sizes, input.dtype(), input.device())?;
    if !array.device().is_meta() && array.numel() > 0 {
        let x = copy::contiguous(&input.detached())?;
        // SAFETY: contiguous arrays of the geometry's sizes; the result is fresh.
        unsafe { pool::average_pool(&windows.geometry, averaging, &x.operand(), &array.operand())? };
    }
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let name = ["", "AvgPool1DBackward0", "AvgPool2DBackward0", "AvgPool3DBackward0"][space];
        let former: Dims = input.shape().into();
        record(name, &[input], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(averaged_gradient(g, &former, &windows, averaging, space)?)])
        })?;
    }
    Ok(out)
}
fn averaged_gradient(g: &Tensor, former: &[i64], windows: &Windows, averaging: Averaging, space: usize) -> Result<Tensor> {
    let array = Array::empty(former, g.dtype(), g.device())?;
    let packed = copy::contiguous(&g.detached())?;
    // SAFETY: as above.
    unsafe { pool::average_pool_gradient(&windows.geometry, averaging, &packed.operand(), &array.operand())? };
    let out = Tensor::new(array);
    if tracks(&[g]) {
        let windows = windows.clone();
        record("AvgPool2DBackwardBackward0", &[g], &[&out], [], move |_, gg| {
            let Some(gg) = &gg[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(averaged(gg, windows.clone(), averaging, space)?)])
        })?;
    }
    Ok(out)
}

/// The average of `size` nearly equal parts of each dimension of space. Where the parts are equal it is an average pool; else
/// one mean a part.
fn adaptive(input: &Tensor, size: &[i64], space: usize) -> Result<Tensor> {
    let name = format!("adaptive_avg_pool{space}d");
    ensure!(
        input.ndim() == space + 1 || input.ndim() == space + 2,
        runtime,
        "{name}(): Expected {}D or {}D tensor, but got {:?}",
        space + 1,
        space + 2,
        input.shape()
    );
    ensure!(
        size.iter().all(|&n| n >= 0),
        runtime,
        "{name}(): elements of output_size must be greater than or equal to 0 but received {size:?}"
    );
    let first = input.ndim() - space;
    let from: Dims = input.shape()[first..].into();
    ensure!(
        from.iter().all(|&n| n > 0),
        runtime,
        "{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {:?}",
        input.shape()
    );
    if size.iter().zip(&from).all(|(&to, &from)| to > 0 && from % to == 0) {
        let kernel: Dims = from.iter().zip(size).map(|(from, to)| from / to).collect();
        let request = Request { kernel: &kernel, stride: &[], padding: &[], dilation: &[], ceil_mode: false };
        return average_pool(input, &request, Averaging { count_include_pad: true, divisor: None }, space);
    }
    let mut out = input.clone();
    for (d, &parts) in size.iter().enumerate() {
        out = adaptive_along(&out, first + d, parts)?;
    }
    Ok(out)
}
fn adaptive_along(input: &Tensor, dim: usize, parts: i64) -> Result<Tensor> {
    let size = input.shape()[dim];
    if parts == 0 {
        return shape::slice_range(input, dim, 0, 0, 1);
    }
    let means = (0..parts).map(|i| {
        let (start, end) = (i * size / parts, ((i + 1) * size + parts - 1) / parts);
        let part = shape::slice_range(input, dim, start, end - start, 1)?;
        crate::ops::reduce::mean_over(&part, &[dim], true, None, "MeanBackward1")
    });
    let means = means.collect::<Result<Vec<_>>>()?;
    crate::ops::join::cat_tensors(&means.iter().collect::<Vec<_>>(), dim)
}

crate::ops! {
    /// The greatest element of each window of one dimension.
    "max_pool1d(Tensor input, int[1] kernel_size, int[1] stride=(), int[1] padding=0, int[1] dilation=1, bool ceil_mode=False)" [FUNCTION | NO_OUT]
    fn max_pool1d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<Tensor> {
        Ok(max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 1)?.0)
    }
    /// The greatest element of each window of one dimension, and its index.
    "max_pool1d_with_indices(Tensor input, int[1] kernel_size, int[1] stride=(), int[1] padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn max_pool1d_with_indices(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<(Tensor, Tensor)> {
        max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 1)
    }
    /// The greatest element of each window of a plane.
    "max_pool2d(Tensor input, int[2] kernel_size, int[2] stride=(), int[2] padding=0, int[2] dilation=1, bool ceil_mode=False)" [FUNCTION | NO_OUT]
    fn max_pool2d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<Tensor> {
        Ok(max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 2)?.0)
    }
    /// The greatest element of each window of a plane, and its index in the plane.
    "max_pool2d_with_indices(Tensor input, int[2] kernel_size, int[2] stride=(), int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [NN | NO_OUT]
    fn max_pool2d_with_indices(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<(Tensor, Tensor)> {
        max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 2)
    }
    /// The greatest element of each window of a volume.
    "max_pool3d(Tensor input, int[3] kernel_size, int[3] stride=(), int[3] padding=0, int[3] dilation=1, bool ceil_mode=False)" [FUNCTION | NO_OUT]
    fn max_pool3d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<Tensor> {
        Ok(max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 3)?.0)
    }
    /// The greatest element of each window of a volume, and its index in the volume.
    "max_pool3d_with_indices(Tensor input, int[3] kernel_size, int[3] stride=(), int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)" [NN | NO_OUT]
    fn max_pool3d_with_indices(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], dilation: &[i64], ceil_mode: bool) -> Result<(Tensor, Tensor)> {
        max_pool(input, &Request { kernel: kernel_size, stride, padding, dilation, ceil_mode }, 3)
    }
    /// The average of each window of one dimension.
    "avg_pool1d(Tensor input, int[1] kernel_size, int[1] stride=(), int[1] padding=0, bool ceil_mode=False, bool count_include_pad=True)" [FUNCTION | NO_OUT]
    fn avg_pool1d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], ceil_mode: bool, count_include_pad: bool) -> Result<Tensor> {
        average_pool(input, &Request { kernel: kernel_size, stride, padding, dilation: &[], ceil_mode }, Averaging { count_include_pad, divisor: None }, 1)
    }
    /// The average of each window of a plane.
    "avg_pool2d(Tensor input, int[2] kernel_size, int[2] stride=(), int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None)" [NN | NO_OUT]
    fn avg_pool2d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], ceil_mode: bool, count_include_pad: bool, divisor_override: Option<i64>) -> Result<Tensor> {
        average_pool(input, &Request { kernel: kernel_size, stride, padding, dilation: &[], ceil_mode }, Averaging { count_include_pad, divisor: divisor_override }, 2)
    }
    /// The average of each window of a volume.
    "avg_pool3d(Tensor input, int[3] kernel_size, int[3] stride=(), int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None)" [NN | NO_OUT]
    fn avg_pool3d(input: &Tensor, kernel_size: &[i64], stride: &[i64], padding: &[i64], ceil_mode: bool, count_include_pad: bool, divisor_override: Option<i64>) -> Result<Tensor> {
        average_pool(input, &Request { kernel: kernel_size, stride, padding, dilation: &[], ceil_mode }, Averaging { count_include_pad, divisor: divisor_override }, 3)
    }
    /// The averages of `output_size` nearly equal parts of one dimension.
    "adaptive_avg_pool1d(Tensor input, int[1] output_size)" [FUNCTION | NO_OUT]
    fn adaptive_avg_pool1d(input: &Tensor, output_size: &[i64]) -> Result<Tensor> { adaptive(input, output_size, 1) }
    /// The averages of `output_size` nearly equal parts of a plane.
    "adaptive_avg_pool2d(Tensor input, SymInt[2] output_size)" [NN | NO_OUT]
    fn adaptive_avg_pool2d(input: &Tensor, output_size: &[i64]) -> Result<Tensor> { adaptive(input, output_size, 2) }
    /// The averages of `output_size` nearly equal parts of a volume.
    "adaptive_avg_pool3d(Tensor input, SymInt[3] output_size)" [NN | NO_OUT]
    fn adaptive_avg_pool3d(input: &Tensor, output_size: &[i64]) -> Result<Tensor> { adaptive(input, output_size, 3) }
}
