use super::*;
use crate::cpu::sample::{Random, Sample};

#[test]
fn masks_fill_select_and_scatter() {
    let mut random = Random(80);
    for round in 0..45 {
        let dtype = DType::ALL[round % DType::ALL.len()];
        let shape = random.shape(8);
        let input = Sample::random(&mut random, &shape, dtype);
        let mut mask = Sample::scattered(&mut random, &shape, DType::Bool);
        (0..mask.numel()).for_each(|i| mask.put(i, (random.below(2) as f64).into()));
        let set: Vec<usize> = (0..mask.numel()).filter(|&i| mask.get(i) != 0.0).collect();
        assert_eq!(count(&shape, mask.operand()), set.len() as i64);

        let packed = Sample::zeros(&[set.len() as i64], dtype);
        masked_select(&shape, packed.operand(), input.operand(), mask.operand());
        set.iter().enumerate().for_each(|(i, &number)| assert_eq!(packed.complex(i), input.complex(number)));

        let output = Sample::scattered(&mut random, &shape, dtype);
        masked_scatter(&shape, output.operand(), mask.operand(), packed.operand(), set.len() as i64).unwrap();
        masked_fill(&shape, input.operand(), mask.operand(), Number::Int(1)).unwrap();
        for number in 0..mask.numel() {
            let was_set = mask.get(number) != 0.0;
            assert!(was_set || output.get(number) == 0.0);
            assert!(!was_set || input.get(number) == 1.0);
        }
        let found = nonzero(&shape, mask.operand());
        let expected: Vec<i64> = set.iter().flat_map(|&number| Sample::index(&shape, number)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn too_short_a_source_is_refused() {
    let mask = Sample::of(&[3], DType::Bool, &[1.0, 0.0, 1.0]);
    let output = Sample::zeros(&[3], DType::Float32);
    let refusal = masked_scatter(&[3], output.operand(), mask.operand(), output.operand(), 1).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("Number of elements of source < number of ones in mask"));
}

#[test]
fn nan_is_not_zero() {
    let input = Sample::of(&[3], DType::Float16, &[0.0, f64::NAN, -0.0]);
    assert_eq!(nonzero(&[3], input.operand()), [1]);
}
