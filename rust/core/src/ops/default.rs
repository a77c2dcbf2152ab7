//! What factories use where the user says nothing: `set_default_dtype`, `set_default_device`.
use crate::device::Device;
use rustorch_base::{DType, Result, ensure};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

static DTYPE: AtomicU8 = AtomicU8::new(DType::Float32 as u8);
static DEVICE: RwLock<Device> = RwLock::new(Device::CPU);

/// The dtype of float literals; float32 unless changed.
#[inline]
pub fn dtype() -> DType {
    DType::ALL[DTYPE.load(Relaxed) as usize]
}
pub fn set_dtype(dtype: DType) -> Result<()> {
    ensure!(dtype.is_floating_point(), type_, "only floating-point types are supported as the default type");
    DTYPE.store(dtype as u8, Relaxed);
    Ok(())
}
pub fn device() -> Device {
    *DEVICE.read().unwrap_or_else(PoisonError::into_inner)
}
pub fn set_device(device: Device) -> Result<()> {
    device.require_available()?;
    *DEVICE.write().unwrap_or_else(PoisonError::into_inner) = device;
    Ok(())
}
