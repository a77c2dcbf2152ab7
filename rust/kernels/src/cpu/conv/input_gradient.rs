//! The gradient of a convolution's input, which is also the transposed convolution.
use super::correlation::{Correlation, Image, Output};
use super::{Geometry, Shifts, Space, volume};
use crate::cpu::gemm::GemmElement;
use crate::cpu::pack::{ScratchSlot, with_scratch};
use smallvec::SmallVec;
use std::ptr::null;

/// The taps of one dimension that reach the input pixels with one remainder: which they are, and the shift of each.
struct Phase {
    first: usize,
    pixels: usize,
    taps: SmallVec<[usize; 8]>,
    shifts: Shifts,
}

/// Input pixel i = q * stride + first gets output pixel (i + padding - tap * dilation) / stride where that is whole: for each remainder
/// `first` the taps are fixed and the output pixel is q + shift.
fn phases(geometry: &Geometry, d: usize) -> impl Iterator<Item = Phase> {
    let (stride, padding, dilation) = (geometry.stride[d] as isize, geometry.padding[d] as isize, geometry.dilation[d] as isize);
    let (kernel, size) = (geometry.kernel[d], geometry.input[d]);
    (0..geometry.stride[d].min(size)).map(move |first| {
        let reach = move |tap: usize| first as isize + padding - tap as isize * dilation;
        let taps: SmallVec<[usize; 8]> = (0..kernel).filter(|&tap| reach(tap) % stride == 0).collect();
        let shifts = taps.iter().map(|&tap| reach(tap) / stride).collect();
        Phase { first, pixels: (size - first).div_ceil(stride as usize), taps, shifts }
    })
}

/// `gradient` (of the input) from the gradient of the output: one product a phase of the stride, each with the taps that reach its
/// pixels alone, so no zero is multiplied and no sum is scattered twice.
///
/// # Safety
/// As [`super::forward`]; `gradient` has the input's size and is overwritten.
pub unsafe fn input_gradient<T: GemmElement + bytemuck::Pod>(
    geometry: &Geometry,
    output_gradient: *const T,
    weight: *const T,
    gradient: *mut T,
) {
    let (in_group, out_group, groups) = (geometry.in_group(), geometry.out_group(), geometry.groups);
    let pixels = volume(geometry.output());
    let by_dimension: [Vec<Phase>; 3] = std::array::from_fn(|d| phases(geometry, d).collect());
    for (z, y, x) in combinations(&by_dimension) {
        let phase = [z, y, x];
        let first = phase.map(|p| p.first);
        let correlation = Correlation {
            channels: out_group,
            input: geometry.output(),
            step: [1; 3],
            grid: phase.map(|p| p.pixels),
            shifts: phase.map(|p| p.shifts.clone()),
        };
        let depth = correlation.depth();
        with_scratch(ScratchSlot::Gradient, |scratch| {
            let turned = scratch.get::<T>(groups * in_group * depth);
            // SAFETY: the buffer is as long as the turned weight.
            unsafe { turn_weight(geometry, weight, phase, turned) };
            correlation.each_image(geometry.batch * groups, in_group, |i| {
                let data = gradient.wrapping_add(i * in_group * volume(geometry.input));
                Image {
                    source: output_gradient.wrapping_add(i * out_group * pixels),
                    weight: turned.wrapping_add(i % groups * in_group * depth).cast_const(),
                    bias: null(),
                    output: if geometry.stride == [1; 3] {
                        Output::Whole(data)
                    } else {
                        Output::Spread { data, size: geometry.input, step: geometry.stride, first }
                    },
                }
            });
        });
    }
}

fn combinations(phases: &[Vec<Phase>; 3]) -> impl Iterator<Item = (&Phase, &Phase, &Phase)> {
    let [zs, ys, xs] = phases;
    zs.iter().flat_map(move |z| ys.iter().flat_map(move |y| xs.iter().map(move |x| (z, y, x))))
}

/// The weight as (group, input channel, output channel, taps of the phase).
unsafe fn turn_weight<T: Copy>(geometry: &Geometry, weight: *const T, phase: [&Phase; 3], mut turned: *mut T) {
    let (in_group, out_group) = (geometry.in_group(), geometry.out_group());
    let [_, height, width]: Space = geometry.kernel;
    for group in 0..geometry.groups {
        for channel in 0..in_group {
            for output in group * out_group..(group + 1) * out_group {
                let kernel = (output * in_group + channel) * geometry.taps();
                for (z, y) in phase[0].taps.iter().flat_map(|z| phase[1].taps.iter().map(move |y| (z, y))) {
                    for x in &phase[2].taps {
                        // SAFETY: an element of the weight, and the next of as many in the buffer.
                        unsafe {
                            *turned = *weight.add(kernel + (z * height + y) * width + x);
                            turned = turned.add(1);
                        }
                    }
                }
            }
        }
    }
}
