//! Readings in brackets behind a character, `經(jīng)濟(jì)`, as some converters leave them.
//!
//! They stand between the characters of every word and hide it from search. A reading with its
//! tone mark is always one; without it only if it is a syllable of three letters or more and no
//! everyday abbreviation or English word (`人工智能(ai)`, `局域网(lan)` stay).

use memchr::memchr_iter;
use unicode_normalization::UnicodeNormalization;

use super::is_han;
use super::rewrite::{OffsetMap, Rewriter};
use crate::document::ByteSpan;

/// What may follow the initial consonants of a syllable, with `ü` written as `v`.
const FINALS: &[&str] = &[
    "a", "ai", "an", "ang", "ao", "e", "ei", "en", "eng", "er", "i", "ia", "ian", "iang", "iao",
    "ie", "in", "ing", "io", "iong", "iu", "o", "ong", "ou", "u", "ua", "uai", "uan", "uang", "ue",
    "ui", "un", "uo", "v", "van", "ve", "vn",
];

const INITIALS: &[&str] = &[
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s", "y", "w", "",
];

/// Syllables that stand in brackets for something else.
const NOT_READINGS: &[&str] = &[
    "ban", "can", "fan", "lan", "long", "men", "pan", "pen", "pin", "ran", "run", "san", "she",
    "song", "sun", "ten", "tie", "wan", "win", "yen", "you", "yuan",
];

/// The longest syllable is `zhuang`.
const MAX_READING_CHARS: usize = 6;

/// Removes readings; `None` if there are none.
pub(super) fn remove(text: &str) -> Option<(String, OffsetMap)> {
    let mut rewriter = Rewriter::new(text);
    let mut last_end = 0;
    for open in memchr_iter(b'(', text.as_bytes()) {
        let behind_han = text[..open].chars().next_back().is_some_and(is_han);
        let behind_removed = last_end == open && last_end > 0;
        if !(behind_han || behind_removed) {
            continue;
        }
        if let Some(end) = reading_end(text, open) {
            rewriter.replace(ByteSpan::new(open, end), "");
            last_end = end;
        }
    }
    rewriter.finish()
}

/// The end of the reading in brackets whose bracket opens at `open`.
fn reading_end(text: &str, open: usize) -> Option<usize> {
    let inside = &text[open + 1..];
    let (length, _) = inside
        .char_indices()
        .take(MAX_READING_CHARS + 1)
        .find(|&(_, c)| c == ')')?;
    is_reading(&inside[..length]).then_some(open + 1 + length + 1)
}

/// Whether `text`, in lower case and NFKC, can only be meant as the reading of a character.
fn is_reading(text: &str) -> bool {
    let mut has_tone = false;
    let mut letters = String::with_capacity(8);
    for c in text.nfd() {
        match c {
            'a'..='z' => letters.push(c),
            'ɡ' => letters.push('g'),
            'ɑ' => letters.push('a'),
            '\u{304}' | '\u{301}' | '\u{30c}' | '\u{306}' | '\u{300}' => has_tone = true,
            '\u{308}' if letters.ends_with('u') => {
                letters.pop();
                letters.push('v');
            }
            _ => return false,
        }
    }
    is_syllable(&letters)
        && (has_tone || (letters.len() >= 3 && !NOT_READINGS.contains(&letters.as_str())))
}

fn is_syllable(letters: &str) -> bool {
    INITIALS.iter().any(|initial| {
        letters
            .strip_prefix(initial)
            .is_some_and(|rest| FINALS.binary_search(&rest).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_go_and_everything_else_stays() {
        for (text, expected) in [
            ("經(jīng)濟(jì)發(fā)展", "經濟發展"),
            ("经(jing)济", "经济"),
            ("類(lèi)別(bié)綠(lǜ)", "類別綠"),
            ("長(cháng)(zhǎng)", "長"),
            ("請(qǐnɡ)", "請"),
            ("二(èr)", "二"),
            ("人工智能(ai)", "人工智能(ai)"),
            ("局域网(lan)", "局域网(lan)"),
            ("咖啡(café)", "咖啡(café)"),
            ("附件(pdf)", "附件(pdf)"),
            ("x(jīng)", "x(jīng)"),
            ("經(jīng", "經(jīng"),
            ("經()", "經()"),
            ("經(jīng濟)", "經(jīng濟)"),
        ] {
            let removed = remove(text).map_or_else(|| text.to_owned(), |(removed, _)| removed);
            assert_eq!(removed, expected);
        }
    }

    #[test]
    fn finals_can_be_searched() {
        assert!(FINALS.is_sorted());
    }
}
