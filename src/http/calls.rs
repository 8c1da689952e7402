//! `/v1/calls/…`: what is said in a call comes in, recommendations go out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::extract::{JsonBody, QueryPairs, unknown_parameter};
use super::hits::WireHit;
use super::offsets::{CharOffsets, CharSpan};
use super::problem::{Problem, ProblemBody, ProblemKind};
use crate::assist::{
    Attributes, Keyword, MAX_UTTERANCE_CHARS, OpenCall, Recommendation, Recommendations, Speaker,
    Utterance,
};
use crate::document::Audience;
use crate::retrieval::SearchRequest;

/// Longest id of a call, an utterance or an agent, in characters.
const MAX_ID_CHARS: usize = 100;
/// Most utterances of one request.
const MAX_UTTERANCES: usize = 100;
/// Most labels of one utterance.
const MAX_LABELS: usize = 16;
/// Answers about one keyword.
const RELATED_HITS: usize = 5;
/// Longest keyword, in characters.
const MAX_KEYWORD_CHARS: usize = 100;
/// How often a stream without news says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What was said in a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"agent": "1024", "utterances": [
    {"id": "u1", "speaker": "caller", "text": "退休金怎么领", "final": true}
]}))]
pub(super) struct HearBody {
    /// Who takes the call; noted once.
    agent: Option<String>,
    /// Where the caller is; noted once.
    region: Option<String>,
    /// How the caller came; noted once.
    channel: Option<String>,
    /// In the order in which they were said, 1 to 100.
    utterances: Vec<WireUtterance>,
}

/// One turn, or what is known of it so far.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Utterance)]
struct WireUtterance {
    /// Unique within the call; the same id again replaces what is not final.
    id: String,
    speaker: WireSpeaker,
    /// What was understood, at most 2,000 characters.
    text: String,
    /// Whether the recogniser is done with it. Only then anything is looked for.
    #[serde(default = "yes", rename = "final")]
    is_final: bool,
    /// When it was said, such as `2026-11-20T09:30:00+08:00`; without it, the order of arrival counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Whatever else is known of it, such as the emotion; passed through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Speaker)]
enum WireSpeaker {
    Caller,
    Agent,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HearReply {
    call_id: String,
    /// How often the recommendations have changed; 0 while there are none.
    revision: u64,
    /// What the agent should see from now on; `null` if that has not changed.
    recommendations: Option<WireRecommendations>,
}

/// What the agent should see.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendations)]
struct WireRecommendations {
    /// `recommendations`
    r#type: &'static str,
    /// Counts the changes of a call from 1.
    revision: u64,
    /// The utterance that led to it.
    after_utterance: String,
    /// The generation of the index that answered.
    generation: u64,
    intent: WireIntent,
    /// Words of the last turns that can be looked up.
    keywords: Vec<WireKeyword>,
    /// Likeliest first, three at most.
    items: Vec<WireRecommendation>,
    took_ms: f64,
    /// Why it is worse than it could be: `vector_unavailable`, `vector_timeout`.
    degraded: Vec<&'static str>,
}

/// What the caller seems to want.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Intent)]
struct WireIntent {
    /// What was taken for the question.
    question: String,
    /// 归口部门 of the likeliest answer.
    department: Option<String>,
}

/// A word of the call. The span counts characters of the utterance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keyword)]
struct WireKeyword {
    text: String,
    utterance_id: String,
    #[serde(flatten)]
    span: CharSpan,
}

/// An answer with its source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendation)]
struct WireRecommendation {
    /// The same for the same answer in the same call.
    recommendation_id: String,
    /// What to read out, at most 120 characters of the source.
    say: String,
    /// What speaks for it.
    why: Vec<&'static str>,
    #[serde(flatten)]
    hit: WireHit,
}

/// A call that goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallReply {
    call_id: String,
    agent: Option<String>,
    region: Option<String>,
    channel: Option<String>,
    started_at: String,
    /// The last part of what was said.
    utterances: Vec<WireUtterance>,
    revision: u64,
    /// What the agent should see; `null` while there is nothing to say.
    recommendations: Option<WireRecommendations>,
}

impl HearBody {
    fn read(self) -> Result<(Attributes, Vec<Utterance>), Problem> {
        if self.utterances.is_empty() || self.utterances.len() > MAX_UTTERANCES {
            let reason = format!(
                "has {} entries; send 1 to {MAX_UTTERANCES}",
                self.utterances.len()
            );
            return Err(Problem::field("utterances", reason));
        }
        let short = |field: &'static str, value: Option<String>| {
            value.map(|value| short_id(field, value)).transpose()
        };
        let attributes = Attributes {
            agent: short("agent", self.agent)?,
            region: short("region", self.region)?,
            channel: short("channel", self.channel)?,
        };
        let utterances = self.utterances.into_iter().enumerate();
        let utterances = utterances.map(|(at, utterance)| utterance.read(at));
        Ok((attributes, utterances.collect::<Result<_, _>>()?))
    }
}

impl WireUtterance {
    fn read(self, at: usize) -> Result<Utterance, Problem> {
        let field = |name: &str| format!("utterances[{at}].{name}");
        let n_chars = self.text.chars().count();
        if n_chars > MAX_UTTERANCE_CHARS {
            let reason =
                format!("has {n_chars} characters; at most {MAX_UTTERANCE_CHARS} are read");
            return Err(Problem::field(field("text"), reason));
        }
        let n_label_chars = self
            .labels
            .iter()
            .map(|(name, value)| name.len() + value.len());
        if self.labels.len() > MAX_LABELS || n_label_chars.max().unwrap_or(0) > 4 * MAX_ID_CHARS {
            let reason = format!("are too many or too long; send at most {MAX_LABELS} short ones");
            return Err(Problem::field(field("labels"), reason));
        }
        Ok(Utterance {
            id: short_id(field("id"), self.id)?,
            speaker: match self.speaker {
                WireSpeaker::Caller => Speaker::Caller,
                WireSpeaker::Agent => Speaker::Agent,
            },
            text: self.text,
            is_final: self.is_final,
            at: self.at,
            labels: self.labels,
        })
    }

    fn of(utterance: &Utterance) -> Self {
        Self {
            id: utterance.id.clone(),
            speaker: match utterance.speaker {
                Speaker::Caller => WireSpeaker::Caller,
                Speaker::Agent => WireSpeaker::Agent,
            },
            text: utterance.text.clone(),
            is_final: utterance.is_final,
            at: utterance.at,
            labels: utterance.labels.clone(),
        }
    }
}

impl WireRecommendations {
    fn of(recommendations: &Recommendations, utterances: &[Utterance]) -> Self {
        Self {
            r#type: "recommendations",
            revision: recommendations.revision,
            after_utterance: recommendations.after_utterance.clone(),
            generation: recommendations.generation,
            intent: WireIntent {
                question: recommendations.question.clone(),
                department: recommendations.department.clone(),
            },
            keywords: recommendations
                .keywords
                .iter()
                .filter_map(|keyword| wire_keyword(keyword, utterances))
                .collect(),
            items: recommendations
                .items
                .iter()
                .map(WireRecommendation::of)
                .collect(),
            took_ms: recommendations.took.as_secs_f64() * 1e3,
            degraded: recommendations
                .degraded
                .iter()
                .map(|why| why.name())
                .collect(),
        }
    }
}

/// `None` if the utterance says something else by now.
fn wire_keyword(keyword: &Keyword, utterances: &[Utterance]) -> Option<WireKeyword> {
    let said = utterances
        .iter()
        .find(|said| said.id == keyword.utterance_id)?;
    let is_there = said.text.get(keyword.span.start..keyword.span.end) == Some(&keyword.text);
    is_there.then(|| WireKeyword {
        text: keyword.text.clone(),
        utterance_id: keyword.utterance_id.clone(),
        span: CharOffsets::locate(&said.text, [keyword.span]).span(keyword.span),
    })
}

impl WireRecommendation {
    fn of(item: &Recommendation) -> Self {
        Self {
            recommendation_id: item.id.clone(),
            say: item.say.clone(),
            why: item.why.clone(),
            hit: WireHit::from(item.hit.clone()),
        }
    }
}

fn short_id(field: impl Into<String>, id: String) -> Result<String, Problem> {
    let n_chars = id.chars().count();
    if (1..=MAX_ID_CHARS).contains(&n_chars) {
        return Ok(id);
    }
    let reason = format!("has {n_chars} characters; give 1 to {MAX_ID_CHARS}");
    Err(Problem::field(field.into(), reason))
}

/// Calls are for agents.
fn for_agents(app: &App) -> Result<(), Problem> {
    match app.audience() {
        Audience::Public => Err(Problem::new(
            ProblemKind::Forbidden,
            "This server serves the public (server.audience); calls are for agents.",
        )),
        _ => Ok(()),
    }
}

fn known_call(app: &App, id: &str) -> Result<Arc<OpenCall>, Problem> {
    for_agents(app)?;
    app.desk.get(id).ok_or_else(|| {
        let id: String = id.chars().take(MAX_ID_CHARS).collect();
        let detail =
            format!("No call {id:?} goes on: it has ended, or nothing was said in it yet.");
        Problem::new(ProblemKind::NoSuchCall, detail)
    })
}

/// What was said
///
/// Begins the call if it is new. Utterances that are known change nothing, so a request may be sent
/// again; the answer tells what the agent should see if that changed.
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
    Path(id): Path<String>,
    JsonBody(body): JsonBody<HearBody>,
) -> Result<Json<HearReply>, Problem> {
    for_agents(&app)?;
    app.ready(0)?;
    let id = short_id("id", id)?;
    let (attributes, utterances) = body.read()?;
    let opened = app.desk.open(&id, attributes);
    let call = opened.map_err(|full| {
        Problem::new(
            ProblemKind::Overloaded,
            format!("{full} (assist.max_calls)."),
        )
    })?;
    let (heard, settings) = (call.clone(), app.assist.clone());
    let hearing = app
        .run(move |backend| heard.hear(utterances, &|request| backend.search(request), &settings));
    let changed = hearing.await??;
    let view = call.view();
    Ok(Json(HearReply {
        call_id: id,
        revision: view.revision(),
        recommendations: changed.map(|changed| WireRecommendations::of(&changed, &view.utterances)),
    }))
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
    Path(id): Path<String>,
) -> Result<Json<CallReply>, Problem> {
    let view = known_call(&app, &id)?.view();
    Ok(Json(CallReply {
        call_id: view.id.clone(),
        agent: view.attributes.agent.clone(),
        region: view.attributes.region.clone(),
        channel: view.attributes.channel.clone(),
        started_at: format!("{:.3}", view.started_at),
        utterances: view.utterances.iter().map(WireUtterance::of).collect(),
        revision: view.revision(),
        recommendations: view
            .latest
            .as_ref()
            .map(|latest| WireRecommendations::of(latest, &view.utterances)),
    }))
}

/// The recommendations of a call as they change
///
/// Server-sent events: `id` ends in the revision, `event` is `recommendations`. The stream begins with the
/// state of the moment unless `Last-Event-ID` says that it is known; who is slow misses states that
/// were replaced meanwhile. Ends with the call.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}/events",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream"),
        (status = 404, description = "No such call goes on", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = known_call(&app, &id)?;
    let started_ms = call.view().started_at.as_millisecond();
    let told = match headers.get("last-event-id") {
        None => 0,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().split_once('-'));
            let refused = || Problem::field("Last-Event-ID", "is not the id of an event of a call");
            let (started, revision) = id.ok_or_else(refused)?;
            let revision = revision.parse().map_err(|_| refused())?;
            // What was told of an earlier call of this id is not known of this one.
            match started == started_ms.to_string() {
                true => revision,
                false => 0,
            }
        }
    };
    let listener = Listener {
        app,
        news: call.news(),
        call,
        told,
    };
    let events = Sse::new(stream(listener));
    Ok(events
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// Who listens to a call.
struct Listener {
    app: Arc<App>,
    call: Arc<OpenCall>,
    news: watch::Receiver<u64>,
    /// The newest revision that was told.
    told: u64,
}

fn stream(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(listener, |mut listener| async move {
        let (id, json) = listener.next().await?;
        let event = Event::default().id(id).event("recommendations").data(json);
        Some((Ok(event), listener))
    })
}

impl Listener {
    /// The id of an event, and its data.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            // Before reading, so that what comes in meanwhile wakes the wait below.
            self.news.borrow_and_update();
            let view = self.call.view();
            if let Some(latest) = view
                .latest
                .as_ref()
                .filter(|latest| latest.revision != self.told)
            {
                self.told = latest.revision;
                let wire = WireRecommendations::of(latest, &view.utterances);
                let id = format!("{}-{}", view.started_at.as_millisecond(), latest.revision);
                // Strings and numbers always serialise.
                return Some((id, serde_json::to_string(&wire).unwrap_or_default()));
            }
            if view.is_ended {
                return None;
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.app.closing.cancelled() => return None,
            }
        }
    }
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
    Path(id): Path<String>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<RelatedReply>, Problem> {
    known_call(&app, &id)?;
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
    let deadline = app.search_deadline();
    let audience = app.audience();
    let answer = app.run(move |backend| {
        backend.search(&SearchRequest {
            deadline: Some(Instant::now() + deadline),
            ..SearchRequest::new(query, RELATED_HITS, audience)
        })
    });
    let response = answer.await??;
    Ok(Json(RelatedReply {
        generation: response.generation,
        hits: response.hits.into_iter().map(WireHit::from).collect(),
    }))
}

/// What the agent does not want to see again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DismissBody {
    /// Of one of the items on the screen.
    recommendation_id: String,
}

/// Dismiss a recommendation
///
/// It does not come back in this call.
#[utoipa::path(
    post,
    path = "/v1/calls/{id}/dismiss",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client")),
    request_body = DismissBody,
    responses(
        (status = 204, description = "Dismissed, now or before"),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn dismiss(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<DismissBody>,
) -> Result<StatusCode, Problem> {
    let call = known_call(&app, &id)?;
    let dismissed = app.run(move |_| call.dismiss(&body.recommendation_id));
    match dismissed.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::field(
            "recommendation_id",
            "is none of those on the screen",
        )),
    }
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
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    known_call(&app, &id)?;
    app.desk.end(&id);
    Ok(StatusCode::NO_CONTENT)
}
