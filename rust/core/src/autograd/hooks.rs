//! Functions that users hang on tensors and nodes.
use super::edge::Edge;
use crate::tensor::{Tensor, WeakTensor, lock};
use rustorch_base::Result;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Sees a gradient and may replace it.
pub type Hook = Arc<dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync>;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The hooks of one tensor, in order of registration, by number.
#[derive(Default)]
pub struct Hooks(Mutex<Vec<(u64, Hook)>>);
impl Hooks {
    pub fn add(&self, hook: Hook) -> u64 {
        let number = NEXT.fetch_add(1, Relaxed);
        lock(&self.0).push((number, hook));
        number
    }
    pub fn remove(&self, number: u64) {
        let mut hooks = lock(&self.0);
        let gone = hooks.iter().position(|hook| hook.0 == number).map(|at| hooks.remove(at));
        drop(hooks);
        drop(gone); // after the lock is free: it may run Python code
    }
    /// The numbers of the hooks that are registered now.
    pub fn numbers(&self) -> Vec<u64> {
        lock(&self.0).iter().map(|hook| hook.0).collect()
    }
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
    /// Passes a gradient through all hooks. They run without the lock: a hook may remove itself.
    pub fn run(&self, mut gradient: Tensor) -> Result<Tensor> {
        let hooks: Vec<Hook> = lock(&self.0).iter().map(|hook| hook.1.clone()).collect();
        for hook in hooks {
            if let Some(other) = hook(&gradient)? {
                rustorch_base::ensure!(other.shape() == gradient.shape(), runtime, "hook has changed the size of value");
                gradient = other;
            }
        }
        Ok(gradient)
    }
}

/// Sees the gradients of a node: of its results before it runs, or (inputs', results') after.
pub type NodeHook = Arc<dyn Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Result<Option<Vec<Option<Tensor>>>> + Send + Sync>;

/// What hangs on a node: hooks of the tensors it made, tensors that want to keep their gradient, hooks of its own.
#[derive(Default)]
pub struct NodeHooks {
    pub tensors: Mutex<Vec<(u32, Arc<Hooks>)>>,
    pub retained: Mutex<Vec<(u32, WeakTensor)>>,
    pub before: Mutex<Vec<(u64, NodeHook)>>,
    pub after: Mutex<Vec<(u64, NodeHook)>>,
}
impl NodeHooks {
    /// Adds to `before` or `after`; the number removes it.
    pub fn add(list: &Mutex<Vec<(u64, NodeHook)>>, hook: NodeHook) -> u64 {
        let number = NEXT.fetch_add(1, Relaxed);
        lock(list).push((number, hook));
        number
    }
    pub fn remove(list: &Mutex<Vec<(u64, NodeHook)>>, number: u64) {
        let mut hooks = lock(list);
        let gone = hooks.iter().position(|hook| hook.0 == number).map(|at| hooks.remove(at));
        drop(hooks);
        drop(gone);
    }
    pub(super) fn run_before(&self, cotangents: &mut [Option<Tensor>]) -> Result<()> {
        let tensors = lock(&self.tensors).clone();
        for (slot, hooks) in tensors {
            if let Some(entry) = cotangents.get_mut(slot as usize)
                && let Some(gradient) = entry.take()
            {
                *entry = Some(hooks.run(gradient)?);
            }
        }
        let before: Vec<NodeHook> = lock(&self.before).iter().map(|hook| hook.1.clone()).collect();
        for hook in before {
            if let Some(others) = hook(cotangents, &[])? {
                for (entry, other) in cotangents.iter_mut().zip(others) {
                    *entry = other;
                }
            }
        }
        let retained = lock(&self.retained).clone();
        for (slot, tensor) in retained {
            if let (Some(Some(gradient)), Some(tensor)) = (cotangents.get(slot as usize), tensor.upgrade()) {
                tensor.set_grad(Some(gradient.clone()));
            }
        }
        Ok(())
    }
    pub(super) fn run_after(&self, gradients: &mut super::Grads, cotangents: &[Option<Tensor>]) -> Result<()> {
        let after: Vec<NodeHook> = lock(&self.after).iter().map(|hook| hook.1.clone()).collect();
        for hook in after {
            if let Some(others) = hook(gradients, cotangents)? {
                *gradients = others.into_iter().collect();
            }
        }
        Ok(())
    }
}

/// `register_hook`: for a leaf the hook waits at the tensor, else at the node that made it.
pub fn register(tensor: &Tensor, hook: Hook) -> Result<(Arc<Hooks>, u64)> {
    rustorch_base::ensure!(tensor.requires_grad(), runtime, "cannot register a hook on a tensor that doesn't require gradient");
    let extra = tensor.extra_or_new();
    let (hooks, fresh) = {
        let mut slot = lock(&extra.hooks);
        let fresh = slot.is_none();
        (slot.get_or_insert_with(Arc::default).clone(), fresh)
    };
    if let (true, Some(Edge { node, slot })) = (fresh, tensor.grad_edge_of_result()?) {
        lock(&node.hooks_or_new().tensors).push((slot, hooks.clone()));
    }
    let number = hooks.add(hook);
    Ok((hooks, number))
}

/// `register_post_accumulate_grad_hook`: the hook sees the leaf once its gradient has been added to `.grad`.
pub fn register_accumulated(leaf: &Tensor, hook: Hook) -> Result<(Arc<Hooks>, u64)> {
    rustorch_base::ensure!(leaf.requires_grad(), runtime, "cannot register a hook on a tensor that doesn't require gradient");
    rustorch_base::ensure!(leaf.is_leaf(), runtime, "post accumulate grad hooks cannot be registered on non-leaf tensors");
    let hooks = lock(&leaf.extra_or_new().accumulated).get_or_insert_with(Arc::default).clone();
    let number = hooks.add(hook);
    Ok((hooks, number))
}

/// `retain_grad()`: a tensor that an op made keeps its gradient too.
pub fn retain_grad(tensor: &Tensor) -> Result<()> {
    rustorch_base::ensure!(tensor.requires_grad(), runtime, "can't retain_grad on Tensor that has requires_grad=False");
    let Some(Edge { node, slot }) = tensor.grad_edge_of_result()? else { return Ok(()) };
    if !tensor.extra_or_new().retains_grad.swap(true, Relaxed) {
        lock(&node.hooks_or_new().retained).push((slot, tensor.downgrade()));
    }
    Ok(())
}

/// After a write in place: a tensor that keeps its gradient keeps that of the new value.
pub(super) fn move_retained(tensor: &Tensor, former: Option<Edge>) -> Result<()> {
    let retains = tensor.extra().is_some_and(|extra| extra.retains_grad.swap(false, Relaxed));
    let (true, Some(former)) = (retains, former) else { return Ok(()) };
    if let Some(hooks) = former.node.hooks.get() {
        lock(&hooks.retained).retain(|entry| entry.1.upgrade().is_none_or(|held| !held.is_same(tensor)));
    }
    retain_grad(tensor)
}
