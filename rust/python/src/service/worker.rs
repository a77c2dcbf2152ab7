//! A worker process: Python makes the batches, Rust leases, writes and publishes them.
use super::random;
use crate::error::OrRaise;
use crate::tensor::reference::Handle;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rustorch_base::{Error, Layout, Result};
use rustorch_core::ops::copy;
use rustorch_core::tensor::Tensor;
use rustorch_core::{Array, Storage};
use rustorch_data::feed::Keys;
use rustorch_data::payload::BufferSpec;
use rustorch_data::ring::slot::Kind;
use rustorch_data::worker::{Encoded, Fetch, Order, Progress, Worker, fork_server};
use std::os::fd::IntoRawFd;

/// Binds the life of this process to its session's. False: the session is gone, and there is nothing left to do.
#[pyfunction]
pub fn bind_worker() -> PyResult<bool> {
    rustorch_data::worker::bind().or_raise()
}

/// Forks workers of this process whenever the session asks, until it hangs up. True: this is one of them. False: there is
/// nothing left to do.
#[pyfunction]
pub fn serve_forks() -> PyResult<bool> {
    fork_server::serve(&Interpreter).or_raise()
}

/// The calls come from the thread that holds the interpreter, and there is no other one.
struct Interpreter;

impl fork_server::Host for Interpreter {
    fn before_fork(&self) {
        // SAFETY: the interpreter is held, as Python's own fork has it.
        unsafe { ffi::PyOS_BeforeFork() }
    }
    fn after_in_parent(&self) {
        // SAFETY: follows the call above in the same thread.
        unsafe { ffi::PyOS_AfterFork_Parent() }
    }
    fn after_in_child(&self) {
        // SAFETY: follows the call above in the copy of the same thread.
        unsafe { ffi::PyOS_AfterFork_Child() }
    }
}

/// Serves batches until the trainer hangs up. ``start(place, places, job, file)`` is called once, ``file`` being the
/// descriptor of the job's memory file, and gives the function that makes a batch: ``make(keys, epoch, position)``, with
/// the pickled keys, a list of indices or, for streams, None, gives (kind, samples, skeleton, tensors).
#[pyfunction]
pub fn run_worker(py: Python<'_>, start: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(mut worker) = py.detach(Worker::attach).or_raise()? else { return Ok(()) };
    let file = worker.take_blob().map_or(-1, IntoRawFd::into_raw_fd);
    let job = worker.job();
    let make = start.call1((job.place, job.places, PyBytes::new(py, &job.bytes), file))?;
    let mut maker = Maker(make.unbind());
    py.detach(|| worker.run(&mut maker)).or_raise()
}

struct Maker(Py<PyAny>);

impl Fetch for Maker {
    type Batch = Made;

    fn fetch(&mut self, order: &Order, progress: Progress<'_>) -> Result<Made> {
        let _during = random::during(order.random, progress);
        Python::attach(|py| {
            let keys = match &order.keys {
                Keys::Opaque(pickled) => Some(PyBytes::new(py, pickled).into_any()),
                Keys::Stream { .. } => None,
                Keys::Indices(indices) => Some(PyList::new(py, indices)?.into_any()),
            };
            self.0.bind(py).call1((keys, order.random.epoch, order.random.position))?.extract::<Made>()
        })
        .map_err(|exception| Error::runtime(exception.to_string()))
    }
}

/// A batch as Python made it.
#[derive(FromPyObject)]
struct Made(u32, u32, Vec<u8>, Vec<Handle>);

impl Encoded for Made {
    fn kind(&self) -> Kind {
        Kind::from_code(self.0).unwrap_or(Kind::Error)
    }
    fn samples(&self) -> u32 {
        self.1
    }
    fn skeleton(&self) -> &[u8] {
        &self.2
    }
    fn buffers(&self) -> Vec<BufferSpec> {
        let spec =
            |tensor: &Tensor| BufferSpec { dtype: Some(tensor.dtype()), shape: tensor.shape().iter().map(|&dim| dim as usize).collect() };
        self.3.iter().map(|handle| spec(&handle.0)).collect()
    }
    fn write(&self, index: usize, place: &mut [u8]) {
        let from = self.3[index].0.array();
        // SAFETY: the place is as long as the tensor's elements and outlives the storage, which ends with this function.
        let storage = unsafe { Storage::foreign(place.as_mut_ptr(), place.len(), Box::new(())) };
        let to = Array { storage, layout: Layout::contiguous(from.shape()), dtype: from.dtype };
        // Equal shapes and dtypes always copy.
        let copied = copy::copy_elements(&to, from);
        debug_assert!(copied.is_ok());
    }
}
