//! The fork server: a process that has loaded what workers need, and becomes them by forking when it is asked.
//!
//! An interpreter takes longer to start than a trainer should wait, a fork of one takes a few milliseconds, and what was
//! loaded is there once for all. The dangers of a fork are those of threads and of state, and this process has neither: it has
//! one thread, has seen no data set and no script, and knows nothing of the trainer's memory. Where something has started a
//! thread nevertheless, or the kernel does not fork, it becomes the worker itself, and the session starts another one.
//!
//! The workers are the session's own children (see [`fork_sibling`]): they live on when this process is killed. So that its death
//! does not cost the start of another one either, the session has it double itself.
use super::{bind, receive, take_stdin};
use crate::frame::{self, FromForkServer, ToForkServer};
use crate::sys::fork::{self, Side, fork_sibling};
use crate::sys::packet;
use rustorch_base::{Error, Result, bail};
use std::os::fd::{AsFd, OwnedFd};

/// What the names of processes say in lists.
const SERVER: &std::ffi::CStr = c"rustorch-forker";
const WORKER: &std::ffi::CStr = c"rustorch-worker";

/// What a host language does around a fork.
pub trait Host {
    fn before_fork(&self) {}
    fn after_in_parent(&self) {}
    fn after_in_child(&self) {}
}

/// Forks workers until the session hangs up. True in each of them: its standard input is the socket with which
/// [`super::Worker::attach`] begins. False: there is nothing left to do. Errors: the session speaks another protocol.
pub fn serve(host: &dyn Host) -> Result<bool> {
    if !bind()? {
        return Ok(false);
    }
    // a name is a help for people, no more
    let _ = rustix::thread::set_name(SERVER);
    let describe = |error: std::io::Error| Error::os(format!("a fork server cannot use its descriptors: {error}"));
    let mut session = take_stdin().map_err(describe)?;
    tell(&session, FromForkServer::Ready { forks: can_fork() })?;
    loop {
        let Some((wanted, socket, errors)) = question(&session)? else { return Ok(false) };
        let (answer, is_here) = match (forked(host), wanted) {
            (Ok(Side::Copy), _) => (None, true),
            (Ok(Side::Original(process)), _) => (Some(FromForkServer::Forked { process }), false),
            (Err(_), ToForkServer::Double) => (Some(FromForkServer::Refused), false),
            (Err(_), _) => (Some(FromForkServer::Became), true),
        };
        if let Some(answer) = answer {
            tell(&session, answer)?;
        }
        if !is_here {
            continue;
        }
        begin_anew(&errors).map_err(describe)?;
        if !bind()? {
            return Ok(false);
        }
        if wanted == ToForkServer::Fork {
            rustix::stdio::dup2_stdin(&socket).map_err(|error| describe(error.into()))?;
            let _ = rustix::thread::set_name(WORKER);
            return Ok(true);
        }
        session = socket;
        tell(&session, FromForkServer::Ready { forks: true })?;
    }
}

/// What is wanted, with the socket and the standard error of the new process; `None` when the session is gone.
fn question(session: &OwnedFd) -> Result<Option<(ToForkServer, OwnedFd, OwnedFd)>> {
    let mut buffer = [0; 64];
    let Some(first) = receive(session, &mut buffer)? else { return Ok(None) };
    let Some(second) = receive(session, &mut buffer)? else { return Ok(None) };
    match (first, second) {
        ((ToForkServer::Errors, Some(errors)), (wanted, Some(socket))) => Ok(Some((wanted, socket, errors))),
        _ => bail!(value, "the session asked for a process without its descriptors"),
    }
}

fn can_fork() -> bool {
    fork::threads().is_ok_and(|threads| threads == 1)
}

fn forked(host: &dyn Host) -> std::io::Result<Side> {
    host.before_fork();
    let side = fork_sibling();
    match side {
        Ok(Side::Copy) => host.after_in_child(),
        _ => host.after_in_parent(),
    }
    side
}

/// A standard error and a process group of its own, as a started program has.
fn begin_anew(errors: &OwnedFd) -> std::io::Result<()> {
    rustix::stdio::dup2_stderr(errors.as_fd())?;
    Ok(rustix::process::setpgid(None, None)?)
}

fn tell(session: &OwnedFd, word: FromForkServer) -> Result<()> {
    // a session that is gone is found out by the next receive
    let _ = packet::send(session, &frame::encode(&word)?, None);
    Ok(())
}
