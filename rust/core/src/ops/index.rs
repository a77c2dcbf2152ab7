//! `t[...]`, read and written.
use crate::op::{Number, Result};
use crate::tensor::Tensor;
use rustorch_base::bail;

/// One item of an index expression.
#[derive(Clone)]
pub enum Index {
    Int(i64),
    /// `None` where the user left a bound out.
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: Option<i64>,
    },
    None,
    Ellipsis,
    Bool(bool),
    Tensor(Tensor),
}

/// What is assigned: `t[...] = value`.
#[derive(Clone, Copy)]
pub enum Assigned<'a> {
    Tensor(&'a Tensor),
    Number(Number),
}

pub fn get(_input: &Tensor, _index: &[Index]) -> Result<Tensor> {
    bail!(not_implemented, "Tensor.__getitem__ is not implemented")
}
pub fn set(_input: &Tensor, _index: &[Index], _value: Assigned<'_>) -> Result<()> {
    bail!(not_implemented, "Tensor.__setitem__ is not implemented")
}
