//! `t[...]`, read and written. Integers, slices, `None` and `...` make one view; tensors among the items index that view
//! further ([`advanced`](super::advanced)).
use crate::autograd::{inplace, tracks};
use crate::op::{Number, Result};
use crate::ops::{advanced, copy, create, shape};
use crate::tensor::Tensor;
use rustorch_base::{DType, Layout, bail, ensure};
use smallvec::SmallVec;

/// One item of an index expression.
#[derive(Clone)]
pub enum Index {
    Int(i64),
    /// `None` where the user left a bound out.
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    None,
    Ellipsis,
    Bool(bool),
    Tensor(Tensor),
}

/// What is assigned: `t[...] = value`.
#[derive(Clone, Copy)]
pub enum Assigned<'a> {
    Tensor(&'a Tensor),
    Number(Number),
}

/// One step from the input's layout to the view's; `dim` counts the dimensions of the result so far.
#[derive(Clone, Copy)]
enum Step {
    Select { dim: usize, index: i64 },
    Slice { dim: usize, start: i64, length: i64, step: i64 },
    Insert { dim: usize },
}
type Steps = SmallVec<[Step; 6]>;
/// Index tensors by dimension of the view.
pub type IndexTensors = SmallVec<[(usize, Tensor); 2]>;

fn walk(from: &Layout, steps: &[Step]) -> Layout {
    let mut layout = from.clone();
    for step in steps {
        match *step {
            Step::Select { dim, index } => {
                layout.offset += index * layout.strides[dim];
                layout.shape.remove(dim);
                layout.strides.remove(dim);
            }
            Step::Slice { dim, start, length, step } => {
                layout.offset += start * layout.strides[dim];
                layout.shape[dim] = length;
                layout.strides[dim] *= step;
            }
            Step::Insert { dim } => {
                let stride = if dim < layout.ndim() { layout.shape[dim] * layout.strides[dim] } else { 1 };
                layout.shape.insert(dim, 1);
                layout.strides.insert(dim, stride);
            }
        }
    }
    layout
}

/// How many dimensions of the input an item uses up.
fn consumes(item: &Index) -> usize {
    match item {
        Index::Int(_) | Index::Slice { .. } => 1,
        Index::None | Index::Ellipsis | Index::Bool(_) => 0,
        Index::Tensor(tensor) => match tensor.dtype() {
            DType::Bool | DType::UInt8 => tensor.ndim(),
            _ => 1,
        },
    }
}

/// Reads the items: steps of the view, and the tensors that index it.
fn plan(input: &Tensor, items: &[Index]) -> Result<(Steps, IndexTensors)> {
    let ndim = input.ndim();
    let used: usize = items.iter().map(consumes).sum();
    if ndim == 0 && items.iter().any(|item| matches!(item, Index::Int(_))) {
        bail!(
            index,
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number"
        )
    }
    if ndim == 0 && items.iter().any(|item| matches!(item, Index::Slice { .. })) {
        bail!(index, "slice() cannot be applied to a 0-dim tensor.")
    }
    ensure!(used <= ndim, index, "too many indices for tensor of dimension {ndim}");
    let mut steps = Steps::new();
    let mut tensors = IndexTensors::new();
    // `dim` in the view, `source` in the input.
    let (mut dim, mut source) = (0, 0);
    for item in items {
        match item {
            Index::Int(index) => {
                steps.push(Step::Select { dim, index: wrap_index(*index, source, input.shape()[source])? });
                source += 1;
            }
            Index::Slice { start, stop, step } => {
                let step = step.unwrap_or(1);
                ensure!(step > 0, value, "step must be greater than zero");
                let size = input.shape()[source];
                let (from, length) = shape::slice_bounds(*start, *stop, step, size);
                if (from, length, step) != (0, size, 1) {
                    steps.push(Step::Slice { dim, start: from, length, step });
                }
                dim += 1;
                source += 1;
            }
            Index::None => {
                steps.push(Step::Insert { dim });
                dim += 1;
            }
            Index::Ellipsis => {
                let rest = ndim - used;
                dim += rest;
                source += rest;
            }
            Index::Bool(value) => {
                steps.push(Step::Insert { dim });
                tensors.push((dim, create::full(&[1], Number::Bool(*value), DType::Bool, input.device())?));
                dim += 1;
            }
            Index::Tensor(tensor) => {
                let integral = !matches!(tensor.dtype(), DType::Bool | DType::UInt8);
                if tensor.ndim() == 0 && integral && tensor.dtype().is_integral() {
                    let Number::Int(index) = tensor.item()? else {
                        bail!(index, "tensors used as indices must be long, int, byte or bool tensors")
                    };
                    steps.push(Step::Select { dim, index: wrap_index(index, source, input.shape()[source])? });
                    source += 1;
                    continue;
                }
                let mut tensor = tensor.clone();
                if tensor.ndim() == 0 && !integral {
                    steps.push(Step::Insert { dim });
                    tensor = shape::unsqueeze_at(&tensor, 0)?;
                    tensors.push((dim, tensor));
                    dim += 1;
                    continue;
                }
                let taken = consumes(item);
                tensors.push((dim, tensor));
                dim += taken;
                source += taken;
            }
        }
    }
    Ok((steps, tensors))
}

fn wrap_index(index: i64, dim: usize, size: i64) -> Result<i64> {
    ensure!((-size..size).contains(&index), index, "index {index} is out of bounds for dimension {dim} with size {size}");
    Ok(if index < 0 { index + size } else { index })
}

/// The view that the steps make; `x[...]` and `x[:]` are views too.
fn view(input: &Tensor, steps: &[Step]) -> Result<Tensor> {
    let name = match steps.last() {
        Some(Step::Select { .. }) => "SelectBackward0",
        Some(Step::Slice { .. }) => "SliceBackward0",
        Some(Step::Insert { .. }) => "UnsqueezeBackward0",
        None => "AliasBackward0",
    };
    shape::part(input, name, |from| walk(from, steps))
}

/// `input[items]`.
pub fn get(input: &Tensor, items: &[Index]) -> Result<Tensor> {
    let (steps, tensors) = plan(input, items)?;
    if tensors.is_empty() {
        return view(input, &steps);
    }
    let base = if steps.is_empty() { input.clone() } else { view(input, &steps)? };
    advanced::index_tensors(&base, &tensors)
}

/// `input[items] = value`.
pub fn set(input: &Tensor, items: &[Index], value: Assigned<'_>) -> Result<()> {
    let (steps, tensors) = plan(input, items)?;
    if tensors.is_empty() {
        if let Assigned::Number(number) = value
            && !tracks(&[input])
        {
            // Nobody will ask for a history: the view need not become a tensor.
            inplace::check(input)?;
            create::fill_elements(&input.array().relaid(walk(input.layout(), &steps)), number)?;
            input.bump_version();
            return Ok(());
        }
        return assign(&view(input, &steps)?, value);
    }
    let base = if steps.is_empty() { input.clone() } else { view(input, &steps)? };
    let value = match value {
        Assigned::Tensor(tensor) => tensor.clone(),
        Assigned::Number(number) => create::full(&[], number, input.dtype(), input.device())?,
    };
    advanced::index_put(&base, &tensors, &value, false)
}

fn assign(target: &Tensor, value: Assigned<'_>) -> Result<()> {
    match value {
        Assigned::Number(number) => create::fill_in_place(target, number),
        Assigned::Tensor(tensor) => {
            // Leading dimensions of size one that the target lacks do not count.
            let extra = tensor.ndim().saturating_sub(target.ndim());
            if extra > 0 && tensor.shape()[..extra].iter().all(|&size| size == 1) {
                let trimmed: rustorch_base::Dims = tensor.shape()[extra..].into();
                return copy::copy_in_place(target, &shape::reshape_to(tensor, &trimmed)?);
            }
            copy::copy_in_place(target, &shape::expand_to(tensor, target.shape())?)
        }
    }
}
