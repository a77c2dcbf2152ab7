//! Tensors, views, autograd and operators. No Python.
pub mod autograd;
pub mod device;
pub mod mode;
pub mod op;
pub mod ops;
pub mod random;
pub mod schema;
pub mod tensor;
pub mod value;

pub use device::Device;
pub use tensor::Tensor;
