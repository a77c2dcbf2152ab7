use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};

/// For each element its own number and those before it along `dim`, in order.
fn prefixes(shape: &[i64], dim: usize, mut check: impl FnMut(usize, &[usize])) {
    for number in 0..shape.iter().product::<i64>() as usize {
        let mut index = Sample::index(shape, number);
        let own = index.get(dim).copied().unwrap_or(0);
        let before: Vec<usize> = (0..=own)
            .map(|i| {
                if let Some(index) = index.get_mut(dim) {
                    *index = i;
                }
                Sample::number(shape, &index)
            })
            .collect();
        check(number, &before);
    }
}

#[test]
fn running_sums_products_and_logarithms() {
    let mut random = Random(90);
    let dtypes = [DType::Float32, DType::Float64, DType::Int32, DType::BFloat16, DType::Complex64, DType::Bool];
    for round in 0..90 {
        let dtype = dtypes[round % 6];
        let op = [Scan::Sum, Scan::Product, Scan::LogSumExp][round % 3];
        let op = if dtype.is_floating_point() || op != Scan::LogSumExp { op } else { Scan::Sum };
        let shape = random.shape(if round % 2 == 0 { 9 } else { 20 });
        let dim = if shape.is_empty() { 0 } else { random.below(shape.len()) };
        let input = Sample::random(&mut random, &shape, dtype);
        let output = Sample::scattered(&mut random, &shape, dtype.sum_dtype());
        scan(op, &shape, dim, output.operand(), input.operand()).unwrap();
        let tolerance = if dtype == DType::BFloat16 { 1e-2 } else { 1e-4 };
        prefixes(&shape, dim, |number, before| {
            let x = || before.iter().map(|&i| input.complex(i));
            let expected = match op {
                Scan::Sum => x().sum::<Complex64>().re,
                Scan::Product => x().product::<Complex64>().re,
                Scan::LogSumExp => x().map(|x| x.re.exp()).sum::<f64>().ln(),
            };
            // What wraps around in int64 has no float64 to compare with.
            if !dtype.is_integral() || expected.abs() < 1e15 {
                assert_close(output.get(number), expected, tolerance);
            }
        });
    }
}

#[test]
fn running_extremes_take_the_last_of_equals() {
    let mut random = Random(91);
    for round in 0..40 {
        let dtype = [DType::Float32, DType::Int8, DType::UInt64, DType::Float16][round % 4];
        let shape = random.shape(8);
        let dim = if shape.is_empty() { 0 } else { random.below(shape.len()) };
        let greater = round % 2 == 0;
        let input = Sample::random(&mut random, &shape, dtype);
        let (values, indices) = (Sample::scattered(&mut random, &shape, dtype), Sample::scattered(&mut random, &shape, DType::Int64));
        scan_extreme(greater, &shape, dim, values.operand(), indices.operand(), input.operand()).unwrap();
        prefixes(&shape, dim, |number, before| {
            let sign = if greater { 1.0 } else { -1.0 };
            let at = (0..before.len()).max_by(|&a, &b| (sign * input.get(before[a])).total_cmp(&(sign * input.get(before[b])))).unwrap();
            assert_eq!((values.get(number), indices.get(number)), (input.get(before[at]), at as f64));
        });
    }
    let input = Sample::of(&[5], DType::Float32, &[1.0, f64::NAN, 3.0, f64::NAN, 0.0]);
    let (values, indices) = (Sample::zeros(&[5], DType::Float32), Sample::zeros(&[5], DType::Int64));
    scan_extreme(true, &[5], 0, values.operand(), indices.operand(), input.operand()).unwrap();
    assert_eq!(indices.values(), [0.0, 1.0, 1.0, 3.0, 3.0]);
    assert!(values.values()[1..].iter().all(|x| x.is_nan()));
}
