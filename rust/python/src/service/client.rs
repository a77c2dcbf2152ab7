//! The trainer's client: batches in order, from threads or worker processes, without the interpreter's lock while waiting.
use super::batch::{Parts, to_parts};
use super::columns::Columns;
use crate::error::OrRaise;
use crate::tensor::reference::Handle;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use rustorch_core::fork;
use rustorch_data::client::{Client, Next, Options};
use rustorch_data::feed::{Keys, QueueFeed};
use rustorch_data::ring::rings;
use rustorch_data::source::BatchRandom;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// Waiting is cut into slices, between which Ctrl-C is heard.
const SLICE: Duration = Duration::from_millis(50);

/// Takes the batches of the tasks that were pushed, in their order.
#[pyclass(frozen, name = "Client", module = "rustorch._C._data")]
pub struct PyClient {
    client: Mutex<Option<Arc<Client>>>,
    feed: Arc<QueueFeed>,
}

impl PyClient {
    fn new(client: Client, feed: Arc<QueueFeed>) -> PyClient {
        static PINNED: Once = Once::new();
        PINNED.call_once(|| {
            fork::hold_during_fork(|| {
                rings::before_fork();
                Box::new(())
            });
        });
        PyClient { client: Mutex::new(Some(Arc::new(client))), feed }
    }
    fn client(&self) -> PyResult<Arc<Client>> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone().ok_or_else(|| PyRuntimeError::new_err("the client is closed"))
    }
}

#[pymethods]
impl PyClient {
    /// Batches of rows of tensors, gathered by threads of this process.
    #[staticmethod]
    fn with_tensors(py: Python<'_>, tensors: Vec<Handle>, threads: usize, batch_size: usize, slots: usize) -> PyResult<PyClient> {
        let source = Columns::new(tensors.into_iter().map(|handle| handle.0).collect()).or_raise()?;
        let feed = QueueFeed::new();
        let options = Options { slots, batch_size, workers: threads };
        let client = py.detach(|| Client::with_readers(Arc::new(source), feed.clone(), &options)).or_raise()?;
        Ok(PyClient::new(client, feed))
    }

    /// Asks for the samples at these indices. The seed, the epoch and the place of the first name their random numbers.
    fn push_indices(&self, indices: Vec<u64>, seed: u64, epoch: u64, position: u64) -> u64 {
        self.feed.push(BatchRandom { seed, epoch, position }, Keys::Indices(indices))
    }
    /// Asks for the batch of pickled keys.
    fn push_pickled(&self, keys: Vec<u8>, seed: u64, epoch: u64, position: u64) -> u64 {
        self.feed.push(BatchRandom { seed, epoch, position }, Keys::Opaque(keys))
    }
    /// Asks for the next batch of the stream that the worker at `place` reads.
    fn push_turn(&self, place: u32, turn: u64, seed: u64, epoch: u64) -> u64 {
        self.feed.push(BatchRandom { seed, epoch, position: turn }, Keys::Stream { place, turn })
    }

    /// The next batch: number, kind, skeleton, tensors. None when it does not come within `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Parts<'py>>> {
        let client = self.client()?;
        let limit = timeout.map(Duration::try_from_secs_f64).transpose().unwrap_or(None);
        let begin = Instant::now();
        // A batch that is there already is taken without giving the lock away.
        let mut found = client.next(Duration::ZERO).or_raise()?;
        loop {
            match found {
                Next::Ready(batch) => return to_parts(py, batch).map(Some),
                Next::Ended => return Err(PyStopIteration::new_err(())),
                Next::Waiting => {}
            }
            py.check_signals()?;
            let left = limit.map_or(SLICE, |limit| limit.saturating_sub(begin.elapsed()));
            if left.is_zero() {
                return Ok(None);
            }
            found = py.detach(|| client.next(left.min(SLICE))).or_raise()?;
        }
    }

    /// True once, after a batch had to be copied out of the ring because too many are kept.
    fn take_copied(&self) -> PyResult<bool> {
        Ok(self.client()?.take_copied())
    }
    /// Batches taken, seconds that the trainer waited, batches made, seconds spent making them.
    fn figures(&self) -> PyResult<(u64, f64, u64, f64)> {
        let figures = self.client()?.figures();
        Ok((figures.batches, figures.waited.as_secs_f64(), figures.work.batches, figures.work.busy.as_secs_f64()))
    }
    /// Ends threads and workers. Batches that were taken stay.
    fn close(&self, py: Python<'_>) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(client));
    }
}
