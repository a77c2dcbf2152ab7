//! Walks the graph back. On the calling thread, without recursion: a ready-heap ordered by the nodes' sequence numbers,
//! leaves' accumulators first.
use super::accumulate::through_leaf_hooks;
use super::edge::Edge;
use super::hooks;
use super::node::{Context, FIRST, Grads, Node};
use crate::interrupt;
use crate::mode::{self, is_grad_enabled};
use crate::ops;
use crate::tensor::Tensor;
use rustc_hash::{FxHashMap, FxHashSet};
use rustorch_base::{Result, bail, ensure};
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

type Identity = usize;
fn identity(node: &Arc<Node>) -> Identity {
    Arc::as_ptr(node).cast::<()>() as usize
}

/// A node whose every gradient has arrived.
struct Ready {
    sequence: u64,
    node: Arc<Node>,
}
impl PartialEq for Ready {
    fn eq(&self, other: &Ready) -> bool {
        self.sequence == other.sequence
    }
}
impl Eq for Ready {}
impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Ready) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ready {
    fn cmp(&self, other: &Ready) -> Ordering {
        self.sequence.cmp(&other.sequence)
    }
}

/// What waits for a node: how many edges still have to deliver, and what they delivered.
#[derive(Default)]
struct Inbox {
    awaited: u32,
    cotangents: SmallVec<[Option<Tensor>; 1]>,
}

/// Where captured gradients go: per node, (slot, index in the answer).
type Captures = FxHashMap<Identity, SmallVec<[(u32, usize); 1]>>;

struct Pass {
    inboxes: FxHashMap<Identity, Inbox>,
    /// Nodes on a path to a wanted input; `None` when all are.
    needed: Option<FxHashSet<Identity>>,
    captures: Captures,
    captured: Vec<Option<Tensor>>,
    keep_graph: bool,
    create_graph: bool,
}

/// How a backward pass is asked for.
#[derive(Clone, Copy, Default)]
pub struct Options {
    pub keep_graph: bool,
    pub create_graph: bool,
}

/// `tensors.backward(gradients)`: adds to `.grad` of all leaves, or of `inputs` alone.
pub fn backward(tensors: &[Tensor], gradients: &[Option<Tensor>], options: Options, inputs: Option<&[Tensor]>) -> Result<()> {
    let Some(inputs) = inputs else {
        run(&roots(tensors, gradients, options)?, options, &[], false)?;
        return Ok(());
    };
    ensure!(!inputs.is_empty(), runtime, "`inputs` argument to `backward()` cannot be empty.");
    let mut wanted = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Some(edge) = input.grad_edge()? else { bail!(runtime, "One of the differentiated Tensors does not require grad") };
        hooks::retain_grad(input)?;
        wanted.push(edge);
    }
    run(&roots(tensors, gradients, options)?, options, &wanted, false)?;
    Ok(())
}

/// `autograd.grad`: the gradients of `inputs`, `None` for those the outputs do not depend on.
pub fn grad(
    outputs: &[Tensor],
    inputs: &[Tensor],
    gradients: &[Option<Tensor>],
    options: Options,
    allow_unused: bool,
) -> Result<Vec<Option<Tensor>>> {
    let mut wanted = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input.grad_edge()? {
            Some(edge) => wanted.push(edge),
            None => bail!(runtime, "One of the differentiated Tensors does not require grad"),
        }
    }
    let captured = run(&roots(outputs, gradients, options)?, options, &wanted, true)?;
    if let (false, Some(index)) = (allow_unused, captured.iter().position(Option::is_none)) {
        bail!(
            runtime,
            "The differentiated Tensor at index {index} appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
        )
    }
    Ok(captured)
}

/// The first gradients: given, or ones for a single element.
fn roots(tensors: &[Tensor], gradients: &[Option<Tensor>], options: Options) -> Result<Vec<(Edge, Tensor)>> {
    ensure!(
        tensors.len() == gradients.len() || gradients.is_empty(),
        runtime,
        "got {} tensors and {} gradients",
        tensors.len(),
        gradients.len()
    );
    let mut roots = Vec::with_capacity(tensors.len());
    for (i, tensor) in tensors.iter().enumerate() {
        let Some(edge) = tensor.grad_edge()? else {
            bail!(runtime, "element {i} of tensors does not require grad and does not have a grad_fn")
        };
        let gradient = match gradients.get(i).and_then(Option::as_ref) {
            Some(given) => {
                check_first(given, tensor, i, options)?;
                given.clone()
            }
            None => {
                ensure!(tensor.numel() == 1, runtime, "grad can be implicitly created only for scalar outputs");
                ensure!(
                    !tensor.dtype().is_complex(),
                    runtime,
                    "grad can be implicitly created only for real scalar outputs but got {}",
                    tensor.dtype().name()
                );
                let _off = mode::Guard::no_grad();
                ops::create::ones_like(tensor)?
            }
        };
        roots.push((edge, gradient));
    }
    Ok(roots)
}

fn check_first(given: &Tensor, tensor: &Tensor, i: usize, _options: Options) -> Result<()> {
    let size = |t: &Tensor| format!("torch.Size({:?})", t.shape());
    ensure!(
        given.shape() == tensor.shape(),
        runtime,
        "Mismatch in shape: grad_output[{i}] has a shape of {} and output[{i}] has a shape of {}.",
        size(given),
        size(tensor)
    );
    let name = |t: &Tensor| format!("torch.{}", t.dtype().name());
    ensure!(
        given.dtype().is_complex() == tensor.dtype().is_complex(),
        runtime,
        "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: grad_output[{i}] has a dtype of {} and output[{i}] has a dtype of {}.",
        name(given),
        name(tensor)
    );
    Ok(())
}

/// One pass. With `capture` the gradients of `wanted` are returned instead of accumulated.
fn run(roots: &[(Edge, Tensor)], options: Options, wanted: &[Edge], capture: bool) -> Result<Vec<Option<Tensor>>> {
    let _mode = mode::Guard::set(mode::NO_GRAD, !options.create_graph);
    let mut pass = Pass {
        inboxes: FxHashMap::default(),
        needed: None,
        captures: FxHashMap::default(),
        captured: if capture { vec![None; wanted.len()] } else { Vec::new() },
        keep_graph: options.keep_graph,
        create_graph: options.create_graph,
    };
    let order = pass.count_edges(roots);
    if !wanted.is_empty() {
        pass.mark_needed(order, wanted);
    }
    if capture {
        for (index, edge) in wanted.iter().enumerate() {
            pass.captures.entry(identity(&edge.node)).or_default().push((edge.slot, index));
        }
    }
    let mut ready = BinaryHeap::new();
    for (edge, gradient) in roots {
        pass.deliver(edge, gradient.clone())?;
    }
    for (edge, _) in roots {
        // A root that another root leads to waits for it.
        let inbox = pass.inboxes.entry(identity(&edge.node)).or_default();
        if inbox.awaited == 0 {
            inbox.awaited = u32::MAX; // once only
            ready.push(Ready { sequence: edge.node.sequence, node: edge.node.clone() });
        }
    }
    interrupt::stopping(|| pass.run(ready))?;
    Ok(pass.captured)
}

impl Pass {
    /// Steps node by node until none is ready.
    fn run(&mut self, mut ready: BinaryHeap<Ready>) -> Result<()> {
        let mut steps = 0u32;
        while let Some(Ready { node, .. }) = ready.pop() {
            self.step(&node, &mut ready)?;
            steps += 1;
            if steps.is_multiple_of(64) {
                interrupt::check()?;
            }
        }
        Ok(())
    }

    /// Counts the edges into every reachable node; returns the nodes.
    fn count_edges(&mut self, roots: &[(Edge, Tensor)]) -> Vec<Arc<Node>> {
        let mut found: Vec<Arc<Node>> = Vec::new();
        for (edge, _) in roots {
            if let Entry::Vacant(place) = self.inboxes.entry(identity(&edge.node)) {
                place.insert(Inbox::default());
                found.push(edge.node.clone());
            }
        }
        let mut next = 0;
        while next < found.len() {
            let edges = found[next].edges();
            next += 1;
            for edge in edges.into_iter().flatten() {
                let inbox = self.inboxes.entry(identity(&edge.node)).or_insert_with(|| {
                    found.push(edge.node.clone());
                    Inbox::default()
                });
                inbox.awaited += 1;
            }
        }
        found
    }

    /// Edges lead from larger sequence numbers to smaller ones (or to leaves), so one pass upwards finds all paths.
    fn mark_needed(&mut self, mut nodes: Vec<Arc<Node>>, wanted: &[Edge]) {
        let targets: FxHashSet<Identity> = wanted.iter().map(|edge| identity(&edge.node)).collect();
        nodes.sort_by_key(|node| if node.sequence == FIRST { 0 } else { node.sequence + 1 });
        let mut needed = FxHashSet::default();
        for node in &nodes {
            let leads = || super::super::tensor::lock(&node.edges).iter().flatten().any(|edge| needed.contains(&identity(&edge.node)));
            if targets.contains(&identity(node)) || leads() {
                needed.insert(identity(node));
            }
        }
        self.needed = Some(needed);
    }

    #[inline]
    fn is_needed(&self, node: &Arc<Node>) -> bool {
        self.needed.as_ref().is_none_or(|needed| needed.contains(&identity(node)))
    }

    /// Adds a gradient to what a node has received.
    fn deliver(&mut self, edge: &Edge, gradient: Tensor) -> Result<()> {
        let inbox = self.inboxes.entry(identity(&edge.node)).or_default();
        let slot = edge.slot as usize;
        if inbox.cotangents.len() <= slot {
            inbox.cotangents.resize(slot + 1, None);
        }
        let held = inbox.cotangents[slot].take();
        inbox.cotangents[slot] = Some(match held {
            None => gradient,
            Some(held) => sum(held, gradient, self.create_graph)?,
        });
        Ok(())
    }
}

/// A sum, in the first one's memory where nobody else sees it.
fn sum(held: Tensor, gradient: Tensor, create_graph: bool) -> Result<Tensor> {
    if !create_graph && held.owns_elements_alone() && held.shape() == gradient.shape() && held.dtype() == gradient.dtype() {
        ops::pointwise::add_in_place(&held, &gradient)?;
        return Ok(held);
    }
    ops::pointwise::add(&held, &gradient)
}

impl Pass {
    fn step(&mut self, node: &Arc<Node>, ready: &mut BinaryHeap<Ready>) -> Result<()> {
        let mut cotangents = std::mem::take(&mut self.inboxes.entry(identity(node)).or_default().cotangents);
        if node.sequence == FIRST
            && let Some(entry) = cotangents.first_mut()
            && let Some(gradient) = entry.take()
        {
            *entry = Some(through_leaf_hooks(node, gradient)?);
        }
        if let Some(hooks) = node.hooks.get() {
            hooks.run_before(&mut cotangents)?;
        }
        let captured_here = self.captures.get(&identity(node)).cloned();
        for (slot, index) in captured_here.iter().flatten() {
            self.captured[*index] = cotangents.get(*slot as usize).cloned().flatten();
        }
        let edges = node.edges();
        // A captured node runs only where the path goes on to another wanted one.
        let runs = match (&self.needed, &captured_here) {
            (Some(needed), Some(_)) => edges.iter().flatten().any(|edge| needed.contains(&identity(&edge.node))),
            _ => self.is_needed(node),
        };
        let mut gradients = Grads::new();
        if runs && cotangents.iter().any(Option::is_some) {
            let needs = edges.iter().enumerate().fold(0u64, |mask, (i, edge)| {
                let wanted = edge.as_ref().is_some_and(|edge| self.is_needed(&edge.node));
                mask | u64::from(wanted && i < 64) << i.min(63)
            });
            gradients = node.rule.backward(&Context { node, needs }, &cotangents)?;
            if let Some(hooks) = node.hooks.get() {
                hooks.run_after(&mut gradients, &cotangents)?;
            }
            debug_assert!(is_grad_enabled() == self.create_graph, "{} left the gradient mode changed", node.name());
            if !self.keep_graph {
                node.release();
            }
        }
        drop(cotangents);
        gradients.resize(edges.len(), None);
        for (edge, gradient) in edges.iter().zip(gradients) {
            let Some(edge) = edge else { continue };
            if let Some(gradient) = gradient
                && self.is_needed(&edge.node)
            {
                self.deliver(edge, gradient)?;
            }
            let inbox = self.inboxes.entry(identity(&edge.node)).or_default();
            inbox.awaited -= 1;
            if inbox.awaited == 0 {
                ready.push(Ready { sequence: edge.node.sequence, node: edge.node.clone() });
            }
        }
        Ok(())
    }
}
