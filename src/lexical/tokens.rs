//! The terms under which a passage is found: character bigrams and words, in one stream.
//!
//! A word of two characters *is* a bigram, so one posting list serves both; words of one character
//! stand beside them. What is a word and what only two neighbouring characters matters when a query
//! is read ([`super::query`]), where it is cheap to tell.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::text::{Analyser, Term, normalise};

/// Terms longer than this many characters (endless Latin runs) are cut to it.
const MAX_TERM_CHARS: usize = 40;

/// Terms of a normalised text as the index has them: bigrams, then one-character words.
pub fn terms_of(analyser: &Analyser, normalised: &str) -> Vec<Term> {
    let mut terms = analyser.bigrams(normalised);
    terms.extend(
        analyser
            .words(normalised)
            .into_iter()
            .filter(is_single_word),
    );
    for term in &mut terms {
        if let Some((byte, _)) = term.text.char_indices().nth(MAX_TERM_CHARS) {
            term.text.truncate(byte);
        }
    }
    terms
}

/// Whether a word consists of one character and is therefore no bigram.
pub fn is_single_word(term: &Term) -> bool {
    let mut chars = term.text.chars();
    chars.next().is_some_and(|first| !first.is_ascii()) && chars.next().is_none()
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
        let terms = terms_of(&self.analyser, normalise(text).as_str());
        TermStream {
            terms: terms.into_iter(),
            token: Token::default(),
            n_given: 0,
        }
    }
}

/// Hands out terms one by one. Offsets are of the normal form; nothing reads them.
pub struct TermStream {
    terms: std::vec::IntoIter<Term>,
    token: Token,
    n_given: usize,
}

impl TokenStream for TermStream {
    fn advance(&mut self) -> bool {
        let Some(term) = self.terms.next() else {
            return false;
        };
        self.token.position = self.n_given;
        self.token.offset_from = term.span.start;
        self.token.offset_to = term.span.end;
        self.token.text = term.text;
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
