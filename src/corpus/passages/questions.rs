//! Lines that ask: 问：…, 1.…？, a heading that ends in a question mark, …？ with its answer behind.

use super::lines::Line;
use super::markers::{CLOSERS, Marker, is_short, marker};
use super::shapes::{Rank, Shape};

/// Longest question, in characters.
const MAX_QUESTION_CHARS: usize = 120;
/// Longest question that nothing marks as one but its question mark.
const MAX_BARE_QUESTION_CHARS: usize = 48;
/// Shortest one.
const MIN_BARE_QUESTION_CHARS: usize = 5;

/// The question that a line asks, if it does. `next` is the mark of the line after it, `marked`
/// the rank of the line if the format makes it a heading.
pub(crate) fn question(
    line: &Line<'_>,
    mark: Option<Marker>,
    next: Option<Marker>,
    marked: Option<Rank>,
) -> Option<Shape> {
    let text = line.text;
    let (explicit, start, rank) = match mark {
        Some(Marker::Ask { n_mark_bytes }) => (true, n_mark_bytes, Rank::Ask),
        Some(Marker::Item {
            style,
            n_mark_bytes,
            ..
        }) => (false, n_mark_bytes, Rank::Item(style)),
        _ => (false, 0, Rank::Ask),
    };
    let rank = marked.unwrap_or(rank);
    if let Some((end, reply)) = answered_on_line(text, start, explicit) {
        return Some(Shape::Question {
            rank,
            words: start..end,
            reply: Some(reply),
        });
    }
    let words = &text[start..];
    let asks = ends_asking(words) && is_short(words, MAX_QUESTION_CHARS) && !text.contains('。');
    let answered = matches!(next, Some(Marker::Reply { .. }));
    let is_question =
        explicit || (asks && (answered || marked.is_some() || is_bare_question(words)));
    let whole = Shape::Question {
        rank,
        words: start..text.len(),
        reply: None,
    };
    (is_question && !words.is_empty()).then_some(whole)
}

/// Where the question ends and the answer begins, if both stand on the line.
///
/// Without 问： or 答： the answer must stand behind a blank: 要多久？ 五天。
fn answered_on_line(text: &str, start: usize, explicit: bool) -> Option<(usize, usize)> {
    let mark = start + text[start..].find(['？', '?'])?;
    let end = mark + text[mark..].chars().next().map_or(1, char::len_utf8);
    let rest = &text[end..];
    let reply = rest.trim_start();
    if mark == start || reply.is_empty() || reply.starts_with(CLOSERS) {
        return None;
    }
    let n_mark_bytes = match marker(reply) {
        Some(Marker::Reply { n_mark_bytes }) => n_mark_bytes,
        _ => 0,
    };
    let words = &text[start..end];
    let apart = reply.len() < rest.len() && is_bare_question(words) && !ends_asking(reply);
    let is_answered =
        (explicit && is_short(words, MAX_QUESTION_CHARS)) || n_mark_bytes > 0 || apart;
    is_answered.then_some((end, text.len() - reply.len() + n_mark_bytes))
}

fn ends_asking(words: &str) -> bool {
    words.trim_end_matches(CLOSERS).ends_with(['？', '?'])
}

fn is_bare_question(words: &str) -> bool {
    is_short(words, MAX_BARE_QUESTION_CHARS)
        && words.chars().nth(MIN_BARE_QUESTION_CHARS - 1).is_some()
        && !words.contains(['。', '；'])
}
