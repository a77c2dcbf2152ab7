//! A client's connection to a daemon, and how it comes back when the daemon has died or was replaced.
use crate::daemon::frames::{Open, Report, Seek, ToClient, ToDaemon, Welcome, check_peer, receive, send};
use crate::frame;
use crate::order::{Plan, State};
use crate::ring::Ring;
use crate::ring::rings::Rings;
use crate::source::Field;
use crate::sys::{packet, poll, socket};
use rustorch_base::{Error, ErrorKind, Result, bail};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a daemon says after the opening is short.
const LONGEST_WORD: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// A call that nobody answers costs microseconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The stream that a client asks a daemon for. The daemon says how many samples there are.
#[derive(Clone, Debug)]
pub struct Request {
    /// `len` is the daemon's; what is set here is not looked at.
    pub plan: Plan,
    pub epochs: Option<u64>,
    /// Where to go on, instead of the plan's own seed, epoch and position.
    pub state: Option<State>,
    pub slots: usize,
}

pub(super) struct Link {
    path: PathBuf,
    socket: Option<Arc<OwnedFd>>,
    pub plan: Plan,
    pub epochs: Option<u64>,
    /// What the plan's batch 0 is called.
    number: u64,
    pub fingerprint: u64,
    pub fields: Vec<Field>,
    pub reconnects: u64,
    retry: Instant,
    pause: Duration,
}

impl Link {
    /// Connects for the first time and makes the ring. Errors: nobody serves there, or the request is refused.
    pub fn open(path: PathBuf, request: Request) -> Result<(Link, Rings)> {
        let (socket, welcome) = greet(&path).map_err(|error| Error::new(error.kind, format!("{}: {error}", path.display())))?;
        let fields = welcome.source_fields()?;
        let mut plan = Plan { len: welcome.len, ..request.plan };
        if let Some(state) = &request.state {
            plan = plan.resume(state, welcome.fingerprint)?;
        }
        plan.check()?;
        let rings = Rings::create(request.slots, welcome.slot_bytes(plan.batch_size)?)?;
        let (fingerprint, epochs) = (welcome.fingerprint, request.epochs);
        let (retry, pause) = (Instant::now(), FIRST_PAUSE);
        let mut link = Link { path, socket: None, plan, epochs, number: 0, fingerprint, fields, reconnects: 0, retry, pause };
        link.hand_over(socket, &rings, 0)?;
        Ok((link, rings))
    }

    /// Sends the newest ring, to be filled from batch `first` of the plan on.
    fn hand_over(&mut self, socket: OwnedFd, rings: &Rings, first: u64) -> Result<()> {
        let open = Open { plan: self.plan.clone(), epochs: self.epochs, number: self.number, first, fingerprint: self.fingerprint };
        let ring = rings.newest();
        send(&socket, &ToDaemon::Open(open), Some(ring.descriptor()))?;
        let mut wanted = None;
        loop {
            match receive::<ToClient>(&socket)?.0.answer()? {
                ToClient::Opened => break,
                // a worker was quicker than the answer
                ToClient::Grow { bytes } => wanted = Some(bytes),
                other => bail!(value, "the daemon answered {other:?} to the opening of a stream"),
            }
        }
        let socket = Arc::new(socket);
        tell_of_freed(&socket, &ring);
        self.socket = Some(socket);
        self.pause = FIRST_PAUSE;
        wanted.map_or(Ok(()), |bytes| self.grow(rings, bytes))
    }

    /// Looks whether the daemon is still there. If not, its rings are closed to it and, when the time has come, the next
    /// one is asked to go on at `next`. Errors: what is served now cannot continue this stream.
    pub fn attend(&mut self, rings: &Rings, next: u64) -> Result<()> {
        while let Some(socket) = &self.socket {
            match hear(socket) {
                Heard::Nothing => return Ok(()),
                Heard::Grow(bytes) => self.grow(rings, bytes)?,
                Heard::HangUp => self.give_up(rings),
            }
        }
        if Instant::now() < self.retry {
            return Ok(());
        }
        match self.come_back(rings, next) {
            // nobody there, or it died again on the way
            Err(error) if error.kind == ErrorKind::Os => {
                self.retry = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(())
            }
            other => other,
        }
    }

    fn come_back(&mut self, rings: &Rings, next: u64) -> Result<()> {
        let (socket, welcome) = greet(&self.path)?;
        // a daemon of another source is refused in the words that a saved state is refused with
        let state = self.state(next);
        state.check(welcome.fingerprint, welcome.len, state.order)?;
        rings.renew()?;
        // batches that the old daemon finished are used up; what lies behind a gap comes again
        let first = rings.keep_run(next);
        self.hand_over(socket, rings, first - self.number)?;
        self.reconnects += 1;
        Ok(())
    }

    /// The state once the batches below `next` have been consumed.
    pub fn state(&self, next: u64) -> State {
        self.plan.state(next.saturating_sub(self.number), self.fingerprint)
    }

    /// Goes on with batch 0 of another plan, called `number`. A daemon that is dead does not hear of it; its successor will
    /// be told this place.
    pub fn seek(&mut self, plan: Plan, number: u64, rings: &Rings) {
        let seek = ToDaemon::Seek(Seek { plan: plan.clone(), number });
        if self.socket.as_ref().is_some_and(|socket| send(socket, &seek, None).is_err()) {
            self.give_up(rings);
        }
        (self.plan, self.number) = (plan, number);
    }

    /// The daemon is dead or does not listen: nothing of it appears in the rings any more.
    fn give_up(&mut self, rings: &Rings) {
        self.socket = None;
        rings.freeze();
        self.retry = Instant::now();
    }

    /// How long a sleep may be until the daemon has to be looked at.
    pub fn until_look(&self, connected: Duration) -> Duration {
        if self.socket.is_some() { connected } else { self.retry.saturating_duration_since(Instant::now()).max(Duration::from_micros(200)) }
    }

    /// Makes a ring for batches of so many bytes and sends it. Errors: memory is short, by number of bytes; every next call
    /// will say so, too.
    fn grow(&mut self, rings: &Rings, bytes: u64) -> Result<()> {
        if let Err(error) = rings.grow(bytes) {
            self.give_up(rings);
            return Err(error);
        }
        let ring = rings.newest();
        if let Some(socket) = &self.socket {
            tell_of_freed(socket, &ring);
            if send(socket, &ToDaemon::Ring, Some(ring.descriptor())).is_err() {
                self.give_up(rings);
            }
        }
        Ok(())
    }

    /// Leaves the daemon in order: when this returns none of its threads writes into the ring.
    pub fn leave(&mut self) {
        if let Some(socket) = &self.socket {
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
            let _ = poll::readable(&[socket.as_fd()], Some(crate::daemon::frames::PATIENCE));
        }
    }
}

enum Heard {
    Nothing,
    Grow(u64),
    HangUp,
}

/// What a daemon says after the opening, if anything. What this program does not understand is a hang-up: the next daemon
/// will say in words what is wrong.
fn hear(socket: &OwnedFd) -> Heard {
    let mut buffer = [0; LONGEST_WORD];
    match packet::try_receive(socket, &mut buffer) {
        Ok(None) => Heard::Nothing,
        Ok(Some(received)) => match frame::decode(&buffer[..received.len]) {
            Ok(ToClient::Grow { bytes }) => Heard::Grow(bytes),
            Ok(_) | Err(_) => Heard::HangUp,
        },
        Err(_) => Heard::HangUp,
    }
}

/// A daemon whose processes make the batches sleeps on descriptors and cannot hear the ring's bell.
fn tell_of_freed(socket: &Arc<OwnedFd>, ring: &Ring) {
    let socket = Arc::downgrade(socket);
    ring.on_freed(move || {
        if let Some(socket) = socket.upgrade() {
            // if it is gone nobody waits; if its ear is full it will look
            let _ = send(&socket, &ToDaemon::Freed, None);
        }
    });
}

fn greet(path: &std::path::Path) -> Result<(OwnedFd, Welcome)> {
    let socket = call(path)?;
    send(&socket, &ToDaemon::Hello, None)?;
    match receive::<ToClient>(&socket)?.0.answer()? {
        ToClient::Welcome(welcome) => Ok((socket, welcome)),
        other => bail!(value, "the daemon answered {other:?} to a greeting"),
    }
}

fn call(path: &std::path::Path) -> Result<OwnedFd> {
    let socket =
        socket::connect(path).map_err(|error| Error::os(format!("no data service answers at unix:{}: {error}", path.display())))?;
    check_peer(&socket)?;
    Ok(socket)
}

/// Asks the daemon at `address` what it serves.
pub fn welcome(address: &str) -> Result<Welcome> {
    greet(&crate::daemon::address(address)?).map(|(_, welcome)| welcome)
}

/// Asks the daemon at `address` how it stands.
pub fn status(address: &str) -> Result<Report> {
    let socket = call(&crate::daemon::address(address)?)?;
    send(&socket, &ToDaemon::Status, None)?;
    match receive::<ToClient>(&socket)?.0.answer()? {
        ToClient::Status(report) => Ok(report),
        other => bail!(value, "the daemon answered {other:?} to a question for its status"),
    }
}
