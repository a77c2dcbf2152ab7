//! Several tensors into one: `cat`, `stack` and their relatives.
use crate::array::Array;
use crate::autograd::{record, tracks};
use crate::ops::{promote, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::{show, wrap_dim};
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::{Operand, cpu};
use smallvec::{SmallVec, smallvec};

/// An empty 1-d tensor joins anything: PyTorch's old exception.
fn is_skipped(tensor: &Tensor) -> bool {
    tensor.ndim() == 1 && tensor.shape()[0] == 0
}

/// Joins along an existing dimension.
pub fn cat_tensors(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
    let Some(first) = tensors.iter().find(|t| !is_skipped(t)).or(tensors.first()) else {
        bail!(value, "torch.cat(): expected a non-empty list of Tensors")
    };
    let mut shape: Dims = first.shape().into();
    let mut total = 0;
    let mut dtype = tensors[0].dtype();
    for (i, tensor) in tensors.iter().enumerate() {
        dtype = promote::pair(dtype, tensor.dtype())?;
        if is_skipped(tensor) {
            continue;
        }
        ensure!(
            tensor.ndim() == shape.len(),
            runtime,
            "Tensors must have same number of dimensions: got {} and {}",
            shape.len(),
            tensor.ndim()
        );
        for d in (0..shape.len()).filter(|&d| d != dim) {
            ensure!(
                tensor.shape()[d] == shape[d],
                runtime,
                "Sizes of tensors must match except in dimension {dim}. Expected size {} but got size {} for tensor number {i} in the list.",
                shape[d],
                tensor.shape()[d]
            );
        }
        total += tensor.shape()[dim];
    }
    shape[dim] = total;
    let out = joined(tensors, shape, dim, dtype, first)?;
    if tracks(tensors) {
        record_cat(tensors, &out, dim)?;
    }
    Ok(out)
}

fn joined(tensors: &[&Tensor], shape: Dims, dim: usize, dtype: DType, first: &Tensor) -> Result<Tensor> {
    use rustorch_base::layout::MemoryFormat::ChannelsLast;
    let channels_last = tensors.iter().all(|t| t.layout().is_channels_last(ChannelsLast) && !t.is_contiguous());
    let layout = rustorch_base::Layout::contiguous(&shape);
    let layout = if channels_last {
        rustorch_base::Layout { strides: rustorch_base::layout::channels_last_strides(&shape), ..layout }
    } else {
        layout
    };
    let array = Array::with_layout(layout, dtype, first.device())?;
    let parts: SmallVec<[(i64, Operand<'_>); 8]> =
        tensors.iter().filter(|t| !is_skipped(t)).map(|t| (t.shape()[dim], t.operand())).collect();
    if !array.device().is_meta() && array.numel() > 0 {
        cpu::copy::concatenate(&shape, dim, array.operand(), &parts);
    }
    Ok(Tensor::new(array))
}

fn record_cat(tensors: &[&Tensor], out: &Tensor, dim: usize) -> Result<()> {
    let parts: SmallVec<[(Option<i64>, DType); 4]> =
        tensors.iter().map(|t| ((!is_skipped(t)).then(|| t.shape()[dim]), t.dtype())).collect();
    record("CatBackward0", tensors, &[out], [], move |context, g| {
        let Some(g) = &g[0] else { return Ok(smallvec![None; parts.len()]) };
        let mut start = 0;
        parts
            .iter()
            .enumerate()
            .map(|(i, &(size, dtype))| {
                let Some(size) = size else { return Ok(None) };
                start += size;
                if !context.needs(i) && i < 64 {
                    return Ok(None);
                }
                let part = shape::slice_range(g, dim, start - size, size, 1)?;
                Ok(Some(crate::ops::copy::cast(&part, dtype)?))
            })
            .collect()
    })
}

/// Joins along a new dimension.
pub fn stack_tensors(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
    let Some(first) = tensors.first() else { bail!(runtime, "stack expects a non-empty TensorList") };
    for (i, tensor) in tensors.iter().enumerate() {
        ensure!(
            tensor.shape() == first.shape(),
            runtime,
            "stack expects each tensor to be equal size, but got {} at entry 0 and {} at entry {i}",
            show(first.shape()),
            show(tensor.shape())
        );
    }
    let out = {
        let _off = crate::mode::Guard::no_grad();
        let raised = tensors.iter().map(|t| shape::unsqueeze_at(&t.detached(), dim as i64)).collect::<Result<Vec<_>>>()?;
        cat_tensors(&raised.iter().collect::<Vec<_>>(), dim)?
    };
    if tracks(tensors) {
        let dtypes: SmallVec<[DType; 4]> = tensors.iter().map(|t| t.dtype()).collect();
        record("StackBackward0", tensors, &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None; dtypes.len()]) };
            let part = |(i, &dtype): (usize, &DType)| Ok(Some(crate::ops::copy::cast(&shape::select_index(g, dim, i as i64)?, dtype)?));
            dtypes.iter().enumerate().map(part).collect()
        })?;
    }
    Ok(out)
}

/// Tensors with at least `ndim` dimensions, as the `*stack` functions want them.
fn at_least(tensors: &[&Tensor], ndim: usize) -> Result<Vec<Tensor>> {
    let raise = |t: &Tensor| -> Result<Tensor> {
        match (ndim, t.ndim()) {
            (1, 0) => shape::reshape_to(t, &[1]),
            (2, 0) => shape::reshape_to(t, &[1, 1]),
            (2, 1) => shape::unsqueeze_at(t, 0),
            (3, 0) => shape::reshape_to(t, &[1, 1, 1]),
            (3, 1) => shape::unsqueeze_at(&shape::unsqueeze_at(t, 0)?, -1),
            (3, 2) => shape::unsqueeze_at(t, -1),
            _ => Ok(t.clone()),
        }
    };
    tensors.iter().map(|t| raise(t)).collect()
}
fn cat_raised(tensors: &[&Tensor], ndim: usize, dim: impl Fn(&Tensor) -> usize, name: &str) -> Result<Tensor> {
    ensure!(!tensors.is_empty(), runtime, "{name} expects a non-empty TensorList");
    let raised = at_least(tensors, ndim)?;
    cat_tensors(&raised.iter().collect::<Vec<_>>(), dim(&raised[0]))
}

crate::ops! {
    /// Joins tensors along an existing dimension; all other sizes must agree.
    "cat(Tensor[] tensors, int dim=0, *, Tensor? out=None)" [FUNCTION]
    fn cat(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
        ensure!(!tensors.is_empty(), value, "torch.cat(): expected a non-empty list of Tensors");
        for (i, t) in tensors.iter().enumerate() {
            ensure!(t.ndim() > 0, runtime, "zero-dimensional tensor (at position {i}) cannot be concatenated");
        }
        let ndim = tensors.iter().find(|t| !is_skipped(t)).map_or(1, |t| t.ndim());
        cat_tensors(tensors, wrap_dim(dim, ndim)?)
    }
    /// `cat` under another name.
    "concat(Tensor[] tensors, int dim=0, *, Tensor? out=None)" [FUNCTION]
    fn concat(tensors: &[&Tensor], dim: i64) -> Result<Tensor> { cat(tensors, dim) }
    /// `cat` under another name.
    "concatenate(Tensor[] tensors, int dim=0, *, Tensor? out=None)" [FUNCTION]
    fn concatenate(tensors: &[&Tensor], dim: i64) -> Result<Tensor> { cat(tensors, dim) }
    /// Joins tensors of one shape along a new dimension.
    "stack(Tensor[] tensors, int dim=0, *, Tensor? out=None)" [FUNCTION]
    fn stack(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
        ensure!(!tensors.is_empty(), runtime, "stack expects a non-empty TensorList");
        stack_tensors(tensors, wrap_dim(dim, tensors[0].ndim() + 1)?)
    }
    /// Joins along the second dimension; vectors along their only one.
    "hstack(Tensor[] tensors, *, Tensor? out=None)" [FUNCTION]
    fn hstack(tensors: &[&Tensor]) -> Result<Tensor> { cat_raised(tensors, 1, |first| usize::from(first.ndim() > 1), "hstack") }
    /// Joins along the first dimension; vectors become rows.
    "vstack(Tensor[] tensors, *, Tensor? out=None)" [FUNCTION]
    fn vstack(tensors: &[&Tensor]) -> Result<Tensor> { cat_raised(tensors, 2, |_| 0, "vstack") }
    /// `vstack` under another name.
    "row_stack(Tensor[] tensors, *, Tensor? out=None)" [FUNCTION]
    fn row_stack(tensors: &[&Tensor]) -> Result<Tensor> { vstack(tensors) }
    /// Joins along the third dimension.
    "dstack(Tensor[] tensors, *, Tensor? out=None)" [FUNCTION]
    fn dstack(tensors: &[&Tensor]) -> Result<Tensor> { cat_raised(tensors, 3, |_| 2, "dstack") }
}
