//! Writing: documents in, commits out.

use std::fs;
use std::path::Path;

use tantivy::directory::MmapDirectory;
use tantivy::indexer::LogMergePolicy;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use crate::document::{Document, Metadata, Passage, PassageNo, Validity};
use crate::text::{Analyser, canonical_doc_no};

use super::LexicalError;
use super::columns::ColumnCache;
use super::filter::{audience_level, day_number};
use super::metadata_filter::{EXPIRED, REPEALED};
use super::references::{article_key, names_of};
use super::schema::{self, Fields, TOKENIZER};
use super::snapshot::LexicalSnapshot;
use super::stored::{encode_document, encode_passage};
use super::tokens::TermTokenizer;

/// How much is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A few documents, to be visible soon. The writer's tables are laid out by the memory that it
    /// may use, for every commit anew: with that of [`Amount::Much`] a commit takes ten times as
    /// long.
    Little,
    /// Thousands of documents.
    Much,
}

impl Amount {
    /// Threads that analyse and index.
    fn n_threads(self) -> usize {
        match self {
            Self::Little => 1,
            Self::Much => 2,
        }
    }

    /// Memory in which postings gather before they are written as a segment, all threads together.
    fn memory_bytes(self) -> usize {
        match self {
            Self::Little => 15 << 20,
            Self::Much => 160 << 20,
        }
    }
}

/// A segment is rewritten when more than this share of it is deleted.
const MAX_DELETED_SHARE: f32 = 0.3;

/// How often a question's terms count: what a passage answers says more about it than what it
/// mentions.
const QUESTION_REPEATS: usize = 2;

/// The one writer of an index folder.
///
/// Nothing is visible, and nothing survives a crash, before [`LexicalIndex::commit`]; a commit is
/// visible and durable as a whole.
pub struct LexicalIndex {
    index: Index,
    /// Made when something is first written: a reader takes no lock and no buffers.
    writer: Option<IndexWriter>,
    amount: Amount,
    /// Whether anything was handed to the writer since the last commit.
    is_dirty: bool,
    reader: IndexReader,
    fields: Fields,
    columns: ColumnCache,
}

impl LexicalIndex {
    /// Opens the index in `folder`, or creates an empty one there.
    ///
    /// # Errors
    /// [`LexicalError::OtherVersion`] if it was written by a version with another schema. Whether
    /// someone else writes it shows with the first change: [`LexicalError::Locked`].
    pub fn open_or_create(folder: &Path, analyser: &Analyser) -> Result<Self, LexicalError> {
        fs::create_dir_all(folder).map_err(|source| LexicalError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let (schema, fields) = schema::build();
        let directory = MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
        let exists = Index::exists(&directory).map_err(tantivy::TantivyError::from)?;
        let index = if exists {
            Index::open(directory)?
        } else {
            Index::create(directory, schema.clone(), tantivy::IndexSettings::default())?
        };
        if index.schema() != schema {
            return Err(LexicalError::OtherVersion);
        }
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let mut opened = Self {
            index,
            writer: None,
            amount: Amount::Much,
            is_dirty: false,
            reader,
            fields,
            columns: ColumnCache::default(),
        };
        opened.use_analyser(analyser);
        Ok(opened)
    }

    /// The writer, which takes the lock of the folder when it is first asked for.
    fn writer(&mut self) -> Result<&mut IndexWriter, LexicalError> {
        if self.writer.is_none() {
            let writer: IndexWriter = self
                .index
                .writer_with_num_threads(self.amount.n_threads(), self.amount.memory_bytes())?;
            set_merge_policy(&writer);
            self.writer = Some(writer);
        }
        // Made just above where it was missing.
        self.writer.as_mut().ok_or(LexicalError::Locked)
    }

    /// The writer, to change something.
    fn change(&mut self) -> Result<&mut IndexWriter, LexicalError> {
        self.is_dirty = true;
        self.writer()
    }

    /// Prepares for so much to be added. Forgets what was not committed.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if a merge under way failed.
    pub fn expect(&mut self, amount: Amount) -> Result<(), LexicalError> {
        if self.amount != amount
            && let Some(writer) = self.writer.take()
        {
            // What was not committed goes with it.
            self.is_dirty = false;
            writer.wait_merging_threads()?;
        }
        self.amount = amount;
        self.rollback()
    }

    /// Makes the terms of what is added after the next rollback or commit with `analyser`.
    pub fn use_analyser(&mut self, analyser: &Analyser) {
        let tokenizer = TextAnalyzer::from(TermTokenizer::new(analyser.clone()));
        self.index.tokenizers().register(TOKENIZER, tokenizer);
    }

    /// What the last commit was given, or `None` before the first.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the index's own record of its state cannot be read.
    pub fn payload(&self) -> Result<Option<String>, LexicalError> {
        Ok(self.index.load_metas()?.payload)
    }

    /// Adds a document; its passage `i` gets the number `first_passage_no + i`.
    ///
    /// An older version of the document stays unless it is deleted first.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the writer has died (disk full).
    pub fn add(
        &mut self,
        document: &Document,
        first_passage_no: PassageNo,
    ) -> Result<(), LexicalError> {
        let fields = self.fields;
        let names = names_of(&document.title);
        let (mut byte, mut chars_before) = (0, 0);
        for (no, passage) in (first_passage_no..).zip(&document.passages) {
            // Passages stand in reading order, so characters are counted once; else from the start.
            if passage.span.start < byte {
                (byte, chars_before) = (0, 0);
            }
            chars_before += document.text[byte..passage.span.start].chars().count();
            byte = passage.span.start;

            let mut entry = self.entry(document, first_passage_no);
            entry.add_u64(fields.passage_no, u64::from(no));
            add_terms(&mut entry, &fields, document, passage);
            if let Some(article) = passage.article {
                for name in &names {
                    entry.add_text(fields.article, article_key(name, article));
                }
            }
            let record = encode_passage(document, passage, chars_before, first_passage_no)?;
            entry.add_bytes(fields.record, &record);
            self.change()?.add_document(entry)?;
        }
        let mut entry = self.entry(document, first_passage_no);
        for name in &names {
            entry.add_text(fields.title, name);
        }
        if let Some(doc_no) = document.metadata.doc_no.as_deref().map(canonical_doc_no) {
            entry.add_text(fields.doc_no, doc_no);
        }
        for replaced in &document.metadata.replaces {
            entry.add_text(fields.replaces, replaced);
        }
        if let Some(day) = document.metadata.published_at {
            entry.add_i64(fields.published_at, day_number(day));
        }
        add_stated_columns(&mut entry, &fields, document);
        entry.add_bytes(fields.record, &encode_document(document, first_passage_no)?);
        self.change()?.add_document(entry)?;
        Ok(())
    }

    /// Deletes a document with all its passages, if there is one with that id.
    ///
    /// What is added under the same id afterwards stays.
    ///
    /// # Errors
    /// [`LexicalError::Locked`] if someone else writes the index.
    pub fn delete_document(&mut self, document_id: &str) -> Result<(), LexicalError> {
        let term = Term::from_field_text(self.fields.document_id, document_id);
        self.change()?.delete_term(term);
        Ok(())
    }

    /// Deletes every document. What is added afterwards stays; nothing is gone before a commit.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the writer has died.
    pub fn delete_all(&mut self) -> Result<(), LexicalError> {
        self.change()?.delete_all_documents()?;
        Ok(())
    }

    /// Makes everything since the last commit durable, with `payload`, and gives the new state.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`]: nothing of it is visible then; the writer should be rolled back.
    pub fn commit(&mut self, payload: &str) -> Result<LexicalSnapshot, LexicalError> {
        let mut prepared = self.writer()?.prepare_commit()?;
        prepared.set_payload(payload);
        prepared.commit()?;
        self.is_dirty = false;
        self.snapshot()
    }

    /// Forgets everything since the last commit.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if the writer cannot be restarted; the next change starts one.
    pub fn rollback(&mut self) -> Result<(), LexicalError> {
        // Without a reason it would cost every merge under way: rolling back starts a new writer.
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        if let Some(mut writer) = self.writer.take() {
            writer.rollback()?;
            set_merge_policy(&writer);
            self.writer = Some(writer);
        }
        Ok(())
    }

    /// The state of the last commit.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if its files cannot be read.
    pub fn snapshot(&mut self) -> Result<LexicalSnapshot, LexicalError> {
        self.reader.reload()?;
        let searcher = self.reader.searcher();
        let columns = self.columns.of(searcher.segment_readers(), &self.fields)?;
        LexicalSnapshot::new(searcher, self.fields, columns)
    }

    /// Waits until segments that are being merged are merged, and closes the index.
    ///
    /// # Errors
    /// [`LexicalError::Tantivy`] if a merge failed; what was committed is safe.
    pub fn close(self) -> Result<(), LexicalError> {
        if let Some(writer) = self.writer {
            writer.wait_merging_threads()?;
        }
        Ok(())
    }

    /// What every entry of the document carries.
    fn entry(&self, document: &Document, first_passage_no: PassageNo) -> TantivyDocument {
        let fields = &self.fields;
        let mut entry = TantivyDocument::new();
        entry.add_text(fields.document_id, &document.id);
        entry.add_u64(fields.first_passage_no, u64::from(first_passage_no));
        entry.add_u64(fields.n_passages, document.passages.len() as u64);
        add_filter_columns(&mut entry, fields, &document.metadata);
        entry
    }
}

fn set_merge_policy(writer: &IndexWriter) {
    let mut merging = LogMergePolicy::default();
    merging.set_del_docs_ratio_before_merge(MAX_DELETED_SHARE);
    writer.set_merge_policy(Box::new(merging));
}

fn add_filter_columns(entry: &mut TantivyDocument, fields: &Fields, metadata: &Metadata) {
    if let Some(kind) = metadata.kind {
        entry.add_text(fields.kind, kind.name());
    }
    for (field, names) in [
        (fields.department, metadata.department.as_slice()),
        (fields.region, metadata.region.as_slice()),
        (fields.topic_question, &metadata.topics.question),
        (fields.topic_business, &metadata.topics.business),
        (fields.topic_object, &metadata.topics.object),
    ] {
        for name in names {
            entry.add_text(field, name);
        }
    }
    entry.add_u64(fields.audience, audience_level(metadata.audience));
    for (field, day) in [
        (fields.effective_from, metadata.effective_from),
        (fields.effective_to, metadata.effective_to),
    ] {
        if let Some(day) = day {
            entry.add_i64(field, day_number(day));
        }
    }
    match metadata.status {
        Some(Validity::Repealed) => entry.add_u64(fields.ended, REPEALED),
        Some(Validity::Expired) => entry.add_u64(fields.ended, EXPIRED),
        Some(Validity::InForce | Validity::NotYet) | None => {}
    }
}

/// What conditions on metadata look at besides.
fn add_stated_columns(entry: &mut TantivyDocument, fields: &Fields, document: &Document) {
    let metadata = &document.metadata;
    entry.add_text(fields.id, &document.id);
    entry.add_text(fields.path, &document.path);
    entry.add_text(fields.stated_title, &document.title);
    for (field, text) in [
        (fields.issuer, &metadata.issuer),
        (fields.stated_doc_no, &metadata.doc_no),
        (fields.level, &metadata.level),
        (fields.source_url, &metadata.source_url),
    ] {
        if let Some(text) = text {
            entry.add_text(field, text);
        }
    }
    for keyword in &metadata.keywords {
        entry.add_text(fields.keyword, keyword);
    }
}

/// Everything by which a passage is found, into one stream of terms.
fn add_terms(entry: &mut TantivyDocument, fields: &Fields, document: &Document, passage: &Passage) {
    let metadata = &document.metadata;
    let around = [&document.title].into_iter().chain(&passage.heading);
    let labels = metadata.keywords.iter().chain(&metadata.doc_no);
    for text in around.chain(labels) {
        entry.add_text(fields.terms, text);
    }
    for question in &passage.questions {
        for _ in 0..QUESTION_REPEATS {
            entry.add_text(fields.terms, question);
        }
    }
    entry.add_text(fields.terms, document.passage_text(passage));
}
