//! Differentiable views. A view knows its base; when the base, or another view of it, was written by a recorded op, the
//! view's history is no longer the op that made it but "this part of the base", and it is made anew on demand.
use super::edge::Edge;
use super::node::{Context, Grads, NodeOf, Rule};
use crate::array::Array;
use crate::mode;
use crate::ops;
use crate::tensor::{Tensor, key};
use rustorch_base::{Layout, Result, bail};
use smallvec::smallvec;
use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How a view came to be, which decides whether it may be written while gradients are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Creation {
    Ordinary,
    /// Made while gradients were off.
    NoGrad,
    /// One of several results of one op (`split`, `unbind`): names that op.
    MultipleOutputs(&'static str, u32),
    Inference,
}

/// Invariant: `base` is no view itself, so that chains of views are flat.
pub struct View {
    pub base: Tensor,
    pub creation: Creation,
    /// The write counter's value for which the recorded history holds.
    history_version: AtomicU32,
}

/// A tensor over `array`, which shares its memory with `input`: same write counter, same base. The caller records the
/// node, if any.
pub fn view_of(input: &Tensor, array: Array, creation: Creation) -> Tensor {
    let keys = input.keys() & key::INFERENCE;
    if keys != 0 {
        return Tensor::build(array, input.version_counter().clone(), keys, None);
    }
    let (base, inherited) = match input.view() {
        Some(view) => (view.base.clone(), view.creation),
        None => (input.clone(), Creation::Ordinary),
    };
    let creation = if mode::is_inference_mode_enabled() {
        Creation::Inference
    } else if inherited != Creation::Ordinary {
        inherited
    } else if creation == Creation::Ordinary && !mode::is_grad_enabled() {
        Creation::NoGrad
    } else {
        creation
    };
    let view = View { base, creation, history_version: AtomicU32::new(input.version_or_zero()) };
    Tensor::build(array, input.version_counter().clone(), key::VIEW, Some(Box::new(view)))
}

/// The memory of a view was written since its history was recorded, and its base is part of a graph now.
#[inline]
pub(super) fn base_became_tracked(tensor: &Tensor) -> bool {
    tensor.view().is_some_and(|view| view.history_version.load(Relaxed) != tensor.version_or_zero() && view.base.requires_grad())
}

/// Brings the history of a view up to date.
pub(super) fn refresh(tensor: &Tensor) -> Result<()> {
    let Some(view) = tensor.view() else { return Ok(()) };
    let now = tensor.version_or_zero();
    if view.history_version.load(Relaxed) == now || !tensor.dtype().is_differentiable() {
        return Ok(());
    }
    if !view.base.requires_grad() || (view.base.recorded_edge().is_none() && tensor.recorded_edge().is_none()) {
        return Ok(());
    }
    refuse_indirect_write(view)?;
    let rule = AsStridedBackward { view: tensor.layout().clone(), base: view.base.layout().clone() };
    let node = NodeOf::new(rule, smallvec![view.base.grad_edge()?], smallvec![]);
    tensor.set_edge(Some(Edge { node, slot: 0 }));
    view.history_version.store(now, Relaxed);
    Ok(())
}

fn refuse_indirect_write(view: &View) -> Result<()> {
    match view.creation {
        Creation::Ordinary => Ok(()),
        Creation::NoGrad => bail!(
            runtime,
            "A view was created in no_grad mode and its base or another view of its base has been modified inplace with grad mode enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        Creation::Inference => bail!(
            runtime,
            "A view was created in inference mode and its base or another view of its base has been modified inplace in normal mode. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the inference_mode block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        Creation::MultipleOutputs(op, nr) => bail!(
            runtime,
            "Output {nr} of {op}Backward0 is a view and its base or another view of its base has been modified inplace. This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
        ),
    }
}

/// Refuses to write a view in a recorded op where PyTorch does.
pub(super) fn check_write(view: &View) -> Result<()> {
    match view.creation {
        Creation::Ordinary => {}
        Creation::NoGrad => bail!(
            runtime,
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        Creation::Inference => bail!(
            runtime,
            "A view was created in inference mode and is being modified inplace in normal mode. Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the inference_mode block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
        ),
        Creation::MultipleOutputs(op, nr) => bail!(
            runtime,
            "Output {nr} of {op} is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one."
        ),
    }
    if view.base.recorded_edge().is_none() && view.base.requires_grad() {
        bail!(runtime, "a view of a leaf Variable that requires grad is being used in an in-place operation.")
    }
    Ok(())
}

/// The gradient of "this part of the base": laid into zeros of the base's shape.
struct AsStridedBackward {
    view: Layout,
    base: Layout,
}
impl Rule for AsStridedBackward {
    fn name(&self) -> &str {
        "AsStridedBackward0"
    }
    fn backward(&self, _: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        let Some(Some(gradient)) = cotangents.first() else { return Ok(smallvec![None]) };
        Ok(smallvec![Some(ops::strided::lay_into(gradient, &self.view, &self.base)?)])
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The node of a base after one of its views was written: the written part's gradient goes to what was written, the rest
/// to what the base was before. Edges: the base's former history, the written value.
pub(super) struct CopySlices {
    pub view: Layout,
    pub base: Layout,
}
impl Rule for CopySlices {
    fn name(&self) -> &str {
        "CopySlices"
    }
    fn backward(&self, context: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        let Some(Some(gradient)) = cotangents.first() else { return Ok(smallvec![None, None]) };
        let mut gradients: Grads = smallvec![None, None];
        // In the base's own layout, so that the view's layout means the same elements.
        let laid = ops::strided::clone_laid_as(gradient, &self.base)?;
        let part = relative(&self.view, &self.base);
        if context.needs(1) {
            gradients[1] = Some(ops::copy::clone(&ops::strided::as_strided_layout(&laid, &part)?)?);
        }
        if context.needs(0) {
            let rest = ops::strided::clone_laid_as(&laid, &self.base)?;
            ops::create::zero_in_place(&ops::strided::as_strided_layout(&rest, &part)?)?;
            gradients[0] = Some(rest);
        }
        Ok(gradients)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A view's layout counted from the first element of its base.
pub fn relative(view: &Layout, base: &Layout) -> Layout {
    Layout { offset: view.offset - base.offset, ..view.clone() }
}
