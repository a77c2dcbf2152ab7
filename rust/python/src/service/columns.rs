//! The tensors of a `TensorDataset` as a native source: reader threads gather rows while Python does something else.
use rustorch_base::{Result, bail, ensure};
use rustorch_core::device::Device;
use rustorch_core::tensor::Tensor;
use rustorch_data::source::columns::prefetch_line;
use rustorch_data::source::{Field, SampleRandom, Source, check_index};

/// One tensor: rows of equal length, anywhere in memory that the tensor keeps.
struct Column {
    tensor: Tensor,
    data: *const u8,
    row: usize,
    step: usize,
}
// SAFETY: the bytes belong to the tensor, which is kept. A trainer that writes them while they are read gets a mixture of
// old and new rows, as it would with threads of its own: plain bytes, read by copying.
unsafe impl Send for Column {}
// SAFETY: as above.
unsafe impl Sync for Column {}

/// Tensors with a common first dimension, one field each.
pub struct Columns {
    columns: Vec<Column>,
    fields: Vec<Field>,
    len: u64,
}

impl Columns {
    /// Errors: tensors without a first dimension, of different lengths, whose rows are not contiguous, or that autograd
    /// watches.
    pub fn new(tensors: Vec<Tensor>) -> Result<Columns> {
        let len = tensors.first().and_then(|tensor| tensor.shape().first()).copied();
        let Some(len) = len else { bail!(value, "a source needs tensors with a first dimension") };
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for (position, tensor) in tensors.into_iter().enumerate() {
            ensure!(tensor.shape().first() == Some(&len), value, "Size mismatch between tensors");
            ensure!(tensor.device() == Device::CPU && !tensor.requires_grad(), value, "tensor {position} is not plain memory");
            ensure!(has_whole_rows(&tensor), value, "the rows of tensor {position} are not contiguous");
            let shape: Vec<usize> = tensor.shape()[1..].iter().map(|&dim| dim as usize).collect();
            let field = Field::new(format!("tensor {position}"), tensor.dtype(), shape);
            let step = tensor.strides()[0] as usize * tensor.dtype().size();
            // The bytes must stay where they are.
            tensor.array().storage.forbid_resize();
            columns.push(Column { data: tensor.array().data(), row: field.bytes(), step, tensor });
            fields.push(field);
        }
        Ok(Columns { columns, fields, len: len as u64 })
    }
}

fn has_whole_rows(tensor: &Tensor) -> bool {
    let mut expected = 1;
    tensor.shape().iter().zip(tensor.strides()).skip(1).rev().all(|(&dim, &stride)| {
        let fits = dim == 1 || stride == expected;
        expected *= dim;
        fits
    })
}

impl Source for Columns {
    fn len(&self) -> u64 {
        self.len
    }
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn fingerprint(&self) -> u64 {
        0 // the tensors are this process's own
    }
    fn read(&self, index: u64, _random: &mut SampleRandom, out: &mut [&mut [u8]]) -> Result<()> {
        check_index(index, self.len)?;
        for (column, place) in self.columns.iter().zip(out) {
            debug_assert_eq!(place.len(), column.row);
            debug_assert_eq!(column.tensor.shape()[0] as u64, self.len);
            // SAFETY: the row lies inside the tensor, and the place is exactly as long.
            unsafe { std::ptr::copy_nonoverlapping(column.data.add(index as usize * column.step), place.as_mut_ptr(), column.row) };
        }
        Ok(())
    }
    fn prefetch(&self, index: u64) {
        if index >= self.len {
            return;
        }
        for column in &self.columns {
            let row = column.data.wrapping_add(index as usize * column.step);
            for line in (0..column.row).step_by(64) {
                prefetch_line(row.wrapping_add(line));
            }
        }
    }
}
