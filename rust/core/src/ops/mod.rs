//! The operators: one file a family. A family declares its rows with [`ops!`](crate::ops), and [`table`] lists the
//! families.
pub mod advanced;
pub mod copy;
pub mod create;
pub mod default;
pub mod index;
pub mod join;
pub mod matmul;
pub mod pointwise;
pub mod promote;
pub mod reduce;
pub mod shape;
pub mod strided;
pub mod warning;

use crate::op::Def;

/// Every row of the table. Rows of one name are overloads, tried in this order.
pub fn table() -> Vec<&'static Def> {
    let families = [copy::OPS, create::OPS, join::OPS, matmul::OPS, shape::OPS, shape::in_place::OPS, strided::OPS];
    families.into_iter().flatten().copied().chain(pointwise::table()).collect()
}
