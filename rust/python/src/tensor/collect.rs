//! The part Tensors play in garbage collection.
use super::life::drop_attached;
use super::object::{TensorObject, tensor_of};
use super::pin::Pin;
use crate::autograd::hooks::owned_functions;
use pyo3::ffi::*;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The number of the running or last collection; CPython tells of each start through `gc.callbacks`.
static EPOCH: AtomicU32 = AtomicU32::new(1);

#[pyfunction]
#[pyo3(name = "_collection")]
fn collection(phase: &Bound<'_, PyAny>, _info: &Bound<'_, PyAny>) -> PyResult<()> {
    if phase.eq("start")? {
        EPOCH.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// Asks to be told of collections.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let callback = wrap_pyfunction!(collection, module)?;
    module.py().import("gc")?.getattr("callbacks")?.call_method1("append", (callback,))?;
    Ok(())
}

/// What the collector may follow from a wrapper.
///
/// The dict, `.grad` and the hooks of a node that nobody else holds belong to the *tensor*. While anything in Rust shares the tensor (a graph, a gradient) they are
/// reachable from there, where the collector cannot look, so they must count as held from outside: not visited. When
/// the wrapper is the only owner they are visited.
///
/// A collection traverses twice and needs the same answer twice, while Rust code without the lock may clone and drop
/// handles. So the first answer of a collection is kept to its end. It stays right: counted as unshared, a tensor can
/// only become shared through someone who borrows it from the wrapper, whose reference makes the wrapper, and by the
/// kept answer its dict, reachable. (Without this, tests/test_object_race.py loses weak references in 15 % of collections.)
///
/// # Safety
/// The collector calls it.
pub unsafe extern "C" fn traverse(object: *mut PyObject, visit: visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the object is live during a collection, which holds the lock; visited pointers are owned by it.
    unsafe {
        let visited = |pointer: *mut PyObject| if pointer.is_null() { 0 } else { visit(pointer, arg) };
        let stop = visited(Py_TYPE(object).cast());
        if stop != 0 {
            return stop;
        }
        let tensor = tensor_of(object);
        let this = object.cast::<TensorObject>();
        let epoch = EPOCH.load(Relaxed);
        if (*this).epoch != epoch {
            (*this).epoch = epoch;
            (*this).shared = tensor.is_shared();
            (*this).owns_hooks = tensor.hooks_of_own_node().is_some();
        }
        if (*this).shared {
            return 0;
        }
        let stop = visited((*this).dict);
        if stop != 0 {
            return stop;
        }
        let Some(extra) = tensor.extra() else { return 0 };
        if (*this).owns_hooks
            && let Some(hooks) = &*extra.hooks.lock().unwrap_or_else(PoisonError::into_inner)
        {
            for (_, function) in owned_functions(hooks) {
                let stop = visited(function);
                if stop != 0 {
                    return stop;
                }
            }
        }
        // Waits where another thread holds the lock: for an instant, and never for the interpreter.
        if let Some(grad) = &*extra.grad.lock().unwrap_or_else(PoisonError::into_inner)
            && let Some(pin) = grad.pin.as_ref().and_then(|pin| pin.downcast_ref::<Pin>())
        {
            return visited(pin.wrapper());
        }
        0
    }
}

/// # Safety
/// The collector calls it, for an object it found unreachable.
pub unsafe extern "C" fn clear(object: *mut PyObject) -> c_int {
    // SAFETY: the object is live.
    unsafe {
        let tensor = tensor_of(object);
        if tensor.is_shared() {
            return 0; // `traverse` reported nothing, so nothing of it is garbage
        }
        Py_CLEAR(&raw mut (*object.cast::<TensorObject>()).dict);
        if let Some(extra) = tensor.extra() {
            // Take first, drop after the lock: dropping runs Python code that may come back here.
            let grad = extra.grad.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop_attached(grad);
            if let Some(hooks) = tensor.hooks_of_own_node() {
                for (id, _) in owned_functions(&hooks) {
                    Python::attach(|_| hooks.remove(id));
                }
            }
        }
        0
    }
}
