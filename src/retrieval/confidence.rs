//! How likely a hit is right: a logistic model over what both indexes say of it.
//!
//! Scores compare hits of one query; they do not say whether the best of them is any good. The
//! signals here do: how much of the question the text takes up, how near it is in meaning, how far
//! it stands out from the other candidates, whether both indexes agree. What they weigh is fitted
//! on questions with known answers ([`Calibration::fit`]), questions without an answer among them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Hit;

/// Names of the [`Signals`], in their order.
///
/// Chosen among eight sets of signals by what they held on packs they were not fitted on: absolute
/// ones (the cosine itself, the number of terms) said other things of other packs.
pub const SIGNAL_NAMES: [&str; 7] = [
    "lexical_standout",
    "lexical_lead",
    "vector_standout",
    "vector_lead",
    "margin",
    "both_best",
    "overlap",
];

const N_SIGNALS: usize = SIGNAL_NAMES.len();

/// A hit whose document, title or article the query names is at least this likely right.
const NAMED: f32 = 0.95;

/// Weight of keeping the fitted weights small, in questions.
const RIDGE: f64 = 1.0;

/// Newton's method converges in a handful of steps, or the data are degenerate.
const MAX_STEPS: usize = 50;

/// What the two lists say of a query, before they are fused.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Lexical score of a passage with every term.
    pub lexical_full: f32,
    /// Best and mean lexical score of the list.
    pub lexical: (f32, f32),
    /// Best and mean cosine of the list.
    pub vector: (f32, f32),
    /// Share of the lexical list in the fused score.
    pub lexical_weight: f32,
    /// Share of the best ten of one list that are among the best ten of the other.
    pub overlap: f32,
}

/// What speaks for a hit: how far its scores stand above the mean of their list (as a logarithm of
/// the ratio, as a share of all terms; as a share of the cosine, as a cosine), above the next hit, and
/// whether both lists agree. Without vectors, theirs are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals(pub [f32; N_SIGNALS]);

impl Signals {
    /// How far both lists agree on the hit: the product of its shares of the best score of each, 0
    /// to 1.
    pub fn agreement(&self) -> f32 {
        self.0[5]
    }

    /// The signals of `hit`; `rival` is the best score of another hit, named or not left out.
    pub(super) fn of(hit: &Hit, rival: f32, evidence: &Evidence) -> Self {
        let parts = hit.contributions;
        let raw = |part: f32, share: f32, best: f32| match share > 0.0 {
            true => part / share * best,
            false => 0.0,
        };
        let share = evidence.lexical_weight;
        let lexical = raw(parts.lexical, share, evidence.lexical.0);
        let cosine = raw(parts.vector, 1.0 - share, evidence.vector.0);
        let of_full = |score: f32| match evidence.lexical_full > 0.0 {
            true => score / evidence.lexical_full,
            false => 0.0,
        };
        let of = |part: f32, whole: f32| if whole > 0.0 { part / whole } else { 0.0 };
        let score = parts.lexical + parts.vector + parts.question + parts.document;
        let lexical_mean = of_full(evidence.lexical.1);
        let lexical_lead = of_full(lexical) - lexical_mean;
        let vector_lead = cosine - evidence.vector.1;
        Self([
            (lexical_lead / lexical_mean.max(0.01)).max(0.01).ln(),
            lexical_lead,
            vector_lead / cosine.max(0.05),
            vector_lead,
            of(score - rival, score.max(rival)),
            of(lexical, evidence.lexical.0) * of(cosine, evidence.vector.0),
            evidence.overlap,
        ])
    }
}

/// One hit of a question with a known answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// What spoke for it.
    pub signals: Signals,
    /// Whether it answers.
    pub is_right: bool,
}

/// Log odds as a weighted sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    bias: f64,
    /// In the order of [`SIGNAL_NAMES`].
    weights: Vec<f64>,
}

impl Logistic {
    /// The probability that a hit with these signals is right.
    pub fn probability(&self, signals: &Signals) -> f32 {
        let weighted = self.weights.iter().zip(signals.0);
        let sum: f64 = weighted
            .map(|(weight, signal)| weight * f64::from(signal))
            .sum();
        (1.0 / (1.0 + (-(self.bias + sum)).exp())) as f32
    }

    /// The weights under which `samples` are likeliest, drawn towards 0 by one question's worth;
    /// `None` unless both right and wrong ones are among them.
    ///
    /// Source: iteratively reweighted least squares, Hastie et al., "The Elements of Statistical
    /// Learning", 2nd ed., section 4.4.1, on standardised signals.
    pub fn fit(samples: &[Sample]) -> Option<Self> {
        let n_right = samples.iter().filter(|sample| sample.is_right).count();
        if n_right == 0 || n_right == samples.len() {
            return None;
        }
        let scales = Scales::of(samples);
        let rows: Vec<[f64; N_SIGNALS + 1]> = samples.iter().map(|s| scales.row(s)).collect();
        let mut weights = [0.0; N_SIGNALS + 1];
        for _ in 0..MAX_STEPS {
            let step = newton_step(&rows, samples, &weights)?;
            let mut largest: f64 = 0.0;
            for (weight, step) in weights.iter_mut().zip(step) {
                *weight += step;
                largest = largest.max(step.abs());
            }
            if largest < 1e-9 {
                break;
            }
        }
        Some(scales.unscaled(&weights))
    }
}

/// Mean and spread of each signal.
struct Scales {
    mean: [f64; N_SIGNALS],
    spread: [f64; N_SIGNALS],
}

impl Scales {
    fn of(samples: &[Sample]) -> Self {
        let n = samples.len() as f64;
        let mut scales = Self {
            mean: [0.0; N_SIGNALS],
            spread: [1.0; N_SIGNALS],
        };
        for at in 0..N_SIGNALS {
            let values = || samples.iter().map(|sample| f64::from(sample.signals.0[at]));
            let mean = values().sum::<f64>() / n;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
            scales.mean[at] = mean;
            // A signal that never varies says nothing; its weight stays 0.
            if variance > 1e-12 {
                scales.spread[at] = variance.sqrt();
            }
        }
        scales
    }

    /// Standardised signals, and a 1 for the bias.
    fn row(&self, sample: &Sample) -> [f64; N_SIGNALS + 1] {
        let mut row = [1.0; N_SIGNALS + 1];
        let scales = self.mean.iter().zip(&self.spread);
        for ((value, signal), (mean, spread)) in row.iter_mut().zip(sample.signals.0).zip(scales) {
            *value = (f64::from(signal) - mean) / spread;
        }
        row
    }

    fn unscaled(&self, weights: &[f64; N_SIGNALS + 1]) -> Logistic {
        let mut bias = weights[N_SIGNALS];
        let mut unscaled = Vec::with_capacity(N_SIGNALS);
        for (weight, (mean, spread)) in weights.iter().zip(self.mean.iter().zip(&self.spread)) {
            let weight = weight / spread;
            bias -= weight * mean;
            unscaled.push(weight);
        }
        Logistic {
            bias,
            weights: unscaled,
        }
    }
}

/// Gradient over curvature at `weights`; `None` if the curvature is degenerate.
fn newton_step(
    rows: &[[f64; N_SIGNALS + 1]],
    samples: &[Sample],
    weights: &[f64; N_SIGNALS + 1],
) -> Option<[f64; N_SIGNALS + 1]> {
    let mut gradient = [0.0; N_SIGNALS + 1];
    let mut curvature = [[0.0; N_SIGNALS + 1]; N_SIGNALS + 1];
    for at in 0..N_SIGNALS {
        gradient[at] = -RIDGE * weights[at];
        curvature[at][at] = RIDGE;
    }
    for (row, sample) in rows.iter().zip(samples) {
        let sum: f64 = row.iter().zip(weights).map(|(x, w)| x * w).sum();
        let probability = 1.0 / (1.0 + (-sum).exp());
        let error = f64::from(u8::from(sample.is_right)) - probability;
        let certainty = probability * (1.0 - probability);
        for i in 0..=N_SIGNALS {
            gradient[i] += error * row[i];
            for j in 0..=N_SIGNALS {
                curvature[i][j] += certainty * row[i] * row[j];
            }
        }
    }
    solve(curvature, gradient)
}

/// Gaussian elimination with partial pivoting.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut values: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        values.swap(column, pivot);
        for row in column + 1..N {
            let factor = matrix[row][column] / matrix[column][column];
            let (above, below) = matrix.split_at_mut(row);
            for (value, pivot) in below[0].iter_mut().zip(&above[column]).skip(column) {
                *value -= factor * pivot;
            }
            values[row] -= factor * values[column];
        }
    }
    for column in (0..N).rev() {
        let known: f64 = (column + 1..N)
            .map(|at| matrix[column][at] * values[at])
            .sum();
        values[column] = (values[column] - known) / matrix[column][column];
    }
    Some(values)
}

/// Signals → probability, for answers by both indexes and by words alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Id of the embedding model that it was fitted with.
    pub embedding: String,
    /// Names of the packs whose questions it was fitted on.
    pub fitted_on: Vec<String>,
    /// How many questions those were, and how many of them had no answer.
    pub n_questions: (usize, usize),
    /// [`SIGNAL_NAMES`]: another version of the program may have others.
    pub signals: Vec<String>,
    /// Words and vectors.
    pub hybrid: Logistic,
    /// Words alone.
    pub lexical: Logistic,
}

/// Why a calibration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// Not the JSON of a calibration.
    #[error("this is no calibration: {0}")]
    Format(String),
    /// Fitted by another version of the program.
    #[error("it was fitted by another version of Zhiku; run `zhiku calibrate` again")]
    OtherVersion,
}

impl Calibration {
    /// The one for the built-in model.
    pub fn built_in() -> Result<Self, CalibrationError> {
        Self::from_json(include_str!("calibration.json"))
    }

    /// Reads what [`Calibration`] writes as JSON.
    ///
    /// # Errors
    /// [`CalibrationError`]
    pub fn from_json(json: &str) -> Result<Self, CalibrationError> {
        let calibration: Self = serde_json::from_str(json)
            .map_err(|error| CalibrationError::Format(error.to_string()))?;
        let fits = |logistic: &Logistic| logistic.weights.len() == N_SIGNALS;
        match calibration.signals == SIGNAL_NAMES
            && fits(&calibration.hybrid)
            && fits(&calibration.lexical)
        {
            true => Ok(calibration),
            false => Err(CalibrationError::OtherVersion),
        }
    }

    /// The probability that a hit is right.
    pub(super) fn confidence(&self, signals: &Signals, is_hybrid: bool, is_named: bool) -> f32 {
        let logistic = if is_hybrid {
            &self.hybrid
        } else {
            &self.lexical
        };
        let probability = logistic.probability(signals);
        if is_named {
            probability.max(NAMED)
        } else {
            probability
        }
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, n_unanswerable) = self.n_questions;
        writeln!(
            f,
            "{}: {n} questions of {}, {n_unanswerable} of them without an answer",
            self.embedding,
            self.fitted_on.join(", ")
        )?;
        for (at, name) in SIGNAL_NAMES.iter().enumerate() {
            let (hybrid, lexical) = (self.hybrid.weights[at], self.lexical.weights[at]);
            writeln!(f, "  {name:<18}{hybrid:>9.3}{lexical:>9.3}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: usize, is_right: bool) -> Sample {
        let mut signals = Signals::default();
        signals.0[0] = at as f32 / 100.0;
        signals.0[1] = ((at * 37) % 100) as f32 / 100.0;
        Sample { signals, is_right }
    }

    /// Right with the probability that a known logistic gives, in a fixed pattern.
    fn samples() -> Vec<Sample> {
        let truth = |at: usize| 1.0 / (1.0 + (2.0 - 5.0 * at as f64 / 100.0).exp());
        (0..100)
            .flat_map(|at| {
                let n_right = (truth(at) * 20.0).round() as usize;
                (0..20).map(move |n| sample(at, n < n_right))
            })
            .collect()
    }

    #[test]
    fn a_known_logistic_is_found_again() {
        let fitted = Logistic::fit(&samples()).unwrap();
        assert!((fitted.bias + 2.0).abs() < 0.15, "{fitted:?}");
        assert!((fitted.weights[0] - 5.0).abs() < 0.3, "{fitted:?}");
        assert!(fitted.weights[1].abs() < 0.15, "{fitted:?}");
        assert_eq!(fitted.weights[2], 0.0, "a signal that never varies");
    }

    #[test]
    fn on_what_it_was_fitted_on_it_is_right_on_average() {
        let samples = samples();
        let fitted = Logistic::fit(&samples).unwrap();
        let expected: f64 = samples
            .iter()
            .map(|s| f64::from(fitted.probability(&s.signals)))
            .sum();
        let n_right = samples.iter().filter(|sample| sample.is_right).count() as f64;
        assert!((expected - n_right).abs() < 0.5, "{expected} {n_right}");
    }

    #[test]
    fn without_both_right_and_wrong_nothing_is_fitted() {
        let all_right: Vec<Sample> = (0..10).map(|at| sample(at, true)).collect();
        assert_eq!(Logistic::fit(&all_right), None);
        assert_eq!(Logistic::fit(&[]), None);
    }

    #[test]
    fn right_ones_apart_from_wrong_ones_leave_finite_weights() {
        let apart: Vec<Sample> = (0..100).map(|at| sample(at, at >= 50)).collect();
        let fitted = Logistic::fit(&apart).unwrap();
        assert!(fitted.bias.is_finite() && fitted.weights.iter().all(|w| w.is_finite()));
        assert!(fitted.probability(&sample(99, true).signals) > 0.9);
    }

    #[test]
    fn the_built_in_one_reads_and_others_are_refused() {
        let built_in = Calibration::built_in().unwrap();
        let json = serde_json::to_string(&built_in).unwrap();
        assert_eq!(Calibration::from_json(&json).unwrap(), built_in);
        let other = json.replace("overlap", "something_else");
        assert_eq!(
            Calibration::from_json(&other),
            Err(CalibrationError::OtherVersion)
        );
        assert!(matches!(
            Calibration::from_json("{}"),
            Err(CalibrationError::Format(_))
        ));
    }
}
