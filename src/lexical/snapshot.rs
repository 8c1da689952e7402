//! Reading: what one commit holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::civil::Date;
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{
    DocAddress, DocId, DocSet, Searcher, SegmentReader, TERMINATED, TantivyDocument, Term,
};

use crate::document::{Metadata, PassageNo, Validity};
use crate::sight::Sight;
use crate::vector::PassageSet;

use super::LexicalError;
use super::columns::{NO_PASSAGE, SegmentColumns};
use super::filter::{Admission, Condition, Filters, Mask, day_number, narrow};
use super::query::LexicalQuery;
use super::references::{DocumentPassages, article_key};
use super::schema::{Fields, column};
use super::scoring::{TermContribution, length_norms};
use super::search::{self, PreparedQuery};
use super::stored::{StoredDocument, StoredPassage, decode_document, decode_passage};
use super::succession::{RelatedDocument, Succession};

/// How many filter results a snapshot remembers.
const N_REMEMBERED_FILTERS: usize = 32;

/// What one commit holds. Never changes; cheap to clone.
#[derive(Clone)]
pub struct LexicalSnapshot {
    inner: Arc<Inner>,
    succession: Arc<Succession>,
}

/// The parts that searching reads too.
pub(super) struct Inner {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    /// By segment, in the searcher's order.
    pub(super) columns: Vec<Arc<SegmentColumns>>,
    /// What is alive.
    pub(super) alive: PassageSet,
    pub(super) n_passages: u64,
    /// K1·(1 − B + B·length/mean) by one-byte length.
    pub(super) length_norms: [f32; 256],
    n_documents: u64,
    /// By passage number.
    addresses: Vec<Option<DocAddress>>,
    filtered: Mutex<Vec<(Condition, Option<Arc<PassageSet>>)>>,
    /// Ids and records of all documents, by id; made when first asked for.
    documents: OnceLock<Vec<(String, DocAddress)>>,
}

impl Inner {
    /// Where a passage stands; `None` if it is not there.
    pub(super) fn address(&self, no: PassageNo) -> Option<DocAddress> {
        self.addresses.get(no as usize).copied().flatten()
    }
}

impl LexicalSnapshot {
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        columns: Vec<Arc<SegmentColumns>>,
    ) -> Result<Self, LexicalError> {
        let mut addresses = Vec::new();
        let mut alive = PassageSet::new();
        let (mut n_passages, mut n_documents, mut n_terms) = (0u64, 0u64, 0u64);
        for (segment_ord, (segment, columns)) in
            (0..).zip(searcher.segment_readers().iter().zip(&columns))
        {
            for doc in 0..segment.max_doc() {
                if segment.is_deleted(doc) {
                    continue;
                }
                let no = columns.passage_no[doc as usize];
                if no == NO_PASSAGE {
                    n_documents += 1;
                    continue;
                }
                let place = no as usize;
                if place >= addresses.len() {
                    addresses.resize(place + 1, None);
                }
                addresses[place] = Some(DocAddress::new(segment_ord, doc));
                alive.insert(no);
                n_passages += 1;
                let length_id = columns.length_id[doc as usize];
                n_terms += u64::from(tantivy::fieldnorm::FieldNormReader::id_to_fieldnorm(
                    length_id,
                ));
            }
        }
        let mean_length = n_terms as f32 / n_passages.max(1) as f32;
        let alone = Self {
            succession: Arc::default(),
            inner: Arc::new(Inner {
                searcher,
                fields,
                columns,
                alive,
                n_passages,
                length_norms: length_norms(mean_length),
                n_documents,
                addresses,
                filtered: Mutex::default(),
                documents: OnceLock::new(),
            }),
        };
        let succession = Arc::new(Succession::read(&alone)?);
        Ok(Self {
            succession,
            ..alone
        })
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.inner.fields
    }

    pub(super) fn segment(&self, address: DocAddress) -> (&SegmentReader, &SegmentColumns) {
        let at = address.segment_ord as usize;
        let segments = self.inner.searcher.segment_readers();
        (&segments[at], &self.inner.columns[at])
    }

    /// The validity on `day` of the document that a passage belongs to: what its metadata state,
    /// and repealed once another document replaces it.
    pub fn validity(&self, metadata: &Metadata, no: PassageNo, day: Date) -> Validity {
        let stated = metadata.validity_on(day);
        let is_replaced = || {
            let first = self.first_passage_no(no).unwrap_or(no);
            self.succession.is_replaced(first, day_number(day))
        };
        match stated {
            Validity::InForce if is_replaced() => Validity::Repealed,
            stated => stated,
        }
    }

    /// The documents that replace the one that a passage belongs to, now or on a day to come, as far
    /// as `sight` lets them be seen. By the day from which they count, then by id.
    ///
    /// # Errors
    /// [`LexicalError::Record`] or [`LexicalError::Tantivy`] if one cannot be read.
    pub fn replaced_by(
        &self,
        no: PassageNo,
        sight: &Sight,
    ) -> Result<Vec<RelatedDocument>, LexicalError> {
        let first = self.first_passage_no(no).unwrap_or(no);
        self.related(self.succession.replaced_by(first), sight)
    }

    /// The documents that the one that a passage belongs to replaces: the other end of
    /// [`LexicalSnapshot::replaced_by`].
    ///
    /// # Errors
    /// The same.
    pub fn replaces(
        &self,
        no: PassageNo,
        sight: &Sight,
    ) -> Result<Vec<RelatedDocument>, LexicalError> {
        let first = self.first_passage_no(no).unwrap_or(no);
        self.related(self.succession.replaces(first), sight)
    }

    fn related(
        &self,
        documents: impl Iterator<Item = PassageNo>,
        sight: &Sight,
    ) -> Result<Vec<RelatedDocument>, LexicalError> {
        let mut related = Vec::new();
        for first_passage_no in documents {
            let Some(stored) = self.passage(first_passage_no)? else {
                continue;
            };
            if sight.sees(&stored.metadata) {
                related.push((stored.metadata.begins(), RelatedDocument::from(stored)));
            }
        }
        related.sort_by(|(a_day, a), (b_day, b)| {
            (a_day, &a.document_id).cmp(&(b_day, &b.document_id))
        });
        Ok(related.into_iter().map(|(_, document)| document).collect())
    }

    /// Looks a query's terms up, to search and to score with them.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn prepare<'a>(
        &'a self,
        query: &'a LexicalQuery,
    ) -> Result<PreparedQuery<'a>, LexicalError> {
        PreparedQuery::new(&self.inner, query)
    }

    /// [`PreparedQuery::best`] of a query that is put once.
    ///
    /// # Errors
    /// The same.
    pub fn search(
        &self,
        query: &LexicalQuery,
        limit: usize,
        allowed: Option<&PassageSet>,
    ) -> Result<Vec<(PassageNo, f32)>, LexicalError> {
        self.prepare(query)?.best(limit, allowed)
    }

    /// What each of the query's terms adds to a passage's score, highest first; their scores add up
    /// to what [`LexicalSnapshot::search`] gives. Empty if the passage is not there.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn explain(
        &self,
        query: &LexicalQuery,
        passage: PassageNo,
    ) -> Result<Vec<TermContribution>, LexicalError> {
        match self.inner.address(passage) {
            Some(address) => search::explain(&self.inner, query, address),
            None => Ok(Vec::new()),
        }
    }

    /// The passages that `sight` lets be seen and that meet `filters`, with what `admission`
    /// lets through on `day`. `None`: every passage. Remembered per snapshot.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn filter(
        &self,
        filters: &Filters,
        day: Date,
        sight: &Sight,
        admission: Admission,
    ) -> Result<Option<Arc<PassageSet>>, LexicalError> {
        let condition = Condition {
            filters: filters.clone(),
            day,
            sight: sight.clone(),
            admission,
        };
        if let Some(known) = self.remembered(&condition) {
            return Ok(known);
        }
        let passing = self.passing(&condition)?.map(Arc::new);
        let mut filtered = self
            .inner
            .filtered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if filtered.len() >= N_REMEMBERED_FILTERS {
            filtered.remove(0);
        }
        filtered.push((condition, passing.clone()));
        Ok(passing)
    }

    fn remembered(&self, condition: &Condition) -> Option<Option<Arc<PassageSet>>> {
        let filtered = self
            .inner
            .filtered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        filtered
            .iter()
            .find(|(known, _)| known == condition)
            .map(|(_, passing)| passing.clone())
    }

    fn passing(&self, condition: &Condition) -> Result<Option<PassageSet>, LexicalError> {
        let mut passing = PassageSet::new();
        let mut n_passing = 0;
        let meeting = self.meeting_of(condition)?;
        for (segment, columns) in self.segments() {
            let mask = self.mask(condition, meeting.as_ref(), segment, columns)?;
            for doc in segment.doc_ids_alive() {
                let no = columns.passage_no[doc as usize];
                if no != NO_PASSAGE && mask.as_ref().is_none_or(|mask| mask[doc as usize]) {
                    passing.insert(no);
                    n_passing += 1;
                }
            }
        }
        Ok((n_passing < self.inner.n_passages).then_some(passing))
    }

    /// What meets the condition on metadata, if there is one.
    fn meeting_of(&self, condition: &Condition) -> Result<Option<PassageSet>, LexicalError> {
        let filter = condition.filters.metadata.as_ref();
        filter
            .map(|filter| self.meeting(filter, condition.day))
            .transpose()
    }

    /// Whether another document replaces the one with this first passage, on a day.
    pub(super) fn is_replaced(&self, first_passage_no: PassageNo, day: i64) -> bool {
        self.succession.is_replaced(first_passage_no, day)
    }

    fn mask(
        &self,
        condition: &Condition,
        meeting: Option<&PassageSet>,
        segment: &SegmentReader,
        columns: &SegmentColumns,
    ) -> Result<Mask, LexicalError> {
        let mut mask = condition.mask(segment, &self.inner.fields)?;
        if let Some(meeting) = meeting {
            narrow(&mut mask, segment, |doc| {
                meeting.contains(columns.first_passage_no[doc as usize])
            });
        }
        let day = day_number(condition.day);
        if condition.admission == Admission::InForce && self.succession.concerns(day) {
            narrow(&mut mask, segment, |doc| {
                let first_passage_no = columns.first_passage_no[doc as usize];
                !self.succession.is_replaced(first_passage_no, day)
            });
        }
        Ok(mask)
    }

    /// The stored passage, or `None` if it is not there (any more).
    ///
    /// # Errors
    /// [`LexicalError::Record`] or [`LexicalError::Tantivy`] if it cannot be read.
    pub fn passage(&self, no: PassageNo) -> Result<Option<StoredPassage>, LexicalError> {
        let Some(address) = self.inner.address(no) else {
            return Ok(None);
        };
        Ok(Some(decode_passage(no, &self.record(address)?)?))
    }

    /// The number of the first passage of the document that a passage belongs to: the same for all
    /// its passages, and cheap to ask.
    pub fn first_passage_no(&self, no: PassageNo) -> Option<PassageNo> {
        let address = self.inner.address(no)?;
        Some(
            self.inner.columns[address.segment_ord as usize].first_passage_no
                [address.doc_id as usize],
        )
    }

    /// The stored document, or `None` if there is none with that id.
    ///
    /// # Errors
    /// [`LexicalError::Record`] or [`LexicalError::Tantivy`] if it cannot be read.
    pub fn document(&self, id: &str) -> Result<Option<StoredDocument>, LexicalError> {
        let records = self.with_key(self.inner.fields.document_id, id, |no| no == NO_PASSAGE)?;
        let Some(address) = records.first() else {
            return Ok(None);
        };
        Ok(Some(decode_document(&self.record(*address)?)?))
    }

    /// Whether there is a document with that id, whoever may see it.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn has_document(&self, id: &str) -> Result<bool, LexicalError> {
        let field = self.inner.fields.document_id;
        Ok(!self.with_key(field, id, |no| no == NO_PASSAGE)?.is_empty())
    }

    /// [`LexicalSnapshot::document`], or `None` if `sight` does not let it be seen. What may not be
    /// seen is not read: it takes no longer than what is not there.
    ///
    /// # Errors
    /// The same.
    pub fn document_for(
        &self,
        id: &str,
        sight: &Sight,
    ) -> Result<Option<StoredDocument>, LexicalError> {
        let records = self.with_key(self.inner.fields.document_id, id, |no| no == NO_PASSAGE)?;
        let Some(address) = records.first() else {
            return Ok(None);
        };
        if !super::filter::sees(sight, self.segment(*address).0, address.doc_id)? {
            return Ok(None);
        }
        Ok(Some(decode_document(&self.record(*address)?)?))
    }

    /// The documents that pass, by ascending id, `limit` of them after the first `offset`; and how
    /// many pass in all. The parameters mean what they mean in [`LexicalSnapshot::filter`].
    ///
    /// # Errors
    /// [`LexicalError::Record`] or [`LexicalError::Tantivy`] if something cannot be read.
    pub fn documents(
        &self,
        condition: (&Filters, Date, &Sight, Admission),
        offset: usize,
        limit: usize,
    ) -> Result<(usize, Vec<StoredDocument>), LexicalError> {
        let (filters, day, sight, admission) = condition;
        let condition = Condition {
            filters: filters.clone(),
            day,
            sight: sight.clone(),
            admission,
        };
        let meeting = self.meeting_of(&condition)?;
        let masks = self
            .segments()
            .map(|(segment, columns)| self.mask(&condition, meeting.as_ref(), segment, columns))
            .collect::<Result<Vec<_>, _>>()?;
        let passes = |address: &DocAddress| {
            masks[address.segment_ord as usize]
                .as_ref()
                .is_none_or(|mask| mask[address.doc_id as usize])
        };
        let passing: Vec<DocAddress> = self
            .all_documents()?
            .iter()
            .map(|(_, address)| *address)
            .filter(passes)
            .collect();
        let page = passing.iter().skip(offset).take(limit);
        let documents = page.map(|address| Ok(decode_document(&self.record(*address)?)?));
        Ok((
            passing.len(),
            documents.collect::<Result<_, LexicalError>>()?,
        ))
    }

    /// Ids of all documents, ascending.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn document_ids(&self) -> Result<impl Iterator<Item = &str>, LexicalError> {
        Ok(self.all_documents()?.iter().map(|(id, _)| id.as_str()))
    }

    /// The documents with a 发文字号, given in the form of [`crate::text::canonical_doc_no`].
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn find_doc_no(&self, canonical: &str) -> Result<Vec<DocumentPassages>, LexicalError> {
        self.find_documents(self.inner.fields.doc_no, canonical)
    }

    /// The documents with a title, given in the form of [`crate::text::canonical_law_name`].
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn find_title(&self, canonical: &str) -> Result<Vec<DocumentPassages>, LexicalError> {
        self.find_documents(self.inner.fields.title, canonical)
    }

    /// The passages that are article (条) `article` of a law, ascending; the law's title is given in
    /// the form of [`crate::text::canonical_law_name`].
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn find_article(&self, law: &str, article: u32) -> Result<Vec<PassageNo>, LexicalError> {
        let key = article_key(law, article);
        let found = self.with_key(self.inner.fields.article, &key, |no| no != NO_PASSAGE)?;
        let mut passages: Vec<PassageNo> = found
            .into_iter()
            .map(|address| self.passage_no(address))
            .collect();
        passages.sort_unstable();
        Ok(passages)
    }

    /// How many documents are of each department, kind, region and topic.
    ///
    /// `documents` holds a passage of each ([`LexicalSnapshot::first_passage_no`]).
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index files cannot be read.
    pub fn facets(&self, documents: &BTreeSet<PassageNo>) -> Result<Facets, LexicalError> {
        Ok(Facets {
            department: self.count_names(documents, column::DEPARTMENT)?,
            kind: self.count_names(documents, column::KIND)?,
            region: self.count_names(documents, column::REGION)?,
            topics: [
                self.count_names(documents, column::TOPIC_QUESTION)?,
                self.count_names(documents, column::TOPIC_BUSINESS)?,
                self.count_names(documents, column::TOPIC_OBJECT)?,
            ],
        })
    }

    /// The numbers of all passages.
    pub fn passage_nos(&self) -> &PassageSet {
        &self.inner.alive
    }

    /// How many passages there are.
    pub fn n_passages(&self) -> usize {
        self.inner.n_passages as usize
    }

    /// How many documents there are.
    pub fn n_documents(&self) -> usize {
        self.inner.n_documents as usize
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (&SegmentReader, &SegmentColumns)> {
        self.inner
            .searcher
            .segment_readers()
            .iter()
            .zip(self.inner.columns.iter().map(Arc::as_ref))
    }

    fn passage_no(&self, address: DocAddress) -> PassageNo {
        self.inner.columns[address.segment_ord as usize].passage_no[address.doc_id as usize]
    }

    fn record(&self, address: DocAddress) -> Result<Vec<u8>, LexicalError> {
        let entry: TantivyDocument = self.inner.searcher.doc(address)?;
        let record = entry
            .get_first(self.inner.fields.record)
            .and_then(|value| value.as_bytes());
        Ok(record.unwrap_or_default().to_vec())
    }

    /// Alive entries with `key` in `field` whose passage number `fits`.
    pub(super) fn with_key(
        &self,
        field: Field,
        key: &str,
        fits: impl Fn(PassageNo) -> bool,
    ) -> Result<Vec<DocAddress>, LexicalError> {
        let term = Term::from_field_text(field, key);
        let mut found = Vec::new();
        for (segment_ord, (segment, columns)) in (0..).zip(self.segments()) {
            let index = segment.inverted_index(field)?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            while postings.doc() != TERMINATED {
                let doc: DocId = postings.doc();
                if !segment.is_deleted(doc) && fits(columns.passage_no[doc as usize]) {
                    found.push(DocAddress::new(segment_ord, doc));
                }
                postings.advance();
            }
        }
        Ok(found)
    }

    fn find_documents(
        &self,
        field: Field,
        key: &str,
    ) -> Result<Vec<DocumentPassages>, LexicalError> {
        let mut found = Vec::new();
        for address in self.with_key(field, key, |no| no == NO_PASSAGE)? {
            let stored = decode_document(&self.record(address)?)?;
            found.push(DocumentPassages {
                n_passages: stored.document.passages.len() as u32,
                document_id: stored.document.id,
                first_passage_no: stored.first_passage_no,
            });
        }
        found.sort();
        Ok(found)
    }

    fn all_documents(&self) -> Result<&[(String, DocAddress)], LexicalError> {
        if let Some(known) = self.inner.documents.get() {
            return Ok(known);
        }
        let mut documents = Vec::with_capacity(self.n_documents());
        for (segment_ord, (segment, columns)) in (0..).zip(self.segments()) {
            let index = segment.inverted_index(self.inner.fields.document_id)?;
            let mut ids = index.terms().stream()?;
            while let Some((id, info)) = ids.next() {
                let mut postings =
                    index.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
                while postings.doc() != TERMINATED {
                    let doc = postings.doc();
                    if columns.passage_no[doc as usize] == NO_PASSAGE && !segment.is_deleted(doc) {
                        let id = String::from_utf8_lossy(id).into_owned();
                        documents.push((id, DocAddress::new(segment_ord, doc)));
                    }
                    postings.advance();
                }
            }
        }
        documents.sort_unstable();
        Ok(self.inner.documents.get_or_init(|| documents))
    }

    fn count_names(
        &self,
        documents: &BTreeSet<PassageNo>,
        column: &str,
    ) -> Result<BTreeMap<String, usize>, LexicalError> {
        let mut counts = BTreeMap::new();
        let columns = self
            .segments()
            .map(|(segment, _)| segment.fast_fields().str(column))
            .collect::<Result<Vec<_>, _>>()?;
        for address in documents.iter().filter_map(|no| self.inner.address(*no)) {
            let Some(column) = &columns[address.segment_ord as usize] else {
                continue;
            };
            for ord in column.term_ords(address.doc_id) {
                let mut name = String::new();
                column.ord_to_str(ord, &mut name)?;
                *counts.entry(name).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

impl fmt::Debug for LexicalSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LexicalSnapshot")
            .field("n_documents", &self.n_documents())
            .field("n_passages", &self.n_passages())
            .finish()
    }
}

/// How many documents there are of each name, by what the name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By department.
    pub department: BTreeMap<String, usize>,
    /// By name of the kind.
    pub kind: BTreeMap<String, usize>,
    /// By region.
    pub region: BTreeMap<String, usize>,
    /// By topic: question, business, object.
    pub topics: [BTreeMap<String, usize>; 3],
}
