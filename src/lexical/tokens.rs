//! The terms under which a passage is found: character bigrams and words, in one stream.
//!
//! A word of two characters *is* a bigram, so one posting list serves both; words of one character
//! stand beside them. What is a word and what only two neighbouring characters matters when a query
//! is read ([`super::query`]), where it is cheap to tell. Longer words found nothing on five packs
//! that their bigrams do not find.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::document::ByteSpan;
use crate::text::{Analyser, Normalised, is_han, normalise};

/// Terms longer than this many characters (endless Latin runs) are cut to it.
const MAX_TERM_CHARS: usize = 40;

/// Where the terms of a normalised text stand: bigrams, then words of one character.
pub fn term_spans(analyser: &Analyser, normalised: &str) -> Vec<ByteSpan> {
    let mut spans = Vec::with_capacity(normalised.len() / 2);
    analyser.for_each_bigram(normalised, |term, span, _| {
        let cut = term.char_indices().nth(MAX_TERM_CHARS);
        spans.push(cut.map_or(span, |(byte, _)| {
            ByteSpan::new(span.start, span.start + byte)
        }));
    });
    analyser.for_each_word(normalised, |word, span, _| {
        if is_single_word(word) {
            spans.push(span);
        }
    });
    spans
}

/// Whether a word consists of one Chinese character and is therefore no bigram.
pub fn is_single_word(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(is_han) && chars.next().is_none()
}

/// Lets tantivy's indexing threads analyse text with the shared [`Analyser`].
#[derive(Clone)]
pub struct TermTokenizer {
    analyser: Analyser,
}

impl TermTokenizer {
    /// A tokenizer over `analyser`.
    pub fn new(analyser: Analyser) -> Self {
        Self { analyser }
    }
}

impl Tokenizer for TermTokenizer {
    type TokenStream<'a> = TermStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> TermStream {
        let normalised = normalise(text);
        let spans = term_spans(&self.analyser, normalised.as_str());
        TermStream {
            normalised,
            spans,
            n_given: 0,
            token: Token::default(),
        }
    }
}

/// Hands out terms one by one. Offsets are of the normal form; nothing reads them.
pub struct TermStream {
    normalised: Normalised,
    spans: Vec<ByteSpan>,
    n_given: usize,
    token: Token,
}

impl TokenStream for TermStream {
    fn advance(&mut self) -> bool {
        let Some(span) = self.spans.get(self.n_given) else {
            return false;
        };
        self.token.position = self.n_given;
        self.token.offset_from = span.start;
        self.token.offset_to = span.end;
        self.token.text.clear();
        self.token.text.push_str(span.of(self.normalised.as_str()));
        self.n_given += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut tokenizer = TermTokenizer::new(Analyser::built_in());
        let mut stream = tokenizer.token_stream(text);
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push(stream.token().text.clone());
        }
        terms
    }

    #[test]
    fn pairs_then_single_words() {
        assert_eq!(terms("低保，办理"), ["低保", "办理"]);
        assert_eq!(terms("买房贷款"), ["买房", "房贷", "贷款"]);
        assert_eq!(terms("税，怎么交"), ["税", "怎么", "么交", "税", "交"]);
    }

    #[test]
    fn endless_runs_are_cut() {
        assert_eq!(terms(&"a".repeat(1000)), ["a".repeat(MAX_TERM_CHARS)]);
        assert_eq!(terms(""), Vec::<String>::new());
    }
}
