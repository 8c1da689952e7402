//! Which documents may hold a given string, by the bigrams that stand in the index.

use std::collections::BTreeSet;

use tantivy::postings::SegmentPostings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED, Term};

use super::{LexicalError, LexicalSnapshot};
use crate::document::PassageNo;
use crate::text::is_han;

impl LexicalSnapshot {
    /// Ids of the documents, ascending, that have a passage with every character pair of one of
    /// `words`: all documents in whose terms one of the words has a part, and a few others.
    ///
    /// Words are in normal form. `None` if one of them has no two Chinese characters side by side,
    /// by which it could be looked for.
    ///
    /// # Errors
    /// [`LexicalError`] if the index cannot be read.
    pub fn documents_that_may_hold(
        &self,
        words: &[String],
    ) -> Result<Option<BTreeSet<String>>, LexicalError> {
        let mut documents: BTreeSet<PassageNo> = BTreeSet::new();
        for word in words {
            let pairs = pairs_of(word);
            if pairs.is_empty() {
                return Ok(None);
            }
            let terms: Vec<Term> = pairs
                .iter()
                .map(|pair| Term::from_field_text(self.fields().terms, pair))
                .collect();
            for (segment, columns) in self.segments() {
                for doc in with_all(segment, &terms)? {
                    documents.insert(columns.first_passage_no[doc as usize]);
                }
            }
        }
        let mut ids = BTreeSet::new();
        for first in documents {
            if let Some(passage) = self.passage(first)? {
                ids.insert(passage.document_id);
            }
        }
        Ok(Some(ids))
    }
}

/// Every two Chinese characters that stand side by side.
fn pairs_of(word: &str) -> BTreeSet<String> {
    let chars: Vec<char> = word.chars().collect();
    chars
        .windows(2)
        .filter(|pair| pair.iter().all(|&c| is_han(c)))
        .map(|pair| pair.iter().collect())
        .collect()
}

/// Alive entries of a segment that have every one of `terms`, of which there is one at least.
fn with_all(segment: &SegmentReader, terms: &[Term]) -> Result<Vec<DocId>, LexicalError> {
    let mut lists: Vec<SegmentPostings> = Vec::with_capacity(terms.len());
    for term in terms {
        let index = segment.inverted_index(term.field())?;
        match index.read_postings(term, IndexRecordOption::Basic)? {
            Some(postings) => lists.push(postings),
            None => return Ok(Vec::new()),
        }
    }
    lists.sort_by_key(|postings| postings.size_hint());
    let mut found = Vec::new();
    let [rarest, others @ ..] = &mut lists[..] else {
        return Ok(found);
    };
    while rarest.doc() != TERMINATED {
        let doc = rarest.doc();
        let has = |list: &mut SegmentPostings| {
            list.doc() == doc || (list.doc() < doc && list.seek(doc) == doc)
        };
        if !segment.is_deleted(doc) && others.iter_mut().all(has) {
            found.push(doc);
        }
        rarest.advance();
    }
    Ok(found)
}
