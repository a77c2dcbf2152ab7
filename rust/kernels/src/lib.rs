//! Pure functions on slices and layouts. Nothing here knows tensors, autograd or Python.
pub mod cpu;
pub mod expr;
pub mod lanes;
pub mod operand;
pub mod pointwise;
pub use operand::{Number, Operand};
