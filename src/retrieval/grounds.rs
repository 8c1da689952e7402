//! What a hit has of the words that say what a question is about.
//!
//! A passage about the card for old people stands out for a question about their allowance, and does not
//! answer it: the one word that matters is missing. Ranking does not mind, for it only compares; who
//! decides whether to answer at all has to look.

use std::collections::{BTreeMap, BTreeSet};

use super::SearchError;
use super::reading::Reading;
use crate::document::Metadata;
use crate::engine::Snapshot;
use crate::lexical::StoredPassage;
use crate::text::{Analyser, is_han, is_stop_word, normalise};

/// Words of the question and how far a hit has them, in the question's order, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grounds {
    /// Never empty where the question has words that mean something.
    pub words: Vec<AskedWord>,
}

/// A word of the question against one hit.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedWord {
    /// In normal form.
    pub text: String,
    /// [`crate::lexical`]'s idf; that of a word of one passage if the index does not have it.
    pub rarity: f32,
    /// Whether any passage has it.
    pub is_known: bool,
    /// Whether it names a place.
    pub is_place: bool,
    /// 1 if it, or a synonym of it, stands in the title, a heading, the text or the labels of the hit,
    /// less if only a part of it does, 0 if nothing does.
    pub found: f32,
}

impl Grounds {
    /// Share of the question's words that the hit has, by their rarity; 0 without words.
    pub fn covered(&self) -> f32 {
        let all: f32 = self.words.iter().map(|word| word.rarity).sum();
        let found: f32 = self.words.iter().map(|word| word.rarity * word.found).sum();
        if all > 0.0 { found / all } else { 0.0 }
    }

    /// Rarity of the rarest word that the hit has nothing of, as a share of the rarest one's.
    pub fn missed(&self) -> f32 {
        let rarest = self
            .words
            .iter()
            .map(|word| word.rarity)
            .fold(0.0, f32::max);
        let missed = self
            .words
            .iter()
            .map(|word| word.rarity * (1.0 - word.found));
        match rarest > 0.0 {
            true => missed.fold(0.0, f32::max) / rarest,
            false => 0.0,
        }
    }
}

/// The words of a question that say what it is about, ready to be looked for in hits.
pub struct AskedWords {
    words: Vec<AskedWord>,
    /// By word, what else it may be called.
    also: Vec<Vec<String>>,
}

impl AskedWords {
    /// Reads a question: one cut without overlaps, no stop words, no words that only ask.
    ///
    /// # Errors
    /// [`SearchError::Index`] if the index cannot be read.
    pub fn of(snapshot: &Snapshot, reading: &Reading) -> Result<Self, SearchError> {
        let prepared = snapshot.words.prepare(&reading.lexical)?;
        let rarities: BTreeMap<&str, f32> = prepared.rarities().collect();
        let unknown = crate::lexical::idf(1, snapshot.words.n_passages() as u64);
        let places = snapshot.analyser.place_names(&reading.normalised);
        let mut seen = BTreeSet::new();
        let mut asked = Self {
            words: Vec::new(),
            also: Vec::new(),
        };
        for word in snapshot.analyser.plain_words(&reading.normalised) {
            if is_empty_word(&word.text) || !seen.insert(word.text.clone()) {
                continue;
            }
            asked.also.push(synonyms(&snapshot.analyser, &word.text));
            let known = rarities.get(word.text.as_str()).copied();
            asked.words.push(AskedWord {
                rarity: known.unwrap_or(unknown),
                is_known: known.is_some(),
                is_place: places.contains(&word.text),
                found: 0.0,
                text: word.text,
            });
        }
        Ok(asked)
    }

    /// How far one passage has them.
    pub fn in_passage(&self, stored: &StoredPassage, normalised_text: &str) -> Grounds {
        let around = normalise(&surroundings(stored));
        let places = [around.as_str(), normalised_text];
        let words = self.words.iter().zip(&self.also).map(|(word, also)| {
            let names = std::iter::once(&word.text).chain(also);
            let shares = names.map(|name| share_found(name, &places));
            AskedWord {
                found: shares.fold(0.0, f32::max),
                ..word.clone()
            }
        });
        Grounds {
            words: words.collect(),
        }
    }
}

fn is_empty_word(word: &str) -> bool {
    is_stop_word(word)
        || crate::lexical::QUESTION_WORDS.contains(&word)
        || !word.chars().any(char::is_alphanumeric)
}

fn synonyms(analyser: &Analyser, word: &str) -> Vec<String> {
    analyser.synonyms(word).to_vec()
}

/// What is known of a passage besides its text.
fn surroundings(stored: &StoredPassage) -> String {
    let Metadata {
        department,
        region,
        issuer,
        doc_no,
        topics,
        keywords,
        ..
    } = &stored.metadata;
    let names = [department, region, issuer, doc_no];
    let mut parts: Vec<&str> = vec![&stored.title];
    parts.extend(names.into_iter().flatten().map(String::as_str));
    let lists = [
        &stored.passage.heading,
        &stored.passage.questions,
        keywords,
        &topics.business,
        &topics.object,
    ];
    parts.extend(lists.into_iter().flatten().map(String::as_str));
    parts.join("\n")
}

/// 1 if `name` stands in one of `places`; else the share of the longest part of two characters or more
/// that does, if it is a word of Chinese characters.
fn share_found(name: &str, places: &[&str]) -> f32 {
    let stands = |part: &str| places.iter().any(|place| place.contains(part));
    if stands(name) {
        return 1.0;
    }
    if !name.chars().all(is_han) {
        return 0.0;
    }
    let ends: Vec<usize> = name
        .char_indices()
        .map(|(at, _)| at)
        .chain([name.len()])
        .collect();
    let n_chars = ends.len() - 1;
    for n in (2..n_chars).rev() {
        for start in 0..=n_chars - n {
            if stands(&name[ends[start]..ends[start + n]]) {
                return n as f32 / n_chars as f32;
            }
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, rarity: f32, found: f32) -> AskedWord {
        AskedWord {
            text: text.to_owned(),
            rarity,
            is_known: true,
            is_place: false,
            found,
        }
    }

    #[test]
    fn rare_words_count_more() {
        let grounds = Grounds {
            words: vec![word("高龄", 6.0, 0.0), word("津贴", 2.0, 1.0)],
        };
        assert_eq!(grounds.covered(), 0.25);
        assert_eq!(grounds.missed(), 1.0);
        assert_eq!(Grounds::default().covered(), 0.0);
        assert_eq!(Grounds::default().missed(), 0.0);
    }

    #[test]
    fn parts_of_a_word_count_by_their_length() {
        for (name, place, expected) in [
            ("养老金", "领取基本养老金的条件", 1.0),
            ("失业金", "失业保险", 2.0 / 3.0),
            ("失业金", "就业", 0.0),
            ("津贴", "津", 0.0),
            ("2025", "2026", 0.0),
        ] {
            assert_eq!(share_found(name, &["", place]), expected, "{name}");
        }
    }
}
