use super::*;
use crate::cpu::sample::{Random, Sample, assert_close};

const CASES: [(DType, f64); 3] = [(DType::Float32, 2e-4), (DType::Float64, 1e-10), (DType::BFloat16, 6e-2)];
const EPS: f64 = 1e-5;

/// A normalisation in float64: which set of elements each belongs to, and which parameter applies.
struct Reference {
    set: Vec<usize>,
    parameter: Vec<usize>,
}

impl Reference {
    fn statistics(&self, x: &[f64]) -> Vec<(f64, f64, f64)> {
        let sets = self.set.iter().max().unwrap() + 1;
        (0..sets)
            .map(|set| {
                let own: Vec<f64> = x.iter().zip(&self.set).filter(|&(_, &s)| s == set).map(|(&x, _)| x).collect();
                let n = own.len() as f64;
                let mean = own.iter().sum::<f64>() / n;
                let variance = own.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
                (mean, 1.0 / (variance + EPS).sqrt(), n)
            })
            .collect()
    }
    fn forward(&self, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let statistics = self.statistics(x);
        (0..x.len())
            .map(|i| {
                let (mean, rstd, _) = statistics[self.set[i]];
                (x[i] - mean) * rstd * weight[self.parameter[i]] + bias[self.parameter[i]]
            })
            .collect()
    }
    /// The gradients of input, weight and bias.
    fn backward(&self, x: &[f64], g: &[f64], weight: &[f64]) -> [Vec<f64>; 3] {
        let statistics = self.statistics(x);
        let hat = |i: usize| (x[i] - statistics[self.set[i]].0) * statistics[self.set[i]].1;
        let mut means = vec![(0.0, 0.0); statistics.len()];
        let (mut dw, mut db) = (vec![0.0; weight.len()], vec![0.0; weight.len()]);
        for i in 0..x.len() {
            let (set, p) = (self.set[i], self.parameter[i]);
            means[set].0 += g[i] * weight[p] / statistics[set].2;
            means[set].1 += g[i] * weight[p] * hat(i) / statistics[set].2;
            dw[p] += g[i] * hat(i);
            db[p] += g[i];
        }
        let slope = |i: usize| {
            let (set, p) = (self.set[i], self.parameter[i]);
            statistics[set].1 * (g[i] * weight[p] - means[set].0 - hat(i) * means[set].1)
        };
        [(0..x.len()).map(slope).collect(), dw, db]
    }
}

fn check(got: &Sample, expected: &[f64], tolerance: f64) {
    got.values().iter().zip(expected).for_each(|(&got, &expected)| assert_close(got, expected, tolerance));
}

#[test]
fn layer_norm_and_its_gradients() {
    let mut random = Random(110);
    for (round, shape) in [[4, 7], [3, 300], [70, 70], [1, 1], [5, 64], [2, 5000]].into_iter().enumerate() {
        let (dtype, tolerance) = CASES[round % 3];
        let [x, g] = [0; 2].map(|_| Sample::random(&mut random, &shape, dtype));
        let [weight, bias] = [0; 2].map(|_| Sample::random(&mut random, &shape[1..], dtype));
        let numbers = 0..x.numel();
        let columns = shape[1] as usize;
        let reference =
            Reference { set: numbers.clone().map(|i| i / columns).collect(), parameter: numbers.map(|i| i % columns).collect() };
        let output = Sample::scattered(&mut random, &shape, dtype);
        let [mean, rstd] = [0; 2].map(|_| Sample::zeros(&shape[..1], DType::Float64));
        let affine = Affine { weight: Some(weight.operand()), bias: Some(bias.operand()) };
        layer_norm(shape, output.operand(), [mean.operand(), rstd.operand()], x.operand(), affine, EPS).unwrap();
        check(&output, &reference.forward(&x.values(), &weight.values(), &bias.values()), tolerance);
        let dx = Sample::scattered(&mut random, &shape, dtype);
        let [dw, db] = [0; 2].map(|_| Sample::zeros(&shape[1..], DType::Float64));
        let wanted = [Some(dx.operand()), Some(dw.operand()), Some(db.operand())];
        layer_norm_backward(shape, wanted, g.operand(), x.operand(), [mean.operand(), rstd.operand()], affine.weight).unwrap();
        let right = reference.backward(&x.values(), &g.values(), &weight.values());
        for (got, right) in [&dx, &dw, &db].into_iter().zip(&right) {
            check(got, right, 10.0 * tolerance);
        }
    }
}

#[test]
fn batch_and_group_norm_and_their_gradients() {
    let mut random = Random(111);
    let shapes: [&[i64]; 5] = [&[5, 4], &[3, 6, 5], &[2, 4, 3, 7], &[2, 2, 30, 40], &[4, 6, 1, 1]];
    for round in 0..20 {
        let shape = shapes[round % 5];
        let (dtype, tolerance) = CASES[round % 3];
        let groups = [0, 1, 2][round / 5 % 3]; // none: batch_norm
        let [x, g] = [0; 2].map(|_| Sample::random(&mut random, shape, dtype));
        let [weight, bias] = [0; 2].map(|_| Sample::random(&mut random, &shape[1..2], dtype));
        let index = |i: usize| Sample::index(shape, i);
        let set = |i: usize| {
            let at = index(i);
            if groups == 0 { at[1] } else { at[0] * groups + at[1] / (shape[1] / groups) }
        };
        let reference = Reference {
            set: (0..x.numel()).map(|i| set(i) as usize).collect(),
            parameter: (0..x.numel()).map(|i| index(i)[1] as usize).collect(),
        };
        let output = Sample::scattered(&mut random, shape, dtype);
        let of_sets: &[i64] = if groups == 0 { &shape[1..2] } else { &[shape[0], groups] };
        let [mean, rstd] = [0; 2].map(|_| Sample::zeros(of_sets, DType::Float64));
        let saved = [mean.operand(), rstd.operand()];
        let affine = Affine { weight: Some(weight.operand()), bias: Some(bias.operand()) };
        let dx = Sample::scattered(&mut random, shape, dtype);
        let [dw, db] = [0; 2].map(|_| Sample::zeros(&shape[1..2], DType::Float64));
        let wanted = [Some(dx.operand()), Some(dw.operand()), Some(db.operand())];
        if groups == 0 {
            batch_norm(shape, output.operand(), saved, x.operand(), affine, None, EPS).unwrap();
            batch_norm_backward(shape, wanted, g.operand(), x.operand(), saved, affine.weight, false).unwrap();
        } else {
            group_norm(shape, groups, output.operand(), saved, x.operand(), affine, EPS).unwrap();
            group_norm_backward(shape, groups, wanted, g.operand(), x.operand(), saved, affine.weight).unwrap();
        }
        check(&output, &reference.forward(&x.values(), &weight.values(), &bias.values()), tolerance);
        let right = reference.backward(&x.values(), &g.values(), &weight.values());
        // Sets of equal elements have a deviation of eps alone: their gradients are as large as rounding.
        let loose = if reference.statistics(&x.values()).iter().any(|s| s.1 > 100.0) { 1.0 } else { 10.0 * tolerance };
        for (got, right) in [&dx, &dw, &db].into_iter().zip(&right) {
            check(got, right, loose);
        }
    }
}

#[test]
fn running_estimates_move_towards_the_batch() {
    let x = Sample::of(&[2, 1, 2], DType::Float32, &[1.0, 2.0, 3.0, 6.0]);
    let output = Sample::zeros(&[2, 1, 2], DType::Float32);
    let [mean, rstd, kept_mean, kept_variance] = [0; 4].map(|_| Sample::zeros(&[1], DType::Float32));
    let running = Running { mean: kept_mean.operand(), variance: kept_variance.operand(), momentum: 0.5 };
    let saved = [mean.operand(), rstd.operand()];
    batch_norm(&[2, 1, 2], output.operand(), saved, x.operand(), Affine::default(), Some(running), 0.0).unwrap();
    assert_close(kept_mean.get(0), 1.5, 1e-6);
    assert_close(kept_variance.get(0), 14.0 / 3.0 / 2.0, 1e-6);
    let given = [kept_mean.operand(), kept_variance.operand()];
    batch_norm_by(&[2, 1, 2], output.operand(), x.operand(), given, Affine::default(), 0.0).unwrap();
    assert_close(output.get(3), 4.5 / (7f64 / 3.0).sqrt(), 1e-6);
    let (slope, ones) = (Sample::zeros(&[2, 1, 2], DType::Float32), Sample::of(&[2, 1, 2], DType::Float32, &[1.0; 4]));
    batch_norm_backward(&[2, 1, 2], [Some(slope.operand()), None, None], ones.operand(), x.operand(), saved, None, true).unwrap();
    assert_close(slope.get(0), rstd.get(0), 1e-6);
}
