//! `POST /v1/search`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::App;
use super::caller::Caller;
use super::extract::JsonBody;
use super::hits::SearchReply;
use super::problem::{Problem, ProblemBody};
use crate::retrieval::{
    Admission, Filters, Group, MAX_LIMIT, MAX_QUERY_CHARS, Mode, SearchRequest,
};
use crate::sight::Sight;

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
    #[schema(min_length = 1, max_length = 4000)]
    query: String,
    /// Number of hits wanted, 1 to 100; 10 if left out.
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Which indexes take part.
    #[serde(default)]
    mode: WireMode,
    /// Conditions. Values of one field are alternatives; fields combine.
    #[serde(default)]
    filters: WireFilters,
    /// The day whose rules count, `YYYY-MM-DD`; today if left out.
    as_of: Option<String>,
    /// Whether what was repealed, has expired or is not yet in force on that day may appear too,
    /// marked by `validity`. What the query cites by number, title or article always may.
    #[serde(default)]
    include_invalid: bool,
    /// How passages of one document stand in the results.
    #[serde(default)]
    group: WireGroup,
    /// Whether hits tell how their score came about.
    #[serde(default)]
    explain: bool,
    /// The oldest generation that may answer; waited for up to the search deadline, then 409
    /// `generation_not_reached`.
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
pub(super) struct WireFilters {
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
    caller: Caller,
    JsonBody(body): JsonBody<SearchBody>,
) -> Result<Json<SearchReply>, Problem> {
    let started = Instant::now();
    app.ready_soon(body.min_generation).await?;
    let mut request = body.into_request(caller.sight())?;
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
    fn into_request(self, sight: &Sight) -> Result<SearchRequest, Problem> {
        check_query("query", &self.query)?;
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
            admission: match self.include_invalid {
                true => Admission::Any,
                false => Admission::InForce,
            },
            sight: sight.clone(),
            group: self.group.into(),
            explain: self.explain,
            with_facets: true,
            with_asked: false,
            deadline: None,
        })
    }
}

/// Refuses a text that cannot be searched for; `field` is where it stands.
pub(super) fn check_query(field: &str, text: &str) -> Result<(), Problem> {
    let n_chars = text.chars().count();
    if text.trim().is_empty() {
        let reason = "is empty; give the words to search for";
        return Err(Problem::field(field, reason));
    }
    if n_chars > MAX_QUERY_CHARS {
        let reason = format!("has {n_chars} characters; at most {MAX_QUERY_CHARS} are read");
        return Err(Problem::field(field, reason));
    }
    Ok(())
}

pub(super) fn read_date(given: &str) -> Result<Date, Problem> {
    Date::strptime("%Y-%m-%d", given).map_err(|_| {
        let given: String = given.chars().take(40).collect();
        Problem::field(
            "as_of",
            format!("{given:?} is not a date such as 2026-11-20"),
        )
    })
}

impl WireFilters {
    pub(super) fn into_filters(self) -> Result<Filters, Problem> {
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
            metadata: None,
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
