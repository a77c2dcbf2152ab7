//! Writing a result into a tensor that is there already.
use crate::op::{Args, Result, Ret, Target};
use crate::tensor::Tensor;
use rustorch_base::bail;

/// Refuses what can be refused before anything is computed.
pub fn check(_args: &Args<'_>) -> Result<()> {
    Ok(())
}

/// Stores the results of an op into `out`, and returns `out`'s tensors in their place.
pub fn store(_ret: Ret, _out: &[&Tensor], _target: Target) -> Result<Ret> {
    bail!(not_implemented, "out= is not implemented")
}
