//! Documents as a tool reads them and as resources.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::model::{
    CacheScope, ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::app::App;
use crate::http::backend::{DocumentQuery, DocumentView};
use crate::http::caller::Caller;
use crate::http::documents::WireMetadata;
use crate::http::hits::{WireRelated, successors};
use crate::http::problem::{Problem, ProblemKind};

/// What addresses of documents begin with.
const BASE: &str = "zhiku://documents/";
/// What stands in them as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Characters of a document when the request does not say.
const DEFAULT_CHARS: usize = 20_000;
/// Most characters of a document at once.
const MAX_CHARS: usize = 100_000;
/// Documents on a page of resources.
const PAGE: usize = 100;

/// Arguments of `get_document`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `document_id`")]
pub(super) struct GetArguments {
    /// 文档编号，即检索结果中的 document_id
    document_id: String,
    /// 从正文第几个字开始读，默认0
    #[serde(default)]
    from_char: usize,
    /// 最多读几个字，1到100000，默认20000
    #[schema(minimum = 1, maximum = 100_000)]
    max_chars: Option<usize>,
}

/// What `get_document` reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = McpDocument)]
pub(super) struct GetResult {
    /// The generation of the index that answered.
    generation: u64,
    document_id: String,
    /// The document as a resource.
    uri: String,
    /// The file, relative to the corpus.
    path: String,
    title: String,
    /// 时效性, today.
    validity: &'static str,
    /// 替代它的文件
    replaced_by: Option<Vec<WireRelated>>,
    metadata: WireMetadata,
    /// 正文，从 char_start 开始
    text: String,
    /// Where `text` begins in the whole text, in characters.
    char_start: usize,
    /// Where it ends.
    char_end: usize,
    /// Characters of the whole text.
    n_chars: usize,
}

/// The address of a document.
pub(super) fn uri(document_id: &str) -> String {
    format!("{BASE}{}", utf8_percent_encode(document_id, PLAIN))
}

/// A link to a document.
pub(super) fn link(document_id: &str, title: &str) -> Resource {
    Resource::new(uri(document_id), document_id)
        .with_title(title)
        .with_mime_type("text/plain")
}

/// How addresses of documents are made.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{BASE}{{+document_id}}"), "document")
        .with_title("知识库文档")
        .with_description("一份文档的正文；document_id 见检索结果，须按网址规则编码")
        .with_mime_type("text/plain")
}

/// Reads a part of a document.
///
/// # Errors
/// [`ProblemKind::DocumentNotFound`], and a field out of its limits.
pub(super) async fn get(
    app: &App,
    caller: &Caller,
    arguments: GetArguments,
) -> Result<GetResult, Problem> {
    let max_chars = arguments.max_chars.unwrap_or(DEFAULT_CHARS);
    if !(1..=MAX_CHARS).contains(&max_chars) {
        let reason = format!("{max_chars} is not in 1..={MAX_CHARS}");
        return Err(Problem::field("max_chars", reason));
    }
    let view = find(app, caller, &arguments.document_id).await?;
    Ok(GetResult::new(view, arguments.from_char, max_chars))
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<DocumentView, Problem> {
    app.ready(0)?;
    let (wanted, sight) = (id.to_owned(), caller.sight().clone());
    let found = app.run(move |backend| backend.document(&wanted, &sight));
    found.await??.ok_or_else(|| Problem::no_document(id))
}

impl GetResult {
    fn new(view: DocumentView, from_char: usize, max_chars: usize) -> Self {
        let document = view.document;
        let n_chars = document.text.chars().count();
        let char_start = from_char.min(n_chars);
        let rest = document.text.chars().skip(char_start);
        let text: String = rest.take(max_chars).collect();
        Self {
            generation: view.generation,
            uri: uri(&document.id),
            document_id: document.id,
            path: document.path,
            title: document.title,
            validity: view.validity.name(),
            replaced_by: successors(view.replaced_by),
            metadata: document.metadata.into(),
            char_start,
            char_end: char_start + text.chars().count(),
            n_chars,
            text,
        }
    }

    /// A link to it.
    pub(super) fn link(&self) -> Resource {
        link(&self.document_id, &self.title)
    }
}

/// The whole text of the document at an address.
///
/// # Errors
/// [`ErrorData`]: no such resource for this caller, or the index does not answer.
pub(super) async fn read(
    app: &App,
    caller: &Caller,
    address: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let not_found = || {
        let told = "there is no such resource; addresses are zhiku://documents/{document_id}";
        ErrorData::resource_not_found(told, None)
    };
    let encoded = address.strip_prefix(BASE).ok_or_else(not_found)?;
    let id = percent_decode_str(encoded).decode_utf8();
    let id = id.map_err(|_| not_found())?;
    match find(app, caller, &id).await {
        Ok(view) => {
            let text = ResourceContents::text(view.document.text, address);
            let contents = vec![text.with_mime_type("text/plain")];
            Ok(ReadResourceResult::new(contents).with_cache_scope(CacheScope::Private))
        }
        Err(problem) if problem.is(ProblemKind::DocumentNotFound) => Err(not_found()),
        Err(problem) => Err(refused(&problem)),
    }
}

/// A page of documents, by ascending id; the cursor is where it begins.
///
/// # Errors
/// [`ErrorData`]: another cursor than was given out, or the index does not answer.
pub(super) async fn list(
    app: &App,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let offset = cursor.map_or(Ok(0), |cursor| cursor.parse::<usize>());
    let offset = offset.map_err(|_| ErrorData::invalid_params("no such cursor", None))?;
    let query = DocumentQuery {
        sight: caller.sight().clone(),
        offset,
        limit: PAGE,
        ..DocumentQuery::default()
    };
    app.ready(0).map_err(|problem| refused(&problem))?;
    let page = app.run(move |backend| backend.documents(&query)).await;
    let page = page
        .and_then(|page| Ok(page?))
        .map_err(|problem| refused(&problem))?;
    let end = offset.saturating_add(page.documents.len());
    let documents = page.documents.iter();
    let links = documents.map(|document| link(&document.id, &document.title));
    let mut list = ListResourcesResult::with_all_items(links.collect());
    list.next_cursor = (end < page.total && end > offset).then(|| end.to_string());
    Ok(list.with_cache_scope(CacheScope::Private))
}

fn refused(problem: &Problem) -> ErrorData {
    ErrorData::internal_error(super::super::dialect::told(problem).1, None)
}
