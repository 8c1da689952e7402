//! What clauses of speech do: ask, agree, fill a pause, take leave, or come to another matter.
//!
//! By what people say on the telephone ([`phrases`]), and nothing else: no index, no transcript.

use crate::document::ByteSpan;
use crate::text::{is_han, mask, without_placeholders};

mod phrases;

use phrases::{
    ANNOUNCING, ASKING, ASSENT, BEFORE_NEW_MATTER, FILLERS, INTRODUCING, LEAVE, NEW_MATTERS,
    PARTICLES, SMALLTALK,
};

/// Who takes leave says no more than this besides, in characters: `那我先找社区`.
const MAX_LEAVING_CHARS: usize = 9;
/// What is said before it, in characters; more says something besides.
const MAX_INTRODUCTION_CHARS: usize = 10;

/// The clauses of an utterance that could be looked up, joined by spaces; empty if there are none. Of
/// several matters, the last one. The same for a text whose personal data is masked.
pub fn content(text: &str) -> String {
    let text = mask(text);
    let (before, now) = matters(&text);
    let kept = match kept(now) {
        // Who only announces another matter has asked about the one before.
        nothing if nothing.is_empty() => kept(before),
        now => now,
    };
    without_placeholders(&kept)
}

/// The clauses that say something.
fn kept(text: &str) -> String {
    let kept: Vec<&str> = clauses(text)
        .map(|clause| clause.of(text))
        .filter(|clause| !is_empty_talk(clause) && !introduces(clause))
        .map(without_fillers)
        .collect();
    kept.join(" ")
}

/// Whether a masked clause only says a number or an address: `我电话是[电话]`, `住和平路[住址]`.
fn introduces(clause: &str) -> bool {
    let said = without_particles(clause);
    let before = said.split('[').next().unwrap_or("");
    said.ends_with(']')
        && before.chars().count() <= MAX_INTRODUCTION_CHARS
        && INTRODUCING.iter().any(|words| before.contains(words))
        && without_placeholders(said) != said
        && !asks(said)
}

/// Whether an utterance comes to another matter.
pub fn comes_to_another_matter(text: &str) -> bool {
    new_matter(text).is_some()
}

/// Where a text comes to another matter for the last time: where the words that announce it begin and
/// end.
fn new_matter(text: &str) -> Option<ByteSpan> {
    let announced = |clause: ByteSpan| {
        let mut at = clause.start;
        loop {
            let rest = &text[at..clause.end];
            let longest = |words: &[&str]| {
                let found = words.iter().filter(|words| rest.starts_with(**words));
                found.map(|words| words.len()).max()
            };
            if let Some(n_bytes) = longest(NEW_MATTERS) {
                return Some(ByteSpan::new(at, at + n_bytes));
            }
            at += longest(BEFORE_NEW_MATTER)?;
        }
    };
    clauses(text).filter_map(announced).last()
}

/// A text in two: before it comes to another matter, and from there without the words that only
/// announce it.
fn matters(text: &str) -> (&str, &str) {
    let Some(announced) = new_matter(text) else {
        return ("", text);
    };
    let rest = &text[announced.end..];
    let is_bare = |clause: &ByteSpan| clause.of(rest).chars().all(|c| ANNOUNCING.contains(&c));
    let rest = match clauses(rest).next().filter(is_bare) {
        Some(clause) => &rest[clause.end..],
        None => rest,
    };
    (&text[..announced.start], rest)
}

/// Whether an utterance asks or wishes something.
pub fn asks(text: &str) -> bool {
    ASKING.iter().any(|words| text.contains(words))
        || text.contains(['？', '?'])
        || offers_a_choice(text)
}

/// `能提不能提` in short: a character beside itself with `不` or `没` between, or either at the end of a clause
/// (`这靠谱不`).
fn offers_a_choice(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let is_no = |c: char| matches!(c, '不' | '没' | '冇' | '唔');
    let is_between = chars
        .windows(3)
        .any(|three| is_no(three[1]) && three[0] == three[2] && is_han(three[0]));
    let ends = |clause: &str| {
        let clause = without_particles(clause);
        clause.chars().count() > 2 && clause.ends_with(is_no)
    };
    is_between || clauses(text).any(|clause| ends(clause.of(text)))
}

/// Whether an utterance thanks or says goodbye, and asks or tells hardly anything more.
pub fn takes_leave(text: &str) -> bool {
    LEAVE.iter().any(|words| text.contains(words))
        && !asks(text)
        && content(text).chars().count() <= MAX_LEAVING_CHARS
}

/// Whether an utterance says yes and nothing else.
pub fn is_assent(text: &str) -> bool {
    let mut clauses = clauses(text).map(|clause| clause.of(text)).peekable();
    clauses.peek().is_some() && clauses.all(|clause| ASSENT.contains(&without_particles(clause)))
}

/// Whether an utterance asks for a yes.
pub fn wants_a_yes(text: &str) -> bool {
    let is_mark = |c: char| c.is_whitespace() || "，。？！?!".contains(c);
    let text = text.trim_end_matches(is_mark);
    ["吗", "吧", "么", "是不是", "没有", "对不对"]
        .iter()
        .any(|end| text.ends_with(end))
        && !content(text).is_empty()
}

/// Pieces between spaces and punctuation.
pub fn clauses(text: &str) -> impl Iterator<Item = ByteSpan> + '_ {
    let is_end = |c: char| c.is_whitespace() || "，。、；：？！,.;?!…—（）()“”\"".contains(c);
    let mut start = 0;
    let ends = text.char_indices().filter(move |(_, c)| is_end(*c));
    let ends = ends.map(|(at, c)| (at, at + c.len_utf8()));
    ends.chain([(text.len(), text.len())])
        .map(move |(end, next)| {
            let clause = ByteSpan::new(start, end);
            start = next;
            clause
        })
        .filter(|clause| clause.start < clause.end)
}

fn without_fillers(mut clause: &str) -> &str {
    while let Some(rest) = FILLERS
        .iter()
        .find_map(|filler| clause.strip_prefix(filler))
    {
        // `这个月` is no filler and a month.
        if rest.starts_with(['月', '季', '周', '星', '年', '礼']) {
            break;
        }
        clause = rest;
    }
    clause
}

fn without_particles(clause: &str) -> &str {
    clause.trim_end_matches(PARTICLES)
}

/// Whether a clause is made of courtesies, fillers and particles alone.
fn is_empty_talk(clause: &str) -> bool {
    let mut left = clause.trim();
    while let Some(first) = left.chars().next() {
        let phrases = [SMALLTALK, ASSENT, FILLERS].into_iter().flatten();
        let said = phrases.filter(|phrase| left.starts_with(**phrase));
        let n_bytes = match said.map(|phrase| phrase.len()).max() {
            Some(n_bytes) => n_bytes,
            None if PARTICLES.contains(&first) => first.len_utf8(),
            None => return false,
        };
        left = &left[n_bytes..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courtesies_and_fillers_ask_nothing() {
        for text in [
            "喂 喂 听得到吗",
            "你好啊",
            "嗯嗯，好的好的",
            "好谢谢",
            "对对对",
            "那个",
            "",
            "。",
            "行，谢谢您，再见",
        ] {
            assert_eq!(content(text), "", "{text}");
        }
        assert_eq!(
            content("嗯 那个就是我想问一下 水费怎么交啊"),
            "水费怎么交啊"
        );
        assert_eq!(
            content("你好，请问公交卡丢了怎么补办？"),
            "公交卡丢了怎么补办"
        );
    }

    #[test]
    fn numbers_of_persons_are_left_out_and_others_stay() {
        assert_eq!(content("我的手机号是13900001111"), "");
        assert_eq!(content("我住建设路18号3栋502室，楼上漏水"), "楼上漏水");
        assert_eq!(content("车牌粤A12345被拖走了"), "车牌 被拖走了");
        assert_eq!(content("你好 我叫老李 水费怎么交"), "水费怎么交");
        assert_eq!(content("停水了幸福小区5栋"), "停水了幸福小区");
        assert_eq!(
            content("身份证110101199001011234有24位吗"),
            "身份证 有24位吗"
        );
        assert_eq!(content("2026年交了1200元"), "2026年交了1200元");
    }

    #[test]
    fn of_several_matters_the_last_one_counts() {
        for (text, kept) in [
            ("顺便问我自己的 养老要转回老家", "养老要转回老家"),
            ("我还想问公积金能不能提", "公积金能不能提"),
            ("公积金能提吗，还有个问题", "公积金能提吗"),
            ("好的 哦对了 还有一桩 厕所漏水找谁", "厕所漏水找谁"),
            ("单位还有个证明要开吗", "单位还有个证明要开吗"),
            ("再问一下", ""),
            ("顺便问下社保，怎么交", "问下社保 怎么交"),
            ("还有就是医保，断了怎么办", "医保 断了怎么办"),
            ("另外公积金呢", "公积金呢"),
            (
                "我家有个老人，还有个残疾人，能领补贴吗",
                "我家有个老人 还有个残疾人 能领补贴吗",
            ),
            (
                "我有两套房，还有一个厂房出租，要交什么税",
                "我有两套房 还有一个厂房出租 要交什么税",
            ),
            ("哦对了 户口怎么迁", "户口怎么迁"),
        ] {
            assert_eq!(content(text), kept, "{text}");
        }
    }

    #[test]
    fn questions_are_told_from_statements() {
        for (text, expected) in [
            ("津贴几时开始的", true),
            ("一个人最多贷得到几多", true),
            ("这靠谱不", true),
            ("老人证能不能提前办", true),
            ("给不给报", true),
            ("我打了一个早上", false),
            ("我家厕所漏水", false),
            ("还没", false),
        ] {
            assert_eq!(asks(text), expected, "{text}");
        }
    }

    #[test]
    fn who_asks_does_not_take_leave() {
        for (text, expected) in [
            ("好嘞 谢谢啊", true),
            ("行 麻烦你了", true),
            ("谢谢 那去哪里办", false),
            ("你好谢谢我想查一下余额", false),
            ("水费怎么交", false),
            ("谢谢，我的社保卡丢了要补办", false),
            ("我要办居住证，谢谢", false),
            ("工人太辛苦了，老板拖欠三个月工资", false),
            ("行 那我先找社区 谢谢", true),
        ] {
            assert_eq!(takes_leave(text), expected, "{text}");
        }
    }
}
