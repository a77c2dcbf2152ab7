//! Python functions hung on tensors and nodes.
use crate::call::results::Wrapped;
use crate::error::{OrRaise, to_core};
use crate::tensor::object::tensor_of;
use crate::tensor::reference::{Handle, to_python};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rustorch_base::Result;
use rustorch_core::autograd::Node;
use rustorch_core::autograd::hooks::{self, Hook, Hooks, NodeHook, NodeHooks};
use rustorch_core::tensor::{Tensor, WeakTensor};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where a hook can be taken away again.
enum Place {
    Tensor(Arc<Hooks>),
    Before(Arc<Node>),
    After(Arc<Node>),
    Taken,
}

/// What registering a hook returns: `remove()` takes the hook away, as leaving a `with` block does.
#[pyclass(frozen, weakref, module = "rustorch.utils.hooks")]
pub struct RemovableHandle {
    place: Mutex<Place>,
    #[pyo3(get)]
    id: u64,
    /// The leaf that holds the function, and under which name.
    owner: Option<(WeakTensor, &'static str)>,
}
impl RemovableHandle {
    fn new(place: Place, id: u64) -> RemovableHandle {
        RemovableHandle { place: Mutex::new(place), id, owner: None }
    }
}
#[pymethods]
impl RemovableHandle {
    /// Takes the hook away; once is enough.
    fn remove(&self, py: Python<'_>) -> PyResult<()> {
        let place = std::mem::replace(&mut *self.place.lock().unwrap_or_else(PoisonError::into_inner), Place::Taken);
        match place {
            Place::Tensor(hooks) => hooks.remove(self.id),
            Place::Before(node) => NodeHooks::remove(&node.hooks_or_new().before, self.id),
            Place::After(node) => NodeHooks::remove(&node.hooks_or_new().after, self.id),
            Place::Taken => {}
        }
        if let Some((leaf, list)) = &self.owner
            && let Some(leaf) = leaf.upgrade()
            && let Some(held) = functions(&to_python(py, leaf)?, list)?
            && held.contains(self.id)?
        {
            held.del_item(self.id)?;
        }
        Ok(())
    }
    fn __enter__(slf: Py<RemovableHandle>) -> Py<RemovableHandle> {
        slf
    }
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.remove(py)
    }
}

/// The functions that hang on a leaf, by number: kept in its `__dict__`, where the collector sees them.
fn functions<'py>(tensor: &Bound<'py, PyAny>, list: &str) -> PyResult<Option<Bound<'py, PyDict>>> {
    let held = tensor.getattr("__dict__")?.cast_into::<PyDict>()?.get_item(list)?;
    Ok(held.and_then(|held| held.cast_into::<PyDict>().ok()))
}

fn name_of(hook: &Bound<'_, PyAny>) -> String {
    hook.getattr("__name__").map_or_else(|_| "?".into(), |name| name.to_string())
}

/// Calls a hook with a gradient: another tensor, or None for the same.
fn call(py: Python<'_>, hook: &Bound<'_, PyAny>, gradient: &Tensor) -> PyResult<Option<Tensor>> {
    let answer = hook.call1((Wrapped(gradient.clone()).into_pyobject(py)?,))?;
    if answer.is_none() {
        return Ok(None);
    }
    let Ok(Handle(other)) = answer.extract::<Handle>() else {
        let found = answer.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "hook '{}' has returned an incorrect value: expected Variable, got {found}",
            name_of(hook)
        )));
    };
    if other.shape() != gradient.shape() {
        return Err(PyRuntimeError::new_err(format!("hook '{}' has changed the size of value", name_of(hook))));
    }
    if other.dtype() != gradient.dtype() {
        let name = |tensor: &Tensor| format!("torch.{}Tensor", tensor.dtype().scalar_name());
        let message = format!("hook '{}' has changed the type of value (was {} got {})", name_of(hook), name(gradient), name(&other));
        return Err(PyRuntimeError::new_err(message));
    }
    Ok(Some(other))
}

/// Where a leaf's functions are kept in its `__dict__`, by number.
const BEFORE: &str = "_backward_hooks";
const ACCUMULATED: &str = "_post_accumulate_grad_hooks";

/// `tensor.register_hook(hook)`.
pub fn register<'py>(slf: &Bound<'py, PyAny>, hook: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a method's `self`.
    let tensor = unsafe { tensor_of(slf.as_ptr()) };
    if tensor.is_leaf() {
        return register_on_leaf(slf, hook, BEFORE, hooks::register, call);
    }
    let owned = Arc::new(Owned { function: hook.clone().unbind(), number: OnceLock::new() });
    let called = owned.clone();
    let direct: Hook =
        Arc::new(move |gradient: &Tensor| Python::attach(|py| call(py, called.function.bind(py), gradient)).map_err(to_core));
    let (hooks, id) = hooks::register(tensor, direct).or_raise()?;
    owned.is_number(id);
    Ok(Bound::new(slf.py(), RemovableHandle::new(Place::Tensor(hooks), id))?.into_any())
}

/// The functions that hooks in the graph hold, by number: addresses for the collector, which owns none of them.
static OWNED: Mutex<BTreeMap<u64, usize>> = Mutex::new(BTreeMap::new());

/// The function of a hook that hangs on a node: the node holds it.
struct Owned {
    function: Py<PyAny>,
    number: OnceLock<u64>,
}
impl Owned {
    fn is_number(&self, id: u64) {
        if self.number.set(id).is_ok() {
            OWNED.lock().unwrap_or_else(PoisonError::into_inner).insert(id, self.function.as_ptr() as usize);
        }
    }
}
impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(id) = self.number.get() {
            OWNED.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
    }
}
/// The functions that a list of hooks holds itself.
pub fn owned_functions(hooks: &Hooks) -> Vec<(u64, *mut PyObject)> {
    let owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
    hooks.numbers().into_iter().filter_map(|id| owned.get(&id).map(|&function| (id, function as *mut PyObject))).collect()
}

/// `tensor.register_post_accumulate_grad_hook(hook)`.
pub fn register_accumulated<'py>(slf: &Bound<'py, PyAny>, hook: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    register_on_leaf(slf, hook, ACCUMULATED, hooks::register_accumulated, |py, hook, leaf| {
        hook.call1((Wrapped(leaf.clone()).into_pyobject(py)?,))?;
        Ok(None)
    })
}

type Register = fn(&Tensor, Hook) -> Result<(Arc<Hooks>, u64)>;
type Call = fn(Python<'_>, &Bound<'_, PyAny>, &Tensor) -> PyResult<Option<Tensor>>;

/// The function of a leaf is kept where the collector sees it, and the core is told its number alone: a leaf and a hook
/// that refers to it may otherwise keep each other for ever.
fn register_on_leaf<'py>(
    slf: &Bound<'py, PyAny>,
    hook: &Bound<'py, PyAny>,
    list: &'static str,
    register: Register,
    call: Call,
) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    // SAFETY: a method's `self`.
    let leaf = unsafe { tensor_of(slf.as_ptr()) };
    let weak = leaf.downgrade();
    let owner = Some((weak.clone(), list));
    let number = Arc::new(OnceLock::new());
    let known = number.clone();
    let by_number: Hook = Arc::new(move |gradient: &Tensor| -> Result<Option<Tensor>> {
        let (Some(leaf), Some(&id)) = (weak.upgrade(), known.get()) else { return Ok(None) };
        Python::attach(|py| {
            let held = functions(&to_python(py, leaf)?, list)?;
            let found = held.map(|held| held.get_item::<u64>(id)).transpose()?.flatten();
            found.map_or(Ok(None), |hook| call(py, &hook, gradient))
        })
        .map_err(to_core)
    });
    let (hooks, id) = register(leaf, by_number).or_raise()?;
    let _ = number.set(id);
    let held = match functions(slf, list)? {
        Some(held) => held,
        None => {
            let held = PyDict::new(py);
            slf.setattr(list, &held)?;
            held
        }
    };
    held.set_item(id, hook)?;
    let handle = RemovableHandle { owner, ..RemovableHandle::new(Place::Tensor(hooks), id) };
    Ok(Bound::new(py, handle)?.into_any())
}

/// Gradients as a tuple, and a tuple (or one tensor) as gradients.
fn to_tuple<'py>(py: Python<'py>, gradients: &[Option<Tensor>]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, gradients.iter().cloned().map(|gradient| gradient.map(Wrapped)))
}
fn from_answer(answer: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Option<Tensor>>>> {
    if answer.is_none() {
        return Ok(None);
    }
    if let Ok(single) = answer.extract::<Handle>() {
        return Ok(Some(vec![Some(single.0)]));
    }
    let list: Vec<Option<Handle>> = answer.extract()?;
    Ok(Some(list.into_iter().map(|gradient| gradient.map(|gradient| gradient.0)).collect()))
}

pub fn after(node: &Arc<Node>, hook: Py<PyAny>) -> RemovableHandle {
    let run: NodeHook = Arc::new(move |inputs, outputs| {
        Python::attach(|py| from_answer(&hook.bind(py).call1((to_tuple(py, inputs)?, to_tuple(py, outputs)?))?)).map_err(to_core)
    });
    RemovableHandle::new(Place::After(node.clone()), NodeHooks::add(&node.hooks_or_new().after, run))
}
pub fn before(node: &Arc<Node>, hook: Py<PyAny>) -> RemovableHandle {
    let run: NodeHook =
        Arc::new(move |outputs, _| Python::attach(|py| from_answer(&hook.bind(py).call1((to_tuple(py, outputs)?,))?)).map_err(to_core));
    RemovableHandle::new(Place::Before(node.clone()), NodeHooks::add(&node.hooks_or_new().before, run))
}
