//! Convolution of contiguous (batch, channels, space) arrays in one to three dimensions of space: forward, and the gradients of
//! its input and its weight.
//!
//! An image is copied once into a [`plane::Plane`] with its border. Every tap of every channel is then one constant
//! offset from a pixel. Forward pass and input gradient are products whose second operand, the patches, is never
//! stored: [`patches::Patches`] packs it. The weight gradient needs no packing at all: its sums run along rows of pixels.
mod correlation;
mod direct;
mod forward;
mod input_gradient;
pub(crate) mod offset_tile;
mod patches;
mod plane;
pub(crate) mod row_dots;
mod weight_gradient;

use crate::operand::Operand;
use correlation::Correlation;
use half::{bf16, f16};
use rustorch_base::{DType, Result, bail};
use smallvec::SmallVec;
use std::ptr::{null, null_mut};

/// Depth, height and width; fewer dimensions of space have leading ones (and zeros of padding).
pub type Space = [usize; 3];

/// Sizes of a convolution. Input is (batch, in_channels, input), weight (out_channels, in_channels / groups, kernel) and
/// output (batch, out_channels, [`Geometry::output`]). Both channel counts are multiples of `groups`; strides and dilations are
/// at least 1; the dilated kernel is no larger than the padded input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub batch: usize,
    pub groups: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub input: Space,
    pub kernel: Space,
    pub stride: Space,
    pub padding: Space,
    pub dilation: Space,
}
impl Geometry {
    pub fn output(&self) -> Space {
        std::array::from_fn(|d| (self.input[d] + 2 * self.padding[d] - self.dilation[d] * (self.kernel[d] - 1) - 1) / self.stride[d] + 1)
    }
    /// Positions of a kernel.
    pub fn taps(&self) -> usize {
        volume(self.kernel)
    }
    fn in_group(&self) -> usize {
        self.in_channels / self.groups
    }
    fn out_group(&self) -> usize {
        self.out_channels / self.groups
    }
    fn input_length(&self) -> usize {
        self.batch * self.in_channels * volume(self.input)
    }
    fn weight_length(&self) -> usize {
        self.out_channels * self.in_group() * self.taps()
    }
    fn output_length(&self) -> usize {
        self.batch * self.out_channels * volume(self.output())
    }
    /// What the forward pass reads for each output pixel.
    fn correlation(&self) -> Correlation {
        Correlation {
            channels: self.in_group(),
            input: self.input,
            step: self.stride,
            grid: self.output(),
            shifts: std::array::from_fn(|d| {
                (0..self.kernel[d]).map(|tap| (tap * self.dilation[d]) as isize - self.padding[d] as isize).collect()
            }),
        }
    }
}

/// Shifts of the taps along one dimension.
type Shifts = SmallVec<[isize; 8]>;

pub(crate) fn volume(space: Space) -> usize {
    space.iter().product()
}

/// `output = convolution(input, weight) + bias`, the bias one value an output channel.
///
/// # Errors
/// For dtypes other than the floating-point ones. float16 and bfloat16 are computed in float32 and rounded once.
///
/// # Safety
/// The operands are contiguous arrays of the sizes the geometry names, of one dtype; the output overlaps none of the others.
pub unsafe fn forward(geometry: &Geometry, input: &Operand, weight: &Operand, bias: Option<&Operand>, output: &Operand) -> Result<()> {
    let data = bias.map_or(null_mut(), |bias| bias.data);
    let reads = [(input, geometry.input_length()), (weight, geometry.weight_length())];
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        match output.dtype {
            DType::Float32 => forward::forward::<f32>(geometry, input.data.cast(), weight.data.cast(), data.cast(), output.data.cast()),
            DType::Float64 => forward::forward::<f64>(geometry, input.data.cast(), weight.data.cast(), data.cast(), output.data.cast()),
            _ => {
                let bias = bias.map(|bias| widened(bias, geometry.out_channels)).transpose()?;
                let bias = bias.as_ref().map_or(null(), Vec::as_ptr);
                in_float32(reads, (output, geometry.output_length()), |[x, w], y| forward::forward(geometry, x, w, bias, y))?;
            }
        }
    }
    Ok(())
}

/// `gradient` (of the input) from the gradient of the output: also the transposed convolution.
///
/// # Errors
/// As [`forward`].
///
/// # Safety
/// As [`forward`]; `gradient` has the input's size and is overwritten.
pub unsafe fn input_gradient(geometry: &Geometry, output_gradient: &Operand, weight: &Operand, gradient: &Operand) -> Result<()> {
    let (dy, w, dx) = (output_gradient, weight, gradient);
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        match gradient.dtype {
            DType::Float32 => input_gradient::input_gradient::<f32>(geometry, dy.data.cast(), w.data.cast(), dx.data.cast()),
            DType::Float64 => input_gradient::input_gradient::<f64>(geometry, dy.data.cast(), w.data.cast(), dx.data.cast()),
            _ => {
                let reads = [(dy, geometry.output_length()), (w, geometry.weight_length())];
                in_float32(reads, (dx, geometry.input_length()), |[dy, w], dx| input_gradient::input_gradient(geometry, dy, w, dx))?;
            }
        }
    }
    Ok(())
}

/// `gradient` (of the weight) from the gradient of the output.
///
/// # Errors
/// As [`forward`].
///
/// # Safety
/// As [`forward`]; `gradient` has the weight's size and is overwritten.
pub unsafe fn weight_gradient(geometry: &Geometry, output_gradient: &Operand, input: &Operand, gradient: &Operand) -> Result<()> {
    let (dy, x, dw) = (output_gradient, input, gradient);
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        match gradient.dtype {
            DType::Float32 => weight_gradient::weight_gradient::<f32>(geometry, dy.data.cast(), x.data.cast(), dw.data.cast()),
            DType::Float64 => weight_gradient::weight_gradient::<f64>(geometry, dy.data.cast(), x.data.cast(), dw.data.cast()),
            _ => {
                let reads = [(dy, geometry.output_length()), (x, geometry.input_length())];
                in_float32(reads, (dw, geometry.weight_length()), |[dy, x], dw| weight_gradient::weight_gradient(geometry, dy, x, dw))?;
            }
        }
    }
    Ok(())
}

/// Computes from float32 copies of two half-precision arrays, and rounds the result.
unsafe fn in_float32(reads: [(&Operand, usize); 2], write: (&Operand, usize), f: impl FnOnce([*const f32; 2], *mut f32)) -> Result<()> {
    // SAFETY: the caller vouches for the lengths.
    let copies = unsafe { [widened(reads[0].0, reads[0].1)?, widened(reads[1].0, reads[1].1)?] };
    let mut result = vec![0f32; write.1];
    f([copies[0].as_ptr(), copies[1].as_ptr()], result.as_mut_ptr());
    for (i, &x) in result.iter().enumerate() {
        // SAFETY: i is inside the array, whose dtype `widened` has accepted.
        unsafe {
            match write.0.dtype {
                DType::Float16 => *write.0.data.cast::<f16>().add(i) = f16::from_f32(x),
                _ => *write.0.data.cast::<bf16>().add(i) = bf16::from_f32(x),
            }
        }
    }
    Ok(())
}

unsafe fn widened(x: &Operand, n: usize) -> Result<Vec<f32>> {
    // SAFETY: the caller vouches for n elements, of the type matched on.
    unsafe {
        match x.dtype {
            DType::Float16 => Ok((0..n).map(|i| (*x.data.cast::<f16>().add(i)).to_f32()).collect()),
            DType::BFloat16 => Ok((0..n).map(|i| (*x.data.cast::<bf16>().add(i)).to_f32()).collect()),
            other => bail!(not_implemented, "\"convolution\" not implemented for '{}'", other.scalar_name()),
        }
    }
}

#[cfg(test)]
mod tests;
