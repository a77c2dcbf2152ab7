//! The forward pass.
use super::correlation::{Image, Output};
use super::{Geometry, volume};
use crate::cpu::gemm::GemmElement;
use std::ptr::null;

/// `output = convolution(input, weight) + bias`, the bias one value an output channel or null.
///
/// # Safety
/// The pointers are to contiguous arrays of the sizes the geometry names; the output overlaps none of the others.
pub unsafe fn forward<T: GemmElement + bytemuck::Pod>(
    geometry: &Geometry,
    input: *const T,
    weight: *const T,
    bias: *const T,
    output: *mut T,
) {
    let (in_group, out_group) = (geometry.in_group(), geometry.out_group());
    let depth = in_group * geometry.taps();
    let pixels = volume(geometry.output());
    let correlation = geometry.correlation();
    correlation.each_image(geometry.batch * geometry.groups, out_group, |i| {
        let group = i % geometry.groups;
        Image {
            source: input.wrapping_add(i * in_group * volume(geometry.input)),
            weight: weight.wrapping_add(group * out_group * depth),
            bias: if bias.is_null() { null() } else { bias.wrapping_add(group * out_group) },
            output: Output::Whole(output.wrapping_add(i * out_group * pixels)),
        }
    });
}
