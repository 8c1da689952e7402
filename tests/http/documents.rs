//! `GET /v1/documents`, `/v1/documents/{id}` and `/v1/documents/{id}/original`
//!
//! 1. A list has pages, conditions and a total; a wrong parameter is named.
//! 2. A document has the documented shape, under its id as it stands or percent-encoded.
//! 3. What the audience may not see does not exist, in no route.
//! 4. An original is the file that was indexed, byte for byte, or nothing; a browser may not run it.

use reqwest::Method;
use zhiku::config::Config;
use zhiku::document::{Audience, Kind};
use zhiku::http::DocumentQuery;

use crate::server::{FakeBackend, TestServer, internal_note, json_of, pension, problem_of};

fn as_internal(config: &mut Config) {
    config.server.audience = Audience::Internal;
}

#[tokio::test]
async fn a_list_has_pages() {
    let server = TestServer::start_with(FakeBackend::default(), as_internal).await;
    let body = json_of(server.get("/v1/documents?offset=1&limit=1").await, 200).await;
    insta::assert_json_snapshot!("document_list", body);
}

#[tokio::test]
async fn conditions_reach_the_backend() {
    let server = TestServer::start(FakeBackend::default()).await;
    let path = "/v1/documents?department=%E5%B8%82%E4%BA%BA%E7%A4%BE%E5%B1%80&kind=faq&kind=policy&q=%E5%85%BB%E8%80%81&offset=40&limit=100";
    json_of(server.get(path).await, 200).await;
    json_of(server.get("/v1/documents").await, 200).await;
    let listings = server.backend.listings.lock().unwrap();
    let expected = DocumentQuery {
        department: vec!["市人社局".to_owned()],
        kind: vec![Kind::Faq, Kind::Policy],
        text: Some("养老".to_owned()),
        sight: Audience::Agent.into(),
        offset: 40,
        limit: 100,
    };
    assert_eq!(listings[0], expected);
    let plain = DocumentQuery {
        sight: Audience::Agent.into(),
        limit: 20,
        ..DocumentQuery::default()
    };
    assert_eq!(listings[1], plain);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let server = TestServer::start(FakeBackend::default()).await;
    let cases = [
        ("limit=0", "limit", "1..=100"),
        ("limit=101", "limit", "1..=100"),
        ("offset=-1", "offset", "0.."),
        ("offset=99999999999999999999999", "offset", "0.."),
        ("kind=memo", "kind", "policy (政策)"),
        ("ofset=1", "ofset", "did you mean `offset`?"),
        ("sort=title", "sort", "known here"),
    ];
    for (query, field, hint) in cases {
        let response = server.get(&format!("/v1/documents?{query}")).await;
        let problem = problem_of(response, 400, "invalid_field").await;
        assert_eq!(problem["field"], field, "{query}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(hint),
            "{query}: {problem}"
        );
    }
}

#[tokio::test]
async fn a_document_has_the_documented_shape() {
    let server = TestServer::start(FakeBackend::default()).await;
    let body = json_of(server.get("/v1/documents/人社局/养老金.md").await, 200).await;
    insta::assert_json_snapshot!("document", body);
    let encoded = "/v1/documents/%E4%BA%BA%E7%A4%BE%E5%B1%80%2F%E5%85%BB%E8%80%81%E9%87%91.md";
    assert_eq!(json_of(server.get(encoded).await, 200).await, body);
}

#[tokio::test]
async fn unknown_documents_are_not_found() {
    let server = TestServer::start(FakeBackend::default()).await;
    let paths = [
        "人社局/没有.md",
        "人社局/没有.md/original",
        "original",
        "..%2F..%2Fetc%2Fpasswd",
        "..%2F..%2Fetc%2Fpasswd/original",
        "a%00b",
        "%FF%FE",
    ];
    for path in paths {
        let response = server.get(&format!("/v1/documents/{path}")).await;
        problem_of(response, 404, "document_not_found").await;
    }
}

#[tokio::test]
async fn what_the_audience_may_not_see_does_not_exist() {
    let paths = [
        "/v1/documents/人社局/内部%232",
        "/v1/documents/人社局/内部%232/original",
    ];
    let server = TestServer::start(FakeBackend::default()).await;
    for path in paths {
        problem_of(server.get(path).await, 404, "document_not_found").await;
    }
    let list = json_of(server.get("/v1/documents").await, 200).await;
    assert_eq!(list["total"], 1);

    let server = TestServer::start_with(FakeBackend::default(), as_internal).await;
    for path in paths {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn an_id_may_end_like_the_route_of_originals() {
    let mut odd = pension();
    odd.id = "人社局/original".to_owned();
    let backend = FakeBackend {
        documents: vec![odd],
        ..FakeBackend::default()
    };
    let server = TestServer::start(backend).await;
    let body = json_of(server.get("/v1/documents/人社局%2Foriginal").await, 200).await;
    assert_eq!(body["id"], "人社局/original");
    problem_of(
        server.get("/v1/documents/人社局/original").await,
        404,
        "document_not_found",
    )
    .await;
    let original = server.get("/v1/documents/人社局%2Foriginal/original").await;
    assert_eq!(original.text().await.unwrap(), pension().text);
}

#[tokio::test]
async fn an_original_is_the_file_and_harmless_in_a_browser() {
    let server = TestServer::start(FakeBackend::default()).await;
    let response = server.get("/v1/documents/人社局/养老金.md/original").await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    let disposition = headers["content-disposition"].to_str().unwrap();
    assert!(
        disposition.ends_with("filename*=UTF-8''%E5%85%BB%E8%80%81%E9%87%91.md"),
        "{disposition}"
    );
    assert_eq!(headers["etag"], format!("\"{}\"", pension().content_hash));
    assert_eq!(response.text().await.unwrap(), pension().text);
}

#[tokio::test]
async fn a_changed_or_missing_file_is_not_served() {
    let server = TestServer::start(FakeBackend::default()).await;
    let path = server.corpus.path().join(pension().path);
    let route = "/v1/documents/人社局/养老金.md/original";
    std::fs::write(&path, "改过的内容").unwrap();
    problem_of(server.get(route).await, 409, "original_changed").await;
    std::fs::remove_file(&path).unwrap();
    problem_of(server.get(route).await, 409, "original_changed").await;
    std::fs::create_dir(&path).unwrap();
    problem_of(server.get(route).await, 409, "original_changed").await;
}

#[tokio::test]
async fn nothing_outside_the_corpus_is_served() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.md");
    // The same bytes as the indexed file: only the place tells them apart.
    std::fs::write(&secret, pension().text).unwrap();

    let server = TestServer::start(FakeBackend::default()).await;
    let path = server.corpus.path().join(pension().path);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&secret, &path).unwrap();
    let route = "/v1/documents/人社局/养老金.md/original";
    problem_of(server.get(route).await, 409, "original_changed").await;

    let mut stray = pension();
    stray.path = secret.to_str().unwrap().to_owned();
    let backend = FakeBackend {
        documents: vec![stray],
        ..FakeBackend::default()
    };
    let server = TestServer::start(backend).await;
    problem_of(server.get(route).await, 409, "original_changed").await;
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_not_served() {
    let small = |config: &mut Config| {
        config.server.audience = Audience::Internal;
        config.limits.max_file_bytes = internal_note().text.len() as u64;
    };
    let server = TestServer::start_with(FakeBackend::default(), small).await;
    assert_eq!(
        server
            .get("/v1/documents/人社局/内部%232/original")
            .await
            .status(),
        200
    );
    let longer = server.get("/v1/documents/人社局/养老金.md/original").await;
    problem_of(longer, 409, "original_changed").await;
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let server = TestServer::start(FakeBackend::default()).await;
    let route = "/v1/documents/人社局/养老金.md/original";
    let response = server.request(Method::HEAD, route).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-length"],
        pension().text.len().to_string()
    );
    assert_eq!(response.text().await.unwrap(), "");
}
