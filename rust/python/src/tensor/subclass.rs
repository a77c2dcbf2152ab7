//! Making tensors of other classes.
use super::object::{alloc, class, tensor_of};
use super::reference::{Handle, TensorRef};
use crate::call::bind::Arguments;
use crate::call::complain::type_name;
use crate::cold_method;
use crate::data;
use crate::error::{OrRaise, slot};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use rustorch_base::DType;
use rustorch_core::ops;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Device};

/// A wrapper of a class for a tensor that has none.
pub fn instance<'py>(class_object: &Bound<'py, PyType>, tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a live type.
    if unsafe { PyType_IsSubtype(class_object.as_type_ptr(), class()) } == 0 {
        return Err(PyTypeError::new_err(format!("{} must be a subclass of Tensor", class_object.name()?)));
    }
    // SAFETY: the lock is held; the class was checked.
    unsafe { Bound::from_owned_ptr_or_err(class_object.py(), alloc(class_object.as_type_ptr(), tensor)) }
}

/// `Tensor._make_subclass(cls, data, require_grad=False)`: the elements of `data`, as a leaf of class `cls`.
fn make_subclass<'py>(_: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [class_object, data, require_grad] = arguments.bind("_make_subclass", ["cls", "data", "require_grad"], 3, 2)?;
    let (Some(class_object), Some(data)) = (class_object, data) else {
        return Err(PyTypeError::new_err("_make_subclass() needs cls and data"));
    };
    let class_object = class_object
        .cast_into::<PyType>()
        .map_err(|other| PyTypeError::new_err(format!("cls must be a type (got {})", type_name(&other.into_inner().get_type()))))?;
    let source = data.extract::<Handle>()?.0;
    let leaf = source.detached();
    if require_grad.map_or(Ok(false), |flag| flag.is_truthy())? {
        leaf.set_requires_grad(true).or_raise()?;
    }
    instance(&class_object, leaf)
}

/// `t.as_subclass(cls)`: the same tensor, history included, of class `cls`.
fn as_subclass<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [class_object] = arguments.bind("as_subclass", ["cls"], 1, 1)?;
    let class_object = class_object.map(Bound::cast_into::<PyType>).transpose();
    let Ok(Some(class_object)) = class_object else { return Err(PyTypeError::new_err("as_subclass() needs a type")) };
    let alias = ops::shape::alias::call(&*slf.extract::<TensorRef<'_, '_>>()?).or_raise()?;
    instance(&class_object, alias)
}

/// `Tensor(2, 3)`, `Tensor([1.0, 2.0])`, `Tensor(t)`: a tensor of the default dtype.
pub unsafe extern "C" fn tp_new(ty: *mut PyTypeObject, args: *mut PyObject, kwargs: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let (class_object, arguments) =
            unsafe { (Bound::from_borrowed_ptr(py, ty.cast()).cast_into_unchecked::<PyType>(), Arguments::new(py, args, kwargs)) };
        if let Some(kwargs) = &arguments.kwargs {
            check_keywords(kwargs)?;
        }
        let tensor = legacy(&arguments.args, ops::default::dtype())?;
        Ok(instance(&class_object, tensor)?.into_ptr())
    })
}
fn check_keywords(kwargs: &Bound<'_, PyDict>) -> PyResult<()> {
    for (name, value) in kwargs.iter() {
        let name: String = name.extract()?;
        if name != "device" {
            return Err(PyTypeError::new_err(format!(
                "new() received an invalid combination of arguments - got ({name}={})",
                type_name(&value.get_type())
            )));
        }
    }
    Ok(())
}

/// The old constructors: sizes, a sequence of data, or another tensor.
pub fn legacy(args: &Bound<'_, PyTuple>, dtype: DType) -> PyResult<Tensor> {
    let empty = |shape: &[i64]| Array::empty(shape, dtype, Device::CPU).map(Tensor::new).or_raise();
    let Ok(first) = args.get_item(0) else { return empty(&[0]) };
    if args.len() == 1 {
        if super::object::is_tensor(first.as_ptr()) {
            // SAFETY: checked just now.
            let source = unsafe { tensor_of(first.as_ptr()) };
            if source.dtype() != dtype {
                let name = |dtype: DType| format!("torch.{}Tensor", dtype.scalar_name());
                return Err(PyTypeError::new_err(format!("expected {} (got {})", name(dtype), name(source.dtype()))));
            }
            return Ok(source.detached());
        }
        if first.is_instance_of::<pyo3::types::PyString>() {
            return Err(PyTypeError::new_err("new(): invalid data type 'str'"));
        }
        let is_size = first.get_type().name()? == "Size";
        if !first.is_instance_of::<pyo3::types::PyInt>() && !is_size {
            if first.len().is_err() {
                return Err(PyTypeError::new_err(format!("new(): data must be a sequence (got {})", type_name(&first.get_type()))));
            }
            return data::infer::tensor(&first, Some(dtype));
        }
        if is_size {
            return empty(&first.extract::<Vec<i64>>()?);
        }
    }
    let shape: Vec<i64> = args.extract().map_err(|_| {
        let got: Vec<String> = args.iter().map(|arg| type_name(&arg.get_type())).collect();
        PyTypeError::new_err(format!("new() received an invalid combination of arguments - got ({})", got.join(", ")))
    })?;
    empty(&shape)
}

/// `t.new(...)`: the old constructor, of the tensor's own dtype.
fn new<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let dtype = unsafe { tensor_of(slf.as_ptr()) }.dtype();
    super::reference::to_python(slf.py(), legacy(&arguments.args, dtype)?)
}

pub fn table() -> Vec<PyMethodDef> {
    vec![
        cold_method!(c"_make_subclass", make_subclass, c"The elements of a tensor, as a leaf of another class.", METH_STATIC),
        cold_method!(c"as_subclass", as_subclass, c"as_subclass($self, cls)\n--\n\nThe same tensor, of a subclass of Tensor."),
        cold_method!(c"new", new, c"The old constructor, of this tensor's dtype."),
    ]
}
