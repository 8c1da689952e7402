//! `GET /v1/changes` and `POST /v1/reindex`: what became searchable, and asking for it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::caller::Caller;
use super::extract::{JsonBody, QueryPairs, number_in, unknown_parameter};
use super::problem::{Problem, ProblemBody, ProblemKind};
use crate::access::Role;
use crate::records::Receipt;

/// Receipts of a page when the request does not say.
const DEFAULT_LIMIT: usize = 100;
/// Most receipts of a page.
const MAX_LIMIT: usize = 1_000;
/// How often a stream without news says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The header with which a stream is resumed.
const LAST_EVENT_ID: &str = "last-event-id";

/// Which receipts.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// Receipts after this number; 0 for all. A stream without it begins with what happens next.
    after: Option<usize>,
    /// Receipts on the page, 1 to 1,000; 100 if left out. Streams have no pages.
    limit: Option<usize>,
}

impl ChangesQuery {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "after" => query.after = Some(number_in("after", &value, 0..=usize::MAX)?),
                "limit" => query.limit = Some(number_in("limit", &value, 1..=MAX_LIMIT)?),
                _ => return Err(unknown_parameter(&name, &["after", "limit"])),
            }
        }
        Ok(query)
    }
}

/// A page of receipts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangesReply {
    /// By ascending number.
    changes: Vec<ReceiptReply>,
    /// More pages follow until one ends with this number: of the newest receipt there is, or of a
    /// later one than those on the page.
    last_seq: u64,
    /// The generation that serves.
    generation: u64,
}

/// One change of one file, as it became visible.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptReply {
    /// Counts receipts from 1, without gaps.
    seq: u64,
    /// The file, relative to the corpus.
    path: String,
    /// `added`, `modified`, `moved`, `removed` or `failed`.
    change: &'static str,
    /// Where a moved file stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// blake3 of the file's bytes; `null` when it is gone.
    content_hash: Option<String>,
    /// When the change was noticed.
    detected_at: String,
    /// When every query began to see it.
    searchable_at: String,
    /// The time between the two.
    lag_ms: u64,
    /// The generation that shows it.
    generation: u64,
    /// Passages of the file that are searchable now.
    n_passages: u32,
    /// Why it failed; what was served of it before goes on serving, marked `stale`.
    error: Option<String>,
}

impl From<&Receipt> for ReceiptReply {
    fn from(receipt: &Receipt) -> Self {
        let what = &receipt.what;
        Self {
            seq: receipt.seq,
            path: what.path.clone(),
            change: what.change.name(),
            from: what.from.clone(),
            content_hash: what.content_hash.clone(),
            detected_at: format!("{:.3}", what.detected_at),
            searchable_at: format!("{:.3}", receipt.searchable_at),
            lag_ms: receipt.lag_ms(),
            generation: receipt.generation,
            n_passages: what.n_passages,
            error: what.error.clone(),
        }
    }
}

/// One receipt as JSON, as `GET /v1/changes` shows it.
pub fn receipt_json(receipt: &Receipt) -> serde_json::Value {
    // Strings and numbers always serialise.
    serde_json::to_value(ReceiptReply::from(receipt)).unwrap_or_default()
}

/// What became searchable
///
/// With `Accept: text/event-stream`, as server-sent events: `id` is the number, `event` is `change`;
/// the header `Last-Event-ID` resumes after that number.
#[utoipa::path(
    get,
    path = "/v1/changes",
    tag = "operations",
    params(ChangesQuery),
    responses(
        (status = 200, description = "Receipts", body = ChangesReply),
        (status = 403, description = "This server serves the public", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.at_least(Role::Agent, "Changes")?;
    let query = ChangesQuery::read(pairs)?;
    let wants_stream = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if wants_stream {
        return stream(app, caller, &query, &headers);
    }
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.after.unwrap_or(0) as u64;
    let sight = caller.sight().clone();
    let is_unlimited = sight.is_unlimited();
    // One more than is shown tells whether there are more.
    let mut receipts = app
        .run(move |backend| backend.changes(after, limit + 1, &sight))
        .await??;
    let next = match receipts.len() > limit {
        true => receipts.pop(),
        false => None,
    };
    let generation = app.status().generation;
    let shown = receipts.last().map_or(after, |last| last.seq);
    // Of receipts that the caller may not see, not even the number is told.
    let last = match (next, is_unlimited) {
        (_, true) => shown.max(*app.news().borrow()),
        (Some(next), false) => next.seq,
        (None, false) => shown,
    };
    let reply = ChangesReply {
        changes: receipts.iter().map(ReceiptReply::from).collect(),
        last_seq: last,
        generation,
    };
    Ok(Json(reply).into_response())
}

fn stream(
    app: Arc<App>,
    caller: Caller,
    query: &ChangesQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let resumed = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => {
            let number = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            let refused = || Problem::field("Last-Event-ID", "is not the number of a receipt");
            Some(number.ok_or_else(refused)?)
        }
    };
    let news = app.news();
    let newest = *news.borrow();
    let after = resumed.or(query.after.map(|after| after as u64));
    let after = after.unwrap_or(newest);
    let events = Sse::new(events(Follower {
        app,
        caller,
        news,
        after,
        read: VecDeque::new(),
    }));
    Ok(events
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// A reader of the stream.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    news: watch::Receiver<u64>,
    after: u64,
    read: VecDeque<Receipt>,
}

/// Ends when the server stops or the receipts cannot be read; the client resumes.
fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(follower, |mut follower| async move {
        let receipt = follower.next().await?;
        let event = Event::default()
            .id(receipt.seq.to_string())
            .event("change")
            .data(receipt_json(&receipt).to_string());
        Some((Ok(event), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Receipt> {
        loop {
            if let Some(receipt) = self.read.pop_front() {
                self.after = receipt.seq;
                return Some(receipt);
            }
            // Before reading, so that what comes in meanwhile wakes the wait below.
            self.news.borrow_and_update();
            let (after, sight) = (self.after, self.caller.sight().clone());
            let read = self
                .app
                .run(move |backend| backend.changes(after, MAX_LIMIT, &sight));
            match read.await {
                Ok(Ok(receipts)) => self.read = receipts.into(),
                Ok(Err(error)) => {
                    tracing::error!(%error, "a stream of receipts ends");
                    return None;
                }
                // Busy: try again after a moment.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            }
            if self.read.is_empty() {
                tokio::select! {
                    changed = self.news.changed() => changed.ok()?,
                    () = self.app.closing.cancelled() => return None,
                }
            }
        }
    }
}

/// What to read again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the field `path`")]
#[schema(example = json!({"path": "市人社局/养老金申领.md"}))]
pub(super) struct ReindexBody {
    /// A file or folder relative to the corpus; `null` for everything.
    path: Option<String>,
}

/// The request was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReindexReply {
    /// What will be read again; empty for everything.
    path: String,
    /// Receipts of it come after this number.
    after: u64,
}

/// Read files again
///
/// Even if nothing about them changed. Answers at once; receipts tell what came of it.
#[utoipa::path(
    post,
    path = "/v1/reindex",
    tag = "operations",
    request_body = ReindexBody,
    responses(
        (status = 202, description = "Taken", body = ReindexReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nobody follows the corpus yet", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reindex(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBody(body): JsonBody<ReindexBody>,
) -> Result<(StatusCode, Json<ReindexReply>), Problem> {
    caller.at_least(Role::Agent, "Changes")?;
    let path = body.path.unwrap_or_default();
    let path = path.trim_matches('/').to_owned();
    let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if !path.is_empty() && path.split('/').any(is_odd) {
        let reason = "is not a path below the corpus such as 市人社局/养老金申领.md";
        return Err(Problem::field("path", reason));
    }
    if path.is_empty() {
        caller.without_limits("Reading everything again")?;
    }
    let after = *app.news().borrow();
    let asked = path.clone();
    if !app.run(move |backend| backend.reindex(&asked)).await? {
        let detail = "The corpus is not followed yet. Try again shortly.";
        return Err(Problem::new(ProblemKind::NotReady, detail));
    }
    Ok((StatusCode::ACCEPTED, Json(ReindexReply { path, after })))
}
