use super::*;
use crate::cpu::sample::{Random, Sample};
use rustorch_base::Dims;

#[test]
fn the_first_extreme_of_any_layout() {
    let mut random = Random(20);
    for round in 0..80 {
        let dtype = DType::ALL[round % DType::ALL.len()];
        if dtype.is_complex() {
            continue;
        }
        let shape = random.shape([12, 40][round % 2]);
        let dims: Vec<usize> = (0..shape.len()).filter(|_| random.below(2) == 0).collect();
        let greater = random.below(2) == 0;
        let mut input = Sample::random(&mut random, &shape, dtype);
        if dtype.is_floating_point() && random.below(2) == 0 {
            input.put(random.below(input.numel()), f64::NAN.into());
        }
        let kept: Dims = shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect();
        let (values, indices) = (Sample::scattered(&mut random, &kept, dtype), Sample::zeros(&kept, DType::Int64));
        arg_reduce(greater, &shape, &dims, Some(values.operand()), Some(indices.operand()), input.operand()).unwrap();
        let mut seen = vec![(f64::NAN, 0, 0); values.numel()];
        for number in 0..input.numel() {
            let mut index = Sample::index(&shape, number);
            dims.iter().for_each(|&d| index[d] = 0);
            let (best, at, count) = &mut seen[Sample::number(&kept, &index)];
            let x = input.get(number);
            let ahead = if greater { x > *best } else { x < *best };
            if *count == 0 || ahead || (x.is_nan() && !best.is_nan()) {
                (*best, *at) = (x, *count);
            }
            *count += 1;
        }
        for (number, &(best, at, _)) in seen.iter().enumerate() {
            assert_eq!(indices.get(number), at as f64, "{dtype:?} {shape:?} {dims:?}");
            assert!(values.get(number) == best || best.is_nan() && values.get(number).is_nan());
        }
    }
}

#[test]
fn ties_across_blocks_and_threads_keep_the_first() {
    let n = 200_000;
    let mut input = Sample::zeros(&[n, 1], DType::Float32);
    for at in [150_001, 70_000, 199_999] {
        input.put(at, 2.0.into());
    }
    let index = Sample::zeros(&[1, 1], DType::Int64);
    arg_reduce(true, &[n, 1], &[0], None, Some(index.operand()), input.operand()).unwrap();
    assert_eq!(index.get(0), 70_000.0);
    arg_reduce(false, &[n, 1], &[0], None, Some(index.operand()), input.operand()).unwrap();
    assert_eq!(index.get(0), 0.0);
}
