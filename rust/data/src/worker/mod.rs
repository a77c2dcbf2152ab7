//! A worker process: it is leased slots one by one, has its [`Fetch`] make each batch, writes it into the slot and
//! publishes it.
//!
//! It never outlives its session: the kernel kills it when the thread that started it ends, and a closed socket ends it
//! too. A slot is touched only between the lease's frame and the worker's own answer; that answer, or the worker's death,
//! is what lets others use the slot again.
pub mod fork_server;
mod serve;

pub(crate) use serve::refuse;

use crate::feed::Keys;
use crate::frame::{self, Job, ToSession, ToWorker};
use crate::payload::BufferSpec;
use crate::ring::slot::{Kind, SlotHeader};
use crate::source::BatchRandom;
use crate::sys::{heap, packet, process};
use rustix::fs::{Mode, OFlags};
use rustorch_base::{Error, Result, bail};
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd, OwnedFd};

/// The environment variable that names a worker's session by its process.
pub(crate) const PARENT: &str = "RUSTORCH_WORKER_PARENT";

/// Binds the life of this process to the session that started it. The earlier the better: until then only a closed socket
/// ends it. False: the session is gone already.
pub fn bind() -> Result<bool> {
    let Some(parent) = std::env::var(PARENT).ok().and_then(|parent| parent.parse().ok()) else {
        bail!(runtime, "a worker is started by a session, which names itself in {PARENT}");
    };
    process::die_with_parent(parent).map_err(|error| Error::os(format!("a worker cannot bind itself to its session: {error}")))
}

/// A batch to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    pub number: u64,
    pub random: BatchRandom,
    pub keys: Keys,
}

/// A batch that was made, ready to be written into a slot. It may be written long after it was made, and more than once.
pub trait Encoded {
    /// [`Kind::Data`]; [`Kind::End`] when the stream has no such batch; [`Kind::Error`] for a pickled exception.
    fn kind(&self) -> Kind;
    fn samples(&self) -> u32;
    fn buffers(&self) -> Vec<BufferSpec>;
    fn skeleton(&self) -> &[u8];
    /// Writes buffer `index`, whose place is exactly as long as its spec says.
    fn write(&self, index: usize, place: &mut [u8]);
}

/// Makes batches.
pub trait Fetch {
    type Batch: Encoded;
    /// Makes one batch. `progress` is to be told of each sample. Errors reach the trainer in the batch's place, as a text;
    /// an exception of the host language is better returned as a batch of [`Kind::Error`].
    fn fetch(&mut self, order: &Order, progress: Progress<'_>) -> Result<Self::Batch>;
}

/// The worker's heartbeat, and the name of the sample on which it died if it dies.
#[derive(Clone, Copy)]
pub struct Progress<'a>(&'a SlotHeader);

impl Progress<'_> {
    /// The batch's sample `k`, from 0, is begun.
    pub fn sample(self, k: u32) {
        self.0.set_progress(k.saturating_add(1));
    }
}

/// A worker that knows its job.
pub struct Worker {
    socket: OwnedFd,
    job: Job,
    blob: Option<OwnedFd>,
}

impl Worker {
    /// Takes over the socket that the session gave this process as standard input, which becomes empty, and waits for the
    /// job. `None`: the session is gone, and this process has nothing left to do.
    pub fn attach() -> Result<Option<Worker>> {
        if !bind()? {
            return Ok(None);
        }
        heap::keep_freed();
        let describe = |error: std::io::Error| Error::os(format!("a worker cannot take over its socket: {error}"));
        let socket = take_stdin().map_err(describe)?;
        // a session that is gone is found out below
        let _ = packet::send(&socket, &frame::encode(&ToSession::Here)?, None);
        Worker::on_socket(socket)
    }

    fn on_socket(socket: OwnedFd) -> Result<Option<Worker>> {
        let mut buffer = vec![0; packet::LONGEST];
        let Some((ToWorker::Job(job), _)) = receive(&socket, &mut buffer)? else { return Ok(None) };
        let mut blob = None;
        if job.blob {
            match receive(&socket, &mut buffer)? {
                Some((ToWorker::Blob, Some(file))) => blob = Some(file),
                Some(_) => bail!(value, "the session did not send the file of the job"),
                None => return Ok(None),
            }
        }
        Ok(Some(Worker { socket, job, blob }))
    }

    pub fn job(&self) -> &Job {
        &self.job
    }
    /// The memory file that came with the job.
    pub fn take_blob(&mut self) -> Option<OwnedFd> {
        self.blob.take()
    }

    /// Serves leases until the session hangs up. Errors: the session speaks another protocol, or memory is short.
    pub fn run<F: Fetch>(self, fetch: &mut F) -> Result<()> {
        serve::Server::new(&self, fetch).run()
    }
}

/// The next frame; `None` when the session is gone.
fn receive<T: DeserializeOwned>(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<(T, Option<OwnedFd>)>> {
    match packet::receive(socket, buffer) {
        Ok(received) if received.len == 0 => Ok(None),
        Ok(received) => Ok(Some((frame::decode(&buffer[..received.len])?, received.descriptor))),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => bail!(os, "a worker cannot hear its session: {error}"),
    }
}

fn take_stdin() -> std::io::Result<OwnedFd> {
    let stdin = std::io::stdin();
    // above the standard descriptors, and not inherited by programs that the data set starts
    let socket = rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), 3)?;
    rustix::stdio::dup2_stdin(rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)?;
    Ok(socket)
}
