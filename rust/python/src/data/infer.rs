//! `torch.tensor(data)`: the shape and the dtype that nested sequences have, and their elements.
use super::element::store;
use super::numpy;
use crate::call::complain::type_name;
use crate::call::scalar::{self, Unread};
use crate::error::{OrRaise, user_warning};
use crate::tensor::object::{is_tensor, tensor_of};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use rustorch_base::DType;
use rustorch_core::op::Number;
use rustorch_core::ops;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device};

/// PyTorch refuses deeper nesting.
const MAX_DEPTH: usize = 128;

/// A contiguous tensor of the data's numbers, of the dtype they have together unless one is given.
pub fn tensor(data: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    if data.is_instance_of::<PyString>() {
        return Err(text_refused());
    }
    let shape = shape_of(data)?;
    let dtype = match dtype {
        Some(dtype) => dtype,
        None => dtype_of(data)?.unwrap_or_else(ops::default::dtype),
    };
    let result = Tensor::new(Array::empty(&shape, dtype, Device::CPU).or_raise()?);
    let next = result.array().data();
    Filler { shape: &shape, dtype, next }.fill(data, 0)?;
    Ok(result)
}
fn text_refused() -> PyErr {
    PyTypeError::new_err("new(): invalid data type 'str'")
}

/// A sequence to descend into. A 0-d tensor and a 0-d array are numbers.
fn is_sequence(data: &Bound<'_, PyAny>) -> bool {
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        return true;
    }
    if is_tensor(data.as_ptr()) {
        // SAFETY: checked just now.
        return unsafe { tensor_of(data.as_ptr()) }.ndim() > 0;
    }
    // SAFETY: a live object.
    let is_number = unsafe { PyLong_Check(data.as_ptr()) != 0 || PyFloat_Check(data.as_ptr()) != 0 };
    if is_number || data.is_instance_of::<PyString>() || data.is_instance_of::<PyDict>() {
        return false;
    }
    // SAFETY: as above.
    (unsafe { PySequence_Check(data.as_ptr()) }) != 0 && data.len().is_ok()
}

/// The lengths along the first entries.
fn shape_of(data: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let mut shape = Vec::new();
    let mut at = data.clone();
    while is_sequence(&at) {
        let length = at.len()?;
        shape.push(length as i64);
        if shape.len() > MAX_DEPTH {
            return Err(PyValueError::new_err(format!("too many dimensions '{}'", type_name(&at.get_type()))));
        }
        if length == 0 {
            break;
        }
        let first = at.get_item(0)?;
        if first.is_instance_of::<PyString>() {
            return Err(PyValueError::new_err("too many dimensions 'str'"));
        }
        if shape.len() == 1 && numpy::is_array(&first) {
            user_warning(
                data.py(),
                "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a single numpy.ndarray with numpy.array() before converting to a tensor.",
            )?;
        }
        at = first;
    }
    Ok(shape)
}

/// The dtype the numbers have together; `None` when there are none.
fn dtype_of(data: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    // SAFETY: live objects; each read is of the type just found.
    unsafe {
        let ty = Py_TYPE(data.as_ptr());
        if ty == &raw mut PyFloat_Type {
            return Ok(Some(ops::default::dtype()));
        }
        if ty == &raw mut PyLong_Type {
            return Ok(Some(DType::Int64));
        }
        if ty == &raw mut PyBool_Type {
            return Ok(Some(DType::Bool));
        }
        if is_tensor(data.as_ptr()) {
            return Ok(Some(tensor_of(data.as_ptr()).dtype()));
        }
    }
    if data.is_instance_of::<PyString>() {
        return Err(text_refused());
    }
    if let Some(dtype) = numpy::dtype_of(data)? {
        return Ok(Some(dtype));
    }
    if is_sequence(data) {
        return joint_dtype(data);
    }
    // SAFETY: a live object.
    match unsafe { scalar::number(data.as_ptr()) } {
        Ok(Number::Complex(..)) => Ok(Some(ops::default::dtype().to_complex())),
        Ok(Number::Float(_)) => Ok(Some(ops::default::dtype())),
        Ok(Number::Int(_)) => Ok(Some(DType::Int64)),
        Ok(Number::Bool(_)) => Ok(Some(DType::Bool)),
        Err(Unread::Raised) => Err(overflow(data.py())),
        Err(Unread::Type) => Err(PyRuntimeError::new_err(format!("Could not infer dtype of {}", type_name(&data.get_type())))),
    }
}
fn joint_dtype(data: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    let mut joint: Option<DType> = None;
    for item in data.try_iter()? {
        let Some(dtype) = dtype_of(&item?)? else { continue };
        joint = Some(match joint {
            Some(joint) => ops::promote::pair(joint, dtype).or_raise()?,
            None => dtype,
        });
    }
    Ok(joint)
}
/// Of an int of more than 64 bits, in place of the exception that is set.
fn overflow(py: Python<'_>) -> PyErr {
    PyErr::take(py);
    PyValueError::new_err("Overflow when unpacking long long")
}

/// Writes elements one after the other.
struct Filler<'a> {
    shape: &'a [i64],
    dtype: DType,
    next: *mut u8,
}
impl Filler<'_> {
    fn fill(&mut self, data: &Bound<'_, PyAny>, dim: usize) -> PyResult<()> {
        let Some(&size) = self.shape.get(dim) else { return self.put(data) };
        let length = data.len().map_err(|_| PyTypeError::new_err("not a sequence"))?;
        if length as i64 != size {
            return Err(PyValueError::new_err(format!("expected sequence of length {size} at dim {dim} (got {length})")));
        }
        let mut count = 0;
        for item in data.try_iter()? {
            count += 1;
            if count > size {
                break; // it grew meanwhile
            }
            self.fill(&item?, dim + 1)?;
        }
        if count == size {
            Ok(())
        } else {
            Err(PyValueError::new_err(format!("expected sequence of length {size} at dim {dim} (got {count})")))
        }
    }
    fn put(&mut self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        // SAFETY: a live object.
        let number = match unsafe { scalar::number(data.as_ptr()) } {
            Ok(number) => number,
            Err(Unread::Raised) => self.wide(data)?,
            Err(Unread::Type) => self.other(data)?,
        };
        // SAFETY: `fill` holds every sequence to its length, so there are as many elements as places.
        unsafe { store(self.next, self.dtype, number)? };
        self.next = self.next.wrapping_add(self.dtype.size());
        Ok(())
    }
    /// An int beyond 64 bits: right for an unsigned dtype up to 2**64, and for floats.
    fn wide(&self, data: &Bound<'_, PyAny>) -> PyResult<Number> {
        let refusal = overflow(data.py());
        if self.dtype == DType::UInt64
            && let Ok(bits) = data.extract::<u64>()
        {
            return Ok(Number::Int(bits as i64));
        }
        if self.dtype.is_differentiable() { Ok(Number::Float(data.extract()?)) } else { Err(refusal) }
    }
    /// A tensor of one element, or the error for what is no number.
    fn other(&self, data: &Bound<'_, PyAny>) -> PyResult<Number> {
        if is_tensor(data.as_ptr()) {
            // SAFETY: checked just now.
            return unsafe { tensor_of(data.as_ptr()) }.item().or_raise();
        }
        if numpy::is_array(data) {
            return numpy::to_tensor(data, false)?.item().or_raise();
        }
        let found = data.get_type().name()?;
        Err(PyTypeError::new_err(if self.dtype.is_differentiable() {
            format!("must be real number, not {found}")
        } else {
            format!("'{found}' object cannot be interpreted as an integer")
        }))
    }
}
