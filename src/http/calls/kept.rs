//! What is kept of calls: taken out, or deleted.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::app::App;
use super::super::caller::Caller;
use super::super::problem::{Problem, ProblemBody, ProblemKind};
use super::feedback::refused;
use super::for_agents;

/// What is kept of a call
///
/// The calls of that id, oldest first, a line of JSON each, as `zhiku replay` reads them. Personal data
/// is masked.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}/export",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    responses(
        (status = 200, description = "The calls", content_type = "application/x-ndjson"),
        (status = 404, description = "Nothing is kept of it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    for_agents(&caller)?;
    app.call_records()?.flush().await;
    let reader = app.clone();
    let read = app.run_report(move |_| {
        let records = reader.call_records()?;
        let calls = records.reader().and_then(|reader| reader.calls_of(&id));
        calls.map_err(Problem::internal)
    });
    let calls = read.await??;
    if calls.is_empty() {
        return Err(Problem::new(
            ProblemKind::NoSuchCall,
            "No call of that id is kept.",
        ));
    }
    let mut lines = String::new();
    for call in &calls {
        lines.push_str(&serde_json::to_string(call).map_err(Problem::internal)?);
        lines.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// Delete a call
///
/// Everything that is kept of the calls of that id, feedback and learned wordings included; a call that
/// goes on is ended. Overwritten on disk.
#[utoipa::path(
    delete,
    path = "/v1/calls/{id}",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "Nothing is kept of it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be written now", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn forget(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    for_agents(&caller)?;
    let records = app.call_records()?;
    let went_on = app.desk.end(&id, app.journal());
    let n_calls = records.forget(&id).await.map_err(refused)?;
    match went_on || n_calls > 0 {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(
            ProblemKind::NoSuchCall,
            "No call of that id is kept.",
        )),
    }
}
