//! `POST /v1/search`

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::app::App;
use super::extract::JsonBody;
use super::offsets::{CharOffsets, CharSpan};
use super::problem::{Problem, ProblemBody};
use crate::document::Audience;
use crate::retrieval::{
    Citation, Contributions, Degraded, Facets, Filters, Group, Hit, MAX_LIMIT, MAX_QUERY_CHARS,
    Mode, SearchRequest, SearchResponse,
};

/// Hits of an answer when the request does not say.
const DEFAULT_LIMIT: usize = 10;
/// Most values of one filter.
const MAX_FILTER_VALUES: usize = 1_000;

/// A query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the field `query`")]
#[schema(example = json!({"query": "退休金怎么领", "limit": 5, "filters": {"department": ["市人社局"]}}))]
pub(super) struct SearchBody {
    /// The text as typed or said, 1 to 4,000 characters.
    query: String,
    /// Number of hits wanted, 1 to 100; 10 if left out.
    limit: Option<usize>,
    /// Which indexes take part.
    #[serde(default)]
    mode: WireMode,
    /// Conditions. Values of one field are alternatives; fields combine.
    #[serde(default)]
    filters: WireFilters,
    /// The day whose rules count, `YYYY-MM-DD`; today if left out.
    as_of: Option<String>,
    /// Whether documents that are not in force on that day may appear, marked by `validity`.
    #[serde(default)]
    include_invalid: bool,
    /// How passages of one document stand in the results.
    #[serde(default)]
    group: WireGroup,
    /// Whether hits tell how their score came about.
    #[serde(default)]
    explain: bool,
    /// The oldest generation that may answer; an older one answers 409 `generation_not_reached`.
    #[serde(default)]
    min_generation: u64,
}

/// Which indexes take part.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Mode)]
enum WireMode {
    /// Words and vectors, fused.
    #[default]
    Hybrid,
    /// Words alone.
    Lexical,
    /// Vectors alone.
    Vector,
}

/// How passages of one document stand in the results.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Group)]
enum WireGroup {
    /// One hit per document: its best passage.
    #[default]
    Document,
    /// Every passage stands for itself; near-duplicates still collapse.
    None,
}

/// Conditions that a hit must meet. An empty list is no condition.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Filters)]
struct WireFilters {
    /// 归口部门, exact.
    department: Vec<String>,
    /// 类型: `policy`, `regulation`, `faq`, `guide`, `script`, `case`, or the Chinese name.
    kind: Vec<String>,
    /// 适用地区, exact.
    region: Vec<String>,
    /// 三维分类
    topics: WireTopics,
    /// Document ids.
    document_id: Vec<String>,
}

/// The three topic axes.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TopicFilters)]
struct WireTopics {
    /// 业务分类
    business: Vec<String>,
    /// 问题分类
    question: Vec<String>,
    /// 对象分类
    object: Vec<String>,
}

/// The answer to a query.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchReply {
    /// The generation that answered.
    generation: u64,
    /// Time in the server, waiting for a turn included.
    took_ms: f64,
    /// Why the answer is worse than it could be: `vector_unavailable`, `vector_timeout`,
    /// `vectors_incomplete`.
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
    /// Words that were looked up, in query order.
    terms: Vec<String>,
    /// Document numbers, laws and articles recognised.
    references: Vec<String>,
}

/// One result: a passage standing for its group. Spans count characters of `text`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hit)]
struct WireHit {
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
    /// What each side added to `score`.
    contributions: WireContributions,
    /// 时效性 on the day asked for: `in_force`, `not_yet`, `expired`, `repealed`.
    validity: &'static str,
    #[schema(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    effective_to: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    published_at: Option<Date>,
    /// 归口部门
    department: Option<String>,
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
}

/// Where a hit stands in its original. Offsets count characters of the document's extracted text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Citation)]
struct WireCitation {
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

/// Search the knowledge base
#[utoipa::path(
    post,
    path = "/v1/search",
    tag = "search",
    request_body = SearchBody,
    responses(
        (status = 200, description = "Hits, best first", body = SearchReply),
        (status = "4XX", description = "The request cannot be answered as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not ready, too busy or too slow; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    JsonBody(body): JsonBody<SearchBody>,
) -> Result<Json<SearchReply>, Problem> {
    let started = Instant::now();
    app.ready(body.min_generation)?;
    let mut request = body.into_request(app.audience())?;
    let (mode, deadline) = (request.mode, app.search_deadline());
    let answer = app.run(move |backend| {
        request.deadline = Some(Instant::now() + deadline);
        backend.search(&request)
    });
    let response = answer.await??;
    let took = started.elapsed();
    app.metrics.search(mode, took, &response.degraded);
    Ok(Json(SearchReply::new(response, took)))
}

impl SearchBody {
    /// The request in domain terms, without a deadline yet.
    fn into_request(self, audience: Audience) -> Result<SearchRequest, Problem> {
        let n_chars = self.query.chars().count();
        if self.query.trim().is_empty() {
            return Err(Problem::field(
                "query",
                "is empty; give the words to search for",
            ));
        }
        if n_chars > MAX_QUERY_CHARS {
            let reason = format!("has {n_chars} characters; at most {MAX_QUERY_CHARS} are read");
            return Err(Problem::field("query", reason));
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::field(
                "limit",
                format!("{limit} is not in 1..={MAX_LIMIT}"),
            ));
        }
        Ok(SearchRequest {
            query: self.query,
            limit,
            mode: self.mode.into(),
            filters: self.filters.into_filters()?,
            as_of: self.as_of.as_deref().map(read_date).transpose()?,
            include_invalid: self.include_invalid,
            audience,
            group: self.group.into(),
            explain: self.explain,
            deadline: None,
        })
    }
}

fn read_date(given: &str) -> Result<Date, Problem> {
    Date::strptime("%Y-%m-%d", given).map_err(|_| {
        let given: String = given.chars().take(40).collect();
        Problem::field(
            "as_of",
            format!("{given:?} is not a date such as 2026-11-20"),
        )
    })
}

impl WireFilters {
    fn into_filters(self) -> Result<Filters, Problem> {
        let lists = [
            ("filters.department", self.department.len()),
            ("filters.kind", self.kind.len()),
            ("filters.region", self.region.len()),
            ("filters.topics.business", self.topics.business.len()),
            ("filters.topics.question", self.topics.question.len()),
            ("filters.topics.object", self.topics.object.len()),
            ("filters.document_id", self.document_id.len()),
        ];
        if let Some((field, n)) = lists.into_iter().find(|(_, n)| *n > MAX_FILTER_VALUES) {
            let reason = format!("has {n} values; at most {MAX_FILTER_VALUES} are read");
            return Err(Problem::field(field, reason));
        }
        let kinds = self.kind.iter().map(|name| name.parse());
        let kind = kinds
            .collect::<Result<_, crate::document::UnknownName>>()
            .map_err(|err| Problem::field("filters.kind", err.to_string()))?;
        Ok(Filters {
            department: self.department,
            kind,
            region: self.region,
            topic_question: self.topics.question,
            topic_business: self.topics.business,
            topic_object: self.topics.object,
            document_id: self.document_id,
        })
    }
}

impl From<WireMode> for Mode {
    fn from(mode: WireMode) -> Self {
        match mode {
            WireMode::Hybrid => Self::Hybrid,
            WireMode::Lexical => Self::Lexical,
            WireMode::Vector => Self::Vector,
        }
    }
}

impl From<WireGroup> for Group {
    fn from(group: WireGroup) -> Self {
        match group {
            WireGroup::Document => Self::Document,
            WireGroup::None => Self::None,
        }
    }
}

impl SearchReply {
    /// The wire form of an answer.
    pub(crate) fn new(response: SearchResponse, took: Duration) -> Self {
        let reading = response.reading;
        Self {
            generation: response.generation,
            took_ms: (took.as_secs_f64() * 100_000.0).round() / 100.0,
            degraded: response.degraded.into_iter().map(Degraded::name).collect(),
            query: WireReading {
                normalised: reading.normalised,
                terms: reading.terms,
                references: reading.references,
            },
            hits: response.hits.into_iter().map(WireHit::from).collect(),
            facets: response.facets.into(),
        }
    }
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
            contributions: hit.contributions.into(),
            validity: hit.validity.name(),
            effective_from: hit.effective_from,
            effective_to: hit.effective_to,
            published_at: hit.published_at,
            department: hit.department,
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

impl From<Contributions> for WireContributions {
    fn from(shares: Contributions) -> Self {
        let Contributions {
            lexical,
            vector,
            reference,
        } = shares;
        Self {
            lexical,
            vector,
            reference,
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
