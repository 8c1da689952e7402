//! Calls.
//!
//! 1. What is said leads to recommendations with sources; what is known changes nothing, so a
//!    request may be sent again.
//! 2. Listeners get the newest state at once, changes as they happen, nothing that they know, and
//!    the end.
//! 3. What is dismissed does not come back; a keyword can be looked up.
//! 4. Odd requests are refused with the field's name; the public is; calls have a limit.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use zhiku::document::{Audience, ByteSpan, Validity};
use zhiku::retrieval::{Citation, Contributions, Hit, SearchRequest, SearchResponse};

use crate::server::{FakeBackend, TestServer, empty_response, json_of, problem_of};

/// Answers about the pension when it is asked for, with this probability.
pub fn backend(confidence: f32) -> FakeBackend {
    FakeBackend::answering(move |request: &SearchRequest| {
        let mut response: SearchResponse = empty_response(&request.query);
        if request.query.contains("退休金") {
            response.hits.push(hit(confidence));
        }
        Ok(response)
    })
}

pub fn hit(confidence: f32) -> Hit {
    let text = "退休金每月15日发放。";
    Hit {
        document_id: "人社局/养老金.md".to_owned(),
        passage_id: "人社局/养老金.md#p0".to_owned(),
        title: "养老金发放".to_owned(),
        heading: Vec::new(),
        kind: None,
        text: text.to_owned(),
        highlights: vec![ByteSpan::new(0, "退休金".len())],
        answer: None,
        score: 1.0,
        contributions: Contributions::default(),
        confidence: Some(confidence),
        signals: None,
        is_entry: false,
        level: None,
        phones: Vec::new(),
        validity: Validity::InForce,
        replaced_by: Vec::new(),
        is_stale: false,
        is_learned: false,
        effective_from: None,
        effective_to: None,
        published_at: None,
        department: Some("市人社局".to_owned()),
        region: None,
        issuer: None,
        doc_no: None,
        citation: Citation {
            path: "人社局/养老金.md".to_owned(),
            page: None,
            row: None,
            article: None,
            char_start: 0,
            char_end: 10,
            content_hash: "ab".to_owned(),
        },
        also_in: Vec::new(),
        explanation: None,
    }
}

pub fn said(id: &str, text: &str) -> Value {
    json!({"utterances": [{"id": id, "speaker": "caller", "text": text}]})
}

pub async fn post(server: &TestServer, path: &str, body: Value) -> Response {
    let request = server.request(Method::POST, path).json(&body);
    request.send().await.unwrap()
}

pub async fn hear(server: &TestServer, body: Value) -> Value {
    json_of(post(server, "/v1/calls/c1/utterances", body).await, 200).await
}

/// Reads a stream until an event is whole: its id and its data.
async fn next_event(response: &mut Response) -> (String, Value) {
    let mut text = String::new();
    loop {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        if let (Some(id), Some(data), true) =
            (field("id: "), field("data: "), text.ends_with("\n\n"))
        {
            return (id, serde_json::from_str(&data).unwrap());
        }
        let chunk = tokio::time::timeout(Duration::from_secs(10), response.chunk()).await;
        let chunk = chunk.expect("an event within 10 s").unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("more")).unwrap());
    }
}

#[tokio::test]
async fn what_is_said_leads_to_recommendations_once() {
    let server = TestServer::start(backend(0.8)).await;
    let greeting = json!({"agent": "1024", "region": "云溪市", "utterances": [
        {"id": "a1", "speaker": "agent", "text": "您好，请讲"},
        {"id": "u1", "speaker": "caller", "text": "喂，你好"},
    ]});
    let reply = hear(&server, greeting).await;
    assert_eq!(
        reply,
        json!({"call_id": "c1", "revision": 0, "recommendations": null})
    );
    let early = json!({"utterances": [
        {"id": "u2", "speaker": "caller", "text": "请问退休金", "final": false, "labels": {"emotion": "急"}},
    ]});
    assert_eq!(
        hear(&server, early).await["recommendations"],
        Value::Null,
        "not final"
    );

    let reply = hear(&server, said("u2", "请问退休金哪天发")).await;
    let shown = &reply["recommendations"];
    assert_eq!(
        (&reply["revision"], &shown["revision"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(shown["type"], "recommendations");
    assert_eq!(shown["after_utterance"], "u2");
    assert_eq!(
        shown["intent"],
        json!({"question": "退休金哪天发", "department": "市人社局"})
    );
    assert_eq!(
        shown["keywords"],
        json!([{"text": "退休金", "utterance_id": "u2", "start": 2, "end": 5}])
    );
    let item = &shown["items"][0];
    assert_eq!(item["say"], "退休金每月15日发放。");
    assert_eq!(item["document_id"], "人社局/养老金.md");
    assert_eq!(item["highlights"], json!([{"start": 0, "end": 3}]));
    assert_eq!(item["citation"]["content_hash"], "ab");

    let n_searches = server.backend.searches.lock().unwrap().len();
    let again = hear(&server, said("u2", "请问退休金哪天发")).await;
    assert_eq!(
        (&again["revision"], &again["recommendations"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        server.backend.searches.lock().unwrap().len(),
        n_searches,
        "nothing was asked again"
    );

    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(
        (&call["agent"], &call["region"]),
        (&json!("1024"), &json!("云溪市"))
    );
    assert_eq!(call["utterances"].as_array().unwrap().len(), 3);
    assert_eq!(
        call["utterances"][2]["labels"],
        Value::Null,
        "as the final state has it"
    );
    assert_eq!(
        call["recommendations"]["items"][0]["recommendation_id"],
        item["recommendation_id"]
    );
}

#[tokio::test]
async fn what_is_unlikely_stays_off_the_screen() {
    // Half as likely is enough where something is asked.
    for (confidence, text, revision) in [
        (0.19, "我来说说退休金的事情", 0),
        (0.21, "我来说说退休金的事情", 1),
        (0.09, "退休金哪天发", 0),
        (0.11, "退休金哪天发", 1),
    ] {
        let server = TestServer::start(backend(confidence)).await;
        let reply = hear(&server, said("u1", text)).await;
        assert_eq!(reply["revision"], revision, "{confidence} {text}");
    }
    let server =
        TestServer::start_with(backend(0.09), |config| config.assist.min_confidence = 0.1).await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    assert_eq!(reply["revision"], 1);
}

#[tokio::test]
async fn listeners_follow_resume_and_hear_the_end() {
    let server = TestServer::start(backend(0.8)).await;
    hear(&server, said("u1", "你好")).await;
    let path = "/v1/calls/c1/events";
    let mut stream = server.get(path).await;
    hear(&server, said("u2", "退休金哪天发")).await;
    let (id, event) = next_event(&mut stream).await;
    assert!(
        id.ends_with("-1") && event["after_utterance"] == "u2",
        "{id} {event}"
    );
    // Who comes later gets the state at once; who knows it waits for what is next.
    let (again, _) = next_event(&mut server.get(path).await).await;
    assert_eq!(again, id);
    let resumed = server
        .request(Method::GET, path)
        .header("last-event-id", &id);
    let mut resumed = resumed.send().await.unwrap();
    assert_eq!(
        post(&server, "/v1/calls/c1/end", json!({})).await.status(),
        204
    );
    for stream in [&mut stream, &mut resumed] {
        let rest = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await;
        assert_eq!(rest.expect("the end within 10 s").unwrap(), None);
    }
    problem_of(server.get("/v1/calls/c1").await, 404, "no_such_call").await;
    problem_of(server.get(path).await, 404, "no_such_call").await;
    // The same id is another call now.
    assert_eq!(
        hear(&server, said("u2", "退休金哪天发")).await["revision"],
        1
    );
    // What was told of the first is not known of it.
    let resumed = server
        .request(Method::GET, path)
        .header("last-event-id", &id);
    let (other, _) = next_event(&mut resumed.send().await.unwrap()).await;
    assert!(other.ends_with("-1"));
}

#[tokio::test]
async fn what_is_dismissed_does_not_come_back() {
    let server = TestServer::start(backend(0.8)).await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    let id = &reply["recommendations"]["items"][0]["recommendation_id"];
    let path = "/v1/calls/c1/feedback";
    let dismissed = json!({"action": "dismissed", "recommendation_id": id});
    for is_new in [true, false] {
        let kept = json_of(post(&server, path, dismissed.clone()).await, 200).await;
        assert_eq!(kept["is_new"], is_new);
    }
    assert_eq!(
        hear(&server, said("u2", "退休金怎么领")).await["recommendations"],
        Value::Null
    );
    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(
        (&call["revision"], &call["recommendations"]["items"]),
        (&json!(2), &json!([]))
    );
    let unknown = json!({"action": "dismissed", "recommendation_id": "x"});
    let problem = post(&server, path, unknown).await;
    assert_eq!(
        problem_of(problem, 400, "invalid_field").await["field"],
        "recommendation_id"
    );

    let related = server.get("/v1/calls/c1/related?keyword=退休金").await;
    assert_eq!(
        json_of(related, 200).await["hits"][0]["title"],
        "养老金发放"
    );
}

#[tokio::test]
async fn odd_requests_are_refused() {
    let server = TestServer::start(backend(0.8)).await;
    let path = "/v1/calls/c1/utterances";
    let long = "长".repeat(2_001);
    for (body, field) in [
        (json!({"utterances": []}), "utterances"),
        (said("", "你好"), "utterances[0].id"),
        (said("u1", &long), "utterances[0].text"),
        (
            json!({"utterances": [{"id": "u", "speaker": "nobody", "text": ""}]}),
            "utterances[0].speaker",
        ),
        (
            json!({"agent": "", "utterances": [{"id": "u", "speaker": "agent", "text": ""}]}),
            "agent",
        ),
    ] {
        let problem = problem_of(post(&server, path, body).await, 400, "invalid_field").await;
        assert_eq!(problem["field"], field, "{problem}");
    }
    problem_of(server.get("/v1/calls/c1").await, 404, "no_such_call").await;
    hear(&server, said("u1", "你好")).await;
    for query in ["", "?keyword=", "?keyword=a&limit=3"] {
        let response = server.get(&format!("/v1/calls/c1/related{query}")).await;
        problem_of(response, 400, "invalid_field").await;
    }
}

#[tokio::test]
async fn calls_are_for_agents_and_have_a_limit() {
    let public = TestServer::start_with(backend(0.8), |config| {
        config.server.audience = Audience::Public;
    })
    .await;
    let refused = post(&public, "/v1/calls/c1/utterances", said("u1", "你好")).await;
    problem_of(refused, 403, "forbidden").await;

    let small = TestServer::start_with(backend(0.8), |config| config.assist.max_calls = 1).await;
    hear(&small, said("u1", "你好")).await;
    let refused = post(&small, "/v1/calls/c2/utterances", said("u1", "你好")).await;
    problem_of(refused, 503, "overloaded").await;
    assert_eq!(
        post(&small, "/v1/calls/c1/end", json!({})).await.status(),
        204
    );
    let taken = post(&small, "/v1/calls/c2/utterances", said("u1", "你好")).await;
    assert_eq!(taken.status(), 200);
}
