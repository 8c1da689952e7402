//! Which documents others replace, and from which day.
//!
//! A document names what it replaces by id, 发文字号 or title (`replaces`). The replaced one may say
//! nothing of it: editors add the new file and forget the old. From the first day of its successor
//! on, it counts as repealed.

use std::collections::BTreeMap;

use tantivy::SegmentReader;

use super::LexicalError;
use super::schema::column;
use crate::document::PassageNo;

/// First passage number of a replaced document → the first day on which it is, in days since
/// 1970-01-01.
#[derive(Debug, Default)]
pub struct Succession {
    since: BTreeMap<PassageNo, i64>,
}

impl Succession {
    /// Notes that the document with `first_passage_no`, itself in force from `own_first_day`, is
    /// replaced from `since` on; `None`: not known.
    ///
    /// A document that begins as late as the other or later was not replaced by it: it bears the
    /// same title as an older version. Of several successors the first counts.
    pub fn note(
        &mut self,
        first_passage_no: PassageNo,
        own_first_day: Option<i64>,
        since: Option<i64>,
    ) {
        let is_newer = |(own, since)| own >= since;
        if own_first_day.zip(since).is_some_and(is_newer) {
            return;
        }
        let since = since.unwrap_or(i64::MIN);
        let known = self.since.entry(first_passage_no).or_insert(since);
        *known = since.min(*known);
    }

    /// Whether any document is replaced on `day`.
    pub fn concerns(&self, day: i64) -> bool {
        self.since.values().any(|since| *since <= day)
    }

    /// Whether a document is replaced on `day`.
    pub fn is_replaced(&self, first_passage_no: PassageNo, day: i64) -> bool {
        let since = self.since.get(&first_passage_no);
        since.is_some_and(|since| *since <= day)
    }
}

/// The first day in force of a tantivy document, if it states one.
pub fn first_day(segment: &SegmentReader, doc: u32) -> Result<Option<i64>, LexicalError> {
    let column = segment.fast_fields().i64(column::EFFECTIVE_FROM)?;
    Ok(column.first(doc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_successor_that_is_newer_counts() {
        let mut succession = Succession::default();
        succession.note(7, Some(10), Some(30));
        succession.note(7, Some(10), Some(20));
        // The newest version has the title that it replaces itself.
        succession.note(9, Some(30), Some(30));
        succession.note(8, None, None);
        assert!(!succession.is_replaced(7, 19));
        assert!(succession.is_replaced(7, 20));
        assert!(!succession.is_replaced(9, 99));
        assert!(succession.is_replaced(8, -5));
        assert!(succession.concerns(0));
    }
}
