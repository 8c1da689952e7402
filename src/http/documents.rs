//! `GET /v1/documents` and `GET /v1/documents/{id}`
//!
//! Ids contain `/`, as paths do: `/v1/documents/人社局/养老金.html`. Other characters with a meaning
//! in addresses (`#`, `?`, `%`) are percent-encoded; encoding `/` too is fine. A literal `/original`
//! at the end asks for the file, `/versions`, `/versions/{n}` and `/diff` for earlier states; an id
//! that itself ends so is written with `%2F`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::backend::{DocumentPage, DocumentQuery, DocumentRef, DocumentSummary, DocumentView};
use super::caller::Caller;
use super::extract::{QueryPairs, number_in, unknown_parameter};
use super::hits::{WireRelated, successors};
use super::offsets::CharOffsets;
use super::original::original;
use super::problem::{Problem, ProblemBody};
use super::versions::{self, WireVersion};
use crate::document::{Document, Metadata, Passage, passage_id};
use crate::sight::Sight;

/// Documents on a page when the request does not say.
const DEFAULT_LIMIT: usize = 20;
/// Most documents on a page.
const MAX_LIMIT: usize = 100;
/// Longest text to look for in titles.
const MAX_TEXT_CHARS: usize = 200;

/// One page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListReply {
    /// The generation that answered.
    generation: u64,
    /// Documents that meet the conditions, on all pages.
    total: usize,
    /// Documents left out at the front.
    offset: usize,
    /// Most documents on the page.
    limit: usize,
    /// By ascending id.
    documents: Vec<WireSummary>,
}

/// A document in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentSummary)]
struct WireSummary {
    id: String,
    /// The file, relative to the corpus.
    path: String,
    title: String,
    /// 类型
    kind: Option<&'static str>,
    /// 归口部门
    department: Option<String>,
    /// 发文字号
    doc_no: Option<String>,
    /// 公开范围
    audience: &'static str,
    /// 时效性, today.
    validity: &'static str,
    #[schema(value_type = Option<String>, format = Date)]
    published_at: Option<Date>,
    n_passages: usize,
}

/// A document with its text, passages and surroundings. Offsets count characters of `text`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentReply {
    /// The generation that answered.
    generation: u64,
    id: String,
    /// The file, relative to the corpus.
    path: String,
    title: String,
    /// 时效性, today.
    validity: &'static str,
    /// The documents that replace it, usually one; also one that is not in force yet. `null` if
    /// there is none.
    replaced_by: Option<Vec<WireRelated>>,
    /// The documents of the knowledge base that it replaces: what `metadata.replaces` names.
    replaces: Vec<WireRelated>,
    metadata: WireMetadata,
    /// The extracted original text.
    text: String,
    /// In reading order.
    passages: Vec<WirePassage>,
    neighbours: WireNeighbours,
    /// Newest first.
    versions: Vec<WireVersion>,
}

/// What is known about a document besides its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Metadata)]
pub(super) struct WireMetadata {
    kind: Option<&'static str>,
    doc_no: Option<String>,
    issuer: Option<String>,
    department: Option<String>,
    region: Option<String>,
    level: Option<String>,
    audience: &'static str,
    topics: WireTopics,
    #[schema(value_type = Option<String>, format = Date)]
    effective_from: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    effective_to: Option<Date>,
    /// A validity stated by hand or by a 废止 statement.
    status: Option<&'static str>,
    replaces: Vec<String>,
    #[schema(value_type = Option<String>, format = Date)]
    published_at: Option<Date>,
    keywords: Vec<String>,
    similar_questions: Vec<String>,
    phones: Vec<String>,
    source_url: Option<String>,
}

/// The three topic axes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentTopics)]
struct WireTopics {
    business: Vec<String>,
    question: Vec<String>,
    object: Vec<String>,
}

/// A passage and where it stands in the document's text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passage)]
pub(super) struct WirePassage {
    id: String,
    /// Headings above the passage, outermost first.
    heading: Vec<String>,
    char_start: usize,
    char_end: usize,
    /// Where the answer stands, for a question with its answer.
    answer: Option<super::offsets::CharSpan>,
    /// Questions that the passage answers.
    questions: Vec<String>,
    article: Option<u32>,
    page: Option<u32>,
    row: Option<u32>,
}

/// Documents beside it in the same folder.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Neighbours)]
struct WireNeighbours {
    previous: Option<WireRef>,
    next: Option<WireRef>,
}

/// A document by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentRef)]
struct WireRef {
    id: String,
    title: String,
}

/// List documents
#[utoipa::path(
    get,
    path = "/v1/documents",
    tag = "documents",
    params(
        ("department" = Option<Vec<String>>, Query, description = "归口部门, exact; may stand more than once"),
        ("kind" = Option<Vec<String>>, Query, description = "类型; may stand more than once"),
        ("q" = Option<String>, Query, description = "Stands in the title, the path or the document number"),
        ("offset" = Option<usize>, Query, description = "Documents to leave out at the front"),
        ("limit" = Option<usize>, Query, description = "Most documents on the page, 1 to 100; 20 if left out"),
    ),
    responses(
        (status = 200, description = "One page, by ascending id", body = ListReply),
        (status = "4XX", description = "A parameter cannot be used", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<ListReply>, Problem> {
    app.ready(0)?;
    let query = read_list_query(pairs, caller.sight())?;
    let (offset, limit) = (query.offset, query.limit);
    let page = app.run(move |backend| backend.documents(&query)).await??;
    Ok(Json(ListReply::new(page, offset, limit)))
}

fn read_list_query(pairs: Vec<(String, String)>, sight: &Sight) -> Result<DocumentQuery, Problem> {
    let mut query = DocumentQuery {
        sight: sight.clone(),
        limit: DEFAULT_LIMIT,
        ..DocumentQuery::default()
    };
    for (name, value) in pairs {
        match name.as_str() {
            "department" => query.department.push(value),
            "kind" => {
                let kind = value.parse().map_err(|err: crate::document::UnknownName| {
                    Problem::field("kind", err.to_string())
                })?;
                query.kind.push(kind);
            }
            "q" if value.chars().count() > MAX_TEXT_CHARS => {
                let reason = format!("is longer than {MAX_TEXT_CHARS} characters");
                return Err(Problem::field("q", reason));
            }
            "q" => query.text = Some(value).filter(|text| !text.trim().is_empty()),
            "offset" => query.offset = number_in("offset", &value, 0..=usize::MAX)?,
            "limit" => query.limit = number_in("limit", &value, 1..=MAX_LIMIT)?,
            _ => {
                let known = ["department", "kind", "q", "offset", "limit"];
                return Err(unknown_parameter(&name, &known));
            }
        }
    }
    Ok(query)
}

/// The routes below `/v1/documents/`: a document, or its file or its earlier states when the address
/// ends so. An id that ends like the routes of states comes before them.
pub(super) async fn below(
    State(app): State<Arc<App>>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    rest: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // What is not UTF-8 once decoded is no id.
    let Ok(Path(rest)) = rest else {
        return Err(Problem::no_document(uri.path()));
    };
    if uri.path().ends_with("/original")
        && let Some(id) = rest.strip_suffix("/original")
    {
        return original(app, caller, id.to_owned()).await;
    }
    if let Some(asked) = versions::Asked::below(uri.path(), &rest) {
        app.ready(0)?;
        let (whole, sight) = (rest.clone(), caller.sight().clone());
        let named = app.run(move |backend| backend.document(&whole, &sight));
        if named.await??.is_none() {
            return versions::answer(app, caller, asked, &uri).await;
        }
    }
    read(app, caller, rest).await
}

/// Read a document
///
/// Metadata, extracted text, passages, neighbours in the folder, versions.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}",
    tag = "documents",
    params(("id" = String, Path, description = "The document's id; `/` may stand as it is, `#` is written `%23`")),
    responses(
        (status = 200, description = "The document", body = DocumentReply),
        (status = 404, description = "There is none for this caller", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn read(app: Arc<App>, caller: Caller, id: String) -> Result<Response, Problem> {
    app.ready(0)?;
    let answer = app.run(move |backend| {
        let view = backend
            .document(&id, caller.sight())?
            .ok_or_else(|| Problem::no_document(&id))?;
        serde_json::to_vec(&DocumentReply::from(view)).map_err(Problem::internal)
    });
    let body = answer.await??;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

impl ListReply {
    fn new(page: DocumentPage, offset: usize, limit: usize) -> Self {
        Self {
            generation: page.generation,
            total: page.total,
            offset,
            limit,
            documents: page.documents.into_iter().map(WireSummary::from).collect(),
        }
    }
}

impl From<DocumentSummary> for WireSummary {
    fn from(summary: DocumentSummary) -> Self {
        Self {
            id: summary.id,
            path: summary.path,
            title: summary.title,
            kind: summary.kind.map(|kind| kind.name()),
            department: summary.department,
            doc_no: summary.doc_no,
            audience: summary.audience.name(),
            validity: summary.validity.name(),
            published_at: summary.published_at,
            n_passages: summary.n_passages,
        }
    }
}

impl From<DocumentView> for DocumentReply {
    fn from(view: DocumentView) -> Self {
        let document = view.document;
        Self {
            generation: view.generation,
            passages: WirePassage::all(&document),
            id: document.id,
            path: document.path,
            title: document.title,
            validity: view.validity.name(),
            replaced_by: successors(view.replaced_by),
            replaces: view.replaces.into_iter().map(WireRelated::from).collect(),
            metadata: document.metadata.into(),
            text: document.text,
            neighbours: WireNeighbours {
                previous: view.previous.map(WireRef::from),
                next: view.next.map(WireRef::from),
            },
            versions: view.versions.iter().map(WireVersion::from).collect(),
        }
    }
}

impl WirePassage {
    /// The passages of a document, in reading order.
    pub(super) fn all(document: &Document) -> Vec<Self> {
        let passages = &document.passages;
        let spans = passages.iter().flat_map(|p| [Some(p.span), p.answer]);
        let offsets = CharOffsets::locate(&document.text, spans.flatten());
        let passages = passages.iter().cloned();
        passages
            .map(|p| Self::new(&document.id, p, &offsets))
            .collect()
    }

    fn new(document_id: &str, passage: Passage, offsets: &CharOffsets) -> Self {
        let span = offsets.span(passage.span);
        Self {
            id: passage_id(document_id, passage.ordinal),
            heading: passage.heading,
            char_start: span.start,
            char_end: span.end,
            answer: passage.answer.map(|answer| offsets.span(answer)),
            questions: passage.questions,
            article: passage.article,
            page: passage.page,
            row: passage.row,
        }
    }
}

impl From<DocumentRef> for WireRef {
    fn from(named: DocumentRef) -> Self {
        Self {
            id: named.id,
            title: named.title,
        }
    }
}

impl From<Metadata> for WireMetadata {
    fn from(metadata: Metadata) -> Self {
        Self {
            kind: metadata.kind.map(|kind| kind.name()),
            doc_no: metadata.doc_no,
            issuer: metadata.issuer,
            department: metadata.department,
            region: metadata.region,
            level: metadata.level,
            audience: metadata.audience.name(),
            topics: WireTopics {
                business: metadata.topics.business,
                question: metadata.topics.question,
                object: metadata.topics.object,
            },
            effective_from: metadata.effective_from,
            effective_to: metadata.effective_to,
            status: metadata.status.map(|status| status.name()),
            replaces: metadata.replaces,
            published_at: metadata.published_at,
            keywords: metadata.keywords,
            similar_questions: metadata.similar_questions,
            phones: metadata.phones,
            source_url: metadata.source_url,
        }
    }
}
