//! Batched matrix products of every element type.
mod batch;
mod floating;
mod half_precision;
mod plain;

use crate::operand::{Number, Operand};
use batch::Batch;
use floating::floating;
use half::{bf16, f16};
use half_precision::half_precision;
use num_complex::{Complex32, Complex64};
use plain::plain;
use rustorch_base::{DType, Result, bail, ensure};

/// Sizes of a batch of products: C\[.., m, n\] = A\[.., m, k\] B\[.., k, n\] for every index of the batch.
#[derive(Clone, Copy, Debug)]
pub struct MatmulShape<'a> {
    pub batch: &'a [i64],
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// What is done with a product: `alpha A B + beta C + bias`, the bias a vector along C's columns, the same for all rows and
/// batches, of C's element type. Beta 0 overwrites C whatever it held.
#[derive(Clone, Copy, Debug)]
pub struct Scaling<'a> {
    pub alpha: Number,
    pub beta: Number,
    pub bias: Option<Operand<'a>>,
}
impl Default for Scaling<'_> {
    fn default() -> Self {
        Scaling { alpha: Number::Int(1), beta: Number::Int(0), bias: None }
    }
}

/// Computes all products. Each operand has the strides of the batch's dimensions (0 to repeat), then of its rows and
/// columns; the bias has one stride. Operands are of one dtype; float16 and bfloat16 are summed in float32.
///
/// # Errors
/// PyTorch's refusal for bool and the wide unsigned integers, naming `caller` (`"addmm_impl_cpu_"`, `"bmm"` ...).
///
/// # Safety
/// The operands are as [`Operand`] says, and C overlaps no other.
pub unsafe fn matmul(caller: &str, shape: &MatmulShape, a: &Operand, b: &Operand, c: &Operand, scaling: &Scaling) -> Result<()> {
    let dtype = c.dtype;
    ensure!(
        a.dtype == dtype && b.dtype == dtype,
        runtime,
        "expected m1 and m2 to have the same dtype, but got: {} != {}",
        a.dtype.c_name(),
        b.dtype.c_name()
    );
    let batch = Batch::new(shape, a, b, c);
    // SAFETY: the caller vouches for the operands, of the dtype matched on.
    unsafe {
        match dtype {
            DType::Float32 => floating::<f32>(&batch, a, b, c, scaling),
            DType::Float64 => floating::<f64>(&batch, a, b, c, scaling),
            DType::Float16 => half_precision::<f16>(&batch, a, b, c, scaling),
            DType::BFloat16 => half_precision::<bf16>(&batch, a, b, c, scaling),
            DType::UInt8 => plain::<u8>(&batch, a, b, c, scaling),
            DType::Int8 => plain::<i8>(&batch, a, b, c, scaling),
            DType::Int16 => plain::<i16>(&batch, a, b, c, scaling),
            DType::Int32 => plain::<i32>(&batch, a, b, c, scaling),
            DType::Int64 => plain::<i64>(&batch, a, b, c, scaling),
            DType::Complex64 => plain::<Complex32>(&batch, a, b, c, scaling),
            DType::Complex128 => plain::<Complex64>(&batch, a, b, c, scaling),
            DType::Bool | DType::UInt16 | DType::UInt32 | DType::UInt64 => {
                bail!(not_implemented, "\"{caller}\" not implemented for '{}'", dtype.scalar_name())
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
