use super::forward::forward;
use super::input_gradient::input_gradient;
use super::weight_gradient::weight_gradient;
use super::{Geometry, Space, volume};
use crate::cpu::gemm::GemmElement;
use crate::cpu::gemm::tests::Random;
use crate::cpu::threads::tests::with_threads;
use crate::operand::Operand;
use half::bf16;
use rustorch_base::DType;
use std::ptr::null;

/// All in f64 and one pixel at a time: (output, input gradient, weight gradient) of a convolution, given the output's gradient.
fn plain(g: &Geometry, input: &[f64], weight: &[f64], bias: &[f64], output_gradient: &[f64]) -> [Vec<f64>; 3] {
    let out = g.output();
    let mut output = vec![0.0; output_gradient.len()];
    let (mut input_gradient, mut weight_gradient) = (vec![0.0; input.len()], vec![0.0; weight.len()]);
    let index = |at: [usize; 3], size: Space| (at[0] * size[1] + at[1]) * size[2] + at[2];
    let points = |size: Space| (0..volume(size)).map(move |i| [i / size[2] / size[1], i / size[2] % size[1], i % size[2]]);
    for (n, o) in (0..g.batch).flat_map(|n| (0..g.out_channels).map(move |o| (n, o))) {
        let group = o / g.out_group();
        for pixel in points(out) {
            let y = (n * g.out_channels + o) * volume(out) + index(pixel, out);
            output[y] = bias[o];
            for (c, tap) in (0..g.in_group()).flat_map(|c| points(g.kernel).map(move |tap| (c, tap))) {
                let at: [isize; 3] =
                    std::array::from_fn(|d| (pixel[d] * g.stride[d] + tap[d] * g.dilation[d]) as isize - g.padding[d] as isize);
                if (0..3).any(|d| at[d] < 0 || at[d] >= g.input[d] as isize) {
                    continue;
                }
                let x = (n * g.in_channels + group * g.in_group() + c) * volume(g.input) + index(at.map(|i| i as usize), g.input);
                let w = (o * g.in_group() + c) * g.taps() + index(tap, g.kernel);
                output[y] += input[x] * weight[w];
                input_gradient[x] += output_gradient[y] * weight[w];
                weight_gradient[w] += output_gradient[y] * input[x];
            }
        }
    }
    [output, input_gradient, weight_gradient]
}

fn random_geometry(random: &mut Random) -> Geometry {
    let groups = random.pick(&[1, 1, 1, 2, 3]);
    let (per_in, per_out) = (1 + random.below(4), 1 + random.below(if groups == 1 { 20 } else { 8 }));
    let dims = 1 + random.below(6).min(2);
    let mut g = Geometry {
        batch: random.below(4),
        groups,
        in_channels: groups * per_in,
        out_channels: groups * per_out,
        input: [1; 3],
        kernel: [1; 3],
        stride: [1; 3],
        padding: [0; 3],
        dilation: [1; 3],
    };
    for d in 3 - dims..3 {
        g.kernel[d] = 1 + random.below(5);
        g.stride[d] = random.pick(&[1, 1, 2, 3]);
        g.dilation[d] = random.pick(&[1, 1, 2, 3]);
        g.padding[d] = random.below(4);
        let extent = g.dilation[d] * (g.kernel[d] - 1) + 1;
        g.input[d] = extent.saturating_sub(2 * g.padding[d]).max(1) + random.below(if d == 0 { 4 } else { 20 });
    }
    g
}

fn check<T: GemmElement + bytemuck::Pod + std::iter::Sum>(g: &Geometry, seed: u64, tolerance: f64, from: fn(f64) -> T, to: fn(T) -> f64) {
    let mut random = Random::new(seed);
    let mut fill = |n: usize| (0..n).map(|_| to(from(random.value()))).collect::<Vec<f64>>();
    let input = fill(g.batch * g.in_channels * volume(g.input));
    let weight = fill(g.out_channels * g.in_group() * g.taps());
    let (bias, output_gradient) = (fill(g.out_channels), fill(g.batch * g.out_channels * volume(g.output())));
    let expected = plain(g, &input, &weight, &bias, &output_gradient);
    let narrow = |x: &[f64]| x.iter().map(|&x| from(x)).collect::<Vec<T>>();
    let (x, w, b, dy) = (narrow(&input), narrow(&weight), narrow(&bias), narrow(&output_gradient));
    let [mut y, mut dx, mut dw] = [&expected[0], &expected[1], &expected[2]].map(|e| vec![from(f64::NAN); e.len()]);
    // SAFETY: the vectors have the sizes the geometry names.
    unsafe {
        forward(g, x.as_ptr(), w.as_ptr(), b.as_ptr(), y.as_mut_ptr());
        input_gradient(g, dy.as_ptr(), w.as_ptr(), dx.as_mut_ptr());
        weight_gradient(g, dy.as_ptr(), x.as_ptr(), dw.as_mut_ptr());
    }
    for (name, got, expected) in [("output", y, &expected[0]), ("input gradient", dx, &expected[1]), ("weight gradient", dw, &expected[2])]
    {
        for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
            assert!((to(got) - expected).abs() <= tolerance, "{name} {i} is {} and not {expected}: {g:?}", to(got));
        }
    }
}

#[test]
fn random_geometries_in_both_precisions() {
    let mut random = Random::new(11);
    for seed in 0..250 {
        let g = random_geometry(&mut random);
        check::<f32>(&g, seed, 3e-4, |x| x as f32, |x| x as f64);
        check::<f64>(&g, seed, 1e-12, |x| x, |x| x);
    }
}

#[test]
fn the_number_of_threads_does_not_show() {
    let two = |n| [1, n, n];
    let g = Geometry {
        batch: 9,
        groups: 2,
        in_channels: 8,
        out_channels: 24,
        input: two(21),
        kernel: two(3),
        stride: two(2),
        padding: [0, 1, 1],
        dilation: [1; 3],
    };
    let mut random = Random::new(5);
    let mut fill = |n: usize| (0..n).map(|_| random.value() as f32).collect::<Vec<f32>>();
    let (x, w, dy) = (fill(9 * 8 * 441), fill(24 * 4 * 9), fill(9 * 24 * volume(g.output())));
    let results = [1, 2, 5].map(|threads| {
        let (mut y, mut dx, mut dw) = (vec![0f32; dy.len()], vec![0f32; x.len()], vec![0f32; w.len()]);
        // SAFETY: the vectors have the sizes the geometry names.
        with_threads(threads, || unsafe {
            forward(&g, x.as_ptr(), w.as_ptr(), null(), y.as_mut_ptr());
            input_gradient(&g, dy.as_ptr(), w.as_ptr(), dx.as_mut_ptr());
            weight_gradient(&g, dy.as_ptr(), x.as_ptr(), dw.as_mut_ptr());
        });
        (y, dx, dw)
    });
    assert!(results[0] == results[1] && results[0] == results[2]);
}

#[test]
fn half_precision_is_computed_in_float32() {
    let g = Geometry {
        batch: 1,
        groups: 1,
        in_channels: 1,
        out_channels: 1,
        input: [1, 1, 3],
        kernel: [1, 1, 2],
        stride: [1; 3],
        padding: [0; 3],
        dilation: [1; 3],
    };
    let half = |x: &[f32]| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<bf16>>();
    let operand = |data: &mut Vec<bf16>| Operand { data: data.as_mut_ptr().cast(), dtype: DType::BFloat16, strides: &[] };
    let (mut x, mut w, mut b, mut y) = (half(&[1.0, 2.0, 4.0]), half(&[3.0, -1.0]), half(&[0.5]), half(&[0.0, 0.0]));
    let (mut dx, mut dw) = (half(&[9.0; 3]), half(&[9.0; 2]));
    // SAFETY: the vectors have the sizes the geometry names.
    unsafe {
        super::forward(&g, &operand(&mut x), &operand(&mut w), Some(&operand(&mut b)), &operand(&mut y)).expect("bfloat16 convolves");
        assert_eq!(y, half(&[1.5, 2.5]));
        super::input_gradient(&g, &operand(&mut y), &operand(&mut w), &operand(&mut dx)).expect("bfloat16 convolves");
        super::weight_gradient(&g, &operand(&mut y), &operand(&mut x), &operand(&mut dw)).expect("bfloat16 convolves");
        let refusal = super::forward(&g, &Operand { dtype: DType::Int64, ..operand(&mut x) }, &operand(&mut w), None, &operand(&mut y));
        assert!(refusal.is_err());
    }
    assert_eq!(dx, half(&[4.5, 6.0, -2.5]));
    assert_eq!(dw, half(&[6.5, 13.0]));
}
