//! Factories as methods: `t.new_zeros(size)` makes a tensor of t's dtype on t's device, unless told otherwise.
use crate::array::Array;
use crate::device::Device;
use crate::op::{Number, TensorLayout};
use crate::ops::create::fill_elements;
use crate::tensor::Tensor;
use rustorch_base::{DType, Layout, Result, ensure};

/// A tensor of arbitrary content.
fn of(like: &Tensor, layout: Layout, dtype: Option<DType>, device: Option<Device>) -> Result<Tensor> {
    let device = device.unwrap_or(like.device());
    device.require_available()?;
    Ok(Tensor::new(Array::with_layout(layout, dtype.unwrap_or(like.dtype()), device)?))
}
fn filled(like: &Tensor, size: &[i64], value: Number, dtype: Option<DType>, device: Option<Device>, requires_grad: bool) -> Result<Tensor> {
    let fresh = of(like, Layout::contiguous(size), dtype, device)?;
    fill_elements(fresh.array(), value)?;
    fresh.set_requires_grad(requires_grad)?;
    Ok(fresh)
}

crate::ops! {
    /// A tensor of arbitrary content, of this one's dtype and device.
    "new_empty(Tensor input, SymInt[] size, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [METHOD]
    fn new_empty(input: &Tensor, size: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        let fresh = of(input, Layout::contiguous(size), dtype, device)?;
        fresh.set_requires_grad(requires_grad)?;
        Ok(fresh)
    }
    /// A tensor of arbitrary content with the given strides, of this one's dtype and device.
    "new_empty_strided(Tensor input, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [METHOD]
    fn new_empty_strided(input: &Tensor, size: &[i64], stride: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        ensure!(size.len() == stride.len(), runtime, "dimensionality of sizes ({}) must match dimensionality of strides ({})", size.len(), stride.len());
        ensure!(size.iter().chain(stride).all(|&n| n >= 0), runtime, "sizes and strides must not be negative: {size:?}, {stride:?}");
        let fresh = of(input, Layout { shape: size.into(), strides: stride.into(), offset: 0 }, dtype, device)?;
        fresh.set_requires_grad(requires_grad)?;
        Ok(fresh)
    }
    /// A tensor of one value, of this one's dtype and device.
    "new_full(Tensor input, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [METHOD]
    fn new_full(input: &Tensor, size: &[i64], fill_value: Number, dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        filled(input, size, fill_value, dtype, device, requires_grad)
    }
    /// A tensor of zeros, of this one's dtype and device.
    "new_zeros(Tensor input, SymInt[] size, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [METHOD]
    fn new_zeros(input: &Tensor, size: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        filled(input, size, Number::Int(0), dtype, device, requires_grad)
    }
    /// A tensor of ones, of this one's dtype and device.
    "new_ones(Tensor input, SymInt[] size, *, ScalarType? dtype=None, Layout layout=torch.strided, Device? device=None, bool pin_memory=False, bool requires_grad=False)" [METHOD]
    fn new_ones(input: &Tensor, size: &[i64], dtype: Option<DType>, layout: TensorLayout, device: Option<Device>, pin_memory: bool, requires_grad: bool) -> Result<Tensor> {
        let _ = (layout, pin_memory);
        filled(input, size, Number::Int(1), dtype, device, requires_grad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_base::layout::contiguous_strides;
    #[test]
    fn a_new_tensor_is_of_the_old_ones_dtype_unless_told() {
        let old = Tensor::empty(&[2], DType::Int32).unwrap();
        let ones = new_ones(&old, &[3, 1], None, TensorLayout::Strided, None, false, false).unwrap();
        assert_eq!((ones.dtype(), ones.shape(), ones.strides()), (DType::Int32, &[3, 1][..], &contiguous_strides(&[3, 1])[..]));
        let zeros = new_zeros(&old, &[1], Some(DType::Float64), TensorLayout::Strided, None, false, true).unwrap();
        assert!(zeros.requires_grad() && zeros.item().ok() == Some(Number::Float(0.0)));
        assert!(new_empty_strided(&old, &[2], &[1, 1], None, TensorLayout::Strided, None, false, false).is_err());
    }
}
