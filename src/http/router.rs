//! Every route.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use super::app::App;
use super::caller::Caller;
use super::permissions::{Known, Need, known};
use super::problem::{Problem, ProblemKind};
use super::{
    answer, ask, calls, changes, contracts, documents, guard, learned, observe, operations,
    original, page, reports, search, security, versions,
};
use crate::access::Role;

/// The name of the keys in the description.
const SECURITY_SCHEME: &str = "key";

/// What the description starts from. The routes below `/v1/documents/` share one pattern, so they
/// are named here; the others come with their registration.
#[derive(OpenApi)]
#[openapi(
    info(title = "Zhiku 知库", description = "Knowledge base search for a 12345 government hotline"),
    paths(
        documents::read,
        original::original,
        versions::list,
        versions::read,
        versions::diff,
        contracts::mcp::described,
    ),
    tags(
        (name = "search", description = "查询与回答"),
        (name = "contracts", description = "第三方平台接口"),
        (name = "documents", description = "文档"),
        (name = "calls", description = "通话辅助"),
        (name = "reports", description = "统计与学习"),
        (name = "operations", description = "运行状态"),
    )
)]
struct Description;

/// The routes that the description lists.
fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(search::search))
        .routes(routes!(answer::answer))
        .routes(routes!(contracts::dify::retrieval))
        .routes(routes!(contracts::vector_stores::search))
        .routes(routes!(documents::list))
        .route("/v1/documents/{*id}", get(documents::below))
        .routes(routes!(calls::hear))
        .routes(routes!(calls::read))
        .routes(routes!(calls::events))
        .routes(routes!(calls::related))
        .routes(routes!(calls::socket))
        .routes(routes!(calls::feedback))
        .routes(routes!(calls::export))
        .routes(routes!(calls::forget))
        .routes(routes!(calls::end))
        .routes(routes!(reports::usage))
        .routes(routes!(reports::trending))
        .routes(routes!(reports::gaps))
        .routes(routes!(learned::list, learned::teach))
        .routes(routes!(changes::changes))
        .routes(routes!(changes::reindex))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
}

/// The OpenAPI description of the interface.
pub fn openapi() -> utoipa::openapi::OpenApi {
    with_needs(described().into_openapi())
}

/// Says of every operation which key it needs.
fn with_needs(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A key made by `zhiku keys create`. Until the first one is made, requests of the server's \
             own machine need none.",
        ))
        .build();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme(SECURITY_SCHEME, SecurityScheme::Http(scheme));
    for (path, item) in &mut description.paths.paths {
        let pattern = match path.starts_with("/v1/documents/{id}") {
            true => "/v1/documents/{*id}",
            false => path,
        };
        let operations = [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ];
        for (method, operation) in operations {
            let (Some(operation), Known::Route(need)) = (operation, known(&method, pattern)) else {
                continue;
            };
            let key = SecurityRequirement::new::<_, [&str; 0], &str>(SECURITY_SCHEME, []);
            let nothing = SecurityRequirement::default();
            let (required, role) = match need {
                Need::Nothing => (vec![nothing], None),
                Need::Role(Role::Public) => (vec![nothing, key], Some(Role::Public)),
                Need::Role(role) => (vec![key], Some(role)),
            };
            operation.security = Some(required);
            if let Some(role) = role {
                let extension = Extensions::builder().add("x-role", role.name()).build();
                operation.extensions = Some(extension);
            }
        }
    }
    description
}

/// All routes, serving `app`.
pub fn router(app: Arc<App>) -> Router {
    let (routes, description) = described().split_for_parts();
    let endpoint = contracts::mcp::Endpoint::new(&app);
    let mcp = async move |caller: Caller, request: Request| endpoint.answer(caller, request).await;
    let description = with_needs(description);
    routes
        .route("/", get(page::page))
        .route("/ask", get(ask::form).post(ask::answer))
        .route(contracts::mcp::PATH, any(mcp))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(app.server.max_body_bytes))
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .layer(from_fn_with_state(Arc::clone(&app), observe::limit_time))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(from_fn(contracts::speak))
        // What a browser asks before it asks has no key.
        .layer(tower::util::option_layer(security::cors(&app)))
        .layer(from_fn_with_state(Arc::clone(&app), security::headers))
        .layer(from_fn_with_state(Arc::clone(&app), observe::observe))
        .with_state(app)
}

async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("There is nothing at {path}; /docs shows what there is.");
    Problem::new(ProblemKind::NoSuchRoute, detail)
}

async fn method_not_allowed(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("{path} does not take this method; the header Allow says which it takes.");
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}
