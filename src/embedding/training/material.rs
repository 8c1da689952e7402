//! What is trained on: pairs and plain texts, as sequences of word numbers.
//!
//! A text is cut into clauses at its punctuation; [`super::sampling`] draws examples from them.
//! Knows nothing of rows or vectors.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

/// A stretch of [`Material::words`].
pub type WordRange = Range<u32>;

/// A question (or title) and a passage that belongs to it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is searched with.
    pub query: WordRange,
    /// What should be found.
    pub passage: WordRange,
}

/// A text without a question.
#[derive(Clone, Debug)]
pub struct Text {
    /// Empty if it has none.
    pub title: WordRange,
    /// In reading order, none empty, each starting where the one before ends.
    pub clauses: Vec<WordRange>,
}

/// Material of one kind; a batch never mixes kinds.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// The kind, as the input names it, or the name of the file.
    pub name: String,
    /// Pairs to be used as they are.
    pub pairs: Vec<Pair>,
    /// Texts to draw pairs from.
    pub texts: Vec<Text>,
}

/// Everything that is trained on.
#[derive(Default)]
pub struct Material {
    /// Numbers of words, text after text.
    pub words: Vec<u32>,
    /// The word of each number, in order of first appearance.
    pub names: Vec<String>,
    /// By kind, in order of first appearance.
    pub collections: Vec<Collection>,
    numbers: HashMap<String, u32>,
}

/// One piece of input.
pub enum Piece {
    /// A question and its passage.
    Pair {
        /// What sort of pair.
        kind: String,
        /// What is searched with.
        query: String,
        /// What should be found.
        passage: String,
    },
    /// A text, perhaps with a title.
    Text {
        /// What sort of text.
        kind: String,
        /// Empty if there is none.
        title: String,
        /// The text.
        body: String,
    },
}

impl Material {
    /// Adds pieces, in order. `split` gives the words of a text in normal form.
    pub fn add(&mut self, pieces: &[Piece], split: &(dyn Fn(&str) -> Vec<String> + Sync)) {
        let cut: Vec<Vec<Vec<String>>> = pieces
            .par_iter()
            .map(|piece| cut_piece(piece, split))
            .collect();
        for (piece, parts) in pieces.iter().zip(cut) {
            let mut ranges: Vec<WordRange> =
                parts.into_iter().map(|words| self.append(words)).collect();
            match piece {
                Piece::Pair { kind, .. } => {
                    let passage = ranges.pop().unwrap_or_default();
                    let query = ranges.pop().unwrap_or_default();
                    if !query.is_empty() && !passage.is_empty() {
                        self.collection(kind).pairs.push(Pair { query, passage });
                    }
                }
                Piece::Text { kind, .. } => {
                    let title = ranges.remove(0);
                    ranges.retain(|clause| !clause.is_empty());
                    if !ranges.is_empty() {
                        self.collection(kind).texts.push(Text {
                            title,
                            clauses: ranges,
                        });
                    }
                }
            }
        }
    }

    fn append(&mut self, words: Vec<String>) -> WordRange {
        let start = self.words.len() as u32;
        for word in words {
            let number = match self.numbers.get(&word) {
                Some(&number) => number,
                None => {
                    let number = self.names.len() as u32;
                    self.names.push(word.clone());
                    self.numbers.insert(word, number);
                    number
                }
            };
            self.words.push(number);
        }
        start..self.words.len() as u32
    }

    fn collection(&mut self, name: &str) -> &mut Collection {
        let at = self
            .collections
            .iter()
            .position(|c| c.name == name)
            .unwrap_or_else(|| {
                self.collections.push(Collection {
                    name: name.to_owned(),
                    ..Collection::default()
                });
                self.collections.len() - 1
            });
        &mut self.collections[at]
    }

    /// How often each word occurs, in the pairs and texts of each collection, by word number.
    pub fn counts(&self) -> Vec<Vec<u32>> {
        self.collections
            .par_iter()
            .map(|collection| {
                let mut counts = vec![0u32; self.names.len()];
                let pairs = collection
                    .pairs
                    .iter()
                    .flat_map(|p| [p.query.clone(), p.passage.clone()]);
                let texts = collection
                    .texts
                    .iter()
                    .flat_map(|t| t.clauses.iter().cloned().chain([t.title.clone()]));
                for range in pairs.chain(texts) {
                    for &word in &self.words[range.start as usize..range.end as usize] {
                        counts[word as usize] += 1;
                    }
                }
                counts
            })
            .collect()
    }
}

/// The words of a pair's query and passage, or of a text's title and clauses.
fn cut_piece(piece: &Piece, split: &(dyn Fn(&str) -> Vec<String> + Sync)) -> Vec<Vec<String>> {
    match piece {
        Piece::Pair { query, passage, .. } => vec![split(query), split(passage)],
        Piece::Text { title, body, .. } => [split(title)]
            .into_iter()
            .chain(clauses(body).map(split))
            .collect(),
    }
}

/// The stretches between punctuation that ends a clause.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| "，。；！？：\n\r,;!?".contains(c))
        .filter(|clause| !clause.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(text: &str) -> Vec<String> {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .map(String::from)
            .collect()
    }

    #[test]
    fn pairs_and_texts_become_numbers_by_kind() {
        let mut material = Material::default();
        let pieces = [
            Piece::Pair {
                kind: "faq".into(),
                query: "甲乙".into(),
                passage: "乙丙".into(),
            },
            Piece::Text {
                kind: "news".into(),
                title: "丁".into(),
                body: "甲，乙。\n\n，丙".into(),
            },
            Piece::Pair {
                kind: "faq".into(),
                query: "！".into(),
                passage: "乙".into(),
            },
        ];
        material.add(&pieces, &characters);
        assert_eq!(material.names, ["甲", "乙", "丙", "丁"]);
        assert_eq!(
            material.collections[0].pairs.len(),
            1,
            "a pair without words is left out"
        );
        let text = &material.collections[1].texts[0];
        assert_eq!(material.words[text.title.start as usize], 3);
        assert_eq!(text.clauses.len(), 3);
        assert_eq!(material.counts(), [[1, 2, 1, 0], [1, 1, 1, 1]]);
    }
}
