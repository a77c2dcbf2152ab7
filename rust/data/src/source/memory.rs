//! Samples that lie in memory already, one contiguous block a field.
use super::columns::{Bytes, Column, ColumnSource};
use super::convert::Convert;
use super::{BatchRandom, Field, SampleRandom, Source};
use rustorch_base::{Result, bail, ensure};
use std::sync::Arc;

/// Fields held in memory: columns whose rows follow one another.
pub struct MemorySource(ColumnSource);

impl MemorySource {
    /// `data[f]` has the samples of field `f`. `fingerprint` names the contents, which are not hashed here.
    pub fn new(fields: Vec<Field>, data: Vec<Box<[u8]>>, fingerprint: u64) -> Result<MemorySource> {
        ensure!(fields.len() == data.len(), value, "{} fields with {} blocks of data", fields.len(), data.len());
        let (mut columns, mut len) = (Vec::with_capacity(fields.len()), None);
        for (field, block) in fields.into_iter().zip(data) {
            let row = field.checked_bytes().unwrap_or(0);
            if row == 0 || !block.len().is_multiple_of(row) {
                bail!(value, "field '{}': {} bytes are no whole samples", field.name, block.len());
            }
            let samples = (block.len() / row) as u64;
            ensure!(*len.get_or_insert(samples) == samples, value, "field '{}' has {samples} samples, unlike the first", field.name);
            columns.push(Column { field, bytes: Bytes::Held(Arc::from(block)), start: 0, stride: row, row, convert: Convert::Copy });
        }
        Ok(MemorySource(ColumnSource::new(columns, len.unwrap_or(0), fingerprint)?))
    }
}

impl Source for MemorySource {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn fields(&self) -> &[Field] {
        self.0.fields()
    }
    fn fingerprint(&self) -> u64 {
        self.0.fingerprint()
    }
    fn read(&self, index: u64, random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        self.0.read(index, random, out)
    }
    fn prefetch(&self, index: u64) {
        self.0.prefetch(index);
    }
    fn read_many(&self, indices: &[u64], random: BatchRandom, out: &mut [&mut [u8]]) -> Result<()> {
        self.0.read_many(indices, random, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustorch_base::DType;

    fn numbers() -> MemorySource {
        let fields = vec![Field::new("x", DType::UInt8, [3]), Field::new("y", DType::Int16, [])];
        let x: Box<[u8]> = (0..30).collect();
        let y: Box<[u8]> = (0..10_i16).flat_map(i16::to_ne_bytes).collect();
        MemorySource::new(fields, vec![x, y], 1).unwrap()
    }

    #[test]
    fn a_batch_has_its_samples_in_the_order_asked() {
        let (mut x, mut y) = ([0; 9], [0; 6]);
        numbers().read_many(&[9, 0, 4], BatchRandom::default(), &mut [&mut x, &mut y]).unwrap();
        assert_eq!(x, [27, 28, 29, 0, 1, 2, 12, 13, 14]);
        assert_eq!(y, [9, 0, 0, 0, 4, 0]);
    }

    #[test]
    fn wrong_buffers_and_indices_are_refused() {
        let (mut x, mut y) = ([0; 3], [0; 2]);
        let source = numbers();
        let error = source.read_many(&[10], BatchRandom::default(), &mut [&mut x, &mut y]).unwrap_err();
        assert_eq!(error.message, "sample 10 is out of range for a source of 10 samples");
        assert!(source.read_many(&[1, 2], BatchRandom::default(), &mut [&mut x, &mut y]).is_err());
        assert!(source.read_many(&[1], BatchRandom::default(), &mut [&mut x]).is_err());
        assert!(MemorySource::new(vec![Field::new("x", DType::Int32, [])], vec![Box::new([0; 5])], 0).is_err());
    }
}
