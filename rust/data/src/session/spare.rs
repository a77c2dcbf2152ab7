//! A process that waits for a place. Starting an interpreter takes longer than a trainer should wait, so once a worker has
//! died or was stopped, the session keeps one more that has started and knows no job yet. A session that meets no trouble
//! never has it.
use super::child::Child;
use crate::lease::Cause;

#[derive(Default)]
pub(super) struct Spare {
    child: Option<Child>,
    wanted: bool,
    /// One ended by itself: the next would, too.
    useless: bool,
}

impl Spare {
    /// From now on one is kept.
    pub fn want(&mut self) {
        self.wanted = true;
    }
    pub fn is_missing(&self) -> bool {
        self.wanted && !self.useless && self.child.is_none()
    }
    /// None can be started.
    pub fn give_up(&mut self) {
        self.useless = true;
    }
    pub fn keep(&mut self, child: Child) {
        self.child = Some(child);
    }
    pub fn child(&self) -> Option<&Child> {
        self.child.as_ref()
    }
    pub fn overhear(&mut self) {
        if let Some(child) = &mut self.child {
            child.overhear();
        }
    }
    /// It is dead.
    pub fn bury(&mut self) {
        if let Some((cause, _)) = self.child.take().map(Child::bury) {
            self.useless = !matches!(cause, Cause::Signal(_));
        }
    }
    /// The process, unless there is none or it is stopped: such a one is ended.
    pub fn take(&mut self) -> Option<Child> {
        self.child.take().filter(|child| !child.is_stopped())
    }
}
