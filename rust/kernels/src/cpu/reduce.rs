//! Reductions: many elements into one, over any dimensions of any layout.
//!
//! `drive` holds the loop, `fold` and `folds` the reductions that take one element after the other; adding one of those
//! is a `fold!` row and a row of [`reduce`].
use crate::Operand;
use num_complex::{Complex32, Complex64};
use rustorch_base::dtype::Truth;
use rustorch_base::{DType, Result, bail};
use std::marker::PhantomData;

pub(super) mod drive;
pub(super) mod fold;
pub(super) mod folds;
mod logsumexp;
mod moments;
pub(super) mod reduction;
#[cfg(test)]
mod tests;

use drive::drive;
use fold::{Fold, Folded};
pub use folds::{Ordered, Summand};
use reduction::Reduction;

/// Where a reduction takes place.
#[derive(Clone, Copy)]
struct Place<'a> {
    shape: &'a [i64],
    dims: &'a [usize],
    output: Operand<'a>,
    input: Operand<'a>,
}

impl Place<'_> {
    fn run<F: Fold>(&self, fold: F) {
        self.drive(&Folded(fold));
    }
    fn drive<R: Reduction>(&self, op: &R) {
        drive(op, self.shape, self.dims, [Some(self.output), None], self.input);
    }
}

/// The dtype in which elements of this one are combined.
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::Float16 | DType::BFloat16 => DType::Float32,
        DType::Float32 | DType::Float64 | DType::Complex64 | DType::Complex128 | DType::UInt64 => dtype,
        _ => DType::Int64,
    }
}

#[cold]
fn refuse(name: &str, dtype: DType) -> Result<()> {
    bail!(not_implemented, "\"{name}\" not implemented for '{}'", dtype.scalar_name())
}

/// A fold over what sums are taken in, chosen by the output's dtype. uint64 wraps around in int64's bits.
macro_rules! summed {
    ($place:ident, $fold:ident) => {
        match wide($place.output.dtype) {
            DType::Float32 => $place.run(folds::$fold::<f32>(PhantomData)),
            DType::Float64 => $place.run(folds::$fold::<f64>(PhantomData)),
            DType::Complex64 => $place.run(folds::$fold::<Complex32>(PhantomData)),
            DType::Complex128 => $place.run(folds::$fold::<Complex64>(PhantomData)),
            _ => $place.run(folds::$fold::<i64>(PhantomData)),
        }
    };
}
/// A fold over what has an order, chosen by the input's dtype.
macro_rules! ordered {
    ($place:ident, $fold:ident, $name:literal) => {
        match wide($place.input.dtype) {
            DType::Float32 => $place.run(folds::$fold::<f32>(PhantomData)),
            DType::Float64 => $place.run(folds::$fold::<f64>(PhantomData)),
            DType::UInt64 => $place.run(folds::$fold::<u64>(PhantomData)),
            DType::Int64 => $place.run(folds::$fold::<i64>(PhantomData)),
            _ => return refuse($name, $place.input.dtype),
        }
    };
}
/// A norm's fold, chosen by the input's dtype: a constructor call with `T` in the place of the element type.
macro_rules! measured {
    ($place:ident, $T:ident => $fold:expr) => {
        match wide($place.input.dtype) {
            DType::Float32 => {
                type $T = f32;
                $place.run($fold)
            }
            DType::Float64 => {
                type $T = f64;
                $place.run($fold)
            }
            DType::Complex64 => {
                type $T = Complex32;
                $place.run($fold)
            }
            DType::Complex128 => {
                type $T = Complex64;
                $place.run($fold)
            }
            _ => return refuse("norm", $place.input.dtype),
        }
    };
}

/// What is made of the reduced elements.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reduce {
    /// Any dtype. Elements are converted to the output's dtype, half floats accumulate in float32, integers in int64.
    Sum,
    Mean,
    Prod,
    /// A sum in which NaN counts as 0.
    NanSum,
    /// The greatest and the smallest element; NaN wins. Real dtypes. An empty reduction gives the extreme of the dtype:
    /// refusing it is the caller's.
    Amax,
    Amin,
    /// Elements are taken as bools.
    Any,
    All,
    CountNonzero,
    /// The vector norm of this order, 0 and the infinities included. Floating and complex dtypes; a real output.
    Norm(f64),
    /// Floating dtypes.
    LogSumExp,
    /// With this correction (1 is Bessel's). Real floating dtypes.
    Var(f64),
    Std(f64),
}

/// Reduces the dimensions `dims` of `input`, whose shape is `shape`, into `output`. The output's strides follow the input's
/// dimensions; those along `dims` are ignored. Refuses dtypes that the reduction is not defined for.
pub fn reduce(op: Reduce, shape: &[i64], dims: &[usize], output: Operand, input: Operand) -> Result<()> {
    let place = Place { shape, dims, output, input };
    match op {
        Reduce::Sum => summed!(place, Sum),
        Reduce::Mean => summed!(place, Mean),
        Reduce::Prod => summed!(place, Product),
        Reduce::NanSum => summed!(place, NanSum),
        Reduce::Amax => ordered!(place, Maximum, "amax"),
        Reduce::Amin => ordered!(place, Minimum, "amin"),
        Reduce::Any => place.run(folds::Any::<Truth>(PhantomData)),
        Reduce::All => place.run(folds::All::<Truth>(PhantomData)),
        Reduce::CountNonzero => place.run(folds::CountNonzero::<Truth>(PhantomData)),
        Reduce::Norm(0.0) => measured!(place, T => folds::NormZero::<T>(PhantomData)),
        Reduce::Norm(1.0) => measured!(place, T => folds::NormOne::<T>(PhantomData)),
        Reduce::Norm(2.0) => measured!(place, T => folds::NormTwo::<T>(PhantomData)),
        Reduce::Norm(f64::INFINITY) => measured!(place, T => folds::NormMax::<T>(PhantomData)),
        Reduce::Norm(f64::NEG_INFINITY) => measured!(place, T => folds::NormMin::<T>(PhantomData)),
        Reduce::Norm(p) => measured!(place, T => folds::NormPower::<T> { p, of: PhantomData }),
        Reduce::LogSumExp => match wide(input.dtype) {
            DType::Float32 => place.drive(&logsumexp::LogSumExp::<f32>(PhantomData)),
            DType::Float64 => place.drive(&logsumexp::LogSumExp::<f64>(PhantomData)),
            _ => return refuse("logsumexp", input.dtype),
        },
        Reduce::Var(correction) => return moments(shape, dims, [Some(output), None], input, correction, false),
        Reduce::Std(correction) => return moments(shape, dims, [Some(output), None], input, correction, true),
    }
    Ok(())
}

/// The variance (or with `root` the standard deviation) and the mean, either of which may be left out. Otherwise as
/// [`reduce`].
pub fn moments(shape: &[i64], dims: &[usize], outputs: [Option<Operand>; 2], input: Operand, correction: f64, root: bool) -> Result<()> {
    match wide(input.dtype) {
        DType::Float32 => drive(&moments::Moments::<f32> { correction, root, of: PhantomData }, shape, dims, outputs, input),
        DType::Float64 => drive(&moments::Moments::<f64> { correction, root, of: PhantomData }, shape, dims, outputs, input),
        _ => return refuse(if root { "std" } else { "var" }, input.dtype),
    }
    Ok(())
}

/// The sum of a slice that lies in the first-level cache, in lanes.
#[inline(always)]
pub fn sum<T: Summand>(items: &[T]) -> T {
    fold::fold_lanes(&folds::Sum::<T>(PhantomData), items)
}
/// The greatest element of a slice that lies in the first-level cache, or a NaN.
#[inline(always)]
pub fn maximum<T: Ordered>(items: &[T]) -> T {
    fold::fold_lanes(&folds::Maximum::<T>(PhantomData), items)
}
