//! What one op costs without Python, in ns: `cargo run --example overhead`.
use rustorch_core::autograd::engine::{self, Options};
use rustorch_core::ops::{create, matmul, pointwise, reduce, shape};
use rustorch_core::{DType, Result, Tensor};
use std::hint::black_box;
use std::time::Instant;

fn time(name: &str, mut f: impl FnMut() -> Result<()>) -> Result<()> {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..2000 {
            f()?;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / 2000.0);
    }
    println!("{name:28} {best:8.1}");
    Ok(())
}

fn main() -> Result<()> {
    let a = create::full(&[1], rustorch_core::Number::Float(0.5), DType::Float32, rustorch_core::Device::CPU)?;
    let b = create::zeros(&[1], DType::Float32)?;
    let m = create::zeros(&[8, 8], DType::Float32)?;
    let g = create::zeros(&[1], DType::Float32)?;
    g.set_requires_grad(true)?;
    time("empty(1)", || Tensor::empty(&[1], DType::Float32).map(|t| drop(black_box(t))))?;
    time("add", || pointwise::add(&a, &b).map(|t| drop(black_box(t))))?;
    time("mul number", || pointwise::scale(&a, 2.0).map(|t| drop(black_box(t))))?;
    time("exp", || pointwise::unary("exp", &a).map(|t| drop(black_box(t))))?;
    time("add, recorded", || pointwise::add(&g, &b).map(|t| drop(black_box(t))))?;
    time("sum", || reduce::sum(&a, None).map(|t| drop(black_box(t))))?;
    time("view", || shape::view_to(&m, &[64]).map(|t| drop(black_box(t))))?;
    time("transpose", || shape::transpose(&m, 0, 1).map(|t| drop(black_box(t))))?;
    time("mm 8x8", || matmul::mm_tensors(&m, &m).map(|t| drop(black_box(t))))?;
    time("mul, backward", || {
        g.set_grad(None);
        engine::backward(&[pointwise::mul(&g, &g)?], &[], Options::default(), None)
    })?;
    Ok(())
}
