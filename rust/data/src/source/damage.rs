//! The one shape of every complaint about a file's contents: file, offset, reason.
use rustorch_base::Error;
use std::fmt::Display;
use std::path::Path;

/// `offset` is the first byte that cannot be what the format says.
#[cold]
pub fn damaged(path: &Path, offset: u64, reason: impl Display) -> Error {
    Error::runtime(format!("'{}' is damaged at byte {offset}: {reason}", path.display()))
}

/// For contents that are sound but not built.
#[cold]
pub fn unsupported(path: &Path, reason: impl Display) -> Error {
    Error::not_implemented(format!("'{}': {reason}", path.display()))
}
