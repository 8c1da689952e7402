//! A call over one WebSocket: utterances, feedback and queries come in, recommendations,
//! acknowledgements and errors go out.
//!
//! Messages of one connection are worked off in order. Nothing is queued for a client that does not
//! read: its own messages wait then, states that were replaced meanwhile are never sent, and after
//! [`SEND_PATIENCE`] it is cut off. It may come back and say which revision it knows.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use utoipa::IntoParams;

use super::super::app::App;
use super::super::caller::Caller;
use super::super::extract::{QueryPairs, from_json, number_in, unknown_parameter};
use super::super::hits::WireHit;
use super::super::problem::{Problem, ProblemBody, ProblemKind};
use super::feedback::{FeedbackBody, keep};
use super::wire::{WireRecommendations, WireUtterance, attributes, short_id};
use super::{for_agents, look_up, open, take_in};
use crate::assist::{Attributes, CallView, OpenCall};

/// What is spoken; a browser that sends its key as a second protocol has to be told one.
const PROTOCOL: &str = "zhiku";
/// Largest message that is read: an utterance of the longest kind, with labels.
const MAX_MESSAGE_BYTES: usize = 32 << 10;
/// What is read at once. Held for every connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// How long a client may take to read a message.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether the client is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client of which nothing is heard for so long, not even an answer to a ping, is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Most hits of a query.
const MAX_HITS: usize = 20;

/// What is known of the call, and how far the client was.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(in crate::http) struct SocketQuery {
    /// Who takes the call; noted once.
    agent: Option<String>,
    /// Where the caller is; noted once.
    region: Option<String>,
    /// How the caller came; noted once.
    channel: Option<String>,
    /// The newest revision that the client has shown: what it knows is not sent again.
    last_revision: Option<u64>,
    /// The `started_at` of the call that it was of; another call's revisions are not known.
    started_at: Option<String>,
}

/// What a client sends, named by `type`.
enum Incoming {
    Utterance(WireUtterance),
    Feedback(FeedbackBody),
    Query(QueryMessage),
    Ping,
    End,
}

/// The agent looks for something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryMessage {
    /// Comes back with the answer.
    id: Option<String>,
    query: String,
    limit: Option<usize>,
}

/// What is sent besides recommendations.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outgoing<'m> {
    /// First of all: which call it is, and how often what the agent sees has changed.
    Call {
        call_id: &'m str,
        started_at: String,
        revision: u64,
    },
    /// Taken in.
    Ack {
        of: &'static str,
        id: &'m str,
        revision: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_new: Option<bool>,
    },
    Results {
        id: Option<&'m str>,
        generation: u64,
        degraded: Vec<&'static str>,
        hits: Vec<WireHit>,
    },
    Error {
        of: Option<&'m str>,
        id: Option<&'m str>,
        problem: ProblemBody,
    },
    Pong,
    /// The call is over, and so is the connection.
    Ended,
}

/// A call over one WebSocket
///
/// Begins the call if it is new. In come `{"type":"utterance",…}` with the fields of an utterance,
/// `{"type":"feedback",…}` with those of the feedback route, `{"type":"query","id","query","limit"}`,
/// `{"type":"ping"}` and `{"type":"end"}`. Out go `call` (at first), `recommendations`, `ack`
/// (`of`, `id`, `revision`), `results` (`id`, `hits`), `error` (`of`, `id`, `problem`),
/// `pong` and `ended`. Messages are answered in order; what fails with `overloaded` may be sent again.
#[utoipa::path(
    get,
    path = "/v1/calls/{id}/ws",
    tag = "calls",
    params(("id" = String, Path, description = "Given by the client"), SocketQuery),
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not ready, or too many calls go on", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn socket(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryPairs(pairs): QueryPairs,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    for_agents(&caller)?;
    app.ready(0)?;
    let id = short_id("id", id)?;
    from_own_pages(&headers, &app.cors_origins)?;
    let (attributes, known) = read_pairs(pairs)?;
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("This address speaks WebSocket: {rejection}");
        Problem::new(ProblemKind::UpgradeRequired, detail)
    })?;
    let call = open(&app, &caller, &id, attributes)?;
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let news = call.news();
            let started_at = started_at(&call.view());
            let is_it = known.started_at.is_none_or(|known| known == started_at);
            let line = Line {
                app,
                caller,
                id,
                call,
                news,
                socket,
                told: if is_it { known.last_revision } else { 0 },
            };
            line.serve().await;
        }))
}

/// What a client knows of the call.
#[derive(Default)]
struct Known {
    last_revision: u64,
    started_at: Option<String>,
}

fn read_pairs(pairs: Vec<(String, String)>) -> Result<(Attributes, Known), Problem> {
    let (mut agent, mut region, mut channel) = (None, None, None);
    let mut known = Known::default();
    for (name, value) in pairs {
        match name.as_str() {
            "agent" => agent = Some(value),
            "region" => region = Some(value),
            "channel" => channel = Some(value),
            "last_revision" => {
                let revision = number_in("last_revision", &value, 0..=usize::MAX)?;
                known.last_revision = revision as u64;
            }
            "started_at" => known.started_at = Some(value),
            _ => {
                let names = ["agent", "region", "channel", "last_revision", "started_at"];
                return Err(unknown_parameter(&name, &names));
            }
        }
    }
    Ok((attributes(agent, region, channel)?, known))
}

fn started_at(view: &CallView) -> String {
    format!("{:.3}", view.call.started_at)
}

/// Browsers let any page open a WebSocket to any address: a page of another host must not read along.
/// Programs send no `Origin`.
fn from_own_pages(headers: &HeaderMap, others: &[String]) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let is_known = |other: &String| other == "*" || other == origin;
    match origin.split_once("://") {
        Some((_, host)) if Some(host) == text(HOST) => Ok(()),
        _ if others.iter().any(is_known) => Ok(()),
        _ => Err(Problem::new(
            ProblemKind::Forbidden,
            "The page that opens this connection is of another host than the server.",
        )),
    }
}

/// Why a connection is over.
struct Over;

/// One connection.
struct Line {
    app: Arc<App>,
    caller: Caller,
    id: String,
    call: Arc<OpenCall>,
    news: watch::Receiver<u64>,
    socket: WebSocket,
    /// The newest revision that the client knows.
    told: u64,
}

impl Line {
    /// Until the client, the call or the server ends.
    async fn serve(mut self) {
        let view = self.call.view();
        let hello = Outgoing::Call {
            call_id: &view.call.id,
            started_at: started_at(&view),
            revision: view.revision,
        };
        if self.send(&hello).await.is_err() {
            self.app.desk.end_unused(&self.call);
            return;
        }
        // A client that knows more than there was knows another call.
        if self.told > view.revision {
            self.told = 0;
        }
        // Whoever is left waits for the end of the connection, not for more.
        let _ = self.follow().await;
        self.app.desk.end_unused(&self.call);
        let _ = timeout(SEND_PATIENCE, self.socket.send(Message::Close(None))).await;
    }

    async fn follow(&mut self) -> Result<(), Over> {
        let closing = self.app.closing.clone();
        let ended = self.caller.ended().clone();
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            self.tell_news().await?;
            tokio::select! {
                message = self.socket.recv() => {
                    heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.take(&text).await?,
                        Some(Ok(Message::Binary(_))) => {
                            let problem = Problem::new(ProblemKind::InvalidJson, "Send JSON as text, not binary.");
                            self.refuse(None, None, problem).await?;
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over),
                    }
                }
                changed = self.news.changed() => changed.map_err(|_| Over)?,
                _ = pings.tick() => {
                    if heard_at.elapsed() > SILENCE {
                        return Err(Over);
                    }
                    self.write(Message::Ping(Default::default())).await?;
                }
                () = closing.cancelled() => return Err(Over),
                () = ended.cancelled() => return Err(Over),
            }
        }
    }

    /// Sends what the agent should see if the client does not know it, and the end.
    async fn tell_news(&mut self) -> Result<(), Over> {
        // Before reading, so that what comes in meanwhile wakes the wait.
        self.news.borrow_and_update();
        let view = self.call.view();
        if let Some(latest) = view.latest.as_ref().filter(|_| view.revision != self.told) {
            self.told = view.revision;
            let wire = WireRecommendations::of(latest, &view.utterances);
            self.send(&wire).await?;
        }
        if view.is_ended {
            self.send(&Outgoing::Ended).await?;
            return Err(Over);
        }
        Ok(())
    }

    async fn take(&mut self, text: &Utf8Bytes) -> Result<(), Over> {
        let message = match read_message(text) {
            Ok(message) => message,
            Err((of, id, problem)) => {
                return self.refuse(of.as_deref(), id.as_deref(), problem).await;
            }
        };
        match message {
            Incoming::Ping => self.send(&Outgoing::Pong).await,
            _ if let Err(problem) = self.caller.admit(&self.app) => {
                self.refuse(None, None, problem).await
            }
            Incoming::End => {
                self.app.desk.end(&self.call, self.app.journal());
                Ok(())
            }
            Incoming::Utterance(utterance) => {
                let id = utterance.id.clone();
                let heard = match utterance.read("") {
                    Ok(utterance) => take_in(&self.app, &self.call, vec![utterance]).await,
                    Err(problem) => Err(problem),
                };
                self.tell_news().await?;
                self.acknowledge("utterance", &id, heard.map(|_| None))
                    .await
            }
            Incoming::Feedback(body) => {
                let given = body.id.clone().unwrap_or_default();
                match keep(&self.app, &self.caller, &self.id, body).await {
                    Ok(kept) => {
                        self.tell_news().await?;
                        let is_new = Some(kept.is_new);
                        self.acknowledge("feedback", &kept.feedback_id, Ok(is_new))
                            .await
                    }
                    Err(problem) => self.acknowledge("feedback", &given, Err(problem)).await,
                }
            }
            Incoming::Query(query) => {
                let id = query.id.clone();
                let limit = query.limit.unwrap_or(5);
                let found = match limit {
                    1..=MAX_HITS => look_up(&self.app, &self.caller, query.query, limit).await,
                    _ => Err(Problem::field("limit", format!("choose 1 to {MAX_HITS}"))),
                };
                match found {
                    Ok(response) => {
                        self.send(&Outgoing::Results {
                            id: id.as_deref(),
                            generation: response.generation,
                            degraded: response.degraded.iter().map(|why| why.name()).collect(),
                            hits: response.hits.into_iter().map(WireHit::from).collect(),
                        })
                        .await
                    }
                    Err(problem) => self.refuse(Some("query"), id.as_deref(), problem).await,
                }
            }
        }
    }

    async fn acknowledge(
        &mut self,
        of: &'static str,
        id: &str,
        taken: Result<Option<bool>, Problem>,
    ) -> Result<(), Over> {
        match taken {
            Ok(is_new) => {
                let revision = self.call.view().revision;
                let ack = Outgoing::Ack {
                    of,
                    id,
                    revision,
                    is_new,
                };
                self.send(&ack).await
            }
            Err(problem) => self.refuse(Some(of), Some(id), problem).await,
        }
    }

    async fn refuse(
        &mut self,
        of: Option<&str>,
        id: Option<&str>,
        problem: Problem,
    ) -> Result<(), Over> {
        let problem = problem.into_body();
        self.send(&Outgoing::Error { of, id, problem }).await
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<(), Over> {
        // Strings and numbers always serialise.
        let json = serde_json::to_string(message).unwrap_or_default();
        self.write(Message::Text(json.into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Over> {
        match timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }
}

/// A message, or its type, its id and what is wrong with it.
fn read_message(text: &str) -> Result<Incoming, (Option<String>, Option<String>, Problem)> {
    let mut fields: serde_json::Map<String, serde_json::Value> =
        from_json(text.as_bytes()).map_err(|problem| (None, None, problem))?;
    let name = |value: Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(name)) => Some(name),
        _ => None,
    };
    let of = name(fields.remove("type"));
    let id = name(fields.get("id").cloned());
    let rest = serde_json::to_vec(&fields).unwrap_or_default();
    let message = match of.as_deref() {
        Some("utterance") => from_json(&rest).map(Incoming::Utterance),
        Some("feedback") => from_json(&rest).map(Incoming::Feedback),
        Some("query") => from_json(&rest).map(Incoming::Query),
        Some("ping") => Ok(Incoming::Ping),
        Some("end") => Ok(Incoming::End),
        _ => Err(Problem::field(
            "type",
            "is none of `utterance`, `feedback`, `query`, `ping`, `end`",
        )),
    };
    message.map_err(|problem| (of, id, problem))
}
