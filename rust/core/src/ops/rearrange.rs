//! The same elements in other places: repeated, turned, rolled, cut to triangles.
use crate::array::Array;
use crate::autograd::{record, tracks};
use crate::op::{Number, TensorLayout};
use crate::ops::{copy, create, join, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::{dense_strides_like, show, wrap_dim, wrap_dims};
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::{Operand, cpu};
use smallvec::{SmallVec, smallvec};

/// A copy with the given dimensions reversed.
fn flipped(input: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let layout = Layout { shape: input.shape().into(), strides: dense_strides_like(input.layout()), offset: 0 };
    let array = Array::with_layout(layout, input.dtype(), input.device())?;
    if array.numel() > 0 && !array.device().is_meta() {
        // Walks the source backwards: from its last element, with negative strides.
        let mut strides: Dims = input.strides().into();
        let mut last = 0;
        for &axis in axes {
            last += (input.shape()[axis] - 1) * strides[axis];
            strides[axis] = -strides[axis];
        }
        let data = input.array().data().wrapping_offset((last * input.dtype().size() as i64) as isize);
        cpu::copy::copy(input.shape(), array.operand(), Operand { data, dtype: input.dtype(), strides: &strides });
    }
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let axes: SmallVec<[usize; 5]> = axes.into();
        record("FlipBackward0", &[input], &[&out], [], move |_, g| Ok(smallvec![g[0].as_ref().map(|g| flipped(g, &axes)).transpose()?]))?;
    }
    Ok(out)
}

/// The part of each matrix on one side of a diagonal; zeros elsewhere.
fn triangle(input: &Tensor, diagonal: i64, upper: bool) -> Result<Tensor> {
    let name = if upper { "triu" } else { "tril" };
    ensure!(input.ndim() >= 2, runtime, "{name}: input tensor must have at least 2 dimensions");
    let array = Array::empty(input.shape(), input.dtype(), input.device())?;
    if !array.device().is_meta() {
        cpu::copy::triangle(input.shape(), array.operand(), input.operand(), diagonal, upper);
    }
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let node = if upper { "TriuBackward0" } else { "TrilBackward0" };
        record(node, &[input], &[&out], [], move |_, g| Ok(smallvec![g[0].as_ref().map(|g| triangle(g, diagonal, upper)).transpose()?]))?;
    }
    Ok(out)
}

/// Row and column numbers of the elements of a triangle, as a 2 x n tensor.
fn triangle_indices(rows: i64, columns: i64, offset: i64, upper: bool, dtype: Option<DType>) -> Result<Tensor> {
    let dtype = dtype.unwrap_or(DType::Int64);
    ensure!(rows >= 0, runtime, "row must be non-negative, got{rows}");
    ensure!(columns >= 0, runtime, "col must be non-negative, got{columns}");
    ensure!(
        matches!(dtype, DType::Int64 | DType::Int32),
        runtime,
        "\"{}\" not implemented for '{}'",
        if upper { "triu_indices" } else { "tril_indices" },
        dtype.scalar_name()
    );
    let inside = |i: i64, j: i64| if upper { j - i >= offset } else { j - i <= offset };
    let places: Vec<(i64, i64)> = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).filter(|&(i, j)| inside(i, j)).collect();
    let n = places.len();
    let wide = Array::empty(&[2, n as i64], DType::Int64, crate::Device::CPU)?;
    // SAFETY: the fresh array holds 2 n int64 elements, contiguous.
    let out = unsafe { std::slice::from_raw_parts_mut(wide.data().cast::<i64>(), 2 * n) };
    for (at, &(i, j)) in places.iter().enumerate() {
        out[at] = i;
        out[n + at] = j;
    }
    copy::cast(&Tensor::new(wide), dtype)
}

/// Repeats each element of a dimension `times` in a row.
fn interleave(input: &Tensor, times: i64, dim: usize) -> Result<Tensor> {
    ensure!(times >= 0, runtime, "Repeats must be non-negative");
    let mut sizes: Dims = input.shape().into();
    sizes.insert(dim + 1, times);
    let spread = shape::expand_to(&shape::unsqueeze_at(input, dim as i64 + 1)?, &sizes)?;
    let mut joined: Dims = input.shape().into();
    joined[dim] *= times;
    shape::reshape_to(&copy::clone(&spread)?, &joined)
}

/// The input's elements on a diagonal of new, otherwise zero, matrices.
fn on_diagonal(input: &Tensor, offset: i64, a: usize, b: usize) -> Result<Tensor> {
    let n = input.shape()[input.ndim() - 1] + offset.abs();
    let mut sizes: Dims = input.shape()[..input.ndim() - 1].into();
    sizes.insert(a.min(b), n);
    sizes.insert(a.max(b), n);
    let base = create::full(&sizes, Number::Int(0), input.dtype(), input.device())?;
    let diagonal = shape::diagonal(&base, offset, a as i64, b as i64)?;
    copy::copy_in_place(&diagonal, input)?;
    Ok(base)
}

crate::ops! {
    /// The tensor repeated `repeats` times along each dimension; more repeats than dimensions add dimensions in front.
    "repeat(Tensor input, SymInt[] repeats)" [METHOD]
    fn repeat(input: &Tensor, repeats: &[i64]) -> Result<Tensor> {
        ensure!(repeats.len() >= input.ndim(), runtime, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
        ensure!(repeats.iter().all(|&r| r >= 0), runtime, "Trying to create tensor with negative dimension {}: {}", repeats.iter().min().copied().unwrap_or(0), show(repeats));
        let extra = repeats.len() - input.ndim();
        let mut blocks = Dims::new();
        let mut spread = Dims::new();
        let mut result = Dims::new();
        for (d, &times) in repeats.iter().enumerate() {
            let size = if d < extra { 1 } else { input.shape()[d - extra] };
            blocks.extend([1, size]);
            spread.extend([times, size]);
            result.push(times * size);
        }
        let expanded = shape::expand_to(&shape::reshape_to(input, &blocks)?, &spread)?;
        let packed = Array::empty(&spread, input.dtype(), input.device())?;
        copy::copy_elements(&packed, expanded.array())?;
        let out = Tensor::new(packed.relaid(Layout::contiguous(&result)));
        if tracks(&[input]) {
            let (former, spread): (Dims, Dims) = (input.shape().into(), spread);
            record("RepeatBackward0", &[input], &[&out], [], move |_, g| {
                let Some(g) = &g[0] else { return Ok(smallvec![None]) };
                let outer: SmallVec<[usize; 5]> = (0..spread.len()).step_by(2).collect();
                let summed = reduce::sum_over(&shape::reshape_to(g, &spread)?, &outer, false, None, "SumBackward1")?;
                Ok(smallvec![Some(shape::reshape_to(&summed, &former)?)])
            })?;
        }
        Ok(out)
    }
    /// `repeat`, where missing repeats count as one.
    "tile(Tensor input, SymInt[] dims)" [FUNCTION | METHOD | NO_OUT]
    fn tile(input: &Tensor, dims: &[i64]) -> Result<Tensor> {
        let mut repeats: Dims = smallvec![1; input.ndim().saturating_sub(dims.len())];
        repeats.extend_from_slice(dims);
        repeat(input, &repeats)
    }
    /// Each element `repeats` times in a row, along `dim` or in the flattened tensor.
    "repeat_interleave(Tensor input, SymInt repeats, int? dim=None, *, SymInt? output_size=None)" [FUNCTION | METHOD | NO_OUT]
    fn repeat_interleave(input: &Tensor, repeats: i64, dim: Option<i64>, output_size: Option<i64>) -> Result<Tensor> {
        let _ = output_size;
        match dim {
            Some(dim) => interleave(input, repeats, wrap_dim(dim, input.ndim())?),
            None => interleave(&shape::reshape_to(input, &[input.numel()])?, repeats, 0),
        }
    }
    /// A copy with the given dimensions reversed.
    "flip(Tensor input, int[] dims)" [FUNCTION | METHOD | NO_OUT]
    fn flip(input: &Tensor, dims: &[i64]) -> Result<Tensor> { flipped(input, &wrap_dims(dims, input.ndim())?) }
    /// A copy with the columns reversed.
    "fliplr(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn fliplr(input: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() >= 2, runtime, "Input must be >= 2-d.");
        flipped(input, &[1])
    }
    /// A copy with the rows reversed.
    "flipud(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn flipud(input: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() >= 1, runtime, "Input must be >= 1-d.");
        flipped(input, &[0])
    }
    /// Elements moved along dimensions; what leaves at one end comes back at the other. Without dimensions, in the
    /// flattened tensor.
    "roll(Tensor input, SymInt[1] shifts, int[1] dims=())" [FUNCTION | METHOD | NO_OUT]
    fn roll(input: &Tensor, shifts: &[i64], dims: &[i64]) -> Result<Tensor> {
        ensure!(!shifts.is_empty(), runtime, "`shifts` required");
        if dims.is_empty() && shifts.len() == 1 {
            let flat = roll(&shape::reshape_to(input, &[input.numel()])?, shifts, &[0])?;
            return shape::reshape_to(&flat, input.shape());
        }
        ensure!(shifts.len() == dims.len(), runtime, "shifts and dimensions must align. shifts: {}, dims:{}", shifts.len(), dims.len());
        let mut out = copy::clone(input)?;
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let d = wrap_dim(dim, input.ndim())?;
            let size = input.shape().get(d).copied().unwrap_or(1);
            if size == 0 { continue }
            let cut = (size - shift.rem_euclid(size)) % size;
            if cut == 0 { continue }
            let (tail, head) = (shape::slice_range(&out, d, cut, size - cut, 1)?, shape::slice_range(&out, d, 0, cut, 1)?);
            out = join::cat_tensors(&[&tail, &head], d)?;
        }
        Ok(out)
    }
    /// Turned by 90 degrees `k` times in the plane of two dimensions.
    "rot90(Tensor input, int k=1, int[] dims=(0, 1))" [FUNCTION | METHOD | NO_OUT]
    fn rot90(input: &Tensor, k: i64, dims: &[i64]) -> Result<Tensor> {
        ensure!(dims.len() == 2, runtime, "expected total rotation dims == 2, but got dims = {}", dims.len());
        ensure!(input.ndim() >= 2, runtime, "expected total dims >= 2, but got total dims = {}", input.ndim());
        let (a, b) = (wrap_dim(dims[0], input.ndim())?, wrap_dim(dims[1], input.ndim())?);
        ensure!(a != b, runtime, "expected rotation dims to be different, but got dim0 = {} and dim1 = {}", dims[0], dims[1]);
        match k.rem_euclid(4) {
            1 => shape::transpose_dims(&flipped(input, &[b])?, a, b, "TransposeBackward0"),
            2 => flipped(input, &[a, b]),
            3 => shape::transpose_dims(&flipped(input, &[a])?, a, b, "TransposeBackward0"),
            _ => copy::clone(input),
        }
    }
    /// The part of each matrix on and below a diagonal; zeros above.
    "tril(Tensor input, SymInt diagonal=0)" [FUNCTION | METHOD | INPLACE]
    fn tril(input: &Tensor, diagonal: i64) -> Result<Tensor> { triangle(input, diagonal, false) }
    /// The part of each matrix on and above a diagonal; zeros below.
    "triu(Tensor input, SymInt diagonal=0)" [FUNCTION | METHOD | INPLACE]
    fn triu(input: &Tensor, diagonal: i64) -> Result<Tensor> { triangle(input, diagonal, true) }
    /// Row and column numbers of the lower triangle of a `row` by `col` matrix.
    "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False)" [FUNCTION | NO_OUT]
    fn tril_indices(row: i64, col: i64, offset: i64, dtype: Option<DType>, layout: TensorLayout, device: Option<crate::Device>, pin_memory: bool) -> Result<Tensor> {
        let _ = (layout, device, pin_memory);
        triangle_indices(row, col, offset, false, dtype)
    }
    /// Row and column numbers of the upper triangle of a `row` by `col` matrix.
    "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False)" [FUNCTION | NO_OUT]
    fn triu_indices(row: i64, col: i64, offset: i64, dtype: Option<DType>, layout: TensorLayout, device: Option<crate::Device>, pin_memory: bool) -> Result<Tensor> {
        let _ = (layout, device, pin_memory);
        triangle_indices(row, col, offset, true, dtype)
    }
    /// The diagonal of a matrix, or a matrix with a vector on its diagonal.
    "diag(Tensor input, int diagonal=0)" [FUNCTION | METHOD]
    fn diag(input: &Tensor, diagonal: i64) -> Result<Tensor> {
        match input.ndim() {
            1 => on_diagonal(input, diagonal, 0, 1),
            2 => copy::clone(&shape::diagonal(input, diagonal, 0, 1)?),
            other => bail!(runtime, "diag(): Supports 1D or 2D tensors. Got {other}D"),
        }
    }
    /// Matrices with the last dimension of the input on a diagonal.
    "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1)" [FUNCTION | METHOD | NO_OUT]
    fn diag_embed(input: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor> {
        ensure!(input.ndim() > 0, runtime, "diag_embed: expected at least a 1-D tensor");
        let (a, b) = (wrap_dim(dim1, input.ndim() + 1)?, wrap_dim(dim2, input.ndim() + 1)?);
        ensure!(a != b, runtime, "diagonal dimensions cannot be identical {dim1}, {dim2}");
        on_diagonal(input, offset, a, b)
    }
    /// A matrix with the flattened input on a diagonal.
    "diagflat(Tensor input, int offset=0)" [FUNCTION | METHOD | NO_OUT]
    fn diagflat(input: &Tensor, offset: i64) -> Result<Tensor> { on_diagonal(&shape::reshape_to(input, &[input.numel()])?, offset, 0, 1) }
    /// The sum of the diagonal of a matrix.
    "trace(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn trace(input: &Tensor) -> Result<Tensor> {
        ensure!(input.ndim() == 2, runtime, "trace: expected a matrix, but got tensor with dim {}", input.ndim());
        reduce::sum(&shape::diagonal(input, 0, 0, 1)?, None)
    }
}
