//! float16 and bfloat16: converted while they are packed, summed in float32, rounded once.
use super::Scaling;
use super::batch::Batch;
use super::floating::{Contiguous, real};
use crate::cpu::gemm::{GemmElement, Product, Shared, Store};
use crate::cpu::pack::{Converted, ScratchSlot, Strided, with_scratch};
use crate::cpu::threads::parallel_for;
use crate::operand::Operand;
use half::{bf16, f16};
use std::ptr::null;

pub trait Half: Copy + Send + Sync + 'static {
    fn to_f32(self) -> f32;
    fn from_f32(x: f32) -> Self;
}
impl Half for f16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
    #[inline(always)]
    fn from_f32(x: f32) -> f16 {
        f16::from_f32(x)
    }
}
impl Half for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }
    #[inline(always)]
    fn from_f32(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
}

/// # Safety
/// As [`super::matmul`]; the operands are of type H.
pub unsafe fn half_precision<H: Half>(batch: &Batch, a: &Operand, b: &Operand, c: &Operand, scaling: &Scaling) {
    let Batch { m, n, k, steps, .. } = *batch;
    let (alpha, beta) = (real::<f32>(scaling.alpha), real::<f32>(scaling.beta));
    let (a, b, c) = (Shared(a.data.cast::<H>()), Shared(b.data.cast::<H>()), Shared(c.data.cast::<H>()));
    // SAFETY: the caller vouches for n elements.
    let bias = scaling.bias.map(|bias| unsafe { Contiguous::new(&bias, n, H::to_f32) });
    batch.each(|at| {
        let view = |data: *mut H, lane, depth| Converted { view: Strided { data: data.cast_const(), lane, depth }, convert: H::to_f32 };
        let a = view(a.get().wrapping_offset(at[0]), steps[0].row, steps[0].column);
        let b = view(b.get().wrapping_offset(at[1]), steps[1].column, steps[1].row);
        let c = Shared(c.get().wrapping_offset(at[2]));
        let column_bias = bias.as_ref().map_or(null(), Contiguous::data);
        let store = Store { alpha, beta: 0.0, row_bias: null(), column_bias };
        with_scratch(ScratchSlot::Result, |scratch| {
            let sums = Shared(scratch.get::<f32>(m * n));
            let product = Product { kernels: f32::kernels(), m, n, k, a: &a, b: &b, c: sums, c_row: n as isize, store };
            // SAFETY: the caller vouches for the operands; the sums are m x n.
            unsafe { product.run() };
            parallel_for(m, (32768 / n.max(1)).max(1), |rows| {
                for (i, j) in rows.flat_map(|i| (0..n).map(move |j| (i, j))) {
                    // SAFETY: (i, j) is inside C and the sums; ranges have rows of their own.
                    unsafe {
                        let to = c.get().offset(i as isize * steps[2].row + j as isize * steps[2].column);
                        let sum = *sums.get().add(i * n + j);
                        *to = H::from_f32(if beta == 0.0 { sum } else { (*to).to_f32() * beta + sum });
                    }
                }
            });
        });
    });
}
