//! Methods of Tensor that are not ops of the table.
use super::attributes::shape_of;
use super::object::tensor_of;
use super::{container, convert, gradient, pickle, subclass};
use crate::call::bind::Arguments;
use crate::call::complain::type_word;
use crate::call::scalar::{self, Unread};
use crate::cold_method;
use crate::data;
use crate::error::{OrRaise, slot};
use crate::objects::{dtype, layout};
use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use rustorch_base::DType;
use rustorch_base::layout::{MemoryFormat, wrap_dim};
use rustorch_core::tensor::Tensor;
use std::ptr::null_mut;

fn tensor<'a>(slf: &'a Bound<'_, PyAny>) -> &'a Tensor {
    // SAFETY: a method's `self`.
    unsafe { tensor_of(slf.as_ptr()) }
}

/// The `dim` argument of `size` and `stride`, which are parsed by hand: they are called all the time.
///
/// # Safety
/// A vector call's.
unsafe fn dim_argument(name: &str, args: *const *mut PyObject, count: isize, names: *mut PyObject) -> Result<*mut PyObject, PyErr> {
    // SAFETY: promised by the caller.
    unsafe {
        let keywords = if names.is_null() { 0 } else { PyTuple_Size(names) };
        let py = Python::assume_attached();
        match (count, keywords) {
            (0, 0) => Ok(null_mut()),
            (1, 0) => Ok(*args),
            (0, 1) => {
                let keyword = Bound::from_borrowed_ptr(py, PyTuple_GetItem(names, 0)).to_string();
                if keyword == "dim" {
                    Ok(*args)
                } else {
                    Err(PyTypeError::new_err(format!("{name}() got an unexpected keyword argument '{keyword}'")))
                }
            }
            _ => Err(PyTypeError::new_err(format!("{name}() takes from 0 to 1 positional arguments but {} were given", count + keywords))),
        }
    }
}
/// One entry of a list of sizes or strides.
unsafe fn entry(name: &str, list: &[i64], dim: *mut PyObject) -> PyResult<*mut PyObject> {
    // SAFETY: an argument of the running call.
    match unsafe { scalar::int(dim) } {
        Ok(dim) => {
            let d = wrap_dim(dim, list.len()).or_raise()?;
            let Some(&value) = list.get(d) else {
                return Err(pyo3::exceptions::PyIndexError::new_err(format!("Dimension specified as {dim} but tensor has no dimensions")));
            };
            // SAFETY: the lock is held.
            Ok(unsafe { PyLong_FromLongLong(value) })
        }
        // SAFETY: as above.
        Err(Unread::Raised) => Err(PyErr::fetch(unsafe { Python::assume_attached() })),
        Err(Unread::Type) => {
            // SAFETY: as above.
            let found = type_word(unsafe { Python::assume_attached() }, dim);
            Err(PyTypeError::new_err(format!("{name}(): argument 'dim' (position 1) must be int, not {found}")))
        }
    }
}
unsafe extern "C" fn size(object: *mut PyObject, args: *const *mut PyObject, count: isize, names: *mut PyObject) -> *mut PyObject {
    // SAFETY: the interpreter's call.
    unsafe {
        if count == 0 && names.is_null() {
            return shape_of(object);
        }
        if count == 1
            && names.is_null()
            && scalar::is_type(*args, &raw mut PyLong_Type)
            && let Some(&size) = usize::try_from(PyLong_AsLongLong(*args)).ok().and_then(|dim| tensor_of(object).shape().get(dim))
        {
            return PyLong_FromLongLong(size);
        }
        slot(|_| {
            let dim = dim_argument("size", args, count, names)?;
            if dim.is_null() || dim == Py_None() { Ok(shape_of(object)) } else { entry("size", tensor_of(object).shape(), dim) }
        })
    }
}
unsafe extern "C" fn stride(object: *mut PyObject, args: *const *mut PyObject, count: isize, names: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let (dim, tensor) = unsafe { (dim_argument("stride", args, count, names)?, tensor_of(object)) };
        // SAFETY: as above; `None` is always there.
        if dim.is_null() || dim == unsafe { Py_None() } {
            return Ok(PyTuple::new(py, tensor.strides())?.into_ptr());
        }
        // SAFETY: as above.
        unsafe { entry("stride", tensor.strides(), dim) }
    })
}

/// A method without arguments that returns a number or a flag of the tensor.
macro_rules! plain {
    ($name:ident, |$tensor:ident| $value:expr) => {
        unsafe extern "C" fn $name(object: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
            // SAFETY: the interpreter's call, which holds the lock.
            let $tensor = unsafe { tensor_of(object) };
            ($value).to_python()
        }
    };
}
trait ToPython {
    fn to_python(self) -> *mut PyObject;
}
impl ToPython for i64 {
    fn to_python(self) -> *mut PyObject {
        // SAFETY: called with the lock held.
        unsafe { PyLong_FromLongLong(self) }
    }
}
impl ToPython for bool {
    fn to_python(self) -> *mut PyObject {
        // SAFETY: called with the lock held.
        unsafe { PyBool_FromLong(self.into()) }
    }
}
plain!(dim, |tensor| tensor.ndim() as i64);
plain!(numel, |tensor| tensor.numel());
plain!(element_size, |tensor| tensor.dtype().size() as i64);
plain!(storage_offset, |tensor| tensor.offset());
plain!(data_ptr, |tensor| if tensor.numel() == 0 || tensor.device().is_meta() { 0 } else { tensor.array().data() as i64 });
plain!(is_inference, |tensor| tensor.is_inference());
plain!(is_view, |tensor| tensor.view().is_some());
plain!(is_conj, |_tensor| false);
plain!(get_device, |tensor| tensor.device().index.map_or(-1, i64::from));

fn is_contiguous<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [format] = arguments.bind("is_contiguous", ["memory_format"], 0, 0)?;
    let format = match format {
        None => MemoryFormat::Contiguous,
        // SAFETY: a live object.
        Some(given) => unsafe { layout::memory_format_of(slf.py(), given.as_ptr()) }.ok_or_else(|| {
            let found = type_word(slf.py(), given.as_ptr());
            PyTypeError::new_err(format!("is_contiguous(): argument 'memory_format' must be torch.memory_format, not {found}"))
        })?,
    };
    let layout = tensor(slf).layout();
    let answer = match format {
        MemoryFormat::Contiguous => layout.is_contiguous(),
        other => layout.is_channels_last(other),
    };
    Ok(pyo3::types::PyBool::new(slf.py(), answer).to_owned().into_any())
}

/// `type()` names the tensor's type; `type(dtype)` converts.
fn type_<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [wanted, _non_blocking] = arguments.bind("type", ["dtype", "non_blocking"], 2, 0)?;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_none()) else {
        let module = if tensor(slf).device().kind.is_gpu() { "torch.cuda" } else { "torch" };
        let name = format!("{module}.{}Tensor", tensor(slf).dtype().scalar_name());
        return Ok(PyString::new(slf.py(), &name).into_any());
    };
    let invalid = || PyTypeError::new_err("dtype must be a type, str, or dtype object");
    // SAFETY: a live object.
    let dtype = match unsafe { dtype::of(slf.py(), wanted.as_ptr()) } {
        Some(dtype) => dtype,
        None => match wanted.cast::<PyString>() {
            Ok(name) => named_type(&name.to_string())?,
            Err(_) => wanted.getattr("dtype").map_err(|_| invalid())?.extract::<dtype::PyDTypeArg>().map_err(|_| invalid())?.0,
        },
    };
    slf.call_method1("to", (dtype::object(slf.py(), dtype),))
}
/// `torch.FloatTensor` and its like.
fn named_type(name: &str) -> PyResult<DType> {
    let short = name.strip_prefix("torch.").or_else(|| name.strip_prefix("rustorch.")).unwrap_or("");
    let known = DType::ALL.iter().find(|dtype| short.strip_suffix("Tensor") == Some(dtype.scalar_name()));
    known.copied().ok_or_else(|| pyo3::exceptions::PyValueError::new_err(format!("invalid type: '{name}'")))
}

fn repr_text<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [contents] = arguments.bind("__repr__", ["tensor_contents"], 1, 0)?;
    let kwargs = pyo3::types::PyDict::new(slf.py());
    if let Some(contents) = contents {
        kwargs.set_item("tensor_contents", contents)?;
    }
    slf.py().import("rustorch._tensor_str")?.getattr("_str")?.call((slf,), Some(&kwargs))
}
pub unsafe extern "C" fn repr(object: *mut PyObject) -> *mut PyObject {
    slot(|py| {
        // SAFETY: the interpreter's call.
        let slf = unsafe { Bound::from_borrowed_ptr(py, object) };
        Ok(py.import("rustorch._tensor_str")?.getattr("_str")?.call1((slf,))?.into_ptr())
    })
}
/// A 0-d tensor formats as its number.
fn format<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let spec = arguments.args.get_item(0)?;
    if tensor(slf).ndim() == 0 && !tensor(slf).device().is_meta() && super::object::is_exact(slf.as_ptr()) {
        return slf.call_method0("item")?.call_method1("__format__", (spec,));
    }
    if spec.is_truthy()? {
        return Err(PyTypeError::new_err("unsupported format string passed to Tensor.__format__"));
    }
    Ok(slf.str()?.into_any())
}
fn class_getitem<'py>(class: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let alias = class.py().import("types")?.getattr("GenericAlias")?;
    alias.call1((class, arguments.args.get_item(0)?))
}
fn cuda<'py>(slf: &Bound<'py, PyAny>, arguments: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let [device, _non_blocking, _format] = arguments.bind("cuda", ["device", "non_blocking", "memory_format"], 2, 0)?;
    match device {
        Some(device) if !device.is_none() => slf.call_method1("to", (device,)),
        _ => slf.call_method1("to", ("cuda",)),
    }
}
fn not_built<'py>(slf: &Bound<'py, PyAny>, _: &Arguments<'py>) -> PyResult<Bound<'py, PyAny>> {
    let _ = slf;
    Err(PyNotImplementedError::new_err("Tensor.pin_memory is not implemented"))
}

/// The table of methods that are written by hand.
pub fn table() -> Vec<PyMethodDef> {
    let noargs = |name: &'static std::ffi::CStr, function: PyCFunction, doc: &'static std::ffi::CStr| PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer { PyCFunction: function },
        ml_flags: METH_NOARGS,
        ml_doc: doc.as_ptr(),
    };
    let fast = |name: &'static std::ffi::CStr, function: PyCFunctionFastWithKeywords, doc: &'static std::ffi::CStr| PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: PyMethodDefPointer { PyCFunctionFastWithKeywords: function },
        ml_flags: METH_FASTCALL | METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    };
    let mut methods = vec![
        fast(c"size", size, c"size($self, dim=None)\n--\n\nThe size of one dimension, or a torch.Size of all."),
        fast(c"stride", stride, c"stride($self, dim=None)\n--\n\nThe step between neighbours along one dimension, or a tuple of all."),
        noargs(c"dim", dim, c"dim($self, /)\n--\n\nThe number of dimensions."),
        noargs(c"ndimension", dim, c"ndimension($self, /)\n--\n\nThe number of dimensions."),
        noargs(c"numel", numel, c"numel($self, /)\n--\n\nThe number of elements."),
        noargs(c"nelement", numel, c"nelement($self, /)\n--\n\nThe number of elements."),
        noargs(c"element_size", element_size, c"element_size($self, /)\n--\n\nBytes of one element."),
        noargs(c"storage_offset", storage_offset, c"storage_offset($self, /)\n--\n\nWhere in its storage the tensor begins, in elements."),
        noargs(c"data_ptr", data_ptr, c"data_ptr($self, /)\n--\n\nThe address of the first element."),
        noargs(c"get_device", get_device, c"get_device($self, /)\n--\n\nThe number of the GPU; -1 on the CPU."),
        noargs(c"is_inference", is_inference, c"is_inference($self, /)\n--\n\nWhether the tensor was made in inference mode."),
        noargs(c"_is_view", is_view, c"_is_view($self, /)\n--\n\nWhether the tensor is a view that gradients know of."),
        noargs(c"is_conj", is_conj, c"is_conj($self, /)\n--\n\nFalse: conjugation is done at once."),
        noargs(c"is_neg", is_conj, c"is_neg($self, /)\n--\n\nFalse: negation is done at once."),
        noargs(c"is_pinned", is_conj, c"is_pinned($self, /)\n--\n\nFalse: no memory is pinned."),
        noargs(c"is_shared", is_conj, c"is_shared($self, /)\n--\n\nFalse: tensors lie in the process's own memory."),
        noargs(c"item", convert::item, c"item($self, /)\n--\n\nThe only element, as a Python number."),
        noargs(c"tolist", convert::tolist, c"tolist($self, /)\n--\n\nThe elements as nested lists; a number for a 0-d tensor."),
        cold_method!(c"is_contiguous", is_contiguous, c"Whether the elements lie row by row without gaps, or in another memory format."),
        cold_method!(c"type", type_, c"The name of the tensor's type, or the tensor converted to a type."),
        cold_method!(c"cuda", cuda, c"The tensor on a GPU."),
        cold_method!(c"pin_memory", not_built, c"Not built."),
        cold_method!(c"requires_grad_", gradient::requires_grad_, c"requires_grad_($self, requires_grad=True)\n--\n\nSets whether gradients are to be computed; returns the tensor."),
        cold_method!(c"backward", gradient::backward, c"backward($self, gradient=None, retain_graph=None, create_graph=False, inputs=None)\n--\n\nAdds the gradient of this tensor to .grad of the leaves it was computed from."),
        cold_method!(c"register_hook", gradient::register_hook, c"register_hook($self, hook)\n--\n\nCalls hook(grad) whenever the gradient of this tensor is computed; what it returns replaces the gradient."),
        cold_method!(c"register_post_accumulate_grad_hook", gradient::register_accumulated_hook, c"register_post_accumulate_grad_hook($self, hook)\n--\n\nCalls hook(leaf) when the gradient has been added to leaf.grad."),
        cold_method!(c"retain_grad", gradient::retain_grad, c"retain_grad($self)\n--\n\nMakes a tensor that is no leaf keep its gradient."),
        cold_method!(c"__complex__", convert::complex, c"The only element, as a complex number."),
        cold_method!(c"__reversed__", container::reversed, c"The rows in the opposite order."),
        cold_method!(c"__format__", format, c"Formats a 0-d tensor as its number."),
        cold_method!(c"_repr", repr_text, c"The text of repr(), with the values given."),
        cold_method!(c"__class_getitem__", class_getitem, c"Tensor[...], for annotations.", METH_CLASS),
    ];
    methods.extend(pickle::table());
    methods.extend(subclass::table());
    methods.extend(data::methods());
    methods
}
