//! `POST /v1/dify/retrieval`: Dify's External Knowledge API, after its public documentation
//! (docs.dify.ai, use-dify/knowledge/external-knowledge-api).
//!
//! 1. The request and the response of the documentation; `metadata` is always an object, and what is
//!    sent besides is not refused.
//! 2. Scores are probabilities: `score_threshold` leaves out what is less likely, `top_k` bounds.
//! 3. Errors have the documented form: 1001 for another header than `Bearer KEY`, 2001 for a knowledge
//!    base that is not there for the caller; the check by which Dify tries an endpoint passes.

use reqwest::Method;
use serde_json::{Value, json};
use zhiku::document::Audience;
use zhiku::retrieval::{Admission, Group, SearchResponse};

use crate::answer::sure_hit;
use crate::server::{FakeBackend, TestServer, empty_response, internal_note, json_of, pension};

pub const PATH: &str = "/v1/dify/retrieval";

/// A request with a condition.
pub fn body(condition: Value) -> Value {
    json!({
        "knowledge_id": "all", "query": "退休金怎么领",
        "retrieval_setting": {"top_k": 2, "score_threshold": 0.0},
        "metadata_condition": condition,
    })
}

/// Three hits of these probabilities.
fn of_confidences(query: &str, confidences: &[Option<f32>]) -> SearchResponse {
    let document = pension();
    let hits = (0..).zip(confidences).map(|(at, confidence)| {
        let mut passage = document.passages[0].clone();
        passage.ordinal = at;
        let mut hit = sure_hit(&document, &passage, 0.3);
        hit.confidence = *confidence;
        hit
    });
    SearchResponse {
        hits: hits.collect(),
        ..empty_response(query)
    }
}

fn probable() -> FakeBackend {
    FakeBackend::answering(|request| {
        Ok(of_confidences(
            &request.query,
            &[Some(0.9), Some(0.2), None],
        ))
    })
}

async fn error_of(server: &TestServer, body: Value, status: u16) -> (i64, String) {
    let answer = json_of(server.post(PATH, body).await, status).await;
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error_code", "error_msg"]);
    let text = answer["error_msg"].as_str().unwrap().to_owned();
    (answer["error_code"].as_i64().unwrap(), text)
}

#[tokio::test]
async fn the_documented_request_has_the_documented_response() {
    let server = TestServer::start(probable()).await;
    let asked = json!({
        "knowledge_id": "all", "query": "退休金怎么领",
        "retrieval_setting": {"top_k": 2, "score_threshold": 0.5, "some_day": true},
        "metadata_condition": null, "some_day": {"more": 1},
    });
    let request = server.request(Method::POST, PATH).json(&asked);
    let response = request.header("authorization", "Bearer key").send().await;
    let answer = json_of(response.unwrap(), 200).await;
    insta::assert_json_snapshot!("dify_records", answer);
    let searches = server.backend.searches.lock().unwrap();
    let request = &searches[0];
    assert_eq!(request.query, "退休金怎么领");
    assert_eq!(request.sight, Audience::Agent.into());
    assert_eq!(
        (request.group, request.admission),
        (Group::None, Admission::InForce)
    );
    assert!(request.filters.department.is_empty() && request.filters.metadata.is_none());
    assert!(request.deadline.is_some());
}

#[tokio::test]
async fn no_match_is_an_empty_list() {
    let server = TestServer::start(FakeBackend::default()).await;
    let answer = json_of(server.post(PATH, body(Value::Null)).await, 200).await;
    assert_eq!(answer, json!({"records": []}));
}

#[tokio::test]
async fn thresholds_leave_out_what_is_less_likely() {
    let server = TestServer::start(probable()).await;
    for (top_k, threshold, expected) in [
        (3, 0.0, &[0.9, 0.3, 0.2][..]),
        (2, 0.0, &[0.9, 0.2]),
        (3, 0.25, &[0.9, 0.3]),
        (3, 0.95, &[]),
    ] {
        let mut asked = body(Value::Null);
        asked["retrieval_setting"] = json!({"top_k": top_k, "score_threshold": threshold});
        let answer = json_of(server.post(PATH, asked).await, 200).await;
        let records = answer["records"].as_array().unwrap();
        let scores: Vec<f64> = records
            .iter()
            .map(|record| (record["score"].as_f64().unwrap() * 100.0).round() / 100.0)
            .collect();
        assert_eq!(scores, expected, "top_k {top_k}, threshold {threshold}");
        assert!(records.iter().all(|record| record["metadata"].is_object()));
    }
    // Without numbers, defaults.
    let mut asked = body(Value::Null);
    asked["retrieval_setting"] = json!({"top_k": null, "score_threshold": null});
    let answer = json_of(server.post(PATH, asked.clone()).await, 200).await;
    assert_eq!(answer["records"].as_array().unwrap().len(), 3);
    asked["retrieval_setting"] = json!({"top_k": 2.0});
    let answer = json_of(server.post(PATH, asked).await, 200).await;
    assert_eq!(answer["records"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_knowledge_base_is_a_department() {
    let answering = |request: &zhiku::retrieval::SearchRequest| {
        let wanted = &request.filters.department;
        let is_known = wanted.is_empty() || wanted[0] == "市人社局";
        Ok(match is_known && request.query != "没有" {
            true => of_confidences(&request.query, &[Some(0.9)]),
            false => empty_response(&request.query),
        })
    };
    let server = TestServer::start(FakeBackend::answering(answering)).await;
    let ask = async |knowledge: &str, query: &str, status: u16| {
        let mut asked = body(Value::Null);
        (asked["knowledge_id"], asked["query"]) = (json!(knowledge), json!(query));
        json_of(server.post(PATH, asked).await, status).await
    };
    for knowledge in ["all", "default", "市人社局", " 市人社局 "] {
        let answer = ask(knowledge, "退休金", 200).await;
        assert_eq!(
            answer["records"].as_array().unwrap().len(),
            1,
            "{knowledge}"
        );
    }
    // It is there and has nothing.
    assert_eq!(ask("市人社局", "没有", 200).await, json!({"records": []}));
    for knowledge in ["市公安局", "", "all; drop", &"长".repeat(201)] {
        let answer = ask(knowledge, "退休金", 404).await;
        assert_eq!(answer["error_code"], 2001, "{knowledge}: {answer}");
    }
    assert_eq!(server.backend.listings.lock().unwrap()[0].limit, 1);
}

#[tokio::test]
async fn a_knowledge_base_that_the_caller_may_not_see_is_not_there() {
    let mut hidden = internal_note();
    hidden.metadata.department = Some("市纪检组".to_owned());
    let backend = FakeBackend {
        documents: vec![pension(), hidden],
        ..FakeBackend::default()
    };
    let server = TestServer::start(backend).await;
    let mut asked = body(Value::Null);
    asked["knowledge_id"] = json!("市纪检组");
    let (code, text) = error_of(&server, asked, 404).await;
    assert_eq!(code, 2001);
    let mut unknown = body(Value::Null);
    unknown["knowledge_id"] = json!("没有此局");
    let (_, other) = error_of(&server, unknown, 404).await;
    assert_eq!(text.replace("市纪检组", ""), other.replace("没有此局", ""));
}

#[tokio::test]
async fn another_header_than_bearer_is_1001() {
    let server = TestServer::start(probable()).await;
    for header in ["key", "Basic dXNlcjpwYXNz", "Bearer", "Bearer a b", ""] {
        let request = server.request(Method::POST, PATH).json(&body(Value::Null));
        let response = request
            .header("authorization", header)
            .send()
            .await
            .unwrap();
        let answer = json_of(response, 403).await;
        assert_eq!(answer["error_code"], 1001, "{header:?}: {answer}");
        assert!(answer["error_msg"].as_str().unwrap().contains("Bearer"));
    }
    assert!(server.backend.searches.lock().unwrap().is_empty());
    // A server without keys answers this machine without a header too.
    json_of(server.post(PATH, body(Value::Null)).await, 200).await;
}

#[tokio::test]
async fn refusals_have_the_documented_form() {
    let server = TestServer::start(probable()).await;
    let with = |path: &[&str], value: Value| {
        let mut asked = body(json!({"conditions": [
            {"name": "title", "comparison_operator": "is", "value": "a"},
        ]}));
        let mut place = &mut asked;
        for key in path {
            place = match key.parse::<usize>() {
                Ok(at) => &mut place[at],
                Err(_) => &mut place[*key],
            };
        }
        *place = value;
        asked
    };
    let condition = ["metadata_condition", "conditions", "0"];
    let inside = |key: &'static str| [&condition[..], &[key]].concat();
    for (asked, hint) in [
        (json!({}), "knowledge_id"),
        (
            with(&["retrieval_setting", "top_k"], json!(2.5)),
            "retrieval_setting.top_k: 2.5 is not a whole number",
        ),
        (with(&["query"], json!(" ")), "query: is empty"),
        (with(&["query"], json!("长".repeat(4_001))), "at most 4000"),
        (
            with(&["retrieval_setting"], Value::Null),
            "retrieval_setting",
        ),
        (
            with(&["retrieval_setting", "top_k"], json!(0)),
            "retrieval_setting.top_k: 0 is not in 1..=100",
        ),
        (with(&["retrieval_setting", "top_k"], json!(101)), "101"),
        (
            with(&["retrieval_setting", "score_threshold"], json!(1.5)),
            "0..=1",
        ),
        (
            with(&["metadata_condition", "logical_operator"], json!("xor")),
            "`and` or `or`",
        ),
        (
            with(&inside("comparison_operator"), json!("like")),
            "`start with`",
        ),
        (
            with(&inside("value"), Value::Null),
            "conditions[0].value: is missing",
        ),
        (with(&inside("value"), json!({"a": 1})), "a list of them"),
        (
            with(&inside("value"), json!("长".repeat(1_001))),
            "1000 characters",
        ),
        (
            with(&inside("value"), json!(vec!["a"; 1_001])),
            "1001 values",
        ),
        (
            with(&inside("name"), json!("audience")),
            "`audience` cannot be a condition",
        ),
        (
            with(
                &condition,
                json!({"name": "published_at", "comparison_operator": "before", "value": "去年"}),
            ),
            "2026-11-20",
        ),
        (
            with(
                &["metadata_condition", "conditions"],
                json!(vec![
                    json!({"name": "a", "comparison_operator": "empty"});
                    101
                ]),
            ),
            "conditions[100]: is one condition too many",
        ),
    ] {
        let (code, text) = error_of(&server, asked, 400).await;
        assert_eq!(code, 400, "{text}");
        assert!(text.contains(hint), "{hint}: {text}");
    }
    assert!(server.backend.searches.lock().unwrap().is_empty());

    // By a request without a body, Dify finds out whether there is an endpoint: not 403, 404, 502.
    let request = server.request(Method::POST, PATH);
    let response = request.header("authorization", "Bearer key").send().await;
    let answer = json_of(response.unwrap(), 415).await;
    assert_eq!(answer["error_code"], 415);
    server.backend.status.lock().unwrap().ready = false;
    let response = server.post(PATH, body(Value::Null)).await;
    assert!(response.headers().contains_key("retry-after"));
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(json_of(response, 503).await["error_code"], 503);
}
