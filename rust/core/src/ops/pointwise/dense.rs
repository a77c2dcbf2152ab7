//! The commonest call, without a plan: a row of one kernel over a few contiguous arrays of one shape and float dtype.
use super::derivative::Record;
use super::{needs_history, node_name};
use crate::array::Array;
use crate::op::TensorOrNumber;
use crate::storage::Storage;
use crate::tensor::{Tensor, key};
use rustorch_base::{DType, Layout, Result};
use rustorch_kernels::pointwise::{ResultRule, Row};

/// Larger arrays are worth the executor's threads.
const MOST: i64 = 16 * 1024;

/// Sizes are few: a loop beats a call.
#[inline]
fn same(a: &[i64], b: &[i64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x == y)
}

/// The result, or `None` where the call is not of the common kind.
#[inline]
pub(super) fn apply(row: &'static Row, operands: &[TensorOrNumber<'_>]) -> Option<Result<Tensor>> {
    let Some(TensorOrNumber::Tensor(first)) = operands.first() else { return None };
    let array = first.array();
    let (dtype, layout) = (array.dtype, &array.layout);
    let numel = layout.numel();
    if !matches!(dtype, DType::Float32 | DType::Float64) || row.result == ResultRule::Bool || numel > MOST || !layout.is_contiguous() {
        return None;
    }
    let mut keys = first.keys();
    let mut inputs = [array.data().cast_const(), std::ptr::null(), std::ptr::null()];
    let mut defaults = 0;
    for (i, operand) in operands.iter().enumerate().skip(1) {
        match operand {
            TensorOrNumber::Tensor(tensor) => {
                let other = tensor.array();
                if i > 2 || other.dtype != dtype || !same(&other.layout.shape, &layout.shape) || !other.layout.is_contiguous() {
                    return None;
                }
                keys |= tensor.keys();
                inputs[i] = other.data().cast_const();
            }
            TensorOrNumber::Number(number) if row.is_default(i, *number) => defaults |= 1 << i,
            TensorOrNumber::Number(_) => return None,
        }
    }
    if keys & key::WRAPPED_NUMBER != 0 || !array.device().is_cpu() {
        return None;
    }
    let kernel = row.kernel(dtype, defaults)?;
    let storage = match Storage::allocate(numel as usize * dtype.size(), array.device()) {
        Ok(storage) => storage,
        Err(error) => return Some(Err(error)),
    };
    // SAFETY: all arrays are live, contiguous, of this dtype and of `numel` elements; the output is fresh.
    unsafe { kernel(storage.data(), inputs[0], inputs[1], inputs[2], numel as usize) };
    let layout = Layout { shape: layout.shape.clone(), strides: layout.strides.clone(), offset: 0 };
    let out = Tensor::new(Array { storage, layout, dtype });
    if keys & (key::REQUIRES_GRAD | key::VIEW) != 0 && needs_history(operands, row, dtype) {
        let recorded = row.program(dtype, defaults).and_then(|program| {
            Record { name: node_name(row, operands), program, compute: dtype, shape: None, over_inputs: false }.hang(operands, &[&out])
        });
        return Some(recorded.map(|()| out));
    }
    Some(Ok(out))
}
