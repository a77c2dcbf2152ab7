//! The small classes around Tensor.
pub mod device;
pub mod dtype;
pub mod generator;
pub mod layout;
pub mod limits;
pub mod size;
