//! Where a gradient goes.
use super::node::Node;
use std::sync::Arc;

/// A node, and which of its inputs (that is: which output of the forward op) the gradient belongs to.
#[derive(Clone)]
pub struct Edge {
    pub node: Arc<Node>,
    pub slot: u32,
}
