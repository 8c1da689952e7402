//! Which lines of a text belong to one paragraph.
//!
//! Text saved from PDF readers and old editors is broken at the width of a page: a line ends in
//! the middle of a sentence. Text saved from word processors has one paragraph per line. The
//! lines themselves tell which: only a line about as long as the longest ones, without a
//! sentence end, runs on. Line breaks stay in the text; repairing them is not done here.

use crate::document::ByteSpan;

/// Characters that end a line which nothing follows.
const ENDS: &str = "。！？；：…!?;:”』」）)】";

/// Paragraphs of `text` in order, each a span from the first to the last character of its lines.
///
/// A blank line always separates. Blank paragraphs are left out.
pub fn paragraphs(text: &str) -> Vec<ByteSpan> {
    let lines = spans_of_lines(text);
    let width = wrap_width(text, &lines);
    let mut found: Vec<ByteSpan> = Vec::new();
    let mut runs_on = false;
    for line in lines {
        let content = line.of(text);
        if content.trim().is_empty() {
            runs_on = false;
            continue;
        }
        match found.last_mut() {
            Some(paragraph) if runs_on && !opens_paragraph(content) => paragraph.end = line.end,
            _ => found.push(line),
        }
        runs_on = content.chars().count() * 10 >= width * 8
            && !content.trim_end().ends_with(|c| ENDS.contains(c));
    }
    found
}

/// The lines of `text` without their line ends.
fn spans_of_lines(text: &str) -> Vec<ByteSpan> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let span = ByteSpan::new(start, start + line.trim_end_matches(['\n', '\r']).len());
            start += line.len();
            span
        })
        .collect()
}

/// The width in characters at which the text seems to be wrapped; `usize::MAX / 10` if it is not.
///
/// Wrapped text has many lines of nearly the same greatest length. The length that nine tenths
/// of the lines stay within is taken, if a third of all lines come close to it and it is no
/// longer than a printed line.
fn wrap_width(text: &str, lines: &[ByteSpan]) -> usize {
    const NONE: usize = usize::MAX / 10;
    const LONGEST_PRINTED_LINE: usize = 90;
    let mut lengths: Vec<usize> = lines
        .iter()
        .map(|line| line.of(text).trim_end().chars().count())
        .filter(|&length| length > 0)
        .collect();
    lengths.sort_unstable();
    let Some(&width) = lengths.get(lengths.len() * 9 / 10) else {
        return NONE;
    };
    let n_close = lengths
        .iter()
        .filter(|&&length| length * 10 >= width * 8)
        .count();
    if lengths.len() >= 3
        && width >= 10
        && width <= LONGEST_PRINTED_LINE
        && n_close * 3 >= lengths.len()
    {
        width
    } else {
        NONE
    }
}

/// Whether a line looks like the first of a paragraph: indented, numbered or a list item.
pub fn opens_paragraph(line: &str) -> bool {
    if line.starts_with(['\u{3000}', '\t']) || line.starts_with("  ") {
        return true;
    }
    let line = line.trim_start();
    line.starts_with(['●', '■', '◆', '▲', '•', '·', '-', '*', '【']) || opens_numbered(line)
}

/// Whether a text begins with the number of a paragraph: 一、 （一） 1. 第一条 ①
pub fn opens_numbered(line: &str) -> bool {
    let mut chars = line.chars();
    match chars.next() {
        Some('①'..='⑳') => true,
        Some('（' | '(') => {
            let rest: String = chars.take(5).collect();
            rest.find(['）', ')'])
                .is_some_and(|at| at > 0 && rest[..at].chars().all(is_numeral))
        }
        Some('第') => {
            let rest: String = chars.take(10).collect();
            rest.find(['条', '章', '节', '款', '编'])
                .is_some_and(|at| at > 0 && rest[..at].chars().all(is_numeral))
        }
        Some(c) if is_numeral(c) => {
            let mark = chars.find(|&c| !is_numeral(c));
            // 3.5 is a number, not the third paragraph.
            let is_decimal = mark == Some('.') && chars.next().is_some_and(|c| c.is_ascii_digit());
            matches!(mark, Some('、' | '.' | '．' | '）' | ')')) && !is_decimal
        }
        _ => false,
    }
}

fn is_numeral(c: char) -> bool {
    c.is_ascii_digit() || "〇零一二三四五六七八九十百千".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = paragraphs(text).iter().map(|span| span.of(text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_paragraph_per_line() {
        check(
            "云溪市热线\r\n\r\n第一段。\n第二段很长很长",
            &["云溪市热线", "第一段。", "第二段很长很长"],
        );
    }

    #[test]
    fn wrapped_lines_run_on_until_a_sentence_ends() {
        check(
            "云溪市居民申请临时救助的应当\n向户籍所在地的镇人民政府提出\n申请。\n第二条 本办法自印发之日起施\n行。",
            &[
                "云溪市居民申请临时救助的应当\n向户籍所在地的镇人民政府提出\n申请。",
                "第二条 本办法自印发之日起施\n行。",
            ],
        );
    }

    #[test]
    fn numbered_lines_open_paragraphs() {
        for line in [
            "一、条件",
            "（二）材料",
            "3. 时限",
            "第十二条 范围",
            "　　缩进",
            "• 要点",
        ] {
            assert!(opens_paragraph(line), "{line}");
        }
        for line in ["年满60周岁", "第一时间到场", "申请人", "3.5倍", "（试行）"]
        {
            assert!(!opens_paragraph(line), "{line}");
        }
    }
}
