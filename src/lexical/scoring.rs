//! The ranking formula, and the accumulation of scores over posting lists.
//!
//! BM25 (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009) over one stream of
//! terms, with the query's weights and a rarity raised to a power:
//!
//! ```text
//! score(p) = Σ_t weight(t) · idf(t)^P · tf·(K1+1) / (tf + K1·(1 − B + B·length(p)/mean length))
//! idf(t)   = ln(1 + (N − n(t) + 0.5) / (n(t) + 0.5))
//! ```
//!
//! N, n and the mean length count what is alive and nothing else, so that the same passages score
//! the same however they came into the index.

use std::fmt;
use tantivy::fieldnorm::FieldNormReader;

use super::TermKind;

/// How soon repetition within a passage stops to count. Measured on five packs, with [`B`].
pub const K1: f32 = 1.5;
/// How much length counts.
pub const B: f32 = 0.85;
/// Power of the idf.
pub const IDF_POWER: f32 = 1.3;

/// How rare a term is: ln(1 + (N − n + 0.5) / (n + 0.5)) for `n_having` of `n_passages`.
pub fn idf(n_having: u64, n_passages: u64) -> f32 {
    let (having, all) = (n_having as f32, n_passages.max(n_having) as f32);
    (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
}

/// What one term adds to one passage's score, spelled out.
#[derive(Clone, Debug, PartialEq)]
pub struct TermContribution {
    /// The term.
    pub term: String,
    /// What it is in the query.
    pub kind: TermKind,
    /// Its weight in the query.
    pub query_weight: f32,
    /// How many passages have it.
    pub n_having: u64,
    /// [`idf`] of it.
    pub idf: f32,
    /// How often the passage has it.
    pub term_count: u32,
    /// K1·(1 − B + B·length/mean length) of the passage.
    pub length_norm: f32,
    /// What it adds: `query_weight · idf^IDF_POWER · tf·(K1+1)/(tf + length_norm)`.
    pub score: f32,
}

impl fmt::Display for TermContribution {
    /// `养老金 (Word): 3.21 = 1 · 4.5^1.2 · 2·2.2/(2+1.3), in 17 passages`, with the constants' values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({:?}): {:.4} = {:.2} · {:.2}^{} · {}·{:.2}/({} + {:.2}), in {} passages",
            self.term,
            self.kind,
            self.score,
            self.query_weight,
            self.idf,
            IDF_POWER,
            self.term_count,
            K1 + 1.0,
            self.term_count,
            self.length_norm,
            self.n_having
        )
    }
}

/// The weight of a term against an index.
pub fn term_weight(query_weight: f32, idf: f32) -> f32 {
    query_weight * idf.powf(IDF_POWER) * (K1 + 1.0)
}

/// What a term of `weight` adds to a passage that has it `count` times.
#[inline]
pub fn term_score(weight: f32, count: u32, length_norm: f32) -> f32 {
    let count = count as f32;
    weight * count / (count + length_norm)
}

/// K1·(1 − B + B·length/mean) for every one-byte length.
pub fn length_norms(mean_length: f32) -> [f32; 256] {
    std::array::from_fn(|id| {
        let length = FieldNormReader::id_to_fieldnorm(id as u8) as f32;
        K1 * (1.0 - B + B * length / mean_length.max(1.0))
    })
}

/// Keeps the `limit` best of what it is offered: higher score first, then lower key.
#[derive(Debug)]
pub struct Best {
    limit: usize,
    /// Up to twice `limit`, unsorted.
    kept: Vec<(f32, u32)>,
    /// Offers below it cannot be among the best.
    threshold: f32,
}

impl Best {
    /// Nothing kept yet.
    pub fn new(limit: usize) -> Self {
        let threshold = if limit == 0 { f32::INFINITY } else { 0.0 };
        Self {
            limit,
            kept: Vec::with_capacity(limit.min(1 << 16) * 2),
            threshold,
        }
    }

    /// A score not above zero or below this cannot be among the best.
    #[inline]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Offers a key with its score; keys are distinct.
    #[inline]
    pub fn offer(&mut self, key: u32, score: f32) {
        if score > 0.0 && score >= self.threshold {
            self.kept.push((score, key));
            if self.kept.len() >= self.limit * 2 {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.kept.len() > self.limit {
            self.kept
                .select_nth_unstable_by(self.limit - 1, by_score_then_key);
            self.kept.truncate(self.limit);
            self.threshold = self.kept[self.limit - 1].0;
        }
    }

    /// What is best, best first.
    pub fn into_sorted(mut self) -> Vec<(u32, f32)> {
        self.kept.sort_unstable_by(by_score_then_key);
        self.kept.truncate(self.limit);
        self.kept
            .into_iter()
            .map(|(score, key)| (key, score))
            .collect()
    }
}

fn by_score_then_key(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn idf_by_hand() {
        // ln(1 + (10 − 2 + 0.5) / (2 + 0.5)) = ln 4.4
        assert!((idf(2, 10) - 4.4f32.ln()).abs() < 1e-6);
        assert!(idf(10, 10) > 0.0);
    }

    #[test]
    fn a_term_by_hand() {
        // A passage of mean length has the norm K1, so one occurrence gives w·(K1+1)/(1+K1) = w.
        let norms = length_norms(40.0);
        let id = FieldNormReader::fieldnorm_to_id(40) as usize;
        assert!((norms[id] - K1).abs() < 1e-6);
        let weight = term_weight(0.5, 1.0);
        assert!((term_score(weight, 1, norms[id]) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn ties_go_to_the_lower_key_and_zero_is_nothing() {
        let mut best = Best::new(2);
        for (key, score) in [(9, 1.0), (3, 1.0), (7, 1.0), (1, 0.0), (8, 2.0), (2, 0.5)] {
            best.offer(key, score);
        }
        assert_eq!(best.into_sorted(), [(8, 2.0), (3, 1.0)]);
        let mut none = Best::new(0);
        none.offer(1, 1.0);
        assert_eq!(none.into_sorted(), []);
    }

    proptest! {
        #[test]
        fn keeps_what_sorting_everything_keeps(
            scores in prop::collection::vec(0u8..6, 0..80), limit in 0usize..12,
        ) {
            let mut best = Best::new(limit);
            let mut all: Vec<(f32, u32)> = Vec::new();
            for (key, score) in scores.iter().enumerate() {
                best.offer(key as u32, f32::from(*score));
                all.push((f32::from(*score), key as u32));
            }
            all.retain(|(score, _)| *score > 0.0);
            all.sort_by(by_score_then_key);
            let expected: Vec<(u32, f32)> = all.into_iter().take(limit).map(|(s, k)| (k, s)).collect();
            prop_assert_eq!(best.into_sorted(), expected);
        }
    }
}
