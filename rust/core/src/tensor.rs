//! The tensor: an array, a write counter, and its place in the autograd graph.
use crate::array::Array;
use crate::autograd::edge::Edge;
use crate::autograd::hooks::Hooks;
use crate::autograd::node::Node;
use crate::autograd::view::View;
use crate::device::Device;
use crate::mode;
use rustorch_base::{DType, Layout, Result, bail};
use rustorch_kernels::Operand;
use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Bits every tensor carries. The call door ORs them over its arguments and tests the sum once.
pub mod key {
    /// Someone other than the plain kernel must see the call: a subclass with `__torch_function__`.
    pub const OVERRIDE: u32 = 1;
    /// The tensor, or what it was computed from, asks for a gradient.
    pub const REQUIRES_GRAD: u32 = 1 << 1;
    /// A differentiable view: its history may have to be looked up at its base.
    pub const VIEW: u32 = 1 << 2;
    /// Made in inference mode: no write counter, never saved for backward.
    pub const INFERENCE: u32 = 1 << 3;
    /// A number that became a tensor (`torch.tensor(2.0)` does not, a wrapped Python number does): promotes as a number.
    pub const WRAPPED_NUMBER: u32 = 1 << 4;
    /// Not for the door: `Extra` exists, so the binding must look at it.
    pub const EXTRA: u32 = 1 << 30;
}

/// Where a tensor's writes are counted. Views and `detach()` share the counter of what they came from; `.data`, `set_`
/// and `Parameter` start one of their own; tensors made in inference mode have none.
#[derive(Clone, Default)]
pub enum Version {
    /// The storage's own counter: what a fresh tensor uses, without an allocation.
    #[default]
    Storage,
    Own(Arc<AtomicU32>),
    None,
}
impl Version {
    pub fn fresh() -> Version {
        Version::Own(Arc::default())
    }
}

/// What users, ops and autograd see. Cloning clones the handle, not the elements.
#[derive(Clone)]
pub struct Tensor(Arc<Impl>);

/// Invariants: `array` and `version` change only through `replace_*`, which ask that no other thread uses the tensor
/// meanwhile (Python's lock, or sole ownership in Rust); everything else is atomic or under a lock. No lock here is held
/// while Python code may run.
pub struct Impl {
    array: UnsafeCell<Array>,
    version: UnsafeCell<Version>,
    keys: AtomicU32,
    /// How many of the tensor's Rust owners also keep its wrapper alive, where the collector sees it.
    pins: AtomicU32,
    /// The live Python wrapper, borrowed; read and written under the interpreter's lock only.
    wrapper: AtomicPtr<c_void>,
    /// The node that computed this tensor; none for leaves.
    history: Mutex<Option<Edge>>,
    view: Option<Box<View>>,
    /// What few tensors have, made when first needed, so that a plain tensor pays one word.
    extra: OnceLock<Box<Extra>>,
}
// SAFETY: see the invariants on the type.
unsafe impl Send for Impl {}
// SAFETY: see the invariants on the type.
unsafe impl Sync for Impl {}

/// `.grad`: the tensor and, once Python has seen it, its pinned wrapper (the binding's, opaque here). The order of the
/// fields is the order of their drop, and it matters to the binding.
pub struct Grad {
    pub tensor: Tensor,
    pub pin: Option<Box<dyn Any + Send>>,
}

#[derive(Default)]
pub struct Extra {
    pub grad: Mutex<Option<Grad>>,
    /// Gradient hooks, in order of registration.
    pub hooks: Mutex<Option<Arc<Hooks>>>,
    /// Hooks of a leaf that run when its gradient has been added to `.grad`.
    pub accumulated: Mutex<Option<Arc<Hooks>>>,
    /// The binding's: the dict and class of a wrapper that died while the tensor lived on.
    pub parked: Mutex<Option<Box<dyn Any + Send>>>,
    /// The leaf's node, which holds the leaf strongly in turn.
    pub accumulator: Mutex<Option<Weak<Node>>>,
    pub retains_grad: std::sync::atomic::AtomicBool,
}

/// Locks, whatever a panicking holder left: the state behind these locks is valid between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tensor {
    /// A fresh leaf. In inference mode it has no write counter.
    #[inline]
    pub fn new(array: Array) -> Tensor {
        if mode::is_inference_mode_enabled() {
            return Tensor::build(array, Version::None, key::INFERENCE, None);
        }
        Tensor::build(array, Version::Storage, 0, None)
    }
    #[inline]
    pub(crate) fn build(array: Array, version: Version, keys: u32, view: Option<Box<View>>) -> Tensor {
        Tensor(Arc::new(Impl {
            array: UnsafeCell::new(array),
            version: UnsafeCell::new(version),
            keys: AtomicU32::new(keys),
            pins: AtomicU32::new(0),
            wrapper: AtomicPtr::new(std::ptr::null_mut()),
            history: Mutex::new(None),
            view,
            extra: OnceLock::new(),
        }))
    }
    /// Contiguous, arbitrary content, on the CPU.
    #[inline]
    pub fn empty(shape: &[i64], dtype: DType) -> Result<Tensor> {
        Ok(Tensor::new(Array::empty(shape, dtype, Device::CPU)?))
    }
    /// Another handle of the same elements without history, sharing the write counter: `detach()`.
    pub fn detached(&self) -> Tensor {
        Tensor::build(self.array().clone(), self.version_counter().clone(), self.keys() & key::INFERENCE, None)
    }

    // ---- the array
    #[inline]
    pub fn array(&self) -> &Array {
        // SAFETY: `replace_array` alone writes, under exclusion (see the type).
        unsafe { &*self.0.array.get() }
    }
    /// Puts other elements or another layout under this tensor (`set_`, `resize_`, `.data =`, `transpose_` ...).
    ///
    /// # Safety
    /// No other thread uses the tensor now, and no reference from [`Tensor::array`] is alive.
    pub unsafe fn replace_array(&self, array: Array) {
        // SAFETY: promised by the caller.
        drop(unsafe { std::mem::replace(&mut *self.0.array.get(), array) });
    }
    /// Gives the tensor another write counter.
    ///
    /// # Safety
    /// No other thread uses the tensor now.
    pub unsafe fn replace_version(&self, version: Version) {
        // SAFETY: promised by the caller.
        drop(unsafe { std::mem::replace(&mut *self.0.version.get(), version) });
    }
    #[inline]
    pub fn shape(&self) -> &[i64] {
        &self.array().layout.shape
    }
    #[inline]
    pub fn strides(&self) -> &[i64] {
        &self.array().layout.strides
    }
    #[inline]
    pub fn layout(&self) -> &Layout {
        &self.array().layout
    }
    #[inline]
    pub fn offset(&self) -> i64 {
        self.array().layout.offset
    }
    #[inline]
    pub fn ndim(&self) -> usize {
        self.array().layout.ndim()
    }
    #[inline]
    pub fn numel(&self) -> i64 {
        self.array().layout.numel()
    }
    #[inline]
    pub fn dtype(&self) -> DType {
        self.array().dtype
    }
    #[inline]
    pub fn device(&self) -> Device {
        self.array().device()
    }
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.array().layout.is_contiguous()
    }
    #[inline]
    pub fn operand(&self) -> Operand<'_> {
        self.array().operand()
    }

    // ---- the write counter
    #[inline]
    pub fn version_counter(&self) -> &Version {
        // SAFETY: `replace_version` alone writes, under exclusion (see the type).
        unsafe { &*self.0.version.get() }
    }
    /// Writes so far; 0 for inference tensors, which do not count.
    #[inline]
    pub fn version_or_zero(&self) -> u32 {
        match self.version_counter() {
            Version::Storage => self.array().storage.version().load(Relaxed),
            Version::Own(counter) => counter.load(Relaxed),
            Version::None => 0,
        }
    }
    /// `_version`.
    pub fn version(&self) -> Result<u32> {
        if matches!(self.version_counter(), Version::None) {
            bail!(runtime, "Inference tensors do not track version counter.")
        }
        Ok(self.version_or_zero())
    }
    /// Notes a write.
    #[inline]
    pub fn bump_version(&self) {
        match self.version_counter() {
            Version::Storage => self.array().storage.version().fetch_add(1, Relaxed),
            Version::Own(counter) => counter.fetch_add(1, Relaxed),
            Version::None => 0,
        };
    }

    // ---- keys and identity
    #[inline]
    pub fn keys(&self) -> u32 {
        self.0.keys.load(Relaxed)
    }
    #[inline]
    pub fn set_key(&self, bit: u32, on: bool) {
        if on {
            self.0.keys.fetch_or(bit, Relaxed);
        } else {
            self.0.keys.fetch_and(!bit, Relaxed);
        }
    }
    pub fn is_inference(&self) -> bool {
        self.keys() & key::INFERENCE != 0
    }
    #[inline]
    pub fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// A number that tells tensors apart while they live.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
    pub fn downgrade(&self) -> WeakTensor {
        WeakTensor(Arc::downgrade(&self.0))
    }
    /// Nobody else holds the tensor, its wrapper included.
    #[inline]
    pub fn is_sole_owner(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
    /// Nobody else can see the elements: they may be reused or stolen.
    #[inline]
    pub fn owns_elements_alone(&self) -> bool {
        self.is_sole_owner() && self.array().storage.owners() == 1 && self.array().storage.is_resizable()
    }

    // ---- the binding's
    #[inline]
    pub fn wrapper(&self) -> *mut c_void {
        self.0.wrapper.load(Relaxed)
    }
    #[inline]
    pub fn set_wrapper(&self, wrapper: *mut c_void) {
        self.0.wrapper.store(wrapper, Relaxed);
    }
    /// Asked of a wrapper's handle: does anything else own the tensor, pinning owners left out?
    #[inline]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1 + self.0.pins.load(Relaxed) as usize
    }
    pub fn pin(&self) {
        self.0.pins.fetch_add(1, Relaxed);
    }
    pub fn unpin(&self) {
        self.0.pins.fetch_sub(1, Relaxed);
    }
    #[inline]
    pub fn extra(&self) -> Option<&Extra> {
        self.0.extra.get().map(|extra| &**extra)
    }
    pub fn extra_or_new(&self) -> &Extra {
        self.set_key(key::EXTRA, true);
        self.0.extra.get_or_init(Box::default)
    }

    // ---- history
    #[inline]
    pub fn view(&self) -> Option<&View> {
        self.0.view.as_deref()
    }
    /// The edge recorded last, without looking whether a base has moved on.
    #[inline]
    pub(crate) fn recorded_edge(&self) -> Option<Edge> {
        lock(&self.0.history).clone()
    }
    pub(crate) fn set_edge(&self, edge: Option<Edge>) {
        let tracked = edge.is_some();
        let old = std::mem::replace(&mut *lock(&self.0.history), edge);
        if tracked {
            self.set_key(key::REQUIRES_GRAD, true);
        }
        drop(old); // after the lock is free: the old node may hold this tensor
    }
    /// `.grad`, without its pin.
    pub fn grad(&self) -> Option<Tensor> {
        lock(&self.extra()?.grad).as_ref().map(|grad| grad.tensor.clone())
    }
    /// Replaces `.grad`. Whatever it held is dropped after the lock is free.
    pub fn set_grad(&self, grad: Option<Tensor>) {
        if grad.is_none() && self.extra().is_none() {
            return;
        }
        let fresh = grad.map(|tensor| Grad { tensor, pin: None });
        let old = std::mem::replace(&mut *lock(&self.extra_or_new().grad), fresh);
        drop(old);
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {:?}, strides {:?})", self.dtype(), self.shape(), self.strides())
    }
}

/// A handle that does not keep the tensor alive.
#[derive(Clone)]
pub struct WeakTensor(Weak<Impl>);
impl WeakTensor {
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
    }
}
