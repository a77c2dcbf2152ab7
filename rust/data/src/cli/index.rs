//! `rustorch-data index`.
use super::arguments::Index;
use super::{DONE, figures, show};
use crate::source::{Root, tar};
use rustorch_base::Result;

pub fn run(arguments: &Index) -> Result<i32> {
    let root = arguments.root.as_deref().map_or_else(|| Ok(Root::anywhere()), Root::confined)?;
    for path in &arguments.paths {
        let samples = tar::index(path, &root)?;
        show(&format!("{}: {} samples, indexed\n", path.display(), figures::grouped(samples)))?;
    }
    Ok(DONE)
}
