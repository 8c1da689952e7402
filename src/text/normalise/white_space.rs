//! Spaces and line breaks: which of them mean something.
//!
//! A break inside a sentence goes, a break between paragraphs, list items or headings stays (as
//! one line feed, or two where a line was left empty). A space next to a character that stands
//! alone goes (`通 知`, `第 3 条`); a space between words stays, it separates them. Lengths are
//! counted in *units*: a number, however written, is one, so that the form of numbers does not
//! change what is a short line.

use memchr::memchr2;

use super::rewrite::{OffsetMap, Rewriter};
use crate::document::ByteSpan;

/// A shorter line that ends without punctuation is a heading, not a sentence that goes on.
const MIN_UNITS_OF_BROKEN_LINE: usize = 12;
/// The same where an empty line follows.
const MIN_UNITS_BEFORE_EMPTY_LINE: usize = 20;
/// A label (`办理时限:`) opens a line of its own; longer ones are sentences.
const MAX_UNITS_OF_LABEL: usize = 8;

/// Whether `c` is a Chinese character (the iteration mark 々 and the zero 〇 included).
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{3005}' | '\u{3007}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Removes white space that means nothing; `None` if there is none.
pub(super) fn tidy(text: &str) -> Option<(String, OffsetMap)> {
    let mut rewriter = Rewriter::new(text);
    let mut line_start = 0;
    let mut from = 0;
    while let Some(found) = memchr2(b' ', b'\n', &text.as_bytes()[from..]) {
        let start = from + found;
        let end = text[start..]
            .find(|c| c != ' ' && c != '\n')
            .map_or(text.len(), |length| start + length);
        rewriter.copy_until(start);
        let run = ByteSpan::new(start, end);
        let n_breaks = run.of(text).bytes().filter(|&b| b == b'\n').count();
        let (before, after) = (rewriter.written(), &text[end..]);
        let kept = match n_breaks {
            _ if before.is_empty() || after.is_empty() => "",
            0 if is_gap_in_word(before, after) => "",
            0 => " ",
            _ if is_break_in_sentence(&before[line_start..], after, n_breaks > 1) => "",
            1 => "\n",
            _ => "\n\n",
        };
        if run.of(text) != kept {
            rewriter.replace(run, kept);
        } else {
            rewriter.copy_until(end);
        }
        if n_breaks > 0 && !kept.is_empty() {
            line_start = rewriter.written().len();
        }
        from = end;
    }
    rewriter.finish()
}

/// Whether the space between `before` and `after` touches a character that stands alone.
fn is_gap_in_word(before: &str, after: &str) -> bool {
    let mut back = before.chars().rev();
    let mut ahead = after.chars();
    let (Some(left), Some(right)) = (back.next(), ahead.next()) else {
        return false;
    };
    // The unit behind a number (`5 月`, `第3 条`) stands alone too.
    let alone = |c: char, beyond: Option<char>| {
        is_han(c) && !beyond.is_some_and(|c| c.is_alphanumeric() && !is_numeral(c))
    };
    left.is_alphanumeric()
        && right.is_alphanumeric()
        && (alone(left, back.next()) || alone(right, ahead.next()))
}

/// Whether a sentence goes on from `line` into `after`.
fn is_break_in_sentence(line: &str, after: &str, over_empty_line: bool) -> bool {
    let (Some(left), Some(right)) = (line.chars().next_back(), after.chars().next()) else {
        return false;
    };
    let min_units = if over_empty_line {
        MIN_UNITS_BEFORE_EMPTY_LINE
    } else {
        MIN_UNITS_OF_BROKEN_LINE
    };
    if matches!(
        right,
        ',' | '、' | '。' | ';' | ':' | '?' | '!' | '》' | '”'
    ) {
        return left.is_alphanumeric();
    }
    let goes_on = is_han(right) || right.is_alphanumeric() || matches!(right, '《' | '“');
    if !goes_on || opens_line(after) {
        return false;
    }
    match left {
        ',' | '、' | '《' | '“' => true,
        '》' | '”' => is_han(right) && units(line).take(min_units).count() == min_units,
        _ if left.is_alphanumeric() => {
            (is_han(left) || is_han(right) || !right.is_alphanumeric())
                && units(line).take(min_units).count() == min_units
        }
        _ => false,
    }
}

/// Whether `text` begins like a list item, an article, a heading or a label.
fn opens_line(text: &str) -> bool {
    let line = || {
        text.chars()
            .take_while(|&c| c != '\n')
            .filter(|&c| c != ' ')
    };
    let mut ahead = line().skip_while(|&c| is_numeral(c));
    let n_numerals = line().take(5).take_while(|&c| is_numeral(c)).count();
    if n_numerals > 0 {
        return n_numerals <= 4 && matches!(ahead.next(), Some('.' | '、' | ')'));
    }
    if line().next() == Some('第') {
        let mut number = line().skip(1).skip_while(|&c| is_numeral(c));
        return line().nth(1).is_some_and(is_numeral)
            && number
                .next()
                .is_some_and(|c| "条條章节節编編款部项項".contains(c));
    }
    let mut n_units = 0;
    for c in units_of(line()) {
        if c == ':' {
            return n_units > 0;
        }
        n_units += 1;
        if n_units > MAX_UNITS_OF_LABEL || !c.is_alphanumeric() {
            return false;
        }
    }
    false
}

/// The characters of a text without spaces, each number shortened to its first character.
fn units(text: &str) -> impl Iterator<Item = char> + '_ {
    units_of(text.chars().filter(|&c| c != ' '))
}

fn units_of(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut in_number = false;
    chars.filter(move |&c| {
        let goes_on = in_number && is_numeral(c);
        in_number = is_numeral(c);
        !goes_on
    })
}

/// Whether `c` is a digit, Arabic or Chinese.
fn is_numeral(c: char) -> bool {
    c.is_ascii_digit() || "〇零○一二三四五六七八九十百千".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(text: &str) -> String {
        tidy(text).map_or_else(|| text.to_owned(), |(tidied, _)| tidied)
    }

    #[test]
    fn spaces() {
        for (text, expected) in [
            ("  关 于 印 发  通 知 ", "关于印发通知"),
            ("第 39 条", "第39条"),
            ("2024 年 5 月 1 日", "2024年5月1日"),
            ("养老保险  转移 材料", "养老保险 转移 材料"),
            ("hello  world", "hello world"),
            ("云府办 2020 53号", "云府办 2020 53号"),
            ("a , b", "a , b"),
        ] {
            assert_eq!(tidied(text), expected, "{text:?}");
        }
    }

    #[test]
    fn line_breaks() {
        for (text, expected) in [
            // inside a sentence
            (
                "申请人应当向户籍所在地的街道办\n事处提出申请。",
                "申请人应当向户籍所在地的街道办事处提出申请。",
            ),
            ("提交身份证、\n户口簿", "提交身份证、户口簿"),
            ("逾期不补正的,\n\n视为放弃申请", "逾期不补正的,视为放弃申请"),
            (
                "自受理申请之日起的二十个工作日内办结\n。",
                "自受理申请之日起的二十个工作日内办结。",
            ),
            // after its end
            ("予以公布。\n申请条件", "予以公布。\n申请条件"),
            // headings, list items, labels, articles
            (
                "申请条件\n具有本市户籍的居民",
                "申请条件\n具有本市户籍的居民",
            ),
            (
                "申请人应当提交下列各项材料原件\n一、身份证",
                "申请人应当提交下列各项材料原件\n一、身份证",
            ),
            (
                "申请人应当提交下列各项材料原件\n2.户口簿",
                "申请人应当提交下列各项材料原件\n2.户口簿",
            ),
            (
                "申请人应当提交下列各项材料原件\n第十二条为了",
                "申请人应当提交下列各项材料原件\n第十二条为了",
            ),
            (
                "申请人应当提交下列各项材料原件\n办理时限:5日",
                "申请人应当提交下列各项材料原件\n办理时限:5日",
            ),
            (
                "one long line of english text\nand another",
                "one long line of english text\nand another",
            ),
            // empty lines
            (
                "云溪市居住证管理办法的通知\n\n\n各区人民政府",
                "云溪市居住证管理办法的通知\n\n各区人民政府",
            ),
            ("\n\n标题\n \n \n", "标题"),
        ] {
            assert_eq!(tidied(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_one_unit() {
        assert_eq!(units("二〇二四年 12月").collect::<String>(), "二年1月");
    }
}
