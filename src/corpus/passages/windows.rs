//! Sections → spans no longer than a passage may be.
//!
//! A section that fits stays whole. A longer one is divided where its own parts begin, else at
//! sentence ends; a line break inside a sentence is no place to divide unless nothing better is
//! near. Linear in the length of the text.

use crate::document::ByteSpan;

use super::CutOptions;
use super::lines::{Form, Line, is_blank};
use super::markers::{CLOSERS, marker};

/// How good a place is to divide a text. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// After a comma.
    Clause,
    /// A line break inside a sentence.
    Break,
    /// The end of a sentence.
    Sentence,
    /// Where a paragraph, an item or a table row begins.
    Part,
}

impl Strength {
    fn weight(self) -> f64 {
        match self {
            Strength::Clause => 0.0,
            Strength::Break => 0.25,
            Strength::Sentence => 0.8,
            Strength::Part => 1.0,
        }
    }
}

/// A place where a new window may begin.
#[derive(Clone, Copy, Debug)]
struct Place {
    byte: usize,
    /// Characters from the start of the lines.
    n_chars: usize,
    strength: Strength,
}

/// Divides adjacent `lines` of `text` into spans of about the target size, at most the maximum.
///
/// The spans come in order and hold every non-blank character of the lines. Lines that fit into
/// `whole_chars` characters together stay in one span.
pub(crate) fn windows(
    text: &str,
    lines: &[Line<'_>],
    whole_chars: usize,
    options: &CutOptions,
) -> Vec<ByteSpan> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Vec::new();
    };
    let whole = ByteSpan::new(first.span.start, last.span.end);
    let (places, n_chars) = places(text, lines, options.max_chars);
    if n_chars <= whole_chars {
        return vec![whole];
    }
    let mut spans = Vec::new();
    let mut start = Place {
        byte: whole.start,
        n_chars: 0,
        strength: Strength::Part,
    };
    let mut from = 0;
    let mut overlap_start = start.byte;
    while n_chars - start.n_chars > whole_chars {
        let Some(at) = best(&places, from, start.n_chars, options) else {
            break;
        };
        let cut = places[at];
        spans.push(trimmed(text, ByteSpan::new(overlap_start, cut.byte)));
        overlap_start = if options.overlap_sentence {
            sentence_before(&places[..at], &cut, start, options)
        } else {
            cut.byte
        };
        start = cut;
        from = at + 1;
    }
    spans.push(trimmed(text, ByteSpan::new(overlap_start, whole.end)));
    spans
}

/// The best place to end the window that starts at `n_start` characters; places before `from` lie
/// behind it.
///
/// Weighs the strength of a place against its distance from the target size.
fn best(places: &[Place], from: usize, n_start: usize, options: &CutOptions) -> Option<usize> {
    let target = options.target_chars.max(1) as f64;
    let score = |place: &Place| {
        let n = (place.n_chars - n_start) as f64;
        place.strength.weight() - ((n - target) / target).abs()
    };
    let within = places[from..]
        .iter()
        .enumerate()
        .take_while(|(_, place)| place.n_chars - n_start <= options.max_chars);
    let best = within.max_by(|(i, a), (j, b)| score(a).total_cmp(&score(b)).then(j.cmp(i)));
    best.map(|(at, _)| from + at)
}

/// Where the sentence before `cut` begins, if it is short and inside the window; else the cut.
fn sentence_before(
    before: &[Place],
    cut: &Place,
    window_start: Place,
    options: &CutOptions,
) -> usize {
    let longest = options.target_chars / 4;
    let near = before.iter().rev().take_while(|place| {
        cut.n_chars - place.n_chars <= longest && place.n_chars > window_start.n_chars
    });
    near.filter(|place| place.strength >= Strength::Sentence)
        .map(|place| place.byte)
        .next()
        .unwrap_or(cut.byte)
}

/// Every place to divide the lines, in order, and the number of characters in all.
///
/// Where `max_chars` pass without one, a place is made.
fn places(text: &str, lines: &[Line<'_>], max_chars: usize) -> (Vec<Place>, usize) {
    let mut places: Vec<Place> = Vec::new();
    let mut n_chars = 0;
    let mut previous: Option<&Line<'_>> = None;
    let mut last = 0;
    for line in lines {
        if let Some(previous) = previous {
            n_chars += text[previous.span.end..line.span.start].chars().count();
            places.push(Place {
                byte: line.span.start,
                n_chars,
                strength: between(previous, line),
            });
            last = n_chars;
        }
        let mut ended: Option<Strength> = None;
        for (at, c) in line.text.char_indices() {
            if let Some(strength) = ended
                && !is_blank(c)
                && !CLOSERS.contains(&c)
            {
                places.push(Place {
                    byte: line.span.start + at,
                    n_chars,
                    strength,
                });
                (last, ended) = (n_chars, None);
            }
            if n_chars - last >= max_chars / 2 {
                places.push(Place {
                    byte: line.span.start + at,
                    n_chars,
                    strength: Strength::Clause,
                });
                last = n_chars;
            }
            ended = end_of(c).or(ended);
            n_chars += 1;
        }
        previous = Some(line);
    }
    (places, n_chars)
}

/// What ends at the character `c`.
fn end_of(c: char) -> Option<Strength> {
    match c {
        '。' | '！' | '？' | '；' | '!' | '?' | ';' => Some(Strength::Sentence),
        '，' | '、' | ',' | '：' => Some(Strength::Clause),
        _ => None,
    }
}

/// How good the border between two lines is.
fn between(previous: &Line<'_>, next: &Line<'_>) -> Strength {
    let structural = !matches!((previous.form, next.form), (Form::Text, Form::Text));
    let ended = previous
        .text
        .trim_end_matches(CLOSERS)
        .chars()
        .next_back()
        .and_then(end_of);
    if structural || ended == Some(Strength::Sentence) || marker(next.text).is_some() {
        return Strength::Part;
    }
    if previous.text.ends_with(['：', ':']) {
        Strength::Sentence
    } else {
        Strength::Break
    }
}

/// `span` without blanks at its ends.
fn trimmed(text: &str, span: ByteSpan) -> ByteSpan {
    let part = span.of(text);
    let start = span.start + (part.len() - part.trim_start_matches(is_blank).len());
    let end = span.end - (part.len() - part.trim_end_matches(is_blank).len());
    ByteSpan::new(start.min(end), end)
}

#[cfg(test)]
mod tests {
    use super::super::lines::lines;
    use super::*;
    use crate::corpus::Extract;

    fn cut(
        text: &str,
        target_chars: usize,
        max_chars: usize,
        overlap_sentence: bool,
    ) -> Vec<String> {
        let extract = Extract {
            text: text.to_owned(),
            ..Extract::default()
        };
        let options = CutOptions {
            target_chars,
            max_chars,
            overlap_sentence,
            ..CutOptions::default()
        };
        let spans = windows(text, &lines(&extract), max_chars, &options);
        spans.iter().map(|span| span.of(text).to_owned()).collect()
    }

    #[test]
    fn what_fits_stays_whole() {
        assert_eq!(cut("甲乙丙。丁戊己。", 4, 8, false), ["甲乙丙。丁戊己。"]);
    }

    #[test]
    fn windows_end_with_sentences() {
        assert_eq!(
            cut("甲乙丙。丁戊己。庚辛壬。", 4, 8, false),
            ["甲乙丙。", "丁戊己。庚辛壬。"]
        );
        assert_eq!(
            cut("他说：“好。”丁戊己。庚辛壬。", 6, 9, false),
            ["他说：“好。”", "丁戊己。庚辛壬。"]
        );
    }

    #[test]
    fn a_line_break_inside_a_sentence_is_passed_over() {
        assert_eq!(
            cut("一二三四\n五六。甲乙丙丁戊。己庚辛壬癸子丑。", 6, 10, false),
            ["一二三四\n五六。", "甲乙丙丁戊。", "己庚辛壬癸子丑。"]
        );
    }

    #[test]
    fn one_sentence_may_be_repeated() {
        let text = "甲乙丙丁戊己庚辛。子丑。寅卯辰巳午未申酉。戌亥甲乙。";
        assert_eq!(
            cut(text, 12, 14, true),
            [
                "甲乙丙丁戊己庚辛。子丑。",
                "子丑。寅卯辰巳午未申酉。戌亥甲乙。"
            ]
        );
    }

    #[test]
    fn an_endless_sentence_is_divided_all_the_same() {
        let text = "字".repeat(100);
        let pieces = cut(&text, 20, 30, false);
        assert_eq!(pieces.concat(), text);
        assert!(
            pieces.iter().all(|piece| piece.chars().count() <= 30),
            "{pieces:?}"
        );
    }
}
