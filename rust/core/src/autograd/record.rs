//! How an operator enters its results into the graph.
use super::edge::Edge;
use super::node::{Context, Edges, Formula, Grads, Node, NodeOf, Rule, SavedList};
use super::saved::Saved;
use crate::mode;
use crate::tensor::{Tensor, key};
use rustorch_base::Result;
use std::sync::Arc;

/// Does an op on these inputs enter the graph? Asked first, so that nothing is saved in vain.
#[inline]
pub fn tracks(inputs: &[&Tensor]) -> bool {
    let keys = inputs.iter().fold(0, |keys, input| keys | input.keys());
    keys & (key::REQUIRES_GRAD | key::VIEW) != 0 && mode::is_grad_enabled() && inputs.iter().any(|input| input.requires_grad())
}

/// Edges to what made the inputs; `None` where no gradient is wanted.
pub fn edges_of(inputs: &[&Tensor]) -> Result<Edges> {
    inputs.iter().map(|input| input.grad_edge()).collect()
}

/// Makes a node for `outputs`, computed from `inputs` (one edge each, in this order), and hangs it on those outputs whose
/// dtype has gradients. `saved` is what the rule reads back by index. The caller has asked [`tracks`].
pub fn record_rule(rule: impl Rule, inputs: &[&Tensor], outputs: &[&Tensor], saved: SavedList) -> Result<Arc<Node>> {
    for value in &saved {
        value.check()?;
    }
    let node: Arc<Node> = NodeOf::new(rule, edges_of(inputs)?, saved);
    attach(&node, outputs);
    Ok(node)
}

/// Hangs a node on its results.
#[inline]
pub fn attach(node: &Arc<Node>, outputs: &[&Tensor]) {
    for (slot, output) in outputs.iter().enumerate() {
        if output.dtype().is_differentiable() {
            output.set_edge(Some(Edge { node: node.clone(), slot: slot as u32 }));
        }
    }
}

/// [`record_rule`] with the derivative as a function of the context and the results' gradients.
///
/// ```ignore
/// if tracks(&[input]) {
///     record("ExpBackward0", &[input], &[&out], [Saved::output(&out, 0)], |context, g| { .. })?;
/// }
/// ```
pub fn record<const N: usize>(
    name: &'static str,
    inputs: &[&Tensor],
    outputs: &[&Tensor],
    saved: [Saved; N],
    formula: impl Fn(&Context, &[Option<Tensor>]) -> Result<Grads> + Send + Sync + 'static,
) -> Result<()> {
    record_rule(Formula { name, formula }, inputs, outputs, saved.into_iter().collect())?;
    Ok(())
}
