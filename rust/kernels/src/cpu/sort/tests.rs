use super::*;
use crate::cpu::sample::{Random, Sample};
use rustorch_base::Dims;

/// The numbers of the elements of each line along `dim`.
fn lines(shape: &[i64], dim: usize) -> Vec<Vec<usize>> {
    let mut lines = vec![];
    for number in 0..shape.iter().product::<i64>() as usize {
        let mut index = Sample::index(shape, number);
        if index.get(dim).is_none_or(|&i| i == 0) {
            let n = shape.get(dim).copied().unwrap_or(1);
            let at = |i| {
                if let Some(index) = index.get_mut(dim) {
                    *index = i;
                }
                Sample::number(shape, &index)
            };
            lines.push((0..n).map(at).collect());
        }
    }
    lines
}

/// The sorted order of a line: indices, stable, NaN greatest.
fn order(x: &[f64], descending: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    let rank = |i: usize| (x[i].is_nan(), if x[i].is_nan() { 0.0 } else { x[i] + 0.0 });
    order.sort_by(|&a, &b| {
        let order = rank(a).partial_cmp(&rank(b)).unwrap();
        if descending { order.reverse() } else { order }
    });
    order
}

fn cases(seed: u64, rounds: usize, mut check: impl FnMut(&mut Random, Sample, usize)) {
    let mut random = Random(seed);
    for round in 0..rounds {
        let dtype = DType::ALL[round % DType::ALL.len()];
        if dtype.is_complex() {
            continue;
        }
        let shape = random.shape(9);
        let dim = if shape.is_empty() { 0 } else { random.below(shape.len()) };
        let mut input = Sample::random(&mut random, &shape, dtype);
        if dtype.is_floating_point() && random.below(2) == 0 {
            input.put(random.below(input.numel()), f64::NAN.into());
        }
        check(&mut random, input, dim);
    }
}

fn with_size(shape: &[i64], dim: usize, size: i64) -> Dims {
    let mut shape: Dims = shape.into();
    if let Some(own) = shape.get_mut(dim) {
        *own = size;
    }
    shape
}

#[test]
fn sorts_and_selects_along_a_dimension() {
    cases(100, 60, |random, input, dim| {
        let shape = input.shape.clone();
        let n = shape.get(dim).copied().unwrap_or(1);
        let k = if shape.is_empty() { 1 } else { 1 + random.below(n as usize) as i64 };
        let descending = random.below(2) == 0;
        let (values, indices) = (Sample::scattered(random, &shape, input.dtype), Sample::scattered(random, &shape, DType::Int64));
        sort(&shape, dim, descending, Some(values.operand()), Some(indices.operand()), input.operand()).unwrap();
        let of_k = with_size(&shape, dim, k);
        let (top, top_indices) = (Sample::zeros(&of_k, input.dtype), Sample::zeros(&of_k, DType::Int64));
        topk(&shape, dim, k, descending, Some(top.operand()), Some(top_indices.operand()), input.operand()).unwrap();
        let of_one = with_size(&shape, dim, 1);
        let (one, one_index) = (Sample::zeros(&of_one, input.dtype), Sample::zeros(&of_one, DType::Int64));
        kth(&shape, dim, Kth::Number(k), Some(one.operand()), Some(one_index.operand()), input.operand()).unwrap();
        let outputs = lines(&of_k, dim).into_iter().zip(lines(&of_one, dim));
        for (line, (top_line, one_line)) in lines(&shape, dim).into_iter().zip(outputs) {
            let x: Vec<f64> = line.iter().map(|&i| input.get(i)).collect();
            let right = order(&x, descending);
            for (&place, &from) in line.iter().zip(&right) {
                assert_eq!(indices.get(place), from as f64);
                assert!(values.get(place) == x[from] || x[from].is_nan() && values.get(place).is_nan());
            }
            for (&place, &from) in top_line.iter().zip(&right) {
                assert_eq!(top_indices.get(place), from as f64);
            }
            assert_eq!(one_index.get(one_line[0]), order(&x, false)[k as usize - 1] as f64);
        }
    });
}

#[test]
fn long_lines_go_through_the_radix_sort() {
    let mut random = Random(101);
    for dtype in [DType::Float32, DType::Int64, DType::Float64, DType::UInt8] {
        let n = 5000;
        let mut input = Sample::zeros(&[n], dtype);
        (0..input.numel()).for_each(|i| input.put(i, (random.unit() * 1e6 + if dtype.is_signed() { 0.0 } else { 1e6 }).trunc().into()));
        let (values, indices) = (Sample::zeros(&[n], dtype), Sample::zeros(&[n], DType::Int64));
        sort(&[n], 0, false, Some(values.operand()), Some(indices.operand()), input.operand()).unwrap();
        let right = order(&input.values(), false);
        assert!(indices.values().iter().zip(&right).all(|(&got, &from)| got == from as f64), "{dtype:?}");
        assert!(values.values().is_sorted());
    }
}

#[test]
fn medians_treat_nan_as_asked() {
    let input = Sample::of(&[5], DType::Float32, &[3.0, f64::NAN, 1.0, 2.0, 5.0]);
    let (value, index) = (Sample::zeros(&[1], DType::Float32), Sample::zeros(&[1], DType::Int64));
    let of = |which| {
        kth(&[5], 0, which, Some(value.operand()), Some(index.operand()), input.operand()).unwrap();
        (value.get(0), index.get(0))
    };
    assert_eq!(of(Kth::NanMedian), (2.0, 3.0)); // of 1, 2, 3, 5
    let (value, index) = of(Kth::Median);
    assert!(value.is_nan() && index == 1.0);
}

#[test]
fn ranges_are_checked() {
    let input = Sample::zeros(&[3], DType::Float32);
    let refusal = topk(&[3], 0, 5, true, None, None, input.operand()).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("selected index k out of range"));
    let refusal = kth(&[3], 0, Kth::Number(5), None, None, input.operand()).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("kthvalue(): selected number k out of range for dimension 0"));
}

#[test]
fn different_elements() {
    let input = Sample::of(&[6], DType::Float32, &[2.0, 1.0, 2.0, f64::NAN, 1.0, f64::NAN]);
    let found = unique(&[6], input.operand(), false).unwrap();
    assert_eq!(found, Unique { first: vec![1, 0, 3, 5], inverse: vec![1, 0, 1, 2, 0, 3], counts: vec![2, 2, 1, 1] });
    let input = Sample::of(&[5], DType::Int64, &[4.0, 4.0, -1.0, 4.0, 4.0]);
    let found = unique(&[5], input.operand(), true).unwrap();
    assert_eq!(found, Unique { first: vec![0, 2, 3], inverse: vec![0, 0, 1, 2, 2], counts: vec![2, 1, 2] });
}

#[test]
fn insertion_points_and_counts() {
    let sorted = Sample::of(&[2, 4], DType::Float64, &[1.0, 3.0, 3.0, 5.0, -1.0, 0.0, 2.0, 2.0]);
    let values = Sample::of(&[2, 2], DType::Float64, &[3.0, 6.0, -2.0, 2.0]);
    let output = Sample::zeros(&[2, 2], DType::Int64);
    searchsorted(&[2, 2], 4, output.operand(), sorted.operand(), values.operand(), false).unwrap();
    assert_eq!(output.values(), [1.0, 4.0, 0.0, 2.0]);
    searchsorted(&[2, 2], 4, output.operand(), sorted.operand(), values.operand(), true).unwrap();
    assert_eq!(output.values(), [3.0, 4.0, 0.0, 4.0]);
    assert_eq!(bincount(&[1, 3, 1], None, 5).unwrap(), [0.0, 2.0, 0.0, 1.0, 0.0]);
    assert_eq!(bincount(&[1, 1], Some(&[0.5, 2.0]), 0).unwrap(), [0.0, 2.5]);
    assert!(bincount(&[-1], None, 0).is_err());
}
