//! What the first characters of a line say it is: 第三章, 第三十九条, 一、, （二）, 问：, 附件1 …
//!
//! Looks at one line alone; whether a marked line really is a heading is for the outline to say.

use super::numerals::read_number;

/// The mark at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// 编, 分编, 章, 节: the rank orders them, 0 outermost.
    Division { rank: u8, number: u32 },
    /// 第N条, 第N条之一.
    Article {
        number: u32,
        /// 之一 → 1.
        inserted: Option<u32>,
        /// Bytes of the label `第N条之一`.
        n_label_bytes: usize,
        /// A blank, a bracket or the end of the line follows the label.
        separated: bool,
    },
    /// A numbered item or heading.
    Item {
        style: ItemStyle,
        number: u32,
        /// Bytes up to where the item's own words begin.
        n_mark_bytes: usize,
    },
    /// 问：, Q1:, 问题1：
    Ask { n_mark_bytes: usize },
    /// 答：, A:, 回复：
    Reply { n_mark_bytes: usize },
    /// 附件, 附录, 附表
    Annex,
}

/// How an item is numbered, from the outermost to the innermost by official usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ItemStyle {
    /// 一、
    Chinese,
    /// （一）
    ChineseInBrackets,
    /// 1. 1、
    Digits,
    /// （1） 1）
    DigitsInBrackets,
    /// ①
    Circled,
}

const BLANKS: [char; 5] = [' ', '\t', '\u{3000}', '\u{a0}', '\u{feff}'];

/// The mark at the start of `line`, which has no leading blanks.
pub(crate) fn marker(line: &str) -> Option<Marker> {
    match line.chars().next()? {
        '第' => ordinal(line).or_else(|| ask(line)),
        '附' => annex(line),
        '问' | '問' | 'Q' | 'q' | 'Ｑ' => ask(line),
        '答' | 'A' | 'a' | 'Ａ' | '回' => reply(line),
        _ => item(line),
    }
}

/// 第N编/章/节/条.
fn ordinal(line: &str) -> Option<Marker> {
    let after = skip_blanks(line.strip_prefix('第')?);
    let (number, n_bytes) = read_number(after)?;
    let rest = skip_blanks(&after[n_bytes..]);
    for (words, rank) in [
        (["分编", "分編"], 1),
        (["编", "編"], 0),
        (["章", "章"], 2),
        (["节", "節"], 3),
    ] {
        if let Some(title) = words.iter().find_map(|w| rest.strip_prefix(w)) {
            let is_title = is_short(title, 40) && !ends_clause(title);
            return is_title.then_some(Marker::Division { rank, number });
        }
    }
    let rest = rest
        .strip_prefix('条')
        .or_else(|| rest.strip_prefix('條'))?;
    let (inserted, rest) = inserted_number(rest);
    Some(Marker::Article {
        number,
        inserted,
        n_label_bytes: line.len() - rest.len(),
        separated: rest.is_empty()
            || rest.starts_with(BLANKS)
            || rest.starts_with(['【', '［', '[', '（', '(', '〔']),
    })
}

fn inserted_number(rest: &str) -> (Option<u32>, &str) {
    let read = rest.strip_prefix('之').and_then(|after| {
        let (number, n_bytes) = read_number(after)?;
        Some((Some(number), &after[n_bytes..]))
    });
    read.unwrap_or((None, rest))
}

fn annex(line: &str) -> Option<Marker> {
    let rest = ["附件", "附录", "附表", "附錄"]
        .iter()
        .find_map(|w| line.strip_prefix(w))?;
    let rest = skip_blanks(rest);
    let rest = read_number(rest).map_or(rest, |(_, n)| &rest[n..]);
    let marked =
        rest.is_empty() || rest.starts_with([':', '：', '.', '、', ' ', '\u{3000}', '\u{a0}']);
    (marked && is_short(line, 60)).then_some(Marker::Annex)
}

fn ask(line: &str) -> Option<Marker> {
    let words = ["问题", "問題", "问", "問", "Q", "q", "Ｑ", "第"];
    let rest = words.iter().find_map(|w| line.strip_prefix(w))?;
    let numbered = read_number(skip_blanks(rest));
    let mut rest = numbered.map_or(rest, |(_, n)| &skip_blanks(rest)[n..]);
    if line.starts_with('第') {
        rest = rest
            .strip_prefix('问')
            .or_else(|| rest.strip_prefix('問'))?;
    }
    let rest = skip_blanks(rest);
    let after = strip_colon(rest)
        .or_else(|| numbered.and_then(|_| rest.strip_prefix(['.', '．', '、'])))?;
    Some(Marker::Ask {
        n_mark_bytes: line.len() - skip_blanks(after).len(),
    })
}

fn reply(line: &str) -> Option<Marker> {
    let words = [
        "答复", "答覆", "答案", "回答", "回复", "回覆", "答", "A", "a", "Ａ",
    ];
    let rest = words.iter().find_map(|w| line.strip_prefix(w))?;
    let rest = read_number(rest).map_or(rest, |(_, n)| &rest[n..]);
    let after = strip_colon(skip_blanks(rest))?;
    Some(Marker::Reply {
        n_mark_bytes: line.len() - skip_blanks(after).len(),
    })
}

fn item(line: &str) -> Option<Marker> {
    let first = line.chars().next()?;
    if let Some(number) = circled(first) {
        return Some(item_at(
            line,
            ItemStyle::Circled,
            number,
            &line[first.len_utf8()..],
        ));
    }
    let bracketed = line.strip_prefix(['（', '(', '〔', '﹙']);
    let body = skip_blanks(bracketed.unwrap_or(line));
    let (number, n_bytes) = read_number(body)?;
    let in_digits = body.starts_with(|c: char| c.is_ascii_digit() || ('０'..='９').contains(&c));
    let rest = skip_blanks(&body[n_bytes..]);
    let closed = rest.strip_prefix(['）', ')', '〕', '﹚']);
    if number == 0 || number > 999 {
        return None;
    }
    match (bracketed, closed) {
        (Some(_), Some(after)) if in_digits => {
            Some(item_at(line, ItemStyle::DigitsInBrackets, number, after))
        }
        (Some(_), Some(after)) => Some(item_at(line, ItemStyle::ChineseInBrackets, number, after)),
        (None, Some(after)) if in_digits => {
            Some(item_at(line, ItemStyle::DigitsInBrackets, number, after))
        }
        (None, None) if in_digits => {
            let after = rest.strip_prefix(['.', '．', '、', '﹒'])?;
            let decimal =
                after.starts_with(|c: char| c.is_ascii_digit()) && !starts_with_year(after);
            (!decimal).then(|| item_at(line, ItemStyle::Digits, number, after))
        }
        (None, None) => Some(item_at(
            line,
            ItemStyle::Chinese,
            number,
            rest.strip_prefix(['、', '．', '.'])?,
        )),
        _ => None,
    }
}

fn item_at(line: &str, style: ItemStyle, number: u32, after: &str) -> Marker {
    Marker::Item {
        style,
        number,
        n_mark_bytes: line.len() - skip_blanks(after).len(),
    }
}

/// 2025年…: what looks like a decimal `1.2025` is an item about a year.
fn starts_with_year(text: &str) -> bool {
    matches!(read_number(text), Some((1900..=2100, n)) if text[n..].starts_with(['年', '-', '－', '—', '至']))
}

fn circled(c: char) -> Option<u32> {
    let code = c as u32;
    (0x2460..=0x2473).contains(&code).then(|| code - 0x2460 + 1)
}

/// `text` without its leading blanks.
pub(crate) fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(BLANKS)
}

fn strip_colon(text: &str) -> Option<&str> {
    text.strip_prefix([':', '：'])
}

/// Whether `text` has at most `max_chars` characters; looks no further than that.
pub(crate) fn is_short(text: &str, max_chars: usize) -> bool {
    text.chars().nth(max_chars).is_none()
}

/// Whether `text` ends with the punctuation of a sentence or of a part of one, closing quotes and brackets aside.
pub(crate) fn ends_clause(text: &str) -> bool {
    let bare = text.trim_end_matches(CLOSERS);
    bare.ends_with([
        '。', '；', '！', '？', ';', '!', '?', '：', ':', '，', '、', '．', '.',
    ])
}

/// Quotes and brackets that may follow the end of a sentence.
pub(crate) const CLOSERS: [char; 9] = ['”', '’', '」', '』', '）', ')', '》', '"', '】'];

#[cfg(test)]
mod tests {
    use super::*;

    fn label(line: &str) -> Option<(u32, Option<u32>, bool)> {
        match marker(line) {
            Some(Marker::Article {
                number,
                inserted,
                separated,
                ..
            }) => Some((number, inserted, separated)),
            _ => None,
        }
    }

    fn style(line: &str) -> Option<(ItemStyle, u32, &str)> {
        match marker(line) {
            Some(Marker::Item {
                style,
                number,
                n_mark_bytes,
            }) => Some((style, number, &line[n_mark_bytes..])),
            _ => None,
        }
    }

    #[test]
    fn articles() {
        assert_eq!(label("第三十九条　申请人应当"), Some((39, None, true)));
        assert_eq!(label("第39条 申请人"), Some((39, None, true)));
        assert_eq!(label("第 三 条 申请人"), Some((3, None, true)));
        assert_eq!(label("第一百二十条之一 资助"), Some((120, Some(1), true)));
        assert_eq!(label("第一条为了规范"), Some((1, None, false)));
        assert_eq!(label("第二条【适用范围】本办法"), Some((2, None, true)));
        assert_eq!(label("第三條 申請人"), Some((3, None, true)));
        assert_eq!(label("第三方机构"), None);
    }

    #[test]
    fn divisions() {
        assert_eq!(
            marker("第三章　附则"),
            Some(Marker::Division { rank: 2, number: 3 })
        );
        assert_eq!(
            marker("第一分编 通则"),
            Some(Marker::Division { rank: 1, number: 1 })
        );
        assert_eq!(
            marker("第一编"),
            Some(Marker::Division { rank: 0, number: 1 })
        );
        assert_eq!(marker("第二章规定的情形除外。"), None);
    }

    #[test]
    fn items() {
        assert_eq!(
            style("一、办理条件"),
            Some((ItemStyle::Chinese, 1, "办理条件"))
        );
        assert_eq!(
            style("（二）申请材料"),
            Some((ItemStyle::ChineseInBrackets, 2, "申请材料"))
        );
        assert_eq!(style("3. 身份证"), Some((ItemStyle::Digits, 3, "身份证")));
        assert_eq!(
            style("(4)照片"),
            Some((ItemStyle::DigitsInBrackets, 4, "照片"))
        );
        assert_eq!(style("②户口簿"), Some((ItemStyle::Circled, 2, "户口簿")));
        assert_eq!(
            style("1.2025年度指标"),
            Some((ItemStyle::Digits, 1, "2025年度指标"))
        );
        assert_eq!(style("1.5倍工资"), None, "a decimal number");
        assert_eq!(style("2025年1月"), None);
        assert_eq!(style("一般情况下"), None);
    }

    #[test]
    fn questions_replies_annexes() {
        assert_eq!(
            marker("问：怎么办？"),
            Some(Marker::Ask {
                n_mark_bytes: "问：".len()
            })
        );
        assert_eq!(marker("Q1: how"), Some(Marker::Ask { n_mark_bytes: 4 }));
        assert_eq!(
            marker("问题2、怎么办"),
            Some(Marker::Ask {
                n_mark_bytes: "问题2、".len()
            })
        );
        assert_eq!(
            marker("第三问：怎么办"),
            Some(Marker::Ask {
                n_mark_bytes: "第三问：".len()
            })
        );
        assert_eq!(marker("问题很多"), None);
        assert_eq!(
            marker("答:可以。"),
            Some(Marker::Reply {
                n_mark_bytes: "答:".len()
            })
        );
        assert_eq!(marker("附件1"), Some(Marker::Annex));
        assert_eq!(marker("附件：申请表"), Some(Marker::Annex));
        assert_eq!(marker("附近的窗口"), None);
    }
}
