//! Long native work: when to let go of the interpreter's lock, and how Ctrl-C gets through.
use crate::error::to_core;
use pyo3::prelude::*;
use rustorch_core::interrupt::stopping;
use rustorch_core::op::{self, Args, Def, Ret, Value};
use rustorch_core::tensor::Tensor;
use smallvec::SmallVec;

/// From this many elements on, an op takes long enough (about 5 us) for the lock to be worth its 24 ns.
const LONG: i64 = 1 << 14;

#[inline(always)]
pub fn is_long(values: &[Value<'_>]) -> bool {
    values.iter().any(|value| match value {
        Value::Tensor(tensor) => tensor.numel() >= LONG,
        Value::Tensors(list) => list.iter().any(|tensor| tensor.numel() >= LONG),
        _ => false,
    })
}

/// Runs an op without the lock. The handles are cloned first: with the lock gone nothing but the caller's frame keeps
/// the wrappers alive, and native work should not depend on what Python's frames hold.
#[inline(never)]
pub fn call_detached(def: &'static Def, args: &Args<'_>) -> op::Result<Ret> {
    let handles: SmallVec<[Tensor; 8]> = args
        .values
        .iter()
        .filter_map(|value| if let Value::Tensor(tensor) = value { Some(*tensor) } else { None })
        .chain(args.out.iter().copied())
        .cloned()
        .collect();
    let mut held = handles.iter();
    let mut next = || held.next();
    let values: SmallVec<[Value<'_>; 16]> = args
        .values
        .iter()
        .map(|value| if let Value::Tensor(tensor) = value { Value::Tensor(next().unwrap_or(tensor)) } else { *value })
        .collect();
    let out: SmallVec<[&Tensor; 2]> = args.out.iter().map(|tensor| next().unwrap_or(tensor)).collect();
    let args = Args { values: &values, out: &out, ..*args };
    Python::attach(|py| py.detach(|| stopping(|| op::call(def, &args))))
}

/// Lets long work in the core ask whether the user pressed Ctrl-C. Only the main thread ever gets an answer, and the
/// caller's thread is that thread whenever there is something to interrupt.
pub fn install() {
    rustorch_core::interrupt::install(|| Python::attach(|py| py.check_signals()).map_err(to_core));
}
