use super::*;
use crate::cpu::gemm::tests::Random;
use crate::operand::Operand;
use rustorch_base::DType;

fn operand<T>(data: &mut [T], dtype: DType) -> Operand<'_> {
    Operand { data: data.as_mut_ptr().cast(), dtype, strides: &[] }
}
fn points(size: Space) -> impl Iterator<Item = [usize; 3]> {
    (0..size.iter().product()).map(move |i| [i / size[2] / size[1], i / size[2] % size[1], i % size[2]])
}
/// Flat indices a window sees, in order; `None` for places in the padding or past the far border.
fn window(g: &PoolGeometry, at: [usize; 3]) -> Vec<Option<usize>> {
    let see = |tap: [usize; 3]| {
        let place: [isize; 3] = std::array::from_fn(|d| (at[d] * g.stride[d] + tap[d] * g.dilation[d]) as isize - g.padding[d] as isize);
        let inside = (0..3).all(|d| (0..g.input[d] as isize).contains(&place[d]));
        inside.then(|| ((place[0] as usize * g.input[1]) + place[1] as usize) * g.input[2] + place[2] as usize)
    };
    points(g.kernel).map(see).collect()
}
fn random_geometry(random: &mut Random, dilated: bool) -> PoolGeometry {
    let dims = 1 + random.below(6).min(2);
    let mut g = PoolGeometry {
        planes: random.below(5),
        input: [1; 3],
        output: [1; 3],
        kernel: [1; 3],
        stride: [1; 3],
        padding: [0; 3],
        dilation: [1; 3],
    };
    let ceil_mode = random.below(2) == 1;
    for d in 3 - dims..3 {
        g.kernel[d] = 1 + random.below(4);
        g.stride[d] = 1 + random.below(3);
        g.padding[d] = random.below(g.kernel[d] / 2 + 1);
        g.dilation[d] = if dilated { 1 + random.below(3) } else { 1 };
        g.input[d] = g.dilation[d] * (g.kernel[d] - 1) + 1 + random.below(if d == 2 { 90 } else { 8 });
        g.output[d] = pooled_size(g.input[d], g.kernel[d], g.stride[d], g.padding[d], g.dilation[d], ceil_mode);
    }
    g
}

#[test]
fn max_pools_of_random_geometries() {
    let mut random = Random::new(21);
    for case in 0..300 {
        let g = random_geometry(&mut random, true);
        let (pixels, results) = (g.input.iter().product::<usize>(), g.output.iter().product::<usize>());
        // Few different values, so that there are ties, NaN and windows of -inf.
        let values = [1.0, 2.0, -3.0, f32::NEG_INFINITY, if case % 3 == 0 { f32::NAN } else { 0.5 }];
        let mut input: Vec<f32> = (0..g.planes * pixels).map(|_| random.pick(&values)).collect();
        let (mut output, mut indices) = (vec![9f32; g.planes * results], vec![-9i64; g.planes * results]);
        // SAFETY: the vectors have the sizes the geometry names.
        unsafe {
            let (x, y, i) =
                (operand(&mut input, DType::Float32), operand(&mut output, DType::Float32), operand(&mut indices, DType::Int64));
            max_pool(&g, &x, &y, &i).expect("float32 is pooled");
        }
        for (plane, (i, at)) in (0..g.planes).flat_map(|p| points(g.output).enumerate().map(move |at| (p, at))) {
            let seen: Vec<usize> = window(&g, at).into_iter().flatten().collect();
            let (mut best, mut place) = (f32::NEG_INFINITY, seen[0]);
            for &p in &seen {
                let value = input[plane * pixels + p];
                if value > best || value.is_nan() {
                    (best, place) = (value, p);
                }
            }
            let got = (output[plane * results + i], indices[plane * results + i] as usize);
            assert!(got.0.to_bits() == best.to_bits() && got.1 == place, "{got:?} and not ({best}, {place}) at {at:?} of {g:?}");
        }
        let mut output_gradient: Vec<f32> = (0..g.planes * results).map(|_| random.below(9) as f32).collect();
        let mut gradient = vec![f32::NAN; g.planes * pixels];
        let mut expected = vec![0f32; g.planes * pixels];
        for (i, &dy) in output_gradient.iter().enumerate() {
            expected[i / results * pixels + indices[i] as usize] += dy;
        }
        // SAFETY: as above.
        unsafe {
            let (dy, dx) = (operand(&mut output_gradient, DType::Float32), operand(&mut gradient, DType::Float32));
            max_pool_gradient(&g, &dy, &operand(&mut indices, DType::Int64), &dx).expect("float32 has gradients");
        }
        assert!(gradient == expected, "{g:?}");
    }
}

#[test]
fn average_pools_of_random_geometries() {
    let mut random = Random::new(22);
    for _ in 0..300 {
        let g = random_geometry(&mut random, false);
        let (pixels, results) = (g.input.iter().product::<usize>(), g.output.iter().product::<usize>());
        let averaging = Averaging { count_include_pad: random.below(2) == 1, divisor: random.pick(&[None, None, Some(3), Some(-2)]) };
        let mut fill = |n: usize| (0..n).map(|_| random.value()).collect::<Vec<f64>>();
        let (mut input, mut output_gradient) = (fill(g.planes * pixels), fill(g.planes * results));
        let (mut output, mut gradient) = (vec![f64::NAN; g.planes * results], vec![f64::NAN; g.planes * pixels]);
        // SAFETY: the vectors have the sizes the geometry names.
        unsafe {
            average_pool(&g, averaging, &operand(&mut input, DType::Float64), &operand(&mut output, DType::Float64)).expect("pooled");
            let (dy, dx) = (operand(&mut output_gradient, DType::Float64), operand(&mut gradient, DType::Float64));
            average_pool_gradient(&g, averaging, &dy, &dx).expect("float64 has gradients");
        }
        let mut expected_gradient = vec![0.0; g.planes * pixels];
        for (plane, (i, at)) in (0..g.planes).flat_map(|p| points(g.output).enumerate().map(move |at| (p, at))) {
            let seen = window(&g, at);
            // With the padding, a window is cut where the padding ends.
            let padded = |tap: &[usize; 3]| (0..3).all(|d| at[d] * g.stride[d] + tap[d] < g.input[d] + 2 * g.padding[d]);
            let count = if averaging.count_include_pad { points(g.kernel).filter(padded).count() } else { seen.iter().flatten().count() };
            let divisor = averaging.divisor.unwrap_or(count as i64) as f64;
            let sum: f64 = seen.iter().flatten().map(|p| input[plane * pixels + p]).sum();
            let expected = if seen.iter().flatten().count() == 0 { 0.0 } else { sum / divisor };
            assert!((output[plane * results + i] - expected).abs() < 1e-12, "{at:?} of {g:?} {averaging:?}");
            for p in seen.iter().flatten() {
                expected_gradient[plane * pixels + p] += output_gradient[plane * results + i] / divisor;
            }
        }
        let same = gradient.iter().zip(&expected_gradient).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(same, "gradient of {g:?} {averaging:?}");
    }
}

#[test]
fn other_dtypes_pool_or_are_refused_in_pytorchs_words() {
    let g =
        PoolGeometry { planes: 1, input: [1, 2, 2], output: [1; 3], kernel: [1, 2, 2], stride: [1; 3], padding: [0; 3], dilation: [1; 3] };
    let (mut whole, mut half) = ([-7i64, -2, -5, -3], [1.0, 2.5, 0.5, 4.0].map(half::f16::from_f32));
    let (mut index, mut integer, mut rounded) = ([0i64], [0i64], [half::f16::ZERO]);
    // SAFETY: the arrays have the sizes the geometry names.
    unsafe {
        let averaging = Averaging { count_include_pad: true, divisor: None };
        let (integers, halves) = (operand(&mut whole, DType::Int64), operand(&mut half, DType::Float16));
        max_pool(&g, &integers, &operand(&mut integer, DType::Int64), &operand(&mut index, DType::Int64)).expect("int64 is pooled");
        assert_eq!((integer, index), ([-2], [1]));
        average_pool(&g, averaging, &halves, &operand(&mut rounded, DType::Float16)).expect("float16 is averaged");
        assert_eq!(rounded[0].to_f32(), 2.0);
        let bools = Operand { dtype: DType::Bool, ..integers };
        let refusals = [max_pool(&g, &bools, &bools, &bools), average_pool(&g, averaging, &bools, &bools)];
        let messages = refusals.map(|r| r.expect_err("bool is not pooled").message);
        assert_eq!(messages, ["\"max_pool2d\" not implemented for 'Bool'", "\"avg_pool2d\" not implemented for 'Bool'"]);
    }
}

#[test]
fn ceil_mode_drops_windows_that_start_past_the_input() {
    assert_eq!(pooled_size(3, 2, 2, 0, 1, true), 2);
    assert_eq!(pooled_size(3, 2, 2, 0, 1, false), 1);
    assert_eq!(pooled_size(3, 2, 2, 1, 1, true), 2);
    assert_eq!(pooled_size(4, 1, 3, 0, 1, true), 2);
    assert_eq!(pooled_size(5, 1, 3, 0, 1, true), 2);
}
