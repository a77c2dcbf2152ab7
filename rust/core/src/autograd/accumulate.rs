//! The node of a leaf: adds the gradient that arrives to `.grad`.
use super::node::{Context, FIRST, Grads, Node, NodeOf, Rule};
use crate::mode;
use crate::ops;
use crate::tensor::{Tensor, lock};
use rustorch_base::Result;
use smallvec::SmallVec;
use std::any::Any;
use std::sync::{Arc, Weak};

/// Holds its leaf strongly; the leaf holds it weakly, so that both die together with the graph.
pub struct AccumulateGrad {
    pub leaf: Tensor,
}

/// The leaf's node, made when first asked for.
pub fn accumulator(leaf: &Tensor) -> Arc<Node> {
    let mut slot = lock(&leaf.extra_or_new().accumulator);
    if let Some(node) = slot.as_ref().and_then(Weak::upgrade) {
        return node;
    }
    let node = NodeOf::with_sequence(AccumulateGrad { leaf: leaf.clone() }, SmallVec::new(), SmallVec::new(), FIRST);
    *slot = Some(Arc::downgrade(&node));
    node
}
impl Rule for AccumulateGrad {
    fn name(&self) -> &str {
        "AccumulateGrad"
    }
    fn backward(&self, _: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        if let Some(Some(gradient)) = cotangents.first() {
            accumulate(&self.leaf, gradient)?;
            let hooks = self.leaf.extra().and_then(|extra| lock(&extra.accumulated).clone());
            if let Some(hooks) = hooks {
                hooks.run(self.leaf.clone())?;
            }
        }
        Ok(SmallVec::new())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Hooks of a leaf run before its gradient is added or captured.
pub(super) fn through_leaf_hooks(node: &Node, gradient: Tensor) -> Result<Tensor> {
    let Some(rule) = node.rule.as_any().downcast_ref::<AccumulateGrad>() else { return Ok(gradient) };
    let hooks = rule.leaf.extra().and_then(|extra| lock(&extra.hooks).clone());
    match hooks {
        Some(hooks) => hooks.run(gradient),
        None => Ok(gradient),
    }
}

/// PyTorch's rules: the first gradient is taken over when nobody else holds it, else copied; later ones are added in
/// place, so that `g is x.grad` stays true, unless the addition itself must be differentiable.
fn accumulate(leaf: &Tensor, gradient: &Tensor) -> Result<()> {
    let differentiable = mode::is_grad_enabled();
    match leaf.grad() {
        None => {
            let dense = gradient.layout().is_dense() && gradient.dtype() == leaf.dtype();
            let fresh = if differentiable {
                if dense { gradient.clone() } else { ops::copy::clone_as_layout(gradient, leaf)? }
            } else if dense && gradient.array().storage.owners() == 1 && gradient.strides() == leaf.strides() {
                gradient.detached()
            } else {
                ops::copy::clone_as_layout(gradient, leaf)?
            };
            leaf.set_grad(Some(fresh));
        }
        Some(old) if differentiable => leaf.set_grad(Some(ops::pointwise::add(&old, gradient)?)),
        Some(old) => ops::pointwise::add_in_place(&old, gradient)?,
    }
    Ok(())
}
