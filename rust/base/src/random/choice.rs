//! Choosing among things: permutations and the multinomial distribution.
use super::real::{self, Precision, unit};
use super::source::{CHUNK, Source};
use super::{Discrete, Real};
use crate::{Result, ensure};

/// Fewer elements than this are permuted with one word each; from here on the remainder of one word would be skewed.
const SKEWED_FROM: usize = u32::MAX as usize / 20;

/// A permutation of `0..out.len()`, by Fisher and Yates's shuffle: one word for every place but the last.
pub fn permutation<T: Discrete>(source: &mut Source, out: &mut [T]) {
    if out.len() >= SKEWED_FROM {
        return permutation_inside_out(source, out);
    }
    out.iter_mut().enumerate().for_each(|(i, out)| *out = T::from_i64(i as i64));
    let mut words = [0; CHUNK];
    let mut place = 0;
    while place + 1 < out.len() {
        let words = &mut words[..CHUNK.min(out.len() - 1 - place)];
        source.fill(words);
        for &word in words.iter() {
            out.swap(place, place + (word % (out.len() - place) as u32) as usize);
            place += 1;
        }
    }
}

/// The same shuffle from inside out, with two words for every place.
fn permutation_inside_out<T: Discrete>(source: &mut Source, out: &mut [T]) {
    for place in 0..out.len() {
        let other = (source.next_u64() % (place as u64 + 1)) as usize;
        out[place] = out[other];
        out[other] = T::from_i64(place as i64);
    }
}

/// Draws `out.len()` categories with replacement by the weights of one row: two words each, looked up in the running sums.
/// RuntimeError for weights that are negative, not finite, or all zero.
pub fn with_replacement<T: Real>(source: &mut Source, weights: &[T], out: &mut [i64]) -> Result<()> {
    let mut sum = T::Math::default();
    let mut sums = Vec::with_capacity(weights.len());
    for weight in weights {
        let weight = weight.to_math();
        let value: f64 = weight.into();
        ensure!((0.0..).contains(&value), runtime, "invalid multinomial distribution (encountering probability entry < 0)");
        ensure!(value.is_finite(), runtime, "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
        sum += weight;
        sums.push(sum);
    }
    ensure!(sum != T::Math::default(), runtime, "invalid multinomial distribution (sum of probabilities <= 0)");
    for partial in &mut sums {
        *partial /= sum;
    }
    if let Some(last) = sums.last_mut() {
        *last = T::Math::ONE; // whatever the rounding of the sums
    }
    source.map_pairs(out, |bits| {
        let draw = unit(bits);
        sums.partition_point(|&partial| partial.into() < draw) as i64
    });
    Ok(())
}

/// Draws `samples` different categories for each row of weights, the likeliest keys first: an exponential draw for every
/// weight of every row, then the greatest quotients weight / draw. `samples` is between 1 and `categories`, `out` has
/// `samples` places a row. RuntimeError for weights that are negative, not finite, or all zero.
pub fn without_replacement<T: Real>(source: &mut Source, weights: &[T], categories: usize, samples: usize, out: &mut [i64]) -> Result<()> {
    let value = |weight: &T| -> f64 { weight.to_math().into() };
    ensure!(
        weights.iter().all(|weight| (0.0..f64::INFINITY).contains(&value(weight))),
        runtime,
        "probability tensor contains either `inf`, `nan` or element < 0"
    );
    ensure!(
        weights.chunks(categories).all(|row| row.iter().any(|weight| value(weight) > 0.0)),
        runtime,
        "invalid multinomial distribution (sum of probabilities <= 0)"
    );
    let mut draws = weights.to_vec();
    real::exponential(source, &mut draws, 1.0);
    let mut order: Vec<usize> = Vec::with_capacity(categories);
    for ((weights, draws), out) in weights.chunks(categories).zip(draws.chunks(categories)).zip(out.chunks_mut(samples)) {
        let keys: Vec<f64> = weights.iter().zip(draws).map(|(weight, draw)| value(&T::from_f64(value(weight) / value(draw)))).collect();
        let by_key = |a: &usize, b: &usize| keys[*b].total_cmp(&keys[*a]).then(a.cmp(b));
        order.clear();
        order.extend(0..categories);
        if samples < categories {
            order.select_nth_unstable_by(samples - 1, by_key);
        }
        order[..samples].sort_unstable_by(by_key);
        out.iter_mut().zip(&order).for_each(|(out, &category)| *out = category as i64);
    }
    Ok(())
}
