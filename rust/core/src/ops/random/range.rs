//! Which integers `random_` and `randint` draw from: bounds, PyTorch's checks of them, and its care for floats.
use super::draw::{greatest, into, refuse_wide_unsigned, with_discrete, with_real};
use crate::array::Array;
use crate::ops::warning;
use crate::random::Generator;
use rustorch_base::random::{Real, integer};
use rustorch_base::{DType, Result, bail, ensure};

/// `random_()`: from 0 to the greatest integer, for floats to the last one before gaps begin.
pub fn full(array: &Array, generator: Option<&Generator>) -> Result<()> {
    refuse_wide_unsigned(array.dtype, "random_kernel_cpu")?;
    with_discrete!(array.dtype, "random_kernel_cpu", T => into::<T>(array, |out| {
        integer::full_range(&mut Generator::or_default(generator).source(), out);
        Ok(())
    }))
}

/// From `from` up to `to`, `to` left out; without `to` up to the greatest value, that included.
pub fn from_to(array: &Array, from: i64, to: Option<i64>, generator: Option<&Generator>) -> Result<()> {
    let dtype = array.dtype;
    let (from, last) = match to {
        Some(to) => bounded(dtype, from, to)?,
        None if from == i64::MIN => return all_64_bits(array, generator),
        None => upwards(dtype, from)?,
    };
    check_bounds(dtype, from, last)?;
    let range = (last as u64).wrapping_sub(from as u64).wrapping_add(1);
    with_discrete!(dtype, "random_from_to_kernel_cpu", T => into::<T>(array, |out| {
        integer::in_range(&mut Generator::or_default(generator).source(), out, from, range);
        Ok(())
    }))
}

fn all_64_bits(array: &Array, generator: Option<&Generator>) -> Result<()> {
    let holds = matches!(array.dtype, DType::Int64 | DType::Float64 | DType::Float32 | DType::BFloat16);
    ensure!(holds, runtime, "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16");
    with_discrete!(array.dtype, "random_full_64_bits_range_kernel_cpu", T => into::<T>(array, |out| {
        integer::all_64_bits(&mut Generator::or_default(generator).source(), out);
        Ok(())
    }))
}

/// The first and the last integer of `[from, to)`. For floats the bounds move inwards to where the dtype has integers.
fn bounded(dtype: DType, from: i64, to: i64) -> Result<(i64, i64)> {
    ensure!(from < to, runtime, "random_ expects 'from' to be less than 'to', but got from={from} >= to={to}");
    if !dtype.is_floating_point() {
        return Ok((from, to - 1));
    }
    let (first, end) = (raised(dtype, from)?, lowered(dtype, to)?);
    ensure!(
        first < end,
        runtime,
        "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={first} >= to={end}"
    );
    Ok((first, end - 1))
}

/// The first and the last integer from `from` on.
fn upwards(dtype: DType, from: i64) -> Result<(i64, i64)> {
    if dtype.is_floating_point() {
        let (first, last) = (raised(dtype, from)?, 1_i64 << digits(dtype));
        ensure!(
            first < last,
            runtime,
            "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got from={first} > to_inc={last}"
        );
        return Ok((first, last));
    }
    let Some((_, greatest)) = integer_bounds(dtype) else {
        bail!(runtime, "random_from_to_impl handles only integral, floating-point and boolean types")
    };
    Ok((from, greatest as i64)) // the greatest uint64 becomes -1, which PyTorch refuses in turn
}

/// Bits of a float's significand.
fn digits(dtype: DType) -> u32 {
    match dtype {
        DType::Float16 => 11,
        DType::BFloat16 => 8,
        DType::Float32 => 24,
        _ => 53,
    }
}

/// The integer that a float dtype makes of another one.
fn through(dtype: DType, value: i64) -> Result<i64> {
    fn rounded<T: Real>(value: i64) -> i64 {
        let wide: f64 = T::from_f64(value as f64).to_math().into();
        wide as i64
    }
    with_real!(dtype, "random_update_from_to", T => Ok(rounded::<T>(value)))
}
/// A step between neighbouring floats of this size.
fn gap(dtype: DType, value: i64) -> i64 {
    let magnitude = value.unsigned_abs().checked_ilog2().unwrap_or(0);
    1_i64.checked_shl((magnitude + 1).saturating_sub(digits(dtype))).unwrap_or(i64::MAX)
}
fn raised(dtype: DType, from: i64) -> Result<i64> {
    let next = from.wrapping_add(1);
    let rounded = through(dtype, next)?;
    Ok(if rounded < from { rounded.saturating_add(gap(dtype, next)) } else { from })
}
fn lowered(dtype: DType, to: i64) -> Result<i64> {
    let previous = to.wrapping_sub(1);
    let rounded = through(dtype, previous)?;
    Ok(if rounded >= to { rounded.saturating_sub(gap(dtype, previous)) } else { to })
}

/// The least and the greatest value of an integer dtype; None for floats and complex numbers.
fn integer_bounds(dtype: DType) -> Option<(i128, i128)> {
    if dtype == DType::Bool {
        return Some((0, 1));
    }
    if !dtype.is_integral() {
        return None;
    }
    let bits = 8 * dtype.size() as u32;
    Some(if dtype.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) })
}

fn check_bounds(dtype: DType, from: i64, last: i64) -> Result<()> {
    let named = [("from", from), ("to - 1", last)];
    if dtype.is_floating_point() {
        let most = greatest(dtype);
        for (name, bound) in named {
            ensure!((-most..=most).contains(&(bound as f64)), runtime, "{name} is out of bounds for {}", dtype.c_name());
        }
        return warn_of_gaps(dtype, named);
    }
    let Some((least, most)) = integer_bounds(dtype) else {
        bail!(runtime, "check_random_bounds handles only integral, floating-point and boolean types")
    };
    for (name, bound) in named {
        ensure!((least..=most).contains(&i128::from(bound)), runtime, "{name} is out of bounds for {}", dtype.c_name());
    }
    Ok(())
}

fn warn_of_gaps(dtype: DType, named: [(&str, i64); 2]) -> Result<()> {
    let (digits, dtype) = (digits(dtype), dtype.c_name());
    for (name, bound) in named {
        if bound.unsigned_abs() > 1 << digits {
            warning::warn(&format!(
                "{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision limitations {dtype} can support discrete uniform distribution only within this range. This warning will become an error in version 1.7 release, please fix the code in advance"
            ))?;
        }
    }
    Ok(())
}
