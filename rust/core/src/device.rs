//! Where a tensor's elements live.
use rustorch_base::{Result, bail};
use std::fmt;

/// `cuda`, `gpu` and `wgpu` are three names of one kind; the name the user wrote is shown again.
#[derive(Clone, Copy, Debug)]
pub enum DeviceKind {
    Cpu,
    Cuda,
    Gpu,
    Wgpu,
    /// Shapes and dtypes without elements.
    Meta,
}

impl DeviceKind {
    const ALL: [DeviceKind; 5] = [DeviceKind::Cpu, DeviceKind::Cuda, DeviceKind::Gpu, DeviceKind::Wgpu, DeviceKind::Meta];
    pub const fn name(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Gpu => "gpu",
            DeviceKind::Wgpu => "wgpu",
            DeviceKind::Meta => "meta",
        }
    }
    pub const fn is_gpu(self) -> bool {
        matches!(self, DeviceKind::Cuda | DeviceKind::Gpu | DeviceKind::Wgpu)
    }
}
impl PartialEq for DeviceKind {
    fn eq(&self, other: &DeviceKind) -> bool {
        self.name() == other.name() || (self.is_gpu() && other.is_gpu())
    }
}
impl Eq for DeviceKind {}

/// A device; without an index it means "the current one of its kind".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    pub kind: DeviceKind,
    pub index: Option<u8>,
}

/// PyTorch's list, as its message prints it.
const KNOWN: &str =
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone";

impl Device {
    pub const CPU: Device = Device { kind: DeviceKind::Cpu, index: None };
    pub const META: Device = Device { kind: DeviceKind::Meta, index: None };

    pub const fn is_cpu(self) -> bool {
        matches!(self.kind, DeviceKind::Cpu)
    }
    pub const fn is_meta(self) -> bool {
        matches!(self.kind, DeviceKind::Meta)
    }
    /// Refuses devices that cannot hold a tensor in this build.
    pub fn require_available(self) -> Result<()> {
        if self.kind.is_gpu() {
            bail!(not_implemented, "device '{self}': the GPU backend is not built yet; tensors live on 'cpu' or 'meta'")
        }
        Ok(())
    }

    /// Reads `cpu`, `cuda`, `cuda:1`.
    pub fn parse(text: &str) -> Result<Device> {
        let (name, index) = match text.split_once(':') {
            None => (text, None),
            Some((name, digits)) => match digits.parse::<u8>() {
                Ok(i) if i < 128 && (digits == "0" || !digits.starts_with(['0', '+'])) => (name, Some(i)),
                _ => bail!(runtime, "Invalid device string: '{text}'"),
            },
        };
        match DeviceKind::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) => Ok(Device { kind, index }),
            None if name.is_empty() => bail!(runtime, "Device string must not be empty"),
            None => bail!(runtime, "Expected one of {KNOWN} device type at start of device string: {name}"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(i) => write!(f, "{}:{i}", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn devices_are_read_and_shown() {
        assert_eq!(Device::parse("cuda:1").map(|d| d.to_string()).ok().as_deref(), Some("cuda:1"));
        assert!(Device::parse("cuda:01").is_err());
        assert!(Device::parse("cuda:").is_err());
        assert!(Device::parse("toaster").is_err());
        assert_eq!(Device::parse("cuda").ok(), Device::parse("wgpu").ok());
    }
}
