//! Pointwise operators: the rows of the kernels' table become ops. Promotion, broadcasting, the layout of the result,
//! in-place and `out=`, and one autograd rule for all rows, to any order.
mod dense;
mod derivative;
mod refusals;

use crate::array::Array;
use crate::autograd::inplace;
use crate::mode;
use crate::op::{self, Args, Def, Ret, Target, TensorOrNumber, Value};
use crate::ops::default;
use crate::ops::promote::Promotion;
use crate::tensor::{Tensor, key};
use derivative::Record;
use rustc_hash::FxHashMap;
use rustorch_base::layout::{broadcast_shapes, broadcast_strides, contiguous_strides};
use rustorch_base::{DType, Dims, Error, Layout, Result, bail};
use rustorch_kernels::expr::Program;
use rustorch_kernels::pointwise::{Input, ResultRule, Row};
use rustorch_kernels::{Number, Operand, pointwise as kernels};
use smallvec::{SmallVec, smallvec};
use std::sync::{Arc, OnceLock};

type Operands<'a> = SmallVec<[TensorOrNumber<'a>; 4]>;

/// The ops of all rows that have a schema.
pub fn table() -> impl Iterator<Item = &'static Def> {
    kernels::rows().filter(|row| !row.schema.is_empty()).map(|row| -> &'static Def {
        let forms = u16::from(row.forms) | op::WRITES_OUT;
        Box::leak(Box::new(Def { schema: row.schema, doc: row.doc, forms, run, typed: &[], row: Some(row) }))
    })
}

/// A row by name, for Rust callers.
#[inline]
pub fn row(name: &str) -> Result<&'static Row> {
    static ROWS: OnceLock<FxHashMap<&str, &Row>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| kernels::rows().map(|row| (row.name, row)).collect());
    rows.get(name).copied().ok_or_else(|| Error::not_implemented(format!("{name} is not implemented")))
}

/// A call of a row from the table.
fn run(def: &'static Def, args: &Args<'_>) -> Result<Ret> {
    let Some(row) = def.row else { bail!(runtime, "{} has no row", def.schema) };
    let mut operands = Operands::new();
    for value in args.values {
        match *value {
            Value::Tensor(tensor) => operands.push(TensorOrNumber::Tensor(tensor)),
            other => {
                if let Some(number) = other.number() {
                    operands.push(TensorOrNumber::Number(number));
                }
            }
        }
    }
    match (args.target, args.out) {
        (Target::Fresh, _) => apply(row, &operands).map(Ret::Tensor),
        (Target::Inplace, [target]) => apply_in_place(row, &operands, target).map(Ret::Tensor),
        (_, [target]) => apply_out(def, row, args, &operands, target).map(Ret::Tensor),
        _ => bail!(runtime, "{}(): expected one output tensor", row.name),
    }
}

/// What one call computes: with which program, in which dtype, over which shape.
struct Plan {
    program: &'static Arc<Program>,
    compute: DType,
    result: DType,
    shape: Dims,
}

#[inline]
fn plan(row: &'static Row, operands: &[TensorOrNumber<'_>], forced: Option<DType>) -> Result<Plan> {
    let mut defaults = 0;
    let mut promotion = Promotion::default();
    let mut shape: Option<Dims> = None;
    for (i, operand) in operands.iter().enumerate() {
        match operand {
            TensorOrNumber::Tensor(tensor) => {
                if forced.is_none() {
                    promotion.tensor(tensor)?;
                }
                shape = Some(match shape {
                    None => tensor.shape().into(),
                    Some(held) if held[..] == *tensor.shape() => held,
                    Some(held) => broadcast_shapes(&held, tensor.shape())?,
                });
            }
            TensorOrNumber::Number(number) => {
                if row.is_default(i, *number) {
                    defaults |= 1 << i;
                } else if forced.is_none() && !refusals::is_setting(row, i) {
                    promotion.number(*number)?;
                }
            }
        }
    }
    let mut compute = match forced {
        Some(dtype) => dtype,
        None => promotion.result()?,
    };
    if row.result == ResultRule::Float && !compute.is_differentiable() {
        compute = default::dtype();
    } else if compute == DType::Bool && row.name == "square" {
        compute = DType::Int64; // a power with the number 2
    }
    refusals::refuse(row, operands, compute)?;
    let result = if row.result == ResultRule::Bool { DType::Bool } else { compute };
    Ok(Plan { program: row.program(compute, defaults)?, compute, result, shape: shape.unwrap_or_default() })
}

/// The device of the tensors; mixed devices are refused, except that a 0-d CPU tensor goes anywhere.
fn device_of(operands: &[TensorOrNumber<'_>]) -> Result<crate::Device> {
    let mut device = crate::Device::CPU;
    let mut first = true;
    for operand in operands {
        if let TensorOrNumber::Tensor(tensor) = operand {
            let own = tensor.device();
            if first || (own != device && device == crate::Device::CPU) {
                device = own;
            }
            first = false;
        }
    }
    Ok(device)
}

/// The strides of the result: row-major when all inputs are, a common dense order when they share one, else dimensions
/// in the order of the inputs' strides, as TensorIterator decides.
fn result_strides(operands: &[TensorOrNumber<'_>], shape: &[i64]) -> Dims {
    let tensors = || operands.iter().filter_map(|o| if let TensorOrNumber::Tensor(t) = o { Some(*t) } else { None });
    if tensors().all(|t| t.shape() != shape || t.is_contiguous()) && tensors().any(|t| t.shape() == shape) {
        return contiguous_strides(shape);
    }
    let mut same = tensors().filter(|t| t.ndim() > 0);
    if let Some(first) = same.next()
        && first.shape() == shape
        && first.layout().is_dense()
        && same.all(|t| t.shape() == shape && t.strides() == first.strides())
    {
        return first.strides().into();
    }
    let walks: SmallVec<[Dims; 4]> = tensors().map(|t| broadcast_strides(t.layout(), shape)).collect();
    packed_in_order(&walks, shape)
}

/// Packs a shape with its dimensions ordered by the operands' strides (PyTorch's stable insertion sort).
fn packed_in_order(walks: &[Dims], shape: &[i64]) -> Dims {
    let before = |a: usize, b: usize| -> i32 {
        for strides in walks {
            let (x, y) = (strides[a], strides[b]);
            if x == 0 || y == 0 {
                continue;
            }
            if x != y {
                return if x < y { -1 } else { 1 };
            }
            if shape[a] > shape[b] {
                return 1;
            }
        }
        0
    };
    let mut order: SmallVec<[usize; 5]> = (0..shape.len()).rev().collect();
    for i in 1..order.len() {
        let mut high = i;
        for low in (0..i).rev() {
            match before(order[low], order[high]) {
                1 => {
                    order.swap(low, high);
                    high = low;
                }
                -1 => break,
                _ => {}
            }
        }
    }
    let mut strides: Dims = smallvec![1; shape.len()];
    let mut step = 1;
    for d in order {
        strides[d] = step;
        step *= shape[d].max(1);
    }
    strides
}

/// Runs a program into arrays that are there.
fn execute(program: &Program, compute: DType, shape: &[i64], outputs: &[&Array], operands: &[TensorOrNumber<'_>]) -> Result<()> {
    if outputs.iter().any(|array| array.device().is_meta()) {
        return Ok(());
    }
    let same = operands.iter().all(|o| if let TensorOrNumber::Tensor(t) = o { t.shape() == shape } else { true });
    let walks: SmallVec<[Dims; 4]> = if same {
        SmallVec::new()
    } else {
        operands
            .iter()
            .map(|o| if let TensorOrNumber::Tensor(t) = o { broadcast_strides(t.layout(), shape) } else { Dims::new() })
            .collect()
    };
    let inputs: SmallVec<[Input<'_>; 6]> = operands
        .iter()
        .enumerate()
        .map(|(i, operand)| match operand {
            TensorOrNumber::Tensor(t) => Input::Array(if same { t.operand() } else { t.array().operand_with(&walks[i]) }),
            TensorOrNumber::Number(number) => Input::Number(*number),
        })
        .collect();
    let outputs: SmallVec<[Operand<'_>; 4]> = outputs.iter().map(|array| array.operand()).collect();
    kernels::run(program, compute, shape, &outputs, &inputs)
}

/// The op of a row on new memory.
#[inline]
pub fn apply(row: &'static Row, operands: &[TensorOrNumber<'_>]) -> Result<Tensor> {
    if let Some(result) = dense::apply(row, operands) {
        return result;
    }
    compute(row, operands, plan(row, operands, None)?)
}
/// [`apply`] in a dtype that the caller has found, recorded under a name of its own.
pub fn apply_in(row: &'static Row, operands: &[TensorOrNumber<'_>], dtype: DType, name: &'static str) -> Result<Tensor> {
    let plan = plan(row, operands, Some(dtype))?;
    let out = fresh(&plan, operands)?;
    if needs_history(operands, row, plan.result) {
        Record { name, program: plan.program, compute: plan.compute, shape: None, over_inputs: false }.hang(operands, &[&out])?;
    }
    Ok(out)
}
#[inline]
fn compute(row: &'static Row, operands: &[TensorOrNumber<'_>], plan: Plan) -> Result<Tensor> {
    let out = fresh(&plan, operands)?;
    if needs_history(operands, row, plan.result) {
        let node = Record { name: node_name(row, operands), program: plan.program, compute: plan.compute, shape: None, over_inputs: false };
        node.hang(operands, &[&out])?;
    }
    Ok(out)
}

/// What a plan computes, on new memory and without history.
#[inline]
fn fresh(plan: &Plan, operands: &[TensorOrNumber<'_>]) -> Result<Tensor> {
    let strides = result_strides(operands, &plan.shape);
    let layout = Layout { shape: plan.shape.clone(), strides, offset: 0 };
    let array = Array::with_layout(layout, plan.result, device_of(operands)?)?;
    execute(plan.program, plan.compute, &plan.shape, &[&array], operands)?;
    Ok(Tensor::new(array))
}

/// PyTorch numbers the derivatives of overloads: those of numbers and of tensors have other names.
#[inline]
fn node_name(row: &'static Row, operands: &[TensorOrNumber<'_>]) -> &'static str {
    let tensor = matches!(operands.get(1), Some(TensorOrNumber::Tensor(_)));
    match (row.name, tensor) {
        ("pow", true) => "PowBackward1",
        ("remainder", true) => "RemainderBackward1",
        ("fmod", true) => "FmodBackward1",
        ("clamp_min", true) => "ClampMinBackward1",
        ("clamp_max", true) => "ClampMaxBackward1",
        ("clamp", false) => "ClampBackward1",
        ("rsub", false) => "RsubBackward1",
        ("copysign", false) => "CopysignBackward1",
        ("lerp", _) if matches!(operands.get(2), Some(TensorOrNumber::Tensor(_))) => "LerpBackward1",
        _ => row.backward,
    }
}

#[inline]
fn needs_history(operands: &[TensorOrNumber<'_>], row: &Row, result: DType) -> bool {
    let keys = operands.iter().fold(0, |keys, o| if let TensorOrNumber::Tensor(t) = o { keys | t.keys() } else { keys });
    keys & (key::REQUIRES_GRAD | key::VIEW) != 0
        && mode::is_grad_enabled()
        && !row.node.is_empty()
        && result.is_differentiable()
        && operands.iter().any(|o| matches!(o, TensorOrNumber::Tensor(t) if t.requires_grad()))
}

/// The op of a row, written over its first input.
fn apply_in_place(row: &'static Row, operands: &[TensorOrNumber<'_>], target: &Tensor) -> Result<Tensor> {
    let plan = plan(row, operands, None)?;
    inplace::check(target)?;
    if plan.shape[..] != *target.shape() {
        bail!(runtime, "output with shape {:?} doesn't match the broadcast shape {:?}", target.shape(), &plan.shape[..])
    }
    inplace::check_cast(plan.result, target.dtype())?;
    for operand in operands {
        if let TensorOrNumber::Tensor(input) = operand {
            inplace::check_partial_overlap(target, input)?;
        }
    }
    if !needs_history(operands, row, plan.result) {
        execute(plan.program, plan.compute, &plan.shape, &[target.array()], operands)?;
        inplace::written(target, None)?;
        return Ok(target.clone());
    }
    // What the rule reads of `self` is what was there before. Other inputs are saved as they are, so that backward
    // refuses those that this write changes.
    let before = inplace::snapshot(target)?;
    let mut operands: Operands<'_> = operands.into();
    operands[0] = TensorOrNumber::Tensor(&before);
    execute(plan.program, plan.compute, &plan.shape, &[target.array()], &operands)?;
    // The rule's saved result is the target's memory as it is after this write.
    target.bump_version();
    let written = Tensor::build(target.array().clone(), target.version_counter().clone(), 0, None);
    let node = Record { name: node_name(row, &operands), program: plan.program, compute: plan.compute, shape: None, over_inputs: true };
    node.hang(&operands, &[&written])?;
    inplace::rebase_after_write(target, written.recorded_edge())?;
    Ok(target.clone())
}

/// The op of a row, written into `out=`.
fn apply_out(def: &'static Def, row: &'static Row, args: &Args<'_>, operands: &[TensorOrNumber<'_>], target: &Tensor) -> Result<Tensor> {
    inplace::check_out(def, args)?;
    let plan = plan(row, operands, None)?;
    inplace::check_cast(plan.result, target.dtype())?;
    if plan.shape[..] != *target.shape() {
        crate::ops::strided::resize_output(target, &plan.shape)?;
    }
    inplace::check(target)?;
    for operand in operands {
        if let TensorOrNumber::Tensor(input) = operand {
            inplace::check_partial_overlap(target, input)?;
        }
    }
    execute(plan.program, plan.compute, &plan.shape, &[target.array()], operands)?;
    target.bump_version();
    Ok(target.clone())
}
// ---- for Rust callers

fn binary(name: &str, a: &Tensor, b: TensorOrNumber<'_>) -> Result<Tensor> {
    apply(row(name)?, &[TensorOrNumber::Tensor(a), b])
}
/// `a + b`.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(row("add")?, &[TensorOrNumber::Tensor(a), TensorOrNumber::Tensor(b), TensorOrNumber::Number(Number::Int(1))])
}
pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(row("sub")?, &[TensorOrNumber::Tensor(a), TensorOrNumber::Tensor(b), TensorOrNumber::Number(Number::Int(1))])
}
pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary("mul", a, TensorOrNumber::Tensor(b))
}
pub fn div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    binary("div", a, TensorOrNumber::Tensor(b))
}
pub fn scale(a: &Tensor, factor: f64) -> Result<Tensor> {
    binary("mul", a, TensorOrNumber::Number(Number::Float(factor)))
}
/// A row of one input.
pub fn unary(name: &str, a: &Tensor) -> Result<Tensor> {
    apply(row(name)?, &[TensorOrNumber::Tensor(a)])
}
/// A row by name; a scale left out (`alpha` of `add`) is one.
pub fn call(name: &str, operands: &[TensorOrNumber<'_>]) -> Result<Tensor> {
    let row = row(name)?;
    let scale = TensorOrNumber::Number(Number::Int(1));
    if operands.len() + 1 == row.arity && row.is_default(operands.len(), Number::Int(1)) {
        let mut with_scale: Operands<'_> = operands.into();
        with_scale.push(scale);
        return apply(row, &with_scale);
    }
    apply(row, operands)
}
/// `a += b`, without history.
pub fn add_in_place(a: &Tensor, b: &Tensor) -> Result<()> {
    let row = row("add")?;
    let operands = [TensorOrNumber::Tensor(a), TensorOrNumber::Tensor(b), TensorOrNumber::Number(Number::Int(1))];
    let plan = plan(row, &operands, None)?;
    execute(plan.program, plan.compute, a.shape(), &[a.array()], &operands)?;
    a.bump_version();
    Ok(())
}
