//! Warnings for the user. The host language shows them, once, at the user's line.
use rustorch_base::Result;
use std::sync::OnceLock;

static SHOW: OnceLock<fn(&str) -> Result<()>> = OnceLock::new();

/// Called once, by the binding. The function fails when the user turned warnings into errors.
pub fn install(show: fn(&str) -> Result<()>) {
    let _ = SHOW.set(show);
}

#[cold]
pub fn warn(message: &str) -> Result<()> {
    match SHOW.get() {
        Some(show) => show(message),
        None => Ok(()),
    }
}
