//! The passages that compete for a place among the hits, in order.

use std::collections::BTreeMap;

use super::Contributions;
use super::fusion::Fused;
use crate::document::PassageNo;

/// What a passage gains because the query names its document number, title or article: more than
/// fused scores can reach, so that what was asked for by name stands first.
const NAMED_BONUS: f32 = 1.0;

/// One passage with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which passage.
    pub passage: PassageNo,
    /// What its score is made of.
    pub contributions: Contributions,
}

impl Candidate {
    /// Higher is better.
    pub fn score(&self) -> f32 {
        self.contributions.lexical + self.contributions.vector + self.contributions.reference
    }
}

/// Fused candidates and those that the query names, best first; ties by the order in which the
/// query names them, then by passage number.
pub fn rank(fused: Vec<Fused>, named: &[PassageNo]) -> Vec<Candidate> {
    let mut order: BTreeMap<PassageNo, usize> = BTreeMap::new();
    let mut candidates: BTreeMap<PassageNo, Contributions> = fused
        .into_iter()
        .map(|hit| {
            let contributions = Contributions {
                lexical: hit.lexical,
                vector: hit.vector,
                reference: 0.0,
            };
            (hit.passage, contributions)
        })
        .collect();
    for (at, passage) in named.iter().enumerate() {
        order.insert(*passage, at);
        candidates.entry(*passage).or_default().reference = NAMED_BONUS;
    }
    let mut ranked: Vec<Candidate> = candidates
        .into_iter()
        .map(|(passage, contributions)| Candidate {
            passage,
            contributions,
        })
        .collect();
    let place = |candidate: &Candidate| {
        (
            order.get(&candidate.passage).copied().unwrap_or(usize::MAX),
            candidate.passage,
        )
    };
    ranked.sort_by(|a, b| {
        b.score()
            .total_cmp(&a.score())
            .then_with(|| place(a).cmp(&place(b)))
    });
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_passages_stand_first_and_unfound_ones_too() {
        let fused = |passage, lexical, vector| Fused {
            passage,
            score: lexical + vector,
            lexical,
            vector,
        };
        let ranked = rank(vec![fused(7, 0.6, 0.4), fused(3, 0.1, 0.2)], &[9, 3, 4]);
        let order: Vec<_> = ranked.iter().map(|candidate| candidate.passage).collect();
        assert_eq!(order, [3, 9, 4, 7]);
        assert_eq!(ranked[0].score(), 0.1 + 0.2 + 1.0);
        assert_eq!(ranked[1].score(), 1.0);
    }
}
