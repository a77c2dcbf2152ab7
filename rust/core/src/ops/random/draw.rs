//! Draws into the memory of arrays, in PyTorch's order: that of the addresses, whatever the order of the dimensions.
use crate::array::Array;
use crate::device::Device;
use crate::random::{Generator, Source};
use rustorch_base::dtype::Element;
use rustorch_base::random::{Discrete, Real, integer, normal, real};
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu;
use std::cmp::Reverse;

/// Runs the body with `$T` as the Rust type of a float dtype; other dtypes are refused in PyTorch's words.
macro_rules! with_real {
    ($dtype:expr, $kernel:literal, $T:ident => $body:expr) => {{
        use rustorch_base::dtype::rust;
        match $dtype {
            rustorch_base::DType::Float16 => {
                type $T = rust::Float16;
                $body
            }
            rustorch_base::DType::BFloat16 => {
                type $T = rust::BFloat16;
                $body
            }
            rustorch_base::DType::Float32 => {
                type $T = rust::Float32;
                $body
            }
            rustorch_base::DType::Float64 => {
                type $T = rust::Float64;
                $body
            }
            other => rustorch_base::bail!(not_implemented, "\"{}\" not implemented for '{}'", $kernel, other.scalar_name()),
        }
    }};
}
/// The same for every dtype but the complex ones.
macro_rules! with_discrete {
    ($dtype:expr, $kernel:literal, $T:ident => $body:expr) => {{
        use rustorch_base::dtype::rust;
        match $dtype {
            rustorch_base::DType::Bool => { type $T = rust::Bool; $body }
            rustorch_base::DType::UInt8 => { type $T = rust::UInt8; $body }
            rustorch_base::DType::Int8 => { type $T = rust::Int8; $body }
            rustorch_base::DType::Int16 => { type $T = rust::Int16; $body }
            rustorch_base::DType::Int32 => { type $T = rust::Int32; $body }
            rustorch_base::DType::Int64 => { type $T = rust::Int64; $body }
            rustorch_base::DType::UInt16 => { type $T = rust::UInt16; $body }
            rustorch_base::DType::UInt32 => { type $T = rust::UInt32; $body }
            rustorch_base::DType::UInt64 => { type $T = rust::UInt64; $body }
            real => $crate::ops::random::draw::with_real!(real, $kernel, $T => $body),
        }
    }};
}
pub(super) use {with_discrete, with_real};

/// PyTorch's kernels here know neither wide unsigned integers nor, some of them, bools.
pub fn refuse_wide_unsigned(dtype: DType, kernel: &str) -> Result<()> {
    let wide = matches!(dtype, DType::UInt16 | DType::UInt32 | DType::UInt64);
    ensure!(!wide, not_implemented, "\"{kernel}\" not implemented for '{}'", dtype.scalar_name());
    Ok(())
}

/// The layout with its dimensions sorted, the greatest stride first, and those of size 1 left out.
fn in_memory_order(layout: &Layout) -> Layout {
    let mut dims: Vec<usize> = (0..layout.ndim()).filter(|&d| layout.shape[d] != 1).collect();
    dims.sort_by_key(|&d| Reverse(layout.strides[d]));
    let pick = |values: &Dims| -> Dims { dims.iter().map(|&d| values[d]).collect() };
    Layout { shape: pick(&layout.shape), strides: pick(&layout.strides), offset: layout.offset }
}

/// The elements of a contiguous array.
///
/// # Safety
/// The array is contiguous and of dtype `T`, and nothing else uses its elements while the slice lives.
#[allow(clippy::mut_from_ref, reason = "an array is a handle; the caller promises that it is the only writer")]
unsafe fn elements<T: Element>(array: &Array) -> &mut [T] {
    // SAFETY: the array's invariant, and what the caller promises.
    unsafe { std::slice::from_raw_parts_mut(array.data().cast::<T>(), array.numel() as usize) }
}

/// Lets `fill` write every element of the array, of dtype `T`. Nothing is drawn for no elements or on the meta device.
pub fn into<T: Element>(array: &Array, fill: impl FnOnce(&mut [T]) -> Result<()>) -> Result<()> {
    if array.device().is_meta() || array.numel() == 0 {
        return Ok(());
    }
    let ordered = in_memory_order(&array.layout);
    if ordered.is_contiguous() {
        let array = array.relaid(ordered);
        // SAFETY: in this order the array is contiguous; writers of one tensor at a time are the caller's matter.
        return fill(unsafe { elements(&array) });
    }
    let scratch = Array::empty(&ordered.shape, array.dtype, Device::CPU)?;
    // SAFETY: fresh and contiguous.
    fill(unsafe { elements(&scratch) })?;
    cpu::copy::copy(&ordered.shape, array.operand_with(&ordered.strides), scratch.operand());
    Ok(())
}

/// A complex array as one of its parts, a last dimension of 2.
fn as_real(array: &Array) -> Array {
    let mut layout = array.layout.clone();
    for stride in &mut layout.strides {
        *stride *= 2;
    }
    layout.offset *= 2;
    layout.shape.push(2);
    layout.strides.push(1);
    Array { storage: array.storage.clone(), layout, dtype: array.dtype.to_real() }
}

/// A float as C++ prints it: six significant digits.
pub fn six_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}").to_lowercase();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| {
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_string() } else { digits.to_string() }
    };
    if (-4..6).contains(&exponent) {
        return trim(&format!("{value:.*}", (5 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// The greatest finite value of a float dtype.
pub fn greatest(dtype: DType) -> f64 {
    match dtype {
        DType::Float16 => 65_504.0,
        DType::BFloat16 => f64::from(half::bf16::MAX.to_f32()),
        DType::Float32 => f64::from(f32::MAX),
        _ => f64::MAX,
    }
}

/// Uniform in `[from, to)`.
pub fn uniform(array: &Array, from: f64, to: f64, generator: Option<&Generator>) -> Result<()> {
    if array.dtype.is_complex() {
        return if array.numel() == 0 { Ok(()) } else { uniform(&as_real(array), from, to, generator) };
    }
    with_real!(array.dtype, "check_uniform_bounds", T => {
        check_uniform(array.dtype, from, to)?;
        into::<T>(array, |out| {
            real::uniform(&mut Generator::or_default(generator).source(), out, from, to);
            Ok(())
        })
    })
}

fn check_uniform(dtype: DType, from: f64, to: f64) -> Result<()> {
    let most = greatest(dtype);
    for (name, bound) in [("from", from), ("to", to)] {
        ensure!((-most..=most).contains(&bound), runtime, "{name} is out of bounds for {}", dtype.c_name());
    }
    let (low, high) = (six_digits(from), six_digits(to));
    ensure!(from <= to, runtime, "uniform_ expects to return a [from, to) range, but found from={low} > to={high}");
    ensure!(
        to - from <= most,
        runtime,
        "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={high} and from={low} which result in to-from to exceed the limit",
        dtype.scalar_name()
    );
    Ok(())
}

/// Normal of this mean and deviation. Contiguous memory of 16 and more elements is drawn by blocks, all else singly.
pub fn normal(array: &Array, mean: f64, std: f64, generator: Option<&Generator>) -> Result<()> {
    ensure!(std >= 0.0, runtime, "normal expects std >= 0.0, but found std {}", six_digits(std));
    if array.dtype.is_complex() {
        // The variance is shared by the real and the imaginary part.
        return if array.numel() == 0 { Ok(()) } else { normal(&as_real(array), mean, std / std::f64::consts::SQRT_2, generator) };
    }
    let blocks = array.layout.is_contiguous();
    with_real!(array.dtype, "normal_kernel_cpu", T => into::<T>(array, |out| {
        let mut source = Generator::or_default(generator).source();
        if blocks { normal::fill(&mut source, out, mean, std) } else { normal::fill_singly(&mut source, out, mean, std) }
        Ok(())
    }))
}

/// Draws of a continuous distribution from float arrays.
pub fn continuous(array: &Array, kernel: &Continuous, generator: Option<&Generator>) -> Result<()> {
    fn fill<T: Real>(kernel: &Continuous, source: &mut Source, out: &mut [T]) {
        match *kernel {
            Continuous::Exponential { lambda } => real::exponential(source, out, lambda),
            Continuous::Cauchy { median, sigma } => real::cauchy(source, out, median, sigma),
            Continuous::LogNormal { mean, std } => real::log_normal(source, out, mean, std),
        }
    }
    with_real!(array.dtype, "log_normal_cpu", T => into::<T>(array, |out| {
        fill(kernel, &mut Generator::or_default(generator).source(), out);
        Ok(())
    }))
}

/// The continuous distributions besides the uniform and the normal one.
pub enum Continuous {
    Exponential { lambda: f64 },
    Cauchy { median: f64, sigma: f64 },
    LogNormal { mean: f64, std: f64 },
}

/// Ones with probability `p`, else zeros.
pub fn bernoulli(array: &Array, p: f64, generator: Option<&Generator>) -> Result<()> {
    ensure!((0.0..=1.0).contains(&p), runtime, "bernoulli_ expects p to be in [0, 1], but got p={}", six_digits(p));
    refuse_wide_unsigned(array.dtype, "bernoulli_scalar_cpu_")?;
    with_discrete!(array.dtype, "bernoulli_scalar_cpu_", T => into::<T>(array, |out| {
        integer::bernoulli(&mut Generator::or_default(generator).source(), out, p);
        Ok(())
    }))
}

/// Ones with a probability each, of the array's shape; the two are walked together in the array's memory order.
pub fn bernoulli_each(array: &Array, probabilities: &Array, generator: Option<&Generator>) -> Result<()> {
    fn fill<T: Discrete>(out: &mut [T], laid: &Array, generator: Option<&Generator>) -> Result<()> {
        let mut source = Generator::or_default(generator).source();
        with_real!(laid.dtype, "bernoulli_tensor_cpu_p_", P => {
            // SAFETY: a fresh contiguous array that lives as long as the call.
            integer::bernoulli_each::<T, P>(&mut source, out, unsafe { elements(laid) })
        })
    }
    refuse_wide_unsigned(array.dtype, "bernoulli_tensor_cpu_self_")?;
    if !probabilities.dtype.is_floating_point() {
        bail!(not_implemented, "\"bernoulli_tensor_cpu_p_\" not implemented for '{}'", probabilities.dtype.scalar_name())
    }
    let ordered = in_memory_order(&array.layout);
    let same_order: Dims = {
        let mut dims: Vec<usize> = (0..array.layout.ndim()).filter(|&d| array.layout.shape[d] != 1).collect();
        dims.sort_by_key(|&d| Reverse(array.layout.strides[d]));
        let strides = rustorch_base::layout::broadcast_strides(&probabilities.layout, array.shape());
        dims.iter().map(|&d| strides[d]).collect()
    };
    let laid = Array::empty(&ordered.shape, probabilities.dtype, array.device())?;
    if !array.device().is_meta() && array.numel() > 0 {
        cpu::copy::copy(&ordered.shape, laid.operand(), probabilities.operand_with(&same_order));
    }
    with_discrete!(array.dtype, "bernoulli_tensor_cpu_self_", T => into::<T>(array, |out| fill::<T>(out, &laid, generator)))
}

/// The geometric distribution of success probability `p`.
pub fn geometric(array: &Array, p: f64, generator: Option<&Generator>) -> Result<()> {
    ensure!(0.0 < p && p < 1.0, runtime, "geometric_ expects p to be in (0, 1), but got p={}", six_digits(p));
    refuse_wide_unsigned(array.dtype, "geometric_cpu")?;
    ensure!(array.dtype != DType::Bool, not_implemented, "\"geometric_cpu\" not implemented for 'Bool'");
    with_discrete!(array.dtype, "geometric_cpu", T => into::<T>(array, |out| {
        integer::geometric(&mut Generator::or_default(generator).source(), out, p);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn floats_are_printed_as_cpp_prints_them() {
        let cases = [
            (2.0, "2"),
            (-0.1, "-0.1"),
            (3e38, "3e+38"),
            (1e-7, "1e-07"),
            (123456.0, "123456"),
            (1234567.0, "1.23457e+06"),
            (f64::NAN, "nan"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(six_digits(value), text);
        }
    }
}
