//! The daemon: serves a source to clients of the same user on the same machine, each with its own stream and ring.
mod attend;
pub mod frames;

use crate::order::Plan;
use crate::session::Starter;
use crate::source::Source;
use crate::sys::event::Event;
use crate::sys::{poll, signals, socket};
use attend::Attended;
use frames::{Report, ToClient, ToDaemon, Welcome};
use rustorch_base::{Error, ErrorKind, Result, bail};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to leave a listener alone that cannot accept: there are too many open files, say.
const RECOVER: Duration = Duration::from_millis(100);
/// Workers that cannot be had by then come later, or never; clients are told.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the daemon listens: `unix:PATH`, or the path itself. Errors: another scheme.
pub fn address(text: &str) -> Result<PathBuf> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if let Some((scheme, _)) = path.split_once(':').filter(|(scheme, _)| !scheme.contains('/')) {
        bail!(value, "the data service is reached at unix:PATH; '{scheme}' is not supported");
    }
    if path.is_empty() {
        bail!(value, "the data service is reached at unix:PATH; the path is empty");
    }
    Ok(PathBuf::from(path))
}

/// What is served, and how.
pub struct Service {
    pub source: Arc<dyn Source>,
    /// As `status` shows it.
    pub name: String,
    /// Reader threads per client.
    pub readers: usize,
    /// The stream of a client that asks for no other.
    pub plan: Plan,
    /// Processes that make the batches, where code of the user is part of the pipeline.
    pub crew: Option<Crew>,
}

/// Worker processes, as many for each client.
pub struct Crew {
    pub starter: Arc<Starter>,
    /// The memory file that every worker is given.
    pub job: OwnedFd,
    pub workers: u32,
    /// About how large a sample of a finished batch is.
    pub sample_bytes: u64,
}

/// A listening daemon. Dropping it takes the socket away.
pub struct Daemon {
    listener: OwnedFd,
    path: PathBuf,
    shared: Arc<Shared>,
    /// Readable once SIGTERM or SIGINT has come.
    termination: BorrowedFd<'static>,
}

struct Shared {
    service: Service,
    begin: Instant,
    /// Signalled once and never cleared: every thread that polls it ends.
    stop: Event,
    attended: Mutex<BTreeMap<u64, Arc<Attended>>>,
}

impl Shared {
    fn attended(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Attended>>> {
        // each change is one insertion or removal
        self.attended.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn welcome(&self) -> Welcome {
        let source = &self.service.source;
        let fields = source.fields().iter().map(frames::FieldFrame::new).collect();
        let sample_bytes = self.service.crew.as_ref().map(|crew| crew.sample_bytes);
        Welcome { len: source.len(), fingerprint: source.fingerprint(), fields, plan: self.service.plan.clone(), sample_bytes }
    }
    fn report(&self) -> Report {
        Report {
            process: std::process::id(),
            source: self.service.name.clone(),
            samples: self.service.source.len(),
            uptime_seconds: self.begin.elapsed().as_secs_f64(),
            clients: self.attended().values().map(|client| client.report()).collect(),
        }
    }
}

impl Daemon {
    /// Listens at `path`, and for signals: whoever learns of the service may end it at once. Errors: somebody serves there
    /// already, or the folder is open to others.
    pub fn bind(path: &Path, service: Service) -> Result<Daemon> {
        let describe = |error: std::io::Error| Error::os(format!("cannot serve at {}: {error}", path.display()));
        let termination = signals::termination().map_err(describe)?;
        // whoever waits for a service wants batches of it, so it is there when its workers can be
        if let Some(crew) = &service.crew {
            crew.starter.wait(PATIENCE);
        }
        let listener = socket::listen(path).map_err(describe)?;
        let stop = Event::new().map_err(describe)?;
        let shared = Arc::new(Shared { service, begin: Instant::now(), stop, attended: Mutex::default() });
        Ok(Daemon { listener, path: path.to_owned(), shared, termination })
    }

    /// Ends [`Daemon::run`] from another thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.stop.signal()
    }

    /// Serves until SIGTERM or SIGINT comes, or the stopper is called. Then no client is accepted
    /// any more, batches under way are finished, and clients are hung up on: they use what is ready and look for a
    /// successor.
    pub fn run(self) -> Result<()> {
        let describe = |error: std::io::Error| Error::os(format!("the daemon cannot wait: {error}"));
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        for number in 0.. {
            let ready = poll::readable(&[self.termination, self.shared.stop.as_fd(), self.listener.as_fd()], None).map_err(describe)?;
            if ready[0] || ready[1] {
                break;
            }
            threads.retain(|thread| !thread.is_finished());
            if ready[2]
                && let Some(thread) = self.accept(number)
            {
                threads.push(thread);
            }
        }
        self.shared.stop.signal();
        for thread in threads {
            // a client's thread reports its errors to the client; there is nothing to pass on
            let _ = thread.join();
        }
        Ok(())
    }

    fn accept(&self, number: u64) -> Option<JoinHandle<()>> {
        let shared = self.shared.clone();
        let started = socket::accept(&self.listener).and_then(|socket| {
            let name = format!("rustorch-client-{number}");
            std::thread::Builder::new().name(name).spawn(move || serve(&shared, number, &Arc::new(socket)))
        });
        if started.is_err() {
            std::thread::sleep(RECOVER);
        }
        started.ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Hears one client until it hangs up. What cannot be served is refused in words.
fn serve(shared: &Shared, number: u64, socket: &Arc<OwnedFd>) {
    let outcome = frames::check_peer(socket).and_then(|process| converse(shared, number, socket, process));
    shared.attended().remove(&number);
    if let Err(error) = outcome {
        if error.kind != ErrorKind::Os {
            tracing::warn!(%error, "client refused");
        }
        // the peer may be gone; then nobody is left to tell
        let _ = frames::send(socket, &ToClient::refusal(&error), None);
    }
}

fn converse(shared: &Shared, number: u64, socket: &Arc<OwnedFd>, process: i32) -> Result<()> {
    loop {
        match frames::receive(socket)? {
            (ToDaemon::Hello, _) => frames::send(socket, &ToClient::Welcome(shared.welcome()), None)?,
            (word @ (ToDaemon::Seek(_) | ToDaemon::Ring | ToDaemon::Freed), _) => {
                bail!(value, "a client said {word:?} before it opened a stream")
            }
            (ToDaemon::Status, _) => frames::send(socket, &ToClient::Status(shared.report()), None)?,
            (ToDaemon::Open(open), ring) => {
                let attended = Arc::new(Attended::start(shared, &open, ring, process, socket)?);
                shared.attended().insert(number, attended.clone());
                tracing::info!(process, batch_size = open.plan.batch_size, first = open.first, "client connected");
                frames::send(socket, &ToClient::Opened, None)?;
                return attended.until_hang_up(socket, &shared.stop);
            }
        }
    }
}
