//! Whether probabilities hold what they say.

use serde::Serialize;

/// Bins of equal width that a reliability table has.
const N_BINS: usize = 10;

/// A probability that was given, and whether the thing was true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// 0..=1.
    pub confidence: f32,
    /// What was true.
    pub is_right: bool,
}

/// What came of many probabilities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Outcomes.
    pub n: usize,
    /// Share of them that were right.
    pub share_right: f64,
    /// Expected calibration error: Σ over bins of (n_bin/n)·|mean confidence − share right|.
    /// Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    /// AAAI 2015.
    pub ece: f64,
    /// Probability that a right one has more confidence than a wrong one, ties counting half; 0.5
    /// when there are only right or only wrong ones.
    pub auroc: f64,
    /// Largest share, the most confident first, of which at most 5 in 100 are wrong.
    #[serde(rename = "coverage@risk5")]
    pub coverage_at_risk_5: f64,
    /// The same, with 10 in 100.
    #[serde(rename = "coverage@risk10")]
    pub coverage_at_risk_10: f64,
    /// Bins in ascending order, empty ones left out.
    pub table: Vec<Bin>,
}

/// Outcomes of about one confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Least confidence of the bin.
    pub from: f64,
    /// Outcomes in it.
    pub n: usize,
    /// Their mean confidence.
    pub mean_confidence: f64,
    /// Share of them that were right.
    pub share_right: f64,
}

impl Reliability {
    /// Measures; all zeros for no outcomes, but for an AUROC of 0.5.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let n_right = outcomes.iter().filter(|outcome| outcome.is_right).count();
        let table = table(outcomes);
        let n = outcomes.len();
        let ece = table
            .iter()
            .map(|bin| bin.n as f64 / n as f64 * (bin.mean_confidence - bin.share_right).abs())
            .sum();
        let mut sorted = outcomes.to_vec();
        sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        Self {
            n,
            share_right: n_right as f64 / n.max(1) as f64,
            ece,
            auroc: auroc(&sorted),
            coverage_at_risk_5: coverage(&sorted, 0.05),
            coverage_at_risk_10: coverage(&sorted, 0.10),
            table,
        }
    }
}

fn table(outcomes: &[Outcome]) -> Vec<Bin> {
    let mut bins: Vec<Vec<&Outcome>> = vec![Vec::new(); N_BINS];
    for outcome in outcomes {
        let bin = (outcome.confidence * N_BINS as f32) as usize;
        bins[bin.min(N_BINS - 1)].push(outcome);
    }
    let filled = bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty());
    filled
        .map(|(at, bin)| {
            let n = bin.len() as f64;
            let sum: f64 = bin
                .iter()
                .map(|outcome| f64::from(outcome.confidence))
                .sum();
            let n_right = bin.iter().filter(|outcome| outcome.is_right).count();
            Bin {
                from: at as f64 / N_BINS as f64,
                n: bin.len(),
                mean_confidence: sum / n,
                share_right: n_right as f64 / n,
            }
        })
        .collect()
}

/// By ranks; `sorted` comes most confident first.
fn auroc(sorted: &[Outcome]) -> f64 {
    let n_right = sorted.iter().filter(|outcome| outcome.is_right).count();
    let n_wrong = sorted.len() - n_right;
    if n_right == 0 || n_wrong == 0 {
        return 0.5;
    }
    let mut n_wrong_before = 0;
    let mut n_pairs_won = 0.0;
    for tied in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        let right = tied.iter().filter(|outcome| outcome.is_right).count();
        let wrong = tied.len() - right;
        let n_wrong_after = n_wrong - n_wrong_before - wrong;
        n_pairs_won += right as f64 * (n_wrong_after as f64 + wrong as f64 / 2.0);
        n_wrong_before += wrong;
    }
    n_pairs_won / (n_right as f64 * n_wrong as f64)
}

/// Outcomes of one confidence are taken together or not at all.
fn coverage(sorted: &[Outcome], risk: f64) -> f64 {
    let (mut n, mut n_wrong, mut n_covered) = (0, 0, 0);
    for tied in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        n += tied.len();
        n_wrong += tied.iter().filter(|outcome| !outcome.is_right).count();
        if n_wrong as f64 <= risk * n as f64 {
            n_covered = n;
        }
    }
    n_covered as f64 / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(given: &[(f32, bool)]) -> Vec<Outcome> {
        let outcome = |&(confidence, is_right)| Outcome {
            confidence,
            is_right,
        };
        given.iter().map(outcome).collect()
    }

    #[test]
    fn by_hand() {
        let measured = Reliability::of(&outcomes(&[
            (0.95, true),
            (0.92, true),
            (0.91, false),
            (0.15, true),
            (0.12, false),
        ]));
        assert_eq!((measured.n, measured.share_right), (5, 0.6));
        // |2.78/3 − 2/3|·3/5 + |0.27/2 − 1/2|·2/5
        assert!(
            (measured.ece - (0.78 / 5.0 + 0.73 / 5.0)).abs() < 1e-6,
            "{measured:?}"
        );
        // Right before wrong in five of six pairs: 0.15 is below 0.91.
        assert!((measured.auroc - 5.0 / 6.0).abs() < 1e-9, "{measured:?}");
        assert_eq!(measured.coverage_at_risk_5, 0.4);
        assert_eq!(measured.table.len(), 2);
        assert_eq!((measured.table[0].from, measured.table[1].n), (0.1, 3));
    }

    #[test]
    fn ties_count_half_and_go_together() {
        let measured = Reliability::of(&outcomes(&[(0.5, true), (0.5, false)]));
        assert_eq!((measured.auroc, measured.coverage_at_risk_10), (0.5, 0.0));
        let measured = Reliability::of(&outcomes(&[(1.0, true), (1.0, true)]));
        assert_eq!((measured.auroc, measured.coverage_at_risk_5), (0.5, 1.0));
        assert_eq!(measured.ece, 0.0);
    }

    #[test]
    fn nothing_is_no_error() {
        let measured = Reliability::of(&[]);
        assert_eq!(
            (measured.n, measured.ece, measured.coverage_at_risk_5),
            (0, 0.0, 0.0)
        );
        assert!(measured.table.is_empty());
    }
}
