//! The operators: one file a family. A family declares its rows with [`ops!`](crate::ops), and [`table`] lists the
//! families.
pub mod advanced;
pub mod arg_reduce;
pub mod compare;
pub mod conv;
pub mod convert;
pub mod copy;
pub mod create;
pub mod default;
pub mod gather;
pub mod index;
pub mod join;
pub mod loss;
pub mod matmul;
pub mod new;
pub mod norm;
pub mod optim;
pub mod pointwise;
pub mod pool;
pub mod promote;
pub mod random;
pub mod rearrange;
pub mod reduce;
pub mod scan;
pub mod select;
pub mod shape;
pub mod softmax;
pub mod sort;
pub mod strided;
pub mod warning;

use crate::op::Def;

/// Every row of the table. Rows of one name are overloads, tried in this order.
pub fn table() -> Vec<&'static Def> {
    let families = [
        advanced::OPS,
        arg_reduce::OPS,
        compare::OPS,
        conv::OPS,
        convert::OPS,
        copy::OPS,
        create::OPS,
        gather::OPS,
        join::OPS,
        loss::OPS,
        matmul::OPS,
        new::OPS,
        norm::OPS,
        pool::OPS,
        rearrange::OPS,
        reduce::OPS,
        scan::OPS,
        softmax::OPS,
        sort::OPS,
        shape::OPS,
        shape::in_place::OPS,
        strided::OPS,
    ];
    let mut rows: Vec<&'static Def> = pointwise::table().collect();
    rows.extend(select::OPS);
    rows.extend(random::table());
    rows.extend(families.into_iter().flatten());
    let aliases = ALIASES.iter().flat_map(|(alias, name)| rows.iter().filter(move |row| row.name() == *name).map(|row| row.renamed(alias)));
    let aliases: Vec<&'static Def> = aliases.collect();
    rows.extend(aliases);
    rows
}

/// Second names of ops.
const ALIASES: &[(&str, &str)] = &[
    ("absolute", "abs"),
    ("arccos", "acos"),
    ("arccosh", "acosh"),
    ("arcsin", "asin"),
    ("arcsinh", "asinh"),
    ("arctan", "atan"),
    ("arctan2", "atan2"),
    ("arctanh", "atanh"),
    ("clip", "clamp"),
    ("divide", "div"),
    ("fix", "trunc"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("moveaxis", "movedim"),
    ("multiply", "mul"),
    ("negative", "neg"),
    ("not_equal", "ne"),
    ("subtract", "sub"),
    ("true_divide", "div"),
];
