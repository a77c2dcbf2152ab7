//! The order of samples: a pure function of (seed, epoch, position). [`permutation`] shuffles, [`blocks`] shuffles what is
//! read in runs, [`plan`] cuts epochs into batches and ranks, [`state`] is the place where a stream stands.
pub mod blocks;
pub mod feed;
pub mod permutation;
pub mod plan;
pub mod state;

pub use feed::PlanFeed;
pub use plan::{Order, Part, Plan, Shuffle, Tail};
pub use state::State;
