//! The Python type `Tensor`, made by hand on CPython's type interface.
pub mod attributes;
pub mod collect;
pub mod compare;
pub mod container;
pub mod convert;
pub mod gradient;
pub mod indexing;
pub mod life;
pub mod methods;
pub mod number;
pub mod object;
pub mod pickle;
pub mod pin;
pub mod reference;
pub mod spec;
pub mod subclass;
pub mod transposed;

use pyo3::prelude::*;
use pyo3::types::PyType;

/// The class `Tensor`.
pub fn class_object(py: Python<'_>) -> Bound<'_, PyType> {
    // SAFETY: made once, alive for ever.
    unsafe { Bound::from_borrowed_ptr(py, object::class().cast()).cast_into_unchecked() }
}
