//! `POST /v1/vector_stores/{id}/search`: the search of OpenAI's vector stores.
//!
//! Source: <https://platform.openai.com/docs/api-reference/vector-stores/search>. A file is a document,
//! its attributes are metadata; queries are not rewritten, for the search knows everyday words itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::conditions::{Comparison, Reader, WireValue};
use super::dialect::told;
use super::knowledge::{Wanted, retrieve};
use super::records::attributes;
use crate::http::app::App;
use crate::http::caller::Caller;
use crate::http::extract::JsonBody;
use crate::http::problem::{Problem, ProblemKind};
use crate::retrieval::{Hit, MetadataFilter};

/// What its addresses begin with.
pub(super) const PREFIX: &str = "/v1/vector_stores/";

/// Results when the request does not say.
const DEFAULT_RESULTS: usize = 10;
/// Most results.
const MAX_RESULTS: usize = 50;
/// Most queries of a request.
const MAX_QUERIES: usize = 10;
/// Deepest nesting of filters.
const MAX_DEPTH: usize = 10;

/// A search.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the field `query`")]
#[schema(example = json!({"query": "退休金怎么领", "max_num_results": 5, "filters": {"type": "eq", "key": "kind", "value": "faq"}}))]
pub(in crate::http) struct VectorStoreSearchBody {
    /// A query, or up to 10, whose results become one list.
    query: WireQuery,
    /// A condition on documents.
    #[serde(default)]
    filters: Option<WireFilter>,
    /// Most results, 1 to 50; 10 if left out.
    #[serde(default, deserialize_with = "super::whole_number")]
    #[schema(minimum = 1, maximum = 50)]
    max_num_results: Option<usize>,
    /// Least score.
    #[serde(default)]
    ranking_options: Option<WireRanking>,
    /// Accepted and without effect.
    #[serde(default, rename = "rewrite_query")]
    _rewrite_query: Option<bool>,
}

/// One query or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a text or a list of texts")]
#[schema(as = VectorStoreQuery)]
enum WireQuery {
    One(String),
    Several(Vec<String>),
}

/// Least score.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `ranker` and `score_threshold`"
)]
#[schema(as = VectorStoreRankingOptions)]
struct WireRanking {
    /// Accepted and without effect: there is one ranking.
    #[serde(rename = "ranker")]
    _ranker: Option<WireRanker>,
    /// Least score, 0 to 1; 0 if left out.
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: Option<f32>,
}

/// Rankings that the contract names.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = VectorStoreRanker)]
enum WireRanker {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "default-2024-11-15", alias = "default_2024_08_21")]
    Default20241115,
}

/// A condition on documents. `ne` and `nin` are met exactly where `eq` and `in` are not, so also where
/// a document does not have the attribute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = VectorStoreFilter, no_recursion)]
enum WireFilter {
    Eq { key: String, value: WireValue },
    Ne { key: String, value: WireValue },
    Gt { key: String, value: WireValue },
    Gte { key: String, value: WireValue },
    Lt { key: String, value: WireValue },
    Lte { key: String, value: WireValue },
    In { key: String, value: WireValue },
    Nin { key: String, value: WireValue },
    And { filters: Vec<WireFilter> },
    Or { filters: Vec<WireFilter> },
}

/// A page of results; there is only one.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VectorStoreSearchPage {
    /// Always `vector_store.search_results.page`.
    object: &'static str,
    /// The queries as given.
    search_query: Vec<String>,
    /// Best first.
    data: Vec<WireResult>,
    /// Always false.
    has_more: bool,
    /// Always `null`.
    next_page: Option<String>,
}

/// A passage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VectorStoreSearchResult)]
struct WireResult {
    /// The document's id.
    file_id: String,
    /// The file, relative to the corpus.
    filename: String,
    /// The probability that the passage answers, 0 to 1.
    score: f32,
    /// What is known of the source.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// The passage as it stands in the extracted original: one part.
    content: Vec<WireContent>,
}

/// A part of a passage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VectorStoreContent)]
struct WireContent {
    /// Always `text`.
    r#type: &'static str,
    text: String,
}

/// An error as OpenAI documents it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiError)]
pub(in crate::http) struct OpenAiErrorBody {
    error: OpenAiErrorDetail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct OpenAiErrorDetail {
    /// What is wrong and what would be right.
    message: String,
    /// `invalid_request_error`, `rate_limit_error` or `server_error`.
    r#type: &'static str,
    /// The field.
    param: Option<String>,
    /// The kind of problem.
    code: Option<String>,
}

/// Search as in a vector store
///
/// For libraries of OpenAI's API: `base_url` is `…/v1`, the store `all` or a department's name.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{id}/search",
    tag = "contracts",
    params(("id" = String, Path, description = "`all`, `default`, or a department's name (归口部门)")),
    request_body = VectorStoreSearchBody,
    responses(
        (status = 200, description = "The passages, perhaps none", body = VectorStoreSearchPage),
        (status = "4XX", description = "The request cannot be answered as asked", body = OpenAiErrorBody),
        (status = 503, description = "Not ready, too busy or too slow; see Retry-After", body = OpenAiErrorBody),
    )
)]
pub(in crate::http) async fn search(
    State(app): State<Arc<App>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<VectorStoreSearchBody>,
) -> Result<Json<VectorStoreSearchPage>, Problem> {
    let Ok(Path(id)) = id else {
        let detail = "The id of the vector store is not UTF-8.";
        return Err(Problem::new(ProblemKind::NoSuchKnowledge, detail));
    };
    let mut reader = Reader::new(&app.time_zone);
    let wanted = body.into_wanted(id, &mut reader)?;
    let search_query = wanted.queries.clone();
    let results = retrieve(&app, &caller, wanted).await?;
    Ok(Json(VectorStoreSearchPage {
        object: "vector_store.search_results.page",
        search_query,
        data: results.into_iter().map(WireResult::from).collect(),
        has_more: false,
        next_page: None,
    }))
}

impl VectorStoreSearchBody {
    fn into_wanted(self, id: String, reader: &mut Reader<'_>) -> Result<Wanted, Problem> {
        let queries = match self.query {
            WireQuery::One(query) => vec![query],
            WireQuery::Several(queries) => queries,
        };
        if !(1..=MAX_QUERIES).contains(&queries.len()) {
            let reason = format!("has {} queries; 1 to {MAX_QUERIES} are read", queries.len());
            return Err(Problem::field("query", reason));
        }
        let limit = self.max_num_results.unwrap_or(DEFAULT_RESULTS);
        if !(1..=MAX_RESULTS).contains(&limit) {
            let reason = format!("{limit} is not in 1..={MAX_RESULTS}");
            return Err(Problem::field("max_num_results", reason));
        }
        let ranking = self.ranking_options;
        let min_score = ranking
            .and_then(|ranking| ranking.score_threshold)
            .unwrap_or(0.0);
        if !(0.0..=1.0).contains(&min_score) {
            let reason = format!("{min_score} is not in 0..=1");
            return Err(Problem::field("ranking_options.score_threshold", reason));
        }
        let metadata = self
            .filters
            .map(|filter| filter.into_filter("filters", MAX_DEPTH, reader))
            .transpose()?;
        Ok(Wanted {
            knowledge: id,
            queries,
            metadata,
            limit,
            min_score,
        })
    }
}

impl WireFilter {
    fn into_filter(
        self,
        place: &str,
        depth_left: usize,
        reader: &mut Reader<'_>,
    ) -> Result<MetadataFilter, Problem> {
        let mut compared =
            |key: String, comparison, value| reader.compared(place, &[key], comparison, &value);
        let negated = |filter| MetadataFilter::Not(Box::new(filter));
        match self {
            Self::Eq { key, value } | Self::In { key, value } => {
                compared(key, Comparison::Is, value)
            }
            Self::Ne { key, value } | Self::Nin { key, value } => {
                compared(key, Comparison::Is, value).map(negated)
            }
            Self::Gt { key, value } => compared(key, Comparison::Above, value),
            Self::Gte { key, value } => compared(key, Comparison::AtLeast, value),
            Self::Lt { key, value } => compared(key, Comparison::Below, value),
            Self::Lte { key, value } => compared(key, Comparison::AtMost, value),
            Self::And { filters } => {
                below(filters, place, depth_left, reader).map(MetadataFilter::All)
            }
            Self::Or { filters } => {
                below(filters, place, depth_left, reader).map(MetadataFilter::Any)
            }
        }
    }
}

/// What stands inside a filter.
fn below(
    filters: Vec<WireFilter>,
    place: &str,
    depth_left: usize,
    reader: &mut Reader<'_>,
) -> Result<Vec<MetadataFilter>, Problem> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        let reason = format!("is nested deeper than {MAX_DEPTH}");
        return Err(Problem::field(place, reason));
    };
    let filters = filters.into_iter().enumerate();
    filters
        .map(|(at, filter)| {
            filter.into_filter(&format!("{place}.filters[{at}]"), depth_left, reader)
        })
        .collect()
}

impl From<(Hit, f32)> for WireResult {
    fn from((hit, score): (Hit, f32)) -> Self {
        Self {
            attributes: attributes(&hit),
            file_id: hit.document_id,
            filename: hit.citation.path,
            score,
            content: vec![WireContent {
                r#type: "text",
                text: hit.text,
            }],
        }
    }
}

/// What a client of OpenAI's API is told of a problem.
pub(super) fn refusal(problem: &Problem) -> (StatusCode, Value) {
    let status = problem.status();
    let (code, message, param) = told(problem);
    let (kind, code) = match status {
        StatusCode::UNAUTHORIZED => ("invalid_request_error", json!("invalid_api_key")),
        StatusCode::TOO_MANY_REQUESTS => ("rate_limit_error", json!("rate_limit_exceeded")),
        _ if status.is_server_error() => ("server_error", code),
        _ => ("invalid_request_error", code),
    };
    let error = json!({"message": message, "type": kind, "param": param, "code": code});
    (status, json!({"error": error}))
}
