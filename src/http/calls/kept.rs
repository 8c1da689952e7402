//! What is kept of calls: taken out, or deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::app::App;
use super::super::backend::{Backend, BackendError};
use super::super::caller::Caller;
use super::super::problem::{Problem, ProblemBody, ProblemKind};
use super::feedback::refused;
use super::for_agents;
use crate::call_records::{KeptCall, KeptEvent};
use crate::sight::Sight;

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
    let read = app.run_report(move |backend| {
        let records = reader.call_records()?.reader().map_err(Problem::internal)?;
        let calls = records.calls_of(&id, caller.sight());
        let mut calls = calls.map_err(Problem::internal)?;
        for call in &mut calls {
            retain_seen(call, backend, caller.sight())?;
        }
        Ok::<_, Problem>(calls)
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

/// Leaves out what was made of documents that the caller may not see: those who see more may have
/// found them in this call, and what was for everybody may have become internal.
fn retain_seen(
    call: &mut KeptCall,
    backend: &dyn Backend,
    sight: &Sight,
) -> Result<(), BackendError> {
    let mut seen = BTreeMap::new();
    let events = std::mem::take(&mut call.events);
    for event in events {
        if let KeptEvent::Feedback { document_id, .. } = &event
            && !seen.contains_key(document_id)
        {
            let is_seen = sight.is_unlimited() || backend.versions(document_id, sight)?.is_some();
            seen.insert(document_id.clone(), is_seen);
        }
        match &event {
            KeptEvent::Feedback { document_id, .. } if seen.get(document_id) != Some(&true) => {}
            _ => call.events.push(event),
        }
    }
    Ok(())
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
    let mut went_on = false;
    while let Some(call) = app.desk.get(&id, caller.sight()) {
        went_on |= app.desk.end(&call, app.journal());
    }
    let n_calls = records.forget(&id, caller.sight()).await.map_err(refused)?;
    match went_on || n_calls > 0 {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(
            ProblemKind::NoSuchCall,
            "No call of that id is kept.",
        )),
    }
}
