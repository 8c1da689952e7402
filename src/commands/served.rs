//! What HTTP serves: the retriever and the index behind [`Backend`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use jiff::civil::Date;
use tokio::sync::watch;

use super::receipts;
use crate::document::{Audience, Document, Validity};
use crate::engine::Snapshot;
use crate::http::{
    Backend, BackendError, DocumentPage, DocumentQuery, DocumentRef, DocumentSubject,
    DocumentSummary, DocumentView, Original, Status,
};
use crate::lexical::{Admission, Filters, LexicalError, StoredDocument};
use crate::records::{Receipt, Records, RecordsError, Version};
use crate::retrieval::{LearnedWording, Retriever, SearchError, SearchRequest, SearchResponse};
use crate::sight::Sight;
use crate::sync::Requests;

/// How far a neighbour is looked for past documents that the caller may not see.
const MAX_NEIGHBOUR_STEPS: usize = 50;
/// A file with more documents than this is not checked one by one.
const MAX_DOCUMENTS_OF_ORIGINAL: usize = 2_000;

/// The parts that serve, as far as they are there: HTTP listens before the index is open.
pub struct Served {
    retriever: OnceLock<Retriever>,
    /// Opened beside the one that writes.
    records: OnceLock<Mutex<Records>>,
    requests: OnceLock<Requests>,
    /// Files whose last readable state serves.
    stale: ArcSwap<BTreeSet<String>>,
    news: watch::Sender<u64>,
}

impl Default for Served {
    fn default() -> Self {
        Self {
            retriever: OnceLock::new(),
            records: OnceLock::new(),
            requests: OnceLock::new(),
            stale: ArcSwap::default(),
            news: watch::Sender::new(0),
        }
    }
}

impl Served {
    /// Serves what the retriever's index holds from now on.
    pub fn begin(&self, retriever: Retriever) {
        // A second call would mean a second index in one process; the first one stays.
        let _ = self.retriever.set(retriever);
    }

    /// Lets what agents adopted count, instead of what counted before.
    ///
    /// # Errors
    /// [`SearchError`]
    pub fn learn(&self, wordings: Vec<LearnedWording>) -> Result<(), SearchError> {
        match self.retriever.get() {
            Some(retriever) => retriever.learn(wordings),
            None => Ok(()),
        }
    }

    /// Lets receipts be read, and originals of files with several documents be checked.
    ///
    /// # Errors
    /// [`RecordsError`]
    pub fn share_records(&self, records: Records) -> Result<(), RecordsError> {
        let seq = records.last_seq()?;
        let _ = self.records.set(Mutex::new(records));
        self.tell(seq);
        Ok(())
    }

    /// Lets callers ask for files to be read again.
    pub fn take_requests(&self, requests: Requests) {
        let _ = self.requests.set(requests);
    }

    /// The receipts up to number `seq` can be read.
    pub fn tell(&self, seq: u64) {
        if let Some(records) = self.records.get() {
            match lock(records).stale_paths() {
                Ok(paths) => self.stale.store(Arc::new(paths.into_iter().collect())),
                Err(error) => tracing::error!(%error, "stale files cannot be marked"),
            }
        }
        self.news.send_replace(seq);
    }

    fn retriever(&self) -> Result<&Retriever, BackendError> {
        self.retriever
            .get()
            .ok_or_else(|| BackendError("the index is not open yet".to_owned()))
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, BackendError> {
        Ok(self.retriever()?.index().snapshot())
    }

    /// The nearest document in the same folder that the caller may see, walking `ids`.
    fn neighbour<'a>(
        &self,
        snapshot: &Snapshot,
        document: &Document,
        sight: &Sight,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<Option<DocumentRef>, BackendError> {
        for id in ids.take(MAX_NEIGHBOUR_STEPS) {
            let Some(stored) = snapshot.words.document_for(id, sight)? else {
                continue;
            };
            let other = stored.document;
            // Documents of other folders may stand between: ids need not follow paths.
            if folder(&other.path) == folder(&document.path) {
                return Ok(Some(DocumentRef {
                    id: other.id,
                    title: other.title,
                }));
            }
        }
        Ok(None)
    }

    /// Leaves out the states of a document that the caller may not see.
    fn retain_seen(
        &self,
        versions: &mut Vec<Version>,
        id: &str,
        sight: &Sight,
    ) -> Result<(), BackendError> {
        versions.retain(|version| version.audience <= sight.audience);
        let Some(records) = self.records.get().filter(|_| !sight.scope.is_everything()) else {
            return Ok(());
        };
        // Of which department and region a state was stands with its text.
        let mut seen = BTreeSet::new();
        for version in versions.iter() {
            let state = lock(records).version(id, version.number)?;
            if state.is_some_and(|(_, document)| sight.sees(&document.metadata)) {
                seen.insert(version.number);
            }
        }
        versions.retain(|version| seen.contains(&version.number));
        Ok(())
    }

    /// Whether the caller may see every document of the file at `path`.
    fn sees_all_of(
        &self,
        snapshot: &Snapshot,
        path: &str,
        sight: &Sight,
    ) -> Result<bool, BackendError> {
        if sight.is_unlimited() {
            return Ok(true);
        }
        let Some(records) = self.records.get() else {
            return Ok(false);
        };
        let documents = lock(records).documents_of(path)?;
        if documents.len() > MAX_DOCUMENTS_OF_ORIGINAL {
            return Ok(false);
        }
        for record in documents {
            if snapshot.words.document_for(&record.id, sight)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Backend for Served {
    fn status(&self) -> Status {
        let Some(retriever) = self.retriever.get() else {
            return Status::default();
        };
        let snapshot = retriever.index().snapshot();
        Status {
            ready: snapshot.generation > 0,
            generation: snapshot.generation,
            n_documents: snapshot.words.n_documents(),
            n_passages: snapshot.words.n_passages(),
            graph_complete: retriever.index().graph_is_complete(),
            embedder: retriever
                .index()
                .embedder()
                .map(|embedder| embedder.id().to_owned()),
        }
    }

    fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        let retriever = self
            .retriever()
            .map_err(|error| SearchError::Index(error.to_string()))?;
        let mut response = retriever.search(request)?;
        let stale = self.stale.load();
        if !stale.is_empty() {
            for hit in &mut response.hits {
                hit.is_stale = stale.contains(&hit.citation.path);
            }
        }
        Ok(response)
    }

    fn documents(&self, query: &DocumentQuery) -> Result<DocumentPage, BackendError> {
        let today = self.retriever()?.today();
        let snapshot = self.snapshot()?;
        let filters = Filters {
            department: query.department.clone(),
            kind: query.kind.clone(),
            ..Filters::default()
        };
        let condition = (&filters, today, &query.sight, Admission::Any);
        let summary = |stored: &StoredDocument| {
            let document = &stored.document;
            DocumentSummary {
                id: document.id.clone(),
                path: document.path.clone(),
                title: document.title.clone(),
                kind: document.metadata.kind,
                department: document.metadata.department.clone(),
                doc_no: document.metadata.doc_no.clone(),
                audience: document.metadata.audience,
                validity: validity(&snapshot, stored, today),
                published_at: document.metadata.published_at,
                n_passages: document.passages.len(),
            }
        };
        let (total, documents) = match &query.text {
            None => {
                let (total, page) =
                    snapshot
                        .words
                        .documents(condition, query.offset, query.limit)?;
                (total, page.iter().map(summary).collect())
            }
            Some(text) => {
                let (_, all) = snapshot.words.documents(condition, 0, usize::MAX)?;
                let wanted = text.to_lowercase();
                let matching: Vec<_> = all
                    .iter()
                    .filter(|stored| names(&stored.document, &wanted))
                    .collect();
                let page = matching.iter().skip(query.offset).take(query.limit);
                (matching.len(), page.map(|stored| summary(stored)).collect())
            }
        };
        Ok(DocumentPage {
            generation: snapshot.generation,
            total,
            documents,
        })
    }

    fn document(&self, id: &str, sight: &Sight) -> Result<Option<DocumentView>, BackendError> {
        let snapshot = self.snapshot()?;
        let Some(stored) = snapshot.words.document_for(id, sight)? else {
            return Ok(None);
        };
        let validity = validity(&snapshot, &stored, self.retriever()?.today());
        let StoredDocument {
            document,
            first_passage_no,
        } = stored;
        let ids: Vec<&str> = snapshot.words.document_ids()?.collect();
        let at = ids.partition_point(|other| *other < id);
        let before = ids[..at].iter().rev().copied();
        let after = ids[at..].iter().copied().filter(|other| *other != id);
        Ok(Some(DocumentView {
            generation: snapshot.generation,
            validity,
            replaced_by: snapshot.words.replaced_by(first_passage_no, sight)?,
            replaces: snapshot.words.replaces(first_passage_no, sight)?,
            previous: self.neighbour(&snapshot, &document, sight, before)?,
            next: self.neighbour(&snapshot, &document, sight, after)?,
            versions: self.versions(id, sight)?.unwrap_or_default(),
            document,
        }))
    }

    fn original(&self, id: &str, sight: &Sight) -> Result<Option<Original>, BackendError> {
        let snapshot = self.snapshot()?;
        let Some(stored) = snapshot.words.document_for(id, sight)? else {
            return Ok(None);
        };
        let document = stored.document;
        if !self.sees_all_of(&snapshot, &document.path, sight)? {
            return Ok(None);
        }
        // A document that shares its file has a hash of its own.
        let file = match self.records.get() {
            Some(records) => lock(records).file(&document.path)?,
            None => None,
        };
        Ok(Some(Original {
            content_hash: file.map_or(document.content_hash, |file| file.content_hash),
            path: document.path,
        }))
    }

    fn versions(&self, id: &str, sight: &Sight) -> Result<Option<Vec<Version>>, BackendError> {
        let snapshot = self.snapshot()?;
        let mut versions = match self.records.get() {
            Some(records) => lock(records).versions(id)?,
            None => Vec::new(),
        };
        let is_served = snapshot.words.document_for(id, sight)?.is_some();
        // The records follow the index by some milliseconds: both have a say.
        if !is_served && snapshot.words.has_document(id)? {
            return Ok(None);
        }
        let newest = versions.first().map(|newest| newest.number);
        let is_for_caller = is_served || (sight.audience > Audience::Public && newest.is_some());
        self.retain_seen(&mut versions, id, sight)?;
        let is_hidden = versions.first().map(|newest| newest.number) != newest;
        if is_hidden || !is_for_caller {
            return Ok(None);
        }
        Ok(Some(versions))
    }

    fn version(
        &self,
        id: &str,
        number: u32,
        sight: &Sight,
    ) -> Result<Option<(Version, Document)>, BackendError> {
        let versions = self.versions(id, sight)?.unwrap_or_default();
        match self.records.get() {
            Some(records) if versions.iter().any(|version| version.number == number) => {
                Ok(lock(records).version(id, number)?)
            }
            _ => Ok(None),
        }
    }

    fn subjects(
        &self,
        ids: &BTreeSet<String>,
        sight: &Sight,
    ) -> Result<BTreeMap<String, DocumentSubject>, BackendError> {
        let snapshot = self.snapshot()?;
        let mut subjects = BTreeMap::new();
        for id in ids {
            let Some(stored) = snapshot.words.document_for(id, sight)? else {
                continue;
            };
            let document = stored.document;
            let subject = DocumentSubject {
                title: document.title,
                department: document.metadata.department,
                topics: document.metadata.topics.business,
            };
            subjects.insert(document.id, subject);
        }
        Ok(subjects)
    }

    fn group_alike(&self, texts: &[&str]) -> Result<Vec<Vec<usize>>, BackendError> {
        let groups = self.retriever()?.group_alike(texts);
        groups.map_err(|error| BackendError(error.to_string()))
    }

    fn changes(
        &self,
        after: u64,
        limit: usize,
        sight: &Sight,
    ) -> Result<Vec<Receipt>, BackendError> {
        match self.records.get() {
            Some(records) if sight.is_unlimited() => {
                Ok(lock(records).receipts_after(after, limit)?)
            }
            Some(records) => receipts::seen_after(records, after, limit, sight),
            None => Ok(Vec::new()),
        }
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn reindex(&self, path: &str) -> bool {
        let requests = self.requests.get();
        requests.is_some_and(|requests| requests.reindex(path))
    }
}

/// A reader that panicked left nothing half done.
pub(super) fn lock(records: &Mutex<Records>) -> MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `wanted`, in lower case, stands in what a document is called.
fn names(document: &Document, wanted: &str) -> bool {
    let doc_no = document.metadata.doc_no.as_deref().unwrap_or_default();
    [document.title.as_str(), document.path.as_str(), doc_no]
        .iter()
        .any(|name| name.to_lowercase().contains(wanted))
}

fn validity(snapshot: &Snapshot, stored: &StoredDocument, day: Date) -> Validity {
    let metadata = &stored.document.metadata;
    snapshot
        .words
        .validity(metadata, stored.first_passage_no, day)
}

/// The folder part of a path, empty at the root.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl From<LexicalError> for BackendError {
    fn from(error: LexicalError) -> Self {
        Self(error.to_string())
    }
}

impl From<RecordsError> for BackendError {
    fn from(error: RecordsError) -> Self {
        Self(error.to_string())
    }
}
