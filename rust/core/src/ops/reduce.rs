//! Reductions: fewer elements, by sums, extrema and the like.
use crate::tensor::Tensor;
use rustorch_base::Result;
use rustorch_kernels::cpu;
