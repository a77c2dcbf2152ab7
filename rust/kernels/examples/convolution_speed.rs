//! Times convolutions and pools: `cargo run --release -p rustorch-kernels --example convolution_speed [threads]`.
//! Forward, input gradient and weight gradient of each shape; the best of many short samples.
use rustorch_base::DType;
use rustorch_kernels::Operand;
use rustorch_kernels::cpu::conv::{self, Geometry};
use rustorch_kernels::cpu::pool::{PoolGeometry, max_pool, max_pool_gradient, pooled_size};
use rustorch_kernels::cpu::threads::set_num_threads;
use std::time::Instant;

fn best_microseconds(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    f();
    let repeats = (2e-4 / start.elapsed().as_secs_f64().max(1e-9)).clamp(1.0, 10_000.0) as usize;
    (0..100)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| f());
            start.elapsed().as_secs_f64() * 1e6 / repeats as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn operand(data: &mut [f32]) -> Operand<'_> {
    Operand { data: data.as_mut_ptr().cast(), dtype: DType::Float32, strides: &[] }
}

struct Shape(&'static str, [usize; 8]);
/// batch, in channels, out channels, side, kernel, stride, padding, groups
const SHAPES: [Shape; 14] = [
    Shape("LeNet 1-6 5x5 28", [64, 1, 6, 28, 5, 1, 2, 1]),
    Shape("LeNet 6-16 5x5 14", [64, 6, 16, 14, 5, 1, 0, 1]),
    Shape("digits 1-6 3x3 8", [32, 1, 6, 8, 3, 1, 1, 1]),
    Shape("digits 6-16 3x3 4", [32, 6, 16, 4, 3, 1, 1, 1]),
    Shape("1-8 3x3 28", [64, 1, 8, 28, 3, 1, 1, 1]),
    Shape("8-16 3x3 14", [64, 8, 16, 14, 3, 1, 1, 1]),
    Shape("32-64 3x3 28", [32, 32, 64, 28, 3, 1, 1, 1]),
    Shape("3-16 3x3 32", [32, 3, 16, 32, 3, 1, 1, 1]),
    Shape("16-32 3x3 s2 32", [32, 16, 32, 32, 3, 2, 1, 1]),
    Shape("64-64 3x3 56", [1, 64, 64, 56, 3, 1, 1, 1]),
    Shape("256-256 3x3 14", [4, 256, 256, 14, 3, 1, 1, 1]),
    Shape("64-256 1x1 28", [8, 64, 256, 28, 1, 1, 0, 1]),
    Shape("3-64 7x7 s2 112", [2, 3, 64, 112, 7, 2, 3, 1]),
    Shape("depthwise 64 3x3 28", [8, 64, 64, 28, 3, 1, 1, 64]),
];

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    set_num_threads(threads);
    for Shape(name, [batch, in_channels, out_channels, side, kernel, stride, padding, groups]) in SHAPES {
        let square = |n| [1, n, n];
        let g = Geometry {
            batch,
            groups,
            in_channels,
            out_channels,
            input: square(side),
            kernel: square(kernel),
            stride: square(stride),
            padding: [0, padding, padding],
            dilation: [1; 3],
        };
        let out = g.output()[1];
        let (mut x, mut y) = (vec![0.5f32; batch * in_channels * side * side], vec![0.5f32; batch * out_channels * out * out]);
        let weights = out_channels * in_channels / groups * kernel * kernel;
        let (mut w, mut b, mut dx, mut dw) = (vec![0.5f32; weights], vec![0.5f32; out_channels], x.clone(), vec![0f32; weights]);
        let (x, y, w, b) = (operand(&mut x), operand(&mut y), operand(&mut w), operand(&mut b));
        let (dx, dw) = (operand(&mut dx), operand(&mut dw));
        let expect = "float32 convolves";
        // SAFETY: the vectors have the sizes the geometry names.
        let times = unsafe {
            [
                best_microseconds(|| conv::forward(&g, &x, &w, Some(&b), &y).expect(expect)),
                best_microseconds(|| conv::input_gradient(&g, &y, &w, &dx).expect(expect)),
                best_microseconds(|| conv::weight_gradient(&g, &y, &x, &dw).expect(expect)),
            ]
        };
        let flops = 2.0 * (batch * out * out * weights) as f64;
        print!("{name:20}");
        for (pass, us) in ["forward", "input", "weight"].iter().zip(times) {
            print!("  {pass} {us:9.1} us {:6.1} GF/s", flops / us / 1e3);
        }
        println!();
    }
    for (batch, channels, side) in [(64, 6, 28), (64, 16, 10), (32, 64, 56)] {
        let half = pooled_size(side, 2, 2, 0, 1, false);
        let g = PoolGeometry {
            planes: batch * channels,
            input: [1, side, side],
            output: [1, half, half],
            kernel: [1, 2, 2],
            stride: [1, 2, 2],
            padding: [0; 3],
            dilation: [1; 3],
        };
        let (mut x, mut y) = (vec![0.5f32; g.planes * side * side], vec![0.5f32; g.planes * half * half]);
        x.iter_mut().enumerate().for_each(|(i, x)| *x = (i * 7919 % 1013) as f32);
        let mut indices = vec![0i64; y.len()];
        let indices = Operand { data: indices.as_mut_ptr().cast(), dtype: DType::Int64, strides: &[] };
        let (x, y) = (operand(&mut x), operand(&mut y));
        // SAFETY: the vectors have the sizes the geometry names.
        let (forward, backward) = unsafe {
            let forward = best_microseconds(|| max_pool(&g, &x, &y, &indices).expect("float32 is pooled"));
            (forward, best_microseconds(|| max_pool_gradient(&g, &y, &indices, &x).expect("float32 has gradients")))
        };
        println!("max pool 2x2 {batch}x{channels}x{side}x{side}  forward {forward:9.1} us  backward {backward:9.1} us");
    }
}
