use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};
use crate::cpu::threads::set_num_threads;
use rustorch_base::Dims;

/// The elements reduced into each output, in row-major order, and the outputs' shape with reduced sizes of one.
fn groups(input: &Sample, dims: &[usize]) -> (Dims, Vec<Vec<num_complex::Complex64>>) {
    let kept: Dims = input.shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect();
    let mut groups = vec![vec![]; kept.iter().product::<i64>() as usize];
    for number in 0..input.numel() {
        let mut index = Sample::index(&input.shape, number);
        dims.iter().for_each(|&d| index[d] = 0);
        groups[Sample::number(&kept, &index)].push(input.complex(number));
    }
    (kept, groups)
}

fn expected(op: Reduce, x: &[num_complex::Complex64]) -> f64 {
    let n = x.len() as f64;
    let real = || x.iter().map(|x| x.re);
    let size = || x.iter().map(|x| x.norm());
    match op {
        Reduce::Sum | Reduce::NanSum => real().sum(),
        Reduce::Mean => real().sum::<f64>() / n,
        Reduce::Prod => x.iter().product::<num_complex::Complex64>().re,
        Reduce::Amax => real().fold(f64::NEG_INFINITY, f64::max),
        Reduce::Amin => real().fold(f64::INFINITY, f64::min),
        Reduce::Any => x.iter().any(|x| x.norm() != 0.0) as i64 as f64,
        Reduce::All => x.iter().all(|x| x.norm() != 0.0) as i64 as f64,
        Reduce::CountNonzero => x.iter().filter(|x| x.norm() != 0.0).count() as f64,
        Reduce::Norm(0.0) => x.iter().filter(|x| x.norm() != 0.0).count() as f64,
        Reduce::Norm(f64::INFINITY) => size().fold(0.0, f64::max),
        Reduce::Norm(f64::NEG_INFINITY) => size().fold(f64::INFINITY, f64::min),
        Reduce::Norm(p) => size().map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p),
        Reduce::LogSumExp => real().map(f64::exp).sum::<f64>().ln(),
        Reduce::Var(correction) | Reduce::Std(correction) => {
            let mean = real().sum::<f64>() / n;
            let variance = real().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - correction).max(0.0);
            if matches!(op, Reduce::Std(_)) { variance.sqrt() } else { variance }
        }
    }
}

/// Strides of an output of shape `kept`, with something useless along reduced dimensions.
fn strides_over(output: &Sample, dims: &[usize]) -> Dims {
    output.strides.iter().enumerate().map(|(d, &s)| if dims.contains(&d) { 77 } else { s }).collect()
}

fn check(random: &mut Random, op: Reduce, shape: &[i64], dims: &[usize], dtype: DType, out: DType, tolerance: f64) {
    let input = Sample::random(random, shape, dtype);
    let (kept, groups) = groups(&input, dims);
    let output = Sample::scattered(random, &kept, out);
    let strides = strides_over(&output, dims);
    reduce(op, shape, dims, Operand { strides: &strides, ..output.operand() }, input.operand()).unwrap();
    for (number, group) in groups.iter().enumerate() {
        assert_close(output.get(number), expected(op, group), tolerance);
    }
}

#[test]
fn every_reduction_over_random_layouts() {
    let floats = [DType::Float32, DType::Float64, DType::Float16, DType::BFloat16];
    let every = [
        Reduce::Sum,
        Reduce::Mean,
        Reduce::Prod,
        Reduce::NanSum,
        Reduce::Amax,
        Reduce::Amin,
        Reduce::Norm(0.0),
        Reduce::Norm(1.0),
        Reduce::Norm(2.0),
        Reduce::Norm(3.0),
        Reduce::Norm(f64::INFINITY),
        Reduce::Norm(f64::NEG_INFINITY),
        Reduce::LogSumExp,
        Reduce::Var(1.0),
        Reduce::Std(0.0),
    ];
    let mut random = Random(10);
    for round in 0..12 {
        for op in every {
            let shape = random.shape(if matches!(op, Reduce::Prod) { 3 } else { 11 });
            let dims: Vec<usize> = (0..shape.len()).filter(|_| random.below(2) == 0).collect();
            let dtype = floats[round % 4];
            let tolerance = [1e-5, 1e-12, 2e-3, 1e-2][round % 4];
            check(&mut random, op, &shape, &dims, dtype, dtype, tolerance);
        }
    }
}

#[test]
fn integers_bools_and_complex_numbers() {
    let mut random = Random(11);
    for &dtype in DType::ALL {
        let shape = random.shape(9);
        let dims: Vec<usize> = (0..shape.len()).filter(|_| random.below(2) == 0).collect();
        check(&mut random, Reduce::Sum, &shape, &dims, dtype, dtype.sum_dtype(), 1e-5);
        check(&mut random, Reduce::CountNonzero, &shape, &dims, dtype, DType::Int64, 0.0);
        check(&mut random, Reduce::Any, &shape, &dims, dtype, DType::Bool, 0.0);
        check(&mut random, Reduce::All, &shape, &dims, dtype, DType::Bool, 0.0);
        if dtype.is_complex() {
            check(&mut random, Reduce::Norm(2.0), &shape, &dims, dtype, dtype.to_real(), 1e-5);
            check(&mut random, Reduce::Norm(1.0), &shape, &dims, dtype, dtype.to_real(), 1e-5);
            check(&mut random, Reduce::Prod, &[3, 2], &[0], dtype, dtype, 1e-5);
        } else {
            check(&mut random, Reduce::Amax, &shape, &dims, dtype, dtype, 0.0);
            check(&mut random, Reduce::Amin, &shape, &dims, dtype, dtype, 0.0);
        }
    }
}

#[test]
fn large_arrays_do_not_depend_on_threads() {
    let mut random = Random(12);
    for (shape, dims) in
        [(vec![300, 700], vec![0, 1]), (vec![5000, 40], vec![0]), (vec![3, 70000], vec![1]), (vec![64, 33, 50], vec![0, 2])]
    {
        let mut input = Sample::zeros(&shape, DType::Float32);
        (0..input.numel()).for_each(|i| input.put(i, random.unit().into()));
        let (kept, groups) = groups(&input, &dims);
        for op in [Reduce::Sum, Reduce::Var(1.0), Reduce::LogSumExp] {
            let results = [1, 2, 3].map(|threads| {
                set_num_threads(threads);
                let output = Sample::zeros(&kept, DType::Float32);
                reduce(op, &shape, &dims, output.operand(), input.operand()).unwrap();
                output.values()
            });
            assert!(results[0] == results[1] && results[0] == results[2]);
            groups.iter().zip(&results[0]).for_each(|(group, &got)| assert_close(got, expected(op, group), 2e-5));
        }
    }
}

#[test]
fn extremes_and_norms_meet_nan_and_infinity() {
    let of = |op, values: &[f64]| {
        let input = Sample::of(&[values.len() as i64], DType::Float32, values);
        let output = Sample::zeros(&[1], DType::Float32);
        reduce(op, &input.shape, &[0], output.operand(), input.operand()).unwrap();
        output.get(0)
    };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    assert!(of(Reduce::Amax, &[1.0, nan, 3.0]).is_nan() && of(Reduce::Amin, &[nan, 1.0]).is_nan());
    assert!(of(Reduce::Norm(inf), &[1.0, nan, 3.0]).is_nan());
    assert_eq!(of(Reduce::NanSum, &[1.0, nan, 3.0]), 4.0);
    assert_eq!(of(Reduce::LogSumExp, &[-inf, -inf]), -inf);
    assert_eq!(of(Reduce::LogSumExp, &[inf, 1.0]), inf);
    assert_close(of(Reduce::LogSumExp, &[1000.0, 1000.0]), 1000.0 + 2f64.ln(), 1e-6);
    assert!(of(Reduce::Var(1.0), &[5.0]).is_nan());
    assert_eq!(of(Reduce::Sum, &[]), 0.0);
    assert_eq!(of(Reduce::Prod, &[]), 1.0);
    assert!(of(Reduce::Mean, &[]).is_nan());
    assert_eq!(of(Reduce::LogSumExp, &[]), -inf);
}

#[test]
fn both_moments_at_once() {
    let input = Sample::of(&[2, 2], DType::Float64, &[1.0, 3.0, 2.0, 6.0]);
    let (deviation, mean) = (Sample::zeros(&[2, 1], DType::Float64), Sample::zeros(&[2, 1], DType::Float64));
    moments(&[2, 2], &[1], [Some(deviation.operand()), Some(mean.operand())], input.operand(), 0.0, true).unwrap();
    assert_eq!((deviation.values(), mean.values()), (vec![1.0, 2.0], vec![2.0, 4.0]));
}

#[test]
fn unordered_dtypes_are_refused() {
    let input = Sample::zeros(&[2], DType::Complex64);
    let refusal = reduce(Reduce::Amax, &[2], &[0], input.operand(), input.operand()).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("\"amax\" not implemented for 'ComplexFloat'"));
}
