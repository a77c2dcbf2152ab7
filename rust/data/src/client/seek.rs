//! Going on elsewhere in a stream while everything that serves it stays: threads, workers, ring, connection.
//!
//! The new place gets numbers that no task ever had ([`feed::beyond`]), so what is still under way for the old one can
//! neither be taken for it nor be in its way for longer than its maker needs to speak or to die.
use super::{Client, Engine};
use crate::feed::{self, Feed, QueueFeed};
use crate::order::{Plan, PlanFeed};
use rustorch_base::{Error, Result, ensure};
use std::sync::{Arc, PoisonError};

/// Who says what batch comes next.
#[derive(Clone)]
pub enum Tasks {
    /// Whoever pushes.
    Queue(Arc<QueueFeed>),
    Plan(Arc<PlanFeed>),
    /// Somebody who cannot go on elsewhere.
    Fixed(Arc<dyn Feed>),
}

impl Tasks {
    pub fn feed(&self) -> Arc<dyn Feed> {
        match self {
            Tasks::Queue(feed) => feed.clone(),
            Tasks::Plan(feed) => feed.clone(),
            Tasks::Fixed(feed) => feed.clone(),
        }
    }
}
impl From<Arc<QueueFeed>> for Tasks {
    fn from(feed: Arc<QueueFeed>) -> Tasks {
        Tasks::Queue(feed)
    }
}
impl From<Arc<PlanFeed>> for Tasks {
    fn from(feed: Arc<PlanFeed>) -> Tasks {
        Tasks::Plan(feed)
    }
}

impl From<Arc<dyn Feed>> for Tasks {
    fn from(feed: Arc<dyn Feed>) -> Tasks {
        Tasks::Fixed(feed)
    }
}

impl Client {
    /// Goes on with the first batch of a plan of the same source. Batches that were taken stay. Errors: the client follows
    /// no plan, no further batch will come, or a forked child asks; then nothing has changed.
    pub fn seek(&self, plan: Plan) -> Result<()> {
        let Tasks::Plan(feed) = &self.tasks else { return Err(Error::runtime("this client follows no plan")) };
        let now = feed.plan().0;
        plan.check()?;
        ensure!(
            (plan.len, plan.batch_size) == (now.len, now.batch_size),
            value,
            "a stream of {} samples in batches of {} keeps its source and its batch size when it is sought in",
            now.len,
            now.batch_size
        );
        self.leave(|first| {
            if let Some(mut link) = self.link() {
                link.seek(plan.clone(), first, &self.rings);
            }
            feed.seek(plan, first);
        })
    }

    /// Leaves out every task that was pushed and whose batch was not taken; not for streams ([`feed::Keys::Stream`]), which
    /// can leave nothing out. Errors as of [`Client::seek`].
    pub fn drop_outstanding(&self) -> Result<()> {
        let Tasks::Queue(feed) = &self.tasks else { return Err(Error::runtime("this client has no queue")) };
        self.leave(|first| feed.seek(first))
    }

    /// `begin` makes the feed go on at the number that it is given.
    fn leave(&self, begin: impl FnOnce(u64)) -> Result<()> {
        self.check_process()?;
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let first = feed::beyond(*next);
        begin(first);
        *next = first;
        // a daemon does so itself once it has heard: earlier it would fill the slots with the old batches again
        if !matches!(self.engine, Engine::Daemon(_)) {
            self.rings.discard_below(first);
        }
        Ok(())
    }

    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}
