//! Processes that a service starts before anybody can reach it: its first client, who may have been waiting since the death of
//! the service before, does not wait for interpreters as well.
use super::Launch;
use super::child::Child;
use super::starter::{SPARE, Start, Starter};
use crate::sys::poll;
use std::io::Result;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Those that are not there by then come later, or never: sessions start their own.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(1);

/// Started processes without a place. What is left is ended when this is dropped; those that sessions took live no longer than
/// this.
pub struct Standby(Mutex<Waiting>);

struct Waiting {
    /// `None` while it ends.
    starter: Option<Starter>,
    children: Vec<Child>,
}

impl Standby {
    /// Starts `count` processes, and waits for a while until they are there.
    pub fn start(launch: Launch, count: u32) -> Result<Standby> {
        let begin = Instant::now();
        let mut starter = Starter::new(launch, || {})?;
        for id in 0..count {
            starter.start(Start { id, place: SPARE }, Duration::ZERO);
        }
        let mut waiting = Waiting { starter: Some(starter), children: Vec::new() };
        while waiting.expects_more() && begin.elapsed() < PATIENCE {
            sleep(LOOK);
        }
        for child in &waiting.children {
            let signs: Vec<_> = child.voices()[0].into_iter().chain([child.life()]).collect();
            // a process that cannot be listened to is found out when it is taken
            let _ = poll::readable(&signs, Some(PATIENCE.saturating_sub(begin.elapsed())));
        }
        Ok(Standby(Mutex::new(waiting)))
    }

    /// One that can work.
    pub(super) fn take(&self) -> Option<Child> {
        // the list is whole after each of its changes
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.expects_more();
        while let Some(child) = waiting.children.pop() {
            if !child.is_dead() && !child.is_stopped() {
                return Some(child);
            }
        }
        None
    }
}

impl Waiting {
    /// Takes up those that have been started; whether others are still being started. What cannot be started is told by the
    /// session that tries again.
    fn expects_more(&mut self) -> bool {
        let Some(starter) = &mut self.starter else { return false };
        while let Some((_, started)) = starter.finished() {
            self.children.extend(started);
        }
        starter.is_busy()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.children.clear();
        self.starter.take().map(Starter::end).unwrap_or_default();
    }
}
