//! Max pooling: values, and where they were found.
use super::PoolGeometry;
use super::window::{inside, rows_of_window, window_start};
use crate::cpu::conv::{Space, volume};
use crate::cpu::gemm::Shared;
use crate::cpu::threads::parallel_for;
use crate::cpu::vectorized::vectorized;
use crate::operand::Operand;
use half::{bf16, f16};
use rustorch_base::{DType, Result, bail, ensure};

/// An element type with an order.
trait Ordered: Copy + Send + Sync + 'static {
    /// What a window starts from: nothing is less.
    const LEAST: Self;
    /// Takes the place of `best`: it is greater, or not a number.
    fn beats(self, best: Self) -> bool;
}
macro_rules! ordered {
    ($($integer:ident)*; $($float:ident)*; $($half:ident)*) => {
        $(impl Ordered for $integer {
            const LEAST: $integer = $integer::MIN;
            #[inline(always)]
            fn beats(self, best: $integer) -> bool {
                self > best
            }
        })*
        $(impl Ordered for $float {
            const LEAST: $float = $float::NEG_INFINITY;
            #[inline(always)]
            fn beats(self, best: $float) -> bool {
                (self > best) | self.is_nan()
            }
        })*
        $(impl Ordered for $half {
            const LEAST: $half = $half::NEG_INFINITY;
            #[inline(always)]
            fn beats(self, best: $half) -> bool {
                self.to_f32().beats(best.to_f32())
            }
        })*
    };
}
ordered! { u8 i8 i16 i32 i64; f32 f64; f16 bf16 }

/// `output` and `indices` (int64, flat in the input's plane) of the greatest element of each window. As in PyTorch a NaN wins, the first
/// of equals stays, and a window of nothing but -inf names its first position.
///
/// # Errors
/// For dtypes without a max pool, in PyTorch's words.
///
/// # Safety
/// The operands are contiguous arrays of the sizes the geometry names; output and input have one dtype, indices int64.
pub unsafe fn max_pool(g: &PoolGeometry, input: &Operand, output: &Operand, indices: &Operand) -> Result<()> {
    ensure!(volume(g.input) < u32::MAX as usize, runtime, "max_pool: a plane of {} elements is too large", volume(g.input));
    macro_rules! run {
        ($($dtype:ident $element:ty),*) => { match input.dtype {
            // SAFETY: the caller vouches for the operands, of the type matched on.
            $(DType::$dtype => unsafe { forward::<$element>(g, input.data.cast(), output.data.cast(), indices.data.cast()) },)*
            other => bail!(not_implemented, "\"max_pool2d\" not implemented for '{}'", other.scalar_name()),
        } };
    }
    run! { Float32 f32, Float64 f64, Float16 f16, BFloat16 bf16, UInt8 u8, Int8 i8, Int16 i16, Int32 i32, Int64 i64 }
    Ok(())
}

/// Output elements worked on at once; their best values and places stay in registers or the L1.
const CHUNK: usize = 64;

/// Where the elements of windows are, when every window lies inside the input: a window's first element and, from there, its taps.
struct Places {
    windows: Vec<u32>,
    taps: Vec<u32>,
}
impl Places {
    fn of_whole_windows(g: &PoolGeometry) -> Option<Places> {
        let inside = |d: usize| {
            let last = (g.output[d].max(1) - 1) * g.stride[d] + (g.kernel[d] - 1) * g.dilation[d];
            g.padding[d] == 0 && last < g.input[d]
        };
        let grid = |size: Space, step: Space| {
            let place = move |z: usize, y: usize, x: usize| ((z * step[0] * g.input[1] + y * step[1]) * g.input[2] + x * step[2]) as u32;
            let rows = (0..size[0]).flat_map(move |z| (0..size[1]).map(move |y| (z, y)));
            rows.flat_map(move |(z, y)| (0..size[2]).map(move |x| place(z, y, x))).collect()
        };
        (0..3).all(inside).then(|| Places { windows: grid(g.output, g.stride), taps: grid(g.kernel, g.dilation) })
    }
}

/// Every window of a plane at once, tap after tap.
#[inline(always)]
fn max_whole_windows<T: Ordered>(places: &Places, input: &[T], output: &mut [T], indices: &mut [i64]) {
    let results = output.chunks_mut(CHUNK).zip(indices.chunks_mut(CHUNK));
    for (windows, (output, indices)) in places.windows.chunks(CHUNK).zip(results) {
        let (mut best, mut place) = ([T::LEAST; CHUNK], [0u32; CHUNK]);
        place[..windows.len()].copy_from_slice(windows);
        for &tap in &places.taps {
            for ((best, place), &window) in best.iter_mut().zip(&mut place).zip(windows) {
                // SAFETY: the places are those of windows inside a plane, and the input is a plane.
                let value = unsafe { *input.get_unchecked((window + tap) as usize) };
                let wins = value.beats(*best);
                *best = if wins { value } else { *best };
                *place = if wins { window + tap } else { *place };
            }
        }
        output.copy_from_slice(&best[..output.len()]);
        for (index, &place) in indices.iter_mut().zip(&place) {
            *index = i64::from(place);
        }
    }
}

unsafe fn forward<T: Ordered>(g: &PoolGeometry, input: *mut T, output: *mut T, indices: *mut i64) {
    let (input, output, indices) = (Shared(input), Shared(output), Shared(indices));
    let (pixels, results) = (volume(g.input), volume(g.output));
    let places = Places::of_whole_windows(g);
    parallel_for(g.planes, (16384 / (results * volume(g.kernel)).max(1)).max(1), |planes| {
        for plane in planes {
            // SAFETY: the caller vouches for whole planes; each is one task's.
            let (input, output, indices) = unsafe {
                (
                    std::slice::from_raw_parts(input.get().add(plane * pixels).cast_const(), pixels),
                    std::slice::from_raw_parts_mut(output.get().add(plane * results), results),
                    std::slice::from_raw_parts_mut(indices.get().add(plane * results), results),
                )
            };
            vectorized(
                #[inline(always)]
                || match &places {
                    Some(places) => max_whole_windows(places, input, output, indices),
                    None => max_plane(g, input, output, indices),
                },
            );
        }
    });
}

#[inline(always)]
fn max_plane<T: Ordered>(g: &PoolGeometry, input: &[T], output: &mut [T], indices: &mut [i64]) {
    let [depth, height, width] = g.output;
    for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))) {
        let start = (window_start(g, 0, z) * g.input[1] + window_start(g, 1, y)) * g.input[2];
        for from in (0..width).step_by(CHUNK) {
            let count = (width - from).min(CHUNK);
            let (mut best, mut place) = ([T::LEAST; CHUNK], [0u32; CHUNK]);
            for (x, place) in place[..count].iter_mut().enumerate() {
                *place = (start + window_start(g, 2, from + x)) as u32;
            }
            for row in rows_of_window(g, z, y) {
                for tap in 0..g.kernel[2] {
                    let (range, shift) = inside(g, 2, tap);
                    let range = range.start.max(from)..range.end.min(from + count);
                    if range.is_empty() {
                        continue;
                    }
                    let (best, place) = (&mut best[range.start - from..range.end - from], &mut place[range.start - from..range.end - from]);
                    let first = row * g.input[2] + (range.start * g.stride[2]).wrapping_add_signed(shift);
                    match g.stride[2] {
                        1 => keep_greater(&input[first..], 1, first, best, place),
                        2 => keep_greater(&input[first..], 2, first, best, place),
                        stride => keep_greater(&input[first..], stride, first, best, place),
                    }
                }
            }
            let at = (z * height + y) * width + from;
            output[at..at + count].copy_from_slice(&best[..count]);
            for (index, &place) in indices[at..at + count].iter_mut().zip(&place) {
                *index = i64::from(place);
            }
        }
    }
}

/// One tap against the best so far, for a run of neighbouring windows.
#[inline(always)]
fn keep_greater<T: Ordered>(taps: &[T], stride: usize, first: usize, best: &mut [T], place: &mut [u32]) {
    for (i, (best, place)) in best.iter_mut().zip(place).enumerate() {
        let value = taps[i * stride];
        let wins = value.beats(*best);
        *best = if wins { value } else { *best };
        *place = if wins { (first + i * stride) as u32 } else { *place };
    }
}

/// Adds each element of the output's gradient to the place its maximum came from; all other places of `gradient` become 0.
///
/// # Errors
/// For dtypes without gradients.
///
/// # Safety
/// As [`max_pool`]; `gradient` has the input's size, and every index is inside a plane of it.
pub unsafe fn max_pool_gradient(g: &PoolGeometry, output_gradient: &Operand, indices: &Operand, gradient: &Operand) -> Result<()> {
    // SAFETY: the caller vouches for the operands, of the type matched on.
    unsafe {
        let indices = indices.data.cast::<i64>();
        match gradient.dtype {
            DType::Float32 => backward(g, output_gradient.data.cast::<f32>(), indices, gradient.data.cast(), 0.0, |a, b| a + b),
            DType::Float64 => backward(g, output_gradient.data.cast::<f64>(), indices, gradient.data.cast(), 0.0, |a, b| a + b),
            DType::Float16 => backward(g, output_gradient.data.cast::<f16>(), indices, gradient.data.cast(), f16::ZERO, |a, b| a + b),
            DType::BFloat16 => backward(g, output_gradient.data.cast::<bf16>(), indices, gradient.data.cast(), bf16::ZERO, |a, b| a + b),
            other => bail!(not_implemented, "\"max_pool2d_backward\" not implemented for '{}'", other.scalar_name()),
        }
    }
    Ok(())
}

unsafe fn backward<T: Copy + Send + Sync>(
    g: &PoolGeometry,
    output_gradient: *mut T,
    indices: *mut i64,
    gradient: *mut T,
    zero: T,
    add: impl Fn(T, T) -> T + Sync,
) {
    let (output_gradient, indices, gradient) = (Shared(output_gradient), Shared(indices), Shared(gradient));
    let (pixels, results) = (volume(g.input), volume(g.output));
    parallel_for(g.planes, (16384 / (pixels + results).max(1)).max(1), |planes| {
        for plane in planes {
            // SAFETY: the caller vouches for whole planes and for the indices; each plane is one task's.
            unsafe {
                let to = std::slice::from_raw_parts_mut(gradient.get().add(plane * pixels), pixels);
                to.fill(zero);
                for i in plane * results..(plane + 1) * results {
                    let place = &mut to[*indices.get().add(i) as usize];
                    *place = add(*place, *output_gradient.get().add(i));
                }
            }
        }
    });
}
