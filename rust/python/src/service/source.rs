//! Native sources, opened by their description in JSON.
use super::plan::PlanFields;
use super::random;
use crate::error::OrRaise;
use crate::tensor::reference::to_python;
use pyo3::prelude::*;
use pyo3::types::PyList;
use rustorch_base::{Layout, Result};
use rustorch_core::Array;
use rustorch_core::device::Device;
use rustorch_core::tensor::Tensor;
use rustorch_data::source::{Field, Root, Source};
use rustorch_data::spec;
use smallvec::SmallVec;
use std::path::PathBuf;
use std::sync::Arc;

/// Random access to the samples of a pipeline of native stages.
#[pyclass(frozen, name = "Source", module = "rustorch._C._data")]
pub struct PySource(pub Arc<dyn Source>);

#[pymethods]
impl PySource {
    /// Opens what the JSON text describes; paths are confined to ``root`` where it is given.
    #[new]
    #[pyo3(signature = (text, root=None))]
    fn new(py: Python<'_>, text: &str, root: Option<PathBuf>) -> PyResult<PySource> {
        let open = || spec::open(text, &Arc::new(root.map_or_else(|| Ok(Root::anywhere()), |root| Root::confined(&root))?));
        py.detach(open).map(PySource).or_raise()
    }
    fn __len__(&self) -> usize {
        self.0.len() as usize
    }
    /// Name, dtype's name and shape of every field.
    #[getter]
    fn fields(&self) -> Vec<(String, &'static str, Vec<usize>)> {
        self.0.fields().iter().map(|field| (field.name.clone(), field.dtype.name(), field.shape.clone())).collect()
    }
    #[getter]
    fn fingerprint(&self) -> u64 {
        self.0.fingerprint()
    }
    /// Batches of a whole epoch of a plan over this source; a plan that cannot be is refused.
    fn batches_per_epoch(&self, plan: PlanFields) -> PyResult<u64> {
        Ok(plan.plan(self.0.len())?.batches_per_epoch())
    }
    /// The fields of one sample, as tensors. Augmentation draws from the random numbers of the sample that was begun last.
    fn read<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyList>> {
        self.filled(py, None, |places| self.0.read(index, &mut random::of_sample(), places))
    }
    /// The fields of many samples, one tensor each. Augmentation draws from the random numbers of the batch being made.
    fn read_many<'py>(&self, py: Python<'py>, indices: Vec<u64>) -> PyResult<Bound<'py, PyList>> {
        self.filled(py, Some(indices.len()), |places| self.0.read_many(&indices, random::of_batch(), places))
    }
}

impl PySource {
    /// Fresh tensors for every field, of so many samples or of one without a dimension for it, filled without the lock.
    fn filled<'py>(
        &self,
        py: Python<'py>,
        samples: Option<usize>,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<()> + Send,
    ) -> PyResult<Bound<'py, PyList>> {
        let tensors = self.0.fields().iter().map(|field| empty(samples, field)).collect::<PyResult<SmallVec<[Tensor; 4]>>>()?;
        let mut places: SmallVec<[&mut [u8]; 4]> = SmallVec::new();
        for (tensor, field) in tensors.iter().zip(self.0.fields()) {
            let bytes = field.bytes() * samples.unwrap_or(1);
            // SAFETY: the fresh tensor has exactly so many bytes, and nobody else knows it yet.
            places.push(unsafe { std::slice::from_raw_parts_mut(tensor.array().data(), bytes) });
        }
        py.detach(|| fill(&mut places)).or_raise()?;
        let list = PyList::empty(py);
        for tensor in tensors {
            list.append(to_python(py, tensor)?)?;
        }
        Ok(list)
    }
}

fn empty(samples: Option<usize>, field: &Field) -> PyResult<Tensor> {
    let shape: SmallVec<[i64; 6]> = samples.iter().chain(&field.shape).map(|&dim| dim as i64).collect();
    Array::with_layout(Layout::contiguous(&shape), field.dtype, Device::CPU).map(Tensor::new).or_raise()
}
