//! The training objective: each query should find its own passage among the batch's.

use rayon::prelude::*;

use super::kernel::{dot, exponentials, multiply, transpose};

/// The loss and its gradient by the pooled vectors (`2n × dimension`: queries, then passages).
///
/// With unit vectors q̂, p̂ and s = scale · q̂·p̂ the loss is the mean over i of
/// −½ log softmax_j(s_ij)_i − ½ log softmax_i(s_ij)_j (InfoNCE both ways; van den Oord et al.,
/// 2018). Examples `i ≠ j` with `same(i, j)` are left out of each other's sums.
pub fn gradient(
    pooled: &[f32],
    dimension: usize,
    scale: f32,
    same: &(dyn Fn(usize, usize) -> bool + Sync),
) -> (f32, Vec<f32>) {
    let n = pooled.len() / dimension / 2;
    let (units, lengths) = unit_vectors(pooled, dimension);
    let (queries, passages) = units.split_at(n * dimension);
    let mut scores = multiply(queries, &transpose(passages, dimension), dimension, n);
    let own: f32 = (0..n).map(|i| scores[i * n + i] * scale).sum();
    let row_sums: Vec<f32> = scores
        .par_chunks_mut(n)
        .enumerate()
        .map(|(i, row)| to_weights(row, scale, |j| j != i && same(i, j)))
        .collect();
    let column_sums: Vec<f32> = transpose(&scores, n)
        .par_chunks(n)
        .map(|column| column.iter().sum())
        .collect();
    // ∂loss/∂(q̂_i·p̂_j), over the weights.
    let factor = scale / (2 * n) as f32;
    scores.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        for (s, column_sum) in row.iter_mut().zip(&column_sums) {
            *s *= factor * (1.0 / row_sums[i] + 1.0 / column_sum);
        }
        row[i] -= 2.0 * factor;
    });
    let mut gradient = multiply(&scores, passages, n, dimension);
    gradient.extend(multiply(&transpose(&scores, n), queries, n, dimension));
    through_lengths(&mut gradient, &units, &lengths, dimension);
    let log_sums: f32 = row_sums
        .iter()
        .chain(&column_sums)
        .map(|sum| sum.ln() + scale)
        .sum();
    ((log_sums / 2.0 - own) / n as f32, gradient)
}

/// Turns cosines into exp(scale · (cosine − 1)), 0 where left out, and returns their sum.
fn to_weights(row: &mut [f32], scale: f32, left_out: impl Fn(usize) -> bool) -> f32 {
    row.iter_mut().for_each(|s| *s *= scale);
    exponentials(row, scale);
    for (j, s) in row.iter_mut().enumerate() {
        if left_out(j) {
            *s = 0.0;
        }
    }
    row.iter().sum()
}

/// Turns the gradient by unit vectors into the one by the vectors before they were scaled:
/// (g − (g·û) û) / length, and 0 for a vector of zeros.
fn through_lengths(gradient: &mut [f32], units: &[f32], lengths: &[f32], dimension: usize) {
    gradient
        .par_chunks_mut(dimension)
        .zip(units.par_chunks(dimension))
        .zip(lengths)
        .for_each(|((gradient, unit), &length)| {
            let along = dot(gradient, unit);
            for (g, u) in gradient.iter_mut().zip(unit) {
                *g = if length > 0.0 {
                    (*g - along * u) / length
                } else {
                    0.0
                };
            }
        });
}

/// Every row scaled to length 1, and the lengths before; zeros stay zeros.
fn unit_vectors(pooled: &[f32], dimension: usize) -> (Vec<f32>, Vec<f32>) {
    let mut units = pooled.to_vec();
    let lengths = units
        .par_chunks_mut(dimension)
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

    fn loss(pooled: &[f64], dimension: usize, scale: f64) -> f64 {
        let n = pooled.len() / dimension / 2;
        let unit = |i: usize| -> Vec<f64> {
            let row = &pooled[i * dimension..][..dimension];
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
        let (found, gradient) = gradient(&pooled, dimension, scale, &|_, _| false);
        let expected = loss(&exact, dimension, f64::from(scale));
        assert!(
            (f64::from(found) - expected).abs() < 1e-4,
            "{found} {expected}"
        );
        for i in 0..pooled.len() {
            let moved = |by: f64| {
                let mut moved = exact.clone();
                moved[i] += by;
                loss(&moved, dimension, f64::from(scale))
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (f64::from(gradient[i]) - slope).abs() < 1e-4,
                "{i}: {} {slope}",
                gradient[i]
            );
        }
    }

    #[test]
    fn examples_of_one_origin_do_not_push_each_other_away() {
        let pooled = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let (alone, _) = gradient(&pooled, 2, 20.0, &|_, _| true);
        assert!(alone.abs() < 1e-5, "{alone}");
        let (together, _) = gradient(&pooled, 2, 20.0, &|_, _| false);
        assert!((together - 2f32.ln()).abs() < 1e-5, "{together}");
    }

    #[test]
    fn a_text_without_rows_moves_nothing() {
        let pooled = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let (loss, gradient) = gradient(&pooled, 2, 20.0, &|_, _| false);
        assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
        assert_eq!(gradient[..2], [0.0, 0.0]);
    }
}
