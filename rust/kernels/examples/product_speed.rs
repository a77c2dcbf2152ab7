//! Times matrix products: `cargo run --release -p rustorch-kernels --example product_speed [threads]`.
//! Every row is the best of many short samples, beside the processor's own peak of multiply-adds.
use rustorch_kernels::cpu::gemm::{Bias, Epilogue, Matrix, MatrixMut, gemm};
use rustorch_kernels::cpu::threads::set_num_threads;
use std::time::Instant;

fn best_seconds(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    f();
    let repeats = (2e-4 / start.elapsed().as_secs_f64().max(1e-9)).clamp(1.0, 10_000.0) as usize;
    (0..40)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| f());
            start.elapsed().as_secs_f64() / repeats as f64
        })
        .fold(f64::INFINITY, f64::min)
}

/// Stored as given: `n` plain, `t` transposed.
fn product(m: usize, n: usize, k: usize, layout: &str) -> f64 {
    let (a, b) = (vec![0.5f32; m * k], vec![0.25f32; k * n]);
    let (mut c, bias) = (vec![0f32; m * n], vec![1f32; n]);
    let view = |data: &[f32], rows: usize, columns: usize, transposed: bool| {
        let (row_stride, column_stride) = if transposed { (1, rows as isize) } else { (columns as isize, 1) };
        Matrix { data: data.as_ptr(), rows, columns, row_stride, column_stride }
    };
    let (a, b) = (view(&a, m, k, layout.starts_with('t')), view(&b, k, n, layout.ends_with('t')));
    let c = MatrixMut { data: c.as_mut_ptr(), rows: m, columns: n, row_stride: n as isize, column_stride: 1 };
    let epilogue = Epilogue { bias: Bias::PerColumn(bias.as_ptr()), ..Epilogue::default() };
    // SAFETY: the views are of live vectors of these sizes.
    best_seconds(|| unsafe { gemm(a, b, c, epilogue) })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_adds(steps: usize) -> f32 {
    use std::arch::x86_64::*;
    let mut sums = [_mm256_set1_ps(1.0); 12];
    let x = std::hint::black_box(_mm256_set1_ps(0.999));
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, x, x);
        }
    }
    sums.iter().map(|&s| _mm256_cvtss_f32(s)).sum()
}
/// GFLOP/s of one core doing nothing but AVX2 multiply-adds.
fn peak() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: just asked for.
        let seconds = best_seconds(|| _ = std::hint::black_box(unsafe { multiply_adds(10_000) }));
        return 12.0 * 10_000.0 * 16.0 / seconds / 1e9;
    }
    f64::NAN
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    set_num_threads(threads);
    let peak = peak() * threads as f64;
    println!("{threads} threads, peak {peak:.0} GFLOP/s");
    let squares = [8, 16, 32, 64, 128, 256, 512, 1024].map(|n| (n, n, n));
    let linear = [(64, 128, 784), (64, 64, 128), (64, 10, 64), (128, 784, 64), (64, 784, 128), (64, 10, 128)];
    let thin = [(1, 128, 784), (4, 128, 784), (1, 1024, 1024), (2, 1024, 1024), (4, 1024, 1024), (1024, 1, 1024)];
    for (m, n, k) in squares.into_iter().chain(linear).chain(thin) {
        print!("{m:5} x {n:4} x {k:4}");
        for layout in ["nn", "nt", "tn"] {
            let seconds = product(m, n, k, layout);
            let rate = 2.0 * (m * n * k) as f64 / seconds / 1e9;
            print!("   {layout} {:9.2} us {rate:6.1} GF/s {:3.0} %", seconds * 1e6, 100.0 * rate / peak);
        }
        println!();
    }
}
