//! `/mcp`: the Model Context Protocol over streamable HTTP, for agents and assistants.
//!
//! Source: <https://modelcontextprotocol.io/specification>. Every request stands for itself and is
//! answered as JSON: there are no sessions to keep, to bound or to take over, and who asks is decided
//! anew each time. A client of the newest version and one that begins with `initialize` are answered
//! alike.

mod documents;
mod schema;
mod tools;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};

use crate::http::app::App;
use crate::http::caller::Caller;

/// Where it stands.
pub(in crate::http) const PATH: &str = "/mcp";

/// What a client is told of the server.
const INSTRUCTIONS: &str = "\
政务热线知识库。answer_question 用知识库原文回答市民的问题，没有依据时说明原因；search_knowledge 查找政策、法规、问答、\
办事指南的原文片段；get_document 读取全文。回答时请引用返回的标题、发文字号和原文，注意 validity（时效性），不要超出原文作答。";

/// Versions that are spoken, oldest first.
const VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// Pages of this machine may ask, on any port.
const LOOPBACK_ORIGINS: [&str; 6] = [
    "http://localhost:*",
    "https://localhost:*",
    "http://127.0.0.1:*",
    "https://127.0.0.1:*",
    "http://[::1]:*",
    "https://[::1]:*",
];

/// The endpoint.
#[derive(Clone)]
pub(in crate::http) struct Endpoint {
    service: StreamableHttpService<Server, NeverSessionManager>,
}

impl Endpoint {
    /// Serves `app`.
    pub(in crate::http) fn new(app: &Arc<App>) -> Self {
        let origins = LOOPBACK_ORIGINS.iter().map(|origin| (*origin).to_owned());
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            // A page that reached this machine under a name of its own bears that name as its origin.
            .disable_allowed_hosts()
            .with_allowed_origins(origins.chain(app.server.mcp_origins.iter().cloned()))
            .enforce_origin_validation()
            .with_max_request_body_bytes(app.server.max_body_bytes)
            .with_cancellation_token(app.closing.child_token());
        let server = Server { app: app.clone() };
        let sessions = Arc::new(NeverSessionManager::default());
        Self {
            service: StreamableHttpService::new(move || Ok(server.clone()), sessions, config),
        }
    }

    /// Answers a request of `caller`.
    pub(in crate::http) async fn answer(&self, caller: Caller, mut request: Request) -> Response {
        // The tools find it there.
        request.extensions_mut().insert(caller);
        let response = self.service.handle(request).await;
        response.map(Body::new).into_response()
    }
}

/// Speak the Model Context Protocol
///
/// Streamable HTTP, JSON-RPC 2.0, without sessions. Tools: `search_knowledge`, `get_document`,
/// `answer_question`; resources: `zhiku://documents/{id}`. Send `Accept: application/json,
/// text/event-stream`; the origin of a page must be this machine's or one of `server.mcp_origins`.
#[utoipa::path(
    post,
    path = "/mcp",
    tag = "contracts",
    request_body(content = serde_json::Value, description = "A JSON-RPC request or notification", example = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
    responses(
        (status = 200, description = "A JSON-RPC response", body = serde_json::Value),
        (status = 202, description = "A notification was taken"),
        (status = "4XX", description = "No request of the protocol, or not from here"),
    )
)]
#[expect(dead_code, reason = "it is there to be described; Endpoint answers")]
pub(in crate::http) fn described() {}

/// What is served to one request.
#[derive(Clone)]
struct Server {
    app: Arc<App>,
}

/// Who asks.
fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
    caller.cloned().ok_or_else(|| {
        tracing::error!("a request of the Model Context Protocol came without its caller");
        ErrorData::internal_error("who asks is not known", None)
    })
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .build();
        let implementation =
            Implementation::new("zhiku", env!("CARGO_PKG_VERSION")).with_title("知库");
        ServerConfig::new(capabilities)
            .with_server_info(implementation)
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&VERSIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all().to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        let arguments = request.arguments.unwrap_or_default();
        let called = tools::call(&self.app, &caller, &request.name, arguments).await?;
        // What went wrong is for the model to read and to put right.
        let result = called.unwrap_or_else(|problem| {
            let told = super::dialect::told(&problem).1;
            CallToolResult::error(vec![rmcp::model::ContentBlock::text(told)])
        });
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        documents::list(&self.app, &caller(&context)?, cursor).await
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let all = vec![documents::template()];
        Ok(ListResourceTemplatesResult::with_all_items(all))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = caller(&context)?;
        let read = documents::read(&self.app, &caller, &request.uri).await?;
        Ok(read.into())
    }
}
