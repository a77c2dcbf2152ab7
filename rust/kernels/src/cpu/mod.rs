//! Kernels for the CPU: threads, matrix products, convolution, pooling.
pub mod threads;
