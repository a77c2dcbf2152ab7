//! PyTorch's type promotion over the arguments of one call.
use crate::op::TensorOrNumber;
use crate::ops::default;
use crate::tensor::{Tensor, key};
use rustorch_base::{DType, Error, Result};
use rustorch_kernels::Number;

/// Two dtypes of equal standing.
pub fn pair(a: DType, b: DType) -> Result<DType> {
    a.promote(b).ok_or_else(|| {
        Error::runtime(format!(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {} and {}",
            a.scalar_name(),
            b.scalar_name()
        ))
    })
}

/// The dtype a Python number counts as among tensors.
pub fn number_dtype(number: Number) -> DType {
    match number {
        Number::Bool(_) => DType::Bool,
        Number::Int(_) => DType::Int64,
        Number::Float(_) => default::dtype(),
        Number::Complex(..) => default::dtype().to_complex(),
    }
}

/// Collects arguments. Tensors with dimensions decide; 0-d tensors, then numbers, only lift the result to a higher category.
#[derive(Clone, Copy, Default)]
pub struct Promotion {
    dimensioned: Option<DType>,
    zero_dim: Option<DType>,
    number: Option<DType>,
}

impl Promotion {
    #[inline]
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<()> {
        let slot = if tensor.keys() & key::WRAPPED_NUMBER != 0 {
            &mut self.number
        } else if tensor.ndim() > 0 {
            &mut self.dimensioned
        } else {
            &mut self.zero_dim
        };
        *slot = Some(match *slot {
            None => tensor.dtype(),
            Some(held) if held == tensor.dtype() => held,
            Some(held) => pair(held, tensor.dtype())?,
        });
        Ok(())
    }
    #[inline]
    pub fn number(&mut self, number: Number) -> Result<()> {
        let dtype = number_dtype(number);
        self.number = Some(match self.number {
            None => dtype,
            Some(held) => pair(held, dtype)?,
        });
        Ok(())
    }
    #[inline]
    pub fn operand(&mut self, operand: TensorOrNumber<'_>) -> Result<()> {
        match operand {
            TensorOrNumber::Tensor(tensor) => self.tensor(tensor),
            TensorOrNumber::Number(number) => self.number(number),
        }
    }
    /// The dtype in which the op computes.
    #[inline]
    pub fn result(self) -> Result<DType> {
        let combined = match (self.dimensioned, self.zero_dim) {
            (None, None) => None,
            (Some(only), None) | (None, Some(only)) => Some(only),
            (Some(high), Some(low)) => Some(combine(high, low)?),
        };
        match (combined, self.number) {
            (Some(high), Some(low)) => combine(high, low),
            (Some(only), None) | (None, Some(only)) => Ok(only),
            (None, None) => Ok(default::dtype()),
        }
    }
}

/// The lower standing counts only where its category is higher; a float keeps its width when it becomes complex.
fn combine(high: DType, low: DType) -> Result<DType> {
    if low.category() <= high.category() {
        Ok(high)
    } else if high.is_floating_point() {
        Ok(high.to_complex())
    } else {
        pair(high, low)
    }
}

/// The dtype of `tensors` together.
pub fn result_type(tensors: &[&Tensor]) -> Result<DType> {
    let mut promotion = Promotion::default();
    for tensor in tensors {
        promotion.tensor(tensor)?;
    }
    promotion.result()
}
