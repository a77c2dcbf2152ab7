//! The pointwise ops. Each is one row of a table, read three ways: as slice kernels, as a [`Program`](crate::expr::Program)
//! run tile by tile or printed for a GPU, and as the program of its gradient.
pub mod compile;
pub mod kernel;
pub mod plan;
pub mod run;
pub mod table;

pub mod activation;
pub mod arithmetic;
pub mod comparison;
pub mod exponential;
pub mod logic;
pub mod rounding;
pub mod selection;
pub mod trigonometric;

pub use kernel::{Compute, Kernel};
pub use run::{Input, run};
pub use table::{Class, FUNCTION, INPLACE, METHOD, NN, ResultRule, Row};

/// All rows, by family.
pub static TABLES: &[&[Row]] = &[
    arithmetic::ROWS,
    rounding::ROWS,
    exponential::ROWS,
    trigonometric::ROWS,
    comparison::ROWS,
    logic::ROWS,
    selection::ROWS,
    activation::ROWS,
];

pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().copied().flatten()
}
/// A row by name. A search: keep what it gives.
pub fn row(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}
