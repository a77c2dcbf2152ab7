//! Integers and complex numbers: rows of C as sums of rows of B.
use super::Scaling;
use super::batch::Batch;
use super::floating::Contiguous;
use crate::cpu::gemm::Shared;
use crate::cpu::pack::{ScratchSlot, with_scratch};
use crate::cpu::threads::parallel_for;
use crate::operand::{Number, Operand};
use num_complex::{Complex32, Complex64};

/// Elements that add and multiply; integers wrap around, as PyTorch's do.
pub trait Ring: bytemuck::Pod + PartialEq + Send + Sync {
    fn from_number(x: Number) -> Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}
macro_rules! integers {
    ($($integer:ty)*) => { $(impl Ring for $integer {
        fn from_number(x: Number) -> Self {
            match x {
                Number::Bool(b) => b as Self,
                Number::Int(i) => i as Self,
                Number::Float(f) | Number::Complex(f, _) => f as Self,
            }
        }
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self.wrapping_add(other)
        }
        #[inline(always)]
        fn times(self, other: Self) -> Self {
            self.wrapping_mul(other)
        }
    })* };
}
integers! { u8 i8 i16 i32 i64 }
macro_rules! complex_numbers {
    ($($complex:ident $part:ty),*) => { $(impl Ring for $complex {
        fn from_number(x: Number) -> Self {
            match x {
                Number::Bool(b) => $complex::new(<$part>::from(u8::from(b)), 0.0),
                Number::Int(i) => $complex::new(i as $part, 0.0),
                Number::Float(f) => $complex::new(f as $part, 0.0),
                Number::Complex(re, im) => $complex::new(re as $part, im as $part),
            }
        }
        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            self + other
        }
        #[inline(always)]
        fn times(self, other: Self) -> Self {
            self * other
        }
    })* };
}
complex_numbers! { Complex32 f32, Complex64 f64 }

/// # Safety
/// As [`super::matmul`]; the operands are of type T.
pub unsafe fn plain<T: Ring>(batch: &Batch, a: &Operand, b: &Operand, c: &Operand, scaling: &Scaling) {
    let Batch { m, n, k, steps, .. } = *batch;
    let (alpha, beta) = (T::from_number(scaling.alpha), T::from_number(scaling.beta));
    let (zero, one) = (T::from_number(Number::Int(0)), T::from_number(Number::Int(1)));
    let (a, b, c) = (Shared(a.data.cast::<T>()), Shared(b.data.cast::<T>()), Shared(c.data.cast::<T>()));
    // SAFETY: the caller vouches for n elements.
    let bias = scaling.bias.map(|bias| unsafe { Contiguous::new(&bias, n, |x: T| x) });
    batch.each(|at| {
        let (a, c) = (Shared(a.get().wrapping_offset(at[0])), Shared(c.get().wrapping_offset(at[2])));
        with_scratch(ScratchSlot::PackedB, |scratch| {
            // SAFETY: the caller vouches for B; the scratch holds all of it.
            let b = Shared(unsafe {
                contiguous_rows(b.get().wrapping_offset(at[1]), steps[1].row, steps[1].column, k, n, scratch.get::<T>(k * n))
            });
            parallel_for(m, ((1 << 15) / (n * k).max(1)).max(1), |rows| {
                let mut sums = vec![zero; n];
                for i in rows {
                    sums.fill(zero);
                    for p in 0..k {
                        // SAFETY: (i, p) is inside A; row p of B is n long.
                        let (x, row) = unsafe {
                            let x = *a.get().offset(i as isize * steps[0].row + p as isize * steps[0].column);
                            (x, std::slice::from_raw_parts(b.get().add(p * n), n))
                        };
                        for (sum, &y) in sums.iter_mut().zip(row) {
                            *sum = sum.plus(x.times(y));
                        }
                    }
                    for (j, &sum) in sums.iter().enumerate() {
                        let mut value = if alpha == one { sum } else { sum.times(alpha) };
                        // SAFETY: j < n; (i, j) is inside C, in a row of this range.
                        unsafe {
                            if let Some(bias) = &bias {
                                value = value.plus(*bias.data().add(j));
                            }
                            let to = c.get().offset(i as isize * steps[2].row + j as isize * steps[2].column);
                            *to = if beta == zero { value } else { (*to).times(beta).plus(value) };
                        }
                    }
                }
            });
        });
    });
}

/// B itself if its rows are contiguous and follow each other, or a copy of which that is true.
unsafe fn contiguous_rows<T: Copy>(b: *mut T, row: isize, column: isize, k: usize, n: usize, copy: *mut T) -> *mut T {
    if (column == 1 || n == 1) && (row == n as isize || k == 1) {
        return b;
    }
    for (p, j) in (0..k).flat_map(|p| (0..n).map(move |j| (p, j))) {
        // SAFETY: (p, j) is inside B and inside the copy.
        unsafe { *copy.add(p * n + j) = *b.offset(p as isize * row + j as isize * column) }
    }
    copy
}
