//! `rustorch-data`: the data service, which streams shuffled batches into training and loses nothing when processes
//! die. Its order is a pure function of (seed, epoch, position); a dead worker's batch is leased again with identical
//! bytes. The crate depends on `rustorch-base` only, so that the service starts without a tensor library.
pub mod cli;
pub mod client;
pub mod daemon;
pub mod feed;
pub mod frame;
pub mod lease;
pub mod order;
pub mod payload;
pub mod readers;
pub mod ring;
pub mod session;
pub mod source;
pub mod spec;
pub mod sys;
pub mod transform;
pub mod worker;
