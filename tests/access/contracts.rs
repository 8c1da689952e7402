//! Interfaces that others defined refuse in their own form, and let no page of another origin in.

use reqwest::Method;
use serde_json::json;

use crate::server::{Answer, Server};
use crate::site::Site;

#[tokio::test]
async fn refusals_speak_the_form_of_the_contract() {
    let site = Site::new();
    site.configure("[access]\nanonymous = \"none\"\n");
    let server = Server::start_listening(&site, "http").await;
    let token = site.create_key("agent", None, None);
    let asks = |path: &str, header: Option<&str>| {
        let body = json!({
            "knowledge_id": "all", "query": "居住证补贴", "retrieval_setting": {"top_k": 1},
        });
        let request = server.request(Method::POST, path);
        match header {
            Some(header) => request.header("authorization", header).json(&body),
            None => request.json(&body),
        }
    };
    for (header, code) in [
        (None, 1001),
        (Some("Basic dXNlcg=="), 1001),
        (Some("Bearer"), 1001),
        (Some("Bearer zk_wrong"), 1002),
    ] {
        let answer = Answer::of(asks("/v1/dify/retrieval", header)).await;
        assert_eq!(answer.status, 403, "{header:?}: {answer:?}");
        assert_eq!(answer.json()["error_code"], code, "{header:?}: {answer:?}");
    }
    for header in [None, Some("Bearer zk_wrong")] {
        let answer = Answer::of(asks("/v1/vector_stores/all/search", header)).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
    }
    let bearer = format!("Bearer {token}");
    let answer = Answer::of(asks("/v1/dify/retrieval", Some(&bearer))).await;
    // The index may still be built: whoever may ask is told so.
    assert!([200, 503].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_whatever_key_they_have() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let token = site.create_key("agent", None, None);
    for (origin, expected) in [
        (None, 200),
        (Some("http://localhost:5173"), 200),
        (Some("http://127.0.0.1"), 200),
        (Some("https://evil.example"), 403),
        (Some("https://localhost.evil.example"), 403),
        (Some("null"), 403),
    ] {
        let mut request = server
            .request(Method::POST, "/mcp")
            .bearer_auth(&token)
            .header("host", "rebound.example")
            .header("accept", "application/json, text/event-stream")
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, expected, "{origin:?}: {answer:?}");
    }
}
