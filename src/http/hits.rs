//! The answer to a query, as JSON shows it.

use std::time::Duration;

use jiff::civil::Date;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::offsets::{CharOffsets, CharSpan};
use crate::retrieval::{
    Citation, Contributions, Degraded, Facets, Hit, RelatedDocument, SearchResponse,
};

/// The answer to a query.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchReply {
    /// The generation that answered.
    generation: u64,
    /// Time in the server, waiting for a turn included.
    took_ms: f64,
    /// Why the answer is worse than it could be: `vector_unavailable`, `vector_timeout`.
    degraded: Vec<&'static str>,
    /// How the query was read.
    query: WireReading,
    /// Best first.
    hits: Vec<WireHit>,
    /// Per field, value → number of candidate documents, most first.
    facets: WireFacets,
}

/// How a query was read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryReading)]
struct WireReading {
    /// Normal form.
    normalised: String,
    /// What was probably said, where the query reads as if it was misheard: words that sound alike
    /// were looked up in place of those written. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_as: Option<String>,
    /// Words that were looked up, in query order.
    terms: Vec<String>,
    /// Document numbers, laws and articles recognised.
    references: Vec<String>,
}

/// One result: a passage standing for its group. Spans count characters of `text`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hit)]
pub(super) struct WireHit {
    document_id: String,
    passage_id: String,
    title: String,
    /// Headings above the passage, outermost first.
    heading: Vec<String>,
    /// 类型
    kind: Option<&'static str>,
    /// The passage as it stands in the extracted original.
    text: String,
    /// Query words, in order, disjoint.
    highlights: Vec<CharSpan>,
    /// The part that answers, for a question with its answer.
    answer: Option<CharSpan>,
    /// Comparable within one answer only; higher is better.
    score: f32,
    /// The probability that the hit answers the question; `null` where nothing was calibrated for
    /// the model or the mode.
    confidence: Option<f32>,
    /// What each side added to `score`.
    contributions: WireContributions,
    /// 时效性 on the day asked for: `in_force`, `not_yet`, `expired`, `repealed`.
    validity: &'static str,
    /// The documents that replace it, usually one; also one that is not in force yet. `null` if
    /// there is none.
    replaced_by: Option<Vec<WireRelated>>,
    /// Whether the file has changed since but could not be read: this is its last readable state.
    stale: bool,
    #[schema(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    effective_to: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    published_at: Option<Date>,
    /// 归口部门
    department: Option<String>,
    /// 适用地区
    region: Option<String>,
    /// 发文机关
    issuer: Option<String>,
    /// 发文字号
    doc_no: Option<String>,
    citation: WireCitation,
    /// Other documents that hold (nearly) the same passage.
    also_in: Vec<WireAlsoIn>,
    /// How the score came about; only with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
}

/// Shares of a score.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contributions)]
struct WireContributions {
    lexical: f32,
    vector: f32,
    /// Added because the query names the document number or article.
    reference: f32,
    /// Added because further passages of the document answer as well; 0 with `group: "none"`.
    document: f32,
    /// Added because the query asks a question that the passage answers.
    question: f32,
    /// Added because agents adopted it under a wording much like the query.
    learned: f32,
}

/// Where a hit stands in its original. Offsets count characters of the document's extracted text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Citation)]
pub(super) struct WireCitation {
    /// The file, relative to the corpus.
    path: String,
    /// Page of the original, from 1.
    page: Option<u32>,
    /// Row of the original table, from 1.
    row: Option<u32>,
    /// Number of the article (条).
    article: Option<u32>,
    char_start: usize,
    char_end: usize,
    /// blake3 of the file's bytes.
    content_hash: String,
}

/// Another source of the same text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlsoIn)]
struct WireAlsoIn {
    document_id: String,
    title: String,
}

/// A document that replaces another or is replaced by it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelatedDocument)]
pub(super) struct WireRelated {
    document_id: String,
    title: String,
    /// 发文字号
    doc_no: Option<String>,
    /// 施行日期; may lie in the future.
    #[schema(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
}

/// Counts for narrowing down.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Facets)]
struct WireFacets {
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    department: Counts,
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    kind: Counts,
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    region: Counts,
    topics: WireTopicFacets,
}

/// Counts on the three topic axes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopicFacets)]
struct WireTopicFacets {
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    business: Counts,
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    question: Counts,
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    object: Counts,
}

/// Value → count, written as an object in the order given.
#[derive(Debug)]
struct Counts(Vec<(String, usize)>);

impl SearchReply {
    /// The wire form of an answer.
    pub(super) fn new(response: SearchResponse, took: Duration) -> Self {
        let reading = response.reading;
        Self {
            generation: response.generation,
            took_ms: took_ms(took),
            degraded: response.degraded.into_iter().map(Degraded::name).collect(),
            query: WireReading {
                normalised: reading.normalised,
                terms: reading.terms,
                heard_as: reading.heard_as,
                references: reading.references,
            },
            hits: response.hits.into_iter().map(WireHit::from).collect(),
            facets: response.facets.into(),
        }
    }
}

/// Milliseconds, to the hundredth.
pub(super) fn took_ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 100_000.0).round() / 100.0
}

/// An answer as JSON, in the shape of `POST /v1/search`.
///
/// # Errors
/// When a number in it cannot be written as JSON.
pub fn search_reply_json(
    response: SearchResponse,
    took: Duration,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&SearchReply::new(response, took))
}

impl From<Hit> for WireHit {
    fn from(hit: Hit) -> Self {
        let spans = hit.highlights.iter().copied().chain(hit.answer);
        let offsets = CharOffsets::locate(&hit.text, spans);
        Self {
            document_id: hit.document_id,
            passage_id: hit.passage_id,
            title: hit.title,
            heading: hit.heading,
            kind: hit.kind.map(|kind| kind.name()),
            highlights: hit
                .highlights
                .iter()
                .map(|span| offsets.span(*span))
                .collect(),
            answer: hit.answer.map(|span| offsets.span(span)),
            text: hit.text,
            score: hit.score,
            confidence: hit.confidence,
            contributions: hit.contributions.into(),
            validity: hit.validity.name(),
            replaced_by: successors(hit.replaced_by),
            stale: hit.is_stale,
            effective_from: hit.effective_from,
            effective_to: hit.effective_to,
            published_at: hit.published_at,
            department: hit.department,
            region: hit.region,
            issuer: hit.issuer,
            doc_no: hit.doc_no,
            citation: hit.citation.into(),
            also_in: hit
                .also_in
                .into_iter()
                .map(|other| WireAlsoIn {
                    document_id: other.document_id,
                    title: other.title,
                })
                .collect(),
            explanation: hit.explanation,
        }
    }
}

/// `null` where nothing replaces a document.
pub(super) fn successors(replaced_by: Vec<RelatedDocument>) -> Option<Vec<WireRelated>> {
    let is_replaced = !replaced_by.is_empty();
    is_replaced.then(|| replaced_by.into_iter().map(WireRelated::from).collect())
}

impl From<RelatedDocument> for WireRelated {
    fn from(related: RelatedDocument) -> Self {
        Self {
            document_id: related.document_id,
            title: related.title,
            doc_no: related.doc_no,
            effective_from: related.effective_from,
        }
    }
}

impl From<Contributions> for WireContributions {
    fn from(shares: Contributions) -> Self {
        let Contributions {
            lexical,
            vector,
            reference,
            document,
            question,
            learned,
        } = shares;
        Self {
            lexical,
            vector,
            reference,
            document,
            question,
            learned,
        }
    }
}

impl From<Citation> for WireCitation {
    fn from(citation: Citation) -> Self {
        Self {
            path: citation.path,
            page: citation.page,
            row: citation.row,
            article: citation.article,
            char_start: citation.char_start,
            char_end: citation.char_end,
            content_hash: citation.content_hash,
        }
    }
}

impl From<Facets> for WireFacets {
    fn from(facets: Facets) -> Self {
        Self {
            department: Counts(facets.department),
            kind: Counts(facets.kind),
            region: Counts(facets.region),
            topics: WireTopicFacets {
                business: Counts(facets.topic_business),
                question: Counts(facets.topic_question),
                object: Counts(facets.topic_object),
            },
        }
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (value, count) in &self.0 {
            map.serialize_entry(value, count)?;
        }
        map.end()
    }
}
