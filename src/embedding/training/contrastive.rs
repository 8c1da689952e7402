//! The training objective: each query should find its own passage among the batch's.

use rayon::prelude::*;

use super::kernel::{dot, exponentials, multiply, transpose};

/// Adds to `gradient` (`2n × dimension`: queries, then passages) the gradient of the loss by the
/// pooled vectors, looking at their first `part` elements only, and returns the loss.
///
/// With unit vectors q̂, p̂ and s = scale · q̂·p̂ the loss is the mean over i of
/// −½ log softmax_j(s_ij)_i − ½ log softmax_i(s_ij)_j (InfoNCE both ways; van den Oord et al.,
/// 2018). Examples `i ≠ j` with `same(i, j)` are left out of each other's sums.
pub fn add_gradient(
    pooled: &[f32],
    dimension: usize,
    part: usize,
    scale: f32,
    same: &(dyn Fn(usize, usize) -> bool + Sync),
    gradient: &mut [f32],
) -> f32 {
    let n = pooled.len() / dimension / 2;
    let (units, lengths) = unit_vectors(pooled, dimension, part);
    let (queries, passages) = units.split_at(n * part);
    let mut scores = multiply(queries, &transpose(passages, part), part, n);
    let own: Vec<f32> = (0..n).map(|i| scores[i * n + i] * scale).collect();
    let row_sums: Vec<f32> = scores
        .par_chunks_mut(n)
        .enumerate()
        .map(|(i, row)| {
            row.iter_mut().for_each(|s| *s *= scale);
            exponentials(row, scale);
            for (j, s) in row.iter_mut().enumerate() {
                if j != i && same(i, j) {
                    *s = 0.0;
                }
            }
            row.iter().sum()
        })
        .collect();
    let turned = transpose(&scores, n);
    let column_sums: Vec<f32> = turned
        .par_chunks(n)
        .map(|column| column.iter().sum())
        .collect();
    let factor = scale / (2 * n) as f32;
    scores.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        for (s, column_sum) in row.iter_mut().zip(&column_sums) {
            *s *= factor * (1.0 / row_sums[i] + 1.0 / column_sum);
        }
        row[i] -= 2.0 * factor;
    });
    let by_query = multiply(&scores, passages, n, part);
    let by_passage = multiply(&transpose(&scores, n), queries, n, part);
    gradient
        .par_chunks_mut(dimension)
        .enumerate()
        .for_each(|(i, gradient)| {
            let by_unit = if i < n {
                &by_query[i * part..][..part]
            } else {
                &by_passage[(i - n) * part..][..part]
            };
            let unit = &units[i * part..][..part];
            if lengths[i] > 0.0 {
                let along = dot(by_unit, unit);
                for ((g, b), u) in gradient.iter_mut().zip(by_unit).zip(unit) {
                    *g += (b - along * u) / lengths[i];
                }
            }
        });
    let log_sums: f32 = row_sums
        .iter()
        .chain(&column_sums)
        .map(|sum| sum.ln() + scale)
        .sum();
    (log_sums / 2.0 - own.iter().sum::<f32>()) / n as f32
}

/// The first `part` elements of every row, scaled to length 1, and the lengths before.
fn unit_vectors(pooled: &[f32], dimension: usize, part: usize) -> (Vec<f32>, Vec<f32>) {
    let mut units: Vec<f32> = pooled
        .chunks_exact(dimension)
        .flat_map(|row| row[..part].iter().copied())
        .collect();
    let lengths = units
        .par_chunks_mut(part)
        .map(|row| {
            let length = dot(row, row).sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|v| *v /= length);
            }
            length
        })
        .collect();
    (units, lengths)
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn loss(pooled: &[f64], dimension: usize, part: usize, scale: f64) -> f64 {
        let n = pooled.len() / dimension / 2;
        let unit = |i: usize| -> Vec<f64> {
            let row = &pooled[i * dimension..][..part];
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter().map(|v| v / length).collect()
        };
        let score = |i: usize, j: usize| -> f64 {
            scale
                * unit(i)
                    .iter()
                    .zip(unit(n + j))
                    .map(|(a, b)| a * b)
                    .sum::<f64>()
        };
        let mut total = 0.0;
        for i in 0..n {
            let by_query: f64 = (0..n).map(|j| score(i, j).exp()).sum();
            let by_passage: f64 = (0..n).map(|j| score(j, i).exp()).sum();
            total += (by_query.ln() + by_passage.ln()) / 2.0 - score(i, i);
        }
        total / n as f64
    }

    #[test]
    fn loss_and_gradient_agree_with_finite_differences() {
        let (n, dimension, scale) = (5, 6, 3.0);
        let mut random = Random::new(11);
        let pooled: Vec<f32> = (0..2 * n * dimension).map(|_| random.centred()).collect();
        let exact: Vec<f64> = pooled.iter().map(|&v| f64::from(v)).collect();
        for part in [dimension, 3] {
            let mut gradient = vec![0.0; pooled.len()];
            let found = add_gradient(
                &pooled,
                dimension,
                part,
                scale,
                &|_, _| false,
                &mut gradient,
            );
            let expected = loss(&exact, dimension, part, f64::from(scale));
            assert!(
                (f64::from(found) - expected).abs() < 1e-4,
                "{found} {expected}"
            );
            for i in 0..pooled.len() {
                let moved = |by: f64| {
                    let mut moved = exact.clone();
                    moved[i] += by;
                    loss(&moved, dimension, part, f64::from(scale))
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(
                    (f64::from(gradient[i]) - slope).abs() < 1e-4,
                    "{i}: {} {slope}",
                    gradient[i]
                );
            }
        }
    }

    #[test]
    fn examples_of_one_origin_do_not_push_each_other_away() {
        let pooled = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let mut gradient = [0.0; 8];
        let alone = add_gradient(&pooled, 2, 2, 20.0, &|_, _| true, &mut gradient);
        assert!(alone.abs() < 1e-5, "{alone}");
        let together = add_gradient(&pooled, 2, 2, 20.0, &|_, _| false, &mut gradient);
        assert!((together - 2f32.ln()).abs() < 1e-5, "{together}");
    }
}
