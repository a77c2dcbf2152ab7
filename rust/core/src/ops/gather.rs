//! Elements and slices by index along one dimension: `gather`, `scatter`, `index_select` and their kin, masks, `take`,
//! `embedding`.
use crate::array::Array;
use crate::autograd::{Grads, Saved, record, tracks};
use crate::op::{Number, TensorOrNumber};
use crate::ops::{copy, create, pointwise, select, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::wrap_dim;
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::cpu::combine::Combine;
use rustorch_kernels::cpu::gather::{self as kernels, Scatter};
use rustorch_kernels::{Operand, cpu};
use smallvec::smallvec;

fn check_index(index: &Tensor, name: &str) -> Result<()> {
    ensure!(index.dtype() == DType::Int64, runtime, "{name}(): Expected dtype int64 for index");
    Ok(())
}

/// The index must fit inside `input` in every dimension but `dim`.
fn check_fits(input: &Tensor, dim: usize, index: &Tensor, name: &str) -> Result<()> {
    let (n, m) = (input.ndim().max(1), index.ndim().max(1));
    ensure!(
        n == m,
        runtime,
        "Index tensor must have the same number of dimensions as {} tensor",
        if name == "gather" { "input" } else { "self" }
    );
    for d in 0..input.ndim().min(index.ndim()) {
        ensure!(
            d == dim || index.shape()[d] <= input.shape()[d],
            runtime,
            "Size does not match at dimension {d} expected index {:?} to be no larger than {} {:?} apart from dimension {dim}",
            index.shape(),
            "self",
            input.shape()
        );
    }
    Ok(())
}

/// `out[i][j] = input[i][index[i][j]]` along `dim`.
pub fn gather_along(input: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    let array = Array::empty(index.shape(), input.dtype(), input.device())?;
    if array.numel() > 0 {
        let size = input.shape().get(dim).copied().unwrap_or(1);
        kernels::gather(index.shape(), dim, size, array.operand(), input.operand(), index.operand())?;
    }
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let sizes: Dims = input.shape().into();
        record("GatherBackward0", &[input], &[&out], [Saved::input(index)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let zeros = create::zeros(&sizes, g.dtype())?;
            Ok(smallvec![Some(scatter_added(&zeros, dim, &context.saved(0)?, g)?)])
        })?;
    }
    Ok(out)
}

/// A copy with elements of `source` (or one value, by strides of 0) sent to their places.
fn scattered(input: &Tensor, dim: usize, index: &Tensor, source: Operand<'_>, how: Scatter) -> Result<Tensor> {
    let fresh = {
        let _off = crate::mode::Guard::no_grad();
        copy::clone(input)?
    };
    if index.numel() > 0 {
        let size = input.shape().get(dim).copied().unwrap_or(1);
        kernels::scatter(index.shape(), dim, size, fresh.operand(), source, index.operand(), how)?;
    }
    Ok(fresh)
}
fn check_source(source: &Tensor, index: &Tensor) -> Result<()> {
    for d in 0..index.ndim().min(source.ndim()) {
        ensure!(
            index.shape()[d] <= source.shape()[d],
            runtime,
            "Expected index {:?} to be no larger than src {:?} at dimension {d}",
            index.shape(),
            source.shape()
        );
    }
    ensure!(index.ndim().max(1) == source.ndim().max(1), runtime, "Index tensor must have the same number of dimensions as src tensor");
    Ok(())
}

fn scatter_added(input: &Tensor, dim: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    let out = scattered(input, dim, index, source.operand(), Scatter::ADD)?;
    if tracks(&[input, source]) {
        record("ScatterAddBackward0", &[input, source], &[&out], [Saved::input(index)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None, None]) };
            let part = if context.needs(1) { Some(gather_along(g, dim, &context.saved(0)?)?) } else { None };
            Ok(smallvec![Some(g.clone()), part])
        })?;
    }
    Ok(out)
}

/// `scatter` of a tensor or a number: the places lose their former gradient.
fn scatter_replaced(input: &Tensor, dim: usize, index: &Tensor, source: TensorOrNumber<'_>) -> Result<Tensor> {
    let (source, constant) = match source {
        TensorOrNumber::Tensor(source) => (source.clone(), false),
        TensorOrNumber::Number(value) => {
            (shape::expand_to(&create::full(&[], value, input.dtype(), input.device())?, index.shape())?, true)
        }
    };
    ensure!(input.dtype() == source.dtype(), runtime, "scatter(): Expected self.dtype to be equal to src.dtype");
    let out = scattered(input, dim, index, source.operand(), Scatter::REPLACE)?;
    let formula = move |context: &crate::autograd::Context, g: &[Option<Tensor>]| {
        let mut gradients: Grads = smallvec![None; if constant { 1 } else { 2 }];
        let Some(g) = &g[0] else { return Ok(gradients) };
        let index = context.saved(0)?;
        if context.needs(0) {
            gradients[0] = Some(scatter_replaced(g, dim, &index, TensorOrNumber::Number(Number::Int(0)))?);
        }
        if !constant && context.needs(1) {
            gradients[1] = Some(gather_along(g, dim, &index)?);
        }
        Ok(gradients)
    };
    if constant {
        if tracks(&[input]) {
            record("ScatterBackward1", &[input], &[&out], [Saved::input(index)], formula)?;
        }
    } else if tracks(&[input, &source]) {
        record("ScatterBackward0", &[input, &source], &[&out], [Saved::input(index)], formula)?;
    }
    Ok(out)
}

/// The numbers of an index vector (or single index) as a packed tensor.
fn index_vector(index: &Tensor, name: &str) -> Result<Tensor> {
    ensure!(index.ndim() <= 1, index, "{name}(): Index is supposed to be a vector");
    ensure!(matches!(index.dtype(), DType::Int64 | DType::Int32), runtime, "{name}(): Expected dtype int32 or int64 for index");
    let index = copy::contiguous(&copy::cast(&index.detached(), DType::Int64)?)?;
    if index.ndim() == 0 { shape::reshape_to(&index, &[1]) } else { Ok(index) }
}
fn numbers(index: &Tensor) -> &[i64] {
    // SAFETY: `index_vector` made it int64 and contiguous; the tensor lives as long as the borrow.
    unsafe { std::slice::from_raw_parts(index.array().data().cast::<i64>(), index.numel() as usize) }
}

/// Slices of `input` along `dim`, by number.
pub fn select_slices(input: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    if input.ndim() == 0 {
        return shape::reshape_to(&select_slices(&shape::reshape_to(input, &[1])?, 0, index)?, &[]);
    }
    let mut sizes: Dims = input.shape().into();
    sizes[dim] = index.numel();
    let array = Array::empty(&sizes, input.dtype(), input.device())?;
    cpu::index_select::index_select(&sizes, dim, input.shape()[dim], array.operand(), input.operand(), numbers(index))?;
    let out = Tensor::new(array);
    if tracks(&[input]) {
        let sizes: Dims = input.shape().into();
        record("IndexSelectBackward0", &[input], &[&out], [Saved::input(index)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let zeros = create::zeros(&sizes, g.dtype())?;
            Ok(smallvec![Some(combined(&zeros, dim, &context.saved(0)?, g, Number::Int(1), Combine::Add)?)])
        })?;
    }
    Ok(out)
}

/// `index_add` and `index_copy` on a copy.
fn combined(input: &Tensor, dim: usize, index: &Tensor, source: &Tensor, alpha: Number, how: Combine) -> Result<Tensor> {
    let name = if how == Combine::Add { "index_add" } else { "index_copy" };
    ensure!(
        input.dtype() == source.dtype(),
        runtime,
        "{name}(): self ({}) and source ({}) must have the same scalar type",
        input.dtype().scalar_name(),
        source.dtype().scalar_name()
    );
    ensure!(
        source.shape().get(dim).copied().unwrap_or(1) == index.numel(),
        index,
        "{name}(): Number of indices ({}) should be equal to source.size(dim): ({}), for dim: {dim}",
        index.numel(),
        source.shape().get(dim).copied().unwrap_or(1)
    );
    let out = {
        let _off = crate::mode::Guard::no_grad();
        copy::clone(input)?
    };
    let size = input.shape().get(dim).copied().unwrap_or(1);
    cpu::index_select::index_combine(source.shape(), dim, size, [out.operand(), source.operand()], numbers(index), how, alpha)?;
    if tracks(&[input, source]) {
        let node = if how == Combine::Add { "IndexAddBackward0" } else { "IndexCopyBackward0" };
        record(node, &[input, source], &[&out], [Saved::input(index)], move |context, g| {
            let mut gradients: Grads = smallvec![None, None];
            let Some(g) = &g[0] else { return Ok(gradients) };
            let index = context.saved(0)?;
            if context.needs(0) {
                gradients[0] = Some(if how == Combine::Add { g.clone() } else { filled(g, dim, &index, Number::Int(0))? });
            }
            if context.needs(1) {
                let part = select_slices(g, dim, &index)?;
                gradients[1] = Some(pointwise::call("mul", &[TensorOrNumber::Tensor(&part), TensorOrNumber::Number(alpha)])?);
            }
            Ok(gradients)
        })?;
    }
    Ok(out)
}

/// A copy with slices filled.
fn filled(input: &Tensor, dim: usize, index: &Tensor, value: Number) -> Result<Tensor> {
    let out = {
        let _off = crate::mode::Guard::no_grad();
        copy::clone(input)?
    };
    cpu::index_select::index_fill(input.shape(), dim, out.operand(), numbers(index), value)?;
    if tracks(&[input]) {
        record("IndexFillBackward0", &[input], &[&out], [Saved::input(index)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(filled(g, dim, &context.saved(0)?, Number::Int(0))?)])
        })?;
    }
    Ok(out)
}

/// The elements where the mask is true, as a vector.
fn masked_elements(input: &Tensor, mask: &Tensor) -> Result<Tensor> {
    ensure!(mask.dtype() == DType::Bool, runtime, "masked_select: expected BoolTensor for mask");
    let sizes = rustorch_base::layout::broadcast_shapes(input.shape(), mask.shape())?;
    let (x, m) = (shape::expand_to(input, &sizes)?, shape::expand_to(mask, &sizes)?);
    let array = Array::empty(&[cpu::masked::count(&sizes, m.operand())], input.dtype(), input.device())?;
    cpu::masked::masked_select(&sizes, array.operand(), x.operand(), m.operand());
    let out = Tensor::new(array);
    if tracks(&[&x]) {
        let former = sizes;
        record("MaskedSelectBackward0", &[&x], &[&out], [Saved::input(&m)], move |context, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let zeros = create::zeros(&former, g.dtype())?;
            Ok(smallvec![Some(masked_put(&zeros, &context.saved(0)?, g)?)])
        })?;
    }
    Ok(out)
}
/// A copy with the next element of `source` wherever the mask is true.
fn masked_put(input: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
    ensure!(
        mask.dtype() == DType::Bool,
        runtime,
        "masked_scatter_ only supports boolean masks, but got mask with dtype {}",
        mask.dtype().name()
    );
    ensure!(
        input.dtype() == source.dtype(),
        runtime,
        "masked_scatter: expected self and source to have same dtypes but got {} and {}",
        input.dtype().scalar_name(),
        source.dtype().scalar_name()
    );
    let sizes = rustorch_base::layout::broadcast_shapes(input.shape(), mask.shape())?;
    let (x, m) = (shape::expand_to(input, &sizes)?, shape::expand_to(mask, &sizes)?);
    let out = {
        let _off = crate::mode::Guard::no_grad();
        Tensor::new(copy::contiguous(&x)?.array().clone())
    };
    let out = if out.array().storage.same(&x.array().storage) { copy::clone(&x.detached())? } else { out };
    let flat = shape::reshape_to(&copy::contiguous(&source.detached())?, &[source.numel()])?;
    cpu::masked::masked_scatter(&sizes, out.operand(), m.operand(), flat.operand(), flat.numel())?;
    if tracks(&[&x, source]) {
        let former: Dims = source.shape().into();
        record("MaskedScatterBackward0", &[&x, source], &[&out], [Saved::input(&m)], move |context, g| {
            let mut gradients: Grads = smallvec![None, None];
            let Some(g) = &g[0] else { return Ok(gradients) };
            let mask = context.saved(0)?;
            if context.needs(0) {
                gradients[0] = Some(select::masked_fill_number(g, &mask, Number::Int(0))?);
            }
            if context.needs(1) {
                let taken = masked_elements(g, &mask)?;
                let rest = create::zeros(&[former.iter().product::<i64>() - taken.numel()], g.dtype())?;
                gradients[1] = Some(shape::reshape_to(&crate::ops::join::cat_tensors(&[&taken, &rest], 0)?, &former)?);
            }
            Ok(gradients)
        })?;
    }
    Ok(out)
}

crate::ops! {
    /// Elements by index along a dimension: the result has the index's shape.
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)" [FUNCTION | METHOD]
    fn gather(input: &Tensor, dim: i64, index: &Tensor, sparse_grad: bool) -> Result<Tensor> {
        ensure!(!sparse_grad, not_implemented, "gather(sparse_grad=True) is not implemented");
        let dim = wrap_dim(dim, input.ndim())?;
        check_index(index, "gather")?;
        if index.numel() > 0 { check_fits(input, dim, index, "gather")? }
        gather_along(input, dim, index)
    }
    /// Elements by index along a dimension, the rest broadcast.
    "take_along_dim(Tensor input, Tensor indices, int? dim=None)" [FUNCTION | METHOD]
    fn take_along_dim(input: &Tensor, indices: &Tensor, dim: Option<i64>) -> Result<Tensor> {
        let Some(dim) = dim else {
            return gather_along(&shape::reshape_to(input, &[input.numel()])?, 0, &shape::reshape_to(indices, &[indices.numel()])?);
        };
        ensure!(input.ndim() == indices.ndim(), runtime, "torch.take_along_dim(): input and indices should have the same number of dimensions, but got {} dimensions for input, and {} dimensions for indices", input.ndim(), indices.ndim());
        let dim = wrap_dim(dim, input.ndim())?;
        let (mut a, mut b): (Dims, Dims) = (input.shape().into(), indices.shape().into());
        (a[dim], b[dim]) = (1, 1);
        let mut common = rustorch_base::layout::broadcast_shapes(&a, &b)?;
        let mut wide = common.clone();
        common[dim] = input.shape()[dim];
        wide[dim] = indices.shape()[dim];
        gather_along(&shape::expand_to(input, &common)?, dim, &shape::expand_to(indices, &wide)?)
    }
    /// The tensor with elements of `src` sent to the places that `index` names along a dimension.
    "scatter(Tensor input, int dim, Tensor index, Number|Tensor src)" [FUNCTION | METHOD | INPLACE]
    fn scatter(input: &Tensor, dim: i64, index: &Tensor, src: TensorOrNumber<'_>) -> Result<Tensor> {
        let dim = wrap_dim(dim, input.ndim())?;
        check_index(index, "scatter")?;
        if index.numel() > 0 {
            check_fits(input, dim, index, "scatter")?;
            if let TensorOrNumber::Tensor(source) = src { check_source(source, index)? }
        }
        scatter_replaced(input, dim, index, src)
    }
    /// The tensor with one value at the places that `index` names along a dimension.
    "scatter(Tensor input, int dim, Tensor index, Scalar value)" [FUNCTION | METHOD | INPLACE]
    fn scatter_value(input: &Tensor, dim: i64, index: &Tensor, value: Number) -> Result<Tensor> {
        scatter(input, dim, index, TensorOrNumber::Number(value))
    }
    /// The tensor with elements of `src` combined into the places that `index` names: `reduce` is "add" or "multiply".
    "scatter(Tensor input, int dim, Tensor index, Number|Tensor src, *, str reduce)" [FUNCTION | METHOD | INPLACE]
    fn scatter_with(input: &Tensor, dim: i64, index: &Tensor, src: TensorOrNumber<'_>, reduce: &str) -> Result<Tensor> {
        let combine = match reduce {
            "add" => Combine::Add,
            "multiply" => Combine::Multiply,
            _ => bail!(runtime, "reduce argument must be either add or multiply."),
        };
        let dim = wrap_dim(dim, input.ndim())?;
        check_index(index, "scatter")?;
        let source = match src {
            TensorOrNumber::Tensor(source) => source.clone(),
            TensorOrNumber::Number(value) => shape::expand_to(&create::full(&[], value, input.dtype(), input.device())?, index.shape())?,
        };
        ensure!(!tracks(&[input, &source]), not_implemented, "scatter(reduce=...) has no derivative; use scatter_reduce");
        scattered(input, dim, index, source.operand(), Scatter { combine, mean: false, include_self: true })
    }
    /// The tensor with elements of `src` added at the places that `index` names along a dimension.
    "scatter_add(Tensor input, int dim, Tensor index, Tensor src)" [FUNCTION | METHOD | INPLACE]
    fn scatter_add(input: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
        let dim = wrap_dim(dim, input.ndim())?;
        check_index(index, "scatter")?;
        ensure!(input.dtype() == src.dtype(), runtime, "scatter(): Expected self.dtype to be equal to src.dtype");
        if index.numel() > 0 {
            check_fits(input, dim, index, "scatter")?;
            check_source(src, index)?;
        }
        scatter_added(input, dim, index, src)
    }
    /// The tensor with elements of `src` reduced into the places that `index` names: "sum", "prod", "mean", "amax", "amin".
    "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)" [FUNCTION | METHOD | INPLACE]
    fn scatter_reduce(input: &Tensor, dim: i64, index: &Tensor, src: &Tensor, reduce: &str, include_self: bool) -> Result<Tensor> {
        let combine = match reduce {
            "sum" | "mean" => Combine::Add,
            "prod" => Combine::Multiply,
            "amax" => Combine::Greatest,
            "amin" => Combine::Smallest,
            _ => bail!(runtime, "reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"),
        };
        if reduce == "sum" && include_self { return scatter_add(input, dim, index, src) }
        let dim = wrap_dim(dim, input.ndim())?;
        check_index(index, "scatter")?;
        ensure!(!tracks(&[input, src]), not_implemented, "the derivative of scatter_reduce(reduce='{reduce}') is not implemented");
        scattered(input, dim, index, src.operand(), Scatter { combine, mean: reduce == "mean", include_self })
    }
    /// Slices of a dimension, by number.
    "index_select(Tensor input, int dim, Tensor index)" [FUNCTION | METHOD]
    fn index_select(input: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
        select_slices(input, wrap_dim(dim, input.ndim())?, &index_vector(index, "index_select")?)
    }
    /// The tensor with `alpha` times slices of `source` added at the numbered slices.
    "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1)" [FUNCTION | METHOD | INPLACE]
    fn index_add(input: &Tensor, dim: i64, index: &Tensor, source: &Tensor, alpha: Number) -> Result<Tensor> {
        combined(input, wrap_dim(dim, input.ndim())?, &index_vector(index, "index_add")?, source, alpha, Combine::Add)
    }
    /// The tensor with slices of `source` in the place of the numbered slices.
    "index_copy(Tensor input, int dim, Tensor index, Tensor source)" [FUNCTION | METHOD | INPLACE]
    fn index_copy(input: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        combined(input, wrap_dim(dim, input.ndim())?, &index_vector(index, "index_copy")?, source, Number::Int(1), Combine::Replace)
    }
    /// The tensor with one value in the numbered slices.
    "index_fill(Tensor input, int dim, Tensor index, Number|Tensor value)" [FUNCTION | METHOD | INPLACE | NO_OUT]
    fn index_fill(input: &Tensor, dim: i64, index: &Tensor, value: TensorOrNumber<'_>) -> Result<Tensor> {
        let value = match value {
            TensorOrNumber::Number(value) => value,
            TensorOrNumber::Tensor(value) => {
                ensure!(value.ndim() == 0, runtime, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).", value.ndim());
                value.item()?
            }
        };
        filled(input, wrap_dim(dim, input.ndim())?, &index_vector(index, "index_fill")?, value)
    }
    /// The elements where the mask is true, as a vector.
    "masked_select(Tensor input, Tensor mask)" [FUNCTION | METHOD]
    fn masked_select(input: &Tensor, mask: &Tensor) -> Result<Tensor> { masked_elements(input, mask) }
    /// The tensor with the next element of `source` wherever the mask is true.
    "masked_scatter(Tensor input, Tensor mask, Tensor source)" [FUNCTION | METHOD | INPLACE | NO_OUT]
    fn masked_scatter(input: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> { masked_put(input, mask, source) }
    /// Elements by their number in the flattened tensor.
    "take(Tensor input, Tensor index)" [FUNCTION | METHOD]
    fn take(input: &Tensor, index: &Tensor) -> Result<Tensor> {
        check_index(index, "take")?;
        let flat = shape::reshape_to(input, &[input.numel()])?;
        let places = crate::ops::index::IndexTensors::from_iter([(0, index.clone())]);
        crate::ops::advanced::index_tensors(&flat, &places)
    }
    /// Rows of `weight`, by number: shape (*, width). The row `padding_idx` gets no gradient.
    "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False)" [FUNCTION | NO_OUT]
    fn embedding(weight: &Tensor, indices: &Tensor, padding_idx: i64, scale_grad_by_freq: bool, sparse: bool) -> Result<Tensor> {
        ensure!(!sparse, not_implemented, "embedding(sparse=True) is not implemented");
        ensure!(weight.ndim() == 2, runtime, "'weight' must be 2-D");
        ensure!(matches!(indices.dtype(), DType::Int64 | DType::Int32), runtime,
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.{}Tensor instead (while checking arguments for embedding)", indices.dtype().scalar_name());
        let flat = index_vector(&shape::reshape_to(&indices.detached(), &[indices.numel()])?, "embedding")?;
        let mut sizes: Dims = indices.shape().into();
        sizes.push(weight.shape()[1]);
        let rows = { let _off = crate::mode::Guard::no_grad(); select_slices(weight, 0, &flat)? };
        let out = Tensor::new(rows.array().relaid(rustorch_base::Layout::contiguous(&sizes)));
        if tracks(&[weight]) {
            let former: Dims = weight.shape().into();
            record("EmbeddingBackward0", &[weight], &[&out], [Saved::input(&flat)], move |context, g| {
                let Some(g) = &g[0] else { return Ok(smallvec![None]) };
                let index = context.saved(0)?;
                let rows = shape::reshape_to(g, &[index.numel(), former[1]])?;
                if tracks(&[&rows]) {
                    let zeros = create::zeros(&former, g.dtype())?;
                    return Ok(smallvec![Some(combined(&zeros, 0, &index, &rows, Number::Int(1), Combine::Add)?)]);
                }
                let array = Array::empty(&former, g.dtype(), g.device())?;
                let rows = copy::contiguous(&rows)?;
                let padding = (padding_idx >= 0).then_some(padding_idx);
                cpu::index_select::embedding_backward([former[0], former[1]], array.operand(), rows.operand(), numbers(&index), padding, scale_grad_by_freq)?;
                Ok(smallvec![Some(Tensor::new(array))])
            })?;
        }
        Ok(out)
    }
}
