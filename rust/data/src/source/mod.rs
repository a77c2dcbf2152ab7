//! Where samples come from: random access to samples of fixed shape ([`Source`]), and the sources themselves.
pub mod bench;
pub mod columns;
pub mod convert;
pub mod damage;
pub mod fingerprint;
pub mod idx;
pub mod images;
pub mod memory;
pub mod npy;
mod npy_header;
pub mod pictures;
mod random;
pub mod records;
pub mod root;
pub mod stages;
pub mod tar;
mod tar_index;
pub mod tokens;
pub mod verify;

use rustorch_base::{DType, Result, bail, ensure};
use smallvec::SmallVec;

pub use columns::ColumnSource;
pub use memory::MemorySource;
pub use random::{BatchRandom, SampleRandom, sample_key};
pub use root::Root;
pub use stages::{Stage, Stages};

/// Rows asked for before they are read: random rows defeat the hardware prefetcher, and two ahead doubles the gather.
pub const AHEAD: usize = 2;

/// Element type and shape of one field of one sample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl Field {
    pub fn new(name: impl Into<String>, dtype: DType, shape: impl Into<Vec<usize>>) -> Field {
        Field { name: name.into(), dtype, shape: shape.into() }
    }
    /// Elements of one sample. Sources refuse shapes whose bytes overflow before they make the field.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
    /// Bytes of one sample.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }
    /// [`Field::bytes`] of a shape that nobody has checked yet.
    pub fn checked_bytes(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(self.dtype.size(), |bytes, &size| bytes.checked_mul(size))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
    }
}

/// Random access to samples of fixed shape. Many threads read at once, and no read allocates per sample.
pub trait Source: Send + Sync {
    /// Number of samples.
    fn len(&self) -> u64;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The fields of every sample, in the order of a batch's buffers.
    fn fields(&self) -> &[Field];
    /// A hash of names, sizes and modification times: resuming on a changed source is refused.
    fn fingerprint(&self) -> u64;
    /// Writes sample `index` into one buffer a field, each exactly [`Field::bytes`] long. `random` is this sample's own
    /// generator, for augmentation. After an error the buffers hold nothing of use.
    fn read(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()>;
    /// [`Source::read`] that tells where its time went.
    fn read_timed(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]], stages: &mut Stages) -> Result<()> {
        stages.time(Stage::Gather, || self.read(index, random, out))
    }
    /// [`Source::read_timed`] tells more than the gather.
    fn has_stages(&self) -> bool {
        false
    }
    /// Names of the classes that an int64 label numbers, where the source knows them.
    fn classes(&self) -> &[String] {
        &[]
    }
    /// Asks the memory for a sample that will be read soon.
    fn prefetch(&self, index: u64) {
        let _ = index;
    }
    /// Reads `indices` into one buffer a field, sample after sample. `random` makes the generator of each.
    fn read_many(&self, indices: &[u64], random: BatchRandom, out: &mut [&mut [u8]]) -> Result<()> {
        check_buffers(self.fields(), indices.len(), out)?;
        let mut rest: SmallVec<[&mut [u8]; 4]> = out.iter_mut().map(|buffer| &mut **buffer).collect();
        for (k, &index) in indices.iter().enumerate() {
            if let Some(&soon) = indices.get(k + AHEAD) {
                self.prefetch(soon);
            }
            let mut rows: SmallVec<[&mut [u8]; 4]> = SmallVec::new();
            for (buffer, field) in rest.iter_mut().zip(self.fields()) {
                let (row, after) = std::mem::take(buffer).split_at_mut(field.bytes());
                rows.push(row);
                *buffer = after;
            }
            self.read(index, &mut random.sample(k as u64), &mut rows)?;
        }
        Ok(())
    }
}

/// Refuses an index that is not below `len`.
#[inline]
pub fn check_index(index: u64, len: u64) -> Result<()> {
    if index >= len {
        bail!(index, "sample {index} is out of range for a source of {len} samples");
    }
    Ok(())
}

/// Refuses buffers that do not hold exactly `samples` samples of every field.
pub fn check_buffers(fields: &[Field], samples: usize, out: &[&mut [u8]]) -> Result<()> {
    ensure!(out.len() == fields.len(), value, "a sample has {} fields, but {} buffers were given", fields.len(), out.len());
    for (field, buffer) in fields.iter().zip(out) {
        let expected = field.bytes().checked_mul(samples);
        ensure!(
            expected == Some(buffer.len()),
            value,
            "field '{}' of {samples} samples needs {} bytes each, but its buffer has {} in all",
            field.name,
            field.bytes(),
            buffer.len()
        );
    }
    Ok(())
}
