//! Which pairs of characters stand in the index, by how they sound.

use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, SegmentReader, TERMINATED, Term};

use super::schema::Fields;
use super::{LexicalError, LexicalSnapshot};
use crate::text::sound::{PairCounts, PairTable};
use crate::vector::PassageSet;

/// The pairs of a segment with the number of its passages that have them, deleted ones included.
pub fn read_pairs(segment: &SegmentReader, fields: &Fields) -> Result<PairTable, LexicalError> {
    let index = segment.inverted_index(fields.terms)?;
    let mut terms = index.terms().stream()?;
    let mut pairs = Vec::new();
    while let Some((term, info)) = terms.next() {
        let mut characters = std::str::from_utf8(term).unwrap_or_default().chars();
        if let (Some(first), Some(second), None) =
            (characters.next(), characters.next(), characters.next())
        {
            pairs.push((first, second, info.doc_freq));
        }
    }
    Ok(PairTable::new(pairs))
}

impl LexicalSnapshot {
    /// The pairs of neighbouring characters that stand in it.
    ///
    /// What was deleted counts until its segment is rewritten: counts say what is likely said,
    /// whether it can be found is for [`LexicalSnapshot::holds`] to say.
    pub fn pair_counts(&self) -> PairCounts {
        PairCounts {
            tables: self
                .segments()
                .map(|(_, columns)| columns.pairs.clone())
                .collect(),
        }
    }

    /// Whether one of the `allowed` passages has a term; `None` allows everything.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn holds(&self, term: &str, allowed: Option<&PassageSet>) -> Result<bool, LexicalError> {
        let term = Term::from_field_text(self.fields().terms, term);
        for (segment, columns) in self.segments() {
            let index = segment.inverted_index(self.fields().terms)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            while postings.doc() != TERMINATED {
                let doc = postings.doc();
                let no = columns.passage_no[doc as usize];
                if !segment.is_deleted(doc) && allowed.is_none_or(|allowed| allowed.contains(no)) {
                    return Ok(true);
                }
                postings.advance();
            }
        }
        Ok(false)
    }
}
