//! What a pointwise function is written with ([`scalar`]), its reading as a list of primitives ([`Program`]), and what is
//! made of that: its gradient ([`gradient`]) and its text for a GPU.
pub mod fold;
pub mod gradient;
pub mod primitive;
pub mod program;
pub mod record;
pub mod scalar;
pub mod wgsl;

pub use gradient::Gradient;
pub use primitive::Primitive;
pub use program::{Node, Program};
pub use record::Expr;
