//! Sums of products along rows of pixels: the micro-kernel of the weight gradient.
#![allow(clippy::needless_range_loop)] // an index runs over several arrays of registers at once
use crate::cpu::gemm::Vector;

/// Several rows of gradients against several taps of an image, for `rows` rows of `width` pixels.
pub struct RowDots<T> {
    pub rows: usize,
    pub width: usize,
    /// Gradient of the first channel; the next is `gradient_channel` on, the next row `gradient_row`.
    pub gradient: *const T,
    pub gradient_channel: usize,
    pub gradient_row: usize,
    /// The image, whose rows are `image_row` apart; each tap reads at its offset.
    pub image: *const T,
    pub image_row: usize,
    pub offsets: *const isize,
    /// CHANNELS x TAPS vectors of partial sums, which the sums are added to.
    pub sums: *mut T,
}
pub type RowDotsKernel<T> = unsafe fn(&RowDots<T>);

/// Channels and taps of the largest kernel: twelve sums in sixteen registers.
pub const CHANNELS: usize = 3;
pub const TAPS: usize = 4;

/// # Safety
/// As [`Vector`], and the rows describe memory that may be read (the sums: written).
#[inline(always)]
pub unsafe fn add_row_dots<V: Vector, const CHANNELS: usize, const TAPS: usize>(d: &RowDots<V::Element>) {
    // SAFETY: the caller vouches for the rows.
    unsafe {
        let mut sums = [[V::load(d.sums); TAPS]; CHANNELS];
        let mut taps = [d.image; TAPS];
        for t in 0..TAPS {
            taps[t] = d.image.offset(*d.offsets.add(t));
            for c in 0..CHANNELS {
                sums[c][t] = V::load(d.sums.add((c * TAPS + t) * V::LANES));
            }
        }
        let mut gradient = d.gradient;
        for _ in 0..d.rows {
            let mut x = 0;
            while x + V::LANES <= d.width {
                let mut channels = [sums[0][0]; CHANNELS];
                for c in 0..CHANNELS {
                    channels[c] = V::load(gradient.add(c * d.gradient_channel + x));
                }
                for t in 0..TAPS {
                    let pixels = V::load(taps[t].add(x));
                    for c in 0..CHANNELS {
                        sums[c][t] = channels[c].multiply_add(pixels, sums[c][t]);
                    }
                }
                x += V::LANES;
            }
            let rest = d.width - x;
            if rest > 0 {
                let mut channels = [sums[0][0]; CHANNELS];
                for c in 0..CHANNELS {
                    channels[c] = V::load_first(gradient.add(c * d.gradient_channel + x), rest);
                }
                for t in 0..TAPS {
                    let pixels = V::load_first(taps[t].add(x), rest);
                    for c in 0..CHANNELS {
                        sums[c][t] = channels[c].multiply_add(pixels, sums[c][t]);
                    }
                }
            }
            gradient = gradient.wrapping_add(d.gradient_row);
            for t in 0..TAPS {
                taps[t] = taps[t].wrapping_add(d.image_row);
            }
        }
        for c in 0..CHANNELS {
            for t in 0..TAPS {
                sums[c][t].store(d.sums.add((c * TAPS + t) * V::LANES));
            }
        }
    }
}
