//! `POST /v1/vector_stores/{id}/search`: the search of OpenAI's vector stores, after its public API
//! reference.
//!
//! 1. The page has the documented shape; attributes keep the documented limits.
//! 2. One query or several make one list, best first, each passage once, at most `max_num_results`.
//! 3. Comparison and compound filters, nested; `ranking_options.score_threshold`.
//! 4. Errors have the documented form, whoever refuses.

use reqwest::Method;
use serde_json::{Value, json};
use zhiku::retrieval::{Admission, MetadataField, MetadataFilter, SearchResponse, TextTest};

use crate::answer::sure_hit;
use crate::server::{FakeBackend, TestServer, empty_response, json_of, pension};

const PATH: &str = "/v1/vector_stores/all/search";

/// Passages 0, 1 and 2; for a query that names one of them, that one first.
fn ranked(query: &str) -> SearchResponse {
    let document = pension();
    let hits = (0..3).map(|at| {
        let mut passage = document.passages[0].clone();
        passage.ordinal = at;
        let is_named = query.contains(&at.to_string());
        sure_hit(
            &document,
            &passage,
            if is_named { 0.9 } else { 0.5 - 0.1 * at as f32 },
        )
    });
    let mut hits: Vec<_> = hits.collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    SearchResponse {
        hits,
        ..empty_response(query)
    }
}

async fn start() -> TestServer {
    TestServer::start(FakeBackend::answering(|request| Ok(ranked(&request.query)))).await
}

fn found(page: &Value) -> Vec<(String, f64)> {
    let data = page["data"].as_array().unwrap();
    data.iter()
        .map(|result| {
            let id = result["attributes"]["passage_id"].as_str().unwrap();
            let score = (result["score"].as_f64().unwrap() * 100.0).round() / 100.0;
            (id.rsplit('#').next().unwrap().to_owned(), score)
        })
        .collect()
}

fn expect(list: &[(&str, f64)]) -> Vec<(String, f64)> {
    list.iter()
        .map(|(id, score)| ((*id).to_owned(), *score))
        .collect()
}

#[tokio::test]
async fn the_page_has_the_documented_shape() {
    let server = start().await;
    let asked = json!({
        "query": "退休金", "max_num_results": 1, "rewrite_query": true,
        "ranking_options": {"ranker": "auto", "score_threshold": 0.1},
    });
    let request = server.request(Method::POST, PATH).json(&asked);
    let request = request.header("authorization", "Bearer sk-any");
    let response = request.header("openai-beta", "assistants=v2").send().await;
    let page = json_of(response.unwrap(), 200).await;
    insta::assert_json_snapshot!("vector_store_page", page);
}

#[tokio::test]
async fn attributes_keep_the_documented_limits() {
    let backend = FakeBackend::answering(|request| {
        let mut response = ranked(&request.query);
        for hit in &mut response.hits {
            hit.title = "长".repeat(600);
            hit.citation.page = Some(3);
            hit.citation.article = Some(39);
            let text = Some("有".to_owned());
            (hit.region, hit.level) = (text.clone(), text);
            let day = Some(jiff::civil::date(2026, 1, 2));
            (hit.effective_to, hit.published_at) = (day, day);
        }
        Ok(response)
    });
    let server = TestServer::start(backend).await;
    let page = json_of(server.post(PATH, json!({"query": "a"})).await, 200).await;
    let attributes = page["data"][0]["attributes"].as_object().unwrap();
    assert_eq!(attributes.len(), 16, "{attributes:?}");
    for (key, value) in attributes {
        assert!(key.len() <= 64);
        match value {
            Value::String(text) => assert!(text.chars().count() <= 512, "{key}"),
            Value::Number(_) => {}
            other => panic!("{key}: {other}"),
        }
    }
}

#[tokio::test]
async fn several_queries_make_one_list() {
    let server = start().await;
    let ask = async |asked: Value| found(&json_of(server.post(PATH, asked).await, 200).await);
    assert_eq!(
        ask(json!({"query": "退休金"})).await,
        expect(&[("p0", 0.5), ("p1", 0.4), ("p2", 0.3)])
    );
    let several = json!({"query": ["第2段", "第1段"]});
    assert_eq!(
        ask(several).await,
        expect(&[("p2", 0.9), ("p1", 0.9), ("p0", 0.5)])
    );
    let few = json!({"query": ["第2段", "第1段"], "max_num_results": 2});
    assert_eq!(ask(few).await, expect(&[("p2", 0.9), ("p1", 0.9)]));
    let likely = json!({"query": "退休金", "ranking_options": {"score_threshold": 0.4}});
    assert_eq!(ask(likely).await, expect(&[("p0", 0.5), ("p1", 0.4)]));
    let searches = server.backend.searches.lock().unwrap();
    let limits: Vec<usize> = searches.iter().map(|request| request.limit).collect();
    assert_eq!(limits[0], 10, "the documented default");
}

#[tokio::test]
async fn filters_are_filters_of_the_search() {
    use MetadataField as F;
    use TextTest as T;
    let server = start().await;
    let of = async |filter: Value| {
        server.backend.searches.lock().unwrap().clear();
        let asked = json!({"query": "退休金", "filters": filter});
        json_of(
            server
                .post("/v1/vector_stores/市人社局/search", asked)
                .await,
            200,
        )
        .await;
        let request = server.backend.searches.lock().unwrap()[0].clone();
        assert_eq!(request.filters.department, ["市人社局"]);
        assert_eq!(request.admission, Admission::InForce);
        request.filters.metadata
    };
    let has = |field, test| MetadataFilter::Any(vec![MetadataFilter::Has(field, test)]);
    let not = |filter| MetadataFilter::Not(Box::new(filter));
    let text = |text: &str| text.to_owned();
    for (kind, key, value, expected) in [
        ("eq", "kind", json!("faq"), has(F::Kind, T::Is(text("faq")))),
        (
            "ne",
            "kind",
            json!("faq"),
            not(has(F::Kind, T::Is(text("faq")))),
        ),
        (
            "gt",
            "published_at",
            json!(1_735_660_800.0),
            has(F::PublishedAt, T::Above(text("2025-01-01"))),
        ),
        (
            "gte",
            "published_at",
            json!("2025-01-01"),
            has(F::PublishedAt, T::AtLeast(text("2025-01-01"))),
        ),
        ("lt", "level", json!(2), has(F::Level, T::Below(text("2")))),
        (
            "lte",
            "level",
            json!(2.5),
            has(F::Level, T::AtMost(text("2.5"))),
        ),
        (
            "eq",
            "keywords",
            json!(true),
            has(F::Keyword, T::Is(text("true"))),
        ),
        (
            "in",
            "filename",
            json!(["a.md"]),
            has(F::Path, T::Is(text("a.md"))),
        ),
        (
            "nin",
            "file_id",
            json!(["a.md"]),
            not(has(F::DocumentId, T::Is(text("a.md")))),
        ),
    ] {
        let filter = json!({"type": kind, "key": key, "value": value});
        assert_eq!(of(filter.clone()).await, Some(expected), "{filter}");
    }
    let eq = |key: &str| json!({"type": "eq", "key": key, "value": "x"});
    let nested = json!({"type": "and", "filters": [
        eq("region"), {"type": "or", "filters": [eq("issuer"), eq("author")]},
    ]});
    let expected = MetadataFilter::All(vec![
        has(F::Region, T::Is(text("x"))),
        MetadataFilter::Any(vec![
            has(F::Issuer, T::Is(text("x"))),
            MetadataFilter::Any(vec![]),
        ]),
    ]);
    assert_eq!(of(nested).await, Some(expected));
    assert_eq!(of(Value::Null).await, None);
}

#[tokio::test]
async fn errors_have_the_documented_form() {
    let server = start().await;
    let error_of = async |path: &str, asked: Value, status: u16| {
        let answer = json_of(server.post(path, asked).await, status).await;
        let error = answer["error"].as_object().unwrap().clone();
        let keys: Vec<&String> = error.keys().collect();
        assert_eq!(keys, ["code", "message", "param", "type"]);
        Value::Object(error)
    };
    let mut deep = json!({"type": "eq", "key": "kind", "value": "faq"});
    for _ in 0..11 {
        deep = json!({"type": "or", "filters": [deep]});
    }
    for (asked, param, hint) in [
        (json!({}), Value::Null, "missing field `query`"),
        (json!({"query": []}), json!("query"), "1 to 10"),
        (json!({"query": vec!["a"; 11]}), json!("query"), "1 to 10"),
        (json!({"query": ["a", ""]}), json!("query"), "is empty"),
        (
            json!({"query": "a", "max_num_results": 51}),
            json!("max_num_results"),
            "1..=50",
        ),
        (
            json!({"query": "a", "max_num_results": 0}),
            json!("max_num_results"),
            "1..=50",
        ),
        (
            json!({"query": "a", "limit": 1}),
            json!("limit"),
            "unknown field",
        ),
        (
            json!({"query": "a", "ranking_options": {"score_threshold": -1}}),
            json!("ranking_options.score_threshold"),
            "0..=1",
        ),
        (
            json!({"query": "a", "ranking_options": {"ranker": "x"}}),
            json!("ranking_options.ranker"),
            "`auto`",
        ),
        (
            json!({"query": "a", "filters": {"type": "like", "key": "kind", "value": "x"}}),
            json!("filters.type"),
            "`nin`",
        ),
        (
            json!({"query": "a", "filters": {"type": "gt", "key": "published_at", "value": "x"}}),
            json!("filters.value"),
            "2026-11-20",
        ),
        (
            json!({"query": "a", "filters": deep}),
            Value::Null,
            "nested deeper than 10",
        ),
    ] {
        let error = error_of(PATH, asked.clone(), 400).await;
        assert_eq!(error["type"], "invalid_request_error", "{asked}: {error}");
        assert_eq!(error["code"], "invalid_field", "{asked}");
        if !param.is_null() {
            assert_eq!(error["param"], param, "{asked}: {error}");
        }
        assert!(
            error["message"].as_str().unwrap().contains(hint),
            "{asked}: {error}"
        );
    }
    assert!(server.backend.searches.lock().unwrap().is_empty());

    let nothing = TestServer::start(FakeBackend::default()).await;
    let response = nothing
        .post("/v1/vector_stores/没有此局/search", json!({"query": "a"}))
        .await;
    let error = json_of(response, 404).await["error"].clone();
    assert_eq!(
        (&error["code"], &error["type"]),
        (
            &json!("knowledge_not_found"),
            &json!("invalid_request_error")
        )
    );
    let error = error_of("/v1/vector_stores/%FF/search", json!({"query": "a"}), 404).await;
    assert_eq!(error["code"], "knowledge_not_found");
    let error = error_of("/v1/vector_stores/all/files", json!({}), 404).await;
    assert_eq!(error["code"], "no_such_route");
    let response = server.request(Method::GET, PATH).send().await.unwrap();
    assert_eq!(
        json_of(response, 405).await["error"]["code"],
        "method_not_allowed"
    );
    server.backend.status.lock().unwrap().ready = false;
    let error = error_of(PATH, json!({"query": "a"}), 503).await;
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("server_error"), &json!("not_ready"))
    );
}
