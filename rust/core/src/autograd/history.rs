//! Where a tensor stands in the graph: leaf or result, and which node its gradient goes to.
use super::accumulate::accumulator;
use super::edge::Edge;
use super::hooks::Hooks;
use super::node::Node;
use super::view;
use crate::mode;
use crate::tensor::{Tensor, key, lock};
use rustorch_base::{Result, ensure};
use std::sync::Arc;

impl Tensor {
    /// A leaf that asks for a gradient, or a result of one.
    #[inline]
    pub fn requires_grad(&self) -> bool {
        let keys = self.keys();
        keys & key::REQUIRES_GRAD != 0 || (keys & key::VIEW != 0 && view::base_became_tracked(self))
    }
    /// The edge of the op that made this tensor; `None` for leaves. A view whose memory was written gets a new one.
    #[inline]
    pub(crate) fn grad_edge_of_result(&self) -> Result<Option<Edge>> {
        if self.keys() & key::VIEW != 0 {
            view::refresh(self)?;
        }
        if self.keys() & key::REQUIRES_GRAD == 0 {
            return Ok(None);
        }
        Ok(self.recorded_edge())
    }
    pub fn grad_fn(&self) -> Result<Option<Arc<Node>>> {
        Ok(self.grad_edge_of_result()?.map(|edge| edge.node))
    }
    /// The hooks of a result whose node nobody else holds: they die with this tensor.
    pub fn hooks_of_own_node(&self) -> Option<Arc<Hooks>> {
        let edge = self.recorded_edge()?;
        // Two: the tensor's edge, and the copy just made.
        if Arc::strong_count(&edge.node) > 2 {
            return None;
        }
        lock(&self.extra()?.hooks).clone()
    }
    /// Which result of its node this is.
    pub fn output_nr(&self) -> u32 {
        self.recorded_edge().map_or(0, |edge| edge.slot)
    }
    pub fn is_leaf(&self) -> bool {
        matches!(self.grad_edge_of_result(), Ok(None))
    }
    /// Where this tensor's gradient goes: its node, a leaf's accumulator, or nowhere.
    #[inline]
    pub fn grad_edge(&self) -> Result<Option<Edge>> {
        if let Some(edge) = self.grad_edge_of_result()? {
            return Ok(Some(edge));
        }
        Ok((self.keys() & key::REQUIRES_GRAD != 0).then(|| Edge { node: accumulator(self), slot: 0 }))
    }
    /// `requires_grad_()` and `.requires_grad =`.
    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        if !self.is_leaf() {
            ensure!(
                on,
                runtime,
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            );
            return Ok(());
        }
        ensure!(!on || self.dtype().is_differentiable(), runtime, "only Tensors of floating point dtype can require gradients");
        ensure!(
            !(on && self.is_inference()) || mode::is_inference_mode_enabled(),
            runtime,
            "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
        );
        self.set_key(key::REQUIRES_GRAD, on);
        Ok(())
    }
    /// `detach_()`: becomes a leaf.
    pub fn detach_in_place(&self) -> Result<()> {
        ensure!(
            self.view().is_none(),
            runtime,
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as a solution."
        );
        self.set_edge(None);
        self.set_key(key::REQUIRES_GRAD, false);
        Ok(())
    }
}
