//! Gradients.
pub mod inplace;
