//! Ctrl-C during long native work. The host language says how to ask whether the user wants to stop.
use rustorch_base::Result;
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static ASK: OnceLock<fn() -> Result<()>> = OnceLock::new();
const EVERY: Duration = Duration::from_millis(50);
thread_local! { static LAST: Cell<Option<Instant>> = const { Cell::new(None) } }

/// Called once, by the binding.
pub fn install(ask: fn() -> Result<()>) {
    let _ = ASK.set(ask);
    rustorch_kernels::cpu::threads::ask_during_long_work(ask);
}

/// Runs work whose parallel loops end when the user wants to stop; they unwind to here, with everything whole.
pub use rustorch_kernels::cpu::threads::stopping;

/// Long work that is no parallel loop calls this between its steps; it asks at most every 50 ms.
#[inline]
pub fn check() -> Result<()> {
    let Some(ask) = ASK.get() else { return Ok(()) };
    let now = Instant::now();
    match LAST.get() {
        Some(last) if now.duration_since(last) < EVERY => Ok(()),
        _ => {
            LAST.set(Some(now));
            ask()
        }
    }
}
