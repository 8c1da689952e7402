//! What describes and shows the interface.
//!
//! 1. The description at `/openapi.json` lists exactly the routes there are, and each answers.
//! 2. Every schema that the description refers to is in it.
//! 3. `/docs` and `/` load nothing from elsewhere; `/` never makes markup of a document's text.
//! 4. `/healthz`, `/readyz` and `/metrics` say how the server is.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::server::{FakeBackend, TestServer, json_of, problem_of};

async fn description(server: &TestServer) -> Value {
    json_of(server.get("/openapi.json").await, 200).await
}

#[tokio::test]
async fn the_description_lists_the_routes() {
    let server = TestServer::start(FakeBackend::default()).await;
    let description = description(&server).await;
    let mut listed = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            listed.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let expected = [
        "GET /healthz",
        "POST /mcp",
        "GET /metrics",
        "GET /readyz",
        "POST /v1/answer",
        "DELETE /v1/calls/{id}",
        "GET /v1/calls/{id}",
        "POST /v1/calls/{id}/end",
        "GET /v1/calls/{id}/events",
        "GET /v1/calls/{id}/export",
        "POST /v1/calls/{id}/feedback",
        "GET /v1/calls/{id}/related",
        "POST /v1/calls/{id}/utterances",
        "GET /v1/calls/{id}/ws",
        "GET /v1/changes",
        "POST /v1/dify/retrieval",
        "GET /v1/documents",
        "GET /v1/documents/{id}",
        "GET /v1/documents/{id}/diff",
        "GET /v1/documents/{id}/original",
        "GET /v1/documents/{id}/versions",
        "GET /v1/documents/{id}/versions/{version}",
        "GET /v1/learned",
        "POST /v1/learned",
        "POST /v1/reindex",
        "GET /v1/reports/gaps",
        "GET /v1/reports/trending",
        "GET /v1/reports/usage",
        "POST /v1/search",
        "POST /v1/vector_stores/{id}/search",
    ];
    assert_eq!(listed, expected);
    // Calls come and go: their tests go through every route.
    for operation in listed.iter().filter(|listed| !listed.contains("/calls/")) {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path
            .replace("stores/{id}", "stores/all")
            .replace("{id}", "人社局/养老金.md")
            .replace("{version}", "1")
            .replace("/diff", "/diff?from=1&to=2");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = match path.as_str() {
            "/v1/reindex" => serde_json::json!({"path": null}),
            "/mcp" => serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
            "/v1/dify/retrieval" => serde_json::json!({
                "knowledge_id": "all", "query": "退休金", "retrieval_setting": {"top_k": 1},
            }),
            "/v1/learned" => serde_json::json!({"document_id": "人社局/养老金.md", "counts": true}),
            _ => serde_json::json!({"query": "退休金"}),
        };
        let request = server
            .request(method, &path)
            .header("accept", "application/json, text/event-stream");
        let response = request.json(&body).send().await;
        assert!(response.unwrap().status().is_success(), "{operation}");
    }
}

#[tokio::test]
async fn the_description_is_complete() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    found.insert(target.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let server = TestServer::start(FakeBackend::default()).await;
    let description = description(&server).await;
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(
        found.contains("#/components/schemas/SearchReply"),
        "{found:?}"
    );
    for target in found {
        let pointer = target.trim_start_matches('#');
        assert!(
            description.pointer(pointer).is_some(),
            "{target} is missing"
        );
    }
    let topics = description
        .pointer("/components/schemas/TopicFilters/properties")
        .unwrap();
    assert_eq!(topics.as_object().unwrap().len(), 3, "{topics}");
}

#[tokio::test]
async fn the_documentation_is_in_the_binary() {
    let server = TestServer::start(FakeBackend::default()).await;
    let page = server.get("/docs/").await.text().await.unwrap();
    assert!(
        !page.contains("https://") && !page.contains("src=\"//"),
        "{page}"
    );
    for file in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        assert!(page.contains(file), "{page}");
        assert_eq!(
            server.get(&format!("/docs/{file}")).await.status(),
            200,
            "{file}"
        );
    }
    let start = server
        .get("/docs/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(start.contains("/openapi.json"), "{start}");
}

#[tokio::test]
async fn the_page_is_self_contained() {
    let server = TestServer::start(FakeBackend::default()).await;
    let response = server.get("/").await;
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = response.text().await.unwrap();
    assert!(page.contains("知库") && page.contains("/v1/search") && page.contains("/docs"));
    for forbidden in [
        "http://",
        "https://",
        "innerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
    ] {
        assert!(!page.contains(forbidden), "the page contains {forbidden}");
    }
}

#[tokio::test]
async fn operators_see_how_the_server_is() {
    let server = TestServer::start(FakeBackend::default()).await;
    server.backend.status.lock().unwrap().ready = false;
    json_of(server.get("/healthz").await, 200).await;
    problem_of(server.get("/readyz").await, 503, "not_ready").await;
    server.backend.status.lock().unwrap().ready = true;
    let ready = json_of(server.get("/readyz").await, 200).await;
    insta::assert_json_snapshot!("ready", ready);

    json_of(server.ask().await, 200).await;
    server.get("/v1/documents/人社局/养老金.md").await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "zhiku_http_requests_total{route=\"/v1/search\",method=\"POST\",status=\"200\"}",
        "zhiku_http_requests_total{route=\"/v1/documents/{*id}\",method=\"GET\",status=\"200\"}",
        "zhiku_search_seconds_count{mode=\"hybrid\"}",
        "zhiku_generation 118",
        "zhiku_documents 3",
        "zhiku_passages 5",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    assert!(!metrics.contains("养老金"), "a path is a metric");
}
