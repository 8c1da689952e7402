//! Traditional → simplified characters, by OpenCC's characters and phrases.
//!
//! Only runs of Chinese characters that hold something to convert are given to the converter; its
//! tables map every phrase to one of the same number of characters, so characters pair up.

use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use super::is_han;
use super::rewrite::{OffsetMap, Rewriter};
use crate::document::ByteSpan;

/// Characters that stay by themselves but change inside some phrase (`答覆` → `答复`).
const CHANGED_BY_PHRASES: &str = "么俱彷沈牴瞭藉衹覆";

struct Simplifier {
    converter: OpenCC,
    /// One bit for each character of the basic plane: whether it may change.
    may_change: Box<[u64]>,
}

static SIMPLIFIER: LazyLock<Simplifier> = LazyLock::new(|| {
    let converter = OpenCC::from_config(BuiltinConfig::T2s)
        .expect("the configuration and its tables are compiled in");
    let mut may_change = vec![0u64; 0x1_0000 / 64].into_boxed_slice();
    for c in (0..=u16::MAX).filter_map(|code| char::from_u32(code.into())) {
        if is_han(c)
            && (CHANGED_BY_PHRASES.contains(c)
                || !converter.convert(c.encode_utf8(&mut [0; 4])).starts_with(c))
        {
            may_change[c as usize / 64] |= 1 << (c as usize % 64);
        }
    }
    Simplifier {
        converter,
        may_change,
    }
});

/// Simplifies all Chinese characters; `None` if all are simplified already.
pub(super) fn simplify(text: &str) -> Option<(String, OffsetMap)> {
    let simplifier = &*SIMPLIFIER;
    let mut rewriter = Rewriter::new(text);
    let mut n_done = 0;
    for (at, c) in text.char_indices() {
        if at < n_done || !simplifier.may_change(c) {
            continue;
        }
        let start = text[n_done..at]
            .char_indices()
            .rev()
            .find(|&(_, c)| !is_han(c))
            .map_or(n_done, |(before, c)| n_done + before + c.len_utf8());
        let end = text[at..]
            .find(|c| !is_han(c))
            .map_or(text.len(), |length| at + length);
        simplifier.simplify_run(text, ByteSpan::new(start, end), &mut rewriter);
        n_done = end;
    }
    rewriter.finish()
}

impl Simplifier {
    #[inline]
    fn may_change(&self, c: char) -> bool {
        match self.may_change.get(c as usize / 64) {
            Some(bits) => bits >> (c as usize % 64) & 1 == 1,
            None => is_han(c),
        }
    }

    fn simplify_run(&self, text: &str, run: ByteSpan, rewriter: &mut Rewriter) {
        let before = run.of(text);
        let mut after = self.converter.convert(before);
        // A few results are themselves in the table (薴 → 苧 → 苎).
        for _ in 0..3 {
            let next = self.converter.convert(&after);
            if next == after {
                break;
            }
            after = next;
        }
        if after.chars().count() != before.chars().count() {
            // No table entry does this today; one of the future would map as a whole.
            rewriter.replace(run, &after);
            return;
        }
        for ((at, old), new) in before.char_indices().zip(after.chars()) {
            if old != new {
                let start = run.start + at;
                rewriter.replace_char(ByteSpan::new(start, start + old.len_utf8()), new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_phrases() {
        for (text, expected) in [
            ("政務熱線的發展歷程", "政务热线的发展历程"),
            ("請予答覆,不得反覆", "请予答复,不得反复"),
            ("乾隆年間的乾糧", "乾隆年间的干粮"),
            ("薴", "苎"),
            ("㑮abc", "𫝈abc"),
        ] {
            let (simplified, _) = simplify(text).expect("something to do");
            assert_eq!(simplified, expected);
        }
    }

    #[test]
    fn simplified_text_is_left_alone() {
        assert!(simplify("著作权、覆盖率、沈阳、什么").is_none());
    }
}
