//! The session's end of a fork server ([`crate::worker::fork_server`]).
use super::Launch;
use super::child::{Child, errors};
use crate::frame::{self, FromForkServer, ToForkServer};
use crate::lease::Cause;
use crate::sys::packet;
use crate::sys::process::Process;
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) struct ForkServer {
    child: Child,
    is_ready: bool,
    /// It has not said that it cannot.
    doubles: bool,
    /// It was killed from here: its death says nothing about the program.
    is_killed: bool,
    /// What was asked for, with this process's ends of it.
    asked: Option<(ToForkServer, OwnedFd, File)>,
}

pub(super) enum Answer {
    Ready,
    Worker(Child),
    /// Another one like it.
    Double(ForkServer),
    /// It is the worker itself: [`ForkServer::into_worker`].
    Became,
}

impl ForkServer {
    pub fn start(launch: &Launch) -> Result<ForkServer> {
        Child::start(launch).map(ForkServer::of)
    }
    fn of(child: Child) -> ForkServer {
        ForkServer { child, is_ready: false, doubles: true, is_killed: false, asked: None }
    }
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }
    /// It can be asked.
    pub fn is_idle(&self) -> bool {
        self.is_ready && !self.is_killed && self.asked.is_none()
    }
    pub fn is_dead(&self) -> bool {
        self.child.is_dead()
    }
    /// It can be asked for a double.
    pub fn can_double(&self) -> bool {
        self.is_idle() && self.doubles
    }
    /// A stopped one would keep others waiting.
    pub fn kill_if_stopped(&mut self) {
        if self.child.is_stopped() {
            self.child.kill();
            self.is_killed = true;
        }
    }
    /// What to listen to: its life, its socket, its standard error.
    pub fn voices(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.child.life()).chain(self.child.voices().into_iter().flatten())
    }

    /// Asks for one worker, or for a double.
    pub fn ask(&mut self, wanted: ToForkServer) -> Result<()> {
        let (mine, theirs) = packet::pair()?;
        let (reading, writing) = errors()?;
        for (word, beside) in [(ToForkServer::Errors, &writing), (wanted, &theirs)] {
            let frame = frame::encode(&word).map_err(|error| Error::other(error.message))?;
            // if it is dead, its death is dealt with
            let _ = self.child.send(&frame, beside.as_fd());
        }
        self.asked = Some((wanted, mine, reading));
        Ok(())
    }
    /// What it says, if it has said anything. One that cannot be understood is killed.
    pub fn hear(&mut self) -> Option<Answer> {
        self.child.overhear();
        let mut buffer = [0; 64];
        let len = self.child.hear(&mut buffer)?;
        match (frame::decode(&buffer[..len]), self.asked.take()) {
            (Ok(FromForkServer::Ready { forks }), None) => {
                (self.is_ready, self.doubles) = (true, forks);
                Some(Answer::Ready)
            }
            (Ok(FromForkServer::Forked { process }), Some((wanted, socket, errors))) => {
                // one that is dead and gone already is asked for again
                let child = Child::new(Process::adopt(process).ok()?, socket, errors);
                let is_worker = wanted == ToForkServer::Fork;
                Some(if is_worker { Answer::Worker(child) } else { Answer::Double(ForkServer::of(child)) })
            }
            (Ok(FromForkServer::Refused), Some(_)) => {
                self.doubles = false;
                None
            }
            (Ok(FromForkServer::Became), asked @ Some(_)) => {
                self.asked = asked;
                Some(Answer::Became)
            }
            // hung up, which its death follows, or another protocol
            _ => {
                self.child.kill();
                None
            }
        }
    }
    /// The worker that it has become.
    pub fn into_worker(mut self) -> Option<Child> {
        let (_, socket, errors) = self.asked.take()?;
        Some(self.child.turn_into(socket, errors))
    }
    /// How it ended and its last words; `None` instead of the first where it was killed from here.
    pub fn bury(self) -> (Option<Cause>, String) {
        let (cause, words) = self.child.bury();
        ((!self.is_killed).then_some(cause), words)
    }
}
