//! The tensor core: storage, tensors, autograd and operators, without Python. The nouns are in
//! [`storage`], [`array`] and [`tensor`]; every operator call passes the door in [`op`].
pub mod alloc;
pub mod array;
pub mod autograd;
pub mod device;
pub mod fork;
pub mod interrupt;
pub mod mode;
pub mod op;
pub mod ops;
pub mod random;
pub mod schema;
pub mod storage;
pub mod tensor;
pub mod value;

pub use array::Array;
pub use device::Device;
pub use rustorch_base::{DType, Error, ErrorKind, Layout, Result, bail, ensure};
pub use rustorch_kernels::Number;
pub use rustorch_kernels::cpu::threads;
pub use storage::Storage;
pub use tensor::Tensor;
