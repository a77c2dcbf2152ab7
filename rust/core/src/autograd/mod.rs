//! Reverse-mode differentiation. Operators record a [`node::Node`] for each result ([`record`]); [`engine`] walks the
//! nodes back on the calling thread. [`view`] and [`inplace`] keep the graph right when memory is shared and written.
pub mod accumulate;
pub mod edge;
pub mod engine;
pub mod history;
pub mod hooks;
pub mod inplace;
pub mod node;
pub mod record;
pub mod saved;
pub mod view;

pub use edge::Edge;
pub use node::{Context, Grads, Node, Rule};
pub use record::{record, tracks};
pub use saved::Saved;
