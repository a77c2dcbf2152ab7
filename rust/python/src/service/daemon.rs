//! The service and the command line, for processes that do nothing else.
use super::plan::PlanFields;
use crate::error::OrRaise;
use pyo3::prelude::*;
use rustorch_data::cli;
use rustorch_data::daemon::{self, Crew, Daemon, Service};
use rustorch_data::session::{Launch, Starter};
use rustorch_data::source::Root;
use rustorch_data::spec;
use std::ffi::OsString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// What a script that starts a service says of it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    address: String,
    text: String,
    root: Option<PathBuf>,
    plan: PlanFields,
    workers: u32,
    name: String,
    /// Where processes make the batches: the program with its arguments, the job's descriptor, the bytes of a sample.
    crew: Option<(OsString, Vec<OsString>, i32, u64)>,
}

/// Serves until SIGTERM or SIGINT; ``ready()`` is called as soon as clients can connect.
#[pyfunction]
pub fn serve(py: Python<'_>, options: Options, ready: &Bound<'_, PyAny>) -> PyResult<()> {
    let path = daemon::address(&options.address).or_raise()?;
    let open = || spec::open(&options.text, &Arc::new(options.root.map_or_else(|| Ok(Root::anywhere()), |root| Root::confined(&root))?));
    let source = py.detach(open).or_raise()?;
    let plan = options.plan.plan(source.len())?;
    let crew = |(program, arguments, job, sample_bytes)| {
        let starter = Starter::shared(Launch { program, arguments, environment: Vec::new() })?;
        // SAFETY: the script passed the descriptor on to this process, for this alone.
        let job = unsafe { OwnedFd::from_raw_fd(job) };
        PyResult::Ok(Crew { starter, job, workers: options.workers, sample_bytes })
    };
    let crew = options.crew.map(crew).transpose()?;
    let service = Service { source, name: options.name, readers: options.workers as usize, plan, crew };
    let daemon = py.detach(|| Daemon::bind(&path, service)).or_raise()?;
    ready.call0()?;
    py.detach(|| daemon.run()).or_raise()
}

/// Runs the program ``rustorch-data`` with these arguments, the program's name first; gives the exit status.
#[pyfunction]
pub fn command_line(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| cli::run(arguments))
}
