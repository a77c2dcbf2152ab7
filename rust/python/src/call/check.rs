//! The test of the table.
use super::entry::table;
use pyo3::prelude::*;
use rustorch_core::schema::compile;

/// What is wrong with the table: every schema stands there once, and every Rust signature agrees with its schema, name
/// by name and type by type.
#[pyfunction]
#[pyo3(name = "_check_table")]
pub fn check_table() -> Vec<String> {
    let mut faults = vec![];
    for op in table() {
        for (at, def) in op.defs.iter().enumerate() {
            if op.defs[..at].iter().any(|other| other.schema == def.schema) {
                faults.push(format!("{}: declared twice", def.schema));
            }
        }
    }
    for def in table().iter().flat_map(|op| &op.defs) {
        let text = def.schema;
        let schema = match compile(text) {
            Ok(schema) => schema,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        if def.typed.is_empty() {
            continue; // a row of the pointwise table: its function reads the values itself
        }
        let params = &schema.params[..schema.params.len() - schema.has_out as usize];
        if def.typed.len() != params.len() {
            faults.push(format!("{text}: {} parameters, and {} in Rust", params.len(), def.typed.len()));
        }
        for (param, (name, accepts)) in params.iter().zip(def.typed) {
            if param.name != name.trim_end_matches('_') && param.name != *name {
                faults.push(format!("{text}: `{}` is `{name}` in Rust", param.name));
            }
            if !accepts(param.kind, param.allow_none) {
                faults.push(format!("{text}: the Rust type of `{name}` does not take {:?}", param.kind));
            }
        }
    }
    faults
}
