//! Contents pages: their lines look like headings and are none.

use std::ops::Range;

use super::lines::{Line, is_blank, same_but_blanks};
use super::markers::{Marker, is_short, marker};

/// The lines of a contents page: from 目录 to before the first heading that comes a second time.
pub(crate) fn contents(lines: &[Line<'_>], markers: &[Option<Marker>]) -> Range<usize> {
    let is_contents = |line: &Line<'_>| {
        is_short(line.text, 8)
            && (same_but_blanks(line.text, "目录")
                || same_but_blanks(line.text, "目次")
                || same_but_blanks(line.text, "目錄"))
    };
    let Some(start) = lines.iter().take(200).position(is_contents) else {
        return 0..0;
    };
    let named = |at: usize| {
        let words = heading_words(lines[at].text);
        matches!(marker(words), Some(Marker::Division { .. }))
    };
    let first_at = (start + 1..lines.len().min(start + 20))
        .find(|&at| named(at))
        .unwrap_or(start + 1);
    let first = lines
        .get(first_at)
        .map_or(String::new(), |line| solid(heading_words(line.text)));
    for at in start + 1..lines.len() {
        let article = matches!(
            markers[at],
            Some(Marker::Article {
                separated: true,
                ..
            })
        );
        let ends = article
            || !is_short(lines[at].text, 80)
            || (at > first_at && !first.is_empty() && solid(lines[at].text).starts_with(&first));
        if ends {
            return start..at;
        }
    }
    0..0
}

fn solid(text: &str) -> String {
    text.chars().filter(|&c| !is_blank(c)).collect()
}

/// A line of a contents page without its dots and page number.
fn heading_words(line: &str) -> &str {
    line.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '.' | '…' | '·' | '-' | '—' | '\t' | ' ' | '\u{3000}')
    })
}
