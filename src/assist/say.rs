//! The sentence that an agent can read out: a piece of the source, never anything else.

use crate::document::ByteSpan;

/// Longest piece, in characters.
pub const MAX_SAY_CHARS: usize = 120;

/// Where the sentence to read out stands in `text`: the beginning of the answer where it is known
/// which part answers, else the sentences that hold most of the `marked` words. Ends with a sentence
/// where one ends within the limit, else where a clause does.
pub fn say(text: &str, answer: Option<ByteSpan>, marked: &[ByteSpan]) -> ByteSpan {
    let whole = ByteSpan::new(0, text.len());
    let sentences = sentences(text, answer.unwrap_or(whole));
    let Some(first) = best_start(text, &sentences, answer.is_some(), marked) else {
        return ByteSpan::new(0, 0);
    };
    let mut said = cut(text, sentences[first]);
    for sentence in &sentences[first + 1..] {
        let longer = ByteSpan::new(said.start, sentence.end);
        if n_chars(text, longer) > MAX_SAY_CHARS {
            break;
        }
        said = longer;
    }
    said
}

/// Spans of the sentences within `part`, without white space around them; none is empty.
fn sentences(text: &str, part: ByteSpan) -> Vec<ByteSpan> {
    let mut sentences = Vec::new();
    let mut start = part.start;
    let mut close = |end: usize| {
        let sentence = &text[start..end];
        let lead = sentence.len() - sentence.trim_start().len();
        let trimmed = sentence.trim();
        if !trimmed.is_empty() {
            let start = start + lead;
            sentences.push(ByteSpan::new(start, start + trimmed.len()));
        }
        start = end;
    };
    for (at, c) in part.of(text).char_indices() {
        if "。！？!?\n".contains(c) {
            close(part.start + at + c.len_utf8());
        }
    }
    close(part.end);
    sentences
}

/// A known answer is said from its beginning; else the sentence with most marked text begins.
fn best_start(
    text: &str,
    sentences: &[ByteSpan],
    is_answer: bool,
    marked: &[ByteSpan],
) -> Option<usize> {
    if is_answer {
        return (!sentences.is_empty()).then_some(0);
    }
    let n_marked = |sentence: &ByteSpan| -> usize {
        let inside = marked
            .iter()
            .filter(|m| sentence.start <= m.start && m.end <= sentence.end);
        inside.map(|mark| n_chars(text, *mark)).sum()
    };
    // The first of equals.
    (0..sentences.len())
        .rev()
        .max_by_key(|at| n_marked(&sentences[*at]))
}

/// The beginning of a sentence that is too long to be said, up to the last clause that fits.
fn cut(text: &str, sentence: ByteSpan) -> ByteSpan {
    let within = sentence.of(text);
    let Some((limit, _)) = within.char_indices().nth(MAX_SAY_CHARS) else {
        return sentence;
    };
    let is_pause = |c: char| "，、；：,;:".contains(c);
    let pauses = within[..limit].char_indices().filter(|(_, c)| is_pause(*c));
    // A first clause of a few characters says nothing.
    let end = pauses
        .map(|(at, _)| at)
        .rfind(|at| *at > limit / 3)
        .unwrap_or(limit);
    ByteSpan::new(sentence.start, sentence.start + end)
}

fn n_chars(text: &str, span: ByteSpan) -> usize {
    span.of(text).chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said<'t>(text: &'t str, answer: Option<&str>, marked: &[&str]) -> &'t str {
        let span = |part: &str| {
            let start = text.find(part).unwrap();
            ByteSpan::new(start, start + part.len())
        };
        let marked: Vec<ByteSpan> = marked.iter().map(|part| span(part)).collect();
        say(text, answer.map(span), &marked).of(text)
    }

    #[test]
    fn the_answer_of_an_entry_is_said_from_its_beginning() {
        let text = "问：水费怎么交？\n答：可在手机上交。\n也可到窗口交。";
        assert_eq!(
            said(text, Some("可在手机上交。\n也可到窗口交。"), &[]),
            "可在手机上交。\n也可到窗口交。"
        );
    }

    #[test]
    fn the_sentence_that_answers_is_said_with_what_follows() {
        let text = "为规范管理，制定本办法。补办收取工本费十元。遗失的先挂失。";
        assert_eq!(
            said(text, None, &["补办", "工本费"]),
            "补办收取工本费十元。遗失的先挂失。"
        );
        assert_eq!(
            said(text, None, &[]),
            text,
            "from the beginning where nothing is marked"
        );
    }

    #[test]
    fn what_is_too_long_ends_with_a_clause() {
        let text = format!("{}，{}。", "甲".repeat(80), "乙".repeat(80));
        assert_eq!(said(&text, None, &[]), "甲".repeat(80));
        let endless = "丙".repeat(500);
        assert_eq!(said(&endless, None, &[]).chars().count(), MAX_SAY_CHARS);
        assert_eq!(said("", None, &[]), "");
        assert_eq!(said(" \n ", None, &[]), "");
    }

    proptest! {
        #[test]
        fn it_is_a_piece_of_the_text_within_the_limit(
            text in "[甲乙丙，。！\n a]{0,400}",
            marks in proptest::collection::vec((0usize..400, 0usize..9), 0..6),
        ) {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let marked: Vec<ByteSpan> = marks
                .into_iter()
                .map(|(start, n)| {
                    let start = start.min(ends.len() - 1);
                    ByteSpan::new(ends[start], ends[(start + n).min(ends.len() - 1)])
                })
                .collect();
            let said = say(&text, None, &marked).of(&text);
            prop_assert!(said.chars().count() <= MAX_SAY_CHARS);
            prop_assert_eq!(said.trim(), said);
            prop_assert_eq!(said.is_empty(), text.trim().is_empty());
        }
    }
}
