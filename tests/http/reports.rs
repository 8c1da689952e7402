//! What calls add up to, and what they teach.
//!
//! 1. Usage: rates by hand, by department and day; days of the configured time zone.
//! 2. Trending: this window beside the one before. Gaps: what was asked and not answered, together
//!    with what is alike, without what was adopted after all.
//! 3. Lessons are listed and switched off by document; odd requests are refused; the public is.

use serde_json::{Value, json};
use zhiku::document::Audience;

use crate::calls::{backend, post, said};
use crate::server::{TestServer, json_of, problem_of};

/// A call in which `texts` are said; the first recommendation, if any.
async fn call(server: &TestServer, id: &str, texts: &[&str]) -> Option<Value> {
    let mut first = None;
    for (n, text) in texts.iter().enumerate() {
        let path = format!("/v1/calls/{id}/utterances");
        let reply = json_of(post(server, &path, said(&n.to_string(), text)).await, 200).await;
        let shown = reply["recommendations"]["items"][0]["recommendation_id"].clone();
        first = first.or((!shown.is_null()).then_some(shown));
    }
    first
}

async fn feedback(server: &TestServer, id: &str, body: Value) {
    let path = format!("/v1/calls/{id}/feedback");
    json_of(post(server, &path, body).await, 200).await;
}

async fn get(server: &TestServer, path: &str) -> Value {
    json_of(server.get(path).await, 200).await
}

#[tokio::test]
async fn usage_by_hand() {
    let server = TestServer::start(backend(0.8)).await;
    let empty = get(&server, "/v1/reports/usage").await;
    assert_eq!(empty["total"]["n_calls"], 0);
    assert_eq!(empty["total"]["direct_answer_rate"], Value::Null);

    let id = call(&server, "adopted", &["退休金哪天发"]).await.unwrap();
    feedback(
        &server,
        "adopted",
        json!({"action": "displayed", "recommendation_id": id}),
    )
    .await;
    feedback(
        &server,
        "adopted",
        json!({"action": "adopted", "recommendation_id": id}),
    )
    .await;
    let id = call(&server, "rejected", &["退休金怎么领"]).await.unwrap();
    feedback(
        &server,
        "rejected",
        json!({"action": "dismissed", "recommendation_id": id}),
    )
    .await;
    assert_eq!(call(&server, "unanswered", &["水费怎么交"]).await, None);
    assert_eq!(call(&server, "greeting", &["喂，你好"]).await, None);

    let report = get(&server, "/v1/reports/usage").await;
    let total = &report["total"];
    assert_eq!(
        (&total["n_calls"], &total["n_asked"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(total["direct_answer_rate"], 1.0 / 3.0);
    assert_eq!(
        (&total["n_recommended"], &total["n_adopted"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&total["n_rejected"], &total["adoption_rate"]),
        (&json!(1), &json!(0.5))
    );
    assert!(
        total["seconds_to_adoption"]
            .as_f64()
            .is_some_and(|s| (0.0..60.0).contains(&s))
    );
    let names: Vec<_> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| (g["name"].clone(), g["n_calls"].clone()))
        .collect();
    assert_eq!(
        names,
        [(json!("市人社局"), json!(2)), (json!("未归类"), json!(2))]
    );
    let knowledge = &report["knowledge"];
    assert_eq!(knowledge["n_adopted"], 1);
    assert!(
        knowledge["utilisation"]
            .as_f64()
            .is_some_and(|share| share > 0.0)
    );

    let by_day = get(&server, "/v1/reports/usage?by=day").await;
    assert_eq!(by_day["groups"].as_array().unwrap().len(), 1);
    assert_eq!(
        by_day["groups"][0]["name"], by_day["to"],
        "today in Shanghai"
    );
    let past = get(&server, "/v1/reports/usage?from=2020-01-01&to=2020-01-31").await;
    assert_eq!(past["total"]["n_calls"], 0);
}

#[tokio::test]
async fn what_is_asked_and_what_is_missing() {
    let server = TestServer::start(backend(0.8)).await;
    for id in ["a", "b"] {
        call(&server, id, &["退休金哪天发"]).await;
        call(&server, &format!("w{id}"), &["水费怎么交"]).await;
    }
    call(&server, "c", &["水费哪里查啊"]).await;
    // Nothing is asked.
    call(&server, "d", &["你们电话好难打"]).await;
    call(&server, "found", &["电费怎么交"]).await;
    let found = json!({"action": "adopted", "document_id": "人社局/养老金.md", "passage_id": "人社局/养老金.md#p0", "query": "电费缴纳"});
    feedback(&server, "found", found).await;

    let trending = get(&server, "/v1/reports/trending?by=department").await;
    assert_eq!(
        trending["topics"].as_array().unwrap().len(),
        1,
        "{trending}"
    );
    let topic = &trending["topics"][0];
    assert_eq!(
        (&topic["name"], &topic["n_calls"], &topic["n_calls_before"]),
        (&json!("市人社局"), &json!(2), &json!(0))
    );
    assert_eq!(topic["documents"][0]["document_id"], "人社局/养老金.md");

    let gaps = get(&server, "/v1/reports/gaps").await;
    let groups = gaps["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{gaps}");
    assert_eq!(
        (&groups[0]["n_calls"], &groups[0]["n_wordings"]),
        (&json!(3), &json!(2))
    );
    let examples = groups[0]["examples"].as_array().unwrap();
    assert!(examples.contains(&json!("水费哪里查啊")) && examples.contains(&json!("水费怎么交")));
    assert_eq!(gaps["is_cut"], false);
}

#[tokio::test]
async fn lessons_are_listed_and_switched_off() {
    let server = TestServer::start(backend(0.8)).await;
    let id = call(&server, "c1", &["我的退休金咋还没到账"])
        .await
        .unwrap();
    for agent in ["7", "8"] {
        feedback(
            &server,
            "c1",
            json!({"action": "adopted", "recommendation_id": id, "agent": agent}),
        )
        .await;
    }
    feedback(
        &server,
        "c1",
        json!({"action": "not_helpful", "recommendation_id": id, "agent": "9"}),
    )
    .await;
    let listed = get(&server, "/v1/learned").await;
    assert_eq!(listed["counts"], true);
    let document = &listed["documents"][0];
    assert_eq!(
        (&document["document_id"], &document["counts"]),
        (&json!("人社局/养老金.md"), &json!(true))
    );
    let wording = &document["wordings"][0];
    assert_eq!(wording["wording"], "我的退休金咋还没到账");
    assert_eq!(
        (
            &wording["n_adopted"],
            &wording["n_rejected"],
            &wording["audience"]
        ),
        (&json!(2), &json!(1), &json!("agent"))
    );

    let off = json!({"document_id": "人社局/养老金.md", "counts": false});
    assert_eq!(post(&server, "/v1/learned", off).await.status(), 204);
    let listed = get(&server, "/v1/learned?document_id=人社局/养老金.md").await;
    assert_eq!(listed["documents"][0]["counts"], false);
    let unknown = post(
        &server,
        "/v1/learned",
        json!({"document_id": "x", "counts": false}),
    )
    .await;
    problem_of(unknown, 404, "document_not_found").await;
    // What a call taught goes with it when it is deleted.
    let deleted = server
        .request(reqwest::Method::DELETE, "/v1/calls/c1")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(get(&server, "/v1/learned").await["documents"], json!([]));
}

#[tokio::test]
async fn odd_reports_are_refused() {
    let server = TestServer::start(backend(0.8)).await;
    for (path, field) in [
        ("usage?from=yesterday", "from"),
        ("usage?from=2026-02-01&to=2026-01-01", "from"),
        ("usage?from=2020-01-01&to=2026-01-01", "from"),
        ("usage?to=-9999-01-01", "to"),
        ("usage?by=colour", "by"),
        ("usage?form=2026-01-01", "form"),
        ("trending?window_hours=0", "window_hours"),
        ("trending?by=day", "by"),
        ("gaps?limit=x", "limit"),
    ] {
        let response = server.get(&format!("/v1/reports/{path}")).await;
        let problem = problem_of(response, 400, "invalid_field").await;
        assert_eq!(problem["field"], field, "{path} {problem}");
    }
    let public = TestServer::start_with(backend(0.8), |config| {
        config.server.audience = Audience::Public
    })
    .await;
    for path in [
        "reports/usage",
        "reports/trending",
        "reports/gaps",
        "learned",
    ] {
        problem_of(public.get(&format!("/v1/{path}")).await, 403, "forbidden").await;
    }
}
