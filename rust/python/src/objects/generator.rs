//! `torch.Generator`: a random stream of one's own.
use super::device;
use crate::call::complain::type_word;
use crate::error::OrRaise;
use crate::tensor::object::{is_tensor, tensor_of};
use crate::tensor::reference;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};
use rustorch_base::{Result, bail};
use rustorch_core::random::{Algorithm, Generator, Source, seed_from};

/// A stream of random numbers that ops draw from.
///
/// Args:
///     device: must be the CPU.
///     algorithm: ``"mt19937"``, whose numbers are PyTorch's, or ``"philox"``.
///
/// Example::
///
///     >>> import rustorch as torch
///     >>> torch.rand(2, generator=torch.Generator().manual_seed(0))
///     tensor([0.4963, 0.7682])
#[pyclass(frozen, name = "Generator", module = "rustorch")]
pub struct PyGenerator(pub Generator);

/// The stream in an argument.
///
/// # Safety
/// The lock is held; `object` outlives `'a`.
pub unsafe fn of<'a>(py: Python<'_>, object: *mut PyObject) -> Option<&'a Generator> {
    // SAFETY: promised by the caller; a frozen class's content never moves.
    unsafe { Borrowed::from_ptr(py, object).cast::<PyGenerator>().ok().map(|generator| &*std::ptr::from_ref(&generator.get().0)) }
}

fn on_device(device: Option<&Bound<'_, PyAny>>, algorithm: &str) -> Result<Generator> {
    if let Some(given) = device {
        // SAFETY: a live object, and the lock is held.
        match unsafe { device::of(given.py(), given.as_ptr()) }? {
            Some(device) if device == rustorch_core::Device::CPU || device.to_string() == "cpu:0" => {}
            Some(device) => bail!(not_implemented, "Generator(device='{device}') is not built: generators live on the CPU"),
            None => bail!(type_, "Generator(): argument 'device' must be torch.device, not {}", type_word(given.py(), given.as_ptr())),
        }
    }
    Ok(Generator::new(Algorithm::from_name(algorithm)?))
}

#[pymethods]
impl PyGenerator {
    #[new]
    #[pyo3(signature = (device=None, *, algorithm="mt19937"))]
    fn new(device: Option<&Bound<'_, PyAny>>, algorithm: &str) -> PyResult<PyGenerator> {
        on_device(device, algorithm).map(PyGenerator).or_raise()
    }
    /// Starts the stream of a seed, and returns the generator. Negative seeds count down from 2**64.
    #[pyo3(signature = (seed, /))]
    fn manual_seed<'py>(slf: Bound<'py, Self>, seed: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        if !seed.is_exact_instance_of::<PyInt>() {
            let word = type_word(seed.py(), seed.as_ptr());
            return Err(PyRuntimeError::new_err(format!("manual_seed expected a long, but got {word}")));
        }
        let wide = seed.extract::<i128>().unwrap_or(i128::MAX);
        slf.get().0.manual_seed(seed_from(wide).or_raise()?);
        Ok(slf)
    }
    /// Starts the stream of a seed that the system draws, and returns the seed.
    fn seed(&self) -> u64 {
        self.0.seed()
    }
    /// The seed that the stream began with.
    fn initial_seed(&self) -> u64 {
        self.0.initial_seed()
    }
    /// The state: a uint8 tensor in PyTorch's layout.
    fn get_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        reference::to_python(py, self.0.state().or_raise()?)
    }
    /// Goes on from a state that :meth:`get_state` gave, here or in PyTorch.
    #[pyo3(signature = (new_state, /))]
    fn set_state(&self, new_state: &Bound<'_, PyAny>) -> PyResult<()> {
        if !is_tensor(new_state.as_ptr()) {
            let word = type_word(new_state.py(), new_state.as_ptr());
            return Err(PyTypeError::new_err(format!("expected a torch.ByteTensor, but got {word}")));
        }
        // SAFETY: a tensor, alive as long as the argument.
        self.0.set_state(unsafe { tensor_of(new_state.as_ptr()) }).or_raise()
    }
    /// Another generator that goes on with the same numbers.
    fn clone_state(&self) -> PyGenerator {
        PyGenerator(self.0.fork_state())
    }
    /// How many words a Philox stream has given.
    fn get_offset(&self) -> PyResult<u64> {
        self.0.source().offset().or_raise()
    }
    /// Moves a Philox stream to its word of that number.
    #[pyo3(signature = (offset, /))]
    fn set_offset(&self, offset: u64) -> PyResult<()> {
        self.0.source().set_offset(offset).or_raise()
    }
    #[getter]
    fn device<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        device::object(py, self.0.device())
    }
    /// ``"mt19937"`` or ``"philox"``.
    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().name()
    }
    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<torch._C.Generator object at {:p}>", slf.as_ptr())
    }
    /// Pickled with its state: a copy goes on with the same numbers.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let state = slf.get().get_state(py)?;
        let arguments = PyTuple::new(py, [slf.get().device(py)?])?;
        (slf.get_type(), arguments, (slf.get().initial_seed(), py.None(), state)).into_pyobject(py)
    }
    fn __setstate__(&self, state: (u64, Option<u64>, Bound<'_, PyAny>)) -> PyResult<()> {
        if state.2.len()? == 16 {
            *self.0.source() = Source::new(Algorithm::Philox, 0); // the constructor knew only the device
        }
        self.set_state(&state.2)
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyGenerator>()?;
    module.add("default_generator", Bound::new(module.py(), PyGenerator(Generator::global().clone()))?)
}
