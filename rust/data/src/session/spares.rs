//! Processes that wait for a place. Starting an interpreter takes longer than a trainer should wait, so once a worker has
//! died or was stopped, the session keeps a few more that have started and know no job yet. A session that meets no trouble
//! never has them.
use super::child::Child;
use crate::lease::Cause;

/// So that even a third fault, while the second's successor starts, costs no start.
const KEPT: usize = 2;

#[derive(Default)]
pub(super) struct Spares {
    children: Vec<Child>,
    /// Killed because they were stopped. Nobody waits for their end: it takes its time on a busy machine.
    dying: Vec<Child>,
    wanted: bool,
    /// One ended by itself, or could not be started: the next would go the same way.
    useless: bool,
}

impl Spares {
    /// From now on they are kept.
    pub fn want(&mut self) {
        self.wanted = true;
    }
    pub fn are_missing(&self) -> bool {
        self.wanted && !self.useless && self.children.len() < KEPT
    }
    pub fn keep(&mut self, child: Child) {
        self.children.push(child);
    }
    /// None can be started.
    pub fn give_up(&mut self) {
        self.useless = true;
    }
    pub fn children(&self) -> &[Child] {
        &self.children
    }
    /// Takes up what one wrote, or that it is dead.
    pub fn attend(&mut self, at: usize, is_dead: bool) {
        if is_dead {
            let (cause, _) = self.children.remove(at).bury();
            self.useless |= !matches!(cause, Cause::Signal(_));
        } else {
            self.children[at].overhear();
        }
    }
    /// One that can work. Those that are stopped are killed on the way.
    pub fn take(&mut self) -> Option<Child> {
        while !self.children.is_empty() {
            let child = self.children.remove(0);
            if !child.is_stopped() {
                return Some(child);
            }
            child.kill();
            self.dying.push(child);
        }
        None
    }
    pub fn take_all(&mut self) -> Vec<Child> {
        std::mem::take(&mut self.children)
    }
    /// Takes up those that are dead by now.
    pub fn reap(&mut self) {
        self.dying.retain(|child| !child.is_dead());
    }
    pub fn are_dying(&self) -> bool {
        !self.dying.is_empty()
    }
}
