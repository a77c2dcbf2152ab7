//! Which input positions an output position sees, and the walk over rows that all pools share.
use super::PoolGeometry;
use std::ops::Range;

/// The number of windows along a dimension, PyTorch's way: with `ceil_mode` a window may hang over the far border, but must start
/// inside the input or the padding before it.
///
/// The arguments are those PyTorch accepts: positive sizes, padding at most half of the kernel, and a kernel that fits.
pub fn pooled_size(input: usize, kernel: usize, stride: usize, padding: usize, dilation: usize, ceil_mode: bool) -> usize {
    let span = (input + 2 * padding).saturating_sub(dilation * (kernel - 1) + 1);
    let size = if ceil_mode { span.div_ceil(stride) } else { span / stride } + 1;
    if ceil_mode && (size - 1) * stride >= input + padding { size - 1 } else { size }
}

/// The output positions along one dimension whose tap falls inside the input: `x * stride + shift` is in 0..input.
pub fn inside(g: &PoolGeometry, d: usize, tap: usize) -> (Range<usize>, isize) {
    let shift = (tap * g.dilation[d]) as isize - g.padding[d] as isize;
    let first = (-shift).max(0).div_ceil_by(g.stride[d]);
    let end = (g.input[d] as isize - shift).max(0).div_ceil_by(g.stride[d]).min(g.output[d]);
    (first.min(end)..end, shift)
}

trait DivCeil {
    fn div_ceil_by(self, by: usize) -> usize;
}
impl DivCeil for isize {
    fn div_ceil_by(self, by: usize) -> usize {
        (self as usize).div_ceil(by)
    }
}

/// Rows of the input that meet in a row of the output: for each, its index among the plane's rows.
pub fn rows_of_window(g: &PoolGeometry, z: usize, y: usize) -> impl Iterator<Item = usize> + '_ {
    let positions = move |d: usize, at: usize| {
        (0..g.kernel[d]).filter_map(move |tap| {
            let position = (at * g.stride[d] + tap * g.dilation[d]).checked_sub(g.padding[d])?;
            (position < g.input[d]).then_some(position)
        })
    };
    positions(0, z).flat_map(move |iz| positions(1, y).map(move |iy| iz * g.input[1] + iy))
}

/// Where a window starts inside the input: its first position, moved on by the dilation while that is in the padding.
pub fn window_start(g: &PoolGeometry, d: usize, at: usize) -> usize {
    let start = (at * g.stride[d]) as isize - g.padding[d] as isize;
    if start >= 0 { start as usize } else { (start + (-start).div_ceil_by(g.dilation[d]) as isize * g.dilation[d] as isize) as usize }
}
