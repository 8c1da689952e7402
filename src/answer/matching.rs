//! How far a text has the words of a question: by letters, by synonyms, by meaning.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use crate::embedding::StaticEmbedder;
use crate::retrieval::AskedWord;
use crate::text::{Analyser, is_han, normalise};

/// Cosine of two words up to which they have nothing to do with each other, and from which on one may
/// stand for the other.
const RELATED: (f32, f32) = (0.2, 0.8);

/// Words of a question that are looked for: what a citizen types has fewer, and each is compared with every
/// word of the sources.
const MAX_WORDS: usize = 80;

/// Word vectors are those of the built-in model, whatever model the index is of: it has one for nearly
/// every word and gives it in no time.
static VECTORS: LazyLock<Option<StaticEmbedder>> = LazyLock::new(|| {
    StaticEmbedder::built_in()
        .inspect_err(|error| tracing::error!(%error, "answers are judged by letters alone"))
        .ok()
});

/// Reads the word vectors, so that the first question does not wait for them.
pub fn get_ready() {
    LazyLock::force(&VECTORS);
}

/// The words of a question, ready to be looked for.
pub struct Asked {
    words: Vec<AskedWord>,
    /// By word; empty without a model.
    vectors: Vec<Vec<f32>>,
    /// Sum of the weights.
    weight: f32,
    /// By word of a text: how near it comes to each of the words. Texts of one matter repeat their words.
    near: RefCell<HashMap<String, Vec<f32>>>,
}

/// By word of the question: 1 if a text has it, less if it has a part of it or a related word, 0 if it has
/// nothing like it.
pub type Found = Vec<f32>;

impl Asked {
    /// Takes the words of a question; of a very long one the first [`MAX_WORDS`].
    pub fn new(mut words: Vec<AskedWord>) -> Self {
        words.truncate(MAX_WORDS);
        let vectors = match &*VECTORS {
            Some(model) => words
                .iter()
                .map(|word| model.word_vector(&word.text))
                .collect(),
            None => Vec::new(),
        };
        Self {
            weight: words.iter().map(|word| word.weight).sum(),
            vectors,
            words,
            near: RefCell::default(),
        }
    }

    /// The words.
    pub fn words(&self) -> &[AskedWord] {
        &self.words
    }

    /// What `text` has of them.
    pub fn found(&self, text: &str) -> Found {
        let normalised = normalise(text);
        let text = normalised.as_str();
        let mut found: Found = self
            .words
            .iter()
            .map(|word| by_letters(word, text))
            .collect();
        if found.iter().all(|found| *found >= 1.0) {
            return found;
        }
        let related = self.related(text);
        for (found, related) in found.iter_mut().zip(related) {
            *found = found.max(related);
        }
        found
    }

    /// By word of the question, how near the nearest word of `text` comes to it.
    fn related(&self, text: &str) -> Found {
        let mut best = vec![0.0_f32; self.vectors.len()];
        let Some(model) = &*VECTORS else {
            return best;
        };
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut near = self.near.borrow_mut();
        let words = Analyser::built_in().plain_words(text);
        for word in &words {
            // One character has too many meanings.
            if word.text.chars().nth(1).is_none() || !seen.insert(&word.text) {
                continue;
            }
            let cosines = near.entry(word.text.clone()).or_insert_with(|| {
                let vector = model.word_vector(&word.text);
                let cosine = |asked: &Vec<f32>| asked.iter().zip(&vector).map(|(a, b)| a * b).sum();
                self.vectors.iter().map(cosine).collect()
            });
            for (best, cosine) in best.iter_mut().zip(cosines) {
                *best = best.max(*cosine);
            }
        }
        let scaled = |cosine: f32| (cosine - RELATED.0) / (RELATED.1 - RELATED.0);
        best.into_iter()
            .map(|best| scaled(best).clamp(0.0, 1.0))
            .collect()
    }

    /// Share of the question that is found, by the weight of its words; 0 for a question without words.
    pub fn share(&self, found: &Found) -> f32 {
        let sum: f32 = self
            .words
            .iter()
            .zip(found)
            .map(|(word, found)| word.weight * found)
            .sum();
        if self.weight > 0.0 {
            sum / self.weight
        } else {
            0.0
        }
    }

    /// Share of the question that is not found, of words that the index has.
    pub fn lacks(&self, found: &Found) -> f32 {
        let words = self
            .words
            .iter()
            .zip(found)
            .filter(|(word, _)| word.is_known);
        let sum: f32 = words.map(|(word, found)| word.weight * (1.0 - found)).sum();
        if self.weight > 0.0 {
            sum / self.weight
        } else {
            0.0
        }
    }
}

/// The greater of two for every word.
pub fn either(a: &Found, b: &Found) -> Found {
    a.iter().zip(b).map(|(a, b)| a.max(*b)).collect()
}

/// 1 if the word or a synonym stands in `text`; else the share of the longest part of two characters or
/// more that does, if it is a word of Chinese characters.
fn by_letters(word: &AskedWord, text: &str) -> f32 {
    let names = std::iter::once(&word.text).chain(&word.also);
    names
        .map(|name| share_found(name, text))
        .fold(0.0, f32::max)
}

fn share_found(name: &str, text: &str) -> f32 {
    if text.contains(name) {
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
            if text.contains(&name[ends[start]..ends[start + n]]) {
                return n as f32 / n_chars as f32;
            }
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn word(text: &str, weight: f32) -> AskedWord {
        AskedWord {
            text: text.to_owned(),
            also: Vec::new(),
            weight,
            rarity: 5.0,
            is_known: true,
            is_place: false,
        }
    }

    #[test]
    fn parts_of_a_word_count_by_their_length() {
        for (name, text, expected) in [
            ("养老金", "领取基本养老金的条件", 1.0),
            ("失业金", "失业保险", 2.0 / 3.0),
            ("失业金", "就业", 0.0),
            ("津贴", "津", 0.0),
            ("2025", "2026", 0.0),
        ] {
            assert_eq!(share_found(name, text), expected, "{name}");
        }
    }

    #[test]
    fn heavy_words_count_more() {
        let asked = Asked::new(vec![word("高龄", 6.0), word("津贴", 2.0)]);
        assert_eq!(asked.share(&vec![0.0, 1.0]), 0.25);
        assert_eq!(asked.lacks(&vec![0.5, 1.0]), 0.375);
        assert_eq!(asked.found("高龄津贴每月一发"), [1.0, 1.0]);
        let none = Asked::new(Vec::new());
        assert_eq!(
            (none.share(&Vec::new()), none.lacks(&Vec::new())),
            (0.0, 0.0)
        );
    }

    #[test]
    fn a_related_word_counts_in_part() {
        let asked = Asked::new(vec![word("生孩子", 5.0)]);
        let (near, far) = (asked.found("生育津贴")[0], asked.found("燃气价格")[0]);
        assert!(near > far, "{near} {far}");
    }
}
