//! `POST /v1/search`
//!
//! 1. An answer has the documented shape; its spans count characters; counts keep their order.
//! 2. A request reaches the backend as it was asked, with the configured audience and a deadline;
//!    what is left out has its default.
//! 3. A request that cannot be answered is refused with the field and what would be right.
//! 4. An answer comes from `min_generation` or later, or not at all.
//! 5. A fault of ours says nothing about itself, and the server goes on.

use std::time::Instant;

use serde_json::{Value, json};
use zhiku::document::{Audience, ByteSpan, Kind, Validity};
use zhiku::retrieval::{
    Admission, AlsoIn, Citation, Contributions, Degraded, Facets, Filters, Group, Hit, Mode,
    QueryReading, RelatedDocument, SearchError, SearchResponse,
};

use crate::server::{FakeBackend, TestServer, empty_response, json_of, pension, problem_of};

/// An answer that uses every field.
fn full_response() -> SearchResponse {
    let document = pension();
    let span_of = |part: &str| {
        let start = document.text.find(part).unwrap();
        ByteSpan::new(start, start + part.len())
    };
    let hit = Hit {
        document_id: document.id.clone(),
        passage_id: format!("{}#p0", document.id),
        title: document.title.clone(),
        heading: vec!["一、发放".to_owned()],
        kind: Some(Kind::Faq),
        text: document.text.clone(),
        highlights: vec![span_of("退休金"), span_of("15日"), span_of("社保卡")],
        answer: document.passages[0].answer,
        score: 0.83,
        contributions: Contributions {
            lexical: 0.4,
            vector: 0.43,
            reference: 0.0,
            document: 0.0,
            question: 0.0,
            learned: 0.0,
        },
        confidence: Some(0.91),
        signals: None,
        is_entry: false,
        level: None,
        phones: Vec::new(),
        validity: Validity::InForce,
        replaced_by: vec![RelatedDocument {
            document_id: "人社局/养老金2027.md".to_owned(),
            title: "养老金发放".to_owned(),
            doc_no: Some("云人社规〔2026〕8号".to_owned()),
            effective_from: Some(jiff::civil::date(2027, 1, 1)),
        }],
        is_stale: false,
        is_learned: false,
        effective_from: Some(jiff::civil::date(2025, 1, 1)),
        effective_to: None,
        published_at: None,
        department: Some("市人社局".to_owned()),
        region: None,
        issuer: None,
        doc_no: None,
        citation: Citation {
            path: document.path.clone(),
            page: None,
            row: Some(2),
            article: None,
            char_start: 0,
            char_end: 25,
            content_hash: "1f".repeat(32),
        },
        also_in: vec![AlsoIn {
            document_id: "医保局/问答.csv#7".to_owned(),
            title: "退休待遇".to_owned(),
        }],
        explanation: None,
    };
    let count = |name: &str, n| (name.to_owned(), n);
    SearchResponse {
        generation: 118,
        asked: Vec::new(),
        degraded: vec![Degraded::VectorTimeout],
        reading: QueryReading {
            normalised: "退休金怎么领".to_owned(),
            heard_as: None,
            terms: vec!["退休金".to_owned(), "领".to_owned()],
            references: vec!["云人社规〔2024〕3号".to_owned()],
        },
        hits: vec![hit],
        facets: Facets {
            department: vec![count("市人社局", 3), count("市医保局", 1)],
            kind: vec![count("guide", 2), count("faq", 1)],
            topic_business: vec![count("社保", 4)],
            ..Facets::default()
        },
    }
}

#[tokio::test]
async fn an_answer_has_the_documented_shape() {
    let server = TestServer::start(FakeBackend::answering(|_| Ok(full_response()))).await;
    let mut body = json_of(server.ask().await, 200).await;
    let took_ms = body["took_ms"].take();
    assert!(
        took_ms.as_f64().is_some_and(|ms| ms >= 0.0),
        "took_ms is {took_ms}"
    );
    insta::assert_json_snapshot!("search_answer", body);
}

#[tokio::test]
async fn spans_count_characters() {
    let server = TestServer::start(FakeBackend::answering(|_| Ok(full_response()))).await;
    let body = json_of(server.ask().await, 200).await;
    let hit = &body["hits"][0];
    let chars: Vec<char> = hit["text"].as_str().unwrap().chars().collect();
    let text_of = |span: &Value| -> String {
        let at = |key: &str| span[key].as_u64().unwrap() as usize;
        chars[at("start")..at("end")].iter().collect()
    };
    let highlights: Vec<String> = hit["highlights"]
        .as_array()
        .unwrap()
        .iter()
        .map(text_of)
        .collect();
    assert_eq!(highlights, ["退休金", "15日", "社保卡"]);
    assert_eq!(text_of(&hit["answer"]), "每月15日发放到社保卡。");
}

#[tokio::test]
async fn counts_keep_their_order() {
    let server = TestServer::start(FakeBackend::answering(|_| Ok(full_response()))).await;
    let text = server.ask().await.text().await.unwrap();
    assert!(text.contains(r#""kind":{"guide":2,"faq":1}"#), "{text}");
}

#[tokio::test]
async fn an_explanation_is_given_when_there_is_one() {
    let explained = |request: &zhiku::retrieval::SearchRequest| {
        let mut response = full_response();
        response.hits[0].explanation = request.explain.then(|| "0.6·0.67 + 0.4·1".to_owned());
        Ok(response)
    };
    let server = TestServer::start(FakeBackend::answering(explained)).await;
    let body = json_of(
        server.search(json!({"query": "a", "explain": true})).await,
        200,
    )
    .await;
    assert_eq!(body["hits"][0]["explanation"], "0.6·0.67 + 0.4·1");
    let body = json_of(server.search(json!({"query": "a"})).await, 200).await;
    assert_eq!(body["hits"][0].get("explanation"), None);
}

#[tokio::test]
async fn a_request_reaches_the_backend_as_asked() {
    let server = TestServer::start(FakeBackend::default()).await;
    let asked = json!({
        "query": " 退休金 ", "limit": 100, "mode": "lexical", "as_of": "2026-02-28",
        "include_invalid": true, "group": "none", "explain": true, "min_generation": 118,
        "filters": {
            "department": ["市人社局", "市医保局"], "kind": ["faq", "政策"], "region": ["云溪市"],
            "topics": {"business": ["社保"], "question": ["咨询"], "object": ["老年人"]},
            "document_id": ["人社局/养老金.md"],
        },
    });
    let before = Instant::now();
    json_of(server.search(asked).await, 200).await;
    let searches = server.backend.searches.lock().unwrap();
    let request = &searches[0];
    let texts = |given: &[&str]| -> Vec<String> { given.iter().map(|s| s.to_string()).collect() };
    assert_eq!(request.query, " 退休金 ", "the text is not touched");
    assert_eq!(
        (request.limit, request.mode, request.group),
        (100, Mode::Lexical, Group::None)
    );
    assert_eq!(request.as_of, Some(jiff::civil::date(2026, 2, 28)));
    assert!(request.admission == Admission::Any && request.explain);
    assert!(request.deadline.unwrap() > before);
    let expected = Filters {
        department: texts(&["市人社局", "市医保局"]),
        kind: vec![Kind::Faq, Kind::Policy],
        region: texts(&["云溪市"]),
        topic_question: texts(&["咨询"]),
        topic_business: texts(&["社保"]),
        topic_object: texts(&["老年人"]),
        document_id: texts(&["人社局/养老金.md"]),
        metadata: None,
    };
    assert_eq!(request.filters, expected);
}

#[tokio::test]
async fn left_out_fields_have_their_defaults() {
    let server = TestServer::start(FakeBackend::default()).await;
    json_of(server.ask().await, 200).await;
    let searches = server.backend.searches.lock().unwrap();
    let request = &searches[0];
    assert_eq!(
        (request.limit, request.mode, request.group),
        (10, Mode::Hybrid, Group::Document)
    );
    assert_eq!(
        (request.as_of, &request.filters),
        (None, &Filters::default())
    );
    assert!(request.admission == Admission::InForce && !request.explain);
    assert_eq!(request.sight.audience, Audience::Agent);
}

#[tokio::test]
async fn the_audience_is_the_configured_one() {
    let public = |config: &mut zhiku::config::Config| config.server.audience = Audience::Public;
    let server = TestServer::start_with(FakeBackend::default(), public).await;
    json_of(server.ask().await, 200).await;
    assert_eq!(
        server.backend.searches.lock().unwrap()[0].sight.audience,
        Audience::Public
    );
}

#[tokio::test]
async fn long_letters_are_queries_too() {
    let server = TestServer::start(FakeBackend::default()).await;
    json_of(
        server.search(json!({"query": "信".repeat(4_000)})).await,
        200,
    )
    .await;
    let response = server.search(json!({"query": "信".repeat(4_001)})).await;
    let problem = problem_of(response, 400, "invalid_field").await;
    assert_eq!(problem["field"], "query");
    assert!(
        problem["detail"].as_str().unwrap().contains("4001"),
        "{problem}"
    );
}

#[tokio::test]
async fn refusals_name_the_field_and_what_would_be_right() {
    let server = TestServer::start(FakeBackend::default()).await;
    let many = vec!["x"; 1_001];
    let cases = [
        (
            json!({"query": "a", "limt": 5}),
            "limt",
            "did you mean `limit`?",
        ),
        (
            json!({"query": "a", "filters": {"kinds": []}}),
            "filters.kinds",
            "`kind`",
        ),
        (
            json!({"query": "a", "filters": {"topics": {"busines": []}}}),
            "filters.topics.busines",
            "`business`",
        ),
        (
            json!({"query": "a", "limit": "5"}),
            "limit",
            "expected usize",
        ),
        (json!({"query": "a", "limit": 0}), "limit", "1..=100"),
        (json!({"query": "a", "limit": 101}), "limit", "1..=100"),
        (
            json!({"query": "a", "limit": -1}),
            "limit",
            "expected usize",
        ),
        (json!({"query": 7}), "query", "expected a string"),
        (json!({"query": " \n"}), "query", "empty"),
        (
            json!({"query": "a", "mode": "hybird"}),
            "mode",
            "did you mean `hybrid`?",
        ),
        (
            json!({"query": "a", "group": "passage"}),
            "group",
            "`document`",
        ),
        (
            json!({"query": "a", "filters": {"kind": ["polcy"]}}),
            "filters.kind",
            "policy (政策)",
        ),
        (
            json!({"query": "a", "filters": {"department": "市人社局"}}),
            "filters.department",
            "sequence",
        ),
        (
            json!({"query": "a", "filters": {"region": many}}),
            "filters.region",
            "at most 1000",
        ),
        (
            json!({"query": "a", "as_of": "2026-13-01"}),
            "as_of",
            "2026-11-20",
        ),
        (
            json!({"query": "a", "as_of": "2026-11-20T10:00"}),
            "as_of",
            "2026-11-20",
        ),
        (
            json!({"query": "a", "min_generation": -1}),
            "min_generation",
            "u64",
        ),
        (json!({}), "", "missing field `query`"),
        (json!([]), "", "expected an object"),
        (json!("退休金"), "", "expected an object"),
    ];
    for (body, field, hint) in cases {
        let problem = problem_of(server.search(body.clone()).await, 400, "invalid_field").await;
        assert_eq!(
            problem["field"].as_str().unwrap_or_default(),
            field,
            "{body}: {problem}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(hint),
            "{body}: {problem}"
        );
    }
    assert!(
        server.backend.searches.lock().unwrap().is_empty(),
        "none of them was asked"
    );
}

#[tokio::test]
async fn limits_of_the_backend_are_the_callers_mistakes_too() {
    let refusing = |_: &_| {
        let reason = "needs a model for `vector`".to_owned();
        Err(SearchError::Request {
            field: "mode",
            reason,
        })
    };
    let server = TestServer::start(FakeBackend::answering(refusing)).await;
    let problem = problem_of(server.ask().await, 400, "invalid_field").await;
    assert_eq!(problem["field"], "mode");
    assert_eq!(problem["detail"], "needs a model for `vector`");
}

#[tokio::test]
async fn an_older_generation_does_not_answer() {
    let server = TestServer::start(FakeBackend::default()).await;
    let ask = async || {
        server
            .search(json!({"query": "a", "min_generation": 119}))
            .await
    };
    let response = ask().await;
    assert_eq!(response.headers()["retry-after"], "1");
    problem_of(response, 409, "generation_not_reached").await;
    server.backend.status.lock().unwrap().generation = 119;
    json_of(ask().await, 200).await;
}

#[tokio::test]
async fn nothing_is_answered_before_the_first_generation() {
    let server = TestServer::start(FakeBackend::default()).await;
    server.backend.status.lock().unwrap().ready = false;
    let response = server.ask().await;
    assert!(response.headers().contains_key("retry-after"));
    problem_of(response, 503, "not_ready").await;
}

#[tokio::test]
async fn faults_of_ours_say_nothing_about_themselves() {
    let failing = |request: &zhiku::retrieval::SearchRequest| match request.query.as_str() {
        "fail" => Err(SearchError::Index(
            "segment 7 of /secret is gone".to_owned(),
        )),
        "panic" => panic!("the panic of this test"),
        query => Ok(empty_response(query)),
    };
    let server = TestServer::start(FakeBackend::answering(failing)).await;
    for query in ["fail", "panic"] {
        let problem = problem_of(
            server.search(json!({"query": query})).await,
            500,
            "internal",
        )
        .await;
        let text = problem.to_string();
        assert!(
            !text.contains("segment") && !text.contains("panic"),
            "{query}: {text}"
        );
    }
    json_of(server.ask().await, 200).await;
}

#[tokio::test]
async fn what_a_query_was_heard_as_is_said() {
    let server = TestServer::start(FakeBackend::answering(|_| {
        let mut response = full_response();
        response.reading.heard_as = Some("退休金怎么领".to_owned());
        Ok(response)
    }))
    .await;
    let body = json_of(server.ask().await, 200).await;
    assert_eq!(body["query"]["heard_as"], "退休金怎么领");
    let server = TestServer::start(FakeBackend::answering(|_| Ok(full_response()))).await;
    let body = json_of(server.ask().await, 200).await;
    assert_eq!(body["query"].get("heard_as"), None);
}
