//! Ranking measures with binary or graded judgements, as trec_eval defines them.

use std::collections::BTreeMap;

/// The measures of one ranking, or their means over queries. Each lies in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Normalised discounted cumulative gain of the first 10: gain = grade, discount = log2(rank + 1).
    pub ndcg_at_10: f64,
    /// 1 / rank of the first relevant document among the first 10, else 0.
    pub mrr_at_10: f64,
    /// Share of the relevant documents that stand among the first 10.
    pub recall_at_10: f64,
    /// Share of the relevant documents that stand among the first 100.
    pub recall_at_100: f64,
    /// 1 if the first document is relevant.
    pub hit_at_1: f64,
}

impl Measures {
    /// Scores one ranking of distinct document ids, best first.
    ///
    /// `judged` maps document ids to grades; 0 means not relevant. Without a relevant document
    /// every measure is 0.
    pub fn of<S: AsRef<str>>(ranking: &[S], judged: &BTreeMap<String, u32>) -> Self {
        let grade = |id: &S| judged.get(id.as_ref()).copied().unwrap_or(0);
        let n_relevant = judged.values().filter(|grade| **grade > 0).count();
        if n_relevant == 0 {
            return Self::default();
        }
        let found = |depth: usize| {
            ranking
                .iter()
                .take(depth)
                .filter(|id| grade(id) > 0)
                .count()
        };
        let first = ranking.iter().take(10).position(|id| grade(id) > 0);
        Self {
            ndcg_at_10: gain_at_10(ranking.iter().map(grade)) / ideal_gain_at_10(judged),
            mrr_at_10: first.map_or(0.0, |position| 1.0 / (position + 1) as f64),
            recall_at_10: found(10) as f64 / n_relevant as f64,
            recall_at_100: found(100) as f64 / n_relevant as f64,
            hit_at_1: if first == Some(0) { 1.0 } else { 0.0 },
        }
    }

    /// The mean over several rankings; all zeros for none.
    pub fn mean(all: &[Measures]) -> Self {
        let n = all.len().max(1) as f64;
        let mean = |field: fn(&Measures) -> f64| all.iter().map(field).sum::<f64>() / n;
        Self {
            ndcg_at_10: mean(|m| m.ndcg_at_10),
            mrr_at_10: mean(|m| m.mrr_at_10),
            recall_at_10: mean(|m| m.recall_at_10),
            recall_at_100: mean(|m| m.recall_at_100),
            hit_at_1: mean(|m| m.hit_at_1),
        }
    }
}

fn gain_at_10(grades: impl Iterator<Item = u32>) -> f64 {
    grades
        .take(10)
        .enumerate()
        .map(|(position, grade)| f64::from(grade) / ((position + 2) as f64).log2())
        .sum()
}

fn ideal_gain_at_10(judged: &BTreeMap<String, u32>) -> f64 {
    let mut grades: Vec<u32> = judged.values().copied().collect();
    grades.sort_unstable_by(|a, b| b.cmp(a));
    gain_at_10(grades.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
        pairs
            .iter()
            .map(|(id, grade)| (id.to_string(), *grade))
            .collect()
    }

    fn assert_close(got: f64, expected: f64) {
        assert!(
            (got - expected).abs() < 1e-9,
            "got {got}, expected {expected}"
        );
    }

    #[test]
    fn two_relevant_at_ranks_one_and_three() {
        let m = Measures::of(&["a", "x", "b"], &judged(&[("a", 1), ("b", 1), ("c", 0)]));
        // DCG = 1/log2(2) + 1/log2(4) = 1.5; ideal = 1 + 1/log2(3) = 1.6309297535714573.
        assert_close(m.ndcg_at_10, 1.5 / 1.630_929_753_571_457_3);
        assert_close(m.mrr_at_10, 1.0);
        assert_close(m.recall_at_10, 1.0);
        assert_close(m.hit_at_1, 1.0);
    }

    #[test]
    fn grades_are_gains() {
        let m = Measures::of(&["low", "high"], &judged(&[("low", 1), ("high", 3)]));
        // DCG = 1 + 3/log2(3) = 2.8927892607143724; ideal = 3 + 1/log2(3) = 3.6309297535714573.
        assert_close(
            m.ndcg_at_10,
            2.892_789_260_714_372_4 / 3.630_929_753_571_457_3,
        );
    }

    #[test]
    fn rank_eleven_counts_only_in_the_deep_recall() {
        let ranking: Vec<String> = (1..=11).map(|rank| format!("d{rank}")).collect();
        let m = Measures::of(&ranking, &judged(&[("d11", 1), ("elsewhere", 1)]));
        assert_eq!(
            (m.ndcg_at_10, m.mrr_at_10, m.recall_at_10, m.hit_at_1),
            (0.0, 0.0, 0.0, 0.0)
        );
        assert_close(m.recall_at_100, 0.5);
    }

    #[test]
    fn nothing_relevant_or_nothing_found_is_zero() {
        assert_eq!(
            Measures::of(&["a"], &judged(&[("a", 0)])),
            Measures::default()
        );
        assert_eq!(
            Measures::of::<&str>(&[], &judged(&[("a", 1)])),
            Measures::default()
        );
        assert_eq!(Measures::mean(&[]), Measures::default());
    }
}
