//! The passages that compete for a place among the hits, in order.

use std::collections::BTreeMap;

use super::Contributions;
use super::fusion::Fused;
use crate::document::PassageNo;
use crate::vector::PassageSet;

/// What a passage gains because the query names its document number, title or article: more than
/// fused scores can reach, so that what was asked for by name stands first.
const NAMED_BONUS: f32 = 1.0;

/// What a passage that is not in force keeps of its score: a rule in force that says nearly as much
/// stands before it.
const NOT_IN_FORCE: f32 = 0.85;

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
///
/// `in_force` are the passages that count in full; `None`: all of them.
pub fn rank(
    fused: Vec<Fused>,
    named: &[PassageNo],
    in_force: Option<&PassageSet>,
) -> Vec<Candidate> {
    let mut order: BTreeMap<PassageNo, usize> = BTreeMap::new();
    let mut candidates: BTreeMap<PassageNo, Contributions> = fused
        .into_iter()
        .map(|hit| {
            let counts_fully = in_force.is_none_or(|in_force| in_force.contains(hit.passage));
            let share = if counts_fully { 1.0 } else { NOT_IN_FORCE };
            let contributions = Contributions {
                lexical: share * hit.lexical,
                vector: share * hit.vector,
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
        let ranked = rank(
            vec![fused(7, 0.6, 0.4), fused(3, 0.1, 0.2)],
            &[9, 3, 4],
            None,
        );
        let order: Vec<_> = ranked.iter().map(|candidate| candidate.passage).collect();
        assert_eq!(order, [3, 9, 4, 7]);
        assert_eq!(ranked[0].score(), 0.1 + 0.2 + 1.0);
        assert_eq!(ranked[1].score(), 1.0);
    }

    #[test]
    fn what_is_not_in_force_stands_behind_what_nearly_says_as_much() {
        let fused = |passage, lexical| Fused {
            passage,
            score: lexical,
            lexical,
            vector: 0.0,
        };
        let mut in_force = PassageSet::new();
        in_force.insert(2);
        let ranked = rank(
            vec![fused(1, 1.0), fused(2, 0.9), fused(3, 0.8)],
            &[],
            Some(&in_force),
        );
        let order: Vec<_> = ranked.iter().map(|candidate| candidate.passage).collect();
        assert_eq!(order, [2, 1, 3]);
        assert_eq!(ranked[1].score(), 0.85);
    }
}
