//! Writing into a tensor that others may see: who may, and what becomes of the graph.
use super::edge::Edge;
use super::node::NodeOf;
use super::view::{self, CopySlices};
use crate::mode;
use crate::op::{Args, Def, Ret, Target, Value};
use crate::ops;
use crate::tensor::{Tensor, key};
use rustorch_base::{DType, Result, bail, ensure};
use smallvec::{SmallVec, smallvec};

/// May this tensor be written in place now? Asked before anything is changed.
#[inline]
pub fn check(target: &Tensor) -> Result<()> {
    if target.keys() & (key::REQUIRES_GRAD | key::VIEW | key::INFERENCE) != 0 {
        check_graph(target)?;
    }
    check_memory(target)
}

#[cold]
#[inline(never)]
fn check_graph(target: &Tensor) -> Result<()> {
    if target.is_inference() {
        ensure!(
            mode::is_inference_mode_enabled(),
            runtime,
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        );
        return Ok(());
    }
    if !mode::is_grad_enabled() {
        return Ok(());
    }
    if let Some(view) = target.view()
        && (target.requires_grad() || view.base.requires_grad() || !matches!(view.creation, view::Creation::MultipleOutputs(..)))
    {
        view::check_write(view)?;
    }
    ensure!(
        !(target.requires_grad() && target.is_leaf()),
        runtime,
        "a leaf Variable that requires grad is being used in an in-place operation."
    );
    Ok(())
}

/// Each element must have a place of its own.
pub fn check_memory(target: &Tensor) -> Result<()> {
    ensure!(
        target.layout().overlaps_itself() != Some(true),
        runtime,
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation."
    );
    Ok(())
}

/// An input may coincide with the written tensor or lie apart from it, but not overlap it partly.
#[inline]
pub fn check_partial_overlap(target: &Tensor, input: &Tensor) -> Result<()> {
    let (a, b) = (target.array(), input.array());
    if !a.storage.same(&b.storage) || target.is_same(input) {
        return Ok(());
    }
    if a.layout == b.layout && a.dtype == b.dtype || target.numel() == 0 || input.numel() == 0 {
        return Ok(());
    }
    // PyTorch decides only for dense tensors; others may overlap unnoticed.
    if !a.layout.is_dense() || !b.layout.is_dense() {
        return Ok(());
    }
    let span = |t: &Tensor| {
        let start = t.array().data() as usize;
        start..start + (t.layout().extent() - t.offset()) as usize * t.dtype().size()
    };
    let (x, y) = (span(target), span(input));
    if x.start >= y.end || y.start >= x.end {
        return Ok(());
    }
    ensure!(
        x == y && a.layout.strides == b.layout.strides,
        runtime,
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation."
    );
    Ok(())
}

/// `result` may be stored in `target`'s dtype.
pub fn check_cast(result: DType, target: DType) -> Result<()> {
    if !result.can_cast_to(target) {
        bail!(runtime, "result type {} can't be cast to the desired output type {}", result.scalar_name(), target.scalar_name())
    }
    Ok(())
}

/// The target's elements were written: counts it, and gives the target (or, for a view, its base) the history of the
/// value that was written. `written` is that value's edge; `None` when the op was not recorded.
#[inline]
pub fn written(target: &Tensor, written: Option<Edge>) -> Result<()> {
    target.bump_version();
    rebase_after_write(target, written)
}
/// [`written`] for a write that is counted already.
pub fn rebase_after_write(target: &Tensor, written: Option<Edge>) -> Result<()> {
    match written {
        None => Ok(()),
        Some(edge) => rebase(target, edge),
    }
}

fn rebase(target: &Tensor, edge: Edge) -> Result<()> {
    let Some(view) = target.view() else {
        let former = target.recorded_edge();
        target.set_edge(Some(edge));
        return super::hooks::move_retained(target, former);
    };
    let base = &view.base;
    let rule = CopySlices { view: target.layout().clone(), base: base.layout().clone() };
    let former = base.grad_edge()?;
    let node = NodeOf::new(rule, smallvec![former, Some(edge)], smallvec![]);
    base.set_edge(Some(Edge { node, slot: 0 }));
    Ok(())
}

/// A stand-in for `target` as the input of the op that will overwrite it: a copy of its elements with its history, so
/// that what the op saves stays true.
pub fn snapshot(target: &Tensor) -> Result<Tensor> {
    let edge = target.grad_edge()?;
    let copy = {
        let _off = mode::Guard::no_grad();
        ops::copy::clone(target)?
    };
    if edge.is_some() {
        copy.set_edge(edge);
    }
    Ok(copy)
}

/// Runs an op that makes new tensors and puts its results into the tensors that the call names: `out=`, or `self` of an
/// in-place method. Refuses first what can be refused before anything is computed.
pub fn run_into(def: &'static Def, args: &Args<'_>) -> Result<Ret> {
    if args.target == Target::Out {
        check_out(def, args)?;
        let ret = (def.run)(def, &Args { out: &[], target: Target::Fresh, ..*args })?;
        return store(ret, args.out, store_out);
    }
    for target in args.out {
        check(target)?;
    }
    let [target] = args.out else { bail!(runtime, "{}_ writes several tensors", def.name()) };
    let fresh = |values: &[Value<'_>]| (def.run)(def, &Args { values, out: &[], target: Target::Fresh, ..*args });
    let tracked = mode::is_grad_enabled() && args.keys & (key::REQUIRES_GRAD | key::VIEW) != 0;
    let ret = if tracked {
        let before = snapshot(target)?;
        let values: SmallVec<[Value<'_>; 8]> = args.values.iter().map(|value| replace(*value, target, &before)).collect();
        fresh(&values)?
    } else {
        fresh(args.values)?
    };
    store(ret, args.out, store_in_place)
}

fn replace<'a>(value: Value<'a>, target: &Tensor, before: &'a Tensor) -> Value<'a> {
    match value {
        Value::Tensor(tensor) if tensor.is_same(target) => Value::Tensor(before),
        other => other,
    }
}

fn store(ret: Ret, out: &[&Tensor], put: fn(&Tensor, &Tensor) -> Result<()>) -> Result<Ret> {
    let own = |i: usize, result: &Tensor| -> Result<Tensor> {
        match out.get(i) {
            Some(target) => put(target, result).map(|()| (*target).clone()),
            None => bail!(runtime, "expected {} tensors in out=, got {}", i + 1, out.len()),
        }
    };
    Ok(match ret {
        Ret::Tensor(a) => Ret::Tensor(own(0, &a)?),
        Ret::Two(a, b) => Ret::Two(own(0, &a)?, own(1, &b)?),
        Ret::Three(a, b, c) => Ret::Three(own(0, &a)?, own(1, &b)?, own(2, &c)?),
        Ret::Many(list) => Ret::Many(list.iter().enumerate().map(|(i, result)| own(i, result)).collect::<Result<_>>()?),
        other => other,
    })
}

/// The target of an in-place method takes the result's values and history.
pub fn store_in_place(target: &Tensor, result: &Tensor) -> Result<()> {
    if target.shape() != result.shape() {
        bail!(runtime, "output with shape {:?} doesn't match the broadcast shape {:?}", target.shape(), result.shape())
    }
    check_cast(result.dtype(), target.dtype())?;
    let edge = result.grad_edge_of_result()?;
    ops::copy::copy_elements(target.array(), result.array())?;
    written(target, edge)
}

/// `out=` takes the values, and the shape too.
fn store_out(target: &Tensor, result: &Tensor) -> Result<()> {
    check_cast(result.dtype(), target.dtype())?;
    if target.shape() != result.shape() {
        ops::strided::resize_output(target, result.shape())?;
    }
    check_memory(target)?;
    ops::copy::copy_elements(target.array(), result.array())?;
    target.bump_version();
    Ok(())
}

/// `out=` does not record: refuses where it would have to.
pub fn check_out(def: &'static Def, args: &Args<'_>) -> Result<()> {
    for target in args.out {
        ensure!(
            !(mode::is_grad_enabled() && (args.keys & key::REQUIRES_GRAD != 0 || target.requires_grad())),
            runtime,
            "{}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.",
            def.name()
        );
    }
    Ok(())
}
