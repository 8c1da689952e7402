//! Extractors whose refusals are problem documents that name the field.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::app::App;
use super::problem::{Problem, ProblemKind};
use crate::config::nearest;
use std::sync::Arc;

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        // Half of the request's time: a body that trickles in longer leaves none to answer in.
        let limit = Duration::from_millis(app.server.request_timeout_ms) / 2;
        let read = Json::<T>::from_request(request, app);
        match tokio::time::timeout(limit, read).await {
            Ok(Ok(Json(body))) => Ok(Self(body)),
            Ok(Err(rejection)) => Err(refused_body(rejection, app.server.max_body_bytes)),
            Err(_) => {
                let detail = format!("The body did not arrive within {} ms.", limit.as_millis());
                Err(Problem::new(ProblemKind::BodyTimeout, detail))
            }
        }
    }
}

/// What a JSON text holds, refused as a body would be.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    match Json::<T>::from_bytes(json) {
        Ok(Json(value)) => Ok(value),
        Err(rejection) => Err(refused_body(rejection, json.len())),
    }
}

fn refused_body(rejection: JsonRejection, max_body_bytes: usize) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(err) => wrong_data(&err.body_text()),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send JSON with the header `Content-Type: application/json`.",
        ),
        JsonRejection::BytesRejection(err) => refused_bytes(&err, max_body_bytes),
        other => Problem::new(ProblemKind::InvalidJson, reason_of(&other.body_text())),
    }
}

fn refused_bytes(rejection: &BytesRejection, max_body_bytes: usize) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body is longer than {max_body_bytes} bytes.");
        return Problem::new(ProblemKind::BodyTooLarge, detail);
    }
    Problem::new(ProblemKind::InvalidJson, rejection.body_text())
}

/// axum's text without its first sentence.
fn reason_of(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(_, reason)| reason)
}

/// JSON of the wrong shape: finds the field in serde's message and adds the nearest known name.
fn wrong_data(text: &str) -> Problem {
    let reason = reason_of(text);
    let (path, reason) = match reason.split_once(": ") {
        Some((path, rest)) if !path.contains([' ', '`']) => (path, rest),
        _ => ("", reason),
    };
    let quoted: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    let unknown = reason
        .starts_with("unknown field")
        .then(|| quoted.first().copied())
        .flatten();
    let hint = match quoted.split_first() {
        Some((given, known)) if reason.starts_with("unknown ") => {
            nearest(given, known.iter().copied()).filter(|name| name != given)
        }
        _ => None,
    };
    let field = match (path.trim_matches('.'), unknown) {
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            format!("{path}.{name}")
        }
        (path, _) => path.to_owned(),
    };
    let detail = match hint {
        Some(name) => format!("{reason}; did you mean `{name}`?"),
        None => reason.to_owned(),
    };
    match field.as_str() {
        "" => Problem::new(ProblemKind::InvalidField, detail),
        _ => Problem::field(field, detail),
    }
}

/// The query string, as pairs in the order given; a name may stand more than once.
pub(super) struct QueryPairs(pub(super) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(err) => Err(Problem::new(ProblemKind::InvalidField, err.body_text())),
        }
    }
}

/// A query parameter that is none of `known`.
pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> Problem {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    Problem::field(name, format!("unknown parameter `{name}`; {hint}"))
}

/// A number within `range`, or the problem that names the field.
pub(super) fn number_in(
    field: &'static str,
    given: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, Problem> {
    given
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let upper = match *range.end() {
                usize::MAX => String::new(),
                end => format!("={end}"),
            };
            Problem::field(
                field,
                format!("{given:?} is not a number in {}..{upper}", range.start()),
            )
        })
}
