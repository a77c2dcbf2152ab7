//! New tensors: filled, counted, on a grid; and filling what is there.
use crate::array::Array;
use crate::autograd::{inplace, record, tracks};
use crate::device::Device;
use crate::op::{Number, TensorLayout, TensorOrNumber};
use crate::ops::copy::strides_for;
use crate::ops::{copy, default};
use crate::tensor::Tensor;
use rustorch_base::layout::{MemoryFormat, contiguous_strides};
use rustorch_base::{DType, Dims, Layout, Result, bail, ensure};
use rustorch_kernels::cpu;
use smallvec::smallvec;

/// What the keyword arguments of factories say: `dtype=, layout=, device=, requires_grad=, pin_memory=`.
#[derive(Clone, Copy)]
pub struct Options {
    pub dtype: DType,
    pub device: Device,
    pub requires_grad: bool,
}
impl Options {
    fn new(dtype: Option<DType>, otherwise: DType, device: Option<Device>, requires_grad: bool) -> Result<Options> {
        let device = device.unwrap_or_else(default::device);
        device.require_available()?;
        Ok(Options { dtype: dtype.unwrap_or(otherwise), device, requires_grad })
    }
    /// The new tensor becomes a leaf that asks for gradients, if the user said so.
    pub fn finish(self, tensor: Tensor) -> Result<Tensor> {
        if self.requires_grad {
            ensure!(tensor.dtype().is_differentiable(), runtime, "Only Tensors of floating point and complex dtype can require gradients");
            tensor.set_requires_grad(true)?;
        }
        Ok(tensor)
    }
}

/// Fills an array whose history nobody asks for.
pub fn fill_elements(array: &Array, value: Number) -> Result<()> {
    if array.device().is_meta() {
        return Ok(());
    }
    cpu::fill::fill(array.shape(), array.operand(), value)
}

pub fn full(shape: &[i64], value: Number, dtype: DType, device: Device) -> Result<Tensor> {
    let array = Array::empty(shape, dtype, device)?;
    fill_elements(&array, value)?;
    Ok(Tensor::new(array))
}
pub fn zeros(shape: &[i64], dtype: DType) -> Result<Tensor> {
    full(shape, Number::Int(0), dtype, Device::CPU)
}
/// Of another tensor's shape, dtype, device and dense order.
pub fn full_like_tensor(like: &Tensor, value: Number) -> Result<Tensor> {
    let layout = Layout { shape: like.shape().into(), strides: strides_for(like.layout(), MemoryFormat::Preserve)?, offset: 0 };
    let array = Array::with_layout(layout, like.dtype(), like.device())?;
    fill_elements(&array, value)?;
    Ok(Tensor::new(array))
}
pub fn zeros_like_tensor(like: &Tensor) -> Result<Tensor> {
    full_like_tensor(like, Number::Int(0))
}
pub fn ones_like(like: &Tensor) -> Result<Tensor> {
    full_like_tensor(like, Number::Int(1))
}

/// A 0-d tensor of a number.
pub fn scalar(value: Number, dtype: DType) -> Result<Tensor> {
    full(&[], value, dtype, Device::CPU)
}

/// Writes every element anew; the former history ends here, and its gradient is zero.
pub fn overwrite(target: &Tensor, name: &'static str, write: impl FnOnce(&Array) -> Result<()>) -> Result<()> {
    inplace::check(target)?;
    let recorded = tracks(&[target]);
    let written = if recorded {
        // What is written does not depend on what was there.
        let stand_in = Tensor::build(target.array().clone(), target.version_counter().clone(), 0, None);
        let zeros = |g: &Option<Tensor>| g.as_ref().map(zeros_like_tensor).transpose();
        record(name, &[target], &[&stand_in], [], move |_, g| Ok(smallvec![zeros(&g[0])?]))?;
        stand_in.recorded_edge()
    } else {
        None
    };
    write(target.array())?;
    inplace::written(target, written)
}
pub fn zero_in_place(target: &Tensor) -> Result<()> {
    overwrite(target, "ZeroBackward0", |array| fill_elements(array, Number::Int(0)))
}
pub fn fill_in_place(target: &Tensor, value: Number) -> Result<()> {
    overwrite(target, "FillBackward0", |array| fill_elements(array, value))
}

/// The dtype of a filled tensor that the user left open: bools and integers keep their kind, floats are the default.
fn dtype_of(number: Number) -> DType {
    match number {
        Number::Bool(_) => DType::Bool,
        Number::Int(_) => DType::Int64,
        Number::Float(_) => default::dtype(),
        Number::Complex(..) => default::dtype().to_complex(),
    }
}

fn like_layout(input: &Tensor, format: Option<MemoryFormat>) -> Result<Layout> {
    let strides = strides_for(input.layout(), format.unwrap_or(MemoryFormat::Preserve))?;
    Ok(Layout { shape: input.shape().into(), strides, offset: 0 })
}

/// How many steps `arange` takes, checked as PyTorch checks.
fn steps(start: Number, end: Number, step: Number) -> Result<i64> {
    let real = |n: Number| match n {
        Number::Bool(b) => Ok(f64::from(u8::from(b))),
        Number::Int(i) => Ok(i as f64),
        Number::Float(x) => Ok(x),
        Number::Complex(..) => bail!(runtime, "value cannot be converted to type double without overflow"),
    };
    let (a, b, s) = (real(start)?, real(end)?, real(step)?);
    ensure!(s != 0.0, runtime, "step must be nonzero");
    ensure!(a.is_finite() && b.is_finite(), runtime, "unsupported range: {a} -> {b}");
    ensure!((s > 0.0 && b >= a) || (s < 0.0 && b <= a), runtime, "upper bound and lower bound inconsistent with step sign");
    if let (Number::Int(a), Number::Int(b), Number::Int(s)) = (start, end, step) {
        let (a, b, s) = (i128::from(a), i128::from(b), i128::from(s));
        return Ok(((b - a + s - s.signum()) / s) as i64);
    }
    let count = ((b - a) / s).ceil();
    ensure!(count < 9.2e18, runtime, "invalid size, possible overflow?");
    Ok(count as i64)
}

fn arange_between(
    start: Number,
    end: Number,
    step: Number,
    dtype: Option<DType>,
    device: Option<Device>,
    requires_grad: bool,
) -> Result<Tensor> {
    let float = [start, end, step].iter().any(|n| matches!(n, Number::Float(_)));
    let options = Options::new(dtype, if float { default::dtype() } else { DType::Int64 }, device, requires_grad)?;
    let n = steps(start, end, step)?;
    let array = Array::empty(&[n], options.dtype, options.device)?;
    if !options.device.is_meta() {
        cpu::fill::arange(n, array.operand(), start, step);
    }
    options.finish(Tensor::new(array))
}

fn number_of(value: TensorOrNumber<'_>, name: &str) -> Result<Number> {
    match value {
        TensorOrNumber::Number(number) => Ok(number),
        TensorOrNumber::Tensor(tensor) => {
            ensure!(
                tensor.ndim() == 0,
                runtime,
                "{name} only supports 0-dimension value tensor but got tensor with {} dimensions.",
                tensor.ndim()
            );
            tensor.item()
        }
    }
}

fn spaced(n: i64, options: Options, generate: impl Fn(&Array)) -> Result<Tensor> {
    ensure!(n >= 0, runtime, "number of steps must be non-negative");
    let array = Array::empty(&[n], options.dtype, options.device)?;
    if !options.device.is_meta() {
        generate(&array);
    }
    options.finish(Tensor::new(array))
}

fn real_of(number: Number) -> f64 {
    match number {
        Number::Bool(b) => f64::from(u8::from(b)),
        Number::Int(i) => i as f64,
        Number::Float(x) | Number::Complex(x, _) => x,
    }
}

crate::ops! {
    /// A tensor of the given sizes with arbitrary content.
    "empty(int[] size, *, MemoryFormat? memory_format=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn empty(size: &[i64], memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory); // strided is the only layout; CPU memory needs no pinning here
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        let array = match memory_format {
            None | Some(MemoryFormat::Contiguous) => Array::empty(size, options.dtype, options.device)?,
            Some(format) => {
                let strides = strides_for(&Layout::contiguous(size), format)?;
                Array::with_layout(Layout { shape: size.into(), strides, offset: 0 }, options.dtype, options.device)?
            }
        };
        options.finish(Tensor::new(array))
    }
    /// A tensor of the given sizes and strides with arbitrary content.
    "empty_strided(int[] size, int[] stride, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn empty_strided(size: &[i64], stride: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        ensure!(size.len() == stride.len(), runtime, "mismatch in length of strides and shape");
        ensure!(stride.iter().all(|&s| s >= 0), runtime, "as_strided: Negative strides are not supported at the moment, got strides: {stride:?}");
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        options.finish(Tensor::new(Array::with_layout(Layout { shape: size.into(), strides: stride.into(), offset: 0 }, options.dtype, options.device)?))
    }
    /// A tensor whose dimensions lie in memory in the order `physical_layout`, with arbitrary content.
    "empty_permuted(int[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn empty_permuted(size: &[i64], physical_layout: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let order = rustorch_base::layout::wrap_dims(physical_layout, size.len())?;
        ensure!(order.len() == size.len(), runtime, "Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {} is not equal to len(physical_layout) = {}", size.len(), order.len());
        let permuted: Dims = order.iter().map(|&d| size[d]).collect();
        let mut strides: Dims = size.into();
        for (&d, &stride) in order.iter().zip(&contiguous_strides(&permuted)) { strides[d] = stride }
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        options.finish(Tensor::new(Array::with_layout(Layout { shape: size.into(), strides, offset: 0 }, options.dtype, options.device)?))
    }
    /// A tensor of zeros.
    "zeros(int[] size, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn zeros_(size: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        options.finish(full(size, Number::Int(0), options.dtype, options.device)?)
    }
    /// A tensor of ones.
    "ones(int[] size, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn ones(size: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        options.finish(full(size, Number::Int(1), options.dtype, options.device)?)
    }
    /// A tensor filled with one value, whose type decides the dtype where none is given.
    "full(int[] size, Scalar fill_value, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn full_(size: &[i64], fill_value: Number, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let options = Options::new(dtype, dtype_of(fill_value), device, requires_grad)?;
        options.finish(full(size, fill_value, options.dtype, options.device)?)
    }
    /// A 0-d tensor of a number, of the default dtype where none is given.
    "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn scalar_tensor(s: Number, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        options.finish(full(&[], s, options.dtype, options.device)?)
    }
    /// A tensor like another one, with arbitrary content.
    "empty_like(Tensor input, *, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn empty_like(input: &Tensor, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let options = Options::new(dtype, input.dtype(), device.or(Some(input.device())), requires_grad)?;
        options.finish(Tensor::new(Array::with_layout(like_layout(input, memory_format)?, options.dtype, options.device)?))
    }
    /// A tensor of one value like another one.
    "full_like(Tensor input, Scalar fill_value, *, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn full_like(input: &Tensor, fill_value: Number, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let out = empty_like(input, memory_format, dtype, layout, device, pin_memory, false)?;
        fill_elements(out.array(), fill_value)?;
        if requires_grad { out.set_requires_grad(true)? }
        Ok(out)
    }
    /// Zeros like another tensor.
    "zeros_like(Tensor input, *, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn zeros_like(input: &Tensor, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        full_like(input, Number::Int(0), memory_format, dtype, layout, device, pin_memory, requires_grad)
    }
    /// Ones like another tensor.
    "ones_like(Tensor input, *, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
    fn ones_like_(input: &Tensor, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        full_like(input, Number::Int(1), memory_format, dtype, layout, device, pin_memory, requires_grad)
    }
    /// Integers or floats from 0 up to `end`, `end` left out.
    "arange(Scalar end, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn arange(end: Number, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        arange_between(Number::Int(0), end, Number::Int(1), dtype, device, requires_grad)
    }
    /// From `start` up to `end` in steps of `step`, `end` left out.
    "arange(Scalar start, Scalar end, Scalar step=1, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn arange_from(start: Number, end: Number, step: Number, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        arange_between(start, end, step, dtype, device, requires_grad)
    }
    /// `steps` values from `start` to `end`, both included.
    "linspace(Number|Tensor start, Number|Tensor end, int steps, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn linspace(start: TensorOrNumber<'_>, end: TensorOrNumber<'_>, steps: i64, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let (start, end) = (number_of(start, "linspace")?, number_of(end, "linspace")?);
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        ensure!(!options.dtype.is_complex(), not_implemented, "linspace of complex numbers is not implemented");
        spaced(steps, options, |array| cpu::fill::linspace(steps, array.operand(), real_of(start), real_of(end)))
    }
    /// `steps` powers of `base`, whose exponents go evenly from `start` to `end`.
    "logspace(Number|Tensor start, Number|Tensor end, int steps, float base=10.0, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn logspace(start: TensorOrNumber<'_>, end: TensorOrNumber<'_>, steps: i64, base: f64, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let (start, end) = (number_of(start, "logspace")?, number_of(end, "logspace")?);
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        ensure!(!options.dtype.is_complex(), not_implemented, "logspace of complex numbers is not implemented");
        spaced(steps, options, |array| cpu::fill::logspace(steps, array.operand(), real_of(start), real_of(end), base))
    }
    /// Ones on the diagonal, zeros elsewhere.
    "eye(int n, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn eye(n: i64, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        eye_of(n, n, dtype, layout, device, pin_memory, requires_grad)
    }
    /// Ones on the diagonal of an `n` by `m` matrix, zeros elsewhere.
    "eye(int n, int m, *, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn eye_of(n: i64, m: i64, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        ensure!(n >= 0, runtime, "n must be greater or equal to 0, got {n}");
        ensure!(m >= 0, runtime, "m must be greater or equal to 0, got {m}");
        let options = Options::new(dtype, default::dtype(), device, requires_grad)?;
        let array = Array::empty(&[n, m], options.dtype, options.device)?;
        if !options.device.is_meta() { cpu::fill::eye(n, m, array.operand()) }
        options.finish(Tensor::new(array))
    }
    /// Writes zeros into the tensor.
    "zero_(Tensor input)" [METHOD | FUNCTION | NO_OUT]
    fn zero_(input: &Tensor) -> Result<Tensor> {
        zero_in_place(input)?;
        Ok(input.clone())
    }
    /// Writes one value into the tensor.
    "fill_(Tensor input, Number|Tensor value)" [METHOD | FUNCTION | NO_OUT]
    fn fill_(input: &Tensor, value: TensorOrNumber<'_>) -> Result<Tensor> {
        match value {
            TensorOrNumber::Number(number) => fill_in_place(input, number)?,
            TensorOrNumber::Tensor(tensor) => {
                ensure!(tensor.ndim() == 0, runtime, "fill_ only supports 0-dimension value tensor but got tensor with {} dimensions.", tensor.ndim());
                copy::copy_in_place(input, tensor)?;
            }
        }
        Ok(input.clone())
    }
}
