//! The files of one build, one after another: what they put into the index and take out of it, and
//! what the records will say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use super::source::hash_with;
use super::update::{CHANGED_WHILE_READ, DOCUMENTS_PER_STEP};
use super::{Progress, Scope, Source, SyncError};
use crate::corpus::{CorpusFile, Finding, Outcome};
use crate::document::Document;
use crate::engine::Build;
use crate::records::{
    Change, DocumentRecord, FileOutcome, FileRecord, FindingRecord, NewReceipt, NewVersion,
    Records, Update,
};

/// When changes were noticed.
pub struct Detected<'s> {
    pub scope: &'s Scope,
    pub now: Timestamp,
}

impl Detected<'_> {
    /// When a change of `path`, or of the nearest folder above it, was noticed first.
    fn at(&self, path: &str) -> Timestamp {
        let known = &self.scope.detected_at;
        let above = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
        let noticed = [path].into_iter().chain(above).chain([""]);
        let mut noticed = noticed.filter_map(|path| known.get(path));
        noticed.next().copied().unwrap_or(self.now)
    }
}

/// A build under way, with what it will change in the records.
pub struct Work<'i, 'r, 's> {
    pub build: Build<'i>,
    pub records: &'r Records,
    pub corpus: &'r Path,
    pub rebuild: bool,
    /// Documents that wait to be put together with others: each time costs a write to the disk.
    pub waiting: Vec<Document>,
    /// Ids of documents put by this build.
    pub taken: BTreeSet<String>,
    /// Paths of files that are gone.
    pub removed: BTreeSet<String>,
    /// Whether anything that is indexed differs from the generation before.
    pub is_changed: bool,
    pub detected: Detected<'s>,
    pub update: Update,
}

impl Work<'_, '_, '_> {
    pub fn remove_file(&mut self, file: &FileRecord) -> Result<(), SyncError> {
        let mut n_documents = 0;
        // A build from nothing has nothing to delete.
        if !self.rebuild {
            for document in self.records.documents_of(&file.path)? {
                n_documents += 1;
                if !self.taken.contains(&document.id) {
                    self.build.delete(&document.id)?;
                    self.is_changed = true;
                    self.update.removed_documents.push(document.id);
                }
            }
        }
        // What never got in goes without a receipt, unless its failure had one.
        if n_documents > 0 || self.rebuild || file.outcome != FileOutcome::Loaded {
            self.update.receipts.push(NewReceipt {
                path: file.path.clone(),
                change: Change::Removed,
                content_hash: Some(file.content_hash.clone()),
                from: None,
                detected_at: self.detected.at(&file.path),
                n_passages: 0,
                error: None,
            });
        }
        self.update.removed_files.push(file.path.clone());
        Ok(())
    }

    /// Puts the documents of one file that differ from what is indexed, and deletes those that it
    /// no longer holds.
    pub fn take_file(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        outcome: Outcome,
        progress: &dyn Progress,
    ) -> Result<(), SyncError> {
        match outcome {
            Outcome::Loaded {
                documents,
                findings,
            } => self.take_documents(source, known, (documents, findings), progress),
            Outcome::Skipped(reason) => self.leave_out(source, known, FileOutcome::Skipped, reason),
            Outcome::NoText(reason) => self.leave_out(source, known, FileOutcome::NoText, reason),
            Outcome::Failed(reason) => {
                let gone = std::fs::symlink_metadata(&source.file.full_path)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
                match known {
                    // Removed since it was seen.
                    Some(known) if gone && !self.rebuild => self.remove_file(known),
                    None if gone => Ok(()),
                    Some(known) if !self.rebuild && self.may_stay(source, known) => {
                        self.keep_stale(source, known, reason);
                        Ok(())
                    }
                    _ => self.leave_out(source, known, FileOutcome::Failed, reason),
                }
            }
        }
    }

    /// Whether the last good state of a file that cannot be read may go on serving: not when its
    /// sidecar or the folder defaults have changed since. They may say that the public must not see
    /// it, and nobody can tell without reading the file.
    fn may_stay(&self, source: &Source<CorpusFile>, known: &FileRecord) -> bool {
        let with = |content_hash: &str| hash_with(self.corpus, &source.file, content_hash);
        has_served(known)
            && (known.source_hash == with(&known.content_hash)
                || known.source_hash == with(CHANGED_WHILE_READ))
    }

    fn take_documents(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        (documents, mut findings): (Vec<Document>, Vec<Finding>),
        progress: &dyn Progress,
    ) -> Result<(), SyncError> {
        let mut indexed = self.indexed_of(&source.path)?;
        let n_documents = documents.len().max(1) as u64;
        let mut n_bytes_left = source.file.n_bytes;
        let mut n_passages = 0;
        let mut is_changed = false;
        let mut documents = documents.into_iter().peekable();
        while documents.peek().is_some() {
            let mut changed = Vec::new();
            let mut n_taken = 0;
            for mut document in documents.by_ref().take(DOCUMENTS_PER_STEP) {
                n_taken += 1;
                n_passages += document.passages.len() as u32;
                self.make_id_unique(&mut document, &mut findings)?;
                let fingerprint = fingerprint(&document);
                let record = DocumentRecord {
                    id: document.id.clone(),
                    path: source.path.clone(),
                    fingerprint,
                };
                if indexed.remove(&document.id).as_ref() != Some(&record.fingerprint) {
                    if !self
                        .records
                        .has_version(&document.id, &record.fingerprint)?
                    {
                        let version = NewVersion::of(&document, &record.fingerprint)?;
                        self.update.versions.push(version);
                    }
                    changed.push(document);
                }
                self.update.documents.push(record);
            }
            is_changed |= !changed.is_empty();
            self.put(changed)?;
            let n_bytes = (source.file.n_bytes * n_taken / n_documents).min(n_bytes_left);
            progress.advance(n_bytes);
            n_bytes_left -= n_bytes;
        }
        progress.advance(n_bytes_left);
        is_changed |= self.delete_all(indexed)?;
        self.is_changed |= is_changed;

        let change = match known {
            Some(known) if has_served(known) => {
                let differs = is_changed && !self.rebuild;
                let is_other = known.content_hash != source.content_hash;
                (differs || is_other || known.is_stale).then_some(Change::Modified)
            }
            _ => Some(Change::Added),
        };
        if let Some(change) = change {
            self.receipt(source, change, n_passages, None);
        }
        self.update.files.push(FileRecord {
            n_passages,
            ..file_record(source, FileOutcome::Loaded, None)
        });
        self.find(&source.path, findings);
        Ok(())
    }

    /// Lists a file without documents; those that it had are outdated.
    fn leave_out(
        &mut self,
        source: &Source<CorpusFile>,
        known: Option<&FileRecord>,
        outcome: FileOutcome,
        reason: String,
    ) -> Result<(), SyncError> {
        let indexed = self.indexed_of(&source.path)?;
        self.is_changed |= self.delete_all(indexed)?;
        let record = file_record(source, outcome, Some(reason.clone()));
        if known != Some(&record) || self.rebuild {
            if known.is_none_or(|known| is_news(known, &record)) {
                self.receipt(source, Change::Failed, 0, Some(reason));
            }
            self.update.files.push(record);
        }
        Ok(())
    }

    /// Lets the last good state of a file go on serving.
    fn keep_stale(&mut self, source: &Source<CorpusFile>, known: &FileRecord, reason: String) {
        let record = FileRecord {
            // Those of the state that serves: the next failure compares with it.
            source_hash: known.source_hash.clone(),
            content_hash: known.content_hash.clone(),
            n_passages: known.n_passages,
            is_stale: true,
            ..file_record(source, FileOutcome::Failed, Some(reason.clone()))
        };
        if *known != record {
            self.receipt(source, Change::Failed, known.n_passages, Some(reason));
            self.update.stale_files.push(record);
        }
    }

    fn put(&mut self, documents: Vec<Document>) -> Result<(), SyncError> {
        self.waiting.extend(documents);
        match self.waiting.len() >= DOCUMENTS_PER_STEP {
            true => self.put_waiting(),
            false => Ok(()),
        }
    }

    pub fn put_waiting(&mut self) -> Result<(), SyncError> {
        let documents = std::mem::take(&mut self.waiting);
        if !documents.is_empty() {
            self.build.put(&documents)?;
        }
        Ok(())
    }

    /// What is indexed of a file: id → fingerprint.
    fn indexed_of(&self, path: &str) -> Result<BTreeMap<String, String>, SyncError> {
        if self.rebuild {
            return Ok(BTreeMap::new());
        }
        let known = self.records.documents_of(path)?.into_iter();
        Ok(known
            .map(|document| (document.id, document.fingerprint))
            .collect())
    }

    fn delete_all(&mut self, indexed: BTreeMap<String, String>) -> Result<bool, SyncError> {
        let mut is_changed = false;
        for id in indexed.into_keys() {
            if !self.taken.contains(&id) {
                self.build.delete(&id)?;
                is_changed = true;
                self.update.removed_documents.push(id);
            }
        }
        Ok(is_changed)
    }

    /// Gives a document whose id belongs to another one an id made from its path, with a finding:
    /// neither text is lost.
    fn make_id_unique(
        &mut self,
        document: &mut Document,
        findings: &mut Vec<Finding>,
    ) -> Result<(), SyncError> {
        let owner = if self.rebuild {
            None
        } else {
            self.records.path_of(&document.id)?
        };
        let is_foreign =
            owner.is_some_and(|path| path != document.path && !self.removed.contains(&path));
        if is_foreign || self.taken.contains(&document.id) {
            let wanted = std::mem::take(&mut document.id);
            document.id = (1u32..)
                .map(|n| format!("{}#重复{n}:{wanted}", document.path))
                .find(|id| !self.taken.contains(id))
                .unwrap_or_default();
            findings.push(Finding {
                error: true,
                code: "duplicate_id",
                message: format!(
                    "编号“{wanted}”已被其他文档使用，暂以“{}”编入索引；请改用唯一的 id",
                    document.id
                ),
            });
        }
        self.taken.insert(document.id.clone());
        Ok(())
    }

    fn receipt(
        &mut self,
        source: &Source<CorpusFile>,
        change: Change,
        n_passages: u32,
        error: Option<String>,
    ) {
        self.update.receipts.push(NewReceipt {
            path: source.path.clone(),
            change,
            content_hash: Some(source.content_hash.clone()),
            from: None,
            detected_at: self.detected.at(&source.path),
            n_passages,
            error,
        });
    }

    fn find(&mut self, path: &str, findings: Vec<Finding>) {
        let records = findings.into_iter().map(|finding| FindingRecord {
            path: path.to_owned(),
            error: finding.error,
            code: finding.code.to_owned(),
            message: finding.message,
        });
        self.update.findings.extend(records);
    }
}

fn file_record(
    source: &Source<CorpusFile>,
    outcome: FileOutcome,
    reason: Option<String>,
) -> FileRecord {
    FileRecord {
        path: source.path.clone(),
        source_hash: source.source_hash.clone(),
        content_hash: source.content_hash.clone(),
        outcome,
        reason,
        n_passages: 0,
        is_stale: false,
    }
}

/// Whether documents of a file are indexed.
fn has_served(known: &FileRecord) -> bool {
    known.outcome == FileOutcome::Loaded || known.is_stale
}

/// Whether a failure differs from what editors were told before.
fn is_news(known: &FileRecord, now: &FileRecord) -> bool {
    known.outcome != now.outcome
        || known.reason != now.reason
        || known.content_hash != now.content_hash
}

/// blake3 over everything of a document that is indexed or shown, lower-case hex.
///
/// The debug form spells out every field, so a field added later is covered without a thought.
fn fingerprint(document: &Document) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(document.text.as_bytes());
    let Document {
        id,
        path,
        title,
        metadata,
        text: _,
        content_hash,
        passages,
    } = document;
    hasher.update(
        format!("{id:?}{path:?}{title:?}{metadata:?}{content_hash:?}{passages:?}").as_bytes(),
    );
    hasher.finalize().to_hex().to_string()
}
