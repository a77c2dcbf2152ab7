//! One image with its border, laid out so that a tap is a constant offset.
use super::correlation::Correlation;
use super::{Space, volume};

/// Where the parts of a bordered image lie. For a step > 1 along rows, columns may be split by remainder into `phases` planes, so
/// that the pixels one tap reads for neighbouring outputs are neighbours in memory. Layout: (channel, phase, z, y, x).
pub struct Plane {
    before: Space,
    /// Depth and height with borders, and columns of one phase.
    size: Space,
    phases: usize,
    /// One offset for each (channel, tap): what is summed over.
    pub offsets: Vec<isize>,
    /// Distance between neighbouring outputs along depth, height and width.
    pub steps: Space,
}

/// Elements that may be read past the end by whole-vector loads.
const SLACK: usize = 32;

impl Plane {
    /// Columns split by phase, so that along a row the step is 1.
    pub fn new(c: &Correlation) -> Plane {
        Plane::with_phases(c, c.step[2])
    }
    /// Columns as in the image: taps next to each other stay so.
    pub fn unsplit(c: &Correlation) -> Plane {
        Plane::with_phases(c, 1)
    }
    fn with_phases(c: &Correlation, phases: usize) -> Plane {
        let reach = |d: usize| {
            let low = c.shifts[d].iter().copied().min().unwrap_or(0);
            let high = c.shifts[d].iter().copied().max().unwrap_or(0);
            (low, high + (c.grid[d] as isize - 1) * c.step[d] as isize)
        };
        let before: Space = std::array::from_fn(|d| (-reach(d).0).max(0) as usize);
        let whole: Space = std::array::from_fn(|d| before[d] + ((reach(d).1 + 1).max(0) as usize).max(c.input[d]));
        let size = [whole[0], whole[1], whole[2].div_ceil(phases)];
        let mut offsets = Vec::with_capacity(c.depth());
        for channel in 0..c.channels {
            for z in &c.shifts[0] {
                for y in &c.shifts[1] {
                    for x in &c.shifts[2] {
                        let at = |shift: isize, d: usize| (shift + before[d] as isize) as usize;
                        let (z, y, x) = (at(*z, 0), at(*y, 1), at(*x, 2));
                        let row = ((channel * phases + x % phases) * size[0] + z) * size[1] + y;
                        offsets.push((row * size[2] + x / phases) as isize);
                    }
                }
            }
        }
        Plane { before, size, phases, offsets, steps: [c.step[0] * size[1] * size[2], c.step[1] * size[2], c.step[2] / phases] }
    }

    /// Where each output pixel's reading starts.
    pub fn positions(&self, grid: Space) -> Vec<isize> {
        let [z_step, y_step, x_step] = self.steps;
        let rows = (0..grid[0]).flat_map(move |z| (0..grid[1]).map(move |y| z * z_step + y * y_step));
        rows.flat_map(move |row| (0..grid[2]).map(move |x| (row + x * x_step) as isize)).collect()
    }

    /// Elements one channel takes.
    pub fn channel_length(&self) -> usize {
        self.phases * volume(self.size)
    }
    /// Elements to allocate for this many channels.
    pub fn length(&self, channels: usize) -> usize {
        channels * self.channel_length() + SLACK
    }

    /// Copies one channel of an image between its borders of zeros.
    ///
    /// # Safety
    /// The source is `input` elements, the target [`Plane::channel_length`].
    pub unsafe fn fill_channel<T: Copy + Default>(&self, source: *const T, input: Space, target: *mut T) {
        let [_, height, width] = self.size;
        for phase in 0..self.phases {
            // Column q of this phase is column q * phases + phase - before of the image.
            let first = self.before[2].saturating_sub(phase).div_ceil(self.phases);
            let column = first * self.phases + phase - self.before[2];
            let count = input[2].saturating_sub(column).div_ceil(self.phases);
            for z in 0..self.size[0] {
                for y in 0..height {
                    let inside = (self.before[0]..self.before[0] + input[0]).contains(&z)
                        && (self.before[1]..self.before[1] + input[1]).contains(&y);
                    // SAFETY: first + count <= width, and the row of the image exists when inside.
                    unsafe {
                        let row = std::slice::from_raw_parts_mut(target.add(((phase * self.size[0] + z) * height + y) * width), width);
                        if !inside {
                            row.fill(T::default());
                            continue;
                        }
                        let from = source.add(((z - self.before[0]) * input[1] + y - self.before[1]) * input[2]);
                        row[..first].fill(T::default());
                        row[first + count..].fill(T::default());
                        if self.phases == 1 {
                            row[first..first + count].copy_from_slice(std::slice::from_raw_parts(from.add(column), count));
                        } else {
                            for (i, x) in row[first..first + count].iter_mut().enumerate() {
                                *x = *from.add(column + i * self.phases);
                            }
                        }
                    }
                }
            }
        }
    }
}
