//! Two ranked lists of passages → one.
//!
//! Pure arithmetic on passage numbers and scores: knows no index, no text and no configuration.

use crate::document::PassageNo;

/// k of reciprocal rank fusion, as its authors chose it.
const RECIPROCAL_RANK_K: f32 = 60.0;

/// How two lists become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FusionMethod {
    /// [`weighted`].
    Weighted {
        /// Share of the lexical list, 0..=1.
        lexical_weight: f32,
    },
    /// [`reciprocal_rank`].
    ReciprocalRank,
}

/// A passage with its fused score and what each list added to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fused {
    /// Which passage.
    pub passage: PassageNo,
    /// `lexical + vector`.
    pub score: f32,
    /// Added by the lexical list; 0 for a passage that it lacks.
    pub lexical: f32,
    /// Added by the vector list; 0 for a passage that it lacks.
    pub vector: f32,
}

/// Why lists cannot be fused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FusionError {
    /// A weight that is no share.
    #[error("the lexical weight is {0}; choose 0 to 1")]
    Weight(f32),
}

/// What tells how far a query can be answered by its words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryShape {
    /// Distinct terms.
    pub n_terms: usize,
    /// Best lexical score, as a share of what a passage with every term of the query would score
    /// ([`PreparedQuery::full_score`](crate::lexical::PreparedQuery::full_score)); may exceed 1.
    pub coverage: f32,
}

/// Terms from which on a query says so much by its words that its vector, a mean over them all,
/// counts less.
///
/// Measured on citizens' letters (median 211 characters): without it the vectors take away more
/// than they add there; questions of a sentence or two stay below it.
const LONG_QUERY_TERMS: f32 = 40.0;

/// Coverage at which the words have exactly their configured share.
const USUAL_COVERAGE: f32 = 0.57;

/// What one of coverage adds to the share of the words. A text that takes up a whole question puts
/// it in the same words: names, years and figures decide. Where no text has more than a few of the
/// words, the right one says it in others.
///
/// Chosen with [`USUAL_COVERAGE`] and [`SHARES`] on five packs at once. Other things equal, nDCG@10
/// went from .497 to .515 on questions for facts (admissions) and from .404 to .410 on stories
/// (legal advice), and stayed within .002 on titles of letters and on statutes.
const COVERAGE_COUNTS: f32 = 0.7;

/// The share of the words stays within these, unless it was configured outside of them.
const SHARES: (f32, f32) = (0.3, 0.95);

impl FusionMethod {
    /// Whether scores are compared, not ranks: each list should then hold the other's candidates.
    pub fn compares_scores(self) -> bool {
        matches!(self, Self::Weighted { .. })
    }

    /// The method for a query of this shape: the share of the words rises with the coverage,
    /// w + 0.7·(coverage − 0.57), and that of the vectors falls as `min(1, 40 / n_terms)`.
    ///
    /// A share configured as 0 or 1 stays: one side was switched off.
    pub fn for_query_of(self, shape: QueryShape) -> Self {
        match self {
            Self::Weighted { lexical_weight } if lexical_weight > 0.0 && lexical_weight < 1.0 => {
                let moved = lexical_weight + COVERAGE_COUNTS * (shape.coverage - USUAL_COVERAGE);
                let share = moved.clamp(SHARES.0.min(lexical_weight), SHARES.1.max(lexical_weight));
                let kept = (LONG_QUERY_TERMS / shape.n_terms.max(1) as f32).min(1.0);
                Self::Weighted {
                    lexical_weight: 1.0 - (1.0 - share) * kept,
                }
            }
            Self::Weighted { .. } | Self::ReciprocalRank => self,
        }
    }

    /// Fuses two lists, best first with unique passages, into at most `limit` hits.
    ///
    /// # Errors
    /// [`FusionError::Weight`] if the weight is not in 0..=1.
    pub fn fuse(
        self,
        lexical: &[(PassageNo, f32)],
        vector: &[(PassageNo, f32)],
        limit: usize,
    ) -> Result<Vec<Fused>, FusionError> {
        match self {
            Self::Weighted { lexical_weight } => weighted(lexical, vector, lexical_weight, limit),
            Self::ReciprocalRank => Ok(reciprocal_rank(lexical, vector, limit)),
        }
    }
}

/// Fuses a lexical and a vector list: score(p) = w·lex(p)/lex_max + (1−w)·vec(p)/vec_max.
///
/// Lists have unique passages, in any order; a passage missing from one list scores 0 there, and so does a negative
/// score (a passage that points away from the query is no better than one that was not found).
/// Returns at most `limit` hits, best first, ties by ascending passage number.
///
/// # Errors
/// [`FusionError::Weight`] if `lexical_weight` is not in 0..=1.
///
/// Source: Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023, with the
/// theoretical minimum 0 of both scores.
pub fn weighted(
    lexical: &[(PassageNo, f32)],
    vector: &[(PassageNo, f32)],
    lexical_weight: f32,
    limit: usize,
) -> Result<Vec<Fused>, FusionError> {
    if !(0.0..=1.0).contains(&lexical_weight) {
        return Err(FusionError::Weight(lexical_weight));
    }
    let shares = |list: &[(PassageNo, f32)], weight: f32| -> Vec<(PassageNo, f32)> {
        let most = list
            .iter()
            .fold(0.0f32, |most, &(_, score)| most.max(score));
        let share = |score: f32| {
            if most > 0.0 {
                weight * (score.max(0.0) / most)
            } else {
                0.0
            }
        };
        list.iter()
            .map(|&(passage, score)| (passage, share(score)))
            .collect()
    };
    Ok(add(
        shares(lexical, lexical_weight),
        shares(vector, 1.0 - lexical_weight),
        limit,
    ))
}

/// Fuses two lists by rank alone: score(p) = Σ 1/(60 + rank(p)), ranks from 1.
///
/// Lists come best first with unique passages; a passage missing from one list scores 0 there.
/// Returns at most `limit` hits, best first, ties by ascending passage number.
///
/// Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
/// individual Rank Learning Methods", SIGIR 2009.
pub fn reciprocal_rank(
    lexical: &[(PassageNo, f32)],
    vector: &[(PassageNo, f32)],
    limit: usize,
) -> Vec<Fused> {
    let ranks = |list: &[(PassageNo, f32)]| -> Vec<(PassageNo, f32)> {
        let ranked = list.iter().zip(1u16..);
        ranked
            .map(|(&(passage, _), rank)| (passage, 1.0 / (RECIPROCAL_RANK_K + f32::from(rank))))
            .collect()
    };
    add(ranks(lexical), ranks(vector), limit)
}

/// Adds up what each list gives to a passage.
fn add(lexical: Vec<(PassageNo, f32)>, vector: Vec<(PassageNo, f32)>, limit: usize) -> Vec<Fused> {
    let fused = |passage, lexical, vector| Fused {
        passage,
        score: lexical + vector,
        lexical,
        vector,
    };
    let mut hits: Vec<Fused> = lexical
        .into_iter()
        .map(|(p, share)| fused(p, share, 0.0))
        .collect();
    hits.extend(vector.into_iter().map(|(p, share)| fused(p, 0.0, share)));
    hits.sort_unstable_by_key(|hit| hit.passage);
    hits.dedup_by(|next, kept| {
        let is_same = next.passage == kept.passage;
        if is_same {
            *kept = fused(
                kept.passage,
                kept.lexical + next.lexical,
                kept.vector + next.vector,
            );
        }
        is_same
    });
    hits.sort_unstable_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.passage.cmp(&b.passage))
    });
    hits.truncate(limit);
    hits
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn hit(passage: PassageNo, lexical: f32, vector: f32) -> Fused {
        Fused {
            passage,
            score: lexical + vector,
            lexical,
            vector,
        }
    }

    #[test]
    fn weighted_scores_are_shares_of_the_best() {
        let lexical = [(1, 8.0), (2, 4.0), (3, 2.0)];
        let vector = [(3, 0.5), (4, 0.25), (5, -0.1)];
        let fused = weighted(&lexical, &vector, 0.75, 10).unwrap();
        // 1: ¾·8/8 = .75; 3: ¾·2/8 + ¼·1 = .1875 + .25; 2: ¾·4/8 = .375; 4: ¼·½; 5: 0.
        let expected = [
            hit(1, 0.75, 0.0),
            hit(3, 0.1875, 0.25),
            hit(2, 0.375, 0.0),
            hit(4, 0.0, 0.125),
            hit(5, 0.0, 0.0),
        ];
        assert_eq!(fused, expected);
        assert_eq!(weighted(&lexical, &vector, 0.75, 2).unwrap(), expected[..2]);
    }

    #[test]
    fn ranks_alone_decide_in_reciprocal_rank_fusion() {
        let fused = reciprocal_rank(&[(7, 100.0), (8, 0.1)], &[(8, 0.9), (9, 0.8)], 10);
        let expected = [
            hit(8, 1.0 / 62.0, 1.0 / 61.0),
            hit(7, 1.0 / 61.0, 0.0),
            hit(9, 0.0, 1.0 / 62.0),
        ];
        assert_eq!(fused, expected);
    }

    #[test]
    fn ties_go_to_the_smaller_number() {
        let fused = weighted(&[(9, 1.0), (4, 1.0)], &[(6, 0.3)], 0.5, 10).unwrap();
        let order: Vec<_> = fused.iter().map(|hit| hit.passage).collect();
        assert_eq!(order, [4, 6, 9]);
    }

    #[test]
    fn an_extreme_weight_silences_the_other_list() {
        let (lexical, vector) = ([(1, 3.0)], [(2, 0.5)]);
        let words = weighted(&lexical, &vector, 1.0, 10).unwrap();
        assert_eq!(words, [hit(1, 1.0, 0.0), hit(2, 0.0, 0.0)]);
        let meaning = weighted(&lexical, &vector, 0.0, 10).unwrap();
        assert_eq!(meaning, [hit(2, 0.0, 1.0), hit(1, 0.0, 0.0)]);
        assert!(weighted(&[], &[], 0.5, 10).unwrap().is_empty());
    }

    #[test]
    fn weights_that_are_no_shares_are_refused() {
        for weight in [-0.01, 1.01, f32::NAN, f32::INFINITY] {
            assert!(matches!(
                weighted(&[], &[], weight, 10),
                Err(FusionError::Weight(_))
            ));
        }
    }

    #[test]
    fn odd_scores_do_no_harm() {
        let lexical = [(1, f32::NAN), (2, -1.0), (3, 0.0)];
        let fused = weighted(&lexical, &[], 0.5, 10).unwrap();
        assert_eq!(
            fused,
            [hit(1, 0.0, 0.0), hit(2, 0.0, 0.0), hit(3, 0.0, 0.0)]
        );
    }

    #[test]
    fn words_count_more_where_a_text_takes_up_the_question() {
        let share = |lexical_weight, n_terms, coverage| {
            let method = FusionMethod::Weighted { lexical_weight };
            match method.for_query_of(QueryShape { n_terms, coverage }) {
                FusionMethod::Weighted { lexical_weight } => lexical_weight,
                FusionMethod::ReciprocalRank => panic!("another method"),
            }
        };
        assert_eq!(share(0.6, 10, USUAL_COVERAGE), 0.6);
        assert!((share(0.6, 10, 0.77) - 0.74).abs() < 1e-6);
        assert_eq!(share(0.6, 10, 9.0), SHARES.1);
        assert_eq!(share(0.6, 10, 0.0), SHARES.0);
        // The vectors' 0.7 of a query of 80 terms is halved.
        assert!((share(0.6, 80, 0.0) - 0.65).abs() < 1e-6);
        for switched_off in [0.0, 1.0] {
            assert_eq!(share(switched_off, 80, 0.9), switched_off);
        }
        assert!((share(0.1, 10, 0.0) - 0.1).abs() < 1e-6);
    }

    fn list() -> impl Strategy<Value = Vec<(PassageNo, f32)>> {
        prop::collection::btree_map(0u32..60, 0.0f32..30.0, 0..40).prop_map(best_first)
    }

    fn best_first(scores: BTreeMap<PassageNo, f32>) -> Vec<(PassageNo, f32)> {
        let mut list: Vec<_> = scores.into_iter().collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1));
        list
    }

    proptest! {
        #[test]
        fn every_passage_comes_once_best_first(
            lexical in list(), vector in list(), weight in 0.0f32..=1.0, limit in 0usize..100,
        ) {
            let passages: BTreeSet<_> = lexical.iter().chain(&vector).map(|hit| hit.0).collect();
            for method in [
                FusionMethod::Weighted { lexical_weight: weight },
                FusionMethod::ReciprocalRank,
            ] {
                let fused = method.fuse(&lexical, &vector, limit).unwrap();
                prop_assert_eq!(fused.len(), passages.len().min(limit));
                for pair in fused.windows(2) {
                    prop_assert!(
                        pair[0].score > pair[1].score
                            || (pair[0].score == pair[1].score && pair[0].passage < pair[1].passage)
                    );
                }
                for hit in &fused {
                    prop_assert!(passages.contains(&hit.passage));
                    prop_assert_eq!(hit.score, hit.lexical + hit.vector);
                    prop_assert!((0.0..=1.000_001).contains(&hit.score));
                }
            }
        }

        #[test]
        fn swapping_the_lists_swaps_the_contributions(lexical in list(), vector in list()) {
            let there = reciprocal_rank(&lexical, &vector, 100);
            let back = reciprocal_rank(&vector, &lexical, 100);
            let swapped: Vec<_> =
                back.iter().map(|h| hit(h.passage, h.vector, h.lexical)).collect();
            prop_assert_eq!(there, swapped);
        }
    }
}
