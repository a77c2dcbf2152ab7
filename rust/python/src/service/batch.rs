//! A batch of the ring as tensors: they lie in its slot, which goes back when the last of them is gone.
use crate::error;
use crate::tensor::reference::to_python;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rustorch_base::{DType, Layout};
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Storage};
use rustorch_data::client::{Batch, BatchBuffer};
use rustorch_data::payload::decode_refusal;
use smallvec::SmallVec;
use std::sync::Arc;

/// What Python is given: number, kind, skeleton, tensors.
pub type Parts<'py> = (u64, u32, Bound<'py, PyBytes>, Bound<'py, PyList>);

/// `number` is what Python calls the batch.
pub fn to_parts<'py>(py: Python<'py>, number: u64, batch: Batch) -> PyResult<Parts<'py>> {
    let batch = Arc::new(batch);
    let tensors = PyList::empty(py);
    for buffer in batch.buffers() {
        tensors.append(to_python(py, tensor(&batch, &buffer))?)?;
    }
    Ok((number, batch.kind() as u32, PyBytes::new(py, batch.skeleton()), tensors))
}

fn tensor(batch: &Arc<Batch>, buffer: &BatchBuffer<'_>) -> Tensor {
    let shape: SmallVec<[i64; 6]> = buffer.spec.shape.iter().map(|&dim| dim as i64).collect();
    // SAFETY: the batch keeps these bytes where they are, and the storage keeps the batch. Nobody else writes them: the
    // slot is held by this client, and the parts of a batch do not overlap.
    let storage = unsafe { Storage::lent(buffer.data, buffer.bytes, Box::new(batch.clone())) };
    Tensor::new(Array { storage, layout: Layout::contiguous(&shape), dtype: buffer.spec.dtype.unwrap_or(DType::UInt8) })
}

/// Raises the error of a native source that came in a batch's place.
#[pyfunction]
pub fn raise_refusal(skeleton: &[u8]) -> PyResult<()> {
    Err(error::to_python(decode_refusal(skeleton)))
}
