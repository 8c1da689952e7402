//! Blocks → lines: the pieces of text that may begin something.
//!
//! A line is a block, or what stands between two breaks of a block. Pages saved as one endless
//! line break again where wide blanks or a full stop stand before 第N条, 一、 and the like.

use crate::corpus::{Extract, Role};
use crate::document::ByteSpan;

use super::markers::{ItemStyle, Marker, marker, skip_blanks};

/// A stretch of the text without leading or trailing blanks; never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line<'t> {
    pub span: ByteSpan,
    pub text: &'t str,
    pub form: Form,
    pub page: Option<u32>,
}

/// What the format says about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Heading(u8),
    Text,
    Row { table: u32, row: u32 },
}

/// Every line of the extract in order. All non-blank characters of the text lie in some line.
pub(crate) fn lines(extract: &Extract) -> Vec<Line<'_>> {
    let text = extract.text.as_str();
    let mut lines = Vec::new();
    let mut done = 0;
    for block in &extract.blocks {
        let start = block.span.start.max(done).min(text.len());
        let end = block.span.end.max(start).min(text.len());
        if !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            continue;
        }
        push_text(text, ByteSpan::new(done, start), block.page, &mut lines);
        let span = ByteSpan::new(start, end);
        match block.role {
            Role::Heading(level) => push_heading(text, span, level, block.page, &mut lines),
            Role::TableRow { table, row } => {
                push_line(text, span, Form::Row { table, row }, block.page, &mut lines)
            }
            Role::Paragraph | Role::ListItem => push_text(text, span, block.page, &mut lines),
        }
        done = end;
    }
    push_text(text, ByteSpan::new(done, text.len()), None, &mut lines);
    lines
}

/// 第一编　总则第一章　任务: headings of several ranks run into one are told apart.
fn push_heading<'t>(
    text: &'t str,
    span: ByteSpan,
    level: u8,
    page: Option<u32>,
    lines: &mut Vec<Line<'t>>,
) {
    let heading = span.of(text);
    let mut start = 0;
    let is_division = |rest: &str| matches!(marker(rest), Some(Marker::Division { .. }));
    if heading.len() <= 3 * MAX_HEAD_BYTES && is_division(heading.trim_start_matches(is_blank)) {
        for (at, _) in heading.match_indices('第').filter(|&(at, _)| at > 0) {
            if is_division(&heading[at..]) && !heading[start..at].trim_matches(is_blank).is_empty()
            {
                let part = ByteSpan::new(span.start + start, span.start + at);
                push_line(text, part, Form::Heading(level), page, lines);
                start = at;
            }
        }
    }
    let rest = ByteSpan::new(span.start + start, span.end);
    push_line(text, rest, Form::Heading(level), page, lines);
}

fn push_line<'t>(
    text: &'t str,
    span: ByteSpan,
    form: Form,
    page: Option<u32>,
    lines: &mut Vec<Line<'t>>,
) {
    let whole = span.of(text);
    let trimmed = whole.trim_matches(is_blank);
    if !trimmed.is_empty() {
        let start = span.start + (whole.len() - whole.trim_start_matches(is_blank).len());
        lines.push(Line {
            span: ByteSpan::new(start, start + trimmed.len()),
            text: trimmed,
            form,
            page,
        });
    }
}

fn push_text<'t>(text: &'t str, span: ByteSpan, page: Option<u32>, lines: &mut Vec<Line<'t>>) {
    let mut start = span.start;
    for (at, c) in span.of(text).char_indices() {
        if is_break(c) {
            push_soft(text, ByteSpan::new(start, span.start + at), page, lines);
            start = span.start + at + c.len_utf8();
        }
    }
    push_soft(text, ByteSpan::new(start, span.end), page, lines);
}

/// Breaks one hard line again where its structure shows.
fn push_soft<'t>(text: &'t str, span: ByteSpan, page: Option<u32>, lines: &mut Vec<Line<'t>>) {
    let line = span.of(text);
    let mut start = 0;
    let mut previous = '\n';
    let mut n_blanks = 0usize;
    for (at, c) in line.char_indices() {
        if is_blank(c) {
            n_blanks += if c == '\t' { 2 } else { 1 };
            continue;
        }
        let heads =
            |rest: &str| at - start <= MAX_HEAD_BYTES && opens_below(&line[start..at], rest);
        if at > start
            && (opens_line(&line[at..], previous, n_blanks) || (n_blanks > 0 && heads(&line[at..])))
        {
            push_line(
                text,
                ByteSpan::new(span.start + start, span.start + at),
                Form::Text,
                page,
                lines,
            );
            start = at;
        }
        previous = c;
        n_blanks = 0;
    }
    push_line(
        text,
        ByteSpan::new(span.start + start, span.end),
        Form::Text,
        page,
        lines,
    );
}

/// Whether a new line begins at `rest`, after `previous` and `n_blanks` blanks.
fn opens_line(rest: &str, previous: char, n_blanks: usize) -> bool {
    let after_stop = matches!(previous, '。' | '；' | '！' | '？' | '：' | '”' | '）');
    if n_blanks >= 2 && after_stop && previous != '）' && previous != '”' {
        return true;
    }
    if n_blanks == 0 && !after_stop {
        return false;
    }
    match rest.chars().next() {
        Some('第') => match marker(rest) {
            Some(Marker::Article { separated, .. }) => separated && (after_stop || n_blanks >= 2),
            Some(Marker::Division { .. }) => n_blanks >= 2,
            _ => false,
        },
        Some('答' | '问') if after_stop => matches!(
            marker(rest),
            Some(Marker::Reply { .. } | Marker::Ask { .. })
        ),
        Some(c) if n_blanks >= 2 && !c.is_ascii_digit() => {
            matches!(marker(rest), Some(Marker::Item { .. }))
        }
        _ => false,
    }
}

/// Longest heading that a sub-heading may follow on the same line, in bytes.
const MAX_HEAD_BYTES: usize = 96;

/// 三、公共措施 （一）宣传教育: a heading and the first one below it, run into one line.
fn opens_below(head: &str, rest: &str) -> bool {
    let is_first = matches!(
        marker(rest),
        Some(Marker::Item {
            style: ItemStyle::ChineseInBrackets,
            number: 1,
            ..
        })
    );
    is_first
        && matches!(
            marker(head),
            Some(
                Marker::Item {
                    style: ItemStyle::Chinese,
                    ..
                } | Marker::Division { .. }
            )
        )
}

fn is_break(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// White space, and characters that show nothing.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{0}')
}

/// Whether `text` is the same as `other` but for blanks.
pub(crate) fn same_but_blanks(text: &str, other: &str) -> bool {
    let solid = |t: &'_ str| {
        skip_blanks(t)
            .chars()
            .filter(|&c| !is_blank(c))
            .collect::<Vec<_>>()
    };
    solid(text) == solid(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let extract = Extract {
            text: text.to_owned(),
            ..Extract::default()
        };
        lines(&extract).iter().map(|l| l.text.to_owned()).collect()
    }

    #[test]
    fn blanks_around_lines_are_left_out() {
        assert_eq!(texts("  甲\r\n\n　　乙　\n"), ["甲", "乙"]);
        assert_eq!(texts(" \n　\n"), Vec::<String>::new());
    }

    #[test]
    fn a_page_on_one_line_breaks_at_its_structure() {
        assert_eq!(
            texts(
                "第一章　　总则　　第一条　为了规范。　　第二条　本办法适用于全市。第三条 其他。"
            ),
            [
                "第一章　　总则",
                "第一条　为了规范。",
                "第二条　本办法适用于全市。",
                "第三条 其他。"
            ]
        );
        assert_eq!(
            texts("问：怎么办？答：去窗口。"),
            ["问：怎么办？", "答：去窗口。"]
        );
    }

    #[test]
    fn citations_and_wide_blanks_inside_a_line_do_not_break_it() {
        assert_eq!(
            texts("依照本法第三条、第四条 的规定"),
            ["依照本法第三条、第四条 的规定"]
        );
        assert_eq!(
            texts("云溪市人民政府　　云溪市财政局"),
            ["云溪市人民政府　　云溪市财政局"]
        );
    }
}
