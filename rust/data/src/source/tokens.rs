//! Files of token numbers (`.bin` of uint16 or uint32, nothing else in them), cut into windows: a sample is `window`
//! tokens, and the same moved on by one as what to predict.
use super::Field;
use super::columns::{Column, ColumnSource};
use super::convert::Convert;
use super::damage::damaged;
use super::fingerprint::Fingerprint;
use super::npy::map;
use super::root::Root;
use rustorch_base::{DType, Result, ensure};
use std::path::Path;

/// How a file of tokens is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    /// uint16 or uint32, little-endian as numpy's `tofile` writes them.
    pub dtype: DType,
    /// Tokens of a sample.
    pub window: usize,
    /// Tokens from the start of a sample to that of the next.
    pub stride: usize,
}

/// Fields `tokens` and `targets`, int64 of shape `[window]`. Targets are the tokens one place later.
pub fn open(path: &Path, windows: Windows, root: &Root) -> Result<ColumnSource> {
    let Windows { dtype, window, stride } = windows;
    ensure!(matches!(dtype, DType::UInt16 | DType::UInt32), type_, "tokens are uint16 or uint32, not {}", dtype.name());
    ensure!(window > 0 && stride > 0, value, "window and stride should be positive, but got window={window}, stride={stride}");
    let file = root.open(path)?;
    let (size, held) = (dtype.size(), file.len);
    if held % size as u64 != 0 {
        return Err(damaged(path, held - held % size as u64, format_args!("it ends within a token of {size} bytes")));
    }
    let tokens = held / size as u64;
    if tokens <= window as u64 {
        return Err(damaged(path, held, format_args!("its {tokens} tokens are too few for a window of {window} and its targets")));
    }
    let len = (tokens - 1 - window as u64) / stride as u64 + 1;
    let mut fingerprint = Fingerprint::new("tokens");
    file.add_to(&mut fingerprint);
    [dtype.size(), window, stride].into_iter().for_each(|number| fingerprint.number(number as u64));
    let bytes = map(&file)?;
    // no overflow: a window fits the file, and no start is used that does not
    let (row, step) = (window * size, stride.saturating_mul(size));
    let column = |name: &str, start: usize| -> Result<Column> {
        let field = Field::new(name, DType::Int64, [window]);
        Ok(Column { field, bytes: bytes.clone(), start, stride: step, row, convert: Convert::widen(dtype)? })
    };
    ColumnSource::new(vec![column("tokens", 0)?, column("targets", size)?], len, fingerprint.finish())
}
