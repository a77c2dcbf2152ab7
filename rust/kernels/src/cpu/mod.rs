//! Kernels for the CPU: threads, matrix products, convolution, pooling; copies, reductions, gathers, sorts.
pub mod accumulate;
pub mod arg_reduce;
pub mod cast;
pub mod combine;
pub mod conv;
pub mod copy;
pub mod exponential;
pub mod fill;
pub mod gather;
pub mod gemm;
pub mod index;
pub mod index_select;
pub mod loss;
pub mod masked;
pub mod matmul;
pub mod nest;
pub mod optim;
pub mod pack;
pub mod pool;
pub mod reduce;
pub mod rows;
#[cfg(test)]
mod sample;
pub mod scan;
pub mod softmax;
pub mod sort;
pub mod threads;
pub mod vectorized;
