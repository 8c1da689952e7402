//! Byte offsets of a text → the character offsets that JSON shows.

use serde::Serialize;
use utoipa::ToSchema;

use crate::document::ByteSpan;

/// A half-open range of characters (Unicode scalar values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct CharSpan {
    /// First character.
    pub(super) start: usize,
    /// One past the last character.
    pub(super) end: usize,
}

/// Character offsets of chosen places of one text, found in a single pass over it.
pub(super) struct CharOffsets {
    /// (byte offset, character offset), ascending.
    places: Vec<(usize, usize)>,
}

impl CharOffsets {
    /// Locates both ends of every span in `text`.
    ///
    /// An offset beyond the text counts as its end, one inside a character as the end of that
    /// character; so a wrong span gives a wrong highlight, never a panic.
    pub(super) fn locate(text: &str, spans: impl IntoIterator<Item = ByteSpan>) -> Self {
        let mut bytes: Vec<usize> = spans
            .into_iter()
            .flat_map(|span| [span.start, span.end])
            .collect();
        bytes.sort_unstable();
        bytes.dedup();
        let mut starts = text.char_indices().map(|(at, _)| at).peekable();
        let mut n_chars = 0;
        let locate = |at| {
            while starts.next_if(|start| *start < at).is_some() {
                n_chars += 1;
            }
            (at, n_chars)
        };
        Self {
            places: bytes.into_iter().map(locate).collect(),
        }
    }

    /// A located span in characters.
    pub(super) fn span(&self, span: ByteSpan) -> CharSpan {
        CharSpan {
            start: self.at(span.start),
            end: self.at(span.end),
        }
    }

    fn at(&self, byte: usize) -> usize {
        let found = self.places.binary_search_by_key(&byte, |(byte, _)| *byte);
        // Only located spans are asked for; a stranger gets the nearest place before it.
        let index = found.unwrap_or_else(|next| next.saturating_sub(1));
        self.places.get(index).map_or(0, |(_, n_chars)| *n_chars)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_characters_not_bytes() {
        // Bytes: 养0 老3 A6 𠮷7 金11, end 14.
        let text = "养老A𠮷金";
        let spans = [
            ByteSpan::new(0, 3),
            ByteSpan::new(6, 11),
            ByteSpan::new(3, 14),
        ];
        let offsets = CharOffsets::locate(text, spans);
        let found = spans.map(|span| offsets.span(span));
        let expected = [(0, 1), (2, 4), (1, 5)].map(|(start, end)| CharSpan { start, end });
        assert_eq!(found, expected);
    }

    #[test]
    fn wrong_offsets_do_not_panic() {
        let wrong = ByteSpan::new(1, 99);
        let offsets = CharOffsets::locate("养老", [wrong]);
        assert_eq!(offsets.span(wrong), CharSpan { start: 1, end: 2 });
        assert_eq!(
            CharOffsets::locate("", []).span(wrong),
            CharSpan { start: 0, end: 0 }
        );
    }

    proptest! {
        #[test]
        fn agrees_with_counting_each_span(text in "\\PC{0,40}", ends in prop::collection::vec((0usize..60, 0usize..60), 0..8)) {
            let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let spans: Vec<ByteSpan> = ends.into_iter()
                .map(|(a, b)| (floor(a), floor(b)))
                .map(|(a, b)| ByteSpan::new(a.min(b), a.max(b)))
                .collect();
            let offsets = CharOffsets::locate(&text, spans.iter().copied());
            for span in spans {
                let (start, end) = span.to_chars(&text);
                prop_assert_eq!(offsets.span(span), CharSpan { start, end });
            }
        }
    }
}
