//! `/v1/learned`: what agents' adoptions taught, for editors.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::caller::Caller;
use super::calls::refused;
use super::extract::{JsonBody, QueryPairs, unknown_parameter};
use super::problem::{Problem, ProblemBody};
use crate::access::Role;
use crate::call_records::TaughtWording;

/// Which documents.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by its name")]
pub(super) struct LearnedQuery {
    /// One document; without it, all of them.
    document_id: Option<String>,
}

/// What was learned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LearnedReply {
    /// Whether searches heed it at all (`retrieval.learned`).
    counts: bool,
    /// By id.
    documents: Vec<WireTaught>,
}

/// What was learned of one document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaughtDocument)]
struct WireTaught {
    document_id: String,
    title: String,
    /// Whether searches heed it.
    counts: bool,
    /// Newest first.
    wordings: Vec<WireWording>,
}

/// A wording under which an answer was adopted or rejected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaughtWording)]
struct WireWording {
    /// What callers asked, without personal data.
    wording: String,
    passage_id: String,
    /// Whom it counts for: `public`, `agent`, `internal`.
    audience: &'static str,
    /// Agents who adopted the answer.
    n_adopted: u32,
    /// Agents who rejected it.
    n_rejected: u32,
    last_at: String,
}

impl WireWording {
    fn of(taught: TaughtWording) -> Self {
        let learned = taught.learned;
        Self {
            wording: learned.wording,
            passage_id: learned.passage_id,
            audience: learned.audience.name(),
            n_adopted: learned.n_adopted,
            n_rejected: learned.n_rejected,
            last_at: format!("{:.3}", taught.last_at),
        }
    }
}

/// What was learned
///
/// Wordings of callers under which agents adopted an answer. They lead to it as long as it says the
/// same.
#[utoipa::path(
    get,
    path = "/v1/learned",
    tag = "reports",
    params(LearnedQuery),
    responses(
        (status = 200, description = "By document", body = LearnedReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<LearnedReply>, Problem> {
    caller.at_least(Role::Agent, "What was learned and its uses")?;
    app.ready(0)?;
    let mut wanted = None;
    for (name, value) in pairs {
        match name.as_str() {
            "document_id" => wanted = Some(value),
            _ => return Err(unknown_parameter(&name, &["document_id"])),
        }
    }
    app.call_records()?.flush().await;
    let shared = app.clone();
    let read = app.run_report(move |backend| {
        let reader = shared.call_records()?.reader().map_err(Problem::internal)?;
        let taught = reader.taught_documents(wanted.as_deref());
        let taught = taught.map_err(Problem::internal)?;
        let ids: BTreeSet<String> = taught.iter().map(|t| t.document_id.clone()).collect();
        let mut subjects = backend.subjects(&ids, caller.sight())?;
        // Of what the caller may not see, or what is gone, nothing is told.
        let documents = taught.into_iter().filter_map(|taught| {
            let subject = subjects.remove(&taught.document_id)?;
            Some(WireTaught {
                document_id: taught.document_id,
                title: subject.title,
                counts: taught.counts,
                // What was learned from calls of another audience is not for this one.
                wordings: taught
                    .wordings
                    .into_iter()
                    .filter(|taught| taught.learned.audience == caller.sight().audience)
                    .map(WireWording::of)
                    .collect(),
            })
        });
        Ok::<_, Problem>(documents.collect())
    });
    Ok(Json(LearnedReply {
        counts: app.heeds_lessons,
        documents: read.await??,
    }))
}

/// Whether what was learned of a document counts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TeachBody {
    document_id: String,
    /// `false`: searches do not heed it from now on.
    counts: bool,
}

/// Switch learning of a document off or on
///
/// What was learned stays known and goes on being collected.
#[utoipa::path(
    post,
    path = "/v1/learned",
    tag = "reports",
    request_body = TeachBody,
    responses(
        (status = 204, description = "Done; searches heed it within a second or two"),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be written now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn teach(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(body): JsonBody<TeachBody>,
) -> Result<StatusCode, Problem> {
    caller.at_least(Role::Agent, "What was learned and its uses")?;
    app.ready(0)?;
    let id = body.document_id.clone();
    let known = app.run(move |backend| backend.subjects(&[id].into(), caller.sight()));
    if known.await??.is_empty() {
        return Err(Problem::no_document(&body.document_id));
    }
    let records = app.call_records()?;
    records
        .teach(&body.document_id, body.counts)
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}
