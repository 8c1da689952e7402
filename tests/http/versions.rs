//! `GET /v1/documents/{id}/versions`, `…/versions/{n}` and `…/diff`
//!
//! 1. The states of a document are listed newest first, and each is read as it was.
//! 2. Two states are compared passage by passage and key by key; equal texts come when asked for.
//! 3. What the audience may not see does not exist, nor does a number that was never given.
//! 4. A document whose id ends like one of these routes comes first.
//! 5. A wrong parameter is named.

use zhiku::config::Config;
use zhiku::document::Audience;

use crate::server::{
    FakeBackend, TestServer, internal_note, json_of, pension, problem_of, version,
};

const PENSION: &str = "/v1/documents/人社局/养老金.md";

#[tokio::test]
async fn versions_are_listed_and_read() {
    let server = TestServer::start(FakeBackend::default()).await;
    let list = json_of(server.get(&format!("{PENSION}/versions")).await, 200).await;
    insta::assert_json_snapshot!("versions", list);
    let first = json_of(server.get(&format!("{PENSION}/versions/1")).await, 200).await;
    insta::assert_json_snapshot!("version", first);
}

#[tokio::test]
async fn versions_are_compared() {
    let server = TestServer::start(FakeBackend::default()).await;
    let diff = json_of(
        server.get(&format!("{PENSION}/diff?from=1&to=2")).await,
        200,
    )
    .await;
    insta::assert_json_snapshot!("diff", diff);

    let path = format!("{PENSION}/diff?from=2&to=2");
    let same = json_of(server.get(&path).await, 200).await;
    let expected = serde_json::json!([
        {"change": "same", "heading": ["一、发放"], "from": null, "to": null}
    ]);
    assert_eq!(same["changes"], expected);
    assert_eq!(same["metadata"], serde_json::json!([]));
    let all = json_of(server.get(&format!("{path}&all=true")).await, 200).await;
    for side in ["from", "to"] {
        assert_eq!(all["changes"][0][side]["text"], pension().text);
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_for_the_caller_is_not_found() {
    let backend = || FakeBackend {
        versions: vec![version(2, &pension()), version(1, &internal_note())],
        ..FakeBackend::default()
    };
    let note = "/v1/documents/人社局/内部%232";
    let server = TestServer::start(backend()).await;
    for path in [
        format!("{PENSION}/versions/1"),
        format!("{PENSION}/versions/0"),
        format!("{PENSION}/versions/99999999999999"),
        format!("{PENSION}/versions/x"),
        format!("{PENSION}/diff?from=1&to=2"),
        "/v1/documents/没有.md/versions".to_owned(),
        "/v1/documents/没有.md/diff?from=1&to=2".to_owned(),
        format!("{note}/versions"),
        format!("{note}/versions/1"),
        format!("{note}/diff?from=1&to=1"),
        "/v1/documents/versions".to_owned(),
    ] {
        problem_of(server.get(&path).await, 404, "document_not_found").await;
    }
    let internal = |config: &mut Config| config.server.audience = Audience::Internal;
    let server = TestServer::start_with(backend(), internal).await;
    for end in ["versions", "versions/1", "diff?from=1&to=1"] {
        let response = server.get(&format!("{note}/{end}")).await;
        assert_eq!(response.status(), 200, "{end}");
    }
}

#[tokio::test]
async fn a_document_comes_before_a_route() {
    let mut odd = pension();
    odd.id = format!("{}/versions", pension().id);
    let backend = FakeBackend {
        documents: vec![pension(), odd.clone()],
        versions: vec![version(2, &pension()), version(1, &odd)],
        ..FakeBackend::default()
    };
    let server = TestServer::start(backend).await;
    for path in ["versions", "%2Fversions"].map(|end| match end.starts_with('%') {
        true => format!("{PENSION}{end}"),
        false => format!("{PENSION}/{end}"),
    }) {
        let body = json_of(server.get(&path).await, 200).await;
        assert_eq!(body["id"], odd.id, "{path}");
    }
    let versions = json_of(
        server.get(&format!("{PENSION}/versions/versions")).await,
        200,
    )
    .await;
    assert_eq!(versions["document_id"], odd.id);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let server = TestServer::start(FakeBackend::default()).await;
    for (query, field) in [
        ("", "from"),
        ("?from=1", "to"),
        ("?from=0&to=2", "from"),
        ("?from=1&to=zwei", "to"),
        ("?from=1&to=2&all=yes", "all"),
        ("?from=1&too=2", "too"),
    ] {
        let response = server.get(&format!("{PENSION}/diff{query}")).await;
        let problem = problem_of(response, 400, "invalid_field").await;
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
}
