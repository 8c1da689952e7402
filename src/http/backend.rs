//! What the HTTP layer needs from the engine, in domain types.
//!
//! The server's implementation stands on the retriever and the records; tests bring their own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tokio::sync::watch;

use crate::document::{Audience, Document, Kind, Validity};
use crate::records::{Receipt, Version};
use crate::retrieval::{RelatedDocument, SearchError, SearchRequest, SearchResponse};
use crate::sight::Sight;

/// Answers from the generation that serves.
///
/// Calls may block and are made off the async threads, several at once. Each call answers from one
/// snapshot. What `sight` does not let be seen does not exist: it is not counted and not named.
pub trait Backend: Send + Sync + 'static {
    /// What is served now. Must be cheap: it is asked before every search.
    fn status(&self) -> Status;

    /// Answers one query.
    ///
    /// # Errors
    /// As `Retriever::search`.
    fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError>;

    /// One page of the documents that meet `query`, by ascending id.
    fn documents(&self, query: &DocumentQuery) -> Result<DocumentPage, BackendError>;

    /// One document; `None` if there is none of that id for this sight.
    fn document(&self, id: &str, sight: &Sight) -> Result<Option<DocumentView>, BackendError>;

    /// The file that a document was read from; `None` if there is none of that id for this sight.
    ///
    /// A file that holds several documents is `None` as well unless `sight` lets *all* of
    /// them be seen: the file would show the others.
    fn original(&self, id: &str, sight: &Sight) -> Result<Option<Original>, BackendError>;

    /// The states that a document had, as far as `sight` lets them be seen, newest first; `None` if there
    /// is none of that id for this sight.
    ///
    /// Whoever may not see the newest state sees none. The states of a document that is gone are for
    /// staff: for the public there is no such document.
    fn versions(&self, id: &str, sight: &Sight) -> Result<Option<Vec<Version>>, BackendError>;

    /// One of [`Backend::versions`] by its number, with the document as it was then.
    fn version(
        &self,
        id: &str,
        number: u32,
        sight: &Sight,
    ) -> Result<Option<(Version, Document)>, BackendError>;

    /// What documents are about, by id. What is gone, or not for this sight, is left out.
    fn subjects(
        &self,
        ids: &BTreeSet<String>,
        sight: &Sight,
    ) -> Result<BTreeMap<String, DocumentSubject>, BackendError>;

    /// Puts texts together that say nearly the same: places in `texts`, each in one group, the first
    /// of a group leading it, groups in the order of their first.
    fn group_alike(&self, texts: &[&str]) -> Result<Vec<Vec<usize>>, BackendError>;

    /// At most `limit` receipts after number `after`, in order, of files that hold nothing but what
    /// `sight` lets be seen, now or when they were gone. Of a file of which nothing is known they are
    /// for those who see everything.
    fn changes(
        &self,
        after: u64,
        limit: usize,
        sight: &Sight,
    ) -> Result<Vec<Receipt>, BackendError>;

    /// The number of the newest receipt, as it changes. Must be cheap.
    fn news(&self) -> watch::Receiver<u64>;

    /// Has a file or folder read again; the empty path is the whole corpus. Whether anybody follows
    /// the corpus.
    fn reindex(&self, path: &str) -> bool;
}

/// The index failed; logged, not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// What is served now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether a first generation serves. Until then nothing else is asked.
    pub ready: bool,
    /// The generation that serves; it only grows.
    pub generation: u64,
    /// Documents in it, of every audience.
    pub n_documents: usize,
    /// Passages in it, of every audience.
    pub n_passages: usize,
    /// Whether the vector graph covers the bulk of the passages, so that searches are at full speed.
    pub graph_complete: bool,
    /// `Embedder::id` of the model in use; `None` when answers are by words alone.
    pub embedder: Option<String>,
}

/// Which documents to list. Values of one field are alternatives; fields combine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentQuery {
    /// 归口部门, exact; empty is no condition.
    pub department: Vec<String>,
    /// 类型; empty is no condition.
    pub kind: Vec<Kind>,
    /// Stands in the title, the path or the document number; case does not matter.
    pub text: Option<String>,
    /// What the caller may see.
    pub sight: Sight,
    /// Documents to leave out at the front.
    pub offset: usize,
    /// Most documents on the page, 1..=100.
    pub limit: usize,
}

/// One page of a list of documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentPage {
    /// The generation that answered.
    pub generation: u64,
    /// Documents that meet the query, on all pages.
    pub total: usize,
    /// By ascending id.
    pub documents: Vec<DocumentSummary>,
}

/// A document in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentSummary {
    /// The document's id.
    pub id: String,
    /// The file, relative to the corpus.
    pub path: String,
    /// 标题
    pub title: String,
    /// 类型
    pub kind: Option<Kind>,
    /// 归口部门
    pub department: Option<String>,
    /// 发文字号
    pub doc_no: Option<String>,
    /// 公开范围
    pub audience: Audience,
    /// 时效性, today.
    pub validity: Validity,
    /// 发布日期
    pub published_at: Option<Date>,
    /// Passages it was cut into.
    pub n_passages: usize,
}

/// What a document is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentSubject {
    /// 标题
    pub title: String,
    /// 归口部门
    pub department: Option<String>,
    /// 业务分类
    pub topics: Vec<String>,
}

/// A document with its surroundings.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentView {
    /// The generation that answered.
    pub generation: u64,
    /// The document.
    pub document: Document,
    /// 时效性, today.
    pub validity: Validity,
    /// The documents that replace it, now or on a day to come.
    pub replaced_by: Vec<RelatedDocument>,
    /// The documents that it replaces.
    pub replaces: Vec<RelatedDocument>,
    /// The document before it in the same folder, by id.
    pub previous: Option<DocumentRef>,
    /// The document after it in the same folder, by id.
    pub next: Option<DocumentRef>,
    /// Newest first, as [`Backend::versions`].
    pub versions: Vec<Version>,
}

/// A document by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRef {
    /// The document's id.
    pub id: String,
    /// 标题
    pub title: String,
}

/// The file that a document was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Relative to the corpus, `/`-separated.
    pub path: String,
    /// blake3 of the bytes that were indexed, lower-case hex.
    pub content_hash: String,
}
