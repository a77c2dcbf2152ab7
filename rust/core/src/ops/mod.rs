//! The table of ops: one file a family.
pub mod index;

use crate::op::Def;

/// Every row of the table. Rows of one name are overloads, tried in this order.
pub fn table() -> Vec<&'static Def> {
    Vec::new()
}
