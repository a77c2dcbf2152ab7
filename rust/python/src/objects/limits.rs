//! `torch.finfo` and `torch.iinfo`: what a dtype can hold.
use super::dtype::PyDTypeArg;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rustorch_base::DType;
use rustorch_core::ops::default;

/// The limits of a floating-point dtype (of its parts, for a complex one).
#[pyclass(frozen, name = "finfo", module = "rustorch")]
pub struct FloatLimits(DType);

/// Largest value, step above one, smallest normal value, and decimal digits that are safe.
fn float_limits(dtype: DType) -> (f64, f64, f64, f64) {
    match dtype {
        DType::Float16 => (65504.0, 2f64.powi(-10), 2f64.powi(-14), 1e-3),
        DType::BFloat16 => (f32::from_bits(0x7f7f_0000) as f64, 2f64.powi(-7), f32::MIN_POSITIVE as f64, 1e-2),
        DType::Float64 => (f64::MAX, f64::EPSILON, f64::MIN_POSITIVE, 1e-15),
        _ => (f32::MAX as f64, f32::EPSILON as f64, f32::MIN_POSITIVE as f64, 1e-6),
    }
}

/// As C's `%g` writes a number: six digits, without trailing zeros.
fn short(x: f64) -> String {
    let exponent = if x == 0.0 { 0 } else { x.abs().log10().floor() as i32 };
    let trim = |text: String| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text };
    if (-4..6).contains(&exponent) {
        return trim(format!("{x:.*}", (5 - exponent).max(0) as usize));
    }
    let text = format!("{x:.5e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits.to_string()), power.abs())
}

#[pymethods]
impl FloatLimits {
    #[new]
    #[pyo3(signature = (r#type=None))]
    fn new(r#type: Option<PyDTypeArg>) -> PyResult<FloatLimits> {
        let dtype = r#type.map_or_else(default::dtype, |dtype| dtype.0);
        if !dtype.is_differentiable() {
            return Err(PyTypeError::new_err(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'",
            ));
        }
        Ok(FloatLimits(dtype.to_real()))
    }
    #[getter]
    fn bits(&self) -> usize {
        self.0.size() * 8
    }
    #[getter]
    fn max(&self) -> f64 {
        float_limits(self.0).0
    }
    #[getter]
    fn min(&self) -> f64 {
        -float_limits(self.0).0
    }
    #[getter]
    fn eps(&self) -> f64 {
        float_limits(self.0).1
    }
    #[getter]
    fn smallest_normal(&self) -> f64 {
        float_limits(self.0).2
    }
    #[getter]
    fn tiny(&self) -> f64 {
        float_limits(self.0).2
    }
    #[getter]
    fn resolution(&self) -> f64 {
        float_limits(self.0).3
    }
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.name()
    }
    fn __repr__(&self) -> String {
        let (max, eps, tiny, resolution) = float_limits(self.0);
        format!(
            "finfo(resolution={}, min={}, max={}, eps={}, smallest_normal={tiny}, tiny={tiny}, dtype={})",
            short(resolution),
            short(-max),
            short(max),
            short(eps),
            self.0.name(),
            tiny = short(tiny),
        )
    }
    fn __eq__(&self, other: &FloatLimits) -> bool {
        self.0 == other.0
    }
    fn __hash__(&self) -> u64 {
        self.0 as u64
    }
}

/// The limits of an integer dtype.
#[pyclass(frozen, name = "iinfo", module = "rustorch")]
pub struct IntLimits(DType);

fn int_limits(dtype: DType) -> (i128, i128) {
    let bits = dtype.size() as u32 * 8;
    if dtype.is_signed() { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) }
}

#[pymethods]
impl IntLimits {
    #[new]
    fn new(r#type: PyDTypeArg) -> PyResult<IntLimits> {
        let dtype = r#type.0;
        if dtype == DType::Bool {
            return Err(PyTypeError::new_err("torch.bool is not supported by torch.iinfo"));
        }
        if !dtype.is_integral() {
            return Err(PyTypeError::new_err("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"));
        }
        Ok(IntLimits(dtype))
    }
    #[getter]
    fn bits(&self) -> usize {
        self.0.size() * 8
    }
    #[getter]
    fn max(&self) -> i128 {
        int_limits(self.0).1
    }
    #[getter]
    fn min(&self) -> i128 {
        int_limits(self.0).0
    }
    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.name()
    }
    fn __repr__(&self) -> String {
        let (min, max) = int_limits(self.0);
        format!("iinfo(min={min}, max={max}, dtype={})", self.0.name())
    }
    fn __eq__(&self, other: &IntLimits) -> bool {
        self.0 == other.0
    }
    fn __hash__(&self) -> u64 {
        self.0 as u64
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FloatLimits>()?;
    module.add_class::<IntLimits>()
}
