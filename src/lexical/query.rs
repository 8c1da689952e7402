//! A query's text → weighted terms.
//!
//! What a term weighs here depends on the query alone; how rare it is comes in when the query meets
//! an index ([`super::scoring`]). Constants were chosen on five packs at once (citizens' letters with
//! replies, titles of letters, legal advice, questions on statutes, admission brochures).

use std::collections::{BTreeMap, BTreeSet};

use crate::document::ByteSpan;
use crate::text::sound::Heard;
use crate::text::{Analyser, is_stop_word, normalise};

use super::tokens::{is_single_word, term_spans};

/// A query is read up to this many characters of its normal form.
const MAX_QUERY_CHARS: usize = 4_000;

/// Weight of a bigram that is no word of the query: two neighbouring characters.
const NEIGHBOURS_WEIGHT: f32 = 0.4;

/// Weight of a word of one character.
const SINGLE_WEIGHT: f32 = 0.7;

/// Weight of a synonym's terms, relative to what they would weigh in the query itself. Only what people
/// say stands on the left of the lexicon, so the right side is nearly as good as the question's own
/// words: of 40 questions on departments' pages the right page stood in the first three for 37, 38, 39
/// and 40 at 0.4, 0.6, 0.8 and 1.0, while titles of letters went .6647, .6646, .6634, .6615.
const SYNONYM_WEIGHT: f32 = 0.8;

/// Saturation of repetition within the query: f·(k+1)/(f+k).
const REPETITION_K: f32 = 5.0;

/// Words that ask without saying what about. Texts of rules rarely hold them, so their rarity would
/// make them the heaviest terms of a spoken question.
pub const QUESTION_WORDS: &[&str] = &[
    "多少",
    "谁",
    "何时",
    "几",
    "为什么",
    "为何",
    "怎么办",
    "咋",
    "咋办",
];

/// What a query's term is, which decides its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TermKind {
    /// Stands for a word of the query by way of a synonym.
    Synonym,
    /// Two neighbouring characters that are no word.
    Neighbours,
    /// A word of one character.
    Single,
    /// A word, a number or a run of Latin letters.
    Word,
}

/// One distinct term of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryTerm {
    /// As the index has it.
    pub text: String,
    /// What it is.
    pub kind: TermKind,
    /// Weight by kind and repetition.
    pub weight: f32,
}

/// A query, read once, ready for any snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LexicalQuery {
    /// Distinct terms, ascending.
    terms: Vec<QueryTerm>,
}

impl LexicalQuery {
    /// Reads a query's original text. Never fails: without a usable term nothing will be found.
    pub fn new(analyser: &Analyser, original: &str) -> Self {
        let cut = original
            .char_indices()
            .nth(MAX_QUERY_CHARS)
            .map_or(original, |(byte, _)| &original[..byte]);
        let mut counted = Counted::default();
        counted.read(analyser, normalise(cut).as_str(), |_| 1.0);
        counted.finish()
    }

    /// Reads a query in normal form together with what was probably said: where they differ, what
    /// is written counts in full and what was said by how likely it is.
    ///
    /// What was misheard hardly ever stands in a text, so it does little harm; what was right but
    /// rare must not be lost. Titles of letters, nDCG@10 as they are and with one character in ten
    /// misheard: .6630 and .6533, against .6611 and .6521 with what is written counting the less.
    pub fn heard(analyser: &Analyser, normalised: &str, heard: &Heard) -> Self {
        let mut counted = Counted::default();
        counted.read(analyser, normalised, |_| 1.0);
        counted.read(analyser, heard.text(), |span| {
            heard.probability(span).unwrap_or(0.0)
        });
        counted.finish()
    }

    /// Distinct terms, ascending.
    pub fn terms(&self) -> &[QueryTerm] {
        &self.terms
    }
}

/// Terms with what each is and how often it comes.
#[derive(Default)]
struct Counted(BTreeMap<String, (TermKind, f32)>);

impl Counted {
    /// Adds the terms of a text in normal form, and of the synonyms of its words. `share` tells how
    /// much what stands in a span counts, 0 to 1.
    fn read(&mut self, analyser: &Analyser, text: &str, share: impl Fn(ByteSpan) -> f32) {
        let words = analyser.words(text);
        let word_spans: BTreeSet<ByteSpan> = words.iter().map(|word| word.span).collect();
        for span in term_spans(analyser, text) {
            let term = span.of(text);
            let share = share(span);
            if share == 0.0 || is_stop_word(term) || QUESTION_WORDS.contains(&term) {
                continue;
            }
            let kind = kind_of(term, word_spans.contains(&span));
            let entry = self.0.entry(term.to_owned()).or_insert((kind, 0.0));
            entry.0 = entry.0.max(kind);
            entry.1 += share;
        }
        for word in &words {
            let share = share(word.span);
            for synonym in analyser.synonyms(&word.text) {
                self.read_synonym(analyser, synonym, share);
            }
        }
    }

    fn read_synonym(&mut self, analyser: &Analyser, synonym: &str, share: f32) {
        if share == 0.0 {
            return;
        }
        let words = analyser.words(synonym);
        let inside: BTreeSet<ByteSpan> = words.iter().map(|word| word.span).collect();
        for span in term_spans(analyser, synonym) {
            let term = span.of(synonym);
            let weight = weight_of(kind_of(term, inside.contains(&span)));
            self.0
                .entry(term.to_owned())
                .or_insert((TermKind::Synonym, share * weight));
        }
    }

    fn finish(self) -> LexicalQuery {
        let terms = self.0.into_iter().map(|(text, (kind, count))| QueryTerm {
            weight: weight_of(kind) * count * (REPETITION_K + 1.0) / (count + REPETITION_K),
            text,
            kind,
        });
        LexicalQuery {
            terms: terms.collect(),
        }
    }
}

fn kind_of(term: &str, is_word: bool) -> TermKind {
    if is_single_word(term) {
        TermKind::Single
    } else if is_word || term.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        TermKind::Word
    } else {
        TermKind::Neighbours
    }
}

fn weight_of(kind: TermKind) -> f32 {
    match kind {
        TermKind::Word => 1.0,
        TermKind::Neighbours => NEIGHBOURS_WEIGHT,
        TermKind::Single => SINGLE_WEIGHT,
        TermKind::Synonym => SYNONYM_WEIGHT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::sound::Misheard;

    #[test]
    fn what_was_heard_counts_beside_what_is_written() {
        let analyser = Analyser::built_in();
        let misheard = Misheard {
            byte: 3,
            said: '积',
            probability: 0.8,
        };
        let heard = Heard::new("公鸡金提取", vec![misheard]).unwrap();
        let both = LexicalQuery::heard(&analyser, "公鸡金提取", &heard);
        let written = LexicalQuery::new(&analyser, "公鸡金提取");
        for term in written.terms() {
            assert!(both.terms().contains(term), "{term:?}");
        }
        let weight = |query: &LexicalQuery, text: &str| {
            let term = query.terms().iter().find(|term| term.text == text);
            term.map(|term| term.weight)
        };
        let said = LexicalQuery::new(&analyser, "公积金提取");
        for text in ["公积", "积金"] {
            let (share, whole) = (weight(&both, text).unwrap(), weight(&said, text).unwrap());
            // 0.8·6/5.8 of once.
            assert!(
                (share - whole * 0.8 * 6.0 / 5.8).abs() < 1e-5,
                "{text}: {share} {whole}"
            );
        }
        assert_eq!(weight(&both, "提取"), weight(&said, "提取"));
        assert_eq!(weight(&written, "积金"), None);
    }
}
