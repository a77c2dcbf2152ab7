//! Random numbers, drawn as PyTorch's CPU generator draws them: the same seed gives the same numbers.
//!
//! [`Source`] holds an engine ([`Mt19937`] or [`Philox`]) and what the distributions carry from call to call; its bytes
//! ([`Source::state`]) are PyTorch's. The distributions fill whole slices: [`real`] (uniform, exponential, Cauchy ...),
//! [`normal`], [`integer`] (`random_`, Bernoulli, geometric) and [`choice`] (permutations, multinomial).
//! Which word of the engine ends in which element is part of the contract, and stated on every function.
pub mod choice;
pub mod integer;
mod mt19937;
pub mod normal;
mod philox;
pub mod real;
mod source;
mod state;
mod wide;

pub use integer::Discrete;
pub use mt19937::Mt19937;
pub use philox::{Philox, philox4x32_10};
pub use real::Real;
pub use source::{Algorithm, Source, unpredictable_seed};
