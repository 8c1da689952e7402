//! Numbers of articles, years and dates in Arabic digits; one kind of bracket around years.
//!
//! `第三十九条` → `第39条`, `二〇二四年五月一日` → `2024年5月1日`, `(2020)`, `[2020]`, `【2020】` →
//! `〔2020〕`. Other numbers in Chinese stay as they are: `三个月` is a word, `一百元` a price.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::rewrite::{OffsetMap, Rewriter};
use crate::document::ByteSpan;

/// What follows `第` and a number that is then written in digits.
const ARTICLE_UNITS: &str = "条款项章节编目号";
const CLOSING: &str = ")]}〕】〗〉";

static MARKS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::new(["第", "年", "(", "[", "{", "〔", "【", "〖", "〈"])
        .expect("nine short patterns are within every limit")
});

/// Unifies all numbers that this module knows; `None` if they are so already.
pub(super) fn unify(text: &str) -> Option<(String, OffsetMap)> {
    let mut rewriter = Rewriter::new(text);
    for mark in MARKS.find_iter(text) {
        match mark.pattern().as_usize() {
            0 => unify_article(text, mark.end(), &mut rewriter),
            1 => unify_date(text, mark.start(), &mut rewriter),
            _ => unify_bracketed_year(text, mark.start(), mark.end(), &mut rewriter),
        }
    }
    rewriter.finish()
}

/// `第` ends at `start`.
fn unify_article(text: &str, start: usize, rewriter: &mut Rewriter) {
    let numeral = numeral_at(text, start);
    if followed_by(text, numeral.end, ARTICLE_UNITS)
        && let Some(value) = parse_number(numeral.of(text))
    {
        put_number(text, numeral, value, rewriter);
    }
}

/// `年` starts at `year_end`.
fn unify_date(text: &str, year_end: usize, rewriter: &mut Rewriter) {
    let Some(year) = year_before(text, year_end) else {
        return;
    };
    put_year(text, year, rewriter);
    let month = numeral_at(text, year_end + '年'.len_utf8());
    if !followed_by(text, month.end, "月") || !put_small(text, month, 12, rewriter) {
        return;
    }
    let day = numeral_at(text, month.end + '月'.len_utf8());
    if followed_by(text, day.end, "日号") {
        put_small(text, day, 31, rewriter);
    }
}

/// A bracket stands at `open_start..open_end`.
fn unify_bracketed_year(text: &str, open_start: usize, open_end: usize, rewriter: &mut Rewriter) {
    let year = numeral_at(text, open_end);
    let Some(close) = text[year.end..]
        .chars()
        .next()
        .filter(|&c| CLOSING.contains(c))
    else {
        return;
    };
    if year_before(text, year.end) != Some(year) {
        return;
    }
    let (open, close) = (
        ByteSpan::new(open_start, open_end),
        ByteSpan::new(year.end, year.end + close.len_utf8()),
    );
    if open.of(text) != "〔" {
        rewriter.replace(open, "〔");
    }
    put_year(text, year, rewriter);
    if close.of(text) != "〕" {
        rewriter.replace(close, "〕");
    }
}

/// The four digits of a year that end at byte `end`, no other digit before them.
fn year_before(text: &str, end: usize) -> Option<ByteSpan> {
    let mut back = text[..end].char_indices().rev();
    let mut start = end;
    for _ in 0..4 {
        let (at, c) = back.next()?;
        digit(c)?;
        start = at;
    }
    let is_whole = !back.next().is_some_and(|(_, c)| is_numeral(c));
    let is_year = matches!(digit(text[start..].chars().next()?), Some(1 | 2));
    (is_whole && is_year).then_some(ByteSpan::new(start, end))
}

fn put_year(text: &str, year: ByteSpan, rewriter: &mut Rewriter) {
    let value = year
        .of(text)
        .chars()
        .filter_map(digit)
        .fold(0, |value, digit| value * 10 + digit);
    put_number(text, year, value, rewriter);
}

/// Writes a month or a day; `false` if the numeral is none.
fn put_small(text: &str, numeral: ByteSpan, max: u32, rewriter: &mut Rewriter) -> bool {
    match parse_number(numeral.of(text)) {
        Some(value) if (1..=max).contains(&value) => {
            put_number(text, numeral, value, rewriter);
            true
        }
        _ => false,
    }
}

/// Writes `value` in digits in the place of `numeral`, unless that is in digits already.
fn put_number(text: &str, numeral: ByteSpan, value: u32, rewriter: &mut Rewriter) {
    if !numeral.of(text).is_ascii() {
        rewriter.replace(numeral, &value.to_string());
    }
}

/// The longest run of numerals that starts at byte `start`.
fn numeral_at(text: &str, start: usize) -> ByteSpan {
    let length = text[start..]
        .find(|c| !is_numeral(c))
        .unwrap_or(text.len() - start);
    ByteSpan::new(start, start + length)
}

fn followed_by(text: &str, end: usize, any_of: &str) -> bool {
    text[end..]
        .chars()
        .next()
        .is_some_and(|c| any_of.contains(c))
}

fn is_numeral(c: char) -> bool {
    digit(c).is_some() || matches!(c, '十' | '百' | '千')
}

fn digit(c: char) -> Option<u32> {
    match c {
        '○' | '〇' | '零' => Some(0),
        '一' => Some(1),
        '二' => Some(2),
        '三' => Some(3),
        '四' => Some(4),
        '五' => Some(5),
        '六' => Some(6),
        '七' => Some(7),
        '八' => Some(8),
        '九' => Some(9),
        _ => c.to_digit(10),
    }
}

/// The value of a numeral up to 9999 written in full (`一千二百六十`, `一百零三`), in single digits
/// (`一〇三`) or in Arabic digits. `None` for anything ambiguous, mixed or larger.
pub(in crate::text) fn parse_number(numeral: &str) -> Option<u32> {
    if numeral.is_empty() || numeral.chars().nth(5).is_some_and(|_| numeral.is_ascii()) {
        return None;
    }
    if numeral.is_ascii() {
        return numeral.parse().ok();
    }
    if numeral.chars().any(|c| c.is_ascii_digit()) {
        return None;
    }
    if numeral.chars().any(|c| matches!(c, '十' | '百' | '千')) {
        return parse_with_units(numeral);
    }
    let mut digits = numeral.chars().map(digit);
    match numeral.chars().count() {
        1 => digits.next().flatten().filter(|&value| value > 0),
        // 三四 may mean three and four; with a zero it can only be one number.
        3 | 4 if numeral.contains(['〇', '○', '零']) => digits
            .try_fold(0, |value, digit| Some(value * 10 + digit?))
            .filter(|&value| value > 0),
        _ => None,
    }
}

fn parse_with_units(numeral: &str) -> Option<u32> {
    let mut total = 0;
    let mut pending: Option<u32> = None;
    let mut smallest_unit = 10_000;
    let mut after_zero = false;
    for c in numeral.chars() {
        let unit = match c {
            '千' => 1000,
            '百' => 100,
            '十' => 10,
            _ => {
                let value = digit(c)?;
                if pending.is_some() || (value == 0 && after_zero) {
                    return None;
                }
                after_zero |= value == 0;
                pending = (value > 0).then_some(value);
                continue;
            }
        };
        if unit >= smallest_unit {
            return None;
        }
        // 十二 has no digit before its ten; 百 and 千 always have one.
        let count = match pending.take() {
            Some(count) => count,
            None if unit == 10 && total == 0 => 1,
            None => return None,
        };
        total += count * unit;
        smallest_unit = unit;
        after_zero = false;
    }
    match pending {
        // 二百五 is 250 in speech and a mistake in a statute.
        Some(_) if smallest_unit > 10 && !after_zero => None,
        Some(ones) => Some(total + ones),
        None if after_zero => None,
        None => Some(total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unified(text: &str) -> String {
        unify(text).map_or_else(|| text.to_owned(), |(unified, _)| unified)
    }

    #[test]
    fn values_of_numerals() {
        for (numeral, value) in [
            ("一", Some(1)),
            ("十", Some(10)),
            ("十二", Some(12)),
            ("三十九", Some(39)),
            ("一百", Some(100)),
            ("一百零三", Some(103)),
            ("一百一十", Some(110)),
            ("一千二百六十", Some(1260)),
            ("一千零一", Some(1001)),
            ("一千零五十六", Some(1056)),
            ("一〇三", Some(103)),
            ("39", Some(39)),
            ("二百五", None),
            ("三四", None),
            ("百", None),
            ("一百百", None),
            ("十百", None),
            ("一百零", None),
            ("一零零三百", None),
            ("3十", None),
            ("123456", None),
            ("", None),
            ("〇", None),
        ] {
            assert_eq!(parse_number(numeral), value, "{numeral}");
        }
    }

    #[test]
    fn articles_dates_and_brackets() {
        for (text, expected) in [
            ("第三十九条第二款第(一)项", "第39条第2款第(一)项"),
            ("第一千二百六十条", "第1260条"),
            ("第十二届第三次会议", "第十二届第三次会议"),
            ("二〇二四年五月一日", "2024年5月1日"),
            ("二○二四年度", "2024年度"),
            ("2024年十月三十二日", "2024年10月三十二日"),
            ("三五七九年", "三五七九年"),
            ("十二〇二四年", "十二〇二四年"),
            ("云府〔2020〕5号", "云府〔2020〕5号"),
            ("云府[2020)5号", "云府〔2020〕5号"),
            ("云府(二〇二〇)5号", "云府〔2020〕5号"),
            ("(12345)(202)", "(12345)(202)"),
            ("第", "第"),
            ("年", "年"),
            ("(", "("),
        ] {
            assert_eq!(unified(text), expected);
        }
    }
}
