//! The words of a query that say what it is about, for whoever decides whether a hit answers at all.
//!
//! Ranking compares hits with each other: a passage about the card for old people stands out for a
//! question about their allowance, and does not answer it.

use std::collections::{BTreeMap, BTreeSet};

use super::SearchError;
use super::reading::Reading;
use crate::engine::Snapshot;
use crate::lexical::{QUESTION_WORDS, idf};
use crate::text::{general_rarity, is_place_name, is_stop_word, place_names};

/// Words as rare in general Chinese as this say nothing of what a question is about, `知道` among them.
const COMMON: f32 = 7.5;
/// What the rarest words weigh, and the commonest.
const WEIGHTS: (f32, f32) = (0.2, 7.0);

/// A word of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedWord {
    /// In normal form.
    pub text: String,
    /// What else it may be called in the corpus.
    pub also: Vec<String>,
    /// How much it says of what the query is about, 0.2 to 7: by its rarity in general Chinese.
    pub weight: f32,
    /// Its rarity in the index; that of a word of one passage if the index does not have it.
    pub rarity: f32,
    /// Whether the index may have it: what it is made of stands there.
    pub is_known: bool,
    /// Whether it names a place.
    pub is_place: bool,
}

/// The words of a query in its order, each once: one cut without overlaps, no stop words, no words that
/// only ask.
///
/// # Errors
/// [`SearchError::Index`] if the index cannot be read.
pub fn asked_words(snapshot: &Snapshot, reading: &Reading) -> Result<Vec<AskedWord>, SearchError> {
    let prepared = snapshot.words.prepare(&reading.lexical)?;
    let rarities: BTreeMap<&str, f32> = prepared.rarities().collect();
    let unknown = idf(1, snapshot.words.n_passages() as u64);
    let mut seen = BTreeSet::new();
    let text = reading.said();
    let cut = snapshot.analyser.plain_words(text);
    let words = cut
        .iter()
        .map(|word| word.text.as_str())
        .filter(|word| says_something(word));
    // Names that no dictionary has are cut in pieces.
    let words: Vec<&str> = words.chain(place_names(text)).collect();
    let asked = words
        .into_iter()
        .filter(|word| seen.insert(*word))
        .map(|word| {
            let rarity = rarity(&rarities, word);
            AskedWord {
                text: word.to_owned(),
                also: snapshot.analyser.synonyms(word).to_vec(),
                weight: (general_rarity(word) - COMMON).clamp(WEIGHTS.0, WEIGHTS.1),
                rarity: rarity.unwrap_or(unknown),
                is_known: rarity.is_some(),
                is_place: is_place_name(word),
            }
        });
    Ok(asked.collect())
}

/// The rarity of a word, or of the rarest pair of characters in it; `None` if the index lacks either.
fn rarity(rarities: &BTreeMap<&str, f32>, word: &str) -> Option<f32> {
    if let Some(rarity) = rarities.get(word) {
        return Some(*rarity);
    }
    let of_pairs: Option<Vec<f32>> = pairs(word)
        .map(|pair| rarities.get(pair).copied())
        .collect();
    Some(of_pairs?.into_iter().fold(0.0, f32::max))
}

/// Neighbouring characters, which are what the index has of longer words; one that it cannot have of a
/// single character.
fn pairs(word: &str) -> impl Iterator<Item = &str> {
    let ends: Vec<usize> = word
        .char_indices()
        .map(|(at, _)| at)
        .chain([word.len()])
        .collect();
    let n = ends.len().saturating_sub(2).max(1);
    (0..n).map(move |at| &word[ends[at]..ends[(at + 2).min(ends.len() - 1)]])
}

fn says_something(word: &str) -> bool {
    !is_stop_word(word)
        && !QUESTION_WORDS.contains(&word)
        && word.chars().any(char::is_alphanumeric)
}
