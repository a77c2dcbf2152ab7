//! Pure functions on slices and layouts. Nothing here knows tensors, autograd or Python.
pub mod cpu;
pub mod operand;
pub use operand::{Number, Operand};
