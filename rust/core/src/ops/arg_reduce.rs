//! Where the extremes are: `argmax`, `argmin`, and `max` and `min` over a dimension.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::op::TensorOrNumber;
use crate::ops::reduce::restore;
use crate::ops::{create, pointwise, select, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dim;
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::{Number, cpu};
use smallvec::{SmallVec, smallvec};

/// The extreme along one dimension and its index, with that dimension kept as size one.
fn along(input: &Tensor, dim: i64, keepdim: bool, greatest: bool) -> Result<(Tensor, Tensor)> {
    let name = if greatest { "max" } else { "min" };
    let axis = wrap_dim(dim, input.ndim())?;
    ensure!(!input.dtype().is_complex(), runtime, "{name}(): does not support complex input");
    let size = input.shape().get(axis).copied().unwrap_or(1);
    ensure!(size > 0, index, "{name}(): Expected reduction dim {axis} to have non-zero size.");
    let mut kept: Dims = input.shape().into();
    if let Some(reduced) = kept.get_mut(axis) {
        *reduced = 1;
    }
    let values = Array::empty(&kept, input.dtype(), input.device())?;
    let indices = Array::empty(&kept, DType::Int64, input.device())?;
    if !values.device().is_meta() {
        let axes: &[usize] = if input.ndim() == 0 { &[] } else { &[axis] };
        cpu::arg_reduce::arg_reduce(greatest, input.shape(), axes, Some(values.operand()), Some(indices.operand()), input.operand())?;
    }
    if !keepdim && !kept.is_empty() {
        kept.remove(axis);
    }
    let layout = Layout::contiguous(&kept);
    let (values, indices) = (Tensor::new(values.relaid(layout.clone())), Tensor::new(indices.relaid(layout)));
    if tracks(&[input]) {
        let name = if greatest { "MaxBackward0" } else { "MinBackward0" };
        let scalar = input.ndim() == 0;
        record(name, &[input], &[&values, &indices], [Saved::input(&indices)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            if scalar {
                return Ok(smallvec![Some(g.clone())]);
            }
            let indices = restore(&context.saved(0)?, &[axis], keepdim)?;
            Ok(smallvec![Some(place(&restore(g, &[axis], keepdim)?, &indices, axis, size)?)])
        })?;
    }
    Ok((values, indices))
}

/// Zeros with the gradient at the index along `axis`.
fn place(g: &Tensor, indices: &Tensor, axis: usize, size: i64) -> Result<Tensor> {
    let mut column: Dims = smallvec![1; g.ndim()];
    column[axis] = size;
    let counted = Array::empty(&[size], DType::Int64, g.device())?;
    cpu::fill::arange(size, counted.operand(), Number::Int(0), Number::Int(1));
    let counted = shape::view_to(&Tensor::new(counted), &column)?;
    let here = pointwise::call("eq", &[TensorOrNumber::Tensor(&counted), TensorOrNumber::Tensor(indices)])?;
    let zero = create::zeros(&[], g.dtype())?;
    select::where_tensors(&here, g, &zero)
}

/// The index of an extreme: along one dimension, or in the flattened tensor.
fn position(input: &Tensor, dim: Option<i64>, keepdim: bool, greatest: bool) -> Result<Tensor> {
    let name = if greatest { "argmax" } else { "argmin" };
    if input.dtype() == DType::Bool || input.dtype().is_complex() {
        bail!(not_implemented, "\"{name}_cpu\" not implemented for '{}'", input.dtype().scalar_name())
    }
    let axes: SmallVec<[usize; 5]> = match dim {
        Some(dim) if input.ndim() == 0 => {
            wrap_dim(dim, 0)?;
            smallvec![]
        }
        Some(dim) => smallvec![wrap_dim(dim, input.ndim())?],
        None => (0..input.ndim()).collect(),
    };
    if dim.is_none() {
        ensure!(
            input.numel() > 0,
            index,
            "{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument."
        );
    }
    for &axis in &axes {
        ensure!(input.shape()[axis] > 0, index, "{name}(): Expected reduction dim {axis} to have non-zero size.");
    }
    let kept: Dims = input.shape().iter().enumerate().map(|(d, &n)| if axes.contains(&d) { 1 } else { n }).collect();
    let out = Array::empty(&kept, DType::Int64, input.device())?;
    if !out.device().is_meta() {
        cpu::arg_reduce::arg_reduce(greatest, input.shape(), &axes, None, Some(out.operand()), input.operand())?;
    }
    if keepdim {
        return Ok(Tensor::new(out));
    }
    let shape: Dims = kept.iter().enumerate().filter(|(d, _)| !axes.contains(d)).map(|(_, &n)| n).collect();
    Ok(Tensor::new(out.relaid(Layout::contiguous(&shape))))
}

crate::ops! {
    /// The larger of the two, element by element.
    "max(Tensor input, Tensor other)" [FUNCTION | METHOD]
    fn max_other(input: &Tensor, other: &Tensor) -> Result<Tensor> {
        pointwise::call("maximum", &[TensorOrNumber::Tensor(input), TensorOrNumber::Tensor(other)])
    }
    /// The smaller of the two, element by element.
    "min(Tensor input, Tensor other)" [FUNCTION | METHOD]
    fn min_other(input: &Tensor, other: &Tensor) -> Result<Tensor> {
        pointwise::call("minimum", &[TensorOrNumber::Tensor(input), TensorOrNumber::Tensor(other)])
    }
    /// The greatest elements along a dimension, and their indices.
    "max(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn max_dim(input: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> { along(input, dim, keepdim, true) }
    /// The smallest elements along a dimension, and their indices.
    "min(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn min_dim(input: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> { along(input, dim, keepdim, false) }
    /// The index of the greatest element, the first of equals.
    "argmax(Tensor input, int? dim=None, bool keepdim=False)" [FUNCTION | METHOD]
    fn argmax(input: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> { position(input, dim, keepdim, true) }
    /// The index of the smallest element, the first of equals.
    "argmin(Tensor input, int? dim=None, bool keepdim=False)" [FUNCTION | METHOD]
    fn argmin(input: &Tensor, dim: Option<i64>, keepdim: bool) -> Result<Tensor> { position(input, dim, keepdim, false) }
}
