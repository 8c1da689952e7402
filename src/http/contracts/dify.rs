//! `POST /v1/dify/retrieval`: Dify's External Knowledge API.
//!
//! Source: <https://docs.dify.ai/en/use-dify/knowledge/external-knowledge-api>. Dify appends `/retrieval`
//! to the endpoint that is registered with it. Fields that it adds later are not refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::conditions::{Comparison, Reader, WireValue};
use super::dialect::told;
use super::knowledge::{Wanted, retrieve};
use super::records::metadata;
use crate::http::app::App;
use crate::http::caller::Caller;
use crate::http::extract::JsonBody;
use crate::http::problem::{Problem, ProblemKind};
use crate::retrieval::{Hit, MAX_LIMIT, MetadataFilter};

/// Where it stands.
pub(super) const PATH: &str = "/v1/dify/retrieval";

/// Records when the request does not say.
const DEFAULT_TOP_K: usize = 10;

/// What Dify asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(expecting = "an object with `knowledge_id`, `query` and `retrieval_setting`")]
#[schema(example = json!({"knowledge_id": "all", "query": "退休金怎么领", "retrieval_setting": {"top_k": 3, "score_threshold": 0.2}}))]
pub(in crate::http) struct DifyBody {
    /// `all`, `default`, or a department's name (归口部门).
    knowledge_id: String,
    /// The question, 1 to 4,000 characters.
    #[schema(min_length = 1, max_length = 4000)]
    query: String,
    /// How many records, and how likely.
    retrieval_setting: WireSetting,
    /// Conditions on documents.
    #[serde(default)]
    metadata_condition: Option<WireCondition>,
}

/// How many records, and how likely.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(expecting = "an object with `top_k` and `score_threshold`")]
#[schema(as = DifyRetrievalSetting)]
struct WireSetting {
    /// Most records, 1 to 100; 10 if left out.
    #[serde(default, deserialize_with = "super::whole_number")]
    #[schema(minimum = 1, maximum = 100)]
    top_k: Option<usize>,
    /// Least score, 0 to 1; 0 if left out.
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: Option<f32>,
}

/// Conditions on documents.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(expecting = "an object with `conditions`")]
#[schema(as = DifyMetadataCondition)]
struct WireCondition {
    /// Whether all conditions must be met or one is enough; `and` if left out.
    #[serde(default)]
    logical_operator: Option<WireLogic>,
    /// None: every document meets them.
    #[serde(default)]
    conditions: Option<Vec<WireTest>>,
}

/// How conditions combine.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DifyLogicalOperator)]
enum WireLogic {
    And,
    Or,
}

/// One condition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(expecting = "an object with `name`, `comparison_operator` and `value`")]
#[schema(as = DifyCondition)]
struct WireTest {
    /// One metadata key, or several of which one is enough.
    name: WireNames,
    comparison_operator: WireOperator,
    /// Not needed for `empty` and `not empty`. Of a list, one value is enough.
    #[serde(default)]
    value: Option<WireValue>,
}

/// One metadata key or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a name or a list of names")]
#[schema(as = DifyConditionName)]
enum WireNames {
    One(String),
    Several(Vec<String>),
}

/// How a field is compared. What is negated is met exactly where its opposite is not, so also where a
/// document does not have the field.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ToSchema)]
#[schema(as = DifyComparisonOperator)]
enum WireOperator {
    #[serde(rename = "contains")]
    Contains,
    #[serde(rename = "not contains")]
    NotContains,
    #[serde(rename = "start with")]
    StartWith,
    #[serde(rename = "end with")]
    EndWith,
    #[serde(rename = "is")]
    Is,
    #[serde(rename = "is not")]
    IsNot,
    #[serde(rename = "in")]
    In,
    #[serde(rename = "not in")]
    NotIn,
    #[serde(rename = "empty", alias = "null")]
    Empty,
    #[serde(rename = "not empty", alias = "not null")]
    NotEmpty,
    #[serde(rename = "=", alias = "==")]
    Equal,
    #[serde(rename = "≠", alias = "!=")]
    NotEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "≥", alias = ">=")]
    AtLeast,
    #[serde(rename = "≤", alias = "<=")]
    AtMost,
    #[serde(rename = "before")]
    Before,
    #[serde(rename = "after")]
    After,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DifyReply {
    /// Best first.
    records: Vec<WireRecord>,
}

/// A passage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DifyRecord)]
struct WireRecord {
    /// The passage as it stands in the extracted original.
    content: String,
    /// The probability that it answers, 0 to 1.
    score: f32,
    /// The document's title.
    title: String,
    /// What is known of the source: `document_id`, `passage_id`, `path`, `department`, `doc_no` …
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// An error as Dify documents it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DifyError)]
pub(in crate::http) struct DifyErrorBody {
    /// 1001: the header Authorization is not `Bearer KEY`. 1002: the key may not. 2001: no such knowledge
    /// base. Else the status.
    error_code: u16,
    /// What is wrong.
    error_msg: String,
}

/// Retrieve for Dify
///
/// Dify's External Knowledge API: register `…/v1/dify` as the endpoint. Scores are calibrated
/// probabilities.
#[utoipa::path(
    post,
    path = "/v1/dify/retrieval",
    tag = "contracts",
    request_body = DifyBody,
    responses(
        (status = 200, description = "The passages, perhaps none", body = DifyReply),
        (status = 403, description = "1001 or 1002: not let in", body = DifyErrorBody),
        (status = 404, description = "2001: no such knowledge base", body = DifyErrorBody),
        (status = "4XX", description = "The request cannot be answered as asked", body = DifyErrorBody),
        (status = 503, description = "Not ready, too busy or too slow; see Retry-After", body = DifyErrorBody),
    )
)]
pub(in crate::http) async fn retrieval(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(body): JsonBody<DifyBody>,
) -> Result<Json<DifyReply>, Problem> {
    let mut reader = Reader::new(&app.time_zone);
    let wanted = body.into_wanted(&mut reader)?;
    let records = retrieve(&app, &caller, wanted).await?;
    Ok(Json(DifyReply {
        records: records.into_iter().map(WireRecord::from).collect(),
    }))
}

impl DifyBody {
    fn into_wanted(self, reader: &mut Reader<'_>) -> Result<Wanted, Problem> {
        let setting = &self.retrieval_setting;
        let limit = setting.top_k.unwrap_or(DEFAULT_TOP_K);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let reason = format!("{limit} is not in 1..={MAX_LIMIT}");
            return Err(Problem::field("retrieval_setting.top_k", reason));
        }
        let min_score = setting.score_threshold.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&min_score) {
            let reason = format!("{min_score} is not in 0..=1");
            return Err(Problem::field("retrieval_setting.score_threshold", reason));
        }
        let condition = self.metadata_condition;
        Ok(Wanted {
            knowledge: self.knowledge_id,
            queries: vec![self.query],
            metadata: condition
                .map(|condition| condition.into_filter(reader))
                .transpose()?
                .flatten(),
            limit,
            min_score,
        })
    }
}

impl WireCondition {
    /// `None` without conditions.
    fn into_filter(self, reader: &mut Reader<'_>) -> Result<Option<MetadataFilter>, Problem> {
        let tests = self.conditions.unwrap_or_default();
        if tests.is_empty() {
            return Ok(None);
        }
        let filters = tests.into_iter().enumerate().map(|(at, test)| {
            let place = format!("metadata_condition.conditions[{at}]");
            test.into_filter(&place, reader)
        });
        let filters = filters.collect::<Result<_, _>>()?;
        Ok(Some(match self.logical_operator {
            None | Some(WireLogic::And) => MetadataFilter::All(filters),
            Some(WireLogic::Or) => MetadataFilter::Any(filters),
        }))
    }
}

impl WireTest {
    fn into_filter(self, place: &str, reader: &mut Reader<'_>) -> Result<MetadataFilter, Problem> {
        let names = match self.name {
            WireNames::One(name) => vec![name],
            WireNames::Several(names) => names,
        };
        let Some((is_negated, comparison)) = self.comparison_operator.parts() else {
            let present = reader.present(place, &names)?;
            return Ok(match self.comparison_operator {
                WireOperator::Empty => negated(present),
                _ => present,
            });
        };
        let Some(value) = self.value else {
            let reason = "is missing; only `empty` and `not empty` need none";
            return Err(Problem::field(format!("{place}.value"), reason));
        };
        let met = reader.compared(place, &names, comparison, &value)?;
        Ok(if is_negated { negated(met) } else { met })
    }
}

fn negated(filter: MetadataFilter) -> MetadataFilter {
    MetadataFilter::Not(Box::new(filter))
}

impl WireOperator {
    /// Whether it negates, and what; `None` where nothing is compared.
    fn parts(self) -> Option<(bool, Comparison)> {
        Some(match self {
            Self::Contains => (false, Comparison::Contains),
            Self::NotContains => (true, Comparison::Contains),
            Self::StartWith => (false, Comparison::StartsWith),
            Self::EndWith => (false, Comparison::EndsWith),
            Self::Is | Self::In | Self::Equal => (false, Comparison::Is),
            Self::IsNot | Self::NotIn | Self::NotEqual => (true, Comparison::Is),
            Self::Greater | Self::After => (false, Comparison::Above),
            Self::Less | Self::Before => (false, Comparison::Below),
            Self::AtLeast => (false, Comparison::AtLeast),
            Self::AtMost => (false, Comparison::AtMost),
            Self::Empty | Self::NotEmpty => return None,
        })
    }
}

impl From<(Hit, f32)> for WireRecord {
    fn from((hit, score): (Hit, f32)) -> Self {
        Self {
            metadata: metadata(&hit),
            content: hit.text,
            score,
            title: hit.title,
        }
    }
}

/// What Dify is told when the header Authorization has another form.
pub(super) fn malformed_authorization() -> (StatusCode, Value) {
    let told = "Invalid Authorization header format. Expected 'Bearer <api-key>' format.";
    let body = json!({"error_code": 1001, "error_msg": told});
    (StatusCode::FORBIDDEN, body)
}

/// What Dify is told of a problem; `is_bearer`: whether a key was shown.
pub(super) fn refusal(problem: &Problem, is_bearer: bool) -> (StatusCode, Value) {
    let status = problem.status();
    let (_, detail, _) = told(problem);
    let (status, code) = match status {
        StatusCode::UNAUTHORIZED if !is_bearer => return malformed_authorization(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (StatusCode::FORBIDDEN, 1002),
        _ if problem.is(ProblemKind::NoSuchKnowledge) => (status, 2001),
        _ => (status, status.as_u16()),
    };
    (status, json!({"error_code": code, "error_msg": detail}))
}
