//! Calls from Python: the arguments' way into values, the result's way back.
pub mod arena;
pub mod bind;
pub mod check;
pub mod complain;
pub mod convert;
pub mod document;
pub mod entry;
pub mod given;
pub mod overrides;
pub mod parser;
pub mod pool;
pub mod results;
pub mod scalar;
pub mod structseq;
