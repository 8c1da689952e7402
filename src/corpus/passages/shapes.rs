//! What each line turns out to be: a heading, the start of an article, a question, an item, text.
//!
//! Official texts mark headings by numbering more often than by format. A numbered line counts as
//! a heading when it is short and ends openly; which of these head nothing is for [`super::lists`].

use std::ops::Range;

use super::contents::contents;
use super::lines::{Form, Line};
use super::lists::{demote_annex_lists, demote_childless};
use super::markers::{ItemStyle, Marker, ends_clause, is_short, marker, skip_blanks};
use super::questions::question;

/// Longest heading that is recognised by its numbering alone, in characters.
const MAX_NUMBERED_HEADING_CHARS: usize = 32;
/// Longest line that is a heading because the format says so.
const MAX_MARKED_HEADING_CHARS: usize = 80;

/// Orders headings: an entry closes those that stand at its own rank or deeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Annex,
    Marked(u8),
    RuleTitle,
    Division(u8),
    Article,
    Item(ItemStyle),
    Ask,
}

/// What one line turns out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Heading {
        rank: Rank,
        number: Option<u32>,
    },
    /// A paragraph that opens with its own heading: （一）加强领导。各部门…
    RunIn {
        rank: Rank,
        number: u32,
        n_bytes: usize,
    },
    Article {
        number: u32,
        n_label_bytes: usize,
    },
    /// The question's words, and where the answer begins if it follows on the same line.
    Question {
        rank: Rank,
        words: Range<usize>,
        reply: Option<usize>,
    },
    Reply {
        n_mark_bytes: usize,
    },
    /// A numbered paragraph that is no heading.
    Item {
        style: ItemStyle,
        number: u32,
    },
    Body,
}

/// The shape of every line.
pub(crate) fn shapes(lines: &[Line<'_>]) -> Vec<Shape> {
    let markers: Vec<Option<Marker>> = lines
        .iter()
        .map(|line| {
            if matches!(line.form, Form::Row { .. }) {
                None
            } else {
                marker(line.text)
            }
        })
        .collect();
    let in_contents = contents(lines, &markers);
    let mut shapes = Vec::with_capacity(lines.len());
    let mut last_article = 0;
    for at in 0..lines.len() {
        let shape = if in_contents.contains(&at) {
            Shape::Body
        } else {
            shape(lines, &markers, at, last_article)
        };
        match shape {
            Shape::Article { number, .. } => last_article = number,
            Shape::Heading {
                rank: Rank::Annex | Rank::RuleTitle,
                ..
            } => last_article = 0,
            _ => {}
        }
        shapes.push(shape);
    }
    demote_annex_lists(lines, &mut shapes);
    demote_childless(&mut shapes);
    shapes
}
fn shape(lines: &[Line<'_>], markers: &[Option<Marker>], at: usize, last_article: u32) -> Shape {
    let line = &lines[at];
    let next = lines.get(at + 1);
    let marked = match line.form {
        Form::Row { .. } => return Shape::Body,
        Form::Heading(level) if is_short(line.text, MAX_MARKED_HEADING_CHARS) => {
            Some(Rank::Marked(level))
        }
        _ => None,
    };
    if let Some(Marker::Article {
        number,
        n_label_bytes,
        separated,
        ..
    }) = markers[at]
        && begins_article(line.text, number, n_label_bytes, separated, last_article)
    {
        return Shape::Article {
            number,
            n_label_bytes,
        };
    }
    if let Some(Marker::Reply { n_mark_bytes }) = markers[at] {
        return Shape::Reply { n_mark_bytes };
    }
    if let Some(question) = question(
        line,
        markers[at],
        markers.get(at + 1).copied().flatten(),
        marked,
    ) {
        return question;
    }
    if let Some(Marker::Division { rank, number }) = markers[at] {
        return Shape::Heading {
            rank: Rank::Division(rank),
            number: Some(number),
        };
    }
    if let Some(rank) = marked {
        return Shape::Heading { rank, number: None };
    }
    match markers[at] {
        Some(Marker::Annex) => Shape::Heading {
            rank: Rank::Annex,
            number: None,
        },
        Some(Marker::Item {
            style,
            number,
            n_mark_bytes,
        }) => item_shape(line.text, style, number, n_mark_bytes),
        _ if is_rule_title(line.text, next, markers.get(at + 1).copied().flatten()) => {
            Shape::Heading {
                rank: Rank::RuleTitle,
                number: None,
            }
        }
        _ => Shape::Body,
    }
}

/// Whether 第N条 at the start of a line begins an article rather than cites one.
fn begins_article(
    line: &str,
    number: u32,
    n_label_bytes: usize,
    separated: bool,
    last_article: u32,
) -> bool {
    let rest = skip_blanks(&line[n_label_bytes..]);
    let in_order = number == last_article || number == last_article.saturating_add(1);
    let cites = rest.starts_with([
        '第', '、', '和', '至', '所', '的', '款', '项', '规', '，', '及', '或',
    ]);
    !cites && (in_order || separated && (number > last_article || number == 1))
}

fn item_shape(text: &str, style: ItemStyle, number: u32, n_mark_bytes: usize) -> Shape {
    let words = &text[n_mark_bytes..];
    let open = words.trim_end_matches(['：', ':']);
    if !open.is_empty()
        && is_short(words, MAX_NUMBERED_HEADING_CHARS)
        && !ends_clause(open)
        && !open.contains(['。', '；'])
    {
        return Shape::Heading {
            rank: Rank::Item(style),
            number: Some(number),
        };
    }
    if matches!(style, ItemStyle::Chinese | ItemStyle::ChineseInBrackets)
        && let Some(n_bytes) = run_in_heading(words)
    {
        return Shape::RunIn {
            rank: Rank::Item(style),
            number,
            n_bytes: n_mark_bytes + n_bytes,
        };
    }
    Shape::Item { style, number }
}

/// Bytes of a heading that opens a paragraph: up to 24 characters without a comma, then 。 and more.
fn run_in_heading(words: &str) -> Option<usize> {
    let stop = words
        .char_indices()
        .take(25)
        .find(|&(_, c)| matches!(c, '。' | '，' | '；' | '：' | ',' | '、' | '？'))?;
    let more = !words[stop.0 + stop.1.len_utf8()..].trim().is_empty();
    (stop.1 == '。' && stop.0 >= 6 && more).then_some(stop.0)
}

/// A short line that stands right before 第一章 or 第一条 names the rule that follows.
fn is_rule_title(text: &str, next: Option<&Line<'_>>, mark: Option<Marker>) -> bool {
    let opens_rule = matches!(
        mark,
        Some(
            Marker::Division { number: 1, .. }
                | Marker::Article {
                    number: 1,
                    separated: true,
                    ..
                }
        )
    );
    opens_rule
        && next.is_some()
        && is_short(text, 40)
        && !ends_clause(text)
        && !text.starts_with(['（', '('])
}
