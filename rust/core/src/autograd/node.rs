//! What an operator leaves behind: how to turn the gradients of its results into those of its inputs.
use super::edge::Edge;
use super::hooks::NodeHooks;
use super::saved::Saved;
use crate::tensor::{Tensor, lock};
use rustorch_base::{Result, bail};
use smallvec::SmallVec;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// Gradients by slot; `None` stands for zeros.
pub type Grads = SmallVec<[Option<Tensor>; 3]>;
pub type Edges = SmallVec<[Option<Edge>; 2]>;
pub type SavedList = SmallVec<[Saved; 2]>;

/// The derivative of an operator. Written in differentiable operators, so that with `create_graph` it leaves nodes of
/// its own.
pub trait Rule: Send + Sync + Any {
    /// PyTorch's name of the node: `AddBackward0`.
    fn name(&self) -> &str;
    /// From the gradients of the results to those of the inputs, one an edge. What no edge needs may be `None`.
    fn backward(&self, context: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads>;
    /// The place of a saved value that has a name in PyTorch: `self` for `grad_fn._saved_self`.
    fn saved_index(&self, _name: &str) -> Option<usize> {
        None
    }
    /// Frees what the rule itself holds for backward, beyond the node's saved values.
    fn release(&self) {}
    fn as_any(&self) -> &dyn Any;
}

/// A step of the graph. `edges[i]` leads to the node that made input `i`; `None` where it needs no gradient.
/// Dropping a node is iterative: a chain of a million nodes does not recurse.
pub struct NodeOf<R: Rule + ?Sized> {
    /// Later nodes have larger numbers; the engine runs larger ones first.
    pub sequence: u64,
    pub edges: Mutex<Edges>,
    pub(super) saved: Mutex<SavedList>,
    pub(super) released: AtomicBool,
    pub(crate) hooks: OnceLock<Box<NodeHooks>>,
    pub rule: R,
}
pub type Node = NodeOf<dyn Rule>;

/// Leaves' nodes run first: PyTorch gives them the largest number.
pub const FIRST: u64 = u64::MAX;

thread_local! { static SEQUENCE: Cell<u64> = const { Cell::new(0) } }
fn next_sequence() -> u64 {
    SEQUENCE.replace(SEQUENCE.get() + 1)
}

impl<R: Rule> NodeOf<R> {
    #[inline]
    pub fn new(rule: R, edges: Edges, saved: SavedList) -> Arc<Node> {
        NodeOf::with_sequence(rule, edges, saved, next_sequence())
    }
    pub fn with_sequence(rule: R, edges: Edges, saved: SavedList, sequence: u64) -> Arc<Node> {
        Arc::new(NodeOf {
            sequence,
            edges: Mutex::new(edges),
            saved: Mutex::new(saved),
            released: AtomicBool::new(false),
            hooks: OnceLock::new(),
            rule,
        })
    }
}

impl Node {
    pub fn name(&self) -> &str {
        self.rule.name()
    }
    pub fn edges(&self) -> Edges {
        lock(&self.edges).clone()
    }
    /// Frees the saved values: a second backward through this node is refused.
    pub fn release(&self) {
        let mut held = lock(&self.saved);
        if held.iter().all(|saved| matches!(saved, Saved::Nothing)) {
            return self.rule.release(); // nothing saved: backward may run again
        }
        self.released.store(true, Relaxed);
        let saved = std::mem::take(&mut *held);
        drop(held);
        drop(saved); // after the lock is free
        self.rule.release();
    }
    pub fn hooks_or_new(&self) -> &NodeHooks {
        self.hooks.get_or_init(Box::default)
    }
    /// A saved value, checked against later writes.
    pub fn saved(self: &Arc<Self>, index: usize) -> Result<Option<Tensor>> {
        let saved = lock(&self.saved).get(index).cloned();
        match saved {
            Some(saved) => saved.unpack(self),
            None => bail!(
                runtime,
                "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
            ),
        }
    }
}

/// What a rule may ask while it runs.
pub struct Context<'a> {
    pub node: &'a Arc<Node>,
    /// Bit `i`: the gradient of input `i` is wanted.
    pub needs: u64,
}
impl Context<'_> {
    #[inline]
    pub fn needs(&self, input: usize) -> bool {
        self.needs >> input.min(63) & 1 != 0
    }
    /// The saved value `index`, which the node must have.
    pub fn saved(&self, index: usize) -> Result<Tensor> {
        match self.node.saved(index)? {
            Some(tensor) => Ok(tensor),
            None => bail!(runtime, "{}: saved value {index} is undefined", self.node.name()),
        }
    }
    pub fn saved_optional(&self, index: usize) -> Result<Option<Tensor>> {
        self.node.saved(index)
    }
}

/// A rule given as a function; its captured values are plain attributes (shapes, dimensions), never tensors.
pub struct Formula<F> {
    pub name: &'static str,
    pub formula: F,
}
impl<F> Rule for Formula<F>
where
    F: Fn(&Context, &[Option<Tensor>]) -> Result<Grads> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.name
    }
    fn backward(&self, context: &Context, cotangents: &[Option<Tensor>]) -> Result<Grads> {
        (self.formula)(context, cotangents)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a dying node held. Dropped from a list, one after the other, by the outermost dying node.
enum Remains {
    #[expect(dead_code, reason = "held for its drop")]
    Edge(Edge),
    #[expect(dead_code, reason = "held for its drop")]
    Saved(Saved),
}
thread_local! {
    static REMAINS: RefCell<Vec<Remains>> = const { RefCell::new(Vec::new()) };
    static BURYING: Cell<bool> = const { Cell::new(false) };
}
impl<R: Rule + ?Sized> Drop for NodeOf<R> {
    fn drop(&mut self) {
        let edges = std::mem::take(self.edges.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        let saved = std::mem::take(self.saved.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        let remains = edges.into_iter().flatten().map(Remains::Edge).chain(saved.into_iter().map(Remains::Saved));
        // A thread that ends has no list any more; what it drops then is dropped in place.
        if REMAINS.try_with(|list| list.borrow_mut().extend(remains)).is_err() || BURYING.replace(true) {
            return;
        }
        while let Some(last) = REMAINS.with_borrow_mut(Vec::pop) {
            drop(last);
        }
        BURYING.set(false);
    }
}
