use super::*;
use crate::cpu::gemm::tests::Random;
use rustorch_base::layout::contiguous_strides;

/// Small whole numbers, which every dtype but bool holds exactly and sums exactly.
fn encode(dtype: DType, values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &v in values {
        match dtype {
            DType::UInt8 => bytes.push(v as u8),
            DType::Int8 => bytes.push(v as u8),
            DType::Int16 => bytes.extend((v as i16).to_ne_bytes()),
            DType::Int32 => bytes.extend((v as i32).to_ne_bytes()),
            DType::Int64 => bytes.extend(v.to_ne_bytes()),
            DType::Float16 => bytes.extend(f16::from_f64(v as f64).to_ne_bytes()),
            DType::BFloat16 => bytes.extend(bf16::from_f64(v as f64).to_ne_bytes()),
            DType::Float32 => bytes.extend((v as f32).to_ne_bytes()),
            DType::Float64 => bytes.extend((v as f64).to_ne_bytes()),
            DType::Complex64 => [v as f32, -v as f32].iter().for_each(|x| bytes.extend(x.to_ne_bytes())),
            DType::Complex128 => [v as f64, -v as f64].iter().for_each(|x| bytes.extend(x.to_ne_bytes())),
            _ => unreachable!("not multiplied"),
        }
    }
    bytes
}

#[test]
fn every_dtype_multiplies_batches_in_any_layout() {
    let mut random = Random::new(3);
    let dtypes = DType::ALL.iter().filter(|d| !matches!(d, DType::Bool | DType::UInt16 | DType::UInt32 | DType::UInt64));
    for (&dtype, case) in dtypes.flat_map(|d| (0..12).map(move |case| (d, case))) {
        let (m, n, k) = (1 + random.below(9), 1 + random.below(20), random.below(7));
        let batch = [[1, 1], [2, 3], [4, 1], [0, 2]][case % 4];
        // B repeats over no, one or both dimensions of the batch; either operand may lie transposed.
        let (repeat, turned_a, turned_b, turned_c) = (random.below(3), random.below(2) == 1, random.below(2) == 1, random.below(2) == 1);
        let strides = |rows: usize, columns: usize, turned: bool, repeat: usize| {
            let (rows, columns) = (rows as i64, columns as i64);
            let mut strides =
                contiguous_strides(&if turned { [batch[0], batch[1], columns, rows] } else { [batch[0], batch[1], rows, columns] });
            if turned {
                strides.swap(2, 3);
            }
            (2 - repeat..2).for_each(|d| strides[d] = 0);
            strides
        };
        let (a_strides, b_strides, c_strides) = (strides(m, k, turned_a, 0), strides(k, n, turned_b, repeat), strides(m, n, turned_c, 0));
        let count = (batch[0] * batch[1]) as usize;
        let mut fill = |len: usize| (0..len).map(|_| random.below(4) as i64).collect::<Vec<_>>();
        let (a, b, c, bias) = (fill(count * m * k), fill(count.max(1) * k * n), fill(count * m * n), fill(n));
        let (mut a_bytes, mut b_bytes, mut c_bytes, mut bias_bytes) =
            (encode(dtype, &a), encode(dtype, &b), encode(dtype, &c), encode(dtype, &bias));
        fn operand<'a>(bytes: &mut [u8], dtype: DType, strides: &'a [i64]) -> Operand<'a> {
            Operand { data: bytes.as_mut_ptr(), dtype, strides }
        }
        let scaling = Scaling { alpha: Number::Int(2), beta: Number::Int(3), bias: Some(operand(&mut bias_bytes, dtype, &[1])) };
        let shape = MatmulShape { batch: &batch, m, n, k };
        let (a_operand, b_operand) = (operand(&mut a_bytes, dtype, &a_strides), operand(&mut b_bytes, dtype, &b_strides));
        // SAFETY: the vectors are as long as the strides reach.
        unsafe { matmul("bmm", &shape, &a_operand, &b_operand, &operand(&mut c_bytes, dtype, &c_strides), &scaling) }
            .expect("a known dtype");

        let at = |strides: &[i64], index: [i64; 4]| strides.iter().zip(index).map(|(s, i)| s * i).sum::<i64>() as usize;
        // The encoding v -> v (1 - i) multiplies as (1 - i)^2 = -2i: one real product, doubled and turned.
        let mut expected = encode(dtype, &c);
        let size = dtype.size();
        for (x, y) in (0..batch[0]).flat_map(|x| (0..batch[1]).map(move |y| (x, y))) {
            for (i, j) in (0..m as i64).flat_map(|i| (0..n as i64).map(move |j| (i, j))) {
                let sum: i64 = (0..k as i64).map(|p| a[at(&a_strides, [x, y, i, p])] * b[at(&b_strides, [x, y, p, j])]).sum();
                let place = at(&c_strides, [x, y, i, j]);
                let rest = 3 * c[place] + bias[j as usize];
                let value = match dtype {
                    DType::Complex64 => [rest as f32, (-4 * sum - rest) as f32].iter().flat_map(|x| x.to_ne_bytes()).collect(),
                    DType::Complex128 => [rest as f64, (-4 * sum - rest) as f64].iter().flat_map(|x| x.to_ne_bytes()).collect(),
                    _ => encode(dtype, &[2 * sum + rest]),
                };
                expected[place * size..][..size].copy_from_slice(&value);
            }
        }
        assert!(c_bytes == expected, "{dtype:?} {batch:?} {m}x{n}x{k} repeat {repeat} turned {turned_a} {turned_b} {turned_c}");
    }
}

#[test]
fn dtypes_pytorch_refuses_are_refused_in_its_words() {
    let shape = MatmulShape { batch: &[], m: 1, n: 1, k: 1 };
    let mut byte = [0u8; 8];
    let data = byte.as_mut_ptr();
    let operand = |dtype| Operand { data, dtype, strides: &[1, 1] };
    // SAFETY: nothing is computed.
    let refuse = |a, b| unsafe { matmul("bmm", &shape, &operand(a), &operand(b), &operand(b), &Scaling::default()) }.expect_err("refused");
    assert_eq!(refuse(DType::Bool, DType::Bool).message, "\"bmm\" not implemented for 'Bool'");
    assert_eq!(refuse(DType::Int64, DType::Float32).message, "expected m1 and m2 to have the same dtype, but got: long int != float");
}
