//! Indexing by tensors: `x[rows, columns]`, masks, and writing there.
use crate::array::Array;
use crate::autograd::node::{Formula, NodeOf};
use crate::autograd::{Context, Edge, Grads, inplace, record, tracks};
use crate::op::Ret;
use crate::ops::index::IndexTensors;
use crate::ops::{copy, create, reduce, shape};
use crate::tensor::Tensor;
use rustorch_base::layout::broadcast_shapes;
use rustorch_base::{DType, Dims, Result, bail, ensure};
use rustorch_kernels::cpu::combine::Combine;
use rustorch_kernels::cpu::index::{self as kernels, Indices};
use rustorch_kernels::{Operand, cpu};
use smallvec::{SmallVec, smallvec};

/// Integer index tensors, one for each indexed dimension of a base, broadcast to one shape.
#[derive(Clone)]
pub struct Places {
    indices: SmallVec<[Option<Tensor>; 5]>,
    shape: Dims,
}

impl Places {
    /// Masks become the places where they are true; all dtypes become int64.
    pub fn new(base: &Tensor, tensors: &IndexTensors) -> Result<Places> {
        let mut indices: SmallVec<[Option<Tensor>; 5]> = smallvec![None; base.ndim()];
        for (dim, tensor) in tensors {
            match tensor.dtype() {
                DType::Bool | DType::UInt8 => spread_mask(base, *dim, tensor, &mut indices)?,
                DType::Int64 | DType::Int32 => indices[*dim] = Some(copy::cast(&tensor.detached(), DType::Int64)?),
                _ => bail!(index, "tensors used as indices must be long, int, byte or bool tensors"),
            }
        }
        let mut shape = Dims::new();
        for index in indices.iter().flatten() {
            shape = match broadcast_shapes(&shape, index.shape()) {
                Ok(shape) => shape,
                Err(_) => {
                    let shapes: Vec<String> = indices.iter().flatten().map(|index| format!("{:?}", index.shape())).collect();
                    bail!(index, "shape mismatch: indexing tensors could not be broadcast together with shapes {}", shapes.join(", "))
                }
            };
        }
        let indices = indices.into_iter().map(|index| index.map(|index| shape::expand_to(&index, &shape)).transpose());
        Ok(Places { indices: indices.collect::<Result<_>>()?, shape })
    }
    fn with<R>(&self, use_them: impl FnOnce(&Indices<'_>) -> R) -> R {
        let operands: SmallVec<[Option<Operand<'_>>; 5]> = self.indices.iter().map(|index| index.as_ref().map(Tensor::operand)).collect();
        use_them(&Indices { shape: &self.shape, indices: &operands })
    }
    fn result_shape(&self, base: &[i64]) -> Dims {
        self.with(|indices| indices.result_shape(base))
    }
}

fn spread_mask(base: &Tensor, dim: usize, mask: &Tensor, indices: &mut [Option<Tensor>]) -> Result<()> {
    if mask.dtype() == DType::UInt8 {
        crate::ops::warning::warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")?;
    }
    for (d, &size) in mask.shape().iter().enumerate() {
        ensure!(
            base.shape()[dim + d] == size,
            index,
            "The shape of the mask {:?} at index {d} does not match the shape of the indexed tensor {:?} at index {}",
            mask.shape(),
            base.shape(),
            dim + d
        );
    }
    for (d, column) in nonzero_columns(mask)?.into_iter().enumerate() {
        indices[dim + d] = Some(column);
    }
    Ok(())
}

/// The coordinates of the elements that are not zero, a row each.
fn coordinates(input: &Tensor) -> Result<Tensor> {
    let found = cpu::masked::nonzero(input.shape(), input.operand());
    let width = input.ndim();
    let rows = match found.len().checked_div(width) {
        Some(rows) => rows as i64,
        None => i64::from(is_true(input.item()?)),
    };
    let array = Array::empty(&[rows, width as i64], DType::Int64, input.device())?;
    // SAFETY: the fresh array holds rows x width int64 elements, contiguous; `found` has as many.
    unsafe { std::ptr::copy_nonoverlapping(found.as_ptr(), array.data().cast::<i64>(), (rows as usize) * width) };
    Ok(Tensor::new(array))
}

/// For each dimension the coordinates of the elements that are not zero.
fn nonzero_columns(mask: &Tensor) -> Result<Vec<Tensor>> {
    let table = coordinates(mask)?;
    (0..mask.ndim()).map(|d| shape::select_index(&table, 1, d as i64)).collect()
}

/// `base[places]`.
fn pick(base: &Tensor, places: &Places) -> Result<Tensor> {
    let array = Array::empty(&places.result_shape(base.shape()), base.dtype(), base.device())?;
    places.with(|indices| kernels::index(base.shape(), array.operand(), base.operand(), indices))?;
    let out = Tensor::new(array);
    if tracks(&[base]) {
        let (places, sizes): (Places, Dims) = (places.clone(), base.shape().into());
        record("IndexBackward0", &[base], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(put(&create::zeros(&sizes, g.dtype())?, g, &places, true)?)])
        })?;
    }
    Ok(out)
}

/// A copy of `base` with the values at the places: replaced, or added.
fn put(base: &Tensor, values: &Tensor, places: &Places, accumulate: bool) -> Result<Tensor> {
    let fresh = {
        let _off = crate::mode::Guard::no_grad();
        copy::clone(base)?
    };
    write(&fresh, values, places, accumulate)?;
    if tracks(&[base, values]) {
        let formula = put_formula(values, places, accumulate);
        record("IndexPutBackward0", &[base, values], &[&fresh], [], formula)?;
    }
    Ok(fresh)
}
fn put_formula(
    values: &Tensor,
    places: &Places,
    accumulate: bool,
) -> impl Fn(&Context, &[Option<Tensor>]) -> Result<Grads> + Send + Sync + use<> {
    let (places, sizes): (Places, Dims) = (places.clone(), values.shape().into());
    move |context, g| {
        let mut gradients: Grads = smallvec![None, None];
        let Some(g) = &g[0] else { return Ok(gradients) };
        if context.needs(0) {
            gradients[0] = Some(if accumulate { g.clone() } else { put(g, &create::zeros(&[], g.dtype())?, &places, false)? });
        }
        if context.needs(1) {
            gradients[1] = Some(reduce::sum_to(&pick(g, &places)?, &sizes)?);
        }
        Ok(gradients)
    }
}
/// Writes into elements that nobody asks the history of.
fn write(target: &Tensor, values: &Tensor, places: &Places, accumulate: bool) -> Result<()> {
    let full = places.result_shape(target.shape());
    let fits = broadcast_shapes(values.shape(), &full).is_ok_and(|shape| shape == full);
    ensure!(
        fits,
        runtime,
        "shape mismatch: value tensor of shape {:?} cannot be broadcast to indexing result of shape {:?}",
        values.shape(),
        &full[..]
    );
    let strides = rustorch_base::layout::broadcast_strides(values.layout(), &full);
    let how = if accumulate { Combine::Add } else { Combine::Replace };
    places.with(|indices| kernels::index_put(target.shape(), target.operand(), values.array().operand_with(&strides), indices, how))
}

/// `base[tensors]`.
pub fn index_tensors(base: &Tensor, tensors: &IndexTensors) -> Result<Tensor> {
    pick(base, &Places::new(base, tensors)?)
}

/// `base[tensors] = value`, or `+=` with `accumulate`.
pub fn index_put(base: &Tensor, tensors: &IndexTensors, value: &Tensor, accumulate: bool) -> Result<()> {
    inplace::check(base)?;
    let places = Places::new(base, tensors)?;
    let value =
        trimmed(&if value.ndim() == 0 { copy::cast(value, base.dtype())? } else { value.clone() }, &places.result_shape(base.shape()))?;
    let edges = if tracks(&[base, &value]) { Some(crate::autograd::record::edges_of(&[base, &value])?) } else { None };
    // The values may lie in the memory that is written.
    let source = if value.array().storage.same(&base.array().storage) { copy::clone(&value.detached())? } else { value.clone() };
    write(base, &source, &places, accumulate)?;
    let Some(edges) = edges else { return inplace::written(base, None) };
    let rule = Formula { name: "IndexPutBackward0", formula: put_formula(&value, &places, accumulate) };
    inplace::written(base, Some(Edge { node: NodeOf::new(rule, edges, smallvec![]), slot: 0 }))
}
/// Leading dimensions of size one that the place lacks do not count.
fn trimmed(value: &Tensor, full: &[i64]) -> Result<Tensor> {
    let extra = value.ndim().saturating_sub(full.len());
    if extra > 0 && value.shape()[..extra].iter().all(|&size| size == 1) {
        let sizes: Dims = value.shape()[extra..].into();
        return shape::reshape_to(value, &sizes);
    }
    Ok(value.clone())
}

fn from_list(indices: &[Option<&Tensor>]) -> IndexTensors {
    let mut dim = 0;
    let mut tensors = IndexTensors::new();
    for index in indices {
        match index {
            None => dim += 1,
            Some(tensor) => {
                tensors.push((dim, (*tensor).clone()));
                dim += if matches!(tensor.dtype(), DType::Bool | DType::UInt8) { tensor.ndim() } else { 1 };
            }
        }
    }
    tensors
}
fn check_count(input: &Tensor, indices: &[Option<&Tensor>]) -> Result<()> {
    let used: usize =
        indices.iter().map(|index| index.map_or(1, |t| if matches!(t.dtype(), DType::Bool | DType::UInt8) { t.ndim() } else { 1 })).sum();
    ensure!(used <= input.ndim(), index, "too many indices for tensor of dimension {} (got {used})", input.ndim());
    Ok(())
}

crate::ops! {
    /// The tensor with values written at index tensors, or added with `accumulate`.
    "index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)" [FUNCTION | METHOD | NO_OUT]
    fn index_put_copy(input: &Tensor, indices: &[Option<&Tensor>], values: &Tensor, accumulate: bool) -> Result<Tensor> {
        check_count(input, indices)?;
        put(input, values, &Places::new(input, &from_list(indices))?, accumulate)
    }
    /// Writes values at index tensors, or adds them with `accumulate`.
    "index_put_(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)" [FUNCTION | METHOD | NO_OUT]
    fn index_put_(input: &Tensor, indices: &[Option<&Tensor>], values: &Tensor, accumulate: bool) -> Result<Tensor> {
        check_count(input, indices)?;
        index_put(input, &from_list(indices), values, accumulate)?;
        Ok(input.clone())
    }
    /// The coordinates of the elements that are not zero, a row each; with `as_tuple` a vector each dimension.
    "nonzero(Tensor input, *, bool as_tuple=False)" [FUNCTION | METHOD]
    fn nonzero(input: &Tensor, as_tuple: bool) -> Result<Ret> {
        if as_tuple { nonzero_numpy(input).map(Ret::Many) } else { coordinates(input).map(Ret::Tensor) }
    }
    /// `nonzero` as one vector a dimension.
    "nonzero_numpy(Tensor input)" [METHOD | NO_OUT]
    fn nonzero_numpy(input: &Tensor) -> Result<Vec<Tensor>> {
        if input.ndim() == 0 { return nonzero_columns(&shape::unsqueeze_at(input, 0)?) }
        nonzero_columns(input)
    }
    /// The coordinates of the elements that are not zero, a row each.
    "argwhere(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn argwhere(input: &Tensor) -> Result<Tensor> { coordinates(input) }
    /// The coordinates where the condition holds, a vector each dimension.
    "where(Tensor condition)" [FUNCTION | NO_OUT]
    fn where_nonzero(condition: &Tensor) -> Result<Vec<Tensor>> { nonzero_numpy(condition) }
}

/// A number is not zero.
pub(crate) fn is_true(number: crate::Number) -> bool {
    use crate::Number::{Bool, Complex, Float, Int};
    match number {
        Bool(b) => b,
        Int(i) => i != 0,
        Float(x) => x != 0.0,
        Complex(re, im) => re != 0.0 || im != 0.0,
    }
}
