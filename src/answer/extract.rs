//! Which part of a source is said: an entry's answer whole, else the sentences, list items or table rows
//! that say what is asked, with the conditions around them.
//!
//! A part begins and ends where a sentence, an item or a row does, so that no amount, date, place or
//! number is cut in two.

use super::facts::{Fact, holds};
use super::{MAX_SHORT_CHARS, Style};
use crate::document::ByteSpan;
use crate::retrieval::{Grounds, Hit};

/// Characters of a full answer: a passage up to this length is given whole.
const WHOLE_CHARS: usize = 320;
/// Characters added to a unit's length, so that a short one does not win by being short.
const ALLOWANCE_CHARS: f32 = 40.0;
/// What a unit gains that holds a fact of the sort that is wanted, in shares of the question's weight.
const FACT_BONUS: f32 = 0.35;

/// The part of `hit` that is said, in bytes of its text; empty only if the text is blank.
pub fn extract(hit: &Hit, wanted: Option<Fact>, style: Style) -> ByteSpan {
    let text = hit.text.as_str();
    if style == Style::Full {
        if let (true, Some(answer)) = (hit.is_entry, hit.answer) {
            return trimmed(text, answer);
        }
        let whole = trimmed(text, ByteSpan::new(0, text.len()));
        if n_chars(text, whole) <= WHOLE_CHARS {
            return whole;
        }
    }
    let (within, limit) = match style {
        Style::Full => (ByteSpan::new(0, text.len()), WHOLE_CHARS),
        Style::Short => {
            let part = hit.answer.filter(|_| hit.is_entry);
            (
                part.unwrap_or(ByteSpan::new(0, text.len())),
                MAX_SHORT_CHARS,
            )
        }
    };
    let units = units(text, within);
    let Some(best) = best_unit(hit, &units, wanted) else {
        return ByteSpan::new(0, 0);
    };
    grown(text, &units, best, limit)
}

fn n_chars(text: &str, span: ByteSpan) -> usize {
    span.of(text).chars().count()
}

fn trimmed(text: &str, span: ByteSpan) -> ByteSpan {
    let part = span.of(text);
    let start = span.start + part.len() - part.trim_start().len();
    ByteSpan::new(start, start + part.trim().len())
}

/// Sentences, lines of lists and rows of tables, in order; none is blank.
fn units(text: &str, within: ByteSpan) -> Vec<ByteSpan> {
    let mut units = Vec::new();
    let mut start = within.start;
    let mut close = |end: usize| {
        let unit = trimmed(text, ByteSpan::new(start, end));
        if unit.start < unit.end {
            units.push(unit);
        }
        start = end;
    };
    let mut chars = within.of(text).char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let closes_after = matches!(
            chars.peek(),
            Some((_, '”' | '’' | '）' | ')' | '"' | '」' | '》'))
        );
        if matches!(c, '。' | '！' | '？' | '；' | '\n') && !closes_after {
            close(within.start + at + c.len_utf8());
        }
    }
    close(within.end);
    units
}

/// The unit that says most of what is asked for its length; the first of equals.
fn best_unit(hit: &Hit, units: &[ByteSpan], wanted: Option<Fact>) -> Option<usize> {
    let text = hit.text.as_str();
    let weight = |unit: &ByteSpan| {
        let said = unit.of(text);
        let words = hit
            .grounds
            .as_ref()
            .map_or(0.0, |grounds| said_of(grounds, said));
        let marked: usize = hit
            .highlights
            .iter()
            .filter(|mark| unit.start <= mark.start && mark.end <= unit.end)
            .map(|mark| n_chars(text, *mark))
            .sum();
        let asked = words + marked as f32 / (10.0 + n_chars(text, *unit) as f32);
        let is_fact = wanted.is_some_and(|fact| holds(said, fact));
        let bonus = if is_fact && asked > 0.0 {
            FACT_BONUS
        } else {
            0.0
        };
        (asked + bonus) / (ALLOWANCE_CHARS + n_chars(text, *unit) as f32).powf(0.25)
    };
    let best = (0..units.len()).rev();
    best.max_by(|&a, &b| weight(&units[a]).total_cmp(&weight(&units[b])))
}

/// Share of the question's words that `said` holds, by their rarity.
fn said_of(grounds: &Grounds, said: &str) -> f32 {
    let all: f32 = grounds.words.iter().map(|word| word.rarity).sum();
    let found = grounds
        .words
        .iter()
        .filter(|word| said.contains(&word.text));
    let found: f32 = found.map(|word| word.rarity).sum();
    if all > 0.0 { found / all } else { 0.0 }
}

/// The unit with what stands around it, up to `limit` characters: first what leads to it (`……有：`), then
/// what follows, then what goes before. A unit that is longer by itself is cut at its last clause.
fn grown(text: &str, units: &[ByteSpan], best: usize, limit: usize) -> ByteSpan {
    let (mut first, mut last) = (best, best);
    let span = |first: usize, last: usize| ByteSpan::new(units[first].start, units[last].end);
    let fits = |first: usize, last: usize| n_chars(text, span(first, last)) <= limit;
    if !fits(best, best) {
        return cut(text, units[best], limit);
    }
    let leads = |at: usize| units[at].of(text).ends_with(['：', ':']);
    // An item belongs to the line that introduces its list.
    if let Some(lead) = (0..best).rev().take(12).find(|&at| leads(at))
        && fits(lead, best)
    {
        first = lead;
    }
    while last + 1 < units.len() && fits(first, last + 1) {
        last += 1;
    }
    while first > 0 && fits(first - 1, last) {
        first -= 1;
    }
    // A line that only introduces what no longer fits says nothing.
    while last > best && leads(last) {
        last -= 1;
    }
    span(first, last)
}

/// The beginning of a unit that is too long, up to the last clause that fits.
fn cut(text: &str, unit: ByteSpan, limit: usize) -> ByteSpan {
    let within = unit.of(text);
    let Some((end, _)) = within.char_indices().nth(limit) else {
        return unit;
    };
    let is_pause = |c: char| "，、；：,;: |\t".contains(c);
    let pauses = within[..end].char_indices().filter(|(_, c)| is_pause(*c));
    let pause = pauses.map(|(at, c)| at + c.len_utf8()).last();
    match pause {
        Some(pause) => trimmed(text, ByteSpan::new(unit.start, unit.start + pause)),
        None => ByteSpan::new(unit.start, unit.start + end),
    }
}

/// The beginning of a part, at most [`MAX_SHORT_CHARS`] characters, up to the last sentence or clause that
/// fits.
pub fn shortened(text: &str, part: ByteSpan) -> ByteSpan {
    let units = units(text, part);
    let Some(first) = units.first() else {
        return part;
    };
    let fits =
        |unit: &&ByteSpan| n_chars(text, ByteSpan::new(first.start, unit.end)) <= MAX_SHORT_CHARS;
    match units.iter().take_while(fits).last() {
        Some(last) => ByteSpan::new(first.start, last.end),
        None => cut(text, *first, MAX_SHORT_CHARS),
    }
}
