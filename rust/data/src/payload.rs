//! What lies in the data of a slot: a table of buffers, the buffers, and the skeleton that puts them together.
//!
//! ```text
//! buffers u32 | unused u32 | skeleton offset u64 | skeleton bytes u64 |
//!   for each buffer: offset u64 | bytes u64 | dtype u32 | dimensions u32 | dims u64 ...
//! padding to 64 | buffer | padding to 64 | buffer ... | padding to 64 | skeleton
//! ```
//! Buffers are in the table's order and do not overlap. A native batch has its fields as buffers and no skeleton; a Python
//! batch is a pickle, the skeleton, whose out-of-band buffers are the table's.
use rustorch_base::{DType, Error, ErrorKind, Result, bail, ensure};
use std::ops::Range;

pub const MOST_BUFFERS: usize = 4096;
pub const MOST_DIMENSIONS: usize = 16;
const ALIGNMENT: usize = 64;
const HEADER: usize = 24;
const ENTRY: usize = 24;
/// The dtype of a buffer that is bytes to us, whatever its pickle makes of it.
const OPAQUE: u32 = u32::MAX;

/// A buffer before it is written: what is in it and how large it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BufferSpec {
    /// `None`: bytes that only the skeleton can interpret; `shape` is then `[bytes]`.
    pub dtype: Option<DType>,
    pub shape: Vec<usize>,
}

impl BufferSpec {
    pub fn opaque(bytes: usize) -> BufferSpec {
        BufferSpec { dtype: None, shape: vec![bytes] }
    }
    /// Bytes of the buffer, `None` when the number does not exist.
    pub fn bytes(&self) -> Option<usize> {
        let size = self.dtype.map_or(1, DType::size);
        self.shape.iter().try_fold(size, |product, &dim| product.checked_mul(dim))
    }
}

/// A buffer of a batch: its spec and where it lies in the payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buffer {
    pub spec: BufferSpec,
    pub place: Range<usize>,
}

/// Where everything lies. Computed by the writer, or read from a payload and checked against its length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayloadLayout {
    pub buffers: Vec<Buffer>,
    pub skeleton: Range<usize>,
}

impl PayloadLayout {
    /// The layout of a batch with these buffers. Errors: too many buffers or dimensions, or more bytes than exist.
    pub fn new(specs: Vec<BufferSpec>, skeleton: usize) -> Result<PayloadLayout> {
        ensure!(specs.len() <= MOST_BUFFERS, value, "a batch has at most {MOST_BUFFERS} tensors or arrays, this one {}", specs.len());
        let mut end = HEADER + specs.iter().map(|spec| ENTRY + 8 * spec.shape.len()).sum::<usize>();
        let mut buffers = Vec::with_capacity(specs.len());
        for spec in specs {
            let dims = spec.shape.len();
            ensure!(dims <= MOST_DIMENSIONS, value, "a tensor in a batch has at most {MOST_DIMENSIONS} dimensions, this one {dims}");
            let place = spec.bytes().and_then(|bytes| after(end, bytes)).ok_or_else(too_large)?;
            end = place.end;
            buffers.push(Buffer { spec, place });
        }
        let skeleton = after(end, skeleton).ok_or_else(too_large)?;
        Ok(PayloadLayout { buffers, skeleton })
    }

    /// Bytes of the payload: what a slot must have.
    pub fn bytes(&self) -> usize {
        self.skeleton.end
    }

    /// Writes the table and gives the places to fill: the buffers in order, then the skeleton. `area` has at least
    /// [`PayloadLayout::bytes`] bytes.
    pub fn begin<'a>(&self, area: &'a mut [u8]) -> Result<(Vec<&'a mut [u8]>, &'a mut [u8])> {
        ensure!(self.bytes() <= area.len(), runtime, "a batch of {} bytes does not fit into a slot of {} bytes", self.bytes(), area.len());
        let mut table = Vec::with_capacity(HEADER + self.buffers.len() * (ENTRY + 32));
        self.write_table(&mut table);
        area[..table.len()].copy_from_slice(&table);
        let (mut rest, mut at) = (area, 0);
        let mut cut = |place: &Range<usize>| {
            let (_, from) = std::mem::take(&mut rest).split_at_mut(place.start - at);
            let (part, behind) = from.split_at_mut(place.len());
            (rest, at) = (behind, place.end);
            part
        };
        let buffers = self.buffers.iter().map(|buffer| cut(&buffer.place)).collect();
        Ok((buffers, cut(&self.skeleton)))
    }

    fn write_table(&self, table: &mut Vec<u8>) {
        table.extend((self.buffers.len() as u64).to_le_bytes());
        table.extend((self.skeleton.start as u64).to_le_bytes());
        table.extend((self.skeleton.len() as u64).to_le_bytes());
        for Buffer { spec, place } in &self.buffers {
            table.extend((place.start as u64).to_le_bytes());
            table.extend((place.len() as u64).to_le_bytes());
            table.extend(spec.dtype.map_or(OPAQUE, |dtype| dtype as u32).to_le_bytes());
            table.extend((spec.shape.len() as u32).to_le_bytes());
            spec.shape.iter().for_each(|dim| table.extend((*dim as u64).to_le_bytes()));
        }
    }

    /// Reads the layout of a payload. Every value is copied out before it is checked, and everything it gives lies inside
    /// `payload`. Errors: whatever [`PayloadLayout::begin`] cannot have written.
    pub fn read(payload: &[u8]) -> Result<PayloadLayout> {
        let mut table = Cursor { bytes: payload, at: 0 };
        let count = table.u64()?;
        ensure!(count <= MOST_BUFFERS as u64, value, "the batch's table is damaged: {count} buffers");
        let (skeleton, skeleton_bytes) = (table.u64()?, table.u64()?);
        let mut buffers = Vec::with_capacity(count as usize);
        for _ in 0..count {
            buffers.push(read_buffer(&mut table)?);
        }
        let mut end = table.at;
        for buffer in &buffers {
            inside(&buffer.place, end, payload.len())?;
            end = buffer.place.end;
        }
        let skeleton = range(skeleton, skeleton_bytes)?;
        inside(&skeleton, end, payload.len())?;
        Ok(PayloadLayout { buffers, skeleton })
    }
}

/// The next place of `bytes` bytes on a boundary.
fn after(end: usize, bytes: usize) -> Option<Range<usize>> {
    let start = end.checked_next_multiple_of(ALIGNMENT)?;
    let end = start.checked_add(bytes)?;
    isize::try_from(end).is_ok().then_some(start..end)
}

fn too_large() -> Error {
    Error::out_of_memory("a batch does not fit into the address space")
}

fn read_buffer(table: &mut Cursor<'_>) -> Result<Buffer> {
    let place = range(table.u64()?, table.u64()?)?;
    let (dtype, dims) = (table.u32()?, table.u32()? as usize);
    ensure!(dims <= MOST_DIMENSIONS, value, "the batch's table is damaged: {dims} dimensions");
    let dtype = match dtype {
        OPAQUE => None,
        code => match DType::ALL.get(code as usize) {
            Some(dtype) => Some(*dtype),
            None => bail!(value, "the batch's table is damaged: dtype {code}"),
        },
    };
    let shape = (0..dims).map(|_| table.u64().map(|dim| dim as usize)).collect::<Result<Vec<_>>>()?;
    let spec = BufferSpec { dtype, shape };
    ensure!(
        spec.bytes() == Some(place.len()),
        value,
        "the batch's table is damaged: {} bytes for {:?} of shape {:?}",
        place.len(),
        spec.dtype,
        spec.shape
    );
    Ok(Buffer { spec, place })
}

fn range(start: u64, bytes: u64) -> Result<Range<usize>> {
    match start.checked_add(bytes) {
        Some(end) if isize::try_from(end).is_ok() => Ok(start as usize..end as usize),
        _ => bail!(value, "the batch's table is damaged: {bytes} bytes from {start}"),
    }
}

fn inside(place: &Range<usize>, from: usize, to: usize) -> Result<()> {
    let (start, end) = (place.start, place.end);
    ensure!(
        start.is_multiple_of(ALIGNMENT) && start >= from && end <= to,
        value,
        "the batch's table is damaged: a part at {start}..{end} is not inside {from}..{to}"
    );
    Ok(())
}

/// Reads integers from front to back.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some(found) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) else {
            bail!(value, "the batch's table is damaged: it ends at byte {}", self.bytes.len());
        };
        self.at += N;
        Ok(*found)
    }
    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// An error of a native source as it travels in the skeleton of a slot: one byte for its kind, then its text, cut where
/// the slot ends.
pub fn encode_refusal(error: &Error, slot_bytes: usize) -> Vec<u8> {
    let room = slot_bytes.saturating_sub(HEADER + ALIGNMENT + 1);
    let cut = (0..=room.min(error.message.len())).rev().find(|&at| error.message.is_char_boundary(at)).unwrap_or(0);
    let mut bytes = vec![code_of(error.kind)];
    bytes.extend(&error.message.as_bytes()[..cut]);
    bytes
}

pub fn decode_refusal(bytes: &[u8]) -> Error {
    let (code, text) = bytes.split_first().map_or((0, &[][..]), |(code, text)| (*code, text));
    Error::new(kind_of(code), String::from_utf8_lossy(text))
}

/// Kinds that need no object of the host language, in the order of their codes.
const KINDS: [ErrorKind; 9] = [
    ErrorKind::Runtime,
    ErrorKind::Value,
    ErrorKind::Type,
    ErrorKind::Index,
    ErrorKind::NotImplemented,
    ErrorKind::OutOfMemory,
    ErrorKind::Os,
    ErrorKind::Key,
    ErrorKind::LinAlg,
];

fn code_of(kind: ErrorKind) -> u8 {
    KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8
}
fn kind_of(code: u8) -> ErrorKind {
    KINDS.get(code as usize).copied().unwrap_or(ErrorKind::Runtime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_base::random::Philox;

    fn spec(dtype: DType, shape: &[usize]) -> BufferSpec {
        BufferSpec { dtype: Some(dtype), shape: shape.to_vec() }
    }
    fn example() -> (PayloadLayout, Vec<u8>) {
        let specs = vec![spec(DType::Float32, &[3, 5]), spec(DType::Int64, &[]), BufferSpec::opaque(7), spec(DType::UInt8, &[0, 4])];
        let layout = PayloadLayout::new(specs, 11).unwrap();
        let mut area = vec![0; layout.bytes()];
        let (mut buffers, skeleton) = layout.begin(&mut area).unwrap();
        for (k, buffer) in buffers.iter_mut().enumerate() {
            buffer.fill(k as u8 + 1);
        }
        skeleton.copy_from_slice(b"hello world");
        (layout, area)
    }

    #[test]
    fn what_is_written_is_read() {
        let (layout, area) = example();
        let read = PayloadLayout::read(&area).unwrap();
        assert_eq!(read, layout);
        assert_eq!(read.buffers.iter().map(|b| b.place.len()).collect::<Vec<_>>(), [60, 8, 7, 0]);
        assert!(read.buffers.iter().all(|b| b.place.start % 64 == 0));
        assert!(area[read.buffers[0].place.clone()].iter().all(|&b| b == 1));
        assert_eq!(&area[read.skeleton], b"hello world");
    }

    #[test]
    fn limits_are_refused_by_name() {
        assert!(PayloadLayout::new(vec![BufferSpec::opaque(0); MOST_BUFFERS + 1], 0).is_err());
        assert!(PayloadLayout::new(vec![spec(DType::UInt8, &[1; 17])], 0).is_err());
        assert!(PayloadLayout::new(vec![spec(DType::Float64, &[usize::MAX, 2])], 0).is_err());
        assert!(PayloadLayout::new(vec![BufferSpec::opaque(isize::MAX as usize)], 0).is_err());
        let (layout, _) = example();
        assert!(layout.begin(&mut [0; 100]).unwrap_err().message.contains("slot of 100 bytes"));
    }

    /// Damaged tables give an error or places inside the payload, never more and never a panic.
    #[test]
    fn hostile_tables_stay_inside_the_payload() {
        let (layout, good) = example();
        let table = layout.buffers[0].place.start;
        let mut random = Philox::new(5);
        let edges = [0u64, 1, 63, 64, 65, 4096, 4097, u64::from(u32::MAX), i64::MAX as u64, u64::MAX - 63, u64::MAX];
        let mut refused = 0;
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            for _ in 0..=random.next_u32() % 3 {
                let at = random.next_u32() as usize % table;
                if random.next_u32().is_multiple_of(2) {
                    bytes[at] ^= 1 << (random.next_u32() % 8);
                } else {
                    let edge = edges[random.next_u32() as usize % edges.len()];
                    bytes[at / 8 * 8..][..8].copy_from_slice(&edge.to_le_bytes());
                }
            }
            if random.next_u32().is_multiple_of(8) {
                bytes.truncate(random.next_u32() as usize % bytes.len());
            }
            match PayloadLayout::read(&bytes) {
                Err(_) => refused += 1,
                Ok(read) => {
                    assert!(read.skeleton.end <= bytes.len());
                    for buffer in &read.buffers {
                        assert!(buffer.place.end <= bytes.len() && buffer.spec.bytes() == Some(buffer.place.len()));
                    }
                }
            }
        }
        assert!(refused > 25_000, "{refused}");
    }

    #[test]
    fn refusals_keep_kind_and_text() {
        let error = Error::os("train.tar: byte 512: not a header");
        let back = decode_refusal(&encode_refusal(&error, 4096));
        assert_eq!((back.kind, back.message), (error.kind, error.message));
        let long = Error::value("ä".repeat(5000));
        let back = decode_refusal(&encode_refusal(&long, 4096));
        assert!(back.message.len() < 4096 && back.message.chars().all(|c| c == 'ä'));
        assert_eq!(decode_refusal(b"").kind, ErrorKind::Runtime);
    }
}
