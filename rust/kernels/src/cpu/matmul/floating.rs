//! float32 and float64: [`gemm`] on every matrix of a batch.
use super::Scaling;
use super::batch::Batch;
use crate::cpu::gemm::{Bias, Epilogue, GemmElement, Matrix, MatrixMut, Shared, gemm};
use crate::operand::{Number, Operand};

/// An element type that products are summed in.
pub trait Float: GemmElement + bytemuck::Pod {
    fn from_f64(x: f64) -> Self;
}
impl Float for f32 {
    #[inline(always)]
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
}
impl Float for f64 {
    #[inline(always)]
    fn from_f64(x: f64) -> f64 {
        x
    }
}

/// A coefficient of a real product.
pub fn real<T: Float>(x: Number) -> T {
    T::from_f64(match x {
        Number::Bool(b) => f64::from(u8::from(b)),
        Number::Int(i) => i as f64,
        Number::Float(f) | Number::Complex(f, _) => f,
    })
}

/// # Safety
/// As [`super::matmul`]; the operands are of type T.
pub unsafe fn floating<T: Float>(batch: &Batch, a: &Operand, b: &Operand, c: &Operand, scaling: &Scaling) {
    let Batch { m, n, k, steps, .. } = *batch;
    let (alpha, beta) = (real::<T>(scaling.alpha), real::<T>(scaling.beta));
    let (a, b, c) = (Shared(a.data.cast::<T>()), Shared(b.data.cast::<T>()), Shared(c.data.cast::<T>()));
    // SAFETY: the caller vouches for n elements.
    let bias = scaling.bias.map(|bias| unsafe { Contiguous::new(&bias, n, |x: T| x) });
    batch.each(|at| {
        let a = Matrix {
            data: a.get().wrapping_offset(at[0]).cast_const(),
            rows: m,
            columns: k,
            row_stride: steps[0].row,
            column_stride: steps[0].column,
        };
        let b = Matrix {
            data: b.get().wrapping_offset(at[1]).cast_const(),
            rows: k,
            columns: n,
            row_stride: steps[1].row,
            column_stride: steps[1].column,
        };
        let c = MatrixMut {
            data: c.get().wrapping_offset(at[2]),
            rows: m,
            columns: n,
            row_stride: steps[2].row,
            column_stride: steps[2].column,
        };
        let bias = bias.as_ref().map_or(Bias::None, |bias| Bias::PerColumn(bias.data()));
        // SAFETY: the caller vouches for every matrix of the batch.
        unsafe { gemm(a, b, c, Epilogue { alpha, beta, bias }) }
    });
}

/// A bias as contiguous elements of the type summed in: where it lies if it is that already, or a copy.
pub enum Contiguous<T> {
    InPlace(Shared<T>),
    Copy(Vec<T>),
}
impl<T: 'static> Contiguous<T> {
    /// # Safety
    /// The operand has n elements of type S.
    pub unsafe fn new<S: Copy + 'static>(bias: &Operand, n: usize, convert: fn(S) -> T) -> Contiguous<T> {
        let step = bias.strides[0] as isize;
        if (step == 1 || n == 1) && std::any::TypeId::of::<S>() == std::any::TypeId::of::<T>() {
            return Contiguous::InPlace(Shared(bias.data.cast()));
        }
        let data = bias.data.cast::<S>();
        // SAFETY: the caller vouches for n elements at this step.
        Contiguous::Copy((0..n).map(|j| convert(unsafe { *data.offset(j as isize * step) })).collect())
    }
    pub fn data(&self) -> *const T {
        match self {
            Contiguous::InPlace(data) => data.get().cast_const(),
            Contiguous::Copy(copy) => copy.as_ptr(),
        }
    }
}
