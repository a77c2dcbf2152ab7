use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};
use rustorch_base::DType;

/// A shape, a dimension, the size of the array along it, and indices of that shape (up to the array's in the others).
fn case(random: &mut Random) -> (Dims, Dims, usize, Sample) {
    let array = random.shape(6);
    let dim = if array.is_empty() { 0 } else { random.below(array.len()) };
    let mut shape: Dims = array.iter().map(|&n| 1 + random.below(n as usize) as i64).collect();
    if let Some(size) = shape.get_mut(dim) {
        *size = 1 + random.below(9) as i64;
    }
    let mut index = Sample::scattered(random, &shape, DType::Int64);
    let size = array.get(dim).copied().unwrap_or(1) as usize;
    (0..index.numel()).for_each(|i| index.put(i, (random.below(size) as f64).into()));
    (array, shape, dim, index)
}

fn moved(array: &[i64], shape: &[i64], dim: usize, index: &Sample, number: usize) -> usize {
    let mut at = Sample::index(shape, number);
    if let Some(at) = at.get_mut(dim) {
        *at = index.get(number) as i64;
    }
    Sample::number(array, &at)
}

#[test]
fn gather_picks_along_a_dimension() {
    let mut random = Random(50);
    for round in 0..60 {
        let dtype = DType::ALL[round % DType::ALL.len()];
        let (array, shape, dim, index) = case(&mut random);
        let input = Sample::random(&mut random, &array, dtype);
        let output = Sample::scattered(&mut random, &shape, dtype);
        gather(&shape, dim, array.get(dim).copied().unwrap_or(1), output.operand(), input.operand(), index.operand()).unwrap();
        for number in 0..output.numel() {
            assert_eq!(output.complex(number), input.complex(moved(&array, &shape, dim, &index, number)));
        }
    }
}

#[test]
fn scatter_replaces_adds_and_reduces() {
    let mut random = Random(51);
    let hows = [
        Scatter::REPLACE,
        Scatter::ADD,
        Scatter { combine: Combine::Add, mean: true, include_self: true },
        Scatter { combine: Combine::Add, mean: true, include_self: false },
        Scatter { combine: Combine::Multiply, mean: false, include_self: false },
        Scatter { combine: Combine::Greatest, mean: false, include_self: true },
        Scatter { combine: Combine::Smallest, mean: false, include_self: false },
    ];
    for round in 0..140 {
        let dtype = [DType::Float32, DType::Int64, DType::Float64, DType::Int32, DType::Bool][round / 7 % 5];
        let how = hows[round % 7];
        let (array, shape, dim, index) = case(&mut random);
        let output = Sample::random(&mut random, &array, dtype);
        let source = Sample::random(&mut random, &shape, dtype);
        let mut together: Vec<Vec<f64>> = output.values().iter().map(|&x| vec![x]).collect();
        // Lines meet in the order of `dim`, which is row-major within each line.
        for number in 0..source.numel() {
            together[moved(&array, &shape, dim, &index, number)].push(source.get(number));
        }
        let size = array.get(dim).copied().unwrap_or(1);
        scatter(&shape, dim, size, output.operand(), source.operand(), index.operand(), how).unwrap();
        for (number, all) in together.iter().enumerate() {
            let own = all[0];
            let all = if how.include_self || all.len() == 1 { &all[..] } else { &all[1..] };
            let mut expected = match how.combine {
                Combine::Replace => all[all.len() - 1],
                Combine::Add => all.iter().sum(),
                Combine::Multiply => all.iter().product(),
                Combine::Greatest => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Combine::Smallest => all.iter().copied().fold(f64::INFINITY, f64::min),
            };
            if how.mean && dtype != DType::Bool {
                expected /= all.len() as f64;
                expected = if dtype.is_integral() { expected.floor() } else { expected };
            }
            if dtype == DType::Bool {
                expected = (expected != 0.0) as i64 as f64;
            }
            assert_close(output.get(number), expected, 1e-5);
            assert!(how.include_self || together[number].len() > 1 || output.get(number) == own);
        }
    }
}

#[test]
fn indices_out_of_bounds_are_refused_before_writing() {
    let output = Sample::of(&[3], DType::Float32, &[1.0, 2.0, 3.0]);
    let source = Sample::of(&[2], DType::Float32, &[7.0, 8.0]);
    for (bad, text) in
        [(3.0, "index 3 is out of bounds for dimension 0 with size 3"), (-1.0, "index -1 is out of bounds for dimension 0 with size 3")]
    {
        let index = Sample::of(&[2], DType::Int64, &[0.0, bad]);
        let refusal = scatter(&[2], 0, 3, output.operand(), source.operand(), index.operand(), Scatter::ADD).err().map(|e| e.message);
        assert_eq!(refusal.as_deref(), Some(text));
        assert!(gather(&[2], 0, 3, source.operand(), output.operand(), index.operand()).is_err());
    }
    assert_eq!(output.values(), [1.0, 2.0, 3.0]);
}
