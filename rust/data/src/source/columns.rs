//! Samples at even distances in memory or in a mapped file: what npy, IDX and token files have in common.
use super::convert::Convert;
use super::{AHEAD, BatchRandom, Field, SampleRandom, Source, check_buffers, check_index};
use memmap2::Mmap;
use rustorch_base::{Result, ensure};
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that stay where they are.
#[derive(Clone)]
pub enum Bytes {
    /// A file: shortening it while it is mapped ends the process, as with every mapped file.
    Mapped(Arc<Mmap>),
    Held(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Held(bytes) => bytes,
        }
    }
}

/// One field: row `k` is the `row` bytes at `start + k * stride`, converted on the way out.
#[derive(Clone)]
pub struct Column {
    /// What comes out.
    pub field: Field,
    pub bytes: Bytes,
    pub start: usize,
    pub stride: usize,
    pub row: usize,
    pub convert: Convert,
}

impl Column {
    fn check(&self, len: u64) -> Result<()> {
        let needed = (len.saturating_sub(1) as usize).checked_mul(self.stride).and_then(|last| last.checked_add(self.row));
        let end = needed.and_then(|needed| needed.checked_add(self.start));
        ensure!(
            len == 0 || end.is_some_and(|end| end <= self.bytes.len()),
            value,
            "field '{}' is shorter than {len} samples",
            self.field.name
        );
        let out = self.field.checked_bytes();
        ensure!(
            out == self.convert.bytes_out(self.row),
            value,
            "field '{}': a row of {} bytes does not make its shape",
            self.field.name,
            self.row
        );
        Ok(())
    }
    #[inline]
    fn row(&self, index: u64) -> &[u8] {
        let start = self.start + index as usize * self.stride;
        &self.bytes[start..start + self.row]
    }
    #[inline]
    fn prefetch(&self, index: u64) {
        for line in self.row(index).chunks(64) {
            prefetch_line(line.as_ptr());
        }
    }
}

/// Asks the memory for the cache line at an address; any address will do.
#[inline(always)]
pub fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it faults at no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// A source whose fields are columns of equal length.
pub struct ColumnSource {
    fields: Vec<Field>,
    columns: Vec<Column>,
    len: u64,
    fingerprint: u64,
}

impl ColumnSource {
    /// Refuses columns whose bytes do not hold `len` rows: reading need not look again.
    pub fn new(columns: Vec<Column>, len: u64, fingerprint: u64) -> Result<ColumnSource> {
        ensure!(!columns.is_empty(), value, "a source needs at least one field");
        columns.iter().try_for_each(|column| column.check(len))?;
        let fields = columns.iter().map(|column| column.field.clone()).collect();
        Ok(ColumnSource { fields, columns, len, fingerprint })
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The same samples with another conversion of one field.
    pub fn with_column(&self, number: usize, change: impl FnOnce(&mut Column) -> Result<()>) -> Result<ColumnSource> {
        let mut columns = self.columns.clone();
        ensure!(number < columns.len(), index, "there is no field {number}: the source has {}", columns.len());
        change(&mut columns[number])?;
        ColumnSource::new(columns, self.len, self.fingerprint)
    }
}

impl Source for ColumnSource {
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
        for (column, row) in self.columns.iter().zip(out) {
            column.convert.row(column.row(index), row);
        }
        Ok(())
    }
    fn prefetch(&self, index: u64) {
        if index < self.len {
            self.columns.iter().for_each(|column| column.prefetch(index));
        }
    }
    /// Field by field, so that the conversion is chosen once a batch.
    fn read_many(&self, indices: &[u64], _random: BatchRandom, out: &mut [&mut [u8]]) -> Result<()> {
        check_buffers(&self.fields, indices.len(), out)?;
        indices.iter().try_for_each(|&index| check_index(index, self.len))?;
        for (column, buffer) in self.columns.iter().zip(out) {
            let bytes = column.field.bytes();
            if bytes == 0 {
                continue;
            }
            let rows = indices.iter().enumerate().map(|(k, &index)| {
                if let Some(&soon) = indices.get(k + AHEAD) {
                    column.prefetch(soon);
                }
                column.row(index)
            });
            column.convert.rows(rows, buffer, bytes);
        }
        Ok(())
    }
}
