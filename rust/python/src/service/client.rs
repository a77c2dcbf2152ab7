//! The trainer's client: batches in order, from threads or worker processes, without the interpreter's lock while waiting.
use super::batch::{Parts, to_parts};
use super::columns::Columns;
use super::fork_server::PyForkServer;
use super::plan::{self, Chosen, PlanFields};
use super::source::PySource;
use crate::error::OrRaise;
use crate::tensor::reference::Handle;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyValueError};
use pyo3::prelude::*;
use rustorch_core::fork;
use rustorch_data::client::{self, Client, Next, Options, Request, Tasks};
use rustorch_data::feed::{Keys, QueueFeed, since_seek};
use rustorch_data::order::{Plan, PlanFeed};
use rustorch_data::ring::rings;
use rustorch_data::session::{self, Job};
use rustorch_data::source::BatchRandom;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// Waiting is cut into slices, between which Ctrl-C is heard.
const SLICE: Duration = Duration::from_millis(50);

/// The first ring of worker processes: most batches fit, and memory that is not used is not much.
const SLOT_BYTES: usize = 1 << 18;

/// A descriptor that the caller keeps open during the call.
struct BorrowedDescriptor(BorrowedFd<'static>);
impl<'a, 'py> FromPyObject<'a, 'py> for BorrowedDescriptor {
    type Error = PyErr;
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let number: i32 = object.extract()?;
        if number < 0 {
            return Err(PyValueError::new_err(format!("{number} is no file descriptor")));
        }
        // SAFETY: used during the call only; a number that is not open gives an error of the system.
        Ok(BorrowedDescriptor(unsafe { BorrowedFd::borrow_raw(number) }))
    }
}

fn started(plan: Plan, state: Option<&HashMap<String, u64>>, fingerprint: u64) -> PyResult<Plan> {
    match state {
        None => Ok(plan),
        Some(map) => plan.resume(&plan::state(map)?, fingerprint).or_raise(),
    }
}

/// Takes the batches of the tasks that were pushed, or of a plan, in their order.
#[pyclass(frozen, name = "Client", module = "rustorch._C._data")]
pub struct PyClient {
    client: Mutex<Option<Arc<Client>>>,
    /// Who says what batch comes next, also of a client that was closed.
    tasks: Tasks,
    /// Of the source that a plan belongs to.
    fingerprint: u64,
}

impl PyClient {
    fn new(client: Client, fingerprint: u64) -> PyClient {
        static PINNED: Once = Once::new();
        PINNED.call_once(|| {
            fork::hold_during_fork(|| {
                rings::before_fork();
                Box::new(())
            });
        });
        PyClient { tasks: client.tasks().clone(), client: Mutex::new(Some(Arc::new(client))), fingerprint }
    }
    fn client(&self) -> PyResult<Arc<Client>> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone().ok_or_else(|| PyRuntimeError::new_err("the client is closed"))
    }
    fn push(&self, random: BatchRandom, keys: Keys) -> PyResult<u64> {
        match &self.tasks {
            Tasks::Queue(feed) => Ok(feed.push(random, keys)),
            _ => Err(PyRuntimeError::new_err("this client follows a plan")),
        }
    }
    /// The plan, and what its batch 0 is called.
    fn plan(&self) -> PyResult<(Plan, u64)> {
        match &self.tasks {
            Tasks::Plan(feed) => Ok(feed.plan()),
            _ => Err(PyRuntimeError::new_err("this client follows no plan")),
        }
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
        let client = py.detach(|| Client::with_readers(Arc::new(source), feed, &options)).or_raise()?;
        Ok(PyClient::new(client, 0))
    }

    /// Batches made by processes that ``program`` forks. They begin with :meth:`set_job`.
    #[staticmethod]
    fn with_workers(py: Python<'_>, program: &PyForkServer, workers: u32, slots: usize) -> PyResult<PyClient> {
        let feed = QueueFeed::new();
        let options = session::Options { workers, ..session::Options::default() };
        let client = py.detach(|| Client::with_workers(program.starter(), feed, slots, SLOT_BYTES, options)).or_raise()?;
        Ok(PyClient::new(client, 0))
    }
    /// Gives the workers their job: the memory file with this descriptor, which the client keeps a copy of.
    fn set_job(&self, file: BorrowedDescriptor) -> PyResult<()> {
        let blob = file.0.try_clone_to_owned()?;
        if let Some(session) = self.client()?.session() {
            session.set_job(Job { bytes: Vec::new(), blob: Some(blob) });
        }
        Ok(())
    }
    /// The ids of the worker processes.
    fn processes(&self) -> PyResult<Vec<u32>> {
        Ok(self.client()?.session().map_or_else(Vec::new, |session| session.status().processes))
    }

    /// The batches of a plan, epoch after epoch, of a native source read by threads of this process.
    #[staticmethod]
    #[pyo3(signature = (source, plan, threads, slots, state=None))]
    fn of_source(
        py: Python<'_>,
        source: &PySource,
        plan: PlanFields,
        threads: usize,
        slots: usize,
        state: Option<HashMap<String, u64>>,
    ) -> PyResult<PyClient> {
        let (source, fingerprint) = (source.0.clone(), source.0.fingerprint());
        let plan = started(plan.plan(source.len())?, state.as_ref(), fingerprint)?;
        let options = Options { slots, batch_size: plan.batch_size as usize, workers: threads };
        let feed = Arc::new(PlanFeed::new(plan, None));
        let client = py.detach(|| Client::with_readers(source, feed, &options)).or_raise()?;
        Ok(PyClient::new(client, fingerprint))
    }
    /// The same of ``len`` samples that processes make, which ``program`` forks and which begin with :meth:`set_job`.
    #[staticmethod]
    #[pyo3(signature = (len, fingerprint, plan, program, workers, slots, state=None))]
    #[allow(clippy::too_many_arguments, reason = "named in the one call")]
    fn of_workers(
        py: Python<'_>,
        len: u64,
        fingerprint: u64,
        plan: PlanFields,
        program: &PyForkServer,
        workers: u32,
        slots: usize,
        state: Option<HashMap<String, u64>>,
    ) -> PyResult<PyClient> {
        let plan = started(plan.plan(len)?, state.as_ref(), fingerprint)?;
        let feed = Arc::new(PlanFeed::new(plan, None));
        let options = session::Options { workers, ..session::Options::default() };
        let client = py.detach(|| Client::with_workers(program.starter(), feed, slots, SLOT_BYTES, options)).or_raise()?;
        Ok(PyClient::new(client, fingerprint))
    }
    /// The stream of the service at ``address``.
    #[staticmethod]
    #[pyo3(signature = (address, chosen, slots, state=None))]
    fn connect(py: Python<'_>, address: &str, chosen: Chosen, slots: usize, state: Option<HashMap<String, u64>>) -> PyResult<PyClient> {
        let offered = py.detach(|| client::welcome(address)).or_raise()?.plan;
        let state = state.as_ref().map(plan::state).transpose()?;
        let request = Request { plan: chosen.of(offered)?, epochs: None, state, slots };
        let client = py.detach(|| Client::connect(address, request)).or_raise()?;
        let Some(state) = client.state() else {
            return Err(PyRuntimeError::new_err("a client of a service follows its plan"));
        };
        Ok(PyClient::new(client, state.fingerprint))
    }
    /// Where the plan is: what was taken is consumed.
    fn state(&self) -> PyResult<BTreeMap<&'static str, u64>> {
        let position = self.client()?.position();
        let (plan, first) = self.plan()?;
        Ok(plan.state(position.saturating_sub(first), self.fingerprint).to_map())
    }
    /// Goes on from a state; threads, workers and the connection stay. False: no further batch can come from this client.
    fn seek(&self, py: Python<'_>, state: HashMap<String, u64>) -> PyResult<bool> {
        let (client, (plan, _)) = (self.client()?, self.plan()?);
        let plan = plan.resume(&plan::state(&state)?, self.fingerprint).or_raise()?;
        Ok(client.failure().is_none() && py.detach(|| client.seek(plan)).or_raise().map(|()| true)?)
    }
    /// Leaves out what was pushed and not taken. False as of :meth:`seek`.
    fn drop_outstanding(&self, py: Python<'_>) -> PyResult<bool> {
        let client = self.client()?;
        Ok(client.failure().is_none() && py.detach(|| client.drop_outstanding()).or_raise().map(|()| true)?)
    }
    /// Whether the batch of this number is the last of its epoch.
    fn ends_epoch(&self, number: u64) -> PyResult<bool> {
        let (plan, _) = self.plan()?;
        Ok(plan.part(number).is_none_or(|part| part.last))
    }
    /// The epoch of the batch of this number, and its samples.
    fn samples_of(&self, number: u64) -> PyResult<(u64, Vec<u64>)> {
        let (plan, _) = self.plan()?;
        let Some(part) = plan.part(number) else { return Ok((plan.epoch, Vec::new())) };
        let mut samples = Vec::new();
        plan.indices(&part, &mut samples);
        Ok((part.epoch, samples))
    }
    /// Batches of a whole epoch.
    fn batches_per_epoch(&self) -> PyResult<u64> {
        Ok(self.plan()?.0.batches_per_epoch())
    }

    /// Asks for the samples at these indices. The seed, the epoch and the place of the first name their random numbers.
    fn push_indices(&self, indices: Vec<u64>, seed: u64, epoch: u64, position: u64) -> PyResult<u64> {
        self.push(BatchRandom { seed, epoch, position }, Keys::Indices(indices))
    }
    /// Asks for the batch of pickled keys.
    fn push_pickled(&self, keys: Vec<u8>, seed: u64, epoch: u64, position: u64) -> PyResult<u64> {
        self.push(BatchRandom { seed, epoch, position }, Keys::Opaque(keys))
    }
    /// Asks for the next batch of the stream that the worker at `place` reads.
    fn push_turn(&self, place: u32, turn: u64, seed: u64, epoch: u64) -> PyResult<u64> {
        self.push(BatchRandom { seed, epoch, position: turn }, Keys::Stream { place, turn })
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
                Next::Ready(batch) => {
                    let number = match &self.tasks {
                        Tasks::Plan(feed) => batch.number().saturating_sub(feed.plan().1),
                        _ => since_seek(batch.number()),
                    };
                    return to_parts(py, number, batch).map(Some);
                }
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
