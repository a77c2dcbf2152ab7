//! What forward pass and input gradient have in common: every output pixel is a weighted sum of input pixels at constant shifts.
use super::patches::Patches;
use super::plane::Plane;
use super::{Shifts, Space, volume};
use crate::cpu::gemm::{GemmElement, Product, Shared, Store};
use crate::cpu::pack::{ScratchSlot, Source, Strided, with_scratch};
use crate::cpu::threads::{num_threads, parallel_for};
use smallvec::SmallVec;
use std::ptr::null;

/// Output pixel g (of `grid`) reads input pixel `g * step + shift` of every channel, for every combination of shifts; pixels outside
/// the input are zero.
pub struct Correlation {
    pub channels: usize,
    pub input: Space,
    pub step: Space,
    pub grid: Space,
    /// By dimension, in the weight's order of taps.
    pub shifts: [Shifts; 3],
}

/// One image of one group.
pub struct Image<T> {
    pub source: *const T,
    /// (rows, channels x taps), contiguous.
    pub weight: *const T,
    /// One value a row, or null.
    pub bias: *const T,
    pub output: Output<T>,
}

/// Where an image's result goes: rows of pixels.
pub enum Output<T> {
    /// Contiguous (rows, grid).
    Whole(*mut T),
    /// Every `step`th pixel of a contiguous (rows, size), from `first`.
    Spread { data: *mut T, size: Space, step: Space, first: Space },
}

/// Multiply-adds of a task: about 20 microseconds.
const TASK_WORK: usize = 1 << 20;

impl Correlation {
    pub fn taps(&self) -> usize {
        self.shifts.iter().map(SmallVec::len).product()
    }
    /// What is summed over for a pixel.
    pub fn depth(&self) -> usize {
        self.channels * self.taps()
    }
    /// One unpadded tap and no steps: the patches are the image itself.
    fn is_plain_product(&self) -> bool {
        self.step == [1; 3] && self.input == self.grid && self.shifts.iter().all(|s| s.as_slice() == [0])
    }

    /// Computes `count` images of `rows` rows: many small ones on many threads, few large ones in turn.
    pub fn each_image<T: GemmElement + bytemuck::Pod>(&self, count: usize, rows: usize, image: impl Fn(usize) -> Image<T>) {
        if count == 0 || rows == 0 || volume(self.grid) == 0 {
            return;
        }
        let image_reader = (!self.is_plain_product()).then(|| Reader::new::<T>(self, rows));
        let images: Vec<SharedImage<T>> = (0..count).map(|i| SharedImage(image(i))).collect();
        let work = (rows * self.depth() * volume(self.grid)).max(1);
        // SAFETY: the callers of forward and gradient vouch for the images, which write disjoint outputs.
        let one = |i: usize| unsafe { self.run(image_reader.as_ref(), rows, &images[i].0) };
        if work >= TASK_WORK && count < 2 * num_threads() {
            (0..count).for_each(one);
        } else {
            parallel_for(count, (TASK_WORK / work).max(1), |range| range.for_each(one));
        }
    }

    unsafe fn run<T: GemmElement + bytemuck::Pod>(&self, reader: Option<&Reader>, rows: usize, image: &Image<T>) {
        let pixels = volume(self.grid);
        // SAFETY: the caller vouches for the image; scratch is as large as what is written to it.
        unsafe {
            match image.output {
                Output::Whole(data) => self.multiply(reader, rows, image, data),
                Output::Spread { data, size, step, first } => with_scratch(ScratchSlot::Result, |scratch| {
                    let dense = scratch.get::<T>(rows * pixels);
                    self.multiply(reader, rows, image, dense);
                    let [depth, height, width] = self.grid;
                    for (row, z, y) in (0..rows).flat_map(|r| (0..depth).flat_map(move |z| (0..height).map(move |y| (r, z, y)))) {
                        let from = dense.add(((row * depth + z) * height + y) * width);
                        let line = (row * size[0] + z * step[0] + first[0]) * size[1] + y * step[1] + first[1];
                        let to = data.add(line * size[2] + first[2]);
                        for x in 0..width {
                            *to.add(x * step[2]) = *from.add(x);
                        }
                    }
                }),
            }
        }
    }

    unsafe fn multiply<T: GemmElement + bytemuck::Pod>(&self, reader: Option<&Reader>, rows: usize, image: &Image<T>, output: *mut T) {
        let (pixels, k) = (volume(self.grid), self.depth());
        let weight = Strided { data: image.weight, lane: k as isize, depth: 1 };
        let store = Store { alpha: 1.into(), beta: 0.into(), row_bias: image.bias, column_bias: null() };
        // SAFETY: the caller vouches for the image, of which B is the patches.
        let multiply_by = |b: &dyn Source<T>| unsafe {
            Product { kernels: T::kernels(), m: rows, n: pixels, k, a: &weight, b, c: Shared(output), c_row: pixels as isize, store }.run();
        };
        let Some(Reader { plane, positions }) = reader else {
            let b = Strided { data: image.source, lane: 1, depth: pixels as isize };
            return multiply_by(&b);
        };
        with_scratch(ScratchSlot::Plane, |scratch| {
            let data = Shared(scratch.get::<T>(plane.length(self.channels)));
            let (source, length) = (Shared(image.source.cast_mut()), plane.channel_length());
            parallel_for(self.channels, (32768 / length).max(1), |channels| {
                for channel in channels {
                    // SAFETY: channels are disjoint parts of the scratch.
                    unsafe {
                        plane.fill_channel(source.get().add(channel * volume(self.input)), self.input, data.get().add(channel * length));
                    }
                }
            });
            let data = data.get().cast_const();
            match positions {
                // SAFETY: as above.
                None => unsafe { self.multiply_direct(plane, rows, data, image.weight, image.bias, output) },
                Some(positions) => multiply_by(&Patches { data, lanes: positions, depths: &plane.offsets }),
            }
        });
    }
}

/// How the pixels of an image are found.
struct Reader {
    plane: Plane,
    /// Of the output pixels, where patches are packed; none where they are read in place.
    positions: Option<Vec<isize>>,
}
impl Reader {
    fn new<T: GemmElement>(correlation: &Correlation, rows: usize) -> Reader {
        let plane = Plane::new(correlation);
        let positions = (!correlation.is_direct::<T>(&plane, rows)).then(|| plane.positions(correlation.grid));
        Reader { plane, positions }
    }
}

struct SharedImage<T>(Image<T>);
// SAFETY: tasks read shared inputs and write outputs of their own.
unsafe impl<T: Sync> Sync for SharedImage<T> {}
