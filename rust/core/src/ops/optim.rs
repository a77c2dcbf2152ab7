//! Whole-list optimizer steps: all parameters of a group in one call.
//!
//! A step either changes every parameter or, where one of them is not what the kernels are made for (another dtype, gaps in
//! memory, a subclass), nothing at all: the caller then composes the step of ordinary operations.
use crate::device::Device;
use crate::ops::create::zero_in_place;
use crate::tensor::{Tensor, key};
use rustorch_base::{DType, Result};
use rustorch_kernels::cpu::optim::{self, Real};
pub use rustorch_kernels::cpu::optim::{Adam, Sgd};

/// A parameter with its gradient and, with momentum, its buffer.
pub struct SgdParameter {
    pub parameter: Tensor,
    pub gradient: Tensor,
    pub buffer: Option<Tensor>,
}

/// A parameter with its gradient and state; `step` is a single number, counted up by the step.
pub struct AdamParameter {
    pub parameter: Tensor,
    pub gradient: Tensor,
    pub mean: Tensor,
    pub square: Tensor,
    pub largest: Option<Tensor>,
    pub step: Tensor,
}

/// What no kernel here handles: watched by a subclass, without a write counter, or with a history of its own as a view.
const FOREIGN: u32 = key::OVERRIDE | key::INFERENCE | key::VIEW;

/// The tensors' elements lie alike and without gaps, in one real dtype, on the CPU, and those written (all but the gradient,
/// which is the first of `others`) overlap nothing else.
fn fits(parameter: &Tensor, others: &[&Tensor]) -> bool {
    let array = parameter.array();
    let plain = |tensor: &Tensor| tensor.keys() & FOREIGN == 0 && tensor.array().device() == Device::CPU;
    if !matches!(array.dtype, DType::Float32 | DType::Float64) || !plain(parameter) {
        return false;
    }
    if !array.layout.is_contiguous() && !array.layout.is_dense() {
        return false;
    }
    let alike = |other: &&Tensor| {
        let other_array = other.array();
        other_array.dtype == array.dtype && other_array.layout.shape == array.layout.shape && same_places(parameter, other) && plain(other)
    };
    others.iter().all(alike) && disjoint(parameter, others)
}

/// The strides agree wherever a dimension has more than one element.
fn same_places(a: &Tensor, b: &Tensor) -> bool {
    a.strides() == b.strides() || (a.shape().iter().zip(a.strides()).zip(b.strides())).all(|((&size, x), y)| size <= 1 || x == y)
}

fn disjoint(parameter: &Tensor, others: &[&Tensor]) -> bool {
    let bytes = parameter.numel() as usize * parameter.dtype().size();
    let start = |tensor: &Tensor| tensor.array().data() as usize;
    let apart = |a: usize, b: usize| bytes == 0 || a.abs_diff(b) >= bytes;
    others.iter().enumerate().all(|(i, other)| {
        let at = start(other);
        apart(start(parameter), at) && others[..i].iter().all(|earlier| apart(start(earlier), at))
    })
}

/// One step of every parameter, or none and `false`.
pub fn sgd_step(settings: &Sgd, parameters: &[SgdParameter]) -> bool {
    let fit = |p: &SgdParameter| match &p.buffer {
        Some(buffer) => fits(&p.parameter, &[&p.gradient, buffer]),
        None => fits(&p.parameter, &[&p.gradient]),
    };
    if !parameters.iter().all(fit) {
        return false;
    }
    for p in parameters {
        match p.parameter.dtype() {
            DType::Float32 => sgd_one::<f32>(settings, p),
            _ => sgd_one::<f64>(settings, p),
        }
        p.parameter.bump_version();
        if let Some(buffer) = &p.buffer {
            buffer.bump_version();
        }
    }
    true
}

fn data<T>(tensor: &Tensor) -> *mut T {
    tensor.array().data().cast()
}

fn sgd_one<T: Real>(settings: &Sgd, p: &SgdParameter) {
    let n = p.parameter.numel() as usize;
    // SAFETY: `fits` found all tensors of dtype T, dense and alike, so that each reaches `n` elements, and disjoint.
    unsafe { optim::sgd::<T>(settings, n, data(&p.parameter), data(&p.gradient), p.buffer.as_ref().map(data)) };
}

/// One step of every parameter, or none and `false`. `settings.correction1` and `correction2` are computed here.
pub fn adam_step(settings: &Adam, parameters: &[AdamParameter]) -> bool {
    let fit = |p: &AdamParameter| {
        let counted = p.step.numel() == 1 && p.step.dtype() == DType::Float32 && p.step.device() == Device::CPU;
        counted
            && p.step.keys() & FOREIGN == 0
            && match &p.largest {
                Some(largest) => fits(&p.parameter, &[&p.gradient, &p.mean, &p.square, largest]),
                None => fits(&p.parameter, &[&p.gradient, &p.mean, &p.square]),
            }
    };
    if !parameters.iter().all(fit) {
        return false;
    }
    let mut settings = *settings;
    let mut corrected = f32::NAN;
    for p in parameters {
        let step = count(&p.step);
        // Parameters are mostly as old as each other: two powers a step, not two a parameter.
        if step != corrected {
            corrected = step;
            settings.correction1 = 1.0 - settings.beta1.powf(f64::from(step));
            settings.correction2 = 1.0 - settings.beta2.powf(f64::from(step));
        }
        match p.parameter.dtype() {
            DType::Float32 => adam_one::<f32>(&settings, p),
            _ => adam_one::<f64>(&settings, p),
        }
        for changed in [&p.parameter, &p.mean, &p.square].into_iter().chain(&p.largest) {
            changed.bump_version();
        }
    }
    true
}

/// Counts one more step and returns the count.
fn count(step: &Tensor) -> f32 {
    let place = data::<f32>(step);
    // SAFETY: `adam_step` found one element of this dtype on the CPU.
    let counted = unsafe {
        *place += 1.0;
        *place
    };
    step.bump_version();
    counted
}

/// A gradient for the next backward to add to: zeros, cut from whatever computed it.
pub fn zero_gradient(gradient: &Tensor) -> Result<()> {
    if gradient.is_leaf() {
        gradient.set_requires_grad(false)?;
    } else {
        gradient.detach_in_place()?;
    }
    zero_in_place(gradient)
}

fn adam_one<T: Real>(settings: &Adam, p: &AdamParameter) {
    let n = p.parameter.numel() as usize;
    let (parameter, gradient, largest) = (data(&p.parameter), data::<T>(&p.gradient), p.largest.as_ref().map(data));
    // SAFETY: `fits` found all tensors of dtype T, dense and alike, so that each reaches `n` elements, and disjoint.
    unsafe { optim::adam::<T>(settings, n, parameter, gradient, data(&p.mean), data(&p.square), largest) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f32]) -> Tensor {
        let tensor = Tensor::empty(&[values.len() as i64], DType::Float32).expect("small");
        // SAFETY: a fresh contiguous tensor of this length.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), data(&tensor), values.len()) };
        tensor
    }
    fn values(tensor: &Tensor) -> Vec<f32> {
        // SAFETY: a contiguous tensor of f32.
        unsafe { std::slice::from_raw_parts(data(tensor), tensor.numel() as usize) }.to_vec()
    }

    #[test]
    fn a_step_changes_all_parameters_and_counts_the_writes() {
        let p = SgdParameter { parameter: vector(&[1.0, 2.0]), gradient: vector(&[1.0, -1.0]), buffer: None };
        let before = p.parameter.version_or_zero();
        assert!(sgd_step(&Sgd { lr: 0.5, ..Sgd::default() }, std::slice::from_ref(&p)));
        assert_eq!(values(&p.parameter), [0.5, 2.5]);
        assert_eq!(p.parameter.version_or_zero(), before + 1);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let good = SgdParameter { parameter: vector(&[1.0]), gradient: vector(&[1.0]), buffer: None };
        let shared = vector(&[1.0]);
        let bad = SgdParameter { parameter: shared.clone(), gradient: shared, buffer: None };
        assert!(!sgd_step(&Sgd { lr: 0.5, ..Sgd::default() }, &[good, bad]));
    }

    #[test]
    fn adam_counts_its_steps() {
        let p = AdamParameter {
            parameter: vector(&[1.0]),
            gradient: vector(&[2.0]),
            mean: vector(&[0.0]),
            square: vector(&[0.0]),
            largest: None,
            step: vector(&[0.0]),
        };
        let settings = Adam { lr: 0.5, beta1: 0.9, beta2: 0.999, eps: 1e-8, ..Adam::default() };
        assert!(adam_step(&settings, std::slice::from_ref(&p)));
        assert!((values(&p.parameter)[0] - 0.5).abs() < 1e-5);
        assert_eq!(values(&p.step), [1.0]);
    }
}
