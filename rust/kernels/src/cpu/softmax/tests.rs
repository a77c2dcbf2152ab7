use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};

const CASES: [(DType, f64); 4] = [(DType::Float32, 2e-6), (DType::Float64, 1e-13), (DType::Float16, 2e-3), (DType::BFloat16, 1e-2)];

/// Calls `check` with the numbers of each line's elements along `dim`.
fn lines(shape: &[i64], dim: usize, mut check: impl FnMut(&[usize])) {
    let whole: i64 = shape.iter().product();
    let n = shape.get(dim).copied().unwrap_or(1);
    for number in 0..whole as usize {
        let mut index = Sample::index(shape, number);
        if index.get(dim).is_none_or(|&i| i == 0) {
            let line: Vec<usize> = (0..n)
                .map(|i| {
                    if let Some(index) = index.get_mut(dim) {
                        *index = i;
                    }
                    Sample::number(shape, &index)
                })
                .collect();
            check(&line);
        }
    }
}

#[test]
fn forward_and_backward_over_random_layouts() {
    let mut random = Random(30);
    for round in 0..60 {
        let (dtype, tolerance) = CASES[round % 4];
        let shape = random.shape(if round % 3 == 0 { 40 } else { 9 });
        let dim = if shape.is_empty() { 0 } else { random.below(shape.len()) };
        let log = random.below(2) == 0;
        let input = Sample::random(&mut random, &shape, dtype);
        let output = Sample::scattered(&mut random, &shape, dtype);
        softmax(&shape, dim, output.operand(), input.operand(), log).unwrap();
        lines(&shape, dim, |line| {
            let sum: f64 = line.iter().map(|&i| input.get(i).exp()).sum();
            for &i in line {
                let expected = if log { input.get(i) - sum.ln() } else { input.get(i).exp() / sum };
                assert_close(output.get(i), expected, tolerance);
            }
        });
        let gradient = Sample::random(&mut random, &shape, dtype);
        let slope = Sample::scattered(&mut random, &shape, dtype);
        softmax_backward(&shape, dim, slope.operand(), gradient.operand(), output.operand(), log).unwrap();
        lines(&shape, dim, |line| {
            let sum: f64 = line.iter().map(|&i| gradient.get(i) * if log { 1.0 } else { output.get(i) }).sum();
            for &i in line {
                let (g, y) = (gradient.get(i), output.get(i));
                assert_close(slope.get(i), if log { g - y.exp() * sum } else { (g - sum) * y }, 4.0 * tolerance);
            }
        });
    }
}

#[test]
fn large_and_infinite_inputs() {
    let of = |values: &[f64], log| {
        let input = Sample::of(&[values.len() as i64], DType::Float32, values);
        let output = Sample::zeros(&input.shape, DType::Float32);
        softmax(&input.shape, 0, output.operand(), input.operand(), log).unwrap();
        output.values()
    };
    assert_eq!(of(&[1e30, 1e30], false), [0.5, 0.5]);
    assert_eq!(of(&[f64::NEG_INFINITY, 3.0], false), [0.0, 1.0]);
    assert_eq!(of(&[f64::NEG_INFINITY, 3.0], true), [f64::NEG_INFINITY, 0.0]);
    assert!(of(&[f64::NEG_INFINITY; 2], false).iter().all(|x| x.is_nan()));
    assert!(of(&[f64::NAN, 1.0], true).iter().all(|x| x.is_nan()));
}

#[test]
fn integers_are_refused() {
    let input = Sample::zeros(&[2], DType::Int64);
    let refusal = softmax(&[2], 0, input.operand(), input.operand(), false).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("\"softmax\" not implemented for 'Long'"));
}
