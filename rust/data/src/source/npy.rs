//! Arrays of numpy (`.npy`), mapped: the first dimension counts the samples, several files are several fields.
//!
//! The header is parsed here and not by the `npyz` crate: that reads arrays where this maps them, and brings twenty
//! crates and a C compiler for a dictionary of three known keys.
use super::Field;
use super::columns::{Bytes, Column, ColumnSource};
use super::convert::Convert;
use super::damage::{damaged, unsupported};
use super::fingerprint::Fingerprint;
use super::npy_header::{self, Refusal};
use super::root::{OpenFile, Root};
use memmap2::Mmap;
use rustorch_base::{Error, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest header that is looked at; numpy itself refuses to read beyond 10,000 unless told to trust.
const LONGEST_HEADER: usize = 1 << 16;

/// One array of several: its samples are its rows.
struct Array {
    column: Column,
    len: u64,
}

/// Maps `paths`, one field each, named after the files. All must have the same number of rows.
pub fn open(paths: &[PathBuf], root: &Root) -> Result<ColumnSource> {
    let mut fingerprint = Fingerprint::new("npy");
    let mut arrays = Vec::with_capacity(paths.len());
    for path in paths {
        let file = root.open(path)?;
        file.add_to(&mut fingerprint);
        arrays.push(array(&file)?);
    }
    let Some(first) = arrays.first() else { bail!(value, "npy needs at least one file") };
    let len = first.len;
    for (path, array) in paths.iter().zip(&arrays) {
        ensure!(array.len == len, value, "'{}' has {} rows, but '{}' has {len}", path.display(), array.len, paths[0].display());
    }
    ColumnSource::new(arrays.into_iter().map(|array| array.column).collect(), len, fingerprint.finish())
}

/// Maps a file for reading.
pub fn map(file: &OpenFile) -> Result<Bytes> {
    // SAFETY: the bytes are only ever read as bytes, of which any value is valid. A file that is changed meanwhile shows
    // its new bytes; one that is shortened ends the process on access, which the documentation of the source says.
    let map = unsafe { Mmap::map(&file.file) }.map_err(|e| Error::os(format!("{e}: '{}'", file.path.display())))?;
    Ok(Bytes::Mapped(Arc::new(map)))
}

fn array(file: &OpenFile) -> Result<Array> {
    ensure_length(file, 0, 10)?;
    let bytes = map(file)?;
    let (text, start) = header_text(&file.path, &bytes)?;
    let header = npy_header::parse(text).map_err(|refusal| match refusal {
        Refusal::Damaged(at, reason) => damaged(&file.path, (start - text.len() + at) as u64, reason),
        Refusal::Unsupported(reason) => unsupported(&file.path, reason),
    })?;
    if header.fortran_order && header.shape.len() > 1 {
        return Err(unsupported(&file.path, "an array in Fortran order has no rows that lie together; save numpy.ascontiguousarray of it"));
    }
    let Some((&len, shape)) = header.shape.split_first() else {
        return Err(unsupported(&file.path, "an array without dimensions has no samples"));
    };
    let field = Field::new(stem(&file.path), header.dtype, shape);
    let row = field.checked_bytes().ok_or_else(|| damaged(&file.path, 10, "its shape overflows"))?;
    let needed = row.checked_mul(len).ok_or_else(|| damaged(&file.path, 10, "its shape overflows"))?;
    let held = bytes.len() - start;
    if held != needed {
        let at = (start + held.min(needed)) as u64;
        return Err(damaged(&file.path, at, format_args!("its shape needs {needed} bytes of data, but it holds {held}")));
    }
    let part = if header.dtype.is_complex() { header.dtype.size() / 2 } else { header.dtype.size() };
    let convert = if header.foreign_order && part > 1 { Convert::Swap(part) } else { Convert::Copy };
    Ok(Array { column: Column { field, bytes, start, stride: row, row, convert }, len: len as u64 })
}

/// The header's text and where the data begins.
fn header_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], usize)> {
    ensure!(bytes.starts_with(b"\x93NUMPY"), runtime, "'{}' is damaged at byte 0: an npy file begins with \\x93NUMPY", path.display());
    let (size, start) = match bytes[6] {
        1 => (usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), 10),
        2 | 3 => match bytes.get(8..12) {
            Some(&[a, b, c, d]) => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
            _ => return Err(damaged(path, 8, "its header's length is cut off")),
        },
        version => return Err(damaged(path, 6, format_args!("version {version} of the npy format is not known"))),
    };
    if size > LONGEST_HEADER {
        return Err(damaged(path, 8, format_args!("a header of {size} bytes is too long")));
    }
    match bytes.get(start..start + size) {
        Some(text) => Ok((text, start + size)),
        None => Err(damaged(path, bytes.len() as u64, "its header is cut off")),
    }
}

/// Refuses a file that ends before `start + needed`.
pub fn ensure_length(file: &OpenFile, start: u64, needed: u64) -> Result<()> {
    if file.len < start.saturating_add(needed) {
        return Err(damaged(&file.path, file.len, format_args!("it ends within the {needed} bytes that begin at {start}")));
    }
    Ok(())
}

/// The file's name without folder and ending: what its field is called.
pub fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
