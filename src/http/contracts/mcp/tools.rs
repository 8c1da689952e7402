//! What a client may call, and what it gets.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use jiff::civil::Date;
use rmcp::model::{
    CallToolResult, ContentBlock, ErrorData, JsonObject, Resource, Tool, ToolAnnotations,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{documents, schema};
use crate::http::answer::{AnswerBody, AnswerReply, ask};
use crate::http::app::App;
use crate::http::caller::Caller;
use crate::http::extract::from_json;
use crate::http::hits::{WireCitation, WireRelated, successors};
use crate::http::problem::Problem;
use crate::http::search::{WireFilters, check_query, read_date};
use crate::retrieval::{Degraded, Hit, Mode, SearchRequest};

/// Hits when the request does not say.
const DEFAULT_LIMIT: usize = 5;
/// Most hits.
const MAX_LIMIT: usize = 20;

/// Arguments of `search_knowledge`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `query`")]
struct SearchArguments {
    /// 要查的内容，可用市民的口语、文件标题、发文字号或“《某法》第三十九条”，最多4000字
    #[schema(min_length = 1, max_length = 4000)]
    query: String,
    /// 最多返回几条，1到20，默认5
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<usize>,
    /// 限定条件；同一项内任一值即可，各项须同时满足
    #[serde(default)]
    filters: WireFilters,
    /// 按哪一天的时效判断，如2026-11-20；默认今天
    as_of: Option<String>,
}

/// What `search_knowledge` finds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpSearchResult)]
struct SearchResult {
    /// The generation of the index that answered.
    generation: u64,
    /// Why the answer is worse than it could be; mostly empty.
    degraded: Vec<&'static str>,
    /// Best first.
    hits: Vec<FoundPassage>,
}

/// A passage.
#[derive(Debug, Serialize, ToSchema)]
struct FoundPassage {
    document_id: String,
    passage_id: String,
    /// The document as a resource.
    uri: String,
    title: String,
    /// Headings above the passage, outermost first.
    heading: Vec<String>,
    /// 类型
    kind: Option<&'static str>,
    /// 原文片段
    text: String,
    /// 是正确答案的概率；未校准时为空
    confidence: Option<f32>,
    /// 时效性: `in_force`, `not_yet`, `expired`, `repealed`.
    validity: &'static str,
    /// 替代它的文件
    replaced_by: Option<Vec<WireRelated>>,
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
}

/// All tools.
pub(super) fn all() -> &'static [Tool] {
    static TOOLS: LazyLock<[Tool; 3]> = LazyLock::new(|| {
        [
            tool::<SearchArguments, SearchResult>(
                "search_knowledge",
                "检索知识库",
                "在政务知识库里按词语和语义查找原文片段，带出处、时效和可信度。默认只查现行有效的规定；引用文号、标题或条号时也会给出\
                 已废止的规定并标明。",
            ),
            tool::<documents::GetArguments, documents::GetResult>(
                "get_document",
                "读取文档",
                "按 document_id 读取一份文档的元数据和正文；长文可用 from_char、max_chars 分段读。",
            ),
            tool::<AnswerBody, AnswerReply>(
                "answer_question",
                "回答问题",
                "回答市民的一个问题：answer.text 逐字取自 citations 中的原文；没有依据时 answer 为空，reason 说明原因，handoff 给出可转接的\
                 部门和电话，follow_up 是可以追问的内容。",
            ),
        ]
    });
    &*TOOLS
}

fn tool<I: ToSchema, O: ToSchema>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
) -> Tool {
    let reading = ToolAnnotations::with_title(title)
        .read_only(true)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, description, schema::of::<I>())
        .with_title(title)
        .with_raw_output_schema(schema::of::<O>())
        .with_annotations(reading)
}

/// Calls a tool; `Err` inside is for the model to read.
///
/// # Errors
/// [`ErrorData`] for a tool that does not exist.
pub(super) async fn call(
    app: &Arc<App>,
    caller: &Caller,
    name: &str,
    arguments: JsonObject,
) -> Result<Result<CallToolResult, Problem>, ErrorData> {
    Ok(match name {
        "search_knowledge" => search(app, caller, arguments).await,
        "get_document" => get(app, caller, arguments).await,
        "answer_question" => answer(app, caller, arguments).await,
        _ => {
            let name: String = name.chars().take(100).collect();
            let told = format!("there is no tool {name:?}; tools/list shows what there is");
            return Err(ErrorData::invalid_params(told, None));
        }
    })
}

fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Problem> {
    let json = serde_json::to_vec(&arguments).map_err(Problem::internal)?;
    from_json(&json)
}

/// The result as structured content, as text for clients that read none, and with links to sources.
fn structured(result: &impl Serialize, links: Vec<Resource>) -> Result<CallToolResult, Problem> {
    let value = serde_json::to_value(result).map_err(Problem::internal)?;
    let mut told = CallToolResult::structured(value);
    let links = links.into_iter().map(ContentBlock::resource_link);
    told.content.extend(links);
    Ok(told)
}

async fn search(
    app: &App,
    caller: &Caller,
    arguments: JsonObject,
) -> Result<CallToolResult, Problem> {
    let started = Instant::now();
    let arguments: SearchArguments = read(arguments)?;
    check_query("query", &arguments.query)?;
    let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let reason = format!("{limit} is not in 1..={MAX_LIMIT}");
        return Err(Problem::field("limit", reason));
    }
    app.ready(0)?;
    let patience = app.search_deadline();
    let mut request = SearchRequest {
        filters: arguments.filters.into_filters()?,
        as_of: arguments.as_of.as_deref().map(read_date).transpose()?,
        with_facets: false,
        ..SearchRequest::new(arguments.query, limit, caller.sight().clone())
    };
    let found = app.run(move |backend| {
        request.deadline = Some(Instant::now() + patience);
        backend.search(&request)
    });
    let response = found.await??;
    app.metrics
        .search(Mode::Hybrid, started.elapsed(), &response.degraded);
    let links = response
        .hits
        .iter()
        .map(|hit| documents::link(&hit.document_id, &hit.title))
        .collect();
    let result = SearchResult {
        generation: response.generation,
        degraded: response.degraded.into_iter().map(Degraded::name).collect(),
        hits: response.hits.into_iter().map(FoundPassage::from).collect(),
    };
    structured(&result, links)
}

async fn get(app: &App, caller: &Caller, arguments: JsonObject) -> Result<CallToolResult, Problem> {
    let arguments = read(arguments)?;
    let result = documents::get(app, caller, arguments).await?;
    let links = vec![result.link()];
    structured(&result, links)
}

async fn answer(
    app: &App,
    caller: &Caller,
    arguments: JsonObject,
) -> Result<CallToolResult, Problem> {
    let body: AnswerBody = read(arguments)?;
    let (question, min_generation) = body.into_question(caller.sight())?;
    let reply = ask(app, question, min_generation).await?;
    let links = reply
        .sources()
        .map(|(id, title)| documents::link(id, title));
    let links = links.collect();
    structured(&reply, links)
}

impl From<Hit> for FoundPassage {
    fn from(hit: Hit) -> Self {
        Self {
            uri: documents::uri(&hit.document_id),
            document_id: hit.document_id,
            passage_id: hit.passage_id,
            title: hit.title,
            heading: hit.heading,
            kind: hit.kind.map(|kind| kind.name()),
            text: hit.text,
            confidence: hit.confidence,
            validity: hit.validity.name(),
            replaced_by: successors(hit.replaced_by),
            effective_from: hit.effective_from,
            effective_to: hit.effective_to,
            published_at: hit.published_at,
            department: hit.department,
            region: hit.region,
            issuer: hit.issuer,
            doc_no: hit.doc_no,
            citation: hit.citation.into(),
        }
    }
}
