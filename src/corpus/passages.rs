//! Text → passages, along the document's own structure.
//!
//! An article of a regulation, a question with its answer, what a heading covers, rows of a
//! table: each is a passage, or several where it is long. Lines come from [`lines`], their marks
//! from [`markers`], what stands under what from [`outline`], and the division of long sections
//! from [`windows`]. Knows nothing of formats, metadata or terms.

use std::ops::Range;

use crate::corpus::Extract;
use crate::document::{ByteSpan, Passage};

use self::lines::{Form, Line};
use self::outline::Section;

pub(crate) mod lines;
pub(crate) mod markers;
pub(crate) mod numerals;
mod outline;
mod windows;

/// How long passages get. All lengths in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOptions {
    /// What a window aims at when a section has to be divided.
    pub target_chars: usize,
    /// The longest passage, a repeated sentence aside. Sections up to this length stay whole.
    pub max_chars: usize,
    /// Sections under headings that are shorter join a neighbour under the same heading.
    pub min_chars: usize,
    /// Whether a window repeats the last sentence of the one before it, if that is short.
    pub overlap_sentence: bool,
}

impl Default for CutOptions {
    fn default() -> Self {
        Self {
            target_chars: 350,
            max_chars: 600,
            min_chars: 80,
            overlap_sentence: false,
        }
    }
}

impl CutOptions {
    /// Sizes that cutting can work with: at least 16 characters, target at most the maximum.
    fn usable(&self) -> CutOptions {
        let max_chars = self.max_chars.max(16);
        CutOptions {
            target_chars: self.target_chars.clamp(8, max_chars),
            max_chars,
            ..*self
        }
    }
}

/// Cuts a text into passages, in reading order, numbered from 0.
///
/// Spans are in order, on character boundaries, without blanks at their ends; every non-blank
/// character of the text lies in some passage. Headings stand in the passage that follows them as
/// well as in its heading path; `title` is left out of the paths. A text without a visible
/// character gives no passages. Takes time linear in the length of the text.
pub fn cut(extract: &Extract, title: &str, options: &CutOptions) -> Vec<Passage> {
    let options = options.usable();
    let text = extract.text.as_str();
    let lines = lines::lines(extract);
    let sections = outline::sections(&lines, title);
    let sections = match whole(&sections, &lines, text, &options) {
        Some(section) => vec![section],
        None => join_short(sections, &lines, text, &options),
    };
    let mut passages = Vec::new();
    for section in &sections {
        cut_section(
            text,
            section,
            &lines[section.lines.clone()],
            &options,
            &mut passages,
        );
    }
    for (ordinal, passage) in passages.iter_mut().enumerate() {
        passage.ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
    }
    passages
}

/// Cuts a question with its answer, which stands in `answer` (bytes of `text`), into passages.
///
/// Nothing inside the text is taken for structure: an answer that numbers its paragraphs or asks
/// back stays one answer. Every passage bears the `questions` and the `row`.
pub fn cut_answer(
    text: &str,
    questions: &[String],
    answer: Range<usize>,
    row: Option<u32>,
    options: &CutOptions,
) -> Vec<Passage> {
    let options = options.usable();
    let extract = Extract {
        text: text.to_owned(),
        ..Extract::default()
    };
    let lines = lines::lines(&extract);
    let spans = windows::windows(text, &lines, options.max_chars, &options);
    let passage = |(ordinal, span): (usize, ByteSpan)| Passage {
        ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        span,
        answer: intersection(span, &answer),
        questions: questions.to_vec(),
        row,
        ..Passage::default()
    };
    spans.into_iter().enumerate().map(passage).collect()
}

fn intersection(span: ByteSpan, range: &Range<usize>) -> Option<ByteSpan> {
    let (start, end) = (span.start.max(range.start), span.end.min(range.end));
    (start < end).then(|| ByteSpan::new(start, end))
}

/// A short text with at most one article or question is one section.
fn whole(
    sections: &[Section],
    lines: &[Line<'_>],
    text: &str,
    options: &CutOptions,
) -> Option<Section> {
    let named = sections
        .iter()
        .filter(|s| s.article.is_some() || !s.questions.is_empty());
    if sections.len() < 2 || named.clone().count() > 1 {
        return None;
    }
    let n_chars = n_chars(text, lines, options.target_chars);
    if n_chars > options.target_chars
        || lines
            .iter()
            .any(|line| matches!(line.form, Form::Row { .. }))
    {
        return None;
    }
    let mut section = named.clone().next().cloned().unwrap_or_default();
    section.heading = sections
        .iter()
        .skip(1)
        .fold(sections[0].heading.clone(), |all, s| {
            shared(&all, &s.heading)
        });
    section.lines = 0..lines.len();
    Some(section)
}

/// Joins sections under headings that are too short to stand alone.
fn join_short(
    sections: Vec<Section>,
    lines: &[Line<'_>],
    text: &str,
    options: &CutOptions,
) -> Vec<Section> {
    let mut joined: Vec<Section> = Vec::with_capacity(sections.len());
    for section in sections {
        match joined
            .last_mut()
            .filter(|last| may_join(last, &section, lines, text, options))
        {
            Some(last) => {
                last.heading = shared(&last.heading, &section.heading);
                last.lines.end = section.lines.end;
            }
            None => joined.push(section),
        }
    }
    joined
}

/// What introduces the parts below it joins the first of them; neighbours join if both are short.
fn may_join(
    last: &Section,
    next: &Section,
    lines: &[Line<'_>],
    text: &str,
    options: &CutOptions,
) -> bool {
    let plain = |s: &Section| s.article.is_none() && s.questions.is_empty();
    if !plain(last) || !plain(next) {
        return false;
    }
    let n_last = n_chars(text, &lines[last.lines.clone()], options.target_chars);
    let n_next = n_chars(text, &lines[next.lines.clone()], options.target_chars);
    if n_last >= options.min_chars || n_last + n_next > options.target_chars {
        return false;
    }
    let n_shared = shared(&last.heading, &next.heading).len();
    let introduces = n_shared == last.heading.len();
    let neighbours = n_shared + 1 >= last.heading.len() && n_shared + 1 >= next.heading.len();
    introduces || (neighbours && n_next < options.min_chars)
}

/// Headings that both paths begin with.
fn shared(a: &[String], b: &[String]) -> Vec<String> {
    a.iter()
        .zip(b)
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.clone())
        .collect()
}

/// Characters from the first to the last line; stops counting once there are more than `enough`.
fn n_chars(text: &str, lines: &[Line<'_>], enough: usize) -> usize {
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => text[first.span.start..last.span.end]
            .chars()
            .take(enough + 1)
            .count(),
        _ => 0,
    }
}

/// Divides a section's lines into runs of text and runs of rows of one table.
///
/// A few words right before a table stay with it.
fn runs(lines: &[Line<'_>], text: &str, options: &CutOptions) -> Vec<Range<usize>> {
    let table_of = |line: &Line<'_>| match line.form {
        Form::Row { table, .. } => Some(table),
        _ => None,
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in 0..lines.len() {
        match runs.last_mut() {
            Some(run) if table_of(&lines[at]) == table_of(&lines[run.end - 1]) => run.end += 1,
            Some(run)
                if table_of(&lines[run.end - 1]).is_none()
                    && n_chars(text, &lines[run.clone()], options.min_chars)
                        < options.min_chars =>
            {
                run.end += 1;
            }
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// Makes the passages of one section.
fn cut_section(
    text: &str,
    section: &Section,
    lines: &[Line<'_>],
    options: &CutOptions,
    passages: &mut Vec<Passage>,
) {
    let mut is_first = true;
    for run in runs(lines, text, options) {
        let lines = &lines[run];
        let has_rows = lines
            .iter()
            .any(|line| matches!(line.form, Form::Row { .. }));
        let whole_chars = if has_rows {
            options.target_chars
        } else {
            options.max_chars
        };
        let mut line_at = 0;
        for span in windows::windows(text, lines, whole_chars, options) {
            while line_at + 1 < lines.len() && lines[line_at + 1].span.start <= span.start {
                line_at += 1;
            }
            let mut heading = section.heading.clone();
            if !is_first {
                heading.extend(section.continuation.clone());
            }
            passages.push(Passage {
                ordinal: 0,
                heading,
                span,
                answer: section
                    .answer_start
                    .and_then(|start| intersection(span, &(start..text.len()))),
                questions: section.questions.clone(),
                article: section.article,
                page: lines[line_at].page,
                row: first_row(&lines[line_at..], span),
            });
            is_first = false;
        }
    }
}

/// Row number of the first table row inside `span`; `lines` begin with the one where it starts.
fn first_row(lines: &[Line<'_>], span: ByteSpan) -> Option<u32> {
    lines
        .iter()
        .take_while(|line| line.span.start < span.end)
        .find_map(|line| match line.form {
            Form::Row { row, .. } => Some(row),
            _ => None,
        })
}
