//! One number written as an element of a tensor.
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use rustorch_base::DType;
use rustorch_base::dtype::Truth;
use rustorch_core::op::Number;

fn overflow(dtype: DType) -> PyErr {
    PyRuntimeError::new_err(format!("value cannot be converted to type {} without overflow", dtype.name()))
}
fn not_real() -> PyErr {
    PyTypeError::new_err("must be real number, not complex")
}

/// An integer that fits the dtype. An unsigned one takes negative numbers of its range, as C does.
fn integer(number: Number, dtype: DType) -> PyResult<i64> {
    let value = match number {
        Number::Bool(b) => b as i64,
        Number::Int(i) => i,
        Number::Float(x) if x.is_finite() && x.abs() < 9.3e18 => x as i64,
        Number::Float(_) => return Err(overflow(dtype)),
        Number::Complex(..) => return Err(not_real()),
    };
    let bits = dtype.size() as u32 * 8;
    let fits = match (bits, dtype.is_signed()) {
        (64, _) => true,
        (bits, true) => (-(1i64 << (bits - 1))..1i64 << (bits - 1)).contains(&value),
        (bits, false) => value.unsigned_abs() < 1 << bits,
    };
    if fits { Ok(value) } else { Err(overflow(dtype)) }
}
fn real(number: Number) -> PyResult<f64> {
    match number {
        Number::Bool(b) => Ok(b as u8 as f64),
        Number::Int(i) => Ok(i as f64),
        Number::Float(x) => Ok(x),
        Number::Complex(..) => Err(not_real()),
    }
}
fn parts(number: Number) -> PyResult<(f64, f64)> {
    match number {
        Number::Complex(re, im) => Ok((re, im)),
        number => Ok((real(number)?, 0.0)),
    }
}
fn truth(number: Number) -> bool {
    match number {
        Number::Bool(b) => b,
        Number::Int(i) => i != 0,
        Number::Float(x) => x != 0.0,
        Number::Complex(re, im) => re != 0.0 || im != 0.0,
    }
}

/// Writes a number as an element.
///
/// # Safety
/// `to` is the address of a live, aligned element of this dtype, which nobody else reads or writes now.
#[inline]
pub unsafe fn store(to: *mut u8, dtype: DType, number: Number) -> PyResult<()> {
    // SAFETY: promised by the caller.
    unsafe {
        match dtype {
            DType::Float32 => to.cast::<f32>().write(real(number)? as f32),
            DType::Float64 => to.cast::<f64>().write(real(number)?),
            DType::Int64 => to.cast::<i64>().write(integer(number, dtype)?),
            DType::Bool => to.cast::<Truth>().write(Truth::new(truth(number))),
            DType::UInt8 => to.cast::<u8>().write(integer(number, dtype)? as u8),
            DType::Int8 => to.cast::<i8>().write(integer(number, dtype)? as i8),
            DType::Int16 => to.cast::<i16>().write(integer(number, dtype)? as i16),
            DType::UInt16 => to.cast::<u16>().write(integer(number, dtype)? as u16),
            DType::Int32 => to.cast::<i32>().write(integer(number, dtype)? as i32),
            DType::UInt32 => to.cast::<u32>().write(integer(number, dtype)? as u32),
            DType::UInt64 => to.cast::<u64>().write(integer(number, dtype)? as u64),
            DType::Float16 => to.cast::<half::f16>().write(half::f16::from_f64(real(number)?)),
            DType::BFloat16 => to.cast::<half::bf16>().write(half::bf16::from_f64(real(number)?)),
            DType::Complex64 => {
                let (re, im) = parts(number)?;
                to.cast::<[f32; 2]>().write([re as f32, im as f32]);
            }
            DType::Complex128 => {
                let (re, im) = parts(number)?;
                to.cast::<[f64; 2]>().write([re, im]);
            }
        }
    }
    Ok(())
}
