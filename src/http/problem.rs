//! Errors as callers see them: problem documents (RFC 9457).
//!
//! A caller's mistake says what is wrong and what would be right. Our own faults say one fixed
//! sentence; the reason stands in the log, next to the request id that the answer carries.

use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::backend::BackendError;
use crate::retrieval::SearchError;

/// What can go wrong, as `code` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProblemKind {
    InvalidJson,
    InvalidField,
    KeyRequired,
    InvalidKey,
    Forbidden,
    NoKeys,
    NoSuchRoute,
    NoSuchCall,
    DocumentNotFound,
    NoSuchKnowledge,
    MethodNotAllowed,
    BodyTimeout,
    GenerationNotReached,
    OriginalChanged,
    BodyTooLarge,
    UnsupportedMediaType,
    UpgradeRequired,
    RateLimited,
    Internal,
    AccessUnavailable,
    NotReady,
    Overloaded,
    Timeout,
}

impl ProblemKind {
    /// Status, code and title.
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidJson => (S::BAD_REQUEST, "invalid_json", "The body is not JSON"),
            Self::InvalidField => (S::BAD_REQUEST, "invalid_field", "A field cannot be used"),
            Self::KeyRequired => (S::UNAUTHORIZED, "key_required", "A key is needed"),
            Self::InvalidKey => (S::UNAUTHORIZED, "invalid_key", "The key does not count"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not for this caller"),
            Self::NoKeys => (S::FORBIDDEN, "no_keys", "There are no keys yet"),
            Self::NoSuchRoute => (S::NOT_FOUND, "no_such_route", "No such address"),
            Self::NoSuchCall => (S::NOT_FOUND, "no_such_call", "No such call goes on"),
            Self::DocumentNotFound => (S::NOT_FOUND, "document_not_found", "No such document"),
            Self::NoSuchKnowledge => (
                S::NOT_FOUND,
                "knowledge_not_found",
                "No such knowledge base",
            ),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed here",
            ),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body_timeout", "The body took too long"),
            Self::GenerationNotReached => (
                S::CONFLICT,
                "generation_not_reached",
                "The index is not that far yet",
            ),
            Self::OriginalChanged => (
                S::CONFLICT,
                "original_changed",
                "The file is not the one that was indexed",
            ),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is too large",
            ),
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be JSON",
            ),
            Self::UpgradeRequired => (
                S::UPGRADE_REQUIRED,
                "upgrade_required",
                "This address is for a WebSocket",
            ),
            Self::RateLimited => (S::TOO_MANY_REQUESTS, "rate_limited", "Asked too often"),
            Self::AccessUnavailable => (
                S::SERVICE_UNAVAILABLE,
                "access_unavailable",
                "The keys cannot be read",
            ),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "The server failed"),
            Self::NotReady => (
                S::SERVICE_UNAVAILABLE,
                "not_ready",
                "The index is not ready yet",
            ),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", "Too many requests"),
            Self::Timeout => (
                S::SERVICE_UNAVAILABLE,
                "timeout",
                "The answer took too long",
            ),
        }
    }

    /// Seconds after which the same request may succeed.
    fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::NotReady => Some(5),
            Self::GenerationNotReached
            | Self::Overloaded
            | Self::Timeout
            | Self::AccessUnavailable => Some(1),
            _ => None,
        }
    }
}

/// An error answer.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    field: Option<String>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// A problem document, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// A URI for the kind of problem: `urn:zhiku:problem:` and the code.
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: String,
    /// The kind of problem, for programs.
    code: &'static str,
    /// The field of the request that is at fault, e.g. `filters.kind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// A problem without a field.
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            header: None,
        }
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, kind: ProblemKind) -> bool {
        self.kind == kind
    }

    /// A field that cannot be used.
    pub(super) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, detail) = (Some(field.into()), reason.into());
        Self {
            kind: ProblemKind::InvalidField,
            detail,
            field,
            header: None,
        }
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.kind.parts().0
    }

    /// The same with a header.
    pub(super) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some(Box::new((name, value))),
            ..self
        }
    }

    /// Asked too often; the next request may come after `wait`.
    pub(super) fn too_often(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1) as u64;
        let detail = format!("Too many requests; the next one may come in {seconds} s.");
        Self::new(ProblemKind::RateLimited, detail).with_header(header::RETRY_AFTER, seconds.into())
    }

    /// Whether anybody may be let in cannot be told. Logs the reason.
    pub(super) fn access_unavailable(reason: impl Display) -> Self {
        tracing::error!(%reason, "nobody is let in: the keys cannot be read");
        let detail = "Whether your key counts cannot be told now. The server's log has the reason.";
        Self::new(ProblemKind::AccessUnavailable, detail)
    }

    /// As a document, for where it is not an answer of its own.
    pub(super) fn into_body(self) -> ProblemBody {
        let (status, code, title) = self.kind.parts();
        ProblemBody {
            r#type: format!("urn:zhiku:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            code,
            field: self.field,
        }
    }

    /// A fault of ours. Logs `reason`; the caller does not see it.
    pub(super) fn internal(reason: impl Display) -> Self {
        tracing::error!(%reason, "request failed");
        let detail = "The request failed on our side. The server's log has the reason under the \
                      request id of this answer.";
        Self::new(ProblemKind::Internal, detail)
    }

    /// No document of this id, as far as the caller may know.
    pub(super) fn no_document(id: &str) -> Self {
        let id: String = id.chars().take(200).collect();
        Self::new(
            ProblemKind::DocumentNotFound,
            format!("There is no document {id:?}."),
        )
    }
}

impl From<SearchError> for Problem {
    fn from(err: SearchError) -> Self {
        match err {
            SearchError::Request { field, reason } => Self::field(field, reason),
            SearchError::Index(_) => Self::internal(err),
        }
    }
}

impl From<BackendError> for Problem {
    fn from(err: BackendError) -> Self {
        Self::internal(err)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (kind, header) = (self.kind, self.header.clone());
        let (status, ..) = kind.parts();
        let mut response = (status, axum::Json(self.clone().into_body())).into_response();
        // For contracts that put refusals in a form of their own.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        if let Some(seconds) = kind.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match kind {
                ProblemKind::InvalidKey => r#"Bearer realm="zhiku", error="invalid_token""#,
                _ => r#"Bearer realm="zhiku""#,
            };
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if let Some(header) = header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
        response
    }
}
