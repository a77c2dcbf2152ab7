//! Tensors by strides: arbitrary views of a storage, and what changes a tensor's own shape or storage.
use crate::array::Array;
use crate::autograd::view::{self, Creation, relative};
use crate::autograd::{inplace, record, tracks};
use crate::mode;
use crate::ops::{copy, create};
use crate::tensor::{Tensor, Version};
use rustorch_base::layout::{MemoryFormat, checked_numel, contiguous_strides};
use rustorch_base::{DType, Layout, Result, bail, ensure};
use rustorch_kernels::{Number, cpu};
use smallvec::smallvec;

/// A view of the input's storage under any layout inside it; the gradient is laid back.
pub fn as_strided_layout(input: &Tensor, layout: &Layout) -> Result<Tensor> {
    check_inside(layout, input.array().storage.bytes(), input.dtype())?;
    let out = view::view_of(input, input.array().relaid(layout.clone()), Creation::Ordinary);
    if tracks(&[input]) {
        let (view, base) = (layout.clone(), input.layout().clone());
        record("AsStridedBackward0", &[input], &[&out], [], move |_, g| {
            Ok(smallvec![g[0].as_ref().map(|g| lay_into(g, &view, &base)).transpose()?])
        })?;
    }
    Ok(out)
}

fn check_inside(layout: &Layout, bytes: usize, dtype: DType) -> Result<()> {
    checked_numel(&layout.shape)?;
    let needed = layout.extent().saturating_mul(dtype.size() as i64);
    if needed > bytes as i64 {
        bail!(
            runtime,
            "setStorage: sizes {:?}, strides {:?}, storage offset {}, and itemsize {} requiring a storage size of {needed} are out of bounds for storage of size {bytes}",
            &layout.shape[..],
            &layout.strides[..],
            layout.offset,
            dtype.size()
        )
    }
    Ok(())
}

/// Zeros of `base`'s shape with `part` added at the elements that `view` reaches: the gradient of a strided view.
/// Elements that the view reaches several times collect the sum.
pub fn lay_into(part: &Tensor, view: &Layout, base: &Layout) -> Result<Tensor> {
    let relative_view = relative(view, base);
    // A view may reach outside its base's elements, but not outside the storage: both fit into this many.
    let origin = Layout { offset: 0, ..base.clone() };
    let extent = origin.extent().max(relative_view.extent());
    let out = {
        let _off = mode::Guard::no_grad();
        let flat = create::zeros(&[extent], part.dtype())?;
        let target = flat.array().relaid(relative_view.clone());
        if relative_view.overlaps_itself() == Some(false) {
            copy::copy_elements(&target, part.array())?;
        } else {
            cpu::accumulate::accumulate(part.shape(), target.operand(), part.operand())?;
        }
        Tensor::new(flat.array().relaid(origin.clone()))
    };
    if tracks(&[part]) {
        let base = base.clone();
        record("AsStridedScatterBackward0", &[part], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            let laid = clone_laid_as(g, &base)?;
            Ok(smallvec![Some(copy::clone(&as_strided_layout(&laid, &relative_view)?)?)])
        })?;
    }
    Ok(out)
}

/// A copy whose memory is ordered as `like` (of the same shape), so that layouts relative to `like` mean the same elements.
pub fn clone_laid_as(input: &Tensor, like: &Layout) -> Result<Tensor> {
    let layout = Layout { offset: 0, ..like.clone() };
    let dense = layout.overlaps_itself() == Some(false);
    let layout = if dense { layout } else { Layout::contiguous(&like.shape) };
    let fresh = Array::with_layout(layout, input.dtype(), input.device())?;
    copy::copy_elements(&fresh, input.array())?;
    let out = Tensor::new(fresh);
    if tracks(&[input]) {
        record("CloneBackward0", &[input], &[&out], [], |_, g| Ok(smallvec![g[0].clone()]))?;
    }
    Ok(out)
}

/// Gives a tensor another shape over its storage, which grows if it must. No other thread uses it (see [`Tensor`]).
fn resize(tensor: &Tensor, layout: Layout) -> Result<()> {
    let numel = checked_numel(&layout.shape)?;
    let needed = layout.extent().checked_mul(tensor.dtype().size() as i64);
    let Some(needed) = needed.filter(|_| numel >= 0) else {
        bail!(runtime, "Storage size calculation overflowed with sizes={:?}", &layout.shape[..])
    };
    let array = tensor.array();
    if needed as usize > array.storage.bytes() {
        array.storage.resize(needed as usize)?;
    }
    let array = array.relaid(layout);
    // SAFETY: resizing asks that nobody else uses the tensor; no borrow of the old array is alive here.
    unsafe { tensor.replace_array(array) };
    Ok(())
}

/// `out=` takes the shape of its result.
pub fn resize_output(target: &Tensor, shape: &[i64]) -> Result<()> {
    if target.numel() != 0 {
        crate::ops::warning::warn(&format!(
            "An output with one or more elements was resized since it had shape {:?}, which does not match the required output shape {shape:?}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            target.shape()
        ))?;
    }
    resize(target, Layout { offset: target.offset(), ..Layout::contiguous(shape) })
}

fn refuse_tracked(tensor: &Tensor, what: &str) -> Result<()> {
    ensure!(!(mode::is_grad_enabled() && tensor.requires_grad()), runtime, "{what}");
    Ok(())
}

/// Puts another storage under the tensor; it counts its writes anew.
pub fn set_array(tensor: &Tensor, array: Array) -> Result<()> {
    check_inside(&array.layout, array.storage.bytes(), array.dtype)?;
    // SAFETY: as in `resize`.
    unsafe {
        tensor.replace_array(array);
        tensor.replace_version(Version::fresh());
    }
    Ok(())
}

/// `tensor.data = other`: the elements of `other` under this tensor, whose history and write counter stay.
pub fn set_data(tensor: &Tensor, other: &Tensor) -> Result<()> {
    ensure!(
        !tensor.requires_grad() || other.dtype().is_differentiable(),
        runtime,
        "data set to a tensor that requires gradients must be floating point or complex dtype"
    );
    // The counter stays with the tensor; the storage's own would be another one.
    let counter = match tensor.version_counter() {
        Version::Storage => {
            let own = Version::fresh();
            if let Version::Own(count) = &own {
                count.store(tensor.version_or_zero(), std::sync::atomic::Ordering::Relaxed);
            }
            own
        }
        kept => kept.clone(),
    };
    let array = other.array().clone();
    // SAFETY: as in `resize`.
    unsafe {
        tensor.replace_version(counter);
        tensor.replace_array(array);
    }
    Ok(())
}

/// `.data`: the same elements as a leaf with a write counter of its own.
pub fn data(tensor: &Tensor) -> Tensor {
    let alias = tensor.detached();
    if !tensor.is_inference() {
        // SAFETY: the alias was made here and nobody else has it.
        unsafe { alias.replace_version(Version::fresh()) };
    }
    alias
}

crate::ops! {
    /// A view of the tensor's storage with the given sizes, strides and offset, all in elements.
    "as_strided(Tensor input, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None)" [FUNCTION | METHOD | NO_OUT]
    fn as_strided(input: &Tensor, size: &[i64], stride: &[i64], storage_offset: Option<i64>) -> Result<Tensor> {
        ensure!(size.len() == stride.len(), runtime, "mismatch in length of strides and shape");
        ensure!(stride.iter().all(|&s| s >= 0), runtime, "as_strided: Negative strides are not supported at the moment, got strides: {stride:?}");
        let offset = storage_offset.unwrap_or(input.offset());
        ensure!(offset >= 0, runtime, "Tensor: invalid storage offset {offset}");
        as_strided_layout(input, &Layout { shape: size.into(), strides: stride.into(), offset })
    }
    /// Gives the tensor another shape, growing its storage if needed; new elements have arbitrary values.
    "resize_(Tensor input, SymInt[] size, *, MemoryFormat? memory_format=None)" [METHOD | FUNCTION | NO_OUT]
    fn resize_(input: &Tensor, size: &[i64], memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        refuse_tracked(input, "cannot resize variables that require grad")?;
        checked_numel(size)?;
        if size != input.shape() {
            resize(input, Layout { shape: size.into(), strides: contiguous_strides(size), offset: input.offset() })?;
            input.bump_version();
        }
        if let Some(format) = memory_format.filter(|format| *format != MemoryFormat::Contiguous) {
            let strides = copy::strides_for(&Layout::contiguous(size), format)?;
            resize(input, Layout { shape: size.into(), strides, offset: input.offset() })?;
        }
        Ok(input.clone())
    }
    /// Gives the tensor another's shape.
    "resize_as_(Tensor input, Tensor the_template, *, MemoryFormat? memory_format=None)" [METHOD | FUNCTION | NO_OUT]
    fn resize_as_(input: &Tensor, the_template: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        resize_(input, the_template.shape(), memory_format)
    }
    /// Makes the tensor empty.
    "_set_(Tensor input)" [METHOD]
    fn set_(input: &Tensor) -> Result<Tensor> {
        set_array(input, Array::empty(&[0], input.dtype(), input.device())?)?;
        Ok(input.clone())
    }
    /// Puts another tensor's storage, sizes and strides under this tensor.
    "_set_(Tensor input, Tensor source)" [METHOD]
    fn set_source(input: &Tensor, source: &Tensor) -> Result<Tensor> {
        refuse_tracked(input, "cannot set_ a tensor that requires grad")?;
        ensure!(input.dtype() == source.dtype(), runtime, "Could not set tensor of type {} to a tensor of type {}", source.dtype().c_name(), input.dtype().c_name());
        set_array(input, source.array().clone())?;
        Ok(input.clone())
    }
    /// Puts a part of another tensor's storage under this tensor.
    "_set_(Tensor input, Tensor source, SymInt storage_offset, SymInt[] size, SymInt[] stride=())" [METHOD]
    fn set_part(input: &Tensor, source: &Tensor, storage_offset: i64, size: &[i64], stride: &[i64]) -> Result<Tensor> {
        refuse_tracked(input, "cannot set_ a tensor that requires grad")?;
        ensure!(input.dtype() == source.dtype(), runtime, "Could not set tensor of type {} to a tensor of type {}", source.dtype().c_name(), input.dtype().c_name());
        ensure!(storage_offset >= 0, runtime, "Tensor: invalid storage offset {storage_offset}");
        let strides = if stride.is_empty() { contiguous_strides(size) } else { stride.into() };
        ensure!(strides.len() == size.len(), runtime, "mismatch in length of strides and shape");
        set_array(input, source.array().relaid(Layout { shape: size.into(), strides, offset: storage_offset }))?;
        Ok(input.clone())
    }
    /// The same elements without history; shares memory and write counter.
    "detach(Tensor input)" [METHOD | FUNCTION | NO_OUT]
    fn detach(input: &Tensor) -> Result<Tensor> { Ok(input.detached()) }
    /// Forgets the tensor's history.
    "detach_(Tensor input)" [METHOD | FUNCTION | NO_OUT]
    fn detach_(input: &Tensor) -> Result<Tensor> {
        input.detach_in_place()?;
        Ok(input.clone())
    }
}

/// The first element as a number; the tensor must have exactly one.
impl Tensor {
    pub fn item(&self) -> Result<Number> {
        ensure!(self.numel() == 1, runtime, "a Tensor with {} elements cannot be converted to Scalar", self.numel());
        ensure!(!self.device().is_meta(), runtime, "Tensor.item() cannot be called on meta tensors");
        Ok(read_element(self.array().data(), self.dtype()))
    }
}

/// Reads one element of live memory.
pub fn read_element(data: *const u8, dtype: DType) -> Number {
    use rustorch_base::dtype::Truth;
    macro_rules! read {
        ($type:ty) => {
            // SAFETY: callers hand the address of a live, aligned element of this dtype.
            unsafe { *data.cast::<$type>() }
        };
    }
    match dtype {
        DType::Bool => Number::Bool(read!(Truth).get()),
        DType::UInt8 => Number::Int(read!(u8).into()),
        DType::Int8 => Number::Int(read!(i8).into()),
        DType::Int16 => Number::Int(read!(i16).into()),
        DType::UInt16 => Number::Int(read!(u16).into()),
        DType::Int32 => Number::Int(read!(i32).into()),
        DType::UInt32 => Number::Int(read!(u32).into()),
        DType::Int64 => Number::Int(read!(i64)),
        DType::UInt64 => Number::Int(read!(u64) as i64),
        DType::Float16 => Number::Float(read!(half::f16).to_f64()),
        DType::BFloat16 => Number::Float(read!(half::bf16).to_f64()),
        DType::Float32 => Number::Float(read!(f32).into()),
        DType::Float64 => Number::Float(read!(f64)),
        DType::Complex64 => {
            let z = read!(num_complex::Complex32);
            Number::Complex(z.re.into(), z.im.into())
        }
        DType::Complex128 => {
            let z = read!(num_complex::Complex64);
            Number::Complex(z.re, z.im)
        }
    }
}

/// An in-place op through a check that its target may be written; for ops that change elements by themselves.
pub fn writing(target: &Tensor, write: impl FnOnce() -> Result<()>) -> Result<()> {
    inplace::check(target)?;
    write()?;
    inplace::written(target, None)
}

/// The same bytes read as another dtype: of equal size anywhere, of another size along the last dimension.
pub fn view_as_dtype(input: &Tensor, dtype: DType) -> Result<Tensor> {
    let (old, new) = (input.dtype().size() as i64, dtype.size() as i64);
    let mut layout = input.layout().clone();
    if old != new {
        ensure!(
            input.ndim() > 0,
            runtime,
            "self.dim() cannot be 0 to view {} as {} (different element sizes)",
            input.dtype().scalar_name(),
            dtype.scalar_name()
        );
        let last = layout.ndim() - 1;
        ensure!(
            layout.strides[last] == 1,
            runtime,
            "self.stride(-1) must be 1 to view {} as {} (different element sizes), but got {}",
            input.dtype().scalar_name(),
            dtype.scalar_name(),
            layout.strides[last]
        );
        rescale(&mut layout, old, new, input.dtype(), dtype)?;
    }
    let mut array = input.array().relaid(layout);
    array.dtype = dtype;
    Ok(view::view_of(input, array, Creation::Ordinary))
}

fn rescale(layout: &mut Layout, old: i64, new: i64, from: DType, to: DType) -> Result<()> {
    let last = layout.ndim() - 1;
    if old > new {
        let ratio = old / new;
        layout.shape[last] *= ratio;
        layout.offset *= ratio;
        layout.strides[..last].iter_mut().for_each(|stride| *stride *= ratio);
        return Ok(());
    }
    let ratio = new / old;
    let (from, to) = (from.scalar_name(), to.scalar_name());
    let size = layout.shape[last];
    ensure!(
        size % ratio == 0,
        runtime,
        "self.size(-1) must be divisible by {ratio} to view {from} as {to} (different element sizes), but got {size}"
    );
    ensure!(
        layout.offset % ratio == 0,
        runtime,
        "self.storage_offset() must be divisible by {ratio} to view {from} as {to} (different element sizes), but got {}",
        layout.offset
    );
    for (d, stride) in layout.strides[..last].iter_mut().enumerate() {
        ensure!(
            *stride % ratio == 0,
            runtime,
            "self.stride({d}) must be divisible by {ratio} to view {from} as {to} (different element sizes), but got {stride}"
        );
        *stride /= ratio;
    }
    layout.shape[last] = size / ratio;
    layout.offset /= ratio;
    Ok(())
}
