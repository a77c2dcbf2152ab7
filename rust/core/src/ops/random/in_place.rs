//! Methods that fill a tensor with random numbers. The former history of the tensor ends there: its gradient is zero.
use super::draw::{self, Continuous, six_digits};
use super::range;
use crate::array::Array;
use crate::ops::create;
use crate::random::Generator;
use crate::tensor::Tensor;
use rustorch_base::layout::broadcast_shapes;
use rustorch_base::{Result, bail, ensure};

/// Fills the target by `draw`, and gives it a history of that name if it has one.
fn fill(target: &Tensor, name: &'static str, draw: impl FnOnce(&Array) -> Result<()>) -> Result<Tensor> {
    create::overwrite(target, name, draw)?;
    Ok(target.clone())
}

crate::ops! {
    /// Fills the tensor with uniform numbers in `[from, to)`.
    "uniform_(Tensor input, float from=0, float to=1, *, Generator? generator=None)" [METHOD]
    fn uniform_(input: &Tensor, from: f64, to: f64, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "UniformBackward0", |array| draw::uniform(array, from, to, generator))
    }
    /// Fills the tensor with numbers from a normal distribution.
    "normal_(Tensor input, float mean=0, float std=1, *, Generator? generator=None)" [METHOD]
    fn normal_(input: &Tensor, mean: f64, std: f64, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "NormalBackward0", |array| draw::normal(array, mean, std, generator))
    }
    /// Fills the tensor with integers from 0 to the greatest of its dtype; a float dtype to the last before gaps begin.
    "random_(Tensor input, *, Generator? generator=None)" [METHOD]
    fn random_(input: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "RandomBackward2", |array| range::full(array, generator))
    }
    /// Fills the tensor with integers from `from` up to `to`, `to` left out.
    "random_(Tensor input, int from, int? to, *, Generator? generator=None)" [METHOD]
    fn random_from(input: &Tensor, from: i64, to: Option<i64>, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "RandomBackward0", |array| range::from_to(array, from, to, generator))
    }
    /// Fills the tensor with integers from 0 up to `to`, `to` left out.
    "random_(Tensor input, int to, *, Generator? generator=None)" [METHOD]
    fn random_to(input: &Tensor, to: i64, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "RandomBackward1", |array| range::from_to(array, 0, Some(to), generator))
    }
    /// Fills the tensor with ones of probability `p`, else zeros.
    "bernoulli_(Tensor input, float p=0.5, *, Generator? generator=None)" [METHOD]
    fn bernoulli_(input: &Tensor, p: f64, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "BernoulliBackward2", |array| draw::bernoulli(array, p, generator))
    }
    /// Fills the tensor with numbers from the exponential distribution of rate `lambd`.
    "exponential_(Tensor input, float lambd=1, *, Generator? generator=None)" [METHOD]
    fn exponential_(input: &Tensor, lambd: f64, generator: Option<&Generator>) -> Result<Tensor> {
        ensure!(lambd > 0.0, runtime, "exponential_ expects lambda > 0.0, but found lambda={}", six_digits(lambd));
        fill(input, "ExponentialBackward0", |array| {
            if !array.dtype.is_floating_point() {
                bail!(runtime, "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you specified {}", array.dtype.scalar_name())
            }
            draw::continuous(array, &Continuous::Exponential { lambda: lambd }, generator)
        })
    }
    /// Fills the tensor with numbers from the Cauchy distribution.
    "cauchy_(Tensor input, float median=0, float sigma=1, *, Generator? generator=None)" [METHOD]
    fn cauchy_(input: &Tensor, median: f64, sigma: f64, generator: Option<&Generator>) -> Result<Tensor> {
        ensure!(sigma > 0.0, runtime, "cauchy_ expects sigma > 0.0, but found sigma={}", six_digits(sigma));
        fill(input, "CauchyBackward0", |array| {
            if !array.dtype.is_floating_point() {
                bail!(runtime, "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified {}", array.dtype.c_name())
            }
            draw::continuous(array, &Continuous::Cauchy { median, sigma }, generator)
        })
    }
    /// Fills the tensor with exponentials of numbers from a normal distribution.
    "log_normal_(Tensor input, float mean=1, float std=2, *, Generator? generator=None)" [METHOD]
    fn log_normal_(input: &Tensor, mean: f64, std: f64, generator: Option<&Generator>) -> Result<Tensor> {
        ensure!(std > 0.0, runtime, "log_normal_ expects std > 0.0, but found std={}", six_digits(std));
        fill(input, "LogNormalBackward0", |array| draw::continuous(array, &Continuous::LogNormal { mean, std }, generator))
    }
    /// Fills the tensor with numbers from the geometric distribution: trials up to the first success of probability `p`.
    "geometric_(Tensor input, float p, *, Generator? generator=None)" [METHOD]
    fn geometric_(input: &Tensor, p: f64, generator: Option<&Generator>) -> Result<Tensor> {
        fill(input, "GeometricBackward0", |array| draw::geometric(array, p, generator))
    }
}

pub use each::OPS as TENSOR_OPS;
mod each {
    use super::*;
    crate::ops! {
        /// Fills the tensor with ones of a probability each, else zeros.
        "bernoulli_(Tensor input, Tensor p, *, Generator? generator=None)" [METHOD]
        fn bernoulli_each_(input: &Tensor, p: &Tensor, generator: Option<&Generator>) -> Result<Tensor> {
            let shape = broadcast_shapes(input.shape(), p.shape());
            if shape.is_err() || shape.is_ok_and(|shape| shape[..] != *input.shape()) {
                crate::ops::shape::expand_to(p, input.shape())?;
            }
            fill(input, "BernoulliBackward1", |array| draw::bernoulli_each(array, p.array(), generator))
        }
    }
}
