//! A query → ranked hits.
//!
//! Reads the query once, fetches lexical and vector candidates side by side from one snapshot,
//! fuses, groups, highlights. Knows nothing of HTTP, files or calls.

use std::time::Instant;

use jiff::civil::Date;

use crate::document::{ByteSpan, Kind, Validity};
use crate::sight::Sight;

mod asked;
mod candidates;
mod conditions;
pub mod confidence;
pub mod fusion;
pub mod grouping;
mod hearing;
pub mod highlight;
mod hits;
mod learned;
pub mod likeness;
mod query_vector;
mod questions;
mod reading;
mod search;

pub use crate::lexical::{Admission, MetadataField, MetadataFilter, RelatedDocument, TextTest};
pub use asked::AskedWord;
pub use confidence::{Calibration, CalibrationError, Signals};
pub use learned::{Learned, LearnedWording};
pub use search::{RetrievalSettings, Retriever};

/// Which indexes take part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Words and vectors, fused.
    #[default]
    Hybrid,
    /// Words alone.
    Lexical,
    /// Vectors alone.
    Vector,
}

/// How passages of one document stand in the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Group {
    /// One hit per document: its best passage.
    #[default]
    Document,
    /// Every passage stands for itself; near-duplicates still collapse.
    None,
}

/// Conditions that a candidate must meet. Values of one field are alternatives; fields combine.
/// An empty list is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filters {
    /// 归口部门, exact.
    pub department: Vec<String>,
    /// 类型
    pub kind: Vec<Kind>,
    /// 适用地区, exact.
    pub region: Vec<String>,
    /// 问题分类
    pub topic_question: Vec<String>,
    /// 业务分类
    pub topic_business: Vec<String>,
    /// 对象分类
    pub topic_object: Vec<String>,
    /// Document ids.
    pub document_id: Vec<String>,
    /// What else a document must say of itself.
    pub metadata: Option<MetadataFilter>,
}

/// One query, with who asks and how much time there is.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// The text as typed, at most [`MAX_QUERY_CHARS`] characters.
    pub query: String,
    /// Number of hits wanted, 1..=[`MAX_LIMIT`].
    pub limit: usize,
    /// Which indexes take part.
    pub mode: Mode,
    /// Conditions.
    pub filters: Filters,
    /// The day whose rules count; `None` is today in the configured time zone.
    pub as_of: Option<Date>,
    /// Whether what is not in force on that day may appear, marked by its validity. What the query
    /// cites by number, title or article always may.
    pub admission: Admission,
    /// What the caller may see.
    pub sight: Sight,
    /// How passages of one document stand in the results.
    pub group: Group,
    /// Whether hits tell how their score came about.
    pub explain: bool,
    /// Whether the answer counts what there is to narrow down to; else its facets are empty.
    pub with_facets: bool,
    /// Whether the answer tells the query's words, see [`SearchResponse::asked`].
    pub with_asked: bool,
    /// When to stop waiting for a side: the answer is then marked degraded.
    pub deadline: Option<Instant>,
}

impl SearchRequest {
    /// The best `limit` documents of today for `query`, by words and meaning, without conditions,
    /// explanations or a deadline.
    pub fn new(query: String, limit: usize, sight: impl Into<Sight>) -> Self {
        Self {
            query,
            limit,
            mode: Mode::Hybrid,
            filters: Filters::default(),
            as_of: None,
            admission: Admission::InForce,
            sight: sight.into(),
            group: Group::Document,
            explain: false,
            with_facets: true,
            with_asked: false,
            deadline: None,
        }
    }
}

/// Longest query in characters.
pub const MAX_QUERY_CHARS: usize = 4_000;
/// Most hits of one answer.
pub const MAX_LIMIT: usize = 100;

/// The answer to one [`SearchRequest`].
#[derive(Clone, Debug)]
pub struct SearchResponse {
    /// The generation that answered.
    pub generation: u64,
    /// Why the answer is worse than it could be; empty when it is not.
    pub degraded: Vec<Degraded>,
    /// How the query was read.
    pub reading: QueryReading,
    /// What the query is about, when asked for; else empty.
    pub asked: Vec<AskedWord>,
    /// Best first.
    pub hits: Vec<Hit>,
    /// Per field, value → number of candidate documents, most first, ties by value.
    pub facets: Facets,
}

/// What was missing when an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degraded {
    /// No usable embedder, or it failed: answered by words alone.
    VectorUnavailable,
    /// The embedder or the vector search did not end in time.
    VectorTimeout,
}

impl Degraded {
    /// The name used on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::VectorUnavailable => "vector_unavailable",
            Self::VectorTimeout => "vector_timeout",
        }
    }
}

/// How a query was read.
#[derive(Clone, Debug, Default)]
pub struct QueryReading {
    /// Normal form.
    pub normalised: String,
    /// What was probably said, in normal form, where that is not what is written: words that sound
    /// alike were looked up in its place.
    pub heard_as: Option<String>,
    /// Words that were looked up, in query order.
    pub terms: Vec<String>,
    /// Document numbers, laws and articles recognised, in canonical form.
    pub references: Vec<String>,
}

/// One result: a passage standing for its group.
#[derive(Clone, Debug)]
pub struct Hit {
    pub document_id: String,
    pub passage_id: String,
    pub title: String,
    pub heading: Vec<String>,
    pub kind: Option<Kind>,
    /// The passage as it stands in the extracted original.
    pub text: String,
    /// Query words in `text`, byte spans, in order, disjoint.
    pub highlights: Vec<ByteSpan>,
    /// The part of `text` that answers, in bytes.
    pub answer: Option<ByteSpan>,
    /// Whether the passage is a question with its answer, so that `answer` is known, not guessed.
    pub is_entry: bool,
    /// Comparable within one answer only; higher is better.
    pub score: f32,
    /// What each side added to `score`.
    pub contributions: Contributions,
    /// The probability that the hit answers; `None` where nothing was calibrated: for another
    /// model than the index's, by vectors alone, by ranks.
    pub confidence: Option<f32>,
    /// What the probability is made of; `None` by vectors alone and by ranks.
    pub signals: Option<Signals>,
    pub validity: Validity,
    /// The documents that replace it, now or on a day to come, as far as the caller may see them.
    pub replaced_by: Vec<RelatedDocument>,
    /// Whether it owes its place or its probability to agents who adopted it under such a wording.
    pub is_learned: bool,
    /// Whether the file has changed since but could not be read: this is its last readable state.
    pub is_stale: bool,
    pub effective_from: Option<Date>,
    pub effective_to: Option<Date>,
    pub published_at: Option<Date>,
    pub department: Option<String>,
    pub region: Option<String>,
    pub issuer: Option<String>,
    /// 层级
    pub level: Option<String>,
    pub doc_no: Option<String>,
    /// 联系电话
    pub phones: Vec<String>,
    pub citation: Citation,
    /// Other documents that hold (nearly) the same passage.
    pub also_in: Vec<AlsoIn>,
    /// How the score came about, when asked for.
    pub explanation: Option<String>,
}

/// Shares of a hit's score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contributions {
    pub lexical: f32,
    pub vector: f32,
    /// Added because the query names the document number or article.
    pub reference: f32,
    /// Added because further passages of the document answer as well; only when hits are grouped
    /// by document.
    pub document: f32,
    /// Added because the query asks a question that the passage answers.
    pub question: f32,
    /// Added because agents adopted it under a wording much like the query.
    pub learned: f32,
}

/// Where a hit stands in its original.
#[derive(Clone, Debug)]
pub struct Citation {
    /// The file, relative to the corpus.
    pub path: String,
    /// Page of the original, from 1.
    pub page: Option<u32>,
    /// Row of the original table, from 1.
    pub row: Option<u32>,
    /// Article number.
    pub article: Option<u32>,
    /// Characters of the document's extracted text.
    pub char_start: usize,
    pub char_end: usize,
    /// blake3 of the file's bytes.
    pub content_hash: String,
}

/// Another source of the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoIn {
    pub document_id: String,
    pub title: String,
}

/// Counts for narrowing down: value → number of candidate documents, most first, ties by value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    pub department: Vec<(String, usize)>,
    pub kind: Vec<(String, usize)>,
    pub region: Vec<(String, usize)>,
    pub topic_question: Vec<(String, usize)>,
    pub topic_business: Vec<(String, usize)>,
    pub topic_object: Vec<(String, usize)>,
}

/// A request that cannot be answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// A field is out of its limits; shown to the caller.
    #[error("{field}: {reason}")]
    Request {
        /// The request's field.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The index failed; logged, not shown.
    #[error("the index could not be read: {0}")]
    Index(String),
}
