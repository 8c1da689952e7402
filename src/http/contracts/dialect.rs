//! Refusals in the form that a contract documents, wherever they come from: the handler, the limits,
//! or who may ask at all.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{dify, vector_stores};
use crate::http::problem::Problem;

/// Who defined the form.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    Dify,
    OpenAi,
}

impl Dialect {
    fn of(path: &str) -> Option<Self> {
        match path {
            dify::PATH => Some(Self::Dify),
            path if path.starts_with(vector_stores::PREFIX) => Some(Self::OpenAi),
            _ => None,
        }
    }

    /// The status and the body for a problem.
    fn put(self, problem: &Problem, is_bearer: bool) -> (StatusCode, Value) {
        match self {
            Self::Dify => dify::refusal(problem, is_bearer),
            Self::OpenAi => vector_stores::refusal(problem),
        }
    }
}

/// Around every request: leaves answers as they are, and problems of our own routes too.
pub(in crate::http) async fn speak(request: Request, next: Next) -> Response {
    let Some(dialect) = Dialect::of(request.uri().path()) else {
        return next.run(request).await;
    };
    let shown = Shown::of(request.headers());
    if let (Dialect::Dify, Shown::Malformed) = (dialect, &shown) {
        let (status, body) = dify::malformed_authorization();
        return (status, axum::Json(body)).into_response();
    }
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>() else {
        return response;
    };
    let (status, body) = dialect.put(problem, matches!(shown, Shown::Bearer));
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    parts.headers.remove(CONTENT_LENGTH);
    let json = HeaderValue::from_static("application/json");
    parts.headers.insert(CONTENT_TYPE, json);
    Response::from_parts(parts, Body::from(body.to_string()))
}

/// What a request shows to be let in.
enum Shown {
    Nothing,
    Bearer,
    Malformed,
}

impl Shown {
    fn of(headers: &HeaderMap) -> Self {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Self::Nothing;
        };
        let words: Vec<&str> = header
            .to_str()
            .map(|text| text.split_ascii_whitespace().collect())
            .unwrap_or_default();
        match words[..] {
            [scheme, _] if scheme.eq_ignore_ascii_case("bearer") => Self::Bearer,
            _ => Self::Malformed,
        }
    }
}

/// The fields of every problem, for a contract's form: its code, what is wrong, and where.
pub(super) fn told(problem: &Problem) -> (Value, String, Value) {
    let body = json!(problem.clone().into_body());
    let detail = match (&body["field"], &body["detail"]) {
        (Value::String(field), Value::String(detail)) => format!("{field}: {detail}"),
        (_, detail) => detail.as_str().unwrap_or_default().to_owned(),
    };
    (body["code"].clone(), detail, body["field"].clone())
}
