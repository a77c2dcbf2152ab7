//! Batches made by worker processes that this process starts and watches.
use super::{Client, Engine, Tasks};
use crate::ring::rings::Rings;
use crate::session::{Options, Session, Starter};
use rustorch_base::{Error, Result};
use std::sync::Arc;

impl Client {
    /// Worker processes make the batches of the feed's tasks; they wait for [`Session::set_job`]. Of the first batches'
    /// size nothing need be known: a batch that is larger than `slot_bytes` makes a larger ring. Errors: too little memory
    /// for the ring, by number of bytes.
    pub fn with_workers(
        starter: Arc<Starter>,
        tasks: impl Into<Tasks>,
        slots: usize,
        slot_bytes: usize,
        options: Options,
    ) -> Result<Client> {
        let tasks = tasks.into();
        let rings = Arc::new(Rings::create(slots, slot_bytes)?);
        let session = Session::start(starter, rings.clone(), tasks.feed(), options)?;
        Ok(Client::new(rings, tasks, Engine::Workers(session)))
    }

    /// The workers' session, where the batches come from one.
    pub fn session(&self) -> Option<&Session> {
        if let Engine::Workers(session) = &self.engine { Some(session) } else { None }
    }

    /// Why no further batch will come.
    pub fn failure(&self) -> Option<Error> {
        self.session()?.failure()
    }
}
