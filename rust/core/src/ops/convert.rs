//! `Tensor.to` and its short forms: the tensor in another dtype, on another device, in another memory format. Where
//! nothing would change the tensor itself is returned.
use crate::device::Device;
use crate::ops::{copy, reduce};
use crate::tensor::Tensor;
use rustorch_base::layout::{MemoryFormat, broadcast_shapes};
use rustorch_base::{DType, Result, ensure};

/// What a conversion asks for; `None` leaves as it is.
#[derive(Clone, Copy, Default)]
struct Wanted {
    dtype: Option<DType>,
    device: Option<Device>,
    copy: bool,
    format: Option<MemoryFormat>,
}

fn convert(input: &Tensor, wanted: Wanted) -> Result<Tensor> {
    let dtype = wanted.dtype.is_none_or(|dtype| dtype == input.dtype());
    let device = wanted.device.is_none_or(|device| device == input.device());
    let format = match wanted.format {
        None | Some(MemoryFormat::Preserve) => true,
        Some(MemoryFormat::Contiguous) => input.is_contiguous(),
        Some(format) => input.layout().is_channels_last(format),
    };
    if dtype && device && format && !wanted.copy {
        return Ok(input.clone());
    }
    copy::_to_copy(input, wanted.dtype, wanted.device, false, wanted.format)
}

fn to_dtype(input: &Tensor, dtype: DType, format: Option<MemoryFormat>) -> Result<Tensor> {
    convert(input, Wanted { dtype: Some(dtype), format, ..Wanted::default() })
}

crate::ops! {
    /// The tensor itself; refuses bool.
    "positive(Tensor input)" [FUNCTION | METHOD | NO_OUT]
    fn positive(input: &Tensor) -> Result<Tensor> {
        ensure!(input.dtype() != DType::Bool, runtime, "The `+` operator, on a bool tensor is not supported.");
        Ok(input.clone())
    }
    /// The tensor on a device, in a dtype; itself where nothing changes and no copy is asked for.
    "to(Tensor input, Device? device=None, ScalarType? dtype=None, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_device(input: &Tensor, device: Option<Device>, dtype: Option<DType>, non_blocking: bool, copy: bool, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        let _ = non_blocking; // the CPU has one order of events
        convert(input, Wanted { dtype, device, copy, format: memory_format })
    }
    /// The tensor in a dtype; itself where nothing changes and no copy is asked for.
    "to(Tensor input, ScalarType dtype, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_type(input: &Tensor, dtype: DType, non_blocking: bool, copy: bool, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        let _ = non_blocking;
        convert(input, Wanted { dtype: Some(dtype), device: None, copy, format: memory_format })
    }
    /// The tensor in the dtype and on the device of another.
    "to(Tensor input, Tensor tensor, bool non_blocking=False, bool copy=False, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_like(input: &Tensor, tensor: &Tensor, non_blocking: bool, copy: bool, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        let _ = non_blocking;
        convert(input, Wanted { dtype: Some(tensor.dtype()), device: Some(tensor.device()), copy, format: memory_format })
    }
    /// The tensor in the dtype of another.
    "type_as(Tensor input, Tensor other)" [METHOD]
    fn type_as(input: &Tensor, other: &Tensor) -> Result<Tensor> { to_like(input, other, false, false, None) }
    /// The tensor in the memory of the CPU.
    "cpu(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn cpu(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> {
        convert(input, Wanted { device: Some(Device::CPU), format: memory_format, ..Wanted::default() })
    }
    /// As float32.
    "float(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_float32(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Float32, memory_format) }
    /// As float64.
    "double(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_float64(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Float64, memory_format) }
    /// As float16.
    "half(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_float16(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Float16, memory_format) }
    /// As bfloat16.
    "bfloat16(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_bfloat16(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::BFloat16, memory_format) }
    /// As int8.
    "char(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_int8(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Int8, memory_format) }
    /// As uint8.
    "byte(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_uint8(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::UInt8, memory_format) }
    /// As int16.
    "short(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_int16(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Int16, memory_format) }
    /// As int32.
    "int(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_int32(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Int32, memory_format) }
    /// As int64.
    "long(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_int64(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Int64, memory_format) }
    /// As bool: whether each element is not zero.
    "bool(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_bool(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Bool, memory_format) }
    /// As complex64.
    "cfloat(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_complex64(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Complex64, memory_format) }
    /// As complex128.
    "cdouble(Tensor input, *, MemoryFormat? memory_format=None)" [METHOD]
    fn to_complex128(input: &Tensor, memory_format: Option<MemoryFormat>) -> Result<Tensor> { to_dtype(input, DType::Complex128, memory_format) }
    /// Sums over dimensions so that the result has the given size: the opposite of expanding.
    "sum_to_size(Tensor input, SymInt[] size)" [METHOD]
    fn sum_to_size(input: &Tensor, size: &[i64]) -> Result<Tensor> {
        let expands = size.len() <= input.ndim() && broadcast_shapes(size, input.shape()).is_ok_and(|shape| shape[..] == *input.shape());
        ensure!(
            expands,
            runtime,
            "size {{{size:?}}} is not expandable to size {{{:?}}}.",
            input.shape()
        );
        if *size == *input.shape() {
            return Ok(input.clone());
        }
        // Whole numbers are summed as int64, as in any sum.
        let wide = if input.dtype().is_differentiable() { input.clone() } else { copy::cast(input, DType::Int64)? };
        reduce::sum_to(&wide, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn nothing_to_change_gives_the_tensor_itself() {
        let tensor = Tensor::empty(&[2, 3], DType::Float32).expect("memory");
        assert!(to_type(&tensor, DType::Float32, false, false, None).expect("a tensor").is_same(&tensor));
        assert!(!to_type(&tensor, DType::Float32, false, true, None).expect("a copy").is_same(&tensor));
        assert_eq!(to_float64(&tensor, None).expect("a copy").dtype(), DType::Float64);
        assert_eq!(to_float64(&tensor, None).and_then(|wide| type_as(&tensor, &wide)).expect("a copy").dtype(), DType::Float64);
    }
    #[test]
    fn sums_give_the_size_asked_for() {
        let tensor = Tensor::empty(&[2, 3], DType::Float32).expect("memory");
        assert_eq!(sum_to_size(&tensor, &[1, 3]).expect("a sum").shape(), [1, 3]);
        assert!(sum_to_size(&tensor, &[2]).is_err());
    }
}
