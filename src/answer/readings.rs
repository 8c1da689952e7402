//! What a question means after those before it.
//!
//! `那外地户口呢` asks what the last question asked, of somebody else. A question that stands by itself is
//! read by itself: what was asked before would only pull it back.

use super::facets::without_other_options;
use super::facts::{without_years, years};
use crate::assist::content;

/// A longer question stands by itself, in characters, unless it begins like a follow-up.
const MAX_FOLLOW_UP_CHARS: usize = 12;
/// A shorter one says nothing by itself.
const MIN_ALONE_CHARS: usize = 4;
/// Follow-ups of before that are read with the question that they follow.
const MAX_FOLLOW_UPS: usize = 2;

/// Beginnings of questions that go on with the one before.
const GOES_ON: &[&str] = &[
    "那", "还有", "另外", "如果", "要是", "假如", "换成", "换作", "然后", "但是", "可是", "不过",
    "以及", "跟着", "再问", "接着", "他", "她", "它", "这个", "这种", "这样", "这些", "上面",
    "刚才",
];

/// What to look for, the likeliest reading first; one or two, or none for a text without content.
pub fn readings(query: &str, history: &[String]) -> Vec<String> {
    let now = without_beginning(&content(query));
    if now.is_empty() {
        return Vec::new();
    }
    let before: Vec<&String> = history
        .iter()
        .filter(|asked| !content(asked).is_empty())
        .collect();
    if before.is_empty() || !follows(query, &now) {
        return vec![now];
    }
    // Back to the question that the follow-ups follow.
    let n_follow_ups = before
        .iter()
        .rev()
        .take(MAX_FOLLOW_UPS)
        .take_while(|asked| follows(asked, &content(asked)))
        .count();
    let first = before.len().saturating_sub(n_follow_ups + 1);
    let mut parts: Vec<String> = before[first..]
        .iter()
        .map(|asked| without_beginning(&content(asked)))
        .collect();
    for part in &mut parts {
        *part = without_other_options(part, &now);
        if !years(&now).is_empty() {
            *part = without_years(part);
        }
    }
    parts.push(now.clone());
    parts.retain(|part| !part.is_empty());
    let together = parts.join(" ");
    match now.chars().count() < MIN_ALONE_CHARS || together == now {
        true => vec![together],
        false => vec![together, now],
    }
}

/// A question without the word that ties it to the one before.
fn without_beginning(question: &str) -> String {
    let rest = question
        .strip_prefix("那么")
        .or_else(|| question.strip_prefix('那'));
    // `那个`, `那边` are no such word.
    let rest = rest.filter(|rest| {
        !rest.starts_with(['个', '边', '里', '些', '种', '样', '天', '时', '笔', '次'])
    });
    rest.unwrap_or(question).trim().to_owned()
}

/// Whether a question needs the one before it.
fn follows(query: &str, content: &str) -> bool {
    let query = query.trim();
    let n_chars = content.chars().count();
    let goes_on = GOES_ON.iter().any(|words| query.starts_with(words));
    let is_what_about = query
        .trim_end_matches(['？', '?', '。', '！', ' '])
        .ends_with('呢');
    match goes_on || is_what_about {
        true => n_chars <= 2 * MAX_FOLLOW_UP_CHARS,
        false => n_chars <= MAX_FOLLOW_UP_CHARS / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, history: &[&str]) -> Vec<String> {
        let history: Vec<String> = history.iter().map(|asked| (*asked).to_owned()).collect();
        readings(query, &history)
    }

    #[test]
    fn a_follow_up_is_read_with_what_it_follows() {
        assert_eq!(
            read("那要多少钱", &["居住证怎么补办"])[0],
            "居住证怎么补办 要多少钱"
        );
        let third = read("几天能好呢", &["居住证怎么补办", "那要多少钱"]);
        assert_eq!(third[0], "居住证怎么补办 要多少钱 几天能好呢");
        assert_eq!(third[1], "几天能好呢");
    }

    #[test]
    fn another_option_takes_the_place_of_the_first() {
        assert_eq!(
            read("那外地户口呢", &["本市户口的小孩上小学要什么材料"])[0],
            "的小孩上小学要什么材料 外地户口呢"
        );
    }

    #[test]
    fn a_question_that_stands_by_itself_is_read_by_itself() {
        let question = "养老服务补贴每个月什么时候到账";
        assert_eq!(read(question, &["居住证怎么补办"]), [question]);
        assert_eq!(read("那外地户口呢", &[]).len(), 1);
        assert!(read("你好", &["居住证怎么补办"]).is_empty());
    }
}
