//! What kernels and backends see: elements in a storage, without history.
use crate::device::Device;
use crate::storage::Storage;
use rustorch_base::layout::checked_numel;
use rustorch_base::{DType, Layout, Result, bail};
use rustorch_kernels::Operand;

/// A dtype and a layout over a storage. Invariant: every element the layout reaches lies inside the storage's bytes.
#[derive(Clone)]
pub struct Array {
    pub storage: Storage,
    pub layout: Layout,
    pub dtype: DType,
}

impl Array {
    /// Contiguous, with arbitrary content.
    #[inline]
    pub fn empty(shape: &[i64], dtype: DType, device: Device) -> Result<Array> {
        Array::with_layout(Layout::contiguous(shape), dtype, device)
    }
    /// Fresh storage for a layout of offset 0, with arbitrary content.
    #[inline]
    pub fn with_layout(layout: Layout, dtype: DType, device: Device) -> Result<Array> {
        checked_numel(&layout.shape)?;
        let Some(bytes) = layout.extent().checked_mul(dtype.size() as i64) else {
            bail!(runtime, "Storage size calculation overflowed with sizes={:?}", &layout.shape[..])
        };
        Ok(Array { storage: Storage::allocate(bytes as usize, device)?, layout, dtype })
    }
    #[inline]
    pub fn shape(&self) -> &[i64] {
        &self.layout.shape
    }
    #[inline]
    pub fn strides(&self) -> &[i64] {
        &self.layout.strides
    }
    #[inline]
    pub fn numel(&self) -> i64 {
        self.layout.numel()
    }
    #[inline]
    pub fn device(&self) -> Device {
        self.storage.device()
    }
    /// The address of the first element.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        self.storage.data().wrapping_add(self.layout.offset as usize * self.dtype.size())
    }
    /// For a kernel whose shape is this array's own.
    #[inline]
    pub fn operand(&self) -> Operand<'_> {
        Operand { data: self.data(), dtype: self.dtype, strides: &self.layout.strides }
    }
    /// For a kernel whose shape is another: the strides are given.
    #[inline]
    pub fn operand_with<'a>(&self, strides: &'a [i64]) -> Operand<'a> {
        Operand { data: self.data(), dtype: self.dtype, strides }
    }
    /// The same elements under another layout; the caller keeps the invariant.
    #[inline]
    pub fn relaid(&self, layout: Layout) -> Array {
        Array { storage: self.storage.clone(), layout, dtype: self.dtype }
    }
}
