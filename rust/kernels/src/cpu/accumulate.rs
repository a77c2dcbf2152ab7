//! Sums into an array that may overlap itself: the gradient of a view that reaches elements several times.
use crate::Operand;
use num_complex::{Complex32, Complex64};
use rustorch_base::{DType, Error, Result, bail};
use std::ops::Add;

/// `dst[i] += src[i]` for every index of `shape`, one after the other. Both are of one dtype, which has gradients.
pub fn accumulate(shape: &[i64], dst: Operand, src: Operand) -> Result<()> {
    if dst.dtype != src.dtype {
        bail!(runtime, "accumulate: {} and {}", dst.dtype.name(), src.dtype.name())
    }
    match dst.dtype {
        DType::Float32 => each::<f32>(shape, dst, src, f32::add),
        DType::Float64 => each::<f64>(shape, dst, src, f64::add),
        DType::Float16 => each::<half::f16>(shape, dst, src, half::f16::add),
        DType::BFloat16 => each::<half::bf16>(shape, dst, src, half::bf16::add),
        DType::Complex64 => each::<Complex32>(shape, dst, src, Complex32::add),
        DType::Complex128 => each::<Complex64>(shape, dst, src, Complex64::add),
        other => return Err(Error::runtime(format!("accumulate: not implemented for {}", other.name()))),
    }
    Ok(())
}

fn each<T: Copy>(shape: &[i64], dst: Operand, src: Operand, add: impl Fn(T, T) -> T + Copy) {
    let (to, from) = (dst.data.cast::<T>(), src.data.cast_const().cast::<T>());
    let Some((&size, outer)) = shape.split_first() else {
        // SAFETY: operands reach live elements of `T` (see `Operand`).
        unsafe { *to = add(*to, *from) };
        return;
    };
    for i in 0..size {
        let step = |data: *mut u8, stride: i64| data.wrapping_offset((i * stride) as isize * size_of::<T>() as isize);
        let part = |operand: &Operand| step(operand.data, operand.strides[0]);
        let inner_dst = Operand { data: part(&dst), dtype: dst.dtype, strides: &dst.strides[1..] };
        let inner_src = Operand { data: part(&src), dtype: src.dtype, strides: &src.strides[1..] };
        each(outer, inner_dst, inner_src, add);
    }
}
