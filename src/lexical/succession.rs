//! Which documents others replace, and from which day.
//!
//! A document names what it replaces by id, 发文字号 or title (`replaces`). The replaced one may say
//! nothing of it: editors add the new file and forget the old. From the first day of its successor
//! on, it counts as repealed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet, TERMINATED};

use super::columns::NO_PASSAGE;
use super::filter::column_text;
use super::schema::column;
use super::{LexicalError, LexicalSnapshot, StoredPassage};
use crate::document::{Origin, PassageNo};
use crate::text::{canonical_doc_no, canonical_law_name};

/// A document that replaces another or is replaced by it, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedDocument {
    /// [`crate::document::Document::id`]
    pub document_id: String,
    /// [`crate::document::Document::title`]
    pub title: String,
    /// [`crate::document::Metadata::doc_no`]
    pub doc_no: Option<String>,
    /// [`crate::document::Metadata::effective_from`]
    pub effective_from: Option<Date>,
}

impl From<StoredPassage> for RelatedDocument {
    fn from(stored: StoredPassage) -> Self {
        Self {
            document_id: stored.document_id,
            title: stored.title,
            doc_no: stored.metadata.doc_no,
            effective_from: stored.metadata.effective_from,
        }
    }
}

/// Replaced documents with their successors. Documents go by the number of their first passage.
#[derive(Debug, Default)]
pub struct Succession {
    successors: BTreeMap<PassageNo, Vec<Successor>>,
}

/// A document with the first day on which it replaces another, in days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Successor {
    first_passage_no: PassageNo,
    since: i64,
}

/// One end of a replacement.
#[derive(Clone, Copy, Debug)]
struct End {
    first_passage_no: PassageNo,
    /// First day, in days since 1970-01-01.
    begins: Option<i64>,
}

/// The records of the documents that a name in `replaces` may mean.
struct Named {
    records: Vec<DocAddress>,
    /// A title may be that of several rules, and of several versions of one.
    by_title: bool,
}

impl Succession {
    /// Reads what the documents of a commit say that they replace.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn read(words: &LexicalSnapshot) -> Result<Self, LexicalError> {
        let mut succession = Self::default();
        for (segment_ord, (segment, _)) in (0..).zip(words.segments()) {
            let index = segment.inverted_index(words.fields().replaces)?;
            let mut names = index.terms().stream()?;
            while let Some((name, info)) = names.next() {
                let named = Named::by(words, &String::from_utf8_lossy(name))?;
                let mut successors =
                    index.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
                while successors.doc() != TERMINATED {
                    let successor = DocAddress::new(segment_ord, successors.doc());
                    successors.advance();
                    if segment.is_deleted(successor.doc_id) {
                        continue;
                    }
                    let by = end(words, successor, true)?;
                    for replaced in named.records.iter().filter(|found| **found != successor) {
                        if !named.by_title || of_one_origin(words, *replaced, successor)? {
                            // Which of two versions is newer may show by their publication alone;
                            // of what is named for certain, that may be the day of its upload.
                            succession.note(end(words, *replaced, named.by_title)?, by);
                        }
                    }
                }
            }
        }
        Ok(succession)
    }

    /// Notes that one document replaces another: from the day on which it begins, or at once if
    /// that is not known.
    ///
    /// A document that begins as late as the other or later was not replaced by it: it bears the
    /// same title as an older version.
    fn note(&mut self, replaced: End, by: End) {
        let is_newer = |(own, since)| own >= since;
        if replaced.begins.zip(by.begins).is_some_and(is_newer) {
            return;
        }
        let successor = Successor {
            first_passage_no: by.first_passage_no,
            since: by.begins.unwrap_or(i64::MIN),
        };
        let known = self
            .successors
            .entry(replaced.first_passage_no)
            .or_default();
        if !known.contains(&successor) {
            known.push(successor);
        }
    }

    /// Whether any document is replaced on `day`.
    pub fn concerns(&self, day: i64) -> bool {
        let mut all = self.successors.values().flatten();
        all.any(|successor| successor.since <= day)
    }

    /// Whether a document is replaced on `day`: of several successors the first one counts.
    pub fn is_replaced(&self, first_passage_no: PassageNo, day: i64) -> bool {
        let mut successors = self.successors.get(&first_passage_no).into_iter().flatten();
        successors.any(|successor| successor.since <= day)
    }

    /// The documents that replace one, on whatever day, in no order.
    pub fn replaced_by(&self, first_passage_no: PassageNo) -> impl Iterator<Item = PassageNo> {
        let successors = self.successors.get(&first_passage_no).into_iter().flatten();
        successors.map(|successor| successor.first_passage_no)
    }

    /// The documents that one replaces, on whatever day, in no order.
    pub fn replaces(&self, first_passage_no: PassageNo) -> impl Iterator<Item = PassageNo> {
        let is_it = move |successor: &Successor| successor.first_passage_no == first_passage_no;
        let replaced = self.successors.iter();
        replaced
            .filter(move |(_, successors)| successors.iter().any(is_it))
            .map(|(replaced, _)| *replaced)
    }
}

impl Named {
    /// By id, else by number, else by title.
    fn by(words: &LexicalSnapshot, name: &str) -> Result<Self, LexicalError> {
        let fields = words.fields();
        let look_up = |field, key: &str| words.with_key(field, key, |no| no == NO_PASSAGE);
        let mut records = look_up(fields.document_id, name)?;
        if records.is_empty() {
            records = look_up(fields.doc_no, &canonical_doc_no(name))?;
        }
        let by_title = records.is_empty();
        if by_title {
            records = look_up(fields.title, &canonical_law_name(name))?;
        }
        Ok(Self { records, by_title })
    }
}

/// A document as one end; whether its publication counts where it states no first day.
fn end(
    words: &LexicalSnapshot,
    record: DocAddress,
    or_published: bool,
) -> Result<End, LexicalError> {
    let (segment, columns) = words.segment(record);
    let day = |name: &str| -> Result<Option<i64>, LexicalError> {
        Ok(segment.fast_fields().i64(name)?.first(record.doc_id))
    };
    let begins = match day(column::EFFECTIVE_FROM)? {
        None if or_published => day(column::PUBLISHED_AT)?,
        stated => stated,
    };
    Ok(End {
        first_passage_no: columns.first_passage_no[record.doc_id as usize],
        begins,
    })
}

/// [`Origin::may_be_that_of`] for two records.
fn of_one_origin(
    words: &LexicalSnapshot,
    a: DocAddress,
    b: DocAddress,
) -> Result<bool, LexicalError> {
    let read = |name, record: DocAddress| column_text(words.segment(record).0, name, record.doc_id);
    let (a_region, a_issuer) = (read(column::REGION, a)?, read(column::ISSUER, a)?);
    let (b_region, b_issuer) = (read(column::REGION, b)?, read(column::ISSUER, b)?);
    let a = Origin {
        region: a_region.as_deref(),
        issuer: a_issuer.as_deref(),
    };
    Ok(a.may_be_that_of(Origin {
        region: b_region.as_deref(),
        issuer: b_issuer.as_deref(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_successor_that_is_newer_counts() {
        let end = |first_passage_no, begins| End {
            first_passage_no,
            begins,
        };
        let mut succession = Succession::default();
        succession.note(end(7, Some(10)), end(1, Some(30)));
        succession.note(end(7, Some(10)), end(2, Some(20)));
        succession.note(end(7, Some(10)), end(2, Some(20)));
        // The newest version has the title that it replaces itself.
        succession.note(end(9, Some(30)), end(1, Some(30)));
        succession.note(end(8, None), end(3, None));
        assert!(!succession.is_replaced(7, 19));
        assert!(succession.is_replaced(7, 20));
        assert!(!succession.is_replaced(9, 99));
        assert!(succession.is_replaced(8, -5));
        assert!(succession.concerns(0));
        assert_eq!(succession.replaced_by(7).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(succession.replaced_by(9).count(), 0);
        assert_eq!(succession.replaces(2).collect::<Vec<_>>(), [7]);
    }
}
