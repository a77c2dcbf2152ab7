use super::*;
use crate::cpu::sample::{Random, Sample};
use rustorch_base::DType;

/// A shape of at least one dimension, one of them, and indices along it.
fn case(random: &mut Random) -> (Dims, usize, Vec<i64>) {
    let mut shape = random.shape(6);
    shape.push(5);
    let dim = random.below(shape.len());
    let index = (0..1 + random.below(7)).map(|_| random.below(shape[dim] as usize) as i64).collect();
    (shape, dim, index)
}
fn with_size(shape: &[i64], dim: usize, size: usize) -> Dims {
    let mut shape: Dims = shape.into();
    shape[dim] = size as i64;
    shape
}

#[test]
fn slices_are_selected() {
    let mut random = Random(70);
    for round in 0..40 {
        let dtype = DType::ALL[round % DType::ALL.len()];
        let (shape, dim, index) = case(&mut random);
        let input = Sample::random(&mut random, &shape, dtype);
        let picked = with_size(&shape, dim, index.len());
        let output = Sample::scattered(&mut random, &picked, dtype);
        index_select(&picked, dim, shape[dim], output.operand(), input.operand(), &index).unwrap();
        for number in 0..output.numel() {
            let mut at = Sample::index(&picked, number);
            at[dim] = index[at[dim] as usize];
            assert_eq!(output.complex(number), input.complex(Sample::number(&shape, &at)));
        }
        let refusal = index_select(&picked, dim, shape[dim], output.operand(), input.operand(), &[-1]).err().map(|e| e.message);
        assert_eq!(refusal.as_deref(), Some("index out of range in self"));
    }
}

#[test]
fn slices_are_added_copied_and_filled() {
    let mut random = Random(71);
    for round in 0..60 {
        let dtype = [DType::Float32, DType::Int16, DType::Float64][round % 3];
        let (shape, dim, index) = case(&mut random);
        let output = Sample::random(&mut random, &shape, dtype);
        let given = with_size(&shape, dim, index.len());
        let source = Sample::random(&mut random, &given, dtype);
        let mut expected = output.values();
        let how = [Combine::Add, Combine::Replace][round % 2];
        for number in 0..source.numel() {
            let mut at = Sample::index(&given, number);
            at[dim] = index[at[dim] as usize];
            let target = &mut expected[Sample::number(&shape, &at)];
            *target = if how == Combine::Add { *target + 2.0 * source.get(number) } else { source.get(number) };
        }
        let alpha = if how == Combine::Add { Number::Int(2) } else { Number::Int(1) };
        index_combine(&given, dim, shape[dim], [output.operand(), source.operand()], &index, how, alpha).unwrap();
        assert_eq!(output.values(), expected);

        index_fill(&shape, dim, output.operand(), &[-1], Number::Int(9)).unwrap();
        for number in 0..output.numel() {
            let last = Sample::index(&shape, number)[dim] == shape[dim] - 1;
            assert_eq!(output.get(number), if last { 9.0 } else { expected[number] });
        }
    }
    let output = Sample::zeros(&[3], DType::Float32);
    let refusal = index_combine(&[1], 0, 3, [output.operand(); 2], &[3], Combine::Replace, Number::Int(1)).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("index_copy_(): index 3 is out of bounds for dimension 0 with size 3"));
}

#[test]
fn embedding_gradients_gather_in_their_rows() {
    let gradient = Sample::of(&[4, 2], DType::Float32, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let output = Sample::random(&mut Random(72), &[3, 2], DType::Float32);
    embedding_backward([3, 2], output.operand(), gradient.operand(), &[2, 0, 2, 1], Some(1), false).unwrap();
    assert_eq!(output.values(), [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
    embedding_backward([3, 2], output.operand(), gradient.operand(), &[2, 0, 2, 1], None, true).unwrap();
    assert_eq!(output.values(), [3.0, 4.0, 7.0, 8.0, 3.0, 4.0]);
}
