//! `GET /`: a page for trying a query. One file, nothing loaded from elsewhere.

use axum::http::header;
use axum::response::{Html, IntoResponse};

/// Only what the page itself holds runs, and it talks to this server alone.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) async fn page() -> impl IntoResponse {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, Html(include_str!("page.html")))
}
