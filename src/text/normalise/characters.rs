//! The form of single characters: NFKC, lower case, no invisible ones.
//!
//! Works on *clusters*: a character with the combining marks after it. Nearly every character is
//! a cluster of its own and its form is read from a table. Spaces and line breaks in all their
//! variants become `' '` and `'\n'`; what they mean is not decided here.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfkc_quick};

use super::rewrite::{OffsetMap, Rewriter};
use crate::document::ByteSpan;

/// What becomes of a character that no combining mark follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// This one character, perhaps itself.
    Char(char),
    /// More than one character.
    Several,
    /// Nothing: it is invisible.
    Dropped,
    /// It belongs to the character before it.
    Combining,
}

// Entries of the table that are not characters: surrogates, which no `char` can be.
const SEVERAL: u16 = 0xD800;
const DROPPED: u16 = 0xD801;
const COMBINING: u16 = 0xD802;

/// The form of every character of the basic plane.
static FORMS: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    (0..=u16::MAX)
        .map(|code| match char::from_u32(code.into()).map(form) {
            Some(Form::Char(c)) => u16::try_from(u32::from(c)).unwrap_or(SEVERAL),
            Some(Form::Several) | None => SEVERAL,
            Some(Form::Dropped) => DROPPED,
            Some(Form::Combining) => COMBINING,
        })
        .collect()
});

/// Characters that PDF writers put in the place of the ones they look like, and that NFKC keeps.
const LOOKALIKES: &[(char, char)] = &[
    ('⺟', '母'),
    ('⺠', '民'),
    ('⻁', '虎'),
    ('⻄', '西'),
    ('⻅', '见'),
    ('⻆', '角'),
    ('⻉', '贝'),
    ('⻋', '车'),
    ('⻓', '长'),
    ('⻔', '门'),
    ('⻘', '青'),
    ('⻙', '韦'),
    ('⻚', '页'),
    ('⻛', '风'),
    ('⻜', '飞'),
    ('⻝', '食'),
    ('⻢', '马'),
    ('⻣', '骨'),
    ('⻤', '鬼'),
    ('⻥', '鱼'),
    ('⻦', '鸟'),
    ('⻨', '麦'),
    ('⻩', '黄'),
    ('⻬', '齐'),
    ('⻮', '齿'),
    ('⻰', '龙'),
    ('⻳', '龟'),
];

/// Gives every cluster of `text` its form; `None` if all have it already.
pub(super) fn fold(text: &str) -> Option<(String, OffsetMap)> {
    let forms = &**FORMS;
    let mut rewriter = Rewriter::new(text);
    let mut folded = String::new();
    let mut upcoming = step(forms, text, 0);
    while let Some((here, form)) = upcoming {
        upcoming = step(forms, text, here.end);
        let mut cluster = here;
        if let Some((_, Form::Combining | Form::Dropped)) = upcoming
            && form != Form::Dropped
            && let Some(end) = marks_end(forms, text, here.end)
        {
            cluster.end = end;
            upcoming = step(forms, text, end);
        }
        match form {
            _ if cluster.end > here.end => {}
            Form::Char(c) => {
                if c.len_utf8() != here.len() || !here.of(text).starts_with(c) {
                    rewriter.replace_char(here, c);
                }
                continue;
            }
            Form::Dropped => {
                rewriter.replace(here, "");
                continue;
            }
            Form::Several if here.of(text) == "\r" => {
                let with = if text[here.end..].starts_with('\n') {
                    ""
                } else {
                    "\n"
                };
                rewriter.replace(here, with);
                continue;
            }
            Form::Several | Form::Combining => {}
        }
        fold_cluster(cluster.of(text), &mut folded);
        if folded != cluster.of(text) {
            rewriter.replace(cluster, &folded);
        }
    }
    rewriter.finish()
}

/// The character at byte `at` and its form.
#[inline]
fn step(forms: &[u16], text: &str, at: usize) -> Option<(ByteSpan, Form)> {
    let c = text[at..].chars().next()?;
    let here = ByteSpan::new(at, at + c.len_utf8());
    let form = match forms.get(c as usize) {
        Some(&SEVERAL) => Form::Several,
        Some(&DROPPED) => Form::Dropped,
        Some(&COMBINING) => Form::Combining,
        Some(&code) => match char::from_u32(code.into()) {
            Some(c) => Form::Char(c),
            None => Form::Several,
        },
        None => form(c),
    };
    Some((here, form))
}

/// The end of the combining marks from byte `at` on, dropped characters among them passed over;
/// `None` if there are none.
fn marks_end(forms: &[u16], text: &str, at: usize) -> Option<usize> {
    let mut end = None;
    let mut next = at;
    while let Some((here, form)) = step(forms, text, next) {
        match form {
            Form::Combining => end = Some(here.end),
            Form::Dropped => {}
            Form::Char(_) | Form::Several => break,
        }
        next = here.end;
    }
    end
}

/// The form of `c` standing alone.
fn form(c: char) -> Form {
    match c {
        '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => return Form::Char('\n'),
        '\t' => return Form::Char(' '),
        '\r' => return Form::Several,
        _ if is_invisible(c) => return Form::Dropped,
        _ if is_combining(c) => return Form::Combining,
        _ => {}
    }
    let mut folded = String::new();
    fold_cluster(c.encode_utf8(&mut [0; 4]), &mut folded);
    let mut chars = folded.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Form::Char(only),
        (None, _) => Form::Dropped,
        _ => Form::Several,
    }
}

/// Writes the form of a cluster: NFKC and lower case, repeated until nothing changes.
fn fold_cluster(cluster: &str, folded: &mut String) {
    folded.clear();
    folded.push_str(cluster);
    // Lower-casing can undo a composition and NFKC can uncover a capital; two rounds settle every
    // character of Unicode 16, the third only confirms it.
    for _ in 0..4 {
        let next: String = folded
            .nfkc()
            .filter(|&c| !is_invisible(c))
            .flat_map(char::to_lowercase)
            .map(unmask)
            .nfkc()
            .collect();
        if next == *folded {
            break;
        }
        *folded = next;
    }
}

fn unmask(c: char) -> char {
    if !('\u{2e80}'..'\u{2f00}').contains(&c) {
        return c;
    }
    match LOOKALIKES.binary_search_by_key(&c, |&(looks, _)| looks) {
        Ok(found) => LOOKALIKES[found].1,
        Err(_) => c,
    }
}

/// Whether `c` may merge with, or be reordered around, what stands before it.
fn is_combining(c: char) -> bool {
    let alone = std::iter::once(c);
    let first = alone.clone().nfkd().next().unwrap_or(c);
    canonical_combining_class(first) != 0
        || is_nfkc_quick(alone) == IsNormalized::Maybe
        || is_nfkc_quick(std::iter::once(first)) == IsNormalized::Maybe
}

/// Control and format characters that show nothing and separate nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        fold(text).map_or_else(|| text.to_owned(), |(folded, _)| folded)
    }

    #[test]
    fn forms_of_single_characters() {
        for (text, expected) in [
            ("ＡＢＣ１２３，：", "abc123,:"),
            ("ﬁn㈱①", "fin(株)1"),
            ("⼆〇⻚⺠", "二〇页民"),
            ("a\tb\r\nc\rd\u{2028}e", "a b\nc\nd\ne"),
            ("零\u{200b}宽\u{feff}字\u{ad}符", "零宽字符"),
            ("e\u{301}", "é"),
            ("E\u{200d}\u{301}", "é"),
            ("ｶﾞ", "ガ"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("\u{301}x", "\u{301}x"),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn plain_text_is_left_alone() {
        assert!(fold("申请人应当提交材料。abc 123\n第二行").is_none());
    }

    #[test]
    fn lookalikes_can_be_searched() {
        assert!(LOOKALIKES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn every_form_is_stable() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let once = folded(c.encode_utf8(&mut [0; 4]));
            assert_eq!(folded(&once), once, "of {c:?} U+{:04X}", u32::from(c));
        }
    }
}
