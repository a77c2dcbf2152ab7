//! Samples that lie in memory already, one contiguous block a field.
use super::{Field, SampleRandom, Source, check_index};
use rustorch_base::{Result, ensure};

/// Fields held in memory: `data[f]` has the samples of field `f` one after another.
pub struct MemorySource {
    fields: Vec<Field>,
    data: Vec<Box<[u8]>>,
    len: u64,
    fingerprint: u64,
}

impl MemorySource {
    /// `fingerprint` names the contents, which are not hashed here.
    pub fn new(fields: Vec<Field>, data: Vec<Box<[u8]>>, fingerprint: u64) -> Result<MemorySource> {
        ensure!(!fields.is_empty() && fields.len() == data.len(), value, "{} fields with {} blocks of data", fields.len(), data.len());
        let mut len = None;
        for (field, block) in fields.iter().zip(&data) {
            let bytes = field.checked_bytes().unwrap_or(0);
            ensure!(bytes > 0 && block.len() % bytes == 0, value, "field '{}': {} bytes are no whole samples", field.name, block.len());
            let samples = (block.len() / bytes) as u64;
            ensure!(*len.get_or_insert(samples) == samples, value, "field '{}' has {samples} samples, unlike the first", field.name);
        }
        Ok(MemorySource { fields, data, len: len.unwrap_or(0), fingerprint })
    }
}

impl Source for MemorySource {
    fn len(&self) -> u64 {
        self.len
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
    fn read(&self, index: u64, _random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        check_index(index, self.len)?;
        for (block, row) in self.data.iter().zip(out) {
            let start = index as usize * row.len();
            row.copy_from_slice(&block[start..start + row.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::BatchRandom;
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
