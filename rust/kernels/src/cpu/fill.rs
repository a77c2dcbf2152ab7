//! Arrays made from numbers: constants, ranges, the identity matrix.
use super::cast::Cast;
use super::copy::run_of_size;
use super::nest::Nest;
use super::threads::parallel_for;
use crate::{Number, Operand};
use num_complex::Complex64;
use rustorch_base::{DType, Result, ensure, with_dtype};

/// Elements a thread fills before another is worth waking.
const GRAIN: usize = 64 * 1024;

/// `dst[i] = value` for every index of `shape`. Refuses a value that `dst`'s dtype cannot hold, before writing.
pub fn fill(shape: &[i64], dst: Operand, value: Number) -> Result<()> {
    fill_with(shape, dst, element(value, dst.dtype)?);
    Ok(())
}

/// `dst[i] = value`, given as the bytes of one element.
pub fn fill_with(shape: &[i64], dst: Operand, value: [u64; 2]) {
    let nest = Nest::new(shape, [&dst]).sorted().merged();
    let size = dst.dtype.size();
    let (_, [step]) = nest.innermost();
    let all_zero = value == [0; 2];
    parallel_for(nest.numel(), GRAIN, |range| {
        nest.each_run(range, |[at], n| {
            // SAFETY: the operand reaches these elements; a repeated source element lies in `value`.
            unsafe {
                if all_zero && step == size as i64 {
                    std::ptr::write_bytes(at, 0, n * size);
                } else {
                    run_of_size(size, at, step, value.as_ptr().cast(), 0, n);
                }
            }
        });
    });
}

/// The bytes of one element of this dtype and value; the rest is zero. A number the dtype cannot hold is refused, except
/// that negative integers wrap in unsigned dtypes, floats lose precision and the half floats overflow to infinity.
pub fn element(value: Number, dtype: DType) -> Result<[u64; 2]> {
    let fits = match value {
        Number::Bool(_) => true,
        Number::Int(x) => dtype.is_differentiable() || holds_int(dtype, x),
        Number::Float(x) => holds_float(dtype, x),
        Number::Complex(re, im) => {
            dtype == DType::Bool || holds_float(dtype, re) && (im == 0.0 || dtype.is_complex() && holds_float(dtype, im))
        }
    };
    ensure!(fits, runtime, "value cannot be converted to type {} without overflow", type_name(dtype));
    let mut bytes = [0u64; 2];
    with_dtype!(dtype, T => {
        let element: T = match value {
            Number::Bool(x) => T::from_signed(x as i64),
            Number::Int(x) => T::from_signed(x),
            Number::Float(x) => T::from_double(x),
            Number::Complex(re, im) => T::from_complex(Complex64::new(re, im)),
        };
        // SAFETY: an element has at most 16 bytes, and any alignment divides that of the array's.
        unsafe { bytes.as_mut_ptr().cast::<T>().write(element) }
    });
    Ok(bytes)
}

fn holds_int(dtype: DType, x: i64) -> bool {
    let (low, high) = integer_range(dtype);
    // What is negative wraps in an unsigned dtype if its magnitude fits.
    let low = if low == 0 { -high } else { low };
    dtype == DType::Bool || (low..=high).contains(&(x as i128))
}
fn integer_range(dtype: DType) -> (i128, i128) {
    let bits = 8 * dtype.size() as u32;
    if dtype.is_signed() { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits.min(64)) - 1) }
}
fn holds_float(dtype: DType, x: f64) -> bool {
    match dtype.to_real() {
        DType::Bool | DType::Float64 | DType::Float16 | DType::BFloat16 => true, // the halves overflow to infinity
        DType::Float32 => !x.is_finite() || x.abs() <= f32::MAX as f64,
        _ => {
            let (low, high) = integer_range(dtype);
            x >= low as f64 && x <= high as f64
        }
    }
}
/// As PyTorch's overflow message calls the dtype.
fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::UInt8 => "uint8_t",
        DType::Int8 => "int8_t",
        DType::Int16 => "int16_t",
        DType::Int64 => "int64_t",
        DType::UInt16 => "uint16_t",
        DType::UInt32 => "uint32_t",
        DType::UInt64 => "uint64_t",
        DType::Float16 | DType::BFloat16 => "double",
        other => other.c_name(),
    }
}

/// `dst[i] = start + i * step` for a vector of `n` elements. In integers if both numbers and the dtype are; otherwise each
/// element is computed in float64 and rounded once.
pub fn arange(n: i64, dst: Operand, start: Number, step: Number) {
    if let (Some(start), Some(step), true) = (integer(start), integer(step), !dst.dtype.is_differentiable()) {
        return with_dtype!(dst.dtype, T => generate::<T>(n, dst, |i| T::from_signed(start.wrapping_add(step.wrapping_mul(i)))));
    }
    let (start, step) = (real(start), real(step));
    if dst.dtype.is_differentiable() {
        with_dtype!(dst.dtype, T => generate::<T>(n, dst, |i| T::from_double(step.mul_add(i as f64, start))));
    } else {
        // An integer dtype takes the truncated ends, as PyTorch does.
        let (start, step) = (start as i64, step as i64);
        with_dtype!(dst.dtype, T => generate::<T>(n, dst, |i| T::from_signed(start.wrapping_add(step.wrapping_mul(i)))));
    }
}

/// `n` values from `start` to `end`, both included, counted from the nearer end so that both are exact. An integer dtype
/// takes the truncated ends.
pub fn linspace(n: i64, dst: Operand, start: f64, end: f64) {
    let (start, end) = if dst.dtype.is_differentiable() { (start, end) } else { (start.trunc(), end.trunc()) };
    let at = spaced(n, start, end);
    with_dtype!(dst.dtype, T => generate::<T>(n, dst, |i| T::from_double(at(i))));
}

/// `n` powers of `base` whose exponents are [`linspace`]d.
pub fn logspace(n: i64, dst: Operand, start: f64, end: f64, base: f64) {
    let at = spaced(n, start, end);
    with_dtype!(dst.dtype, T => generate::<T>(n, dst, |i| T::from_double(base.powf(at(i)))));
}

fn spaced(n: i64, start: f64, end: f64) -> impl Fn(i64) -> f64 + Sync {
    let step = if n > 1 { (end - start) / (n - 1) as f64 } else { 0.0 };
    move |i| if i < n / 2 || n == 1 { step.mul_add(i as f64, start) } else { (-step).mul_add((n - 1 - i) as f64, end) }
}

/// Ones on the main diagonal of a matrix, zeros elsewhere.
pub fn eye(rows: i64, cols: i64, dst: Operand) {
    fill_with(&[rows, cols], dst, [0; 2]);
    let one = with_dtype!(dst.dtype, T => {
        let mut bytes = [0u64; 2];
        // SAFETY: an element has at most 16 bytes.
        unsafe { bytes.as_mut_ptr().cast::<T>().write(T::from_signed(1)) }
        bytes
    });
    let diagonal = [dst.strides[0] + dst.strides[1]];
    fill_with(&[rows.min(cols)], Operand { strides: &diagonal, ..dst }, one);
}

fn generate<T: Cast>(n: i64, dst: Operand, value: impl Fn(i64) -> T + Sync) {
    let stride = dst.strides[0];
    parallel_for(n.max(0) as usize, GRAIN, |range| {
        for i in range.start as i64..range.end as i64 {
            // SAFETY: the operand reaches `n` elements.
            unsafe { *dst.at::<T>(i * stride) = value(i) }
        }
    });
}

fn integer(x: Number) -> Option<i64> {
    match x {
        Number::Bool(x) => Some(x as i64),
        Number::Int(x) => Some(x),
        Number::Float(_) | Number::Complex(..) => None,
    }
}
fn real(x: Number) -> f64 {
    match x {
        Number::Bool(x) => x as i64 as f64,
        Number::Int(x) => x as f64,
        Number::Float(x) | Number::Complex(x, _) => x,
    }
}

#[cfg(test)]
mod tests;
