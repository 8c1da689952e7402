//! `GET /healthz`, `/readyz` and `/metrics`: what an operator's tools ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::caller::Caller;
use super::problem::{Problem, ProblemBody};
use crate::access::Role;
use crate::telemetry::IndexSize;

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthReply {
    /// Always `ok`.
    status: &'static str,
}

/// A generation serves.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyReply {
    /// Always `ready`.
    status: &'static str,
    /// The generation that serves.
    generation: u64,
    /// More of it, for administrators.
    #[serde(flatten)]
    figures: Option<ReadyFigures>,
}

/// What serves.
#[derive(Debug, Serialize, ToSchema)]
struct ReadyFigures {
    /// Documents in it.
    n_documents: usize,
    /// Passages in it.
    n_passages: usize,
    /// Whether the vector graph covers the bulk of the passages.
    graph_complete: bool,
    /// The embedding model in use; `null` when answers are by words alone.
    embedder: Option<String>,
}

/// Whether the process runs
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = HealthReply)))]
pub(super) async fn healthz() -> Json<HealthReply> {
    Json(HealthReply { status: "ok" })
}

/// Whether searches are answered
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "A generation serves", body = ReadyReply),
        (status = 503, description = "The first one is being built", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<ReadyReply>, Problem> {
    let status = app.ready(0)?;
    // They count every document, also those that others may not see.
    let is_shown = caller.role() >= Role::Admin && caller.sight().scope.is_everything();
    let figures = is_shown.then_some(ReadyFigures {
        n_documents: status.n_documents,
        n_passages: status.n_passages,
        graph_complete: status.graph_complete,
        embedder: status.embedder,
    });
    Ok(Json(ReadyReply {
        status: "ready",
        generation: status.generation,
        figures,
    }))
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.without_limits("Metrics")?;
    let status = app.status();
    app.metrics.index(IndexSize {
        generation: status.generation,
        n_documents: status.n_documents,
        n_passages: status.n_passages,
    });
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], app.metrics.render()))
}
