//! What the tensor core and the data service share, and nothing that either owns alone:
//! element types ([`dtype`]), the way elements lie in memory ([`layout`]), errors ([`error`]), random numbers ([`random`]).
//! Depends on no other crate of the workspace.
pub mod dtype;
pub mod error;
pub mod layout;
pub mod random;

pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
pub use layout::{Dims, Layout};
