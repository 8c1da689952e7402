//! What a caller may have said that a speech recogniser, or a typist, wrote as something that sounds
//! alike.

use super::SearchError;
use super::reading::Reading;
use crate::document::ByteSpan;
use crate::engine::Snapshot;
use crate::text::sound::{Heard, Misheard, hear};
use crate::text::{Analyser, Term};
use crate::vector::PassageSet;

/// A character of a word that the dictionary knows must be misheard with at least this probability.
const MIN_FOR_KNOWN: f32 = 0.9;

/// What is no word of the dictionary, a name perhaps, must have been said with at least.
const MIN_FOR_NAME: f32 = 0.95;

/// The query as it was probably said; as it was read if that reads well.
///
/// Words of the dictionary or the lexicon are heard, and names in place of what no passage says; of
/// both only what one of the `visible` passages says: what a caller may not see must not show in how
/// a query is read. `None` makes all visible.
///
/// # Errors
/// [`SearchError::Index`] if the index cannot be read.
pub fn listen(
    snapshot: &Snapshot,
    reading: Reading,
    visible: Option<&PassageSet>,
) -> Result<Reading, SearchError> {
    let misheard = hear(&reading.normalised, &snapshot.words.pair_counts());
    let Some(heard) = Heard::new(&reading.normalised, misheard.clone()) else {
        return Ok(reading);
    };
    let holds = |text: &str, byte: usize| -> Result<bool, SearchError> {
        for pair in pairs_around(text, byte) {
            if snapshot.words.holds(pair.of(text), visible)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let words = Words::of(&snapshot.analyser, &reading.normalised, &heard);
    let mut clear = Vec::new();
    for one in misheard {
        let is_clear = words.are_clear(&one)
            || words.may_be_a_name(&one) && !holds(&reading.normalised, one.byte)?;
        if is_clear {
            clear.push(one);
        }
    }
    let mut found = Vec::new();
    if let Some(heard) = Heard::new(&reading.normalised, clear.clone()) {
        for one in clear {
            if holds(heard.text(), one.byte)? {
                found.push(one);
            }
        }
    }
    Ok(match Heard::new(&reading.normalised, found) {
        Some(heard) => {
            let names = !reading.named_passages(&snapshot.words)?.is_empty();
            reading.heard(&snapshot.analyser, &heard, names)
        }
        None => reading,
    })
}

/// The words of a query as it is written and as it may have been said.
///
/// Pairs of characters say little across words: by them alone, of 2,816 titles of letters as they
/// were typed 608 would be heard as something else.
struct Words<'a> {
    analyser: &'a Analyser,
    written: Vec<Term>,
    said: Vec<Term>,
}

impl<'a> Words<'a> {
    fn of(analyser: &'a Analyser, written: &str, heard: &Heard) -> Self {
        Self {
            analyser,
            written: analyser.plain_words(written),
            said: analyser.plain_words(heard.text()),
        }
    }

    /// Whether a word of two characters or more was said, and none is written or a short one that
    /// is very likely misheard.
    fn are_clear(&self, one: &Misheard) -> bool {
        let is_written = match self.n_known(&self.written, one.byte) {
            0 | 1 => false,
            2 => one.probability < MIN_FOR_KNOWN,
            _ => true,
        };
        !is_written && self.n_known(&self.said, one.byte) > 1
    }

    /// Whether what was said is very likely, though no word that the dictionary knows.
    fn may_be_a_name(&self, one: &Misheard) -> bool {
        self.n_known(&self.written, one.byte) < 2 && one.probability >= MIN_FOR_NAME
    }

    /// Characters of the word at `byte`; 0 if the dictionary does not know it.
    fn n_known(&self, words: &[Term], byte: usize) -> usize {
        let word = words
            .iter()
            .find(|word| word.span.start <= byte && byte < word.span.end);
        let word = word.filter(|word| self.analyser.knows(&word.text));
        word.map_or(0, |word| word.text.chars().count())
    }
}

/// The pairs of characters that the character at `byte` is part of.
fn pairs_around(text: &str, byte: usize) -> impl Iterator<Item = ByteSpan> {
    let before = text[..byte].chars().next_back().map(char::len_utf8);
    let mut after = text[byte..].chars().map(char::len_utf8);
    let end = byte + after.next().unwrap_or_default();
    let next = after.next().map(|length| ByteSpan::new(byte, end + length));
    let before = before.map(|length| ByteSpan::new(byte - length, end));
    before.into_iter().chain(next)
}
