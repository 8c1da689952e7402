//! Headers that tell browsers what not to do, and which pages may read answers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::app::App;

/// What is no page: nothing runs, nothing is loaded, nobody frames it.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// The description's pages, which come out of the binary.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
                    form-action 'none'; frame-ancestors 'none'";
/// A browser that has seen this does not come back without TLS: for a year.
const HSTS: &str = "max-age=31536000";
/// How long a browser remembers what it may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// Adds what a handler has not said itself.
pub(super) async fn headers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let mut add = |name: HeaderName, value: &'static str| {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    add(
        header::CONTENT_SECURITY_POLICY,
        if is_docs { DOCS } else { NO_PAGE },
    );
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::X_FRAME_OPTIONS, "SAMEORIGIN");
    add(header::REFERRER_POLICY, "no-referrer");
    // Who asks decides what the answer is.
    add(header::CACHE_CONTROL, "no-store");
    if app.cors_origins.is_empty() {
        let name = HeaderName::from_static("cross-origin-resource-policy");
        add(name, "same-origin");
    }
    if app.server.tls_certificate.is_some() {
        add(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

/// Lets pages of the configured origins read answers; `None` if there are none. Never with cookies:
/// there are none, and a key is sent by whoever wrote the page.
pub(super) fn cors(app: &App) -> Option<CorsLayer> {
    let origins = &app.cors_origins;
    let allowed = match origins.is_empty() {
        true => return None,
        false if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok())),
    };
    let exposed = [
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        HeaderName::from_static("x-request-id"),
    ];
    let sent = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("x-request-id"),
    ];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers(sent)
            .expose_headers(exposed)
            .max_age(PREFLIGHT_AGE),
    )
}
