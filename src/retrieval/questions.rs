//! Passages that answer a known question: how much of it the query asks.
//!
//! Words weigh what they are rare: `身份证` stands in every list of papers to bring, so that a query for it
//! finds whatever else was lost (`结婚证丢了怎么补`). The question of an entry is short and says exactly
//! what it answers.

use std::collections::BTreeMap;

use super::SearchError;
use super::candidates::Candidate;
use super::likeness::pairs;
use super::reading::Reading;
use crate::document::PassageNo;
use crate::lexical::{LexicalSnapshot, StoredPassage};

/// Candidates whose questions are read.
const N_READ: usize = 30;
/// What a question adds that the query asks in full.
const WHOLE: f32 = 0.3;
/// Share of a question up to which it adds nothing: `怎么补办` stands in many.
const BEGINS: f32 = 0.5;
/// Shorter questions, in pairs of characters, say too little.
const MIN_PAIRS: usize = 4;

/// Gives the first candidates what their questions add, and puts them in order again; ties keep it.
/// What was read of them, so that nobody reads it again.
///
/// # Errors
/// [`SearchError::Index`] if the index cannot be read.
pub fn heed_questions(
    words: &LexicalSnapshot,
    reading: &Reading,
    candidates: &mut [Candidate],
) -> Result<BTreeMap<PassageNo, StoredPassage>, SearchError> {
    let mut read = BTreeMap::new();
    let asked = pairs(reading.said());
    for candidate in candidates.iter_mut().take(N_READ) {
        let Some(stored) = words.passage(candidate.passage)? else {
            continue;
        };
        let shares = stored.passage.questions.iter().map(|question| {
            let of_question = pairs(question);
            match of_question.len() {
                n if n < MIN_PAIRS => 0.0,
                n => of_question.intersection(&asked).count() as f32 / n as f32,
            }
        });
        let share = shares.fold(0.0, f32::max);
        read.insert(candidate.passage, stored);
        candidate.contributions.question = WHOLE * (share - BEGINS).max(0.0) / (1.0 - BEGINS);
    }
    candidates.sort_by(|a, b| b.score().total_cmp(&a.score()));
    Ok(read)
}
