//! Arrays for tests: random values in random layouts, read back element by element in float64.
use super::cast::{Cast, cast};
use crate::Operand;
use num_complex::Complex64;
use rustorch_base::{DType, Dims, with_dtype};

/// A small generator of our own: tests print the same numbers on every machine.
pub struct Random(pub u64);
impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// Between -1 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    /// Up to four dimensions of up to `most` elements.
    pub fn shape(&mut self, most: usize) -> Dims {
        (0..self.below(5)).map(|_| 1 + self.below(most) as i64).collect()
    }
}

/// An array with memory of its own.
pub struct Sample {
    memory: Vec<[u64; 2]>,
    pub dtype: DType,
    pub shape: Dims,
    pub strides: Dims,
}

impl Sample {
    /// Row-major, filled with zeros.
    pub fn zeros(shape: &[i64], dtype: DType) -> Sample {
        Sample::laid_out(shape, rustorch_base::layout::contiguous_strides(shape), dtype)
    }
    fn laid_out(shape: &[i64], strides: Dims, dtype: DType) -> Sample {
        let extent = 1 + shape.iter().zip(&strides).map(|(n, s)| (n - 1).max(0) * s).sum::<i64>() as usize;
        Sample { memory: vec![[0; 2]; (extent * dtype.size()).div_ceil(16)], dtype, shape: shape.into(), strides }
    }
    /// Dimensions lie in a random order, sometimes with gaps between.
    pub fn scattered(random: &mut Random, shape: &[i64], dtype: DType) -> Sample {
        let mut strides: Dims = smallvec::smallvec![0; shape.len()];
        let mut order: Vec<usize> = (0..shape.len()).rev().collect();
        for i in 0..order.len() {
            if random.below(2) == 0 {
                let j = random.below(order.len());
                order.swap(i, j);
            }
        }
        let mut step = 1;
        for d in order {
            strides[d] = step * if random.below(4) == 0 { 2 } else { 1 };
            step = strides[d] * shape[d].max(1);
        }
        Sample::laid_out(shape, strides, dtype)
    }
    /// [`Sample::scattered`], with small integers in integer dtypes and halves in floats, so that sums are exact.
    pub fn random(random: &mut Random, shape: &[i64], dtype: DType) -> Sample {
        let mut sample = Sample::scattered(random, shape, dtype);
        for number in 0..sample.numel() {
            let small = random.below(9) as f64 - if dtype.is_signed() { 4.0 } else { 0.0 };
            let value = if dtype.is_differentiable() { small / 2.0 } else { small };
            sample.put(number, Complex64::new(value, random.below(5) as f64));
        }
        sample
    }
    /// A row-major array of these values.
    pub fn of(shape: &[i64], dtype: DType, values: &[f64]) -> Sample {
        let mut sample = Sample::zeros(shape, dtype);
        values.iter().enumerate().for_each(|(number, &x)| sample.put(number, x.into()));
        sample
    }

    pub fn operand(&self) -> Operand<'_> {
        Operand { data: self.memory.as_ptr().cast_mut().cast(), dtype: self.dtype, strides: &self.strides }
    }
    pub fn numel(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }
    fn place(&self, number: usize) -> *mut u8 {
        let mut rest = number as i64;
        let mut at = 0;
        for d in (0..self.shape.len()).rev() {
            at += rest % self.shape[d] * self.strides[d];
            rest /= self.shape[d];
        }
        self.operand().data.wrapping_offset(at as isize * self.dtype.size() as isize)
    }
    /// The element of this number, counted row-major.
    pub fn complex(&self, number: usize) -> Complex64 {
        // SAFETY: the memory reaches every element of the shape.
        with_dtype!(self.dtype, T => cast(unsafe { *self.place(number).cast::<T>() }))
    }
    pub fn get(&self, number: usize) -> f64 {
        self.complex(number).re
    }
    pub fn put(&mut self, number: usize, value: Complex64) {
        // SAFETY: as in `complex`.
        with_dtype!(self.dtype, T => unsafe { *self.place(number).cast::<T>() = T::from_complex(value) });
    }
    /// All elements, row-major.
    pub fn values(&self) -> Vec<f64> {
        (0..self.numel()).map(|number| self.get(number)).collect()
    }
    /// The index, dimension by dimension, of an element's number.
    pub fn index(shape: &[i64], number: usize) -> Dims {
        let mut index: Dims = shape.into();
        let mut rest = number as i64;
        for d in (0..shape.len()).rev() {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        index
    }
    /// The number of an index.
    pub fn number(shape: &[i64], index: &[i64]) -> usize {
        shape.iter().zip(index).fold(0, |number, (n, i)| number * n + i) as usize
    }
}

/// Asserts that two numbers agree to a relative (and, near zero, absolute) tolerance.
#[track_caller]
pub fn assert_close(got: f64, expected: f64, tolerance: f64) {
    let agree = got == expected || got.is_nan() && expected.is_nan() || (got - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(agree, "got {got}, expected {expected}");
}
