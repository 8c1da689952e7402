//! Recommendations as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::super::app::App;
use super::super::caller::Caller;
use super::super::problem::{Problem, ProblemBody};
use super::known_call;
use super::wire::WireRecommendations;
use crate::assist::OpenCall;

/// How often a stream without news says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

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
pub(in crate::http) async fn events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = known_call(&app, &caller, &id)?;
    let started_ms = call.view().call.started_at.as_millisecond();
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
                let id = format!(
                    "{}-{}",
                    view.call.started_at.as_millisecond(),
                    latest.revision
                );
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
