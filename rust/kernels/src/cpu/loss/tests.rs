use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};

/// A loss and its gradient in float64: each sample's target distribution against its log-probabilities.
struct Expected {
    losses: Vec<f64>,
    total: f64,
    gradient: Vec<f64>,
}

fn expected(
    shape: &[i64],
    logits: &Sample,
    classes: &[i64],
    weights: &[f64],
    labels: &Labels,
    smoothing: f64,
    upstream: &[f64],
) -> Expected {
    let dim = class_dim(shape);
    let over = sample_shape(shape);
    let count = weights.len();
    let mut gradient = vec![0.0; logits.numel()];
    let (mut losses, mut total) = (vec![], 0.0);
    for pass in 0..2 {
        for (sample, &class) in classes.iter().enumerate() {
            let place = |c: usize| {
                let mut index = Sample::index(&over, sample);
                index.insert(dim, c as i64);
                Sample::number(shape, &index)
            };
            let sum: f64 = (0..count).map(|c| logits.get(place(c)).exp()).sum();
            let log = |c: usize| logits.get(place(c)) - sum.ln();
            let target = |c: usize| {
                let picked = if c as i64 == class { (1.0 - smoothing) * weights[c] } else { 0.0 };
                picked + smoothing / count as f64 * weights[c]
            };
            let counts = class != labels.ignore_index;
            if pass == 0 {
                losses.push(if counts { -(0..count).map(|c| target(c) * log(c)).sum::<f64>() } else { 0.0 });
                total += if counts { weights[class as usize] } else { 0.0 };
            } else if counts {
                let scale = match labels.reduction {
                    Reduction::None => upstream[sample],
                    Reduction::Sum => upstream[0],
                    Reduction::Mean => upstream[0] / total,
                };
                let all: f64 = (0..count).map(target).sum();
                (0..count).for_each(|c| gradient[place(c)] = scale * (log(c).exp() * all - target(c)));
            }
        }
    }
    if labels.reduction != Reduction::None {
        let sum: f64 = losses.iter().sum();
        losses = vec![if labels.reduction == Reduction::Mean { sum / total } else { sum }];
    }
    Expected { losses, total, gradient }
}

#[test]
fn cross_entropy_and_its_gradient() {
    let mut random = Random(40);
    for round in 0..60 {
        let (dtype, tolerance) = [(DType::Float32, 1e-5), (DType::Float64, 1e-12), (DType::BFloat16, 3e-2)][round % 3];
        let shape: Vec<i64> = [vec![5], vec![6, 4], vec![3, 7, 5], vec![2, 3, 4, 2]][round % 4].clone();
        let reduction = [Reduction::None, Reduction::Mean, Reduction::Sum][random.below(3)];
        let smoothing = [0.0, 0.3][random.below(2)];
        let count = shape[class_dim(&shape)];
        let over = sample_shape(&shape);
        let mut target = Sample::scattered(&mut random, &over, DType::Int64);
        for sample in 0..target.numel() {
            let class = if random.below(4) == 0 && sample > 0 { -100.0 } else { random.below(count as usize) as f64 };
            target.put(sample, class.into());
        }
        let classes: Vec<i64> = target.values().iter().map(|&x| x as i64).collect();
        let weights: Vec<f64> = (0..count).map(|c| if round % 2 == 0 { 1.0 } else { 0.5 + c as f64 }).collect();
        let weight = Sample::of(&[count], dtype, &weights);
        let weight = (round % 2 == 1).then(|| weight.operand());
        let labels = Labels { target: target.operand(), weight, ignore_index: -100, reduction };

        let logits = Sample::random(&mut random, &shape, dtype);
        let log = Sample::scattered(&mut random, &shape, dtype);
        let reduced: &[i64] = if reduction == Reduction::None { &over } else { &[] };
        let (output, total) = (Sample::zeros(reduced, dtype), Sample::zeros(&[], dtype));
        let outputs = [output.operand(), total.operand(), log.operand()];
        cross_entropy(&shape, outputs, logits.operand(), labels, smoothing).unwrap();

        let upstream = Sample::random(&mut random, reduced, dtype);
        let gradient = Sample::random(&mut random, &shape, dtype);
        let saved = [upstream.operand(), total.operand(), log.operand()];
        cross_entropy_backward(&shape, gradient.operand(), saved, labels, smoothing).unwrap();

        let right = expected(&shape, &logits, &classes, &weights, &labels, smoothing, &upstream.values());
        output.values().iter().zip(&right.losses).for_each(|(&got, &loss)| assert_close(got, loss, tolerance));
        gradient.values().iter().zip(&right.gradient).for_each(|(&got, &slope)| assert_close(got, slope, tolerance));
        if reduction != Reduction::None {
            assert_close(total.get(0), right.total, tolerance);
        }
    }
}

#[test]
fn nll_picks_and_scatters() {
    let input = Sample::of(&[2, 3], DType::Float32, &[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]);
    let target = Sample::of(&[2], DType::Int64, &[2.0, 0.0]);
    let labels = Labels { target: target.operand(), weight: None, ignore_index: -100, reduction: Reduction::Mean };
    let (output, total) = (Sample::zeros(&[], DType::Float32), Sample::zeros(&[], DType::Float32));
    nll_loss(&[2, 3], output.operand(), total.operand(), input.operand(), labels).unwrap();
    assert_eq!((output.get(0), total.get(0)), (3.5, 2.0));
    let (gradient, slope) = (Sample::of(&[], DType::Float32, &[1.0]), Sample::zeros(&[2, 3], DType::Float32));
    nll_loss_backward(&[2, 3], slope.operand(), gradient.operand(), total.operand(), labels).unwrap();
    assert_eq!(slope.values(), [0.0, 0.0, -0.5, -0.5, 0.0, 0.0]);
}

#[test]
fn classes_out_of_bounds_are_refused_before_writing() {
    let input = Sample::zeros(&[2, 3], DType::Float32);
    let target = Sample::of(&[2], DType::Int64, &[1.0, 3.0]);
    let labels = Labels { target: target.operand(), weight: None, ignore_index: -100, reduction: Reduction::Sum };
    let output = Sample::of(&[], DType::Float32, &[7.0]);
    let refusal = nll_loss(&[2, 3], output.operand(), output.operand(), input.operand(), labels).err().map(|e| e.message);
    assert_eq!(refusal.as_deref(), Some("Target 3 is out of bounds."));
    assert_eq!(output.get(0), 7.0);
}
