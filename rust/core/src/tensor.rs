//! The tensor.
use crate::device::Device;
use rustorch_base::{DType, Dims};
use std::any::Any;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// Bits that every tensor carries; the call door ORs them over the arguments and tests the sum once.
pub mod key {
    /// Someone other than the plain op must see the call (tracer, subclass, ...).
    pub const OVERRIDE: u32 = 1;
    pub const REQUIRES_GRAD: u32 = 1 << 1;
    /// Not for the door: `Extra` exists, so the binding must look at it.
    pub const EXTRA: u32 = 1 << 30;
}

#[derive(Clone)]
pub struct Tensor(Arc<Body>);

struct Body {
    shape: Dims,
    dtype: DType,
    keys: AtomicU32,
    wrapper: AtomicPtr<c_void>,
    pins: AtomicU32,
    extra: OnceLock<Box<Extra>>,
}

/// `.grad`: the tensor and, once Python has seen it, its wrapper (the binding's, opaque here). The order of the fields
/// is the order of their drop, and it matters to the binding.
pub struct Grad {
    pub tensor: Tensor,
    pub pin: Option<Box<dyn Any + Send>>,
}

/// What few tensors have.
#[derive(Default)]
pub struct Extra {
    pub grad: Mutex<Option<Grad>>,
    /// The binding's, opaque here: hooks, and the dict and class of a wrapper that died.
    pub hooks: Mutex<Vec<Box<dyn Any + Send>>>,
    pub parked: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Tensor {
    pub fn new(shape: &[i64], dtype: DType) -> Tensor {
        Tensor(Arc::new(Body {
            shape: shape.into(),
            dtype,
            keys: AtomicU32::new(0),
            wrapper: AtomicPtr::new(null_mut()),
            pins: AtomicU32::new(0),
            extra: OnceLock::new(),
        }))
    }
    pub fn shape(&self) -> &[i64] {
        &self.0.shape
    }
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }
    pub fn device(&self) -> Device {
        Device::CPU
    }
    pub fn keys(&self) -> u32 {
        self.0.keys.load(Relaxed)
    }
    pub fn set_key(&self, bit: u32, on: bool) {
        if on {
            self.0.keys.fetch_or(bit, Relaxed);
        } else {
            self.0.keys.fetch_and(!bit, Relaxed);
        }
    }
    /// The live Python wrapper, borrowed; written and read under the interpreter lock only.
    pub fn wrapper(&self) -> *mut c_void {
        self.0.wrapper.load(Relaxed)
    }
    pub fn set_wrapper(&self, wrapper: *mut c_void) {
        self.0.wrapper.store(wrapper, Relaxed);
    }
    /// Asked of a wrapper's handle: does anything else own the tensor, pinning owners left out?
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1 + self.0.pins.load(Relaxed) as usize
    }
    pub fn pin(&self) {
        self.0.pins.fetch_add(1, Relaxed);
    }
    pub fn unpin(&self) {
        self.0.pins.fetch_sub(1, Relaxed);
    }
    pub fn extra(&self) -> Option<&Extra> {
        self.0.extra.get().map(|extra| &**extra)
    }
    pub fn extra_or_new(&self) -> &Extra {
        self.set_key(key::EXTRA, true);
        self.0.extra.get_or_init(Default::default)
    }
    pub fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
