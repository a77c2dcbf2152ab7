use super::*;
use crate::cpu::sample::{Random, Sample};
use num_complex::Complex64;
use rustorch_base::{DType, with_dtype};

/// What a copy must leave: the element converted on its own.
fn converted(x: Complex64, src: DType, dst: DType) -> Complex64 {
    use crate::cpu::cast::{Cast, cast};
    with_dtype!(src, S => with_dtype!(dst, D => cast::<Complex64, D>(cast::<D, S>(S::from_complex(x)))))
}

#[test]
fn any_layout_and_dtype_pair() {
    let mut random = Random(1);
    for &src_dtype in DType::ALL {
        for &dst_dtype in DType::ALL {
            let shape = random.shape(12);
            let src = Sample::random(&mut random, &shape, src_dtype);
            let dst = Sample::scattered(&mut random, &shape, dst_dtype);
            copy(&shape, dst.operand(), src.operand());
            for number in 0..src.numel() {
                let expected = converted(src.complex(number), src_dtype, dst_dtype);
                assert_eq!(dst.complex(number), expected, "{src_dtype:?} to {dst_dtype:?}");
            }
        }
    }
}

#[test]
fn large_transposes_in_blocks() {
    let mut random = Random(2);
    for (dtype, shape) in [(DType::Float32, [3, 70, 97]), (DType::Int8, [1, 200, 33]), (DType::Complex128, [2, 9, 40])] {
        let src = Sample::random(&mut random, &shape, dtype);
        for order in [[0usize, 2, 1], [2, 1, 0], [1, 2, 0]] {
            let moved: Vec<i64> = order.iter().map(|&d| shape[d]).collect();
            let strides: Vec<i64> = order.iter().map(|&d| src.strides[d]).collect();
            let dst = Sample::zeros(&moved, dtype);
            copy(&moved, dst.operand(), Operand { strides: &strides, ..src.operand() });
            for number in 0..dst.numel() {
                let index = Sample::index(&moved, number);
                let mut from = [0; 3];
                order.iter().zip(&index).for_each(|(&d, &i)| from[d] = i);
                assert_eq!(dst.complex(number), src.complex(Sample::number(&shape, &from)));
            }
        }
    }
}

#[test]
fn repeated_and_empty_sources() {
    let src = Sample::of(&[3], DType::Int16, &[5.0, 6.0, 7.0]);
    let dst = Sample::zeros(&[3, 4], DType::Float64);
    copy(&[3, 4], dst.operand(), Operand { strides: &[1, 0], ..src.operand() });
    assert_eq!(dst.values(), [5.0, 5.0, 5.0, 5.0, 6.0, 6.0, 6.0, 6.0, 7.0, 7.0, 7.0, 7.0]);
    copy(&[0, 4], dst.operand(), Operand { strides: &[1, 0], ..src.operand() });
    assert_eq!(dst.get(0), 5.0);
}

#[test]
fn triangles_of_matrices() {
    let mut random = Random(3);
    for diagonal in [-9, -2, -1, 0, 1, 3, 9, i64::MAX, i64::MIN] {
        for upper in [false, true] {
            let shape = [2, 4, 5];
            let src = Sample::random(&mut random, &shape, DType::Float32);
            let dst = Sample::random(&mut random, &shape, DType::Float32);
            triangle(&shape, dst.operand(), src.operand(), diagonal, upper);
            for number in 0..src.numel() {
                let index = Sample::index(&shape, number);
                let distance = i128::from(index[2]) - i128::from(index[1]);
                let kept = if upper { distance >= i128::from(diagonal) } else { distance <= i128::from(diagonal) };
                assert_eq!(dst.get(number), if kept { src.get(number) } else { 0.0 }, "{diagonal} {upper} {index:?}");
            }
        }
    }
}

#[test]
fn parts_join_along_a_dimension() {
    let a = Sample::of(&[2, 1], DType::Int32, &[1.0, 2.0]);
    let b = Sample::of(&[2, 2], DType::Float32, &[3.5, 4.5, 5.5, 6.5]);
    let dst = Sample::zeros(&[2, 3], DType::Float32);
    concatenate(&[2, 3], 1, dst.operand(), &[(1, a.operand()), (2, b.operand())]);
    assert_eq!(dst.values(), [1.0, 3.5, 4.5, 2.0, 5.5, 6.5]);
}
