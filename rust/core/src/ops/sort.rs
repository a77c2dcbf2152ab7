//! Order along a dimension: `sort`, `topk`, `kthvalue`, `median`; and what rests on it: `unique`, `searchsorted`, `bincount`.
use crate::array::Array;
use crate::autograd::{Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::reduce::restore;
use crate::ops::{copy, create, gather, pointwise, promote, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dim;
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu::sort::{self as kernels, Kth};
use smallvec::smallvec;

/// Fresh values and indices of a choice along `dim`, of `size` elements there.
fn fresh(input: &Tensor, dim: usize, size: i64) -> Result<(Array, Array)> {
    let mut sizes: Dims = input.shape().into();
    if let Some(chosen) = sizes.get_mut(dim) {
        *chosen = size;
    }
    Ok((Array::empty(&sizes, input.dtype(), input.device())?, Array::empty(&sizes, DType::Int64, input.device())?))
}

/// The gradient of chosen elements goes back to their places.
fn record_choice(name: &'static str, input: &Tensor, chosen: [&Tensor; 2], dim: usize, keepdim: bool) -> Result<()> {
    if !tracks(&[input]) {
        return Ok(());
    }
    let sizes: Dims = input.shape().into();
    record(name, &[input], &chosen, [Saved::input(chosen[1])], move |context, g| {
        let Some(g) = &g[0] else { return Ok(smallvec![None]) };
        let axes: &[usize] = if sizes.is_empty() { &[] } else { &[dim] };
        let zeros = create::zeros(&sizes, g.dtype())?;
        let (g, indices) = (restore(g, axes, keepdim)?, restore(&context.saved(0)?, axes, keepdim)?);
        Ok(smallvec![Some(gather::scatter_add(&zeros, dim as i64, &indices, &g)?)])
    })
}

fn sorted(input: &Tensor, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let dim = wrap_dim(dim, input.ndim())?;
    ensure!(!input.dtype().is_complex(), runtime, " Sort does not support complex dtypes on CPU");
    let (values, indices) = fresh(input, dim, input.shape().get(dim).copied().unwrap_or(1))?;
    if values.numel() > 0 && !values.device().is_meta() {
        kernels::sort(input.shape(), dim, descending, Some(values.operand()), Some(indices.operand()), input.operand())?;
    }
    let (values, indices) = (Tensor::new(values), Tensor::new(indices));
    record_choice("SortBackward0", input, [&values, &indices], dim, true)?;
    Ok((values, indices))
}

/// One element of each line and its index.
fn kth(input: &Tensor, dim: i64, which: Kth, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let (name, node) = match which {
        Kth::Number(_) => ("kthvalue", "KthvalueBackward0"),
        Kth::Median => ("median", "MedianBackward1"),
        Kth::NanMedian => ("nanmedian", "NanmedianBackward1"),
    };
    let dim = wrap_dim(dim, input.ndim())?;
    let size = input.shape().get(dim).copied().unwrap_or(1);
    ensure!(size > 0, index, "{name}(): Expected reduction dim {dim} to have non-zero size.");
    let (values, indices) = fresh(input, dim, 1)?;
    if !values.device().is_meta() {
        kernels::kth(input.shape(), dim, which, Some(values.operand()), Some(indices.operand()), input.operand())?;
    }
    let mut sizes: Dims = values.shape().into();
    let keepdim = keepdim || sizes.is_empty();
    if !keepdim {
        sizes.remove(dim);
    }
    let layout = Layout::contiguous(&sizes);
    let (values, indices) = (Tensor::new(values.relaid(layout.clone())), Tensor::new(indices.relaid(layout)));
    record_choice(node, input, [&values, &indices], dim, keepdim)?;
    Ok((values, indices))
}

/// The lower middle of all elements; equal ones share the gradient.
fn middle(input: &Tensor, which: Kth) -> Result<Tensor> {
    let flat = shape::reshape_to(&input.detached(), &[input.numel()])?;
    let out = if flat.numel() > 0 {
        kth(&flat, 0, which, false)?.0
    } else if input.dtype().is_floating_point() {
        create::full(&[], Number::Float(f64::NAN), input.dtype(), input.device())?
    } else {
        create::full(&[], Number::Int(i64::MIN), input.dtype(), input.device())?
    };
    if tracks(&[input]) {
        let name = if which == Kth::Median { "MedianBackward0" } else { "NanmedianBackward0" };
        record(name, &[input], &[&out], [Saved::input(input), Saved::output(&out, 0)], |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let (x, y) = (context.saved(0)?.detached(), context.saved(1)?.detached());
            let equal = pointwise::call("eq", &[TensorOrNumber::Tensor(&x), TensorOrNumber::Tensor(&y)])?;
            // A NaN equals nothing: where it is the median, the NaNs share.
            let unordered = [&x, &y].map(|t| pointwise::call("ne", &[TensorOrNumber::Tensor(t), TensorOrNumber::Tensor(t)]));
            let [x_is_nan, y_is_nan] = unordered;
            let both = pointwise::call("logical_and", &[TensorOrNumber::Tensor(&x_is_nan?), TensorOrNumber::Tensor(&y_is_nan?)])?;
            let reached = pointwise::call("logical_or", &[TensorOrNumber::Tensor(&equal), TensorOrNumber::Tensor(&both)])?;
            let reached = copy::cast(&reached, g.dtype())?;
            let axes: Vec<usize> = (0..x.ndim()).collect();
            let share = pointwise::div(&reached, &reduce::sum_over(&reached, &axes, false, None, "SumBackward0")?)?;
            Ok(smallvec![Some(pointwise::mul(&share, g)?)])
        })?;
    }
    Ok(out)
}

/// A tensor of these numbers.
fn tensor_of(numbers: &[i64], sizes: &[i64]) -> Result<Tensor> {
    let tensor = Tensor::empty(sizes, DType::Int64)?;
    // SAFETY: a fresh contiguous int64 tensor with room for as many numbers as its sizes hold, which are `numbers`.
    unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), tensor.array().data().cast::<i64>(), tensor.numel() as usize) };
    Ok(tensor)
}

/// The different elements, for each element which of them it is, and how often each occurs; empty where not asked for.
fn unique_elements(input: &Tensor, consecutive: bool, inverse: bool, counts: bool) -> Result<(Tensor, Tensor, Tensor)> {
    let name = if consecutive { "unique_consecutive" } else { "_unique2" };
    ensure!(!tracks(&[input]), not_implemented, "the derivative for '{name}' is not implemented.");
    let found = kernels::unique(input.shape(), input.operand(), consecutive)?;
    let different = found.first.len() as i64;
    let first = tensor_of(&found.first, &[different])?;
    let values = gather::select_slices(&shape::reshape_to(input, &[input.numel()])?, 0, &first)?;
    let inverse = if inverse { tensor_of(&found.inverse, input.shape())? } else { tensor_of(&[], &[0])? };
    let counts = if counts { tensor_of(&found.counts, &[different])? } else { tensor_of(&[], &[0])? };
    Ok((values, inverse, counts))
}

/// What `side` and `right` say together.
fn after_equals(side: Option<&str>, right: bool) -> Result<bool> {
    let Some(side) = side else { return Ok(right) };
    ensure!(matches!(side, "left" | "right"), runtime, "torch.searchsorted(): side can only be 'left' or 'right' but got {side}");
    ensure!(
        side == "right" || !right,
        runtime,
        "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
    );
    Ok(side == "right")
}

fn check_sequences(sorted: &Tensor, values: &Tensor, sorter: Option<&Tensor>) -> Result<()> {
    ensure!(sorted.ndim() > 0, runtime, "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
    ensure!(
        values.ndim() > 0 || sorted.ndim() == 1,
        runtime,
        "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim({}) and input value's dim(0) numel(1)",
        sorted.ndim()
    );
    let outer = |t: &Tensor| Dims::from(&t.shape()[..t.ndim().saturating_sub(1)]);
    ensure!(
        sorted.ndim() == 1 || (sorted.ndim() == values.ndim() && outer(sorted) == outer(values)),
        runtime,
        "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor {:?} and input value tensor {:?}",
        sorted.shape(),
        values.shape()
    );
    let Some(sorter) = sorter else { return Ok(()) };
    ensure!(
        sorter.shape() == sorted.shape(),
        runtime,
        "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {:?}and got sorter tensor {:?}",
        sorted.shape(),
        sorter.shape()
    );
    ensure!(
        sorter.dtype() == DType::Int64,
        runtime,
        "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {}",
        sorter.dtype().scalar_name()
    );
    Ok(())
}

/// Where each value would be inserted into its ascending sequence.
fn places(sequences: &Tensor, values: &Tensor, narrow: bool, right: bool, sorter: Option<&Tensor>) -> Result<Tensor> {
    check_sequences(sequences, values, sorter)?;
    let dtype = promote::result_type(&[sequences, values])?;
    let mut sequences = copy::cast(&sequences.detached(), dtype)?;
    if let Some(sorter) = sorter {
        sequences = gather::gather(&sequences, -1, sorter, false)?;
    }
    let length = sequences.shape()[sequences.ndim() - 1];
    let values = copy::cast(&values.detached(), dtype)?;
    let out = Array::empty(values.shape(), DType::Int64, values.device())?;
    if out.numel() > 0 && !out.device().is_meta() {
        let mut wide: Dims = values.shape().into();
        if let Some(last) = wide.last_mut() {
            *last = length;
            sequences = shape::expand_to(&sequences, &wide)?;
        }
        kernels::searchsorted(values.shape(), length, out.operand(), sequences.operand(), values.operand(), right)?;
    }
    copy::cast(&Tensor::new(out), if narrow { DType::Int32 } else { DType::Int64 })
}

fn count_numbers(input: &Tensor, weights: Option<&Tensor>, minimum: i64) -> Result<Tensor> {
    if !input.dtype().is_integral() {
        bail!(not_implemented, "\"bincount_cpu\" not implemented for '{}'", input.dtype().scalar_name())
    }
    ensure!(minimum >= 0, runtime, "minlength should be >= 0");
    ensure!(input.ndim() == 1, runtime, "bincount only supports 1-d non-negative integral inputs.");
    ensure!(
        weights.is_none_or(|weights| weights.shape() == input.shape()),
        runtime,
        "weights should be 1-d and have the same length as input"
    );
    let dtype = weights.map_or(DType::Int64, |weights| if weights.dtype() == DType::Float32 { DType::Float32 } else { DType::Float64 });
    let input = copy::contiguous(&copy::cast(&input.detached(), DType::Int64)?)?;
    let weights = weights.map(|weights| copy::contiguous(&copy::cast(&weights.detached(), DType::Float64)?)).transpose()?;
    let n = input.numel() as usize;
    let counts = if n == 0 {
        vec![0.0; minimum as usize]
    } else {
        // SAFETY: contiguous arrays of n elements of these dtypes, alive until the call returns.
        let (numbers, weights) = unsafe {
            let weights = weights.as_ref().map(|weights| std::slice::from_raw_parts(weights.array().data().cast::<f64>(), n));
            (std::slice::from_raw_parts(input.array().data().cast::<i64>(), n), weights)
        };
        kernels::bincount(numbers, weights, minimum)?
    };
    let out = Tensor::empty(&[counts.len() as i64], DType::Float64)?;
    // SAFETY: the fresh tensor has room for the counts.
    unsafe { std::ptr::copy_nonoverlapping(counts.as_ptr(), out.array().data().cast::<f64>(), counts.len()) };
    copy::cast(&out, dtype)
}

crate::ops! {
    /// The elements in ascending order along a dimension, and their indices. Equal elements keep their order.
    "sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn sort(input: &Tensor, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> { sorted(input, dim, descending) }
    /// The elements in ascending order along a dimension, and their indices; the order of equal elements is always kept.
    "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn sort_stable(input: &Tensor, stable: Option<bool>, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
        let _ = stable;
        sorted(input, dim, descending)
    }
    /// The indices that sort a dimension.
    "argsort(Tensor input, int dim=-1, bool descending=False)" [FUNCTION | METHOD | NO_OUT]
    fn argsort(input: &Tensor, dim: i64, descending: bool) -> Result<Tensor> { Ok(sorted(&input.detached(), dim, descending)?.1) }
    /// The indices that sort a dimension; the order of equal elements is always kept.
    "argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False)" [FUNCTION | METHOD]
    fn argsort_stable(input: &Tensor, stable: bool, dim: i64, descending: bool) -> Result<Tensor> {
        let _ = stable;
        argsort(input, dim, descending)
    }
    /// The elements in ascending order along the first dimension.
    "msort(Tensor input)" [FUNCTION | METHOD]
    fn msort(input: &Tensor) -> Result<Tensor> { Ok(sorted(input, 0, false)?.0) }
    /// The `k` greatest (or smallest) elements along a dimension in order, and their indices.
    "topk(Tensor input, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn topk(input: &Tensor, k: i64, dim: i64, largest: bool, sorted: bool) -> Result<(Tensor, Tensor)> {
        let _ = sorted;
        let dim = wrap_dim(dim, input.ndim())?;
        ensure!((0..=input.shape().get(dim).copied().unwrap_or(1)).contains(&k), runtime, "selected index k out of range");
        let (values, indices) = fresh(input, dim, k)?;
        if values.numel() > 0 && !values.device().is_meta() {
            kernels::topk(input.shape(), dim, k, largest, Some(values.operand()), Some(indices.operand()), input.operand())?;
        }
        let (values, indices) = (Tensor::new(values), Tensor::new(indices));
        record_choice("TopkBackward0", input, [&values, &indices], dim, true)?;
        Ok((values, indices))
    }
    /// The `k`-th smallest element along a dimension, counted from 1, and its index.
    "kthvalue(Tensor input, SymInt k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn kthvalue(input: &Tensor, k: i64, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> { kth(input, dim, Kth::Number(k), keepdim) }
    /// The lower middle of all elements; NaN if there is one.
    "median(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn median(input: &Tensor) -> Result<Tensor> { middle(input, Kth::Median) }
    /// The lower middle along a dimension, and its index.
    "median(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn median_dim(input: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> { kth(input, dim, Kth::Median, keepdim) }
    /// The lower middle of all numbers, NaN left out.
    "nanmedian(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn nanmedian(input: &Tensor) -> Result<Tensor> { middle(input, Kth::NanMedian) }
    /// The lower middle of the numbers along a dimension, NaN left out, and its index.
    "nanmedian(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)" [FUNCTION | METHOD]
    fn nanmedian_dim(input: &Tensor, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> { kth(input, dim, Kth::NanMedian, keepdim) }
    /// The different elements in ascending order, for each element which of them it is, and how often each occurs.
    "_unique2(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn unique2(input: &Tensor, sorted: bool, return_inverse: bool, return_counts: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let _ = sorted;
        unique_elements(input, false, return_inverse, return_counts)
    }
    /// The elements that differ from the one before them, for each element which of them it is, and how long each run is.
    "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)" [FUNCTION | NO_OUT]
    fn unique_consecutive(input: &Tensor, return_inverse: bool, return_counts: bool, dim: Option<i64>) -> Result<(Tensor, Tensor, Tensor)> {
        ensure!(dim.is_none() || input.ndim() == 1, not_implemented, "unique_consecutive(dim=...) is not implemented");
        if let Some(dim) = dim { wrap_dim(dim, input.ndim())?; }
        unique_elements(input, true, return_inverse, return_counts)
    }
    /// Where each value would be inserted into an ascending sequence: before equal elements, or after them (`right`).
    "searchsorted(Tensor sorted_sequence, Number|Tensor input, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None)" [FUNCTION]
    fn searchsorted(sorted_sequence: &Tensor, input: TensorOrNumber<'_>, out_int32: bool, right: bool, side: Option<&str>, sorter: Option<&Tensor>) -> Result<Tensor> {
        let values = match input {
            TensorOrNumber::Tensor(values) => values.clone(),
            TensorOrNumber::Number(number) => create::scalar(number, sorted_sequence.dtype())?,
        };
        places(sorted_sequence, &values, out_int32, after_equals(side, right)?, sorter)
    }
    /// The number of the bucket of each value, between ascending boundaries.
    "bucketize(Number|Tensor input, Tensor boundaries, *, bool out_int32=False, bool right=False)" [FUNCTION]
    fn bucketize(input: TensorOrNumber<'_>, boundaries: &Tensor, out_int32: bool, right: bool) -> Result<Tensor> {
        ensure!(boundaries.ndim() == 1, runtime, "boundaries tensor must be 1 dimension, but got dim({})", boundaries.ndim());
        searchsorted(boundaries, input, out_int32, right, None, None)
    }
    /// How often each number occurs in a vector of integers, or the sum of its weights; at least `minlength` bins.
    "bincount(Tensor input, Tensor? weights=None, SymInt minlength=0)" [FUNCTION | METHOD | NO_OUT]
    fn bincount(input: &Tensor, weights: Option<&Tensor>, minlength: i64) -> Result<Tensor> { count_numbers(input, weights, minlength) }
}
