//! Average pooling.
use super::PoolGeometry;
use super::window::{inside, rows_of_window};
use crate::cpu::conv::volume;
use crate::cpu::gemm::Shared;
use crate::cpu::threads::parallel_for;
use crate::cpu::vectorized::vectorized;
use crate::operand::Operand;
use half::{bf16, f16};
use rustorch_base::{DType, Result, bail};

/// By what a window's sum is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Averaging {
    /// Zeros of the padding count as elements.
    pub count_include_pad: bool,
    /// Divides every window, if given.
    pub divisor: Option<i64>,
}

trait Averaged: Copy + Send + Sync + 'static {
    /// What sums are kept in.
    type Sum: Copy + Send + Sync + std::ops::Add<Output = Self::Sum> + std::ops::Div<Output = Self::Sum>;
    fn sum(self) -> Self::Sum;
    fn round(sum: Self::Sum) -> Self;
    fn number(x: f64) -> Self::Sum;
}
macro_rules! averaged {
    ($($element:ident $sum:ident |$x:ident| $to:expr, |$y:ident| $from:expr;)*) => { $(impl Averaged for $element {
        type Sum = $sum;
        #[inline(always)]
        fn sum(self) -> $sum {
            let $x = self;
            $to
        }
        #[inline(always)]
        fn round($y: $sum) -> $element {
            $from
        }
        #[inline(always)]
        fn number(x: f64) -> $sum {
            x as $sum
        }
    })* };
}
averaged! {
    f32 f32 |x| x, |y| y;
    f64 f64 |x| x, |y| y;
    f16 f32 |x| x.to_f32(), |y| f16::from_f32(y);
    bf16 f32 |x| x.to_f32(), |y| bf16::from_f32(y);
    i64 i64 |x| x, |y| y;
}

/// What every window along one dimension counts: with the padding, cut to the padded input; without it, cut to the input.
fn extents(g: &PoolGeometry, d: usize, include_pad: bool) -> Vec<usize> {
    let extent = |at: usize| {
        let start = (at * g.stride[d]) as isize - g.padding[d] as isize;
        let end = (start + g.kernel[d] as isize).min((g.input[d] + g.padding[d]) as isize);
        if include_pad { (end - start) as usize } else { (end.min(g.input[d] as isize) - start.max(0)).max(0) as usize }
    };
    (0..g.output[d]).map(extent).collect()
}

/// Every window's divisor along depth, height and width; the override is a divisor of 1 but for one dimension.
fn divisors(g: &PoolGeometry, averaging: Averaging) -> [Vec<usize>; 3] {
    match averaging.divisor {
        Some(_) => std::array::from_fn(|d| vec![1; g.output[d]]),
        None => std::array::from_fn(|d| extents(g, d, averaging.count_include_pad)),
    }
}

/// `output` = the average of each window. Dilations are 1.
///
/// # Errors
/// For dtypes without an average pool, in PyTorch's words.
///
/// # Safety
/// The operands are contiguous arrays of the sizes the geometry names, of one dtype.
pub unsafe fn average_pool(g: &PoolGeometry, averaging: Averaging, input: &Operand, output: &Operand) -> Result<()> {
    let run = Run { g, divisors: &divisors(g, averaging), factor: averaging.divisor.unwrap_or(1) };
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        match input.dtype {
            DType::Float32 => run.forward::<f32>(input.data.cast(), output.data.cast()),
            DType::Float64 => run.forward::<f64>(input.data.cast(), output.data.cast()),
            DType::Float16 => run.forward::<f16>(input.data.cast(), output.data.cast()),
            DType::BFloat16 => run.forward::<bf16>(input.data.cast(), output.data.cast()),
            DType::Int64 => run.forward::<i64>(input.data.cast(), output.data.cast()),
            other => bail!(not_implemented, "\"avg_pool2d\" not implemented for '{}'", other.scalar_name()),
        }
    }
    Ok(())
}

/// `gradient` (of the input): each element of the output's gradient, divided, at every place of its window.
///
/// # Errors
/// For dtypes without gradients.
///
/// # Safety
/// As [`average_pool`]; `gradient` has the input's size and is overwritten.
pub unsafe fn average_pool_gradient(g: &PoolGeometry, averaging: Averaging, output_gradient: &Operand, gradient: &Operand) -> Result<()> {
    let run = Run { g, divisors: &divisors(g, averaging), factor: averaging.divisor.unwrap_or(1) };
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        match gradient.dtype {
            DType::Float32 => run.backward::<f32>(output_gradient.data.cast(), gradient.data.cast()),
            DType::Float64 => run.backward::<f64>(output_gradient.data.cast(), gradient.data.cast()),
            DType::Float16 => run.backward::<f16>(output_gradient.data.cast(), gradient.data.cast()),
            DType::BFloat16 => run.backward::<bf16>(output_gradient.data.cast(), gradient.data.cast()),
            other => bail!(not_implemented, "\"avg_pool2d_backward_out_frame\" not implemented for '{}'", other.scalar_name()),
        }
    }
    Ok(())
}

struct Run<'a> {
    g: &'a PoolGeometry,
    divisors: &'a [Vec<usize>; 3],
    factor: i64,
}

impl Run<'_> {
    unsafe fn forward<T: Averaged>(&self, input: *mut T, output: *mut T) {
        let (input, output) = (Shared(input), Shared(output));
        let (pixels, results) = (volume(self.g.input), volume(self.g.output));
        parallel_for(self.g.planes, self.grain(), |planes| {
            let mut sums = vec![T::number(0.0); self.g.output[2]];
            for plane in planes {
                // SAFETY: the caller vouches for whole planes; each is one task's.
                let (input, output) = unsafe {
                    (
                        std::slice::from_raw_parts(input.get().add(plane * pixels).cast_const(), pixels),
                        std::slice::from_raw_parts_mut(output.get().add(plane * results), results),
                    )
                };
                vectorized(
                    #[inline(always)]
                    || self.average_plane(input, output, &mut sums),
                );
            }
        });
    }

    fn grain(&self) -> usize {
        (16384 / (volume(self.g.output) * volume(self.g.kernel)).max(1)).max(1)
    }

    /// The divisor of a window; 0 where it lies in the padding alone.
    #[inline(always)]
    fn divisor<T: Averaged>(&self, z: usize, y: usize, x: usize) -> Option<T::Sum> {
        let count = self.divisors[0][z] * self.divisors[1][y] * self.divisors[2][x];
        (count > 0).then(|| T::number((count as i64 * self.factor) as f64))
    }

    #[inline(always)]
    fn average_plane<T: Averaged>(&self, input: &[T], output: &mut [T], sums: &mut [T::Sum]) {
        let g = self.g;
        let [depth, height, width] = g.output;
        for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
            sums.fill(T::number(0.0));
            for row in rows_of_window(g, z, y) {
                for tap in 0..g.kernel[2] {
                    let (range, shift) = inside(g, 2, tap);
                    if range.is_empty() {
                        continue;
                    }
                    let taps = &input[row * g.input[2] + (range.start * g.stride[2]).wrapping_add_signed(shift)..];
                    let sums = &mut sums[range];
                    match g.stride[2] {
                        1 => sums.iter_mut().zip(taps).for_each(|(sum, x)| *sum = *sum + x.sum()),
                        2 => sums.iter_mut().enumerate().for_each(|(i, sum)| *sum = *sum + taps[2 * i].sum()),
                        stride => sums.iter_mut().enumerate().for_each(|(i, sum)| *sum = *sum + taps[stride * i].sum()),
                    }
                }
            }
            let row = &mut output[(z * height + y) * width..][..width];
            for (x, (to, &sum)) in row.iter_mut().zip(sums.iter()).enumerate() {
                *to = T::round(self.divisor::<T>(z, y, x).map_or(T::number(0.0), |by| sum / by));
            }
        }
    }

    unsafe fn backward<T: Averaged>(&self, output_gradient: *mut T, gradient: *mut T) {
        let (output_gradient, gradient) = (Shared(output_gradient), Shared(gradient));
        let (pixels, results) = (volume(self.g.input), volume(self.g.output));
        parallel_for(self.g.planes, self.grain(), |planes| {
            let (mut shares, mut sums) = (vec![T::number(0.0); self.g.output[2]], vec![T::number(0.0); pixels]);
            for plane in planes {
                // SAFETY: the caller vouches for whole planes; each is one task's.
                let (from, to) = unsafe {
                    (
                        std::slice::from_raw_parts(output_gradient.get().add(plane * results).cast_const(), results),
                        std::slice::from_raw_parts_mut(gradient.get().add(plane * pixels), pixels),
                    )
                };
                vectorized(
                    #[inline(always)]
                    || self.spread_plane(from, &mut sums, &mut shares),
                );
                to.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = T::round(sum));
            }
        });
    }

    #[inline(always)]
    fn spread_plane<T: Averaged>(&self, output_gradient: &[T], sums: &mut [T::Sum], shares: &mut [T::Sum]) {
        let g = self.g;
        let [depth, height, width] = g.output;
        sums.fill(T::number(0.0));
        for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
            let row = &output_gradient[(z * height + y) * width..][..width];
            for (x, (share, from)) in shares.iter_mut().zip(row).enumerate() {
                *share = self.divisor::<T>(z, y, x).map_or(T::number(0.0), |by| from.sum() / by);
            }
            for row in rows_of_window(g, z, y) {
                for tap in 0..g.kernel[2] {
                    let (range, shift) = inside(g, 2, tap);
                    if range.is_empty() {
                        continue;
                    }
                    let places = &mut sums[row * g.input[2] + (range.start * g.stride[2]).wrapping_add_signed(shift)..];
                    for (i, &share) in shares[range].iter().enumerate() {
                        places[i * g.stride[2]] = places[i * g.stride[2]] + share;
                    }
                }
            }
        }
    }
}
