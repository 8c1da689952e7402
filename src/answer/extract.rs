//! Which parts of the sources are said: of each a few sentences, list items or table rows that say what is
//! asked; an entry's answer whole.
//!
//! A part begins and ends where a sentence, an item or a row does, so that no amount, date, place or
//! number is cut in two.

use std::sync::LazyLock;

use regex::Regex;

use super::facts::{Fact, holds};
use super::matching::{Asked, Found, either};
use super::{MAX_FULL_CHARS, MAX_SHORT_CHARS, Style};
use crate::document::ByteSpan;
use crate::retrieval::Hit;

/// Sources of which parts are said, and parts in all.
const MAX_SOURCES: usize = 6;
const MAX_PARTS: usize = 3;
/// Characters of one part of a full answer.
const PART_CHARS: usize = 240;
/// Units of a source that are looked at.
const MAX_UNITS: usize = 80;
/// What a part gains that holds a fact of the sort that is wanted, in shares of the question.
const FACT_BONUS: f32 = 0.2;
/// What the place of its source adds at most.
const RANK_BONUS: f32 = 0.5;
/// What title and headings count of what the part itself does not say.
const AROUND: f32 = 0.5;
/// What a hundred characters cost.
const LENGTH_COST: f32 = 0.05;
/// A heading is no longer than this, a row of a table, the name of a column.
const MAX_HEADING_CHARS: usize = 24;
const MAX_ROW_CHARS: usize = 300;
const MAX_LABEL_CHARS: usize = 32;
const MAX_MEAN_CELL_CHARS: usize = 12;
/// Share of the best part's score that others need.
const WORTH: f32 = 0.7;
/// Share of what the best part has of the question that one of another document needs.
const ALIKE: f32 = 0.7;
/// Items of a list that are looked through for what introduces it.
const MAX_ITEMS: usize = 20;

/// A part of a source that could be said.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which source.
    pub source: usize,
    /// In bytes of its text.
    pub span: ByteSpan,
    /// Comparable within one question.
    pub score: f32,
    /// Share of the question that it has, title and headings counted in part.
    pub share: f32,
    /// What the part itself has of the question.
    pub found: Found,
    /// Whether it holds a fact of the sort that is wanted; true where none is.
    pub has_fact: bool,
}

/// The parts that are said, best first; none if the sources are blank. Parts of one source are disjoint.
pub fn parts(sources: &[&Hit], asked: &Asked, wanted: Option<Fact>, style: Style) -> Vec<Part> {
    let (limit, budget, n) = match style {
        Style::Full => (PART_CHARS, MAX_FULL_CHARS, MAX_PARTS),
        Style::Short => (MAX_SHORT_CHARS, MAX_SHORT_CHARS, 1),
    };
    let top = sources
        .first()
        .map_or(1.0, |hit| hit.score.max(f32::MIN_POSITIVE));
    let mut candidates: Vec<Part> = Vec::new();
    for (source, hit) in sources.iter().take(MAX_SOURCES).enumerate() {
        let rank = RANK_BONUS * (hit.score / top).min(1.0);
        candidates.extend(windows(hit, source, asked, wanted, rank, limit));
    }
    // Stable: earlier ones before later ones.
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut said: Vec<Part> = Vec::new();
    let mut n_said = 0;
    for mut part in candidates {
        let hit = sources[part.source];
        if said
            .first()
            .is_some_and(|best| part.score < WORTH * best.score)
            || said.len() == n
        {
            break;
        }
        if let (Style::Full, true, Some(answer)) = (style, hit.is_entry, hit.answer) {
            part.span = trimmed(&hit.text, answer);
        }
        // Another document speaks only if it is as much about the question.
        let is_apart = said.first().is_some_and(|best| {
            sources[best.source].document_id != hit.document_id && part.share < ALIKE * best.share
        });
        if is_apart {
            continue;
        }
        let n_chars = n_chars(&hit.text, part.span);
        let is_free = said.iter().all(|known| {
            known.source != part.source
                || known.span.end <= part.span.start
                || part.span.end <= known.span.start
        });
        if is_free && (said.is_empty() || n_said + n_chars <= budget) {
            n_said += n_chars;
            said.push(part);
        }
    }
    said
}

/// Runs of units of a source, each as long as the limit allows or shorter.
fn windows(
    hit: &Hit,
    source: usize,
    asked: &Asked,
    wanted: Option<Fact>,
    rank: f32,
    limit: usize,
) -> Vec<Part> {
    let text = hit.text.as_str();
    let within = match hit.answer {
        Some(answer) if hit.is_entry => answer,
        _ => ByteSpan::new(0, text.len()),
    };
    let mut units = units(text, within);
    units.truncate(MAX_UNITS);
    let around = match hit.is_entry {
        true => format!("{}\n{}\n{}", hit.title, hit.heading.join("\n"), hit.text),
        false => format!("{}\n{}", hit.title, hit.heading.join("\n")),
    };
    let around: Found = asked
        .found(&around)
        .into_iter()
        .map(|found| AROUND * found)
        .collect();
    let found: Vec<Found> = units
        .iter()
        .map(|unit| asked.found(unit.of(text)))
        .collect();
    let facts: Vec<bool> = units
        .iter()
        .map(|unit| wanted.is_some_and(|fact| holds(unit.of(text), fact)))
        .collect();
    let mut windows = Vec::new();
    for first in 0..units.len() {
        let start = lead_in(text, &units, first, limit).unwrap_or(units[first].start);
        let mut sum = vec![0.0; asked.words().len()];
        let mut has_fact = false;
        for last in first..units.len() {
            let span = ByteSpan::new(start, units[last].end);
            let n_chars = n_chars(text, span);
            if n_chars > limit && last > first {
                break;
            }
            sum = either(&sum, &found[last]);
            has_fact |= facts[last];
            let bonus = if has_fact { FACT_BONUS } else { 0.0 };
            let share = asked.share(&either(&sum, &around));
            windows.push(Part {
                source,
                span: match n_chars > limit {
                    true => cut(text, span, limit),
                    false => span,
                },
                share,
                score: share + bonus + rank - LENGTH_COST * n_chars.min(limit) as f32 / 100.0,
                found: sum.clone(),
                has_fact: has_fact || wanted.is_none(),
            });
        }
    }
    windows
}

fn n_chars(text: &str, span: ByteSpan) -> usize {
    span.of(text).chars().count()
}

fn trimmed(text: &str, span: ByteSpan) -> ByteSpan {
    let part = span.of(text);
    let start = span.start + part.len() - part.trim_start().len();
    ByteSpan::new(start, start + part.trim().len())
}

/// Where a list begins of which this unit is an item: `有下列情形之一的，停止发放：` decides what `（二）户籍
/// 迁出本市的` means. `None` for what is no item, and where both are longer than `limit` characters.
fn lead_in(text: &str, units: &[ByteSpan], at: usize, limit: usize) -> Option<usize> {
    static ITEM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[（(]?[0-9一二三四五六七八九十]{1,3}[)）、.．]|[-•·●])")
            .expect("a literal pattern")
    });
    let is_lead = |unit: &ByteSpan| unit.of(text).ends_with(['：', ':']);
    let is_item = |unit: &ByteSpan| ITEM.is_match(unit.of(text));
    let mut before = units[..at].iter().rev().take(MAX_ITEMS);
    let lead = match is_item(&units[at]) {
        true => before.find(|unit| is_lead(unit))?,
        false => units[..at].last().filter(|unit| is_lead(unit))?,
    };
    let span = ByteSpan::new(lead.start, units[at].end);
    (n_chars(text, span) <= limit).then_some(lead.start)
}

/// Sentences, lines of lists and rows of tables, in order; none is blank. A heading stands with the unit
/// that it introduces.
fn units(text: &str, within: ByteSpan) -> Vec<ByteSpan> {
    let mut units: Vec<ByteSpan> = Vec::new();
    let mut heading: Option<ByteSpan> = None;
    for line in lines(text, within) {
        if is_heading(line.of(text)) {
            heading.get_or_insert(line);
            continue;
        }
        let sentences = match is_row(line.of(text)) {
            true => vec![line],
            false => sentences(text, line),
        };
        for (at, sentence) in sentences.into_iter().enumerate() {
            let start = heading
                .filter(|_| at == 0)
                .map_or(sentence.start, |heading| heading.start);
            units.push(ByteSpan::new(start, sentence.end));
        }
        heading = None;
    }
    // Headings that introduce nothing here.
    if let (Some(heading), true) = (heading, units.is_empty()) {
        units.push(trimmed(text, ByteSpan::new(heading.start, within.end)));
    }
    units
}

/// Lines without white space around them; none is blank.
fn lines(text: &str, within: ByteSpan) -> impl Iterator<Item = ByteSpan> + '_ {
    let lines = within
        .of(text)
        .split_inclusive('\n')
        .scan(within.start, |start, line| {
            let span = ByteSpan::new(*start, *start + line.len());
            *start = span.end;
            Some(span)
        });
    lines
        .map(|line| trimmed(text, line))
        .filter(|line| line.start < line.end)
}

/// A short line that no sentence ends.
fn is_heading(line: &str) -> bool {
    let n_chars = line.chars().count();
    let leads = line.ends_with(['：', ':']);
    n_chars <= MAX_HEADING_CHARS
        && !leads
        && !line.ends_with(is_end)
        && !is_row(line)
        && !has_fact(line)
}

/// Whether a short line says something by itself: it has a number that is no number of a heading.
fn has_fact(line: &str) -> bool {
    let number = |c: char| c.is_ascii_digit();
    line.trim_start_matches(|c: char| number(c) || "、.．（）() ".contains(c))
        .contains(number)
}

/// A row of a table, or several of its cells: `级别：第二级；单价：4.4`, `公交；2；1.6；1`.
fn is_row(line: &str) -> bool {
    let cells: Vec<&str> = line
        .split('；')
        .filter(|cell| !cell.trim().is_empty())
        .collect();
    let n_chars = line.chars().count();
    let is_named = |cell: &&str| cell.chars().take(MAX_LABEL_CHARS).any(|c| c == '：');
    cells.len() > 1
        && n_chars <= MAX_ROW_CHARS
        && (cells.iter().all(is_named) || n_chars <= cells.len() * MAX_MEAN_CELL_CHARS)
}

/// Sentences and items of one line; none is blank.
fn sentences(text: &str, line: ByteSpan) -> Vec<ByteSpan> {
    let mut sentences = Vec::new();
    let mut start = line.start;
    let mut close = |end: usize| {
        let sentence = trimmed(text, ByteSpan::new(start, end));
        if sentence.start < sentence.end {
            sentences.push(sentence);
        }
        start = end;
    };
    let mut chars = line.of(text).char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let goes_on = next.is_some_and(|next| "”’）)\"」》".contains(next));
        if is_end(c) && !goes_on {
            close(line.start + at + c.len_utf8());
        }
    }
    close(line.end);
    sentences
}

/// Whether a sentence, an item or a row ends here.
fn is_end(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '；' | '\n')
}

/// The beginning of a part that is too long, up to the last clause that fits.
fn cut(text: &str, part: ByteSpan, limit: usize) -> ByteSpan {
    let within = part.of(text);
    let Some((end, _)) = within.char_indices().nth(limit) else {
        return part;
    };
    // No `,` or `:` of a number: `12,000`, `8:30`.
    let is_pause = |c: char| "，、；：|\t".contains(c);
    let pauses = within[..end].char_indices().filter(|(_, c)| is_pause(*c));
    let pause = pauses.map(|(at, c)| at + c.len_utf8()).next_back();
    let is_digit = |c: char| c.is_ascii_digit() || ".,:-".contains(c);
    // Else at least before a number that would be cut in two.
    let end = match within[end..].starts_with(is_digit) {
        true => within[..end].trim_end_matches(is_digit).len(),
        false => end,
    };
    trimmed(
        text,
        ByteSpan::new(part.start, part.start + pause.unwrap_or(end)),
    )
}

/// A part with the line break after it, so that what follows begins a line of its own; `None` if neither
/// a line nor a sentence ends there.
pub fn closed(text: &str, part: ByteSpan) -> Option<ByteSpan> {
    let rest = &text[part.end..];
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\u{3000}']).len();
    if rest[blank..].starts_with('\n') {
        return Some(ByteSpan::new(part.start, part.end + blank + 1));
    }
    let ends = part.of(text).chars().next_back().is_some_and(is_end);
    ends.then_some(part)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let units = units(text, ByteSpan::new(0, text.len()));
        units.into_iter().map(|unit| unit.of(text)).collect()
    }

    #[test]
    fn units_are_sentences_items_and_rows() {
        assert_eq!(
            all("一、标准\n每餐补三元。六十五岁以上免费；\n级别：一级；单价：3.2\n公交；2；1.6"),
            [
                "一、标准\n每餐补三元。",
                "六十五岁以上免费；",
                "级别：一级；单价：3.2",
                "公交；2；1.6"
            ]
        );
        assert_eq!(all("只有标题"), ["只有标题"]);
        assert!(all(" \n ").is_empty());
    }

    #[test]
    fn an_item_is_said_with_what_introduces_its_list() {
        let text = "有下列情形之一的，停止发放：\n（一）死亡的；\n（二）户籍迁出本市的；\n其他规定另行公布。";
        let units = units(text, ByteSpan::new(0, text.len()));
        assert_eq!(lead_in(text, &units, 2, 100), Some(0));
        assert_eq!(lead_in(text, &units, 3, 100), None);
        assert_eq!(lead_in(text, &units, 2, 10), None, "too long together");
    }
}
