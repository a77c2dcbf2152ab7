//! New tensors of random numbers, drawn in PyTorch's order from a generator: the same seed gives the same numbers.
//! The methods that fill a tensor are in [`in_place`], dropout in [`dropout`]; [`draw`] brings draws into memory.
pub mod choice;
pub mod draw;
pub mod dropout;
pub mod in_place;
pub mod range;

use crate::array::Array;
use crate::autograd::{inplace, record, tracks};
use crate::device::Device;
use crate::mode;
use crate::op::{Def, TensorLayout};
use crate::ops::{create, default, strided};
use crate::random::Generator;
use crate::tensor::Tensor;
use rustorch_base::layout::{MemoryFormat, show};
use rustorch_base::{DType, Layout, Result, bail, ensure};
use smallvec::smallvec;

/// Declares ops that write into `out=` themselves, because its dtype decides what is drawn. The function's first
/// argument is that tensor, if the call names one; all else is as in [`ops!`](crate::ops).
macro_rules! drawing_ops {
    ($( $(#[doc = $doc:literal])* $schema:literal [$($flag:ident)|+] fn $name:ident($out:ident: Option<&Tensor>, $($arg:ident: $type:ty),* $(,)?) $body:block )*) => {
        $(
            $(#[doc = $doc])*
            #[allow(clippy::too_many_arguments, reason = "PyTorch's signature")]
            pub fn $name($out: Option<&Tensor>, $($arg: $type),*) -> Result<Tensor> $body
            #[allow(unused, reason = "each op uses a part")]
            pub mod $name {
                use super::*;
                pub static DEF: $crate::op::Def = $crate::op::Def {
                    schema: $schema,
                    doc: concat!($($doc, "\n"),*),
                    forms: $($crate::op::$flag)|+ | $crate::op::WRITES_OUT,
                    run: |_, args| {
                        let mut feed = $crate::op::Feed::new(args.values);
                        Ok($crate::op::Ret::Tensor(super::$name(args.out.first().copied(), $({ let $arg = feed.next(); $arg }),*)?))
                    },
                    typed: &[$((stringify!($arg), <$type as $crate::op::FromValue>::accepts)),*],
                    row: None,
                };
            }
        )*
        /// The rows of this family.
        pub static OPS: &[&$crate::op::Def] = &[$(&$name::DEF),*];
    };
}
use drawing_ops;

/// Every row of the family; those that take tensors before those that take numbers, as PyTorch tries them.
pub fn table() -> impl Iterator<Item = &'static Def> {
    [choice::OPS, OPS, like::OPS, in_place::TENSOR_OPS, in_place::OPS, dropout::OPS].into_iter().flatten().copied()
}

/// Where a factory's draws go: a new tensor, or `out=`.
struct Destination {
    tensor: Tensor,
    requires_grad: bool,
}

impl Destination {
    fn new(
        name: &str,
        out: Option<&Tensor>,
        size: &[i64],
        dtype: Option<DType>,
        otherwise: DType,
        device: Option<Device>,
        requires_grad: bool,
    ) -> Result<Destination> {
        if let Some(&negative) = size.iter().find(|&&n| n < 0) {
            bail!(runtime, "Trying to create tensor with negative dimension {negative}: {}", show(size))
        }
        if let Some(out) = out {
            return Ok(Destination { tensor: checked_out(name, out, size, dtype)?, requires_grad });
        }
        let device = device.unwrap_or_else(default::device);
        device.require_available()?;
        let dtype = dtype.unwrap_or(otherwise);
        ensure!(
            !requires_grad || dtype.is_differentiable(),
            runtime,
            "Only Tensors of floating point and complex dtype can require gradients"
        );
        Ok(Destination { tensor: Tensor::new(Array::empty(size, dtype, device)?), requires_grad })
    }

    /// Draws, and hands the tensor over.
    fn filled(self, draw: impl FnOnce(&Array) -> Result<()>) -> Result<Tensor> {
        draw(self.tensor.array())?;
        self.tensor.bump_version();
        if self.requires_grad {
            self.tensor.set_requires_grad(true)?;
        }
        Ok(self.tensor)
    }
}

/// `out=` in the shape of the result. Refused where the call would have to be recorded, or asks for another dtype.
fn checked_out(name: &str, out: &Tensor, size: &[i64], dtype: Option<DType>) -> Result<Tensor> {
    ensure!(
        !(mode::is_grad_enabled() && out.requires_grad()),
        runtime,
        "{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
    );
    if let Some(dtype) = dtype {
        let (asked, has) = (dtype.scalar_name(), out.dtype().scalar_name());
        ensure!(dtype == out.dtype(), runtime, "dtype {asked} does not match dtype of out parameter ({has})");
    }
    if out.shape() != size {
        strided::resize_output(out, size)?;
    }
    inplace::check_memory(out)?;
    Ok(out.clone())
}

/// Records a result that no gradient passes through: those of its inputs are zeros.
fn record_constant(name: &'static str, inputs: &[&Tensor], out: &Tensor) -> Result<()> {
    if !tracks(inputs) {
        return Ok(());
    }
    let shapes: Vec<(Layout, DType)> = inputs.iter().map(|t| (Layout::contiguous(t.shape()), t.dtype())).collect();
    record(name, inputs, &[out], [], move |_, g| {
        if g[0].is_none() {
            return Ok(smallvec![None; shapes.len()]);
        }
        shapes.iter().map(|(layout, dtype)| Ok(Some(create::zeros(&layout.shape, *dtype)?))).collect()
    })
}

drawing_ops! {
    /// Uniform numbers in [0, 1).
    "rand(int[] size, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn rand(out: Option<&Tensor>, size: &[i64], generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        let _ = (layout, pin_memory);
        Destination::new("rand", out, size, dtype, default::dtype(), device, requires_grad)?.filled(|array| draw::uniform(array, 0.0, 1.0, generator))
    }
    /// Numbers from the standard normal distribution.
    "randn(int[] size, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn randn(out: Option<&Tensor>, size: &[i64], generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        let _ = (layout, pin_memory);
        Destination::new("randn", out, size, dtype, default::dtype(), device, requires_grad)?.filled(|array| draw::normal(array, 0.0, 1.0, generator))
    }
    /// Integers from 0 up to `high`, `high` left out.
    "randint(int high, int[!] size, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn randint(out: Option<&Tensor>, high: i64, size: &[i64], generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        randint_between(out, 0, high, size, generator, dtype, layout, device, pin_memory, requires_grad)
    }
    /// Integers from `low` up to `high`, `high` left out.
    "randint(int low, int high, int[!] size, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn randint_between(out: Option<&Tensor>, low: i64, high: i64, size: &[i64], generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        let _ = (layout, pin_memory);
        Destination::new("randint", out, size, dtype, DType::Int64, device, requires_grad)?.filled(|array| range::from_to(array, low, Some(high), generator))
    }
    /// The integers from 0 up to `n` in random order, `n` left out.
    "randperm(int n, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn randperm(out: Option<&Tensor>, n: i64, generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        let _ = (layout, pin_memory);
        if n >= 0 {
            choice::check_permutation(n, out.map_or(dtype.unwrap_or(DType::Int64), Tensor::dtype))?;
        }
        Destination::new("randperm", out, &[n], dtype, DType::Int64, device, requires_grad)?.filled(|array| choice::permute(array, generator))
    }
    /// Numbers from the normal distribution of this mean and standard deviation.
    "normal(float mean, float std, int[!] size, *, Generator? generator=None, Tensor? out=None, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION]
    fn normal_of_size(out: Option<&Tensor>, mean: f64, std: f64, size: &[i64], generator: Option<&Generator>, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) {
        let _ = (layout, pin_memory);
        Destination::new("normal", out, size, dtype, default::dtype(), device, requires_grad)?.filled(|array| draw::normal(array, mean, std, generator))
    }
}

/// `rand_like` and its relatives: of another tensor's shape, dtype and layout in memory.
mod like {
    use super::*;

    fn blank(
        input: &Tensor,
        memory_format: Option<MemoryFormat>,
        dtype: Option<DType>,
        layout: Option<TensorLayout>,
        device: Option<Device>,
    ) -> Result<Tensor> {
        create::empty_like(input, memory_format, dtype, layout, device, false, false)
    }
    fn filled(tensor: Tensor, requires_grad: bool, draw: impl FnOnce(&Array) -> Result<()>) -> Result<Tensor> {
        Destination { tensor, requires_grad }.filled(draw)
    }

    crate::ops! {
        /// Uniform numbers in [0, 1), in a tensor like another one.
        "rand_like(Tensor input, *, Generator? generator=None, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
        fn rand_like(input: &Tensor, generator: Option<&Generator>, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
            let _ = pin_memory;
            filled(blank(input, memory_format, dtype, layout, device)?, requires_grad, |array| draw::uniform(array, 0.0, 1.0, generator))
        }
        /// Numbers from the standard normal distribution, in a tensor like another one.
        "randn_like(Tensor input, *, Generator? generator=None, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
        fn randn_like(input: &Tensor, generator: Option<&Generator>, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
            let _ = pin_memory;
            filled(blank(input, memory_format, dtype, layout, device)?, requires_grad, |array| draw::normal(array, 0.0, 1.0, generator))
        }
        /// Integers from 0 up to `high`, `high` left out, in a tensor like another one.
        "randint_like(Tensor input, int high, *, Generator? generator=None, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
        fn randint_like(input: &Tensor, high: i64, generator: Option<&Generator>, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
            randint_like_between(input, 0, high, generator, memory_format, dtype, layout, device, pin_memory, requires_grad)
        }
        /// Integers from `low` up to `high`, `high` left out, in a tensor like another one.
        "randint_like(Tensor input, int low, int high, *, Generator? generator=None, MemoryFormat? memory_format=None, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [FUNCTION | NO_OUT]
        fn randint_like_between(input: &Tensor, low: i64, high: i64, generator: Option<&Generator>, memory_format: Option<MemoryFormat>, dtype: Option<DType>, layout: Option<TensorLayout>, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
            let _ = pin_memory;
            filled(blank(input, memory_format, dtype, layout, device)?, requires_grad, |array| range::from_to(array, low, Some(high), generator))
        }
    }
}
