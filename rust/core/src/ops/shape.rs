//! Views: another shape, order or part of the same elements.
use crate::autograd::view::{self, Creation};
use crate::autograd::{record, tracks};
use crate::ops::copy;
use crate::tensor::Tensor;
use rustorch_base::layout::{infer_shape, show, view_strides, wrap_dim, wrap_dims};
use rustorch_base::{Dims, Layout, Result, bail, ensure};
use smallvec::{SmallVec, smallvec};

/// A view with history; `back` turns the view's gradient into the input's.
pub(super) fn viewed(
    input: &Tensor,
    layout: Layout,
    name: &'static str,
    back: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let out = view::view_of(input, input.array().relaid(layout), Creation::Ordinary);
    if tracks(&[input]) {
        record(name, &[input], &[&out], [], move |_, g| Ok(smallvec![g[0].as_ref().map(&back).transpose()?]))?;
    }
    Ok(out)
}

/// The tensor under another shape, if its strides allow it without a copy.
fn try_view(input: &Tensor, shape: &[i64], name: &'static str) -> Result<Option<Tensor>> {
    let Some(strides) = view_strides(input.layout(), shape) else { return Ok(None) };
    let layout = Layout { shape: shape.into(), strides, offset: input.offset() };
    let former: Dims = input.shape().into();
    viewed(input, layout, name, move |g| reshape_to(g, &former)).map(Some)
}

/// `view(shape)`, sizes known.
pub fn view_to(input: &Tensor, shape: &[i64]) -> Result<Tensor> {
    match try_view(input, shape, "ViewBackward0")? {
        Some(view) => Ok(view),
        None => bail!(
            runtime,
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        ),
    }
}
/// A view where possible, else a copy.
pub fn reshape_to(input: &Tensor, shape: &[i64]) -> Result<Tensor> {
    match try_view(input, shape, "ViewBackward0")? {
        Some(view) => Ok(view),
        None => {
            let packed = copy::contiguous(input)?;
            unsafe_view(&packed, shape)
        }
    }
}
/// A fresh tensor under another shape; its writer is its only reader, so that it need not count as a view.
fn unsafe_view(packed: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let out = Tensor::new(packed.array().relaid(Layout::contiguous(shape)));
    if tracks(&[packed]) {
        let former: Dims = packed.shape().into();
        record("UnsafeViewBackward0", &[packed], &[&out], [], move |_, g| {
            Ok(smallvec![g[0].as_ref().map(|g| reshape_to(g, &former)).transpose()?])
        })?;
    }
    Ok(out)
}

/// The dimensions in another order; `order` is a permutation.
pub fn permute_by(input: &Tensor, order: &[usize], name: &'static str) -> Result<Tensor> {
    let from = input.layout();
    let layout = Layout {
        shape: order.iter().map(|&d| from.shape[d]).collect(),
        strides: order.iter().map(|&d| from.strides[d]).collect(),
        offset: from.offset,
    };
    let mut back: SmallVec<[usize; 5]> = smallvec![0; order.len()];
    for (i, &d) in order.iter().enumerate() {
        back[d] = i;
    }
    viewed(input, layout, name, move |g| permute_by(g, &back, "PermuteBackward0"))
}
pub fn transpose_dims(input: &Tensor, a: usize, b: usize, name: &'static str) -> Result<Tensor> {
    let mut layout = input.layout().clone();
    if layout.ndim() > 0 {
        layout.shape.swap(a, b);
        layout.strides.swap(a, b);
    }
    viewed(input, layout, name, move |g| transpose_dims(g, a, b, "TransposeBackward0"))
}
/// The last two dimensions exchanged.
pub fn matrix_transpose(input: &Tensor) -> Result<Tensor> {
    ensure!(input.ndim() >= 2, runtime, "tensor.mT is only supported on matrices or batches of matrices. Got {}-D tensor.", input.ndim());
    transpose_dims(input, input.ndim() - 2, input.ndim() - 1, "TransposeBackward0")
}

/// `expand`: repeats dimensions of size one without a copy; -1 keeps a size.
pub fn expand_to(input: &Tensor, sizes: &[i64]) -> Result<Tensor> {
    let (from, ndim) = (input.layout(), sizes.len());
    ensure!(
        ndim >= from.ndim(),
        runtime,
        "expand({}{}, size={}): the number of sizes provided ({ndim}) must be greater or equal to the number of dimensions in the tensor ({})",
        type_string(input),
        brace(&from.shape),
        show(sizes),
        from.ndim()
    );
    let missing = ndim - from.ndim();
    let mut layout = Layout { shape: sizes.into(), strides: smallvec![0; ndim], offset: from.offset };
    for d in 0..ndim {
        let (size, stride) = if d < missing {
            let outer_stride = layout_outer_stride(from);
            (1, outer_stride)
        } else {
            (from.shape[d - missing], from.strides[d - missing])
        };
        let wanted = sizes[d];
        if wanted == -1 {
            ensure!(d >= missing, runtime, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {d}");
            layout.shape[d] = size;
            layout.strides[d] = stride;
        } else if wanted == size && d >= missing {
            layout.strides[d] = stride;
        } else {
            ensure!(
                size == 1 && wanted >= 0,
                runtime,
                "The expanded size of the tensor ({wanted}) must match the existing size ({size}) at non-singleton dimension {d}.  Target sizes: {}.  Tensor sizes: {}",
                show(sizes),
                show(&from.shape)
            );
        }
    }
    let former: Dims = from.shape.clone();
    viewed(input, layout, "ExpandBackward0", move |g| crate::ops::reduce::sum_to(g, &former))
}
fn layout_outer_stride(layout: &Layout) -> i64 {
    match (layout.shape.first(), layout.strides.first()) {
        (Some(size), Some(stride)) => size * stride,
        _ => 1,
    }
}
/// `torch.FloatTensor`, as some messages name a tensor.
pub(crate) fn type_string(tensor: &Tensor) -> String {
    format!("torch.{}Tensor", tensor.dtype().scalar_name())
}
fn brace(sizes: &[i64]) -> String {
    format!("{{{}}}", sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
}

/// Without the dimensions of `drop` that have size one.
fn squeeze_where(input: &Tensor, drop: impl Fn(usize) -> bool, name: &'static str) -> Result<Tensor> {
    let from = input.layout();
    let keep: SmallVec<[usize; 5]> = (0..from.ndim()).filter(|&d| from.shape[d] != 1 || !drop(d)).collect();
    let layout = Layout {
        shape: keep.iter().map(|&d| from.shape[d]).collect(),
        strides: keep.iter().map(|&d| from.strides[d]).collect(),
        offset: from.offset,
    };
    let former = from.shape.clone();
    viewed(input, layout, name, move |g| reshape_to(g, &former))
}
pub fn unsqueeze_at(input: &Tensor, dim: i64) -> Result<Tensor> {
    let d = wrap_dim(dim, input.ndim() + 1)?;
    let mut layout = input.layout().clone();
    let stride = if d < layout.ndim() { layout.shape[d] * layout.strides[d] } else { 1 };
    layout.shape.insert(d, 1);
    layout.strides.insert(d, stride);
    viewed(input, layout, "UnsqueezeBackward0", move |g| squeeze_where(g, |at| at == d, "SqueezeBackward1"))
}

/// Part `start..start + length` of a dimension, every `step`-th element: `back` lays gradients into zeros.
pub fn slice_range(input: &Tensor, dim: usize, start: i64, length: i64, step: i64) -> Result<Tensor> {
    part(input, "SliceBackward0", |from| sliced_layout(from, dim, start, length, step))
}
pub fn selected_layout(from: &Layout, dim: usize, index: i64) -> Layout {
    let mut layout = from.clone();
    layout.offset += index * layout.strides[dim];
    layout.shape.remove(dim);
    layout.strides.remove(dim);
    layout
}
pub fn sliced_layout(from: &Layout, dim: usize, start: i64, length: i64, step: i64) -> Layout {
    let mut layout = from.clone();
    layout.offset += start * from.strides[dim];
    layout.shape[dim] = length;
    layout.strides[dim] *= step;
    layout
}
pub fn select_index(input: &Tensor, dim: usize, index: i64) -> Result<Tensor> {
    part(input, "SelectBackward0", |from| selected_layout(from, dim, index))
}
/// A view of some of the elements, whose gradient is laid into zeros. `change` makes its layout from that of the input; the
/// same change of a dense layout says where the gradient goes, whatever the input's strides are.
pub(super) fn part(input: &Tensor, name: &'static str, change: impl Fn(&Layout) -> Layout) -> Result<Tensor> {
    let out = view::view_of(input, input.array().relaid(change(input.layout())), Creation::Ordinary);
    if tracks(&[input]) {
        let dense = Layout::contiguous(input.shape());
        let view = change(&dense);
        record(name, &[input], &[&out], [], move |_, g| {
            Ok(smallvec![g[0].as_ref().map(|g| crate::ops::strided::lay_into(g, &view, &dense)).transpose()?])
        })?;
    }
    Ok(out)
}

/// The bounds of a Python slice over `size` elements: (start, length) for a positive step.
pub fn slice_bounds(start: Option<i64>, stop: Option<i64>, step: i64, size: i64) -> (i64, i64) {
    let clip = |bound: i64| if bound < 0 { (bound + size).max(0) } else { bound.min(size) };
    let (start, stop) = (clip(start.unwrap_or(0)), clip(stop.unwrap_or(size)));
    (start, ((stop - start).max(0) + step - 1) / step)
}

/// Views of consecutive parts, which may not be written one by one while gradients are recorded.
fn parts(input: &Tensor, dim: usize, sizes: &[i64], op: &'static str, node: &'static str) -> Result<Vec<Tensor>> {
    let mut start = 0;
    let mut outs = Vec::with_capacity(sizes.len());
    for (i, &size) in sizes.iter().enumerate() {
        let layout = sliced_layout(input.layout(), dim, start, size, 1);
        outs.push(view::view_of(input, input.array().relaid(layout), Creation::MultipleOutputs(op, i as u32)));
        start += size;
    }
    if tracks(&[input]) {
        let sizes: Dims = sizes.into();
        let (shape, dtype): (Dims, _) = (input.shape().into(), input.dtype());
        let back = move |_: &crate::autograd::Context, g: &[Option<Tensor>]| {
            let filled = (0..sizes.len()).map(|i| match g.get(i).cloned().flatten() {
                Some(g) => Ok(g),
                None => {
                    let mut missing = shape.clone();
                    missing[dim] = sizes[i];
                    crate::ops::create::zeros(&missing, dtype)
                }
            });
            let filled = filled.collect::<Result<Vec<_>>>()?;
            Ok(smallvec![Some(crate::ops::join::cat_tensors(&filled.iter().collect::<Vec<_>>(), dim)?)])
        };
        record(node, &[input], &outs.iter().collect::<Vec<_>>(), [], back)?;
    }
    Ok(outs)
}
fn split_sizes(input: &Tensor, size: i64, dim: usize) -> Result<Dims> {
    ensure!(input.ndim() > 0, runtime, "split expects at least a 1-dimensional tensor");
    ensure!(size >= 0, runtime, "split expects split_size be non-negative, but got split_size={size}");
    let total = input.shape()[dim];
    ensure!(size > 0 || total == 0, runtime, "split_size can only be 0 if dimension size is 0, but got dimension size of {total}");
    if size == 0 {
        return Ok(smallvec![0]);
    }
    let count = ((total + size - 1) / size).max(1);
    Ok((0..count).map(|i| size.min(total - i * size)).collect())
}

crate::ops! {
    /// The same bytes as another dtype.
    "view(Tensor input, ScalarType dtype)" [METHOD]
    fn view_dtype(input: &Tensor, dtype: rustorch_base::DType) -> Result<Tensor> { crate::ops::strided::view_as_dtype(input, dtype) }
    /// The same elements under another shape, without a copy; one size may be -1.
    "view(Tensor input, SymInt[] size)" [METHOD]
    fn view_(input: &Tensor, size: &[i64]) -> Result<Tensor> { view_to(input, &infer_shape(size, input.numel())?) }
    /// `view` with another tensor's shape.
    "view_as(Tensor input, Tensor other)" [METHOD]
    fn view_as(input: &Tensor, other: &Tensor) -> Result<Tensor> { view_to(input, &infer_shape(other.shape(), input.numel())?) }
    /// The same elements under another shape: a view where possible, else a copy.
    "reshape(Tensor input, SymInt[] shape)" [FUNCTION | METHOD | NO_OUT]
    fn reshape(input: &Tensor, shape: &[i64]) -> Result<Tensor> { reshape_to(input, &infer_shape(shape, input.numel())?) }
    /// `reshape` with another tensor's shape.
    "reshape_as(Tensor input, Tensor other)" [METHOD]
    fn reshape_as(input: &Tensor, other: &Tensor) -> Result<Tensor> { reshape_to(input, &infer_shape(other.shape(), input.numel())?) }
    /// The elements in one dimension.
    "ravel(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn ravel(input: &Tensor) -> Result<Tensor> { reshape_to(&copy::contiguous(input)?, &[input.numel()]) }
    /// Joins the dimensions from `start_dim` to `end_dim`.
    "flatten(Tensor input, int start_dim=0, int end_dim=-1)" [FUNCTION | METHOD | NO_OUT]
    fn flatten(input: &Tensor, start_dim: i64, end_dim: i64) -> Result<Tensor> {
        let (start, end) = (wrap_dim(start_dim, input.ndim())?, wrap_dim(end_dim, input.ndim())?);
        ensure!(start <= end, runtime, "flatten() has invalid args: start_dim cannot come after end_dim");
        if input.ndim() == 0 { return reshape_to(input, &[1]) }
        if start == end { return Ok(input.clone()) }
        let shape = input.shape();
        let mut flat: Dims = shape[..start].into();
        flat.push(shape[start..=end].iter().product());
        flat.extend_from_slice(&shape[end + 1..]);
        reshape_to(input, &flat)
    }
    /// Cuts one dimension into several; one size may be -1.
    "unflatten(Tensor input, int dim, SymInt[] sizes)" [FUNCTION | METHOD | NO_OUT]
    fn unflatten(input: &Tensor, dim: i64, sizes: &[i64]) -> Result<Tensor> {
        let d = wrap_dim(dim, input.ndim())?;
        ensure!(!sizes.is_empty(), runtime, "unflatten: sizes must be non-empty");
        let Some(&size) = input.shape().get(d) else { bail!(index, "Dimension specified as {dim} but tensor has no dimensions") };
        let Ok(cut) = infer_shape(sizes, size) else {
            bail!(runtime, "unflatten: Provided sizes {} don't multiply up to the size of dim {d} ({size}) in the input tensor", show(sizes))
        };
        let mut shape: Dims = input.shape()[..d].into();
        shape.extend_from_slice(&cut);
        shape.extend_from_slice(&input.shape()[d + 1..]);
        view_to(input, &shape)
    }
    /// The dimensions in another order.
    "permute(Tensor input, int[] dims)" [FUNCTION | METHOD | NO_OUT]
    fn permute(input: &Tensor, dims: &[i64]) -> Result<Tensor> {
        ensure!(dims.len() == input.ndim(), runtime,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {} is not equal to len(dims) = {}", input.ndim(), dims.len());
        ensure!(rustorch_base::layout::wrap_dims(dims, input.ndim()).is_ok() || dims.iter().any(|&d| wrap_dim(d, input.ndim()).is_err()), runtime, "permute(): duplicate dims are not allowed.");
        permute_by(input, &wrap_dims(dims, input.ndim())?, "PermuteBackward0")
    }
    /// Two dimensions exchanged.
    "transpose(Tensor input, int dim0, int dim1)" [FUNCTION | METHOD | NO_OUT]
    fn transpose(input: &Tensor, dim0: i64, dim1: i64) -> Result<Tensor> {
        transpose_dims(input, wrap_dim(dim0, input.ndim())?, wrap_dim(dim1, input.ndim())?, "TransposeBackward0")
    }
    /// Two dimensions exchanged; NumPy's name.
    "swapaxes(Tensor input, int axis0, int axis1)" [FUNCTION | METHOD | NO_OUT]
    fn swapaxes(input: &Tensor, axis0: i64, axis1: i64) -> Result<Tensor> { transpose(input, axis0, axis1) }
    /// Two dimensions exchanged.
    "swapdims(Tensor input, int dim0, int dim1)" [FUNCTION | METHOD | NO_OUT]
    fn swapdims(input: &Tensor, dim0: i64, dim1: i64) -> Result<Tensor> { transpose(input, dim0, dim1) }
    /// A matrix transposed; tensors of fewer dimensions as they are.
    "t(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn t(input: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() <= 2, runtime, "t() expects a tensor with <= 2 dimensions, but self is {}D", input.ndim());
        if input.ndim() < 2 { return viewed(input, input.layout().clone(), "TBackward0", |g| Ok(g.clone())) }
        transpose_dims(input, 0, 1, "TBackward0")
    }
    /// Without any dimension of size one.
    "squeeze(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn squeeze(input: &Tensor) -> Result<Tensor> { squeeze_where(input, |_| true, "SqueezeBackward0") }
    /// Without the given dimension if its size is one.
    "squeeze(Tensor input, int dim)" [FUNCTION | METHOD | NO_OUT]
    fn squeeze_dim(input: &Tensor, dim: i64) -> Result<Tensor> {
        let d = wrap_dim(dim, input.ndim())?;
        squeeze_where(input, |at| at == d, "SqueezeBackward1")
    }
    /// Without those of the given dimensions whose size is one.
    "squeeze(Tensor input, int[] dim)" [FUNCTION | METHOD | NO_OUT]
    fn squeeze_dims(input: &Tensor, dim: &[i64]) -> Result<Tensor> {
        let dims = wrap_dims(dim, input.ndim())?;
        squeeze_where(input, |at| dims.contains(&at), "SqueezeBackward2")
    }
    /// With a dimension of size one at `dim`.
    "unsqueeze(Tensor input, int dim)" [FUNCTION | METHOD | NO_OUT]
    fn unsqueeze(input: &Tensor, dim: i64) -> Result<Tensor> { unsqueeze_at(input, dim) }
    /// Dimensions of size one repeated to the given sizes, without a copy; -1 keeps a size.
    "expand(Tensor input, SymInt[] size, *, bool implicit=False)" [METHOD]
    fn expand(input: &Tensor, size: &[i64], implicit: bool) -> Result<Tensor> {
        let _ = implicit;
        expand_to(input, size)
    }
    /// `expand` to another tensor's shape.
    "expand_as(Tensor input, Tensor other)" [METHOD]
    fn expand_as(input: &Tensor, other: &Tensor) -> Result<Tensor> { expand_to(input, other.shape()) }
    /// `expand` under its NumPy name.
    "broadcast_to(Tensor input, SymInt[] size)" [FUNCTION | METHOD | NO_OUT]
    fn broadcast_to(input: &Tensor, size: &[i64]) -> Result<Tensor> { expand_to(input, size) }
    /// `length` elements of a dimension from `start` on.
    "narrow(Tensor input, int dim, SymInt start, SymInt length)" [FUNCTION | METHOD | NO_OUT]
    fn narrow(input: &Tensor, dim: i64, start: i64, length: i64) -> Result<Tensor> {
        ensure!(input.ndim() > 0, runtime, "narrow() cannot be applied to a 0-dim tensor.");
        ensure!(length >= 0, runtime, "narrow(): length must be non-negative.");
        let d = wrap_dim(dim, input.ndim())?;
        let size = input.shape()[d];
        ensure!((-size..=size).contains(&start), index, "start out of range (expected to be in range of [{}, {size}], but got {start})", -size);
        let from = if start < 0 { start + size } else { start };
        ensure!(from <= size - length, runtime, "start ({from}) + length ({length}) exceeds dimension size ({size}).");
        slice_range(input, d, from, length, 1)
    }
    /// One index of a dimension, which disappears.
    "select(Tensor input, int dim, SymInt index)" [FUNCTION | METHOD | NO_OUT]
    fn select(input: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
        ensure!(input.ndim() > 0, index, "select() cannot be applied to a 0-dim tensor.");
        let d = wrap_dim(dim, input.ndim())?;
        let size = input.shape()[d];
        ensure!((-size..size).contains(&index), index, "select(): index {index} out of range for tensor of size {} at dimension {d}", show(input.shape()));
        select_index(input, d, if index < 0 { index + size } else { index })
    }
    /// Parts of `split_size` elements along a dimension; the last may be smaller. Views.
    "split(Tensor input, SymInt split_size, int dim=0)" [METHOD | FUNCTION | NO_OUT]
    fn split(input: &Tensor, split_size: i64, dim: i64) -> Result<Vec<Tensor>> {
        let d = wrap_dim(dim, input.ndim())?;
        parts(input, d, &split_sizes(input, split_size, d)?, "Split", "SplitBackward0")
    }
    /// Parts of the given sizes along a dimension. Views.
    "split(Tensor input, SymInt[] split_size, int dim=0)" [METHOD | FUNCTION | NO_OUT]
    fn split_list(input: &Tensor, split_size: &[i64], dim: i64) -> Result<Vec<Tensor>> { split_with_sizes(input, split_size, dim) }
    /// Parts of the given sizes along a dimension. Views.
    "split_with_sizes(Tensor input, SymInt[] split_sizes, int dim=0)" [METHOD | FUNCTION | NO_OUT]
    fn split_with_sizes(input: &Tensor, split_sizes: &[i64], dim: i64) -> Result<Vec<Tensor>> {
        ensure!(input.ndim() > 0, runtime, "split expects at least a 1-dimensional tensor");
        let d = wrap_dim(dim, input.ndim())?;
        let total = input.shape()[d];
        ensure!(split_sizes.iter().all(|&size| size >= 0), runtime, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={}", show(split_sizes));
        ensure!(split_sizes.iter().sum::<i64>() == total, runtime,
            "split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension {dim}), but got split_sizes={}", show(split_sizes));
        parts(input, d, split_sizes, "SplitWithSizes", "SplitWithSizesBackward0")
    }
    /// At most `chunks` parts of equal size along a dimension; the last may be smaller. Views.
    "chunk(Tensor input, int chunks, int dim=0)" [FUNCTION | METHOD | NO_OUT]
    fn chunk(input: &Tensor, chunks: i64, dim: i64) -> Result<Vec<Tensor>> {
        ensure!(input.ndim() > 0, runtime, "chunk expects at least a 1-dimensional tensor");
        ensure!(chunks > 0, runtime, "chunk expects `chunks` to be greater than 0, got: {chunks}");
        let d = wrap_dim(dim, input.ndim())?;
        let total = input.shape()[d];
        if total == 0 {
            let sizes: Dims = smallvec![0; chunks as usize];
            return parts(input, d, &sizes, "SplitWithSizes", "SplitWithSizesBackward0");
        }
        parts(input, d, &split_sizes(input, (total + chunks - 1) / chunks, d)?, "Split", "SplitBackward0")
    }
    /// `sections` parts along a dimension whose sizes differ by one at most. Views.
    "tensor_split(Tensor input, SymInt sections, int dim=0)" [FUNCTION | METHOD | NO_OUT]
    fn tensor_split(input: &Tensor, sections: i64, dim: i64) -> Result<Vec<Tensor>> {
        ensure!(input.ndim() > 0, runtime, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
        ensure!(sections > 0, runtime, "number of sections must be larger than 0, got {sections}");
        let d = wrap_dim(dim, input.ndim())?;
        let (least, larger) = (input.shape()[d] / sections, input.shape()[d] % sections);
        let mut start = 0;
        (0..sections).map(|i| {
            let size = least + i64::from(i < larger);
            start += size;
            slice_range(input, d, start - size, size, 1)
        }).collect()
    }
    /// Parts of a dimension between the given indices. Views.
    "tensor_split(Tensor input, SymInt[] indices, int dim=0)" [FUNCTION | METHOD | NO_OUT]
    fn tensor_split_at(input: &Tensor, indices: &[i64], dim: i64) -> Result<Vec<Tensor>> {
        ensure!(input.ndim() > 0, runtime, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
        let d = wrap_dim(dim, input.ndim())?;
        let size = input.shape()[d];
        let mut start = 0;
        indices.iter().chain(std::iter::once(&size)).map(|&stop| {
            let (from, length) = slice_bounds(Some(start), Some(stop), 1, size);
            start = stop;
            slice_range(input, d, from, length, 1)
        }).collect()
    }
    /// One view for each index of a dimension.
    "unbind(Tensor input, int dim=0)" [FUNCTION | METHOD | NO_OUT]
    fn unbind(input: &Tensor, dim: i64) -> Result<Vec<Tensor>> { unbind_views(input, wrap_dim(dim, input.ndim())?) }
    /// Dimensions moved to other places; the rest keep their order.
    "movedim(Tensor input, int source, int destination)" [FUNCTION | METHOD | NO_OUT]
    fn movedim(input: &Tensor, source: i64, destination: i64) -> Result<Tensor> { movedim_list(input, &[source], &[destination]) }
    /// Dimensions moved to other places; the rest keep their order.
    "movedim(Tensor input, int[] source, int[] destination)" [FUNCTION | METHOD | NO_OUT]
    fn movedim_list(input: &Tensor, source: &[i64], destination: &[i64]) -> Result<Tensor> {
        ensure!(source.len() == destination.len(), runtime,
            "movedim: Invalid source or destination dims: source ({} dims) should contain the same number of dims as destination ({} dims)", show(source), show(destination));
        let (from, to) = (wrap_dims(source, input.ndim())?, wrap_dims(destination, input.ndim())?);
        let mut rest = (0..input.ndim()).filter(|d| !from.contains(d));
        let order: SmallVec<[usize; 5]> = (0..input.ndim())
            .map(|at| to.iter().position(|&t| t == at).map_or_else(|| rest.next().unwrap_or(at), |i| from[i]))
            .collect();
        permute_by(input, &order, "PermuteBackward0")
    }
    /// The diagonal of two dimensions, as the last dimension. A view.
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)" [FUNCTION | METHOD | NO_OUT]
    fn diagonal(input: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
        let (a, b) = (wrap_dim(dim1, input.ndim())?, wrap_dim(dim2, input.ndim())?);
        ensure!(a != b, runtime, "diagonal dimensions cannot be identical {dim1}, {dim2}");
        part(input, "DiagonalBackward0", |from| {
            let mut layout = from.clone();
            let (rows, columns) = (layout.shape[a], layout.shape[b]);
            let length = if offset >= 0 { rows.min(columns - offset) } else { (rows + offset).min(columns) }.max(0);
            if length > 0 { layout.offset += if offset >= 0 { offset * layout.strides[b] } else { -offset * layout.strides[a] } }
            let stride = layout.strides[a] + layout.strides[b];
            for d in [a.max(b), a.min(b)] { layout.shape.remove(d); layout.strides.remove(d); }
            layout.shape.push(length);
            layout.strides.push(stride);
            layout
        })
    }
    /// Windows of `size` elements of a dimension, `step` apart, as a new last dimension. A view.
    "unfold(Tensor input, int dimension, SymInt size, SymInt step)" [METHOD]
    fn unfold(input: &Tensor, dimension: i64, size: i64, step: i64) -> Result<Tensor> {
        let d = wrap_dim(dimension, input.ndim())?;
        let total = input.shape().get(d).copied().unwrap_or(1);
        ensure!(size >= 0, runtime, "size is {size} but must be >= 0");
        ensure!(size <= total, runtime, "maximum size for tensor at dimension {d} is {total} but size is {size}");
        ensure!(step > 0, runtime, "step is {step} but must be > 0");
        part(input, "UnfoldBackward0", |from| {
            let mut layout = from.clone();
            let stride = layout.strides.get(d).copied().unwrap_or(1);
            if layout.ndim() > 0 {
                layout.shape[d] = (total - size) / step + 1;
                layout.strides[d] = stride * step;
            }
            layout.shape.push(size);
            layout.strides.push(stride);
            layout
        })
    }
    /// The same tensor under a new handle: a view of everything.
    "alias(Tensor input)" [FUNCTION | NO_OUT]
    fn alias(input: &Tensor) -> Result<Tensor> { viewed(input, input.layout().clone(), "AliasBackward0", |g| Ok(g.clone())) }
}

pub fn unbind_views(input: &Tensor, dim: usize) -> Result<Vec<Tensor>> {
    ensure!(input.ndim() > 0, index, "Dimension specified as 0 but tensor has no dimensions");
    let mut outs = Vec::with_capacity(input.shape()[dim] as usize);
    for i in 0..input.shape()[dim] {
        let layout = selected_layout(input.layout(), dim, i);
        outs.push(view::view_of(input, input.array().relaid(layout), Creation::MultipleOutputs("Unbind", i as u32)));
    }
    if tracks(&[input]) && !outs.is_empty() {
        let (shape, dtype): (Dims, _) = (outs[0].shape().into(), input.dtype());
        let back = move |_: &crate::autograd::Context, g: &[Option<Tensor>]| {
            let filled = g.iter().map(|g| g.as_ref().map_or_else(|| crate::ops::create::zeros(&shape, dtype), |g| Ok(g.clone())));
            let filled = filled.collect::<Result<Vec<_>>>()?;
            let count = filled.len();
            Ok(smallvec![(count > 0).then(|| crate::ops::join::stack_tensors(&filled.iter().collect::<Vec<_>>(), dim)).transpose()?])
        };
        let total = outs.len();
        record("UnbindBackward0", &[input], &outs.iter().collect::<Vec<_>>(), [], move |context, g| {
            // Later slots that received nothing are missing from the list.
            let mut all: SmallVec<[Option<Tensor>; 4]> = g.iter().cloned().collect();
            all.resize(total, None);
            back(context, &all)
        })?;
    }
    Ok(outs)
}

/// Changes a tensor's own layout (`squeeze_`, `t_` ...): the elements stay, the history gains the view's node.
fn relay_in_place(input: &Tensor, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    crate::autograd::inplace::check(input)?;
    let changed = change(input)?;
    let edge = changed.recorded_edge();
    let array = changed.array().clone();
    // SAFETY: changing a tensor's shape asks that nobody else uses it meanwhile (see `Tensor`).
    unsafe { input.replace_array(array) };
    input.bump_version();
    if edge.is_some() {
        input.set_edge(edge);
    }
    Ok(input.clone())
}

/// Views that change the tensor itself.
pub mod in_place {
    use super::{Result, Tensor, relay_in_place};
    crate::ops! {
        /// `squeeze` of the tensor itself.
        "squeeze_(Tensor input)" [METHOD]
        fn squeeze_(input: &Tensor) -> Result<Tensor> { relay_in_place(input, super::squeeze) }
        /// `squeeze` of the tensor itself.
        "squeeze_(Tensor input, int dim)" [METHOD]
        fn squeeze_dim_(input: &Tensor, dim: i64) -> Result<Tensor> { relay_in_place(input, |t| super::squeeze_dim(t, dim)) }
        /// `unsqueeze` of the tensor itself.
        "unsqueeze_(Tensor input, int dim)" [METHOD]
        fn unsqueeze_(input: &Tensor, dim: i64) -> Result<Tensor> { relay_in_place(input, |t| super::unsqueeze(t, dim)) }
        /// `transpose` of the tensor itself.
        "transpose_(Tensor input, int dim0, int dim1)" [METHOD]
        fn transpose_(input: &Tensor, dim0: i64, dim1: i64) -> Result<Tensor> { relay_in_place(input, |t| super::transpose(t, dim0, dim1)) }
        /// `t` of the tensor itself.
        "t_(Tensor input)" [METHOD]
        fn t_(input: &Tensor) -> Result<Tensor> { relay_in_place(input, super::t) }
    }
}
