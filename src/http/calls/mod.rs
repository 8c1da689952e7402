//! `/v1/calls/…`: what is said in a call comes in, recommendations go out.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::caller::Caller;
use super::extract::{JsonBody, QueryPairs, unknown_parameter};
use super::hits::WireHit;
use super::problem::{Problem, ProblemBody, ProblemKind};
use crate::access::Role;
use crate::assist::{self, Attributes, OpenCall, Recommendations, Utterance};
use crate::retrieval::{SearchRequest, SearchResponse};

mod events;
mod feedback;
mod kept;
mod socket;
mod wire;

pub(super) use events::{__path_events, events};
pub(super) use feedback::{__path_feedback, feedback, refused};
pub(super) use kept::{__path_export, __path_forget, export, forget};
pub(super) use socket::{__path_socket, socket};
use wire::{CallReply, HearBody, HearReply, MAX_ID_CHARS, WireRecommendations, short_id};

/// Answers about one keyword.
const RELATED_HITS: usize = 5;
/// Longest keyword, in characters.
const MAX_KEYWORD_CHARS: usize = 100;

/// Calls are for agents.
fn for_agents(caller: &Caller) -> Result<(), Problem> {
    caller.at_least(Role::Agent, "Calls")
}

fn known_call(app: &App, caller: &Caller, id: &str) -> Result<Arc<OpenCall>, Problem> {
    for_agents(caller)?;
    app.desk.get(id, caller.sight()).ok_or_else(|| {
        let id: String = id.chars().take(MAX_ID_CHARS).collect();
        let detail =
            format!("No call {id:?} goes on: it has ended, or nothing was said in it yet.");
        Problem::new(ProblemKind::NoSuchCall, detail)
    })
}

/// What was said
///
/// Begins the call if it is new. Utterances that are known change nothing, so a request may be sent
/// again. They are taken in together, and answers are looked for once, to the last of them; the answer
/// tells what the agent should see if that changed.
#[utoipa::path(
    post,
    path = "/v1/calls/{id}/utterances",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    request_body = HearBody,
    responses(
        (status = 200, description = "Taken", body = HearReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not ready, or too many calls go on", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn hear(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<HearBody>,
) -> Result<Json<HearReply>, Problem> {
    for_agents(&caller)?;
    app.ready(0)?;
    let id = short_id("id", id)?;
    let (attributes, utterances) = body.read()?;
    let call = open(&app, &caller, &id, attributes)?;
    let changed = take_in(&app, &call, utterances).await?;
    let view = call.view();
    Ok(Json(HearReply {
        call_id: id,
        revision: view.revision,
        recommendations: changed.map(|changed| WireRecommendations::of(&changed, &view.utterances)),
    }))
}

/// The call of that id, begun if it is new to the caller.
fn open(
    app: &App,
    caller: &Caller,
    id: &str,
    attributes: Attributes,
) -> Result<Arc<OpenCall>, Problem> {
    let opened = app.desk.open(id, caller.sight(), attributes, app.journal());
    opened.map_err(|full| {
        Problem::new(
            ProblemKind::Overloaded,
            format!("{full} (assist.max_calls)."),
        )
    })
}

/// Has a call hear what was said: what the agent should see from now on, if that changed.
async fn take_in(
    app: &Arc<App>,
    call: &Arc<OpenCall>,
    utterances: Vec<Utterance>,
) -> Result<Option<Arc<Recommendations>>, Problem> {
    let (heard, shared) = (call.clone(), app.clone());
    let settings = assist::Settings {
        // Whoever speaks or listens: nothing is recommended that the owner may not see.
        sight: call.view().call.owner.clone(),
        ..app.assist.clone()
    };
    let hearing = app.run(move |backend| {
        let search = |request: &SearchRequest| backend.search(request);
        heard.hear(utterances, &search, &settings, shared.journal())
    });
    Ok(hearing.await??)
}

/// A call that goes on
#[utoipa::path(
    get,
    path = "/v1/calls/{id}",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    responses(
        (status = 200, description = "The call", body = CallReply),
        (status = 404, description = "No such call goes on", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<CallReply>, Problem> {
    let view = known_call(&app, &caller, &id)?.view();
    Ok(Json(CallReply::of(&view)))
}

/// What to look up.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RelatedQuery {
    /// A word of the call, at most 100 characters.
    #[allow(dead_code, reason = "read from pairs, described by its name")]
    keyword: String,
}

/// Answers about one word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RelatedReply {
    generation: u64,
    /// Best first, five at most.
    hits: Vec<WireHit>,
}

/// Look a keyword up
///
/// For an agent who clicks on a word; changes nothing about the call.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}/related",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client"), RelatedQuery),
    responses(
        (status = 200, description = "Answers", body = RelatedReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn related(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<RelatedReply>, Problem> {
    known_call(&app, &caller, &id)?;
    app.ready(0)?;
    let mut keyword = None;
    for (name, value) in pairs {
        match name.as_str() {
            "keyword" => keyword = Some(value),
            _ => return Err(unknown_parameter(&name, &["keyword"])),
        }
    }
    let keyword = keyword.filter(|keyword| {
        !keyword.trim().is_empty() && keyword.chars().count() <= MAX_KEYWORD_CHARS
    });
    let Some(query) = keyword else {
        let reason = format!("give a word of 1 to {MAX_KEYWORD_CHARS} characters");
        return Err(Problem::field("keyword", reason));
    };
    let response = look_up(&app, &caller, query, RELATED_HITS).await?;
    Ok(Json(RelatedReply {
        generation: response.generation,
        hits: response.hits.into_iter().map(WireHit::from).collect(),
    }))
}

/// What the agent looks for.
async fn look_up(
    app: &Arc<App>,
    caller: &Caller,
    query: String,
    limit: usize,
) -> Result<SearchResponse, Problem> {
    let deadline = app.search_deadline();
    let sight = caller.sight().clone();
    let answer = app.run(move |backend| {
        backend.search(&SearchRequest {
            deadline: Some(Instant::now() + deadline),
            ..SearchRequest::new(query, limit, sight)
        })
    });
    Ok(answer.await??)
}

/// End a call
#[utoipa::path(
    post,
    path = "/v1/calls/{id}/end",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    responses(
        (status = 204, description = "Ended"),
        (status = 404, description = "No such call goes on", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call = known_call(&app, &caller, &id)?;
    app.desk.end(&call, app.journal());
    Ok(StatusCode::NO_CONTENT)
}
