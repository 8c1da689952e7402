//! Rewriting a text while remembering where everything came from.
//!
//! One step of normalisation is a [`Rewriter`] run over the text; what it leaves behind is an
//! [`OffsetMap`] that knows only the places where bytes moved. Knows nothing of Chinese.

use crate::document::ByteSpan;

/// A stretch that was replaced as a whole; either side may be empty, not both.
#[derive(Clone, Copy, Debug)]
struct Edit {
    before: ByteSpan,
    after: ByteSpan,
}

/// Maps spans of a rewritten text back to the text it was made from.
///
/// Holds the replaced stretches in order. Between two of them the texts run in step: characters
/// may differ, their lengths in bytes do not.
#[derive(Clone, Debug, Default)]
pub(super) struct OffsetMap {
    edits: Vec<Edit>,
}

impl OffsetMap {
    /// The characters of the text before that became `after`.
    ///
    /// A span that touches part of a replaced stretch gets all of its source. What was deleted at
    /// either edge of the span is left out, what was deleted inside is covered. An empty span
    /// gives an empty span.
    pub(super) fn to_before(&self, after: ByteSpan) -> ByteSpan {
        let start = self.start_before(after.start);
        if after.is_empty() {
            return ByteSpan::new(start, start);
        }
        ByteSpan::new(start, self.end_before(after.end))
    }

    fn start_before(&self, after_start: usize) -> usize {
        let passed = self
            .edits
            .partition_point(|edit| edit.after.end <= after_start);
        match self.edits.get(passed) {
            Some(edit) if edit.after.start <= after_start => edit.before.start,
            _ => self.in_step(passed, after_start),
        }
    }

    fn end_before(&self, after_end: usize) -> usize {
        let begun = self
            .edits
            .partition_point(|edit| edit.after.start < after_end);
        match begun.checked_sub(1).map(|last| self.edits[last]) {
            Some(edit) if edit.after.end >= after_end => edit.before.end,
            _ => self.in_step(begun, after_end),
        }
    }

    /// Where `after` came from when the edits before number `n_passed` lie wholly before it.
    fn in_step(&self, n_passed: usize, after: usize) -> usize {
        match n_passed.checked_sub(1).map(|last| self.edits[last]) {
            Some(edit) => edit.before.end + (after - edit.after.end),
            None => after,
        }
    }
}

/// Builds a text from another one by replacing stretches of it, left to right.
pub(super) struct Rewriter<'t> {
    before: &'t str,
    after: String,
    edits: Vec<Edit>,
    /// Bytes of `before` that `after` accounts for.
    n_done: usize,
    changed: bool,
}

impl<'t> Rewriter<'t> {
    /// Starts with nothing replaced.
    pub(super) fn new(before: &'t str) -> Self {
        Self {
            before,
            after: String::new(),
            edits: Vec::new(),
            n_done: 0,
            changed: false,
        }
    }

    /// Puts `with` in the place of `span`, which must not start before the end of the last one.
    pub(super) fn replace(&mut self, span: ByteSpan, with: &str) {
        self.copy_until(span.start);
        let start = self.after.len();
        self.after.push_str(with);
        if span.len() != with.len() || !one_to_one(span.of(self.before), with) {
            self.edits.push(Edit {
                before: span,
                after: ByteSpan::new(start, self.after.len()),
            });
        }
        self.n_done = span.end;
        self.changed = true;
    }

    /// Puts one character in the place of the one at `span`.
    #[inline]
    pub(super) fn replace_char(&mut self, span: ByteSpan, with: char) {
        self.copy_until(span.start);
        let start = self.after.len();
        self.after.push(with);
        if span.len() != with.len_utf8() {
            self.edits.push(Edit {
                before: span,
                after: ByteSpan::new(start, self.after.len()),
            });
        }
        self.n_done = span.end;
        self.changed = true;
    }

    /// Copies everything before byte `until` of the text unchanged, as far as not yet done.
    #[inline]
    pub(super) fn copy_until(&mut self, until: usize) {
        if until > self.n_done {
            if self.after.capacity() == 0 {
                self.after.reserve(self.before.len());
            }
            self.after.push_str(&self.before[self.n_done..until]);
            self.n_done = until;
        }
    }

    /// What has been written so far.
    pub(super) fn written(&self) -> &str {
        &self.after
    }

    /// The new text and the way back, or `None` if nothing was replaced.
    pub(super) fn finish(mut self) -> Option<(String, OffsetMap)> {
        if !self.changed {
            return None;
        }
        self.copy_until(self.before.len());
        Some((self.after, OffsetMap { edits: self.edits }))
    }
}

/// Whether two strings have characters of the same lengths in bytes in the same places.
fn one_to_one(a: &str, b: &str) -> bool {
    a.char_indices()
        .map(|(at, _)| at)
        .eq(b.char_indices().map(|(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ab(x)cdYef` → `abcd123ef` → the map alone.
    fn example() -> (String, OffsetMap) {
        let mut rewriter = Rewriter::new("ab(x)cdYef");
        rewriter.replace(ByteSpan::new(2, 5), "");
        rewriter.replace(ByteSpan::new(7, 8), "123");
        rewriter.finish().expect("two replacements")
    }

    #[test]
    fn spans_map_to_exactly_their_sources() {
        let (after, map) = example();
        assert_eq!(after, "abcd123ef");
        let cases = [
            ((0, 2), (0, 2)),  // ab: the deletion behind it is not part of it
            ((2, 4), (5, 7)),  // cd: nor the one in front
            ((1, 3), (1, 6)),  // bc covers what was deleted inside
            ((4, 7), (7, 8)),  // 123 came from Y
            ((5, 6), (7, 8)),  // and so did 2
            ((3, 5), (6, 8)),  // d1
            ((7, 9), (8, 10)), // ef
            ((0, 9), (0, 10)),
            ((2, 2), (5, 5)), // empty stays empty
        ];
        for ((start, end), expected) in cases {
            let before = map.to_before(ByteSpan::new(start, end));
            assert_eq!(
                (before.start, before.end),
                expected,
                "of {:?}",
                &after[start..end]
            );
        }
    }

    #[test]
    fn replacing_in_step_needs_no_record() {
        let mut rewriter = Rewriter::new("經濟A");
        rewriter.replace(ByteSpan::new(0, 6), "经济");
        let (after, map) = rewriter.finish().expect("a replacement");
        assert_eq!(after, "经济A");
        assert!(map.edits.is_empty());
        assert_eq!(map.to_before(ByteSpan::new(3, 6)), ByteSpan::new(3, 6));
    }

    #[test]
    fn nothing_replaced_gives_nothing() {
        assert!(Rewriter::new("原样").finish().is_none());
    }
}
