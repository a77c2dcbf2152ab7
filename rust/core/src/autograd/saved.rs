//! Values kept for backward, and the check that nobody has written them since.
use super::edge::Edge;
use super::node::Node;
use crate::array::Array;
use crate::tensor::{Tensor, Version, key};
use rustorch_base::{Result, bail};
use std::sync::Arc;

/// A saved value. An output is kept without its node, which it would keep alive for ever; unpacking gives it back.
#[derive(Clone)]
pub enum Saved {
    Nothing,
    Input { tensor: Tensor, version: u32 },
    Output { array: Array, counter: Version, version: u32, slot: u32 },
}

impl Saved {
    #[inline]
    pub fn input(tensor: &Tensor) -> Saved {
        Saved::Input { tensor: tensor.clone(), version: tensor.version_or_zero() }
    }
    /// [`Saved::input`] of a tensor whose memory was just written once: as of before, so that backward refuses it.
    pub fn before_write(tensor: &Tensor) -> Saved {
        Saved::Input { tensor: tensor.clone(), version: tensor.version_or_zero().wrapping_sub(1) }
    }
    pub fn optional(tensor: Option<&Tensor>) -> Saved {
        tensor.map_or(Saved::Nothing, Saved::input)
    }
    /// The result with this slot of the node it is saved in.
    #[inline]
    pub fn output(tensor: &Tensor, slot: u32) -> Saved {
        Saved::Output { array: tensor.array().clone(), counter: tensor.version_counter().clone(), version: tensor.version_or_zero(), slot }
    }

    pub(super) fn unpack(self, node: &Arc<Node>) -> Result<Option<Tensor>> {
        match self {
            Saved::Nothing => Ok(None),
            Saved::Input { tensor, version } => {
                if tensor.version_or_zero() != version {
                    return complain(&tensor, tensor.recorded_edge(), version);
                }
                Ok(Some(tensor))
            }
            Saved::Output { array, counter, version, slot } => {
                let tensor = Tensor::build(array, counter, 0, None);
                let edge = Some(Edge { node: node.clone(), slot });
                if tensor.version_or_zero() != version {
                    return complain(&tensor, edge, version);
                }
                if tensor.dtype().is_differentiable() {
                    tensor.set_edge(edge);
                }
                Ok(Some(tensor))
            }
        }
    }
    /// Inference tensors may not be saved.
    pub(crate) fn check(&self) -> Result<()> {
        if let Saved::Input { tensor, .. } = self
            && tensor.keys() & key::INFERENCE != 0
        {
            bail!(
                runtime,
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
        }
        Ok(())
    }
}

#[cold]
fn complain(tensor: &Tensor, maker: Option<Edge>, version: u32) -> Result<Option<Tensor>> {
    let short = |name: &str| name.strip_suffix("Backward0").unwrap_or(name).to_string();
    let maker = maker.map_or(String::new(), |edge| format!(", which is output {} of {},", edge.slot, short(edge.node.name())));
    bail!(
        runtime,
        "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.{}Tensor {:?}]{maker} is at version {}; expected version {version} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True).",
        tensor.dtype().scalar_name(),
        tensor.shape(),
        tensor.version_or_zero()
    )
}
