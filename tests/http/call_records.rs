//! What is kept of calls.
//!
//! 1. A call is exported as it went, personal data masked; nothing of it is on disk unmasked.
//! 2. Feedback counts once, by its id or its contents, also after the call; what it is about must have
//!    been recommended, or be a passage that there is.
//! 3. What is deleted is gone: from the records, from the bytes of the files.
//! 4. A call of before a restart goes on.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use zhiku::assist::{Attributes, Call, CallRef, Entry, Journal, Utterance};
use zhiku::call_records::CallRecords;
use zhiku::call_records::{FeedbackKind, NewFeedback, Subject};
use zhiku::document::Audience;

use crate::calls::{backend, hear, post, said};
use crate::server::{TestServer, json_of, problem_of};

async fn export(server: &TestServer, id: &str) -> Vec<Value> {
    let response = server.get(&format!("/v1/calls/{id}/export")).await;
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Whether any file in the folder holds the bytes.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    files.flatten().any(|file| {
        let bytes = std::fs::read(file.path()).unwrap();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_call_is_exported_without_personal_data() {
    let server = TestServer::start(backend(0.8)).await;
    hear(
        &server,
        json!({"agent": "1024", "utterances": [
            {"id": "u1", "speaker": "caller", "text": "我电话13900001111，住和平路8号302"},
            {"id": "u2", "speaker": "caller", "text": "退休金哪", "final": false},
            {"id": "u2", "speaker": "caller", "text": "退休金哪天发", "labels": {"emotion": "急"}},
        ]}),
    )
    .await;
    let calls = export(&server, "c1").await;
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (&calls[0]["call_id"], &calls[0]["agent"]),
        (&json!("c1"), &json!("1024"))
    );
    let events = calls[0]["events"].as_array().unwrap();
    let texts: Vec<_> = events
        .iter()
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts,
        ["我电话[电话]，住和平路[住址]", "退休金哪", "退休金哪天发"]
    );
    assert_eq!(events[2]["labels"], json!({"emotion": "急"}));
    assert!(is_on_disk(server.index.path(), "退休金哪天发"));
    assert!(!is_on_disk(server.index.path(), "13900001111"));
    // The agent hears what was said.
    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(
        call["utterances"][0]["text"],
        "我电话13900001111，住和平路8号302"
    );
    problem_of(server.get("/v1/calls/c9/export").await, 404, "no_such_call").await;
}

#[tokio::test]
async fn feedback_counts_once() {
    let server = TestServer::start(backend(0.8)).await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    let id = reply["recommendations"]["items"][0]["recommendation_id"].clone();
    let path = "/v1/calls/c1/feedback";
    let keep = |body: Value| post(&server, path, body);
    let adopted = json!({"action": "adopted", "recommendation_id": id});
    let first = json_of(keep(adopted.clone()).await, 200).await;
    let again = json_of(keep(adopted).await, 200).await;
    assert_eq!(
        (&first["is_new"], &again["is_new"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(first["feedback_id"], again["feedback_id"]);

    // After the call, as the ticket is written.
    assert_eq!(
        post(&server, "/v1/calls/c1/end", json!({})).await.status(),
        204
    );
    let linked = json!({"id": "f1", "action": "linked", "recommendation_id": id, "ticket": "G-7"});
    for is_new in [true, false] {
        assert_eq!(
            json_of(keep(linked.clone()).await, 200).await["is_new"],
            is_new
        );
    }
    let other = json!({"id": "f1", "action": "linked", "recommendation_id": id, "ticket": "G-8"});
    let problem = problem_of(keep(other).await, 400, "invalid_field").await;
    assert_eq!(problem["field"], "id");
    let edited =
        json!({"action": "edited", "recommendation_id": id, "text": "每月15日，打13900001111问"});
    json_of(keep(edited).await, 200).await;

    for (body, field) in [
        (json!({"action": "adopted"}), "recommendation_id"),
        (
            json!({"action": "adopted", "recommendation_id": "x"}),
            "recommendation_id",
        ),
        (json!({"action": "edited", "recommendation_id": id}), "text"),
        (
            json!({"action": "loved", "recommendation_id": id}),
            "action",
        ),
        (
            json!({"action": "adopted", "document_id": "x", "passage_id": "x#p0"}),
            "document_id",
        ),
        (
            json!({"action": "helpful", "recommendation_id": id, "agent": ""}),
            "agent",
        ),
    ] {
        let problem = problem_of(keep(body.clone()).await, 400, "invalid_field").await;
        assert_eq!(problem["field"], field, "{body} {problem}");
    }
    let unknown = post(
        &server,
        "/v1/calls/c9/feedback",
        json!({"action": "helpful", "recommendation_id": "x"}),
    );
    problem_of(unknown.await, 404, "no_such_call").await;

    let events = export(&server, "c1").await[0]["events"].clone();
    let kinds: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].clone())
        .collect();
    assert_eq!(
        kinds,
        [
            Value::Null,
            json!("adopted"),
            json!("linked"),
            json!("edited")
        ]
    );
    assert_eq!(events[1]["utterance_id"], "u1");
    assert_eq!(events[2]["ticket"], "G-7");
    assert_eq!(events[3]["text"], "每月15日，打[电话]问");
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let server = TestServer::start(backend(0.8)).await;
    let secret = "退休金哪天发到我的账上呢";
    hear(&server, said("u1", secret)).await;
    json_of(
        post(
            &server,
            "/v1/calls/c2/utterances",
            said("u1", "退休金怎么领"),
        )
        .await,
        200,
    )
    .await;
    assert_eq!(export(&server, "c1").await.len(), 1);
    assert!(is_on_disk(server.index.path(), secret));
    let delete = || server.request(Method::DELETE, "/v1/calls/c1").send();
    assert_eq!(delete().await.unwrap().status(), 204);
    assert!(!is_on_disk(server.index.path(), secret));
    problem_of(server.get("/v1/calls/c1").await, 404, "no_such_call").await;
    problem_of(server.get("/v1/calls/c1/export").await, 404, "no_such_call").await;
    problem_of(delete().await.unwrap(), 404, "no_such_call").await;
    assert_eq!(export(&server, "c2").await.len(), 1, "other calls stay");
}

#[tokio::test]
async fn late_feedback_finds_its_call() {
    let server = TestServer::start(backend(0.8)).await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    let id = reply["recommendations"]["items"][0]["recommendation_id"].clone();
    post(&server, "/v1/calls/c1/end", json!({})).await;
    // Something comes late: another call of that id.
    hear(&server, said("u9", "喂，你好")).await;
    let linked = json!({"action": "linked", "recommendation_id": id, "ticket": "G-7"});
    json_of(post(&server, "/v1/calls/c1/feedback", linked).await, 200).await;
    let calls = export(&server, "c1").await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["events"][1]["ticket"], "G-7");
    assert_eq!(calls[1]["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_on_the_screen_before_can_be_dismissed() {
    let server = TestServer::start(backend(0.8)).await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    let id = reply["recommendations"]["items"][0]["recommendation_id"].clone();
    let dismissed = |id: &Value| json!({"id": "x", "action": "dismissed", "recommendation_id": id});
    json_of(
        post(&server, "/v1/calls/c1/feedback", dismissed(&id)).await,
        200,
    )
    .await;
    let again = json_of(
        post(&server, "/v1/calls/c1/feedback", dismissed(&id)).await,
        200,
    )
    .await;
    assert_eq!(again["is_new"], false);
    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(call["revision"], 2, "dismissed once");
}

#[tokio::test]
async fn a_reply_teaches_nothing() {
    let server = TestServer::start(backend(0.8)).await;
    let said = json!({"utterances": [
        {"id": "u1", "speaker": "caller", "text": "我想问养老的事"},
        {"id": "a1", "speaker": "agent", "text": "您问的是退休金吗"},
        {"id": "u2", "speaker": "caller", "text": "对，企业的"},
    ]});
    let reply = hear(&server, said).await;
    let id = reply["recommendations"]["items"][0]["recommendation_id"].clone();
    let adopted = json!({"action": "adopted", "recommendation_id": id});
    json_of(post(&server, "/v1/calls/c1/feedback", adopted).await, 200).await;
    let learned = json_of(server.get("/v1/learned").await, 200).await;
    assert_eq!(
        learned["documents"],
        json!([]),
        "企业的 means nothing in another call"
    );
}

fn utterance(id: &str, text: &str) -> Utterance {
    serde_json::from_value(json!({"id": id, "speaker": "caller", "text": text, "final": true}))
        .unwrap()
}

#[tokio::test]
async fn a_call_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let day = Duration::from_secs(86_400);
    let call = CallRef {
        id: "c1".to_owned(),
        started_at: jiff::Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
        owner: Audience::Agent.into(),
    };
    let ended = CallRef {
        id: "c2".to_owned(),
        ..call.clone()
    };
    let records = CallRecords::open(&path, day, &Audience::Agent.into()).unwrap();
    let known = Attributes {
        agent: Some("7".to_owned()),
        ..Attributes::default()
    };
    for call in [&call, &ended] {
        records.note(call, Entry::Known(&known));
        records.note(call, Entry::Heard(&utterance("u1", "退休金哪天发")));
    }
    records.note(&ended, Entry::Ended);
    let feedback = NewFeedback {
        id: "f".to_owned(),
        call_id: "c1".to_owned(),
        kind: FeedbackKind::Adopted,
        subject: Subject::Recommendation("x".to_owned()),
        agent: None,
        utterance_id: None,
        ticket: None,
        text: None,
        sight: Audience::Agent.into(),
    };
    assert!(records.keep(feedback).await.is_err(), "never recommended");
    drop(records);

    let records = CallRecords::open(&path, day, &Audience::Agent.into()).unwrap();
    let open = records
        .reader()
        .unwrap()
        .open_calls(jiff::Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0].call, &open[0].attributes), (&call, &known));
    let resumed = Call::resumed("c1", open[0].utterances.clone(), 3, ["r".to_owned()]);
    assert_eq!(
        (resumed.transcript().utterances().len(), resumed.revision()),
        (1, 1_003),
        "beyond what was not kept"
    );
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
    assert!(
        records
            .reader()
            .unwrap()
            .open_calls(later)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn calls_are_kept_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let call = CallRef {
        id: "c1".to_owned(),
        started_at: jiff::Timestamp::now(),
        owner: Audience::Agent.into(),
    };
    let secret = "退休金哪天发到我的账上呢";
    {
        let records =
            CallRecords::open(&path, Duration::from_secs(60), &Audience::Agent.into()).unwrap();
        records.note(&call, Entry::Heard(&utterance("u1", secret)));
        records.flush().await;
        assert_eq!(
            records
                .reader()
                .unwrap()
                .calls_of("c1", &Audience::Agent.into())
                .unwrap()
                .len(),
            1
        );
    }
    assert!(is_on_disk(folder.path(), secret));
    // Everything is older than no time at all.
    let records = CallRecords::open(&path, Duration::ZERO, &Audience::Agent.into()).unwrap();
    records.flush().await;
    assert!(
        records
            .reader()
            .unwrap()
            .calls_of("c1", &Audience::Agent.into())
            .unwrap()
            .is_empty()
    );
    drop(records);
    assert!(!is_on_disk(folder.path(), secret));
}
