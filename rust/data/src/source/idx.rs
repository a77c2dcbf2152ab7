//! IDX, the format of MNIST and its family: a big-endian header, then the array. Plain files are mapped, gzipped ones
//! unpacked into memory once.
use super::Field;
use super::columns::{Bytes, Column, ColumnSource};
use super::convert::Convert;
use super::damage::{damaged, unsupported};
use super::fingerprint::Fingerprint;
use super::npy::{map, stem};
use super::root::{OpenFile, Root};
use flate2::read::MultiGzDecoder;
use rustorch_base::{DType, Result, bail, ensure};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Deflate makes at most 1,032 bytes of one: what claims to be more is refused before memory is asked for.
const MOST_EXPANSION: usize = 1032;

/// Opens `paths`, one field each, named after the files. All must have the same number of items.
pub fn open(paths: &[PathBuf], root: &Root) -> Result<ColumnSource> {
    let mut fingerprint = Fingerprint::new("idx");
    let mut columns = Vec::with_capacity(paths.len());
    let mut first: Option<(u64, &Path)> = None;
    for path in paths {
        let file = root.open(path)?;
        file.add_to(&mut fingerprint);
        let (column, len) = if is_gzip(path) { unpacked(&file)? } else { mapped(&file)? };
        let (expected, other) = *first.get_or_insert((len, path));
        ensure!(len == expected, value, "'{}' has {len} items, but '{}' has {expected}", path.display(), other.display());
        columns.push(column);
    }
    let Some((len, _)) = first else { bail!(value, "idx needs at least one file") };
    ColumnSource::new(columns, len, fingerprint.finish())
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz")
}

/// What the header says: element type, dimensions, and the bytes of header and data.
struct Header {
    dtype: DType,
    shape: Vec<usize>,
    start: usize,
    data: usize,
}

fn mapped(file: &OpenFile) -> Result<(Column, u64)> {
    if file.len < 4 {
        return Err(damaged(&file.path, file.len, "its magic number is cut off"));
    }
    let bytes = map(file)?;
    let header = header(&file.path, &mut &bytes[..])?;
    let held = bytes.len() - header.start;
    if held != header.data {
        return Err(wrong_length(&file.path, &header, held));
    }
    column(file, header, bytes)
}

fn unpacked(file: &OpenFile) -> Result<(Column, u64)> {
    let mut stream = MultiGzDecoder::new(BufReader::new(&file.file));
    let header = header(&file.path, &mut stream)?;
    if header.data / MOST_EXPANSION > file.len as usize {
        return Err(damaged(&file.path, 4, format_args!("{} bytes cannot come of {} gzipped ones", header.data, file.len)));
    }
    // grows with what is really there, whatever the header says
    let mut data = vec![0; header.start];
    let mut limited = stream.by_ref().take(header.data as u64 + 1);
    let read = limited.read_to_end(&mut data).map_err(|e| damaged(&file.path, data_offset(&file.file), e));
    read?;
    if data.len() - header.start != header.data {
        return Err(wrong_length(&file.path, &header, data.len() - header.start));
    }
    column(file, header, Bytes::Held(Arc::from(data)))
}

/// How far a gzipped file has been read: the nearest that can be said of where its damage lies.
fn data_offset(mut file: &std::fs::File) -> u64 {
    std::io::Seek::stream_position(&mut file).unwrap_or(0)
}

fn wrong_length(path: &Path, header: &Header, held: usize) -> rustorch_base::Error {
    let at = header.start + held.min(header.data);
    damaged(path, at as u64, format_args!("its header promises {} bytes of data, but it holds {held}", header.data))
}

fn header(path: &Path, stream: &mut impl Read) -> Result<Header> {
    use DType::*;
    let mut word = |at: u64| {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).map(|()| bytes).map_err(|e| damaged(path, at, format_args!("its header cannot be read: {e}")))
    };
    let [zero, zero_too, code, dimensions] = word(0)?;
    if zero != 0 || zero_too != 0 {
        return Err(damaged(path, 0, "an IDX file begins with two zero bytes"));
    }
    let dtype = match code {
        0x08 => UInt8,
        0x09 => Int8,
        0x0b => Int16,
        0x0c => Int32,
        0x0d => Float32,
        0x0e => Float64,
        _ => return Err(damaged(path, 2, format_args!("element type {code:#04x} is not known"))),
    };
    if dimensions == 0 {
        return Err(unsupported(path, "an array without dimensions has no samples"));
    }
    let shape: Vec<usize> = (0..u64::from(dimensions)).map(|d| Ok(u32::from_be_bytes(word(4 + 4 * d)?) as usize)).collect::<Result<_>>()?;
    let data = Field::new("", dtype, &shape[..]).checked_bytes().ok_or_else(|| damaged(path, 4, "its shape overflows"))?;
    Ok(Header { dtype, shape, start: 4 + 4 * usize::from(dimensions), data })
}

fn column(file: &OpenFile, header: Header, bytes: Bytes) -> Result<(Column, u64)> {
    let name = if is_gzip(&file.path) { stem(Path::new(&stem(&file.path))) } else { stem(&file.path) };
    let field = Field::new(name, header.dtype, &header.shape[1..]);
    let Some(row) = field.checked_bytes() else { return Err(damaged(&file.path, 4, "its shape overflows")) };
    let swapped = header.dtype.size() > 1 && cfg!(target_endian = "little");
    let convert = if swapped { Convert::Swap(header.dtype.size()) } else { Convert::Copy };
    Ok((Column { field, bytes, start: header.start, stride: row, row, convert }, header.shape[0] as u64))
}
