use super::*;
use crate::cpu::sample::{Random, Sample};
use rustorch_base::DType;

/// Where an element of the result comes from.
fn origin(base: &[i64], picks: &[Option<Sample>], indices: &Indices, number: usize) -> usize {
    let result = indices.result_shape(base);
    let at = Sample::index(&result, number);
    let front = indices.front();
    let inner = &at[front..front + indices.shape.len()];
    let mut rest = at[..front].iter().chain(&at[front + indices.shape.len()..]);
    let from: Vec<i64> = picks
        .iter()
        .zip(base)
        .map(|(pick, &size)| match pick {
            None => *rest.next().unwrap(),
            Some(pick) => (pick.get(Sample::number(indices.shape, inner)) as i64).rem_euclid(size),
        })
        .collect();
    Sample::number(base, &from)
}

fn with_case(random: &mut Random, check: impl FnOnce(&mut Random, &[i64], &[Option<Sample>], &Indices)) {
    let mut base = random.shape(5);
    base.push(3);
    let shape: Dims = (0..random.below(3)).map(|_| random.below(4) as i64 + 1).collect();
    let mut picks: Vec<Option<Sample>> = (0..base.len()).map(|_| None).collect();
    let certain = random.below(base.len());
    for d in 0..base.len() {
        if d == certain || random.below(2) == 0 {
            let mut pick = Sample::scattered(random, &shape, DType::Int64);
            for number in 0..pick.numel() {
                pick.put(number, ((random.below(2 * base[d] as usize) as i64 - base[d]) as f64).into());
            }
            picks[d] = Some(pick);
        }
    }
    let operands: Vec<Option<Operand>> = picks.iter().map(|pick| pick.as_ref().map(Sample::operand)).collect();
    check(random, &base, &picks, &Indices { shape: &shape, indices: &operands });
}

#[test]
fn picks_by_any_indices() {
    let mut random = Random(60);
    for round in 0..80 {
        let dtype = DType::ALL[round % DType::ALL.len()];
        with_case(&mut random, |random, base_shape, picks, indices| {
            let base = Sample::random(random, base_shape, dtype);
            let output = Sample::scattered(random, &indices.result_shape(base_shape), dtype);
            index(base_shape, output.operand(), base.operand(), indices).unwrap();
            for number in 0..output.numel() {
                assert_eq!(output.complex(number), base.complex(origin(base_shape, picks, indices, number)));
            }
        });
    }
}

#[test]
fn puts_and_accumulates() {
    let mut random = Random(61);
    for round in 0..60 {
        let dtype = [DType::Float32, DType::Int64, DType::Float64][round % 3];
        let how = [Combine::Replace, Combine::Add][round % 2];
        with_case(&mut random, |random, base_shape, picks, indices| {
            let base = Sample::random(random, base_shape, dtype);
            let mut expected = base.values();
            let values = Sample::random(random, &indices.result_shape(base_shape), dtype);
            for number in 0..values.numel() {
                let target = &mut expected[origin(base_shape, picks, indices, number)];
                *target = values.get(number) + if how == Combine::Add { *target } else { 0.0 };
            }
            index_put(base_shape, base.operand(), values.operand(), indices, how).unwrap();
            assert_eq!(base.values(), expected);
        });
    }
}

#[test]
fn take_and_put_count_through_the_whole_array() {
    let base = Sample::random(&mut Random(62), &[2, 3], DType::Int32);
    let index = Sample::of(&[3], DType::Int64, &[5.0, -6.0, 1.0]);
    let output = Sample::zeros(&[3], DType::Int32);
    take(&[2, 3], &[3], output.operand(), base.operand(), index.operand()).unwrap();
    assert_eq!(output.values(), [base.get(5), base.get(0), base.get(1)]);
    let before = base.values();
    put(&[2, 3], &[3], base.operand(), output.operand(), index.operand(), Combine::Add).unwrap();
    assert_eq!(base.get(5), 2.0 * before[5]);
    let far = Sample::of(&[1], DType::Int64, &[6.0]);
    let refusal = take(&[2, 3], &[1], output.operand(), base.operand(), far.operand()).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("out of range: tried to access index 6 on a tensor of 6 elements."));
}

#[test]
fn indices_out_of_bounds_are_refused() {
    let base = Sample::zeros(&[3, 4], DType::Float32);
    let output = Sample::zeros(&[1], DType::Float32);
    let (row, column) = (Sample::of(&[1], DType::Int64, &[0.0]), Sample::of(&[1], DType::Int64, &[-5.0]));
    let indices = [Some(row.operand()), Some(column.operand())];
    let refusal = index(&[3, 4], output.operand(), base.operand(), &Indices { shape: &[1], indices: &indices });
    let refusal = refusal.err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("index -5 is out of bounds for dimension 1 with size 4"));
}
