//! Copies and casts: `clone`, `contiguous`, `copy_`, and the dtype conversions behind `Tensor.to`.
use crate::array::Array;
use crate::autograd::{inplace, record, tracks};
use crate::device::Device;
use crate::mode;
use crate::op::Ret;
use crate::ops;
use crate::tensor::Tensor;
use rustorch_base::layout::{MemoryFormat, broadcast_strides, channels_last_strides, contiguous_strides, dense_strides_like};
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu;
use smallvec::smallvec;

/// `to = from`, converted and broadcast. Neither history nor version is touched. The memories do not overlap, or are one.
#[inline]
pub fn copy_elements(to: &Array, from: &Array) -> Result<()> {
    if to.device().is_meta() || from.device().is_meta() {
        return Ok(());
    }
    if from.shape() == to.shape() {
        cpu::copy::copy(to.shape(), to.operand(), from.operand());
    } else {
        let strides = broadcast_strides(&from.layout, to.shape());
        cpu::copy::copy(to.shape(), to.operand(), from.operand_with(&strides));
    }
    Ok(())
}

/// The strides of a fresh tensor in a memory format.
pub fn strides_for(source: &Layout, format: MemoryFormat) -> Result<Dims> {
    Ok(match format {
        MemoryFormat::Contiguous => contiguous_strides(&source.shape),
        MemoryFormat::Preserve => dense_strides_like(source),
        MemoryFormat::ChannelsLast => {
            ensure!(source.ndim() == 4, runtime, "required rank 4 tensor to use channels_last format");
            channels_last_strides(&source.shape)
        }
        MemoryFormat::ChannelsLast3d => {
            ensure!(source.ndim() == 5, runtime, "required rank 5 tensor to use channels_last_3d format");
            channels_last_strides(&source.shape)
        }
    })
}

/// Fresh elements of another dtype, device or layout; no history.
fn converted(source: &Array, dtype: DType, device: Device, strides: Dims) -> Result<Tensor> {
    device.require_available()?;
    ensure!(!source.device().is_meta() || device.is_meta(), not_implemented, "Cannot copy out of meta tensor; no data!");
    let layout = Layout { shape: source.layout.shape.clone(), strides, offset: 0 };
    let fresh = Array::with_layout(layout, dtype, device)?;
    copy_elements(&fresh, source)?;
    Ok(Tensor::new(fresh))
}

/// A copy with history; the gradient passes through.
fn copied(input: &Tensor, name: &'static str, dtype: DType, device: Device, strides: Dims) -> Result<Tensor> {
    let out = converted(input.array(), dtype, device, strides)?;
    if tracks(&[input]) {
        let from = (input.dtype(), input.device());
        record(name, &[input], &[&out], [], move |_, g| {
            let Some(g) = &g[0] else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(to(g, from.0, from.1)?)])
        })?;
    }
    Ok(out)
}

/// Another dtype or device; the tensor itself where nothing changes.
pub fn to(input: &Tensor, dtype: DType, device: Device) -> Result<Tensor> {
    if input.dtype() == dtype && input.device() == device {
        return Ok(input.clone());
    }
    copied(input, "ToCopyBackward0", dtype, device, dense_strides_like(input.layout()))
}
/// Another dtype; the tensor itself where nothing changes.
pub fn cast(input: &Tensor, dtype: DType) -> Result<Tensor> {
    to(input, dtype, input.device())
}
/// A copy in the input's own dense order, with history.
pub fn clone(input: &Tensor) -> Result<Tensor> {
    copied(input, "CloneBackward0", input.dtype(), input.device(), dense_strides_like(input.layout()))
}
/// A copy laid out and typed as another tensor of the same shape (a leaf's gradient follows its leaf).
pub fn clone_as_layout(input: &Tensor, like: &Tensor) -> Result<Tensor> {
    let strides =
        if like.shape() == input.shape() && like.layout().is_dense() { like.strides().into() } else { contiguous_strides(input.shape()) };
    copied(input, "CloneBackward0", like.dtype(), input.device(), strides)
}
/// Row-major memory: the tensor itself if it is, else a copy.
pub fn contiguous(input: &Tensor) -> Result<Tensor> {
    contiguous_in(input, MemoryFormat::Contiguous)
}
fn contiguous_in(input: &Tensor, format: MemoryFormat) -> Result<Tensor> {
    let is = match format {
        MemoryFormat::Contiguous => input.is_contiguous(),
        MemoryFormat::Preserve => bail!(runtime, "preserve memory format is unsupported by the contiguous operator"),
        other => input.layout().is_channels_last(other),
    };
    if is {
        return Ok(input.clone());
    }
    copied(input, "CloneBackward0", input.dtype(), input.device(), strides_for(input.layout(), format)?)
}

/// `target.copy_(source)`.
pub fn copy_in_place(target: &Tensor, source: &Tensor) -> Result<()> {
    inplace::check(target)?;
    let shape = rustorch_base::layout::broadcast_shapes(target.shape(), source.shape())?;
    if shape[..] != *target.shape() {
        bail!(
            runtime,
            "The expanded size of the tensor ({}) must match the existing size ({}) at non-singleton dimension {}.  Target sizes: {:?}.  Tensor sizes: {:?}",
            target.shape().last().copied().unwrap_or(1),
            source.shape().last().copied().unwrap_or(1),
            target.ndim().saturating_sub(1),
            target.shape(),
            source.shape()
        )
    }
    let tracked = tracks(&[target, source]) && target.dtype().is_differentiable();
    let edges = if tracked { Some(crate::autograd::record::edges_of(&[target, source])?) } else { None };
    if source.array().storage.same(&target.array().storage) && !source.is_same(target) {
        // The two may overlap: through a copy.
        let _off = mode::Guard::no_grad();
        copy_elements(target.array(), clone(source)?.array())?;
    } else {
        copy_elements(target.array(), source.array())?;
    }
    let Some(edges) = edges else { return inplace::written(target, None) };
    let (shape, dtype, device): (Dims, _, _) = (source.shape().into(), source.dtype(), source.device());
    let formula = move |context: &crate::autograd::Context, g: &[Option<Tensor>]| {
        let Some(g) = &g[0] else { return Ok(smallvec![None, None]) };
        let mut gradients: crate::autograd::Grads = smallvec![None, None];
        if context.needs(0) {
            gradients[0] = Some(ops::create::zeros_like_tensor(g)?);
        }
        if context.needs(1) {
            gradients[1] = Some(to(&ops::reduce::sum_to(g, &shape)?, dtype, device)?);
        }
        Ok(gradients)
    };
    let rule = crate::autograd::node::Formula { name: "CopyBackwards", formula };
    let node = crate::autograd::node::NodeOf::new(rule, edges, smallvec![]);
    inplace::written(target, Some(crate::autograd::Edge { node, slot: 0 }))
}

crate::ops! {
    /// A copy of the elements, with history.
    "clone(Tensor input, *, MemoryFormat? memory_format=None)" [FUNCTION | METHOD | NO_OUT]
    fn clone_(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        match memory_format {
            None | Some(MemoryFormat::Preserve) => clone(input),
            Some(format) => copied(input, "CloneBackward0", input.dtype(), input.device(), strides_for(input.layout(), format)?),
        }
    }
    /// The tensor itself if its memory is in the given format, else a copy that is.
    "contiguous(Tensor input, *, MemoryFormat memory_format=torch.contiguous_format)" [METHOD]
    fn contiguous_(input: &Tensor, memory_format: MemoryFormat) -> Result<Tensor> { contiguous_in(input, memory_format) }
    /// Copies the elements of `src`, broadcast and converted, into this tensor and returns it.
    "copy_(Tensor input, Tensor src, bool non_blocking=False)" [METHOD]
    fn copy_(input: &Tensor, src: &Tensor, non_blocking: bool) -> Result<Tensor> {
        let _ = non_blocking; // the CPU has one order of events
        copy_in_place(input, src)?;
        Ok(input.clone())
    }
    /// Another dtype, device or memory format; always a copy.
    "_to_copy(Tensor input, *, ScalarType? dtype=None, Device? device=None, bool non_blocking=False, MemoryFormat? memory_format=None)" [FUNCTION | NO_OUT]
    fn _to_copy(input: &Tensor, dtype: Option<DType>, device: Option<Device>, non_blocking: bool, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        let _ = non_blocking;
        let strides = strides_for(input.layout(), memory_format.unwrap_or(MemoryFormat::Preserve))?;
        copied(input, "ToCopyBackward0", dtype.unwrap_or(input.dtype()), device.unwrap_or(input.device()), strides)
    }
}

/// A fresh handle on what an op returned, where the op returns one tensor.
pub fn single(ret: Ret) -> Result<Tensor> {
    match ret {
        Ret::Tensor(tensor) => Ok(tensor),
        _ => bail!(runtime, "the op returned no single tensor"),
    }
}
