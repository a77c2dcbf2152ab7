//! The gradient of a convolution's weight.
use super::patches::Patches;
use super::plane::Plane;
use super::row_dots::{CHANNELS, RowDots, TAPS};
use super::{Geometry, volume};
use crate::cpu::gemm::{Cut, GemmElement, Product, Shared, Store};
use crate::cpu::pack::{ScratchSlot, Strided, with_scratch};
use crate::cpu::threads::{num_threads, parallel_for};
use std::ops::Range;
use std::ptr::null;

/// From so many output channels (of a group) on, packing patches pays; where rows of pixels fill vectors well, from so many.
const PRODUCT_ROWS: usize = 12;
const PRODUCT_ROWS_WELL_FILLED: usize = 48;

fn is_product<T: GemmElement>(geometry: &Geometry) -> bool {
    let width = geometry.output()[2];
    let well_filled = (width.next_multiple_of(T::kernels().lanes) - width) * 8 <= width;
    geometry.batch > 0 && geometry.out_group() >= if well_filled { PRODUCT_ROWS_WELL_FILLED } else { PRODUCT_ROWS }
}

/// `gradient` (of the weight) from the gradient of the output. With many output channels it is a product with packed patches; with few,
/// a tile is some output channels by some taps, both read in place. Each element is summed by one task in one order.
///
/// # Safety
/// As [`super::forward`]; `gradient` has the weight's size and is overwritten.
pub unsafe fn weight_gradient<T: GemmElement + bytemuck::Pod + std::iter::Sum>(
    geometry: &Geometry,
    output_gradient: *const T,
    input: *const T,
    gradient: *mut T,
) {
    let correlation = geometry.correlation();
    let (in_group, out_group) = (geometry.in_group(), geometry.out_group());
    let by_product = is_product::<T>(geometry);
    let plane = if by_product { Plane::unsplit(&correlation) } else { Plane::new(&correlation) };
    let positions = by_product.then(|| plane.positions(geometry.output()));
    let pass = Pass {
        geometry,
        plane: &plane,
        positions: positions.as_deref(),
        output_gradient: Shared(output_gradient.cast_mut()),
        input: Shared(input.cast_mut()),
        gradient: Shared(gradient),
    };
    // By input channels first, which share nothing; then by output channels, for each of which planes are made again.
    let work = geometry.batch * out_group * in_group * geometry.groups * geometry.taps() * volume(geometry.output());
    let wanted = if num_threads() == 1 { 1 } else { (4 * num_threads()).min(work >> 20).max(1) };
    let inputs = Cut::into(in_group, wanted.div_ceil(geometry.groups));
    let outputs = Cut::into(out_group.div_ceil(CHANNELS), wanted.div_ceil(geometry.groups * inputs.count));
    parallel_for(geometry.groups * inputs.count * outputs.count, 1, |tasks| {
        for task in tasks {
            let (group, i, o) = (task / outputs.count / inputs.count, task / outputs.count % inputs.count, task % outputs.count);
            let channels = inputs.start(i)..inputs.start(i + 1);
            let rows = (outputs.start(o) * CHANNELS)..(outputs.start(o + 1) * CHANNELS).min(out_group);
            // SAFETY: the caller vouches for the arrays; tasks write disjoint parts of the gradient.
            unsafe {
                match pass.positions {
                    Some(positions) => pass.run_product(group, channels, rows, positions),
                    None => pass.run_tiles(group, channels, rows),
                }
            }
        }
    });
}

struct Pass<'a, T> {
    geometry: &'a Geometry,
    plane: &'a Plane,
    positions: Option<&'a [isize]>,
    output_gradient: Shared<T>,
    input: Shared<T>,
    gradient: Shared<T>,
}

impl<T: GemmElement + bytemuck::Pod + std::iter::Sum> Pass<'_, T> {
    /// A product an image, summed over pixels: the output's gradient times the patches, whose lanes are taps.
    unsafe fn run_product(&self, group: usize, channels: Range<usize>, outputs: Range<usize>, positions: &[isize]) {
        let geometry = self.geometry;
        let (taps, pixels) = (geometry.taps(), positions.len());
        let row = group * geometry.out_group() + outputs.start;
        let to = Shared(self.gradient.get().wrapping_add((row * geometry.in_group() + channels.start) * taps));
        with_scratch(ScratchSlot::Plane, |image| {
            let image = image.get::<T>(self.plane.length(channels.len()));
            for n in 0..geometry.batch {
                // SAFETY: scratch is as long as what is written; images are walked inside the arrays.
                unsafe { self.fill_plane(n, group, channels.clone(), image) };
                let data = self.output_gradient.get().wrapping_add((n * geometry.out_channels + row) * pixels);
                let product = Product {
                    kernels: T::kernels(),
                    m: outputs.len(),
                    n: channels.len() * taps,
                    k: pixels,
                    a: &Strided { data: data.cast_const(), lane: pixels as isize, depth: 1 },
                    b: &Patches { data: image.cast_const(), lanes: &self.plane.offsets, depths: positions },
                    c: to,
                    c_row: (geometry.in_group() * taps) as isize,
                    store: Store { alpha: 1.into(), beta: i8::from(n > 0).into(), row_bias: null(), column_bias: null() },
                };
                // SAFETY: as above.
                unsafe { product.run() };
            }
        });
    }

    /// Vectors along rows of pixels; sums kept apart by lane over all images, and folded at the end.
    unsafe fn run_tiles(&self, group: usize, channels: Range<usize>, outputs: Range<usize>) {
        let (geometry, lanes) = (self.geometry, T::kernels().lanes);
        let taps = channels.len() * geometry.taps();
        let (o_tiles, t_tiles) = (Cut::by_length(outputs.len(), CHANNELS), Cut::by_length(taps, TAPS));
        let sums_length = outputs.len() * taps * lanes;
        with_scratch(ScratchSlot::Gradient, |sums| {
            with_scratch(ScratchSlot::Plane, |image| {
                // SAFETY: scratch is as long as what is written; images are walked inside the arrays.
                unsafe {
                    let sums = sums.get::<T>(sums_length);
                    std::slice::from_raw_parts_mut(sums, sums_length).fill(T::default());
                    let image = image.get::<T>(self.plane.length(channels.len()));
                    for n in 0..geometry.batch {
                        self.fill_plane(n, group, channels.clone(), image);
                        let gradient_channels = n * geometry.out_channels + group * geometry.out_group() + outputs.start;
                        let gradient = self.output_gradient.get().add(gradient_channels * volume(geometry.output()));
                        let mut tile_sums = sums;
                        for (o, t) in (0..o_tiles.count).flat_map(|o| (0..t_tiles.count).map(move |t| (o, t))) {
                            self.add_tile(
                                gradient,
                                image,
                                (o_tiles.start(o), o_tiles.length(o)),
                                (t_tiles.start(t), t_tiles.length(t)),
                                tile_sums,
                            );
                            tile_sums = tile_sums.add(o_tiles.length(o) * t_tiles.length(t) * lanes);
                        }
                    }
                    let mut tile_sums = sums.cast_const();
                    for (o, t) in (0..o_tiles.count).flat_map(|o| (0..t_tiles.count).map(move |t| (o, t))) {
                        for (i, j) in (0..o_tiles.length(o)).flat_map(|i| (0..t_tiles.length(t)).map(move |j| (i, j))) {
                            let row = group * geometry.out_group() + outputs.start + o_tiles.start(o) + i;
                            let element = (row * geometry.in_group() + channels.start) * geometry.taps() + t_tiles.start(t) + j;
                            *self.gradient.get().add(element) = std::slice::from_raw_parts(tile_sums, lanes).iter().copied().sum();
                            tile_sums = tile_sums.add(lanes);
                        }
                    }
                }
            });
        });
    }

    unsafe fn fill_plane(&self, n: usize, group: usize, channels: Range<usize>, image: *mut T) {
        let first = n * self.geometry.in_channels + group * self.geometry.in_group() + channels.start;
        for channel in 0..channels.len() {
            // SAFETY: the caller's buffer holds these channels.
            unsafe {
                let source = self.input.get().add((first + channel) * volume(self.geometry.input));
                self.plane.fill_channel(source, self.geometry.input, image.add(channel * self.plane.channel_length()));
            }
        }
    }

    /// One tile of output channels (from, count) and taps (from, count) of one image.
    unsafe fn add_tile(&self, gradient: *const T, image: *const T, outputs: (usize, usize), taps: (usize, usize), sums: *mut T) {
        let [depth, height, width] = self.geometry.output();
        let kernel = T::kernels().row_dots[outputs.1 - 1][taps.1 - 1];
        for z in 0..depth {
            let dots = RowDots {
                rows: height,
                width,
                gradient: gradient.wrapping_add(outputs.0 * depth * height * width + z * height * width),
                gradient_channel: depth * height * width,
                gradient_row: width,
                image: image.wrapping_add(z * self.plane.steps[0]),
                image_row: self.plane.steps[1],
                // The offsets of the first channels serve any channels: planes are filled from the task's first.
                offsets: self.plane.offsets[taps.0..].as_ptr(),
                sums,
            };
            // SAFETY: the caller vouches for the image; the sums hold this tile.
            unsafe { kernel(&dots) };
        }
    }
}
