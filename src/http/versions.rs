//! `GET /v1/documents/{id}/versions`, `…/versions/{n}` and `…/diff`: the states that a document had.

use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::backend::Backend;
use super::caller::Caller;
use super::documents::{WireMetadata, WirePassage};
use super::extract::{number_in, unknown_parameter};
use super::problem::{Problem, ProblemBody, ProblemKind};
use crate::document::{Document, Passage};
use crate::records::{Difference, KeyChange, PassageChange, Version, compare, compare_metadata};
use crate::sight::Sight;

/// What is asked about the states of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Which there are.
    List { id: String },
    /// One of them.
    One { id: String, number: u32 },
    /// What differs between two.
    Diff { id: String },
}

impl Asked {
    /// Reads the end of an address: `rest` is what follows `/v1/documents/`, decoded; a `/` that was
    /// encoded in `path` belongs to an id.
    pub(super) fn below(path: &str, rest: &str) -> Option<Self> {
        if let Some(id) = rest.strip_suffix("/versions") {
            let id = id.to_owned();
            return path.ends_with("/versions").then_some(Self::List { id });
        }
        if let Some(id) = rest.strip_suffix("/diff") {
            let id = id.to_owned();
            return path.ends_with("/diff").then_some(Self::Diff { id });
        }
        let (front, number) = rest.rsplit_once('/')?;
        let id = front.strip_suffix("/versions")?.to_owned();
        let is_route = path.ends_with(&format!("/versions/{number}"));
        let number = number.parse().ok().filter(|_| is_route)?;
        Some(Self::One { id, number })
    }
}

/// The states of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionsReply {
    document_id: String,
    /// Newest first.
    versions: Vec<WireVersion>,
}

/// One state of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentVersion)]
pub(super) struct WireVersion {
    /// Counts the states from 1.
    version: u32,
    /// Whether it is the one that is served.
    current: bool,
    /// The id that the document bore then: another one before its file was moved.
    document_id: String,
    title: String,
    /// The file, relative to the corpus.
    path: String,
    /// blake3 of the file's bytes.
    content_hash: String,
    /// When every query began to see it.
    searchable_at: String,
    /// When it was replaced or removed; `null` for the one that is served.
    ended_at: Option<String>,
    /// The generation that showed it first.
    generation: u64,
    n_passages: u32,
}

/// A document as it was. Offsets count characters of `text`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionReply {
    #[serde(flatten)]
    version: WireVersion,
    metadata: WireMetadata,
    /// The extracted original text.
    text: String,
    /// In reading order.
    passages: Vec<WirePassage>,
}

/// What differs between two states of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiffReply {
    document_id: String,
    from: WireVersion,
    to: WireVersion,
    /// Title and metadata that differ.
    metadata: Vec<WireKeyChange>,
    /// Every passage of either state, in reading order.
    changes: Vec<WirePassageChange>,
}

/// A key of the metadata that differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetadataChange)]
struct WireKeyChange {
    /// As in front matter: `title`, `effective_from`, `topics.business` …
    key: &'static str,
    /// A text or a list of texts; `null` if it was not stated.
    from: Option<serde_json::Value>,
    to: Option<serde_json::Value>,
}

/// What happened to a passage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PassageChange)]
struct WirePassageChange {
    /// `same`, `changed`, `removed` or `added`.
    change: &'static str,
    /// Headings above the passage, as they are in the later state that has it.
    heading: Vec<String>,
    /// The passage in the earlier state. Where it is the same, only with `all=true`.
    from: Option<WireText>,
    /// The passage in the later state. Where it is the same, only with `all=true`.
    to: Option<WireText>,
}

/// A passage's words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PassageText)]
struct WireText {
    text: String,
}

/// Which states to compare.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// Number of the earlier state.
    from: u32,
    /// Number of the later state.
    to: u32,
    /// Whether passages that are the same come with their text; `false` if left out.
    #[param(required = false)]
    all: bool,
}

impl DiffQuery {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|err| Problem::new(ProblemKind::InvalidField, err.body_text()))?;
        let (mut from, mut to, mut all) = (None, None, false);
        let number = |field, value: &str| number_in(field, value, 1..=u32::MAX as usize);
        for (name, value) in pairs {
            match name.as_str() {
                "from" => from = Some(number("from", &value)?),
                "to" => to = Some(number("to", &value)?),
                "all" => {
                    let wrong = |_| Problem::field("all", "is neither `true` nor `false`");
                    all = value.parse().map_err(wrong)?;
                }
                _ => return Err(unknown_parameter(&name, &["from", "to", "all"])),
            }
        }
        let given = |field: &'static str, number: Option<usize>| {
            let missing = || Problem::field(field, "is missing; name a version, e.g. from=1&to=2");
            number.map(|number| number as u32).ok_or_else(missing)
        };
        Ok(Self {
            from: given("from", from)?,
            to: given("to", to)?,
            all,
        })
    }
}

/// Answers what is asked. Something serves already.
pub(super) async fn answer(
    app: Arc<App>,
    caller: Caller,
    asked: Asked,
    uri: &Uri,
) -> Result<Response, Problem> {
    match asked {
        Asked::List { id } => list(app, caller, id).await,
        Asked::One { id, number } => read(app, caller, id, number).await,
        Asked::Diff { id } => diff(app, caller, id, DiffQuery::read(uri)?).await,
    }
}

/// List the versions of a document
///
/// Also of one that is gone, for staff.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/versions",
    tag = "documents",
    params(("id" = String, Path, description = "The document's id")),
    responses(
        (status = 200, description = "Its states, newest first", body = VersionsReply),
        (status = 404, description = "There is none for this caller", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn list(app: Arc<App>, caller: Caller, id: String) -> Result<Response, Problem> {
    let reply = app.run(move |backend| {
        let versions = backend
            .versions(&id, caller.sight())?
            .ok_or_else(|| Problem::no_document(&id))?;
        Ok::<_, Problem>(VersionsReply::new(&id, &versions))
    });
    Ok(Json(reply.await??).into_response())
}

/// Read a version of a document
///
/// Metadata, extracted text and passages as they were.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/versions/{version}",
    tag = "documents",
    params(
        ("id" = String, Path, description = "The document's id"),
        ("version" = u32, Path, description = "The number of the state"),
    ),
    responses(
        (status = 200, description = "The document as it was", body = VersionReply),
        (status = 404, description = "There is none for this caller", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn read(
    app: Arc<App>,
    caller: Caller,
    id: String,
    version: u32,
) -> Result<Response, Problem> {
    let answer = app.run(move |backend| {
        let (version, document) = find(backend, &id, version, caller.sight())?;
        let reply = VersionReply {
            version: WireVersion::from(&version),
            passages: WirePassage::all(&document),
            metadata: document.metadata.into(),
            text: document.text,
        };
        serde_json::to_vec(&reply).map_err(Problem::internal)
    });
    let body = answer.await??;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Compare two versions of a document
///
/// Passage by passage: equal texts first, then the same article or heading between them.
#[utoipa::path(
    get,
    path = "/v1/documents/{id}/diff",
    tag = "documents",
    params(("id" = String, Path, description = "The document's id"), DiffQuery),
    responses(
        (status = 200, description = "What differs", body = DiffReply),
        (status = 400, description = "A parameter cannot be used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none for this caller", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn diff(
    app: Arc<App>,
    caller: Caller,
    id: String,
    query: DiffQuery,
) -> Result<Response, Problem> {
    let answer = app.run(move |backend| {
        let from = find(backend, &id, query.from, caller.sight())?;
        let to = find(backend, &id, query.to, caller.sight())?;
        serde_json::to_vec(&DiffReply::new(id, &from, &to, query.all)).map_err(Problem::internal)
    });
    let body = answer.await??;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn find(
    backend: &dyn Backend,
    id: &str,
    number: u32,
    sight: &Sight,
) -> Result<(Version, Document), Problem> {
    let found = backend.version(id, number, sight)?;
    found.ok_or_else(|| Problem::no_document(&format!("{id}/versions/{number}")))
}

/// The states of a document as JSON, as `GET /v1/documents/{id}/versions` shows them.
pub fn versions_json(document_id: &str, versions: &[Version]) -> serde_json::Value {
    // Strings and numbers always serialise.
    serde_json::to_value(VersionsReply::new(document_id, versions)).unwrap_or_default()
}

impl VersionsReply {
    fn new(document_id: &str, versions: &[Version]) -> Self {
        Self {
            document_id: document_id.to_owned(),
            versions: versions.iter().map(WireVersion::from).collect(),
        }
    }
}

impl From<&Version> for WireVersion {
    fn from(version: &Version) -> Self {
        Self {
            version: version.number,
            current: version.is_current(),
            document_id: version.document_id.clone(),
            title: version.title.clone(),
            path: version.path.clone(),
            content_hash: version.content_hash.clone(),
            searchable_at: format!("{:.3}", version.searchable_at),
            ended_at: version.ended_at.map(|time| format!("{time:.3}")),
            generation: version.generation,
            n_passages: version.n_passages,
        }
    }
}

impl DiffReply {
    fn new(
        document_id: String,
        (from, old): &(Version, Document),
        (to, new): &(Version, Document),
        all: bool,
    ) -> Self {
        let changes = compare(old, new);
        Self {
            document_id,
            from: WireVersion::from(from),
            to: WireVersion::from(to),
            metadata: compare_metadata(old, new)
                .into_iter()
                .map(WireKeyChange::from)
                .collect(),
            changes: changes
                .iter()
                .map(|change| WirePassageChange::new(change, old, new, all))
                .collect(),
        }
    }
}

impl From<KeyChange> for WireKeyChange {
    fn from(change: KeyChange) -> Self {
        Self {
            key: change.key,
            from: change.from.map(|value| value.to_json()),
            to: change.to.map(|value| value.to_json()),
        }
    }
}

impl WirePassageChange {
    fn new(change: &PassageChange<'_>, old: &Document, new: &Document, all: bool) -> Self {
        let is_shown = all || change.difference != Difference::Same;
        let text = |document: &Document, passage: Option<&Passage>| {
            let passage = passage.filter(|_| is_shown)?;
            let text = document.passage_text(passage).to_owned();
            Some(WireText { text })
        };
        let heading = change.to.or(change.from).map(|p| p.heading.clone());
        Self {
            change: change.difference.name(),
            heading: heading.unwrap_or_default(),
            from: text(old, change.from),
            to: text(new, change.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_literally_at_the_end_is_a_route() {
        let list = |id: &str| Some(Asked::List { id: id.to_owned() });
        let one = |id: &str, number| {
            let id = id.to_owned();
            Some(Asked::One { id, number })
        };
        assert_eq!(Asked::below("/a/b/versions", "a/b/versions"), list("a/b"));
        assert_eq!(Asked::below("/a/b%2Fversions", "a/b/versions"), None);
        assert_eq!(
            Asked::below("/a/versions/12", "a/versions/12"),
            one("a", 12)
        );
        assert_eq!(Asked::below("/a%2Fversions/12", "a/versions/12"), None);
        for id in [
            "a/versions/x",
            "a/versions/-1",
            "a/12",
            "versions",
            "a/diff/1",
        ] {
            assert_eq!(Asked::below(&format!("/{id}"), id), None, "{id}");
        }
        let diff = Some(Asked::Diff { id: "a".to_owned() });
        assert_eq!(Asked::below("/a/diff", "a/diff"), diff);
    }
}
