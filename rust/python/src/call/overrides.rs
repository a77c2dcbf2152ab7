//! `__torch_function__`: a subclass sees the call before the arguments lose their Python form.
use super::entry::{Entry, Form};
use super::given::Given;
use crate::tensor::object::{is_exact, is_tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::*;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};
use std::cell::Cell;

thread_local! { static DISABLED: Cell<bool> = const { Cell::new(false) } }

/// The function a class carries as `__torch_function__` to say that it wants no part in calls.
static DISABLED_IMPLEMENTATION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Is the class to see calls? A class that carries the disabled implementation is not. (`Tensor` carries one to find: a
/// failed look-up makes an AttributeError, and would cost every call on a `Parameter` 370 ns.)
pub fn has_override(py: Python<'_>, class: *mut PyTypeObject) -> bool {
    if DISABLED.get() {
        return false;
    }
    let name = pyo3::intern!(py, "__torch_function__").as_ptr();
    // SAFETY: `class` is the type of a live object; the look-up returns an owned reference, or null with an exception.
    unsafe {
        let function = PyObject_GetAttr(class.cast(), name);
        if function.is_null() {
            PyErr_Clear();
            return false;
        }
        let disabled = DISABLED_IMPLEMENTATION.get(py).is_some_and(|disabled| disabled.as_ptr() == function);
        Py_DECREF(function);
        !disabled
    }
}

/// Calls a function with `__torch_function__` switched off, and switches it back.
fn without_overrides<R>(body: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            DISABLED.set(self.0);
        }
    }
    let _restore = Restore(DISABLED.replace(true));
    body()
}

/// Says that a class wants no part in calls: `__torch_function__ = torch._C._disabled_torch_function_impl`.
#[pyfunction]
#[pyo3(name = "_disabled_torch_function_impl", signature = (func, types, args=None, kwargs=None))]
pub fn disabled_implementation<'py>(
    func: Bound<'py, PyAny>,
    types: Bound<'py, PyAny>,
    args: Option<Bound<'py, PyTuple>>,
    kwargs: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = types;
    let args = args.unwrap_or_else(|| PyTuple::empty(func.py()));
    without_overrides(|| func.call(args, kwargs.as_ref()))
}

/// `with DisableTorchFunctionSubclass():` subclasses do not see the calls inside.
#[pyclass(name = "DisableTorchFunctionSubclass", module = "rustorch._C")]
pub struct DisableOverrides {
    before: bool,
}
#[pymethods]
impl DisableOverrides {
    #[new]
    fn new() -> DisableOverrides {
        DisableOverrides { before: false }
    }
    fn __enter__(&mut self) {
        self.before = DISABLED.replace(true);
    }
    fn __exit__(&self, _kind: Py<PyAny>, _value: Py<PyAny>, _traceback: Py<PyAny>) {
        DISABLED.set(self.before);
    }
}

/// The default `Tensor.__torch_function__`: runs the call, and makes its results the subclass's.
#[pyfunction]
#[pyo3(name = "_torch_function", signature = (cls, func, types, args=None, kwargs=None))]
pub fn default_implementation<'py>(
    cls: Bound<'py, PyType>,
    func: Bound<'py, PyAny>,
    types: Bound<'py, PyAny>,
    args: Option<Bound<'py, PyTuple>>,
    kwargs: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = cls.py();
    for class in types.try_iter()? {
        if !cls.is_subclass(&class?)? {
            return Ok(py.NotImplemented().into_bound(py));
        }
    }
    let args = args.unwrap_or_else(|| PyTuple::empty(py));
    without_overrides(|| {
        let result = func.call(args, kwargs.as_ref())?;
        convert_result(result, &cls)
    })
}

/// Results of a call on a subclass are of the subclass; tuples and lists are looked into.
fn convert_result<'py>(result: Bound<'py, PyAny>, cls: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = cls.py();
    if is_tensor(result.as_ptr()) {
        return if result.is_instance(cls)? { Ok(result) } else { result.call_method1(pyo3::intern!(py, "as_subclass"), (cls,)) };
    }
    if result.is_instance_of::<PyTuple>() || result.is_instance_of::<PyList>() {
        let items = result.try_iter()?.map(|item| convert_result(item?, cls)).collect::<PyResult<Vec<_>>>()?;
        let class = result.get_type();
        return class.call1((PyTuple::new(py, items)?,));
    }
    Ok(result)
}

/// The classes that want to see a call, each once: subclasses before their bases, else in order of the arguments.
fn consider<'py>(py: Python<'py>, object: &Bound<'py, PyAny>, types: &mut Vec<Bound<'py, PyType>>) -> PyResult<()> {
    if is_exact(object.as_ptr()) {
        return Ok(());
    }
    if object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>() {
        for item in object.try_iter()? {
            consider(py, &item?, types)?;
        }
        return Ok(());
    }
    let class = object.get_type();
    if has_override(py, class.as_type_ptr()) && !types.iter().any(|known| known.is(&class)) {
        let at = types.iter().position(|known| class.is_subclass(known).unwrap_or(false)).unwrap_or(types.len());
        types.insert(at, class);
    }
    Ok(())
}

/// Hands a call of the table to the classes that want to see it.
#[cold]
pub fn dispatch<'py>(py: Python<'py>, entry: &Entry, given: &Given) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: arguments of the running call.
    let object = |pointer| unsafe { Bound::from_borrowed_ptr(py, pointer) };
    let slf = (given.bound() == 1).then(|| object(given.slf));
    let args = slf.into_iter().chain((0..given.positional_count()).map(|i| object(given.positional(i))));
    let args = PyTuple::new(py, args.collect::<Vec<_>>())?;
    let kwargs = PyDict::new(py);
    for i in 0..given.keyword_count() {
        let (name, value) = given.keyword(i);
        kwargs.set_item(object(name), object(value))?;
    }
    let module = py.import("rustorch._C")?;
    let function = match entry.form {
        Form::Function => module.getattr(entry.name())?,
        Form::Nn => module.getattr("_nn")?.getattr(entry.name())?,
        Form::Method | Form::Inplace => module.getattr("Tensor")?.getattr(entry.name())?,
    };
    dispatch_call(py, &function, args, Some(kwargs))
}

/// Hands a call to the modes of the thread, then to `cls.__torch_function__(func, types, args, kwargs)` of each
/// overriding class, until one answers.
pub fn dispatch_call<'py>(
    py: Python<'py>,
    function: &Bound<'py, PyAny>,
    args: Bound<'py, PyTuple>,
    kwargs: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py));
    let mut types = Vec::new();
    for object in args.iter().chain(kwargs.values()) {
        consider(py, &object, &mut types)?;
    }
    let seen = PyTuple::new(py, &types)?;
    let name = pyo3::intern!(py, "__torch_function__");
    if let Some(mode) = modes::pop() {
        let result = mode.bind(py).call_method1(name, (function, &seen, &args, &kwargs));
        modes::push(mode);
        let result = result?;
        if !result.is(py.NotImplemented()) {
            return Ok(result);
        }
    }
    for class in &types {
        let result = class.call_method1(name, (function, &seen, &args, &kwargs))?;
        if !result.is(py.NotImplemented()) {
            return Ok(result);
        }
    }
    if types.is_empty() {
        return function.call(args, Some(&kwargs));
    }
    let called: String = function.getattr("__name__")?.extract()?;
    let names: Vec<String> = types.iter().map(|class| Ok(class.repr()?.to_string())).collect::<PyResult<_>>()?;
    Err(PyTypeError::new_err(format!(
        "Multiple dispatch failed for 'torch.{called}'; all __torch_function__ handlers returned NotImplemented:\n\n  - {}",
        names.join("\n  - ")
    )))
}

/// The thread's stack of `TorchFunctionMode`s.
pub mod modes {
    use pyo3::prelude::*;
    use rustorch_core::mode;
    use std::cell::RefCell;

    thread_local! { static STACK: RefCell<Vec<Py<PyAny>>> = const { RefCell::new(Vec::new()) } }

    pub fn is_listening() -> bool {
        STACK.with_borrow(|stack| !stack.is_empty())
    }
    pub fn push(listener: Py<PyAny>) {
        STACK.with_borrow_mut(|stack| stack.push(listener));
        mode::set(mode::FUNCTION_MODE, true);
    }
    /// The innermost mode, which does not see calls that it makes itself.
    pub fn pop() -> Option<Py<PyAny>> {
        let innermost = STACK.with_borrow_mut(Vec::pop);
        mode::set(mode::FUNCTION_MODE, is_listening());
        innermost
    }

    #[pyfunction]
    #[pyo3(name = "_push_on_torch_function_stack")]
    pub fn push_mode(mode: Py<PyAny>) {
        push(mode);
    }
    #[pyfunction]
    #[pyo3(name = "_pop_torch_function_stack")]
    pub fn pop_mode() -> Option<Py<PyAny>> {
        pop()
    }
    #[pyfunction]
    #[pyo3(name = "_len_torch_function_stack")]
    pub fn count_modes() -> usize {
        STACK.with_borrow(Vec::len)
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(disabled_implementation, module)?)?;
    module.add_function(wrap_pyfunction!(default_implementation, module)?)?;
    module.add_function(wrap_pyfunction!(modes::push_mode, module)?)?;
    module.add_function(wrap_pyfunction!(modes::pop_mode, module)?)?;
    module.add_function(wrap_pyfunction!(modes::count_modes, module)?)?;
    module.add_class::<DisableOverrides>()?;
    let disabled = module.getattr("_disabled_torch_function_impl")?.unbind();
    let _ = DISABLED_IMPLEMENTATION.set(module.py(), disabled);
    Ok(())
}
