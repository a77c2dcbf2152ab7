//! Max and average pooling of contiguous (planes, space) arrays in one to three dimensions of space, with their gradients.
mod average;
mod max;
mod window;

pub use average::{Averaging, average_pool, average_pool_gradient};
pub use max::{max_pool, max_pool_gradient};
pub use window::pooled_size;

use crate::cpu::conv::Space;

/// Sizes of a pooling. A plane is one channel of one image; fewer dimensions of space have leading ones (and zeros of padding).
/// `output` is what [`pooled_size`] gives for each dimension; padding is at most half of the (dilated) kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolGeometry {
    pub planes: usize,
    pub input: Space,
    pub output: Space,
    pub kernel: Space,
    pub stride: Space,
    pub padding: Space,
    pub dilation: Space,
}

#[cfg(test)]
mod tests;
