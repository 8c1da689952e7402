//! Receipts, and asking for files to be read again.
//!
//! 1. Receipts come in pages, in order, after the number given.
//! 2. As a stream they come as they happen; `Last-Event-ID` resumes, and wins over `after`.
//! 3. A stream ends when the server stops.
//! 4. A request for a file is passed on; odd paths are refused, and so is the public.
//! 5. A search waits for the generation that it wants, but not for ever.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use zhiku::config::Config;
use zhiku::document::Audience;
use zhiku::records::{Change, NewReceipt, Receipt};

use crate::server::{FakeBackend, TestServer, json_of, problem_of};

fn receipt(seq: u64) -> Receipt {
    let at = |ms: i64| Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap();
    Receipt {
        seq,
        searchable_at: at(25),
        generation: 100 + seq,
        what: NewReceipt {
            path: format!("市人社局/{seq}.md"),
            change: Change::Modified,
            content_hash: Some("ab".to_owned()),
            from: None,
            detected_at: at(0),
            n_passages: 3,
            error: None,
        },
    }
}

fn backend(n_receipts: u64) -> FakeBackend {
    let backend = FakeBackend::default();
    for seq in 1..=n_receipts {
        tell(&backend, seq);
    }
    backend
}

fn tell(backend: &FakeBackend, seq: u64) {
    backend.receipts.lock().unwrap().push(receipt(seq));
    backend.news.send_replace(seq);
}

fn numbers(reply: &Value) -> Vec<u64> {
    let changes = reply["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["seq"].as_u64().unwrap())
        .collect()
}

/// Reads a stream until it holds `n` receipts; their numbers.
async fn stream_numbers(response: &mut Response, n: usize) -> Vec<u64> {
    let mut text = String::new();
    loop {
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
        let ids: Vec<u64> = ids.map(|id| id.parse().unwrap()).collect();
        let is_whole = text.ends_with("\n\n");
        if ids.len() >= n && is_whole {
            return ids;
        }
        let chunk = tokio::time::timeout(Duration::from_secs(10), response.chunk());
        let chunk = chunk.await.expect("news within 10 s").unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("more")).unwrap());
    }
}

async fn open_stream(server: &TestServer, path: &str, last: Option<&str>) -> Response {
    let mut request = server
        .request(Method::GET, path)
        .header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn receipts_come_in_pages() {
    let server = TestServer::start(backend(5)).await;
    let page = json_of(server.get("/v1/changes?after=1&limit=2").await, 200).await;
    assert_eq!(numbers(&page), [2, 3]);
    // Agents do not see every receipt, so they learn that there is a next one, not how many.
    assert_eq!(
        (&page["last_seq"], &page["generation"]),
        (&json!(4), &json!(118))
    );
    assert_eq!(
        page["changes"][0],
        json!({
            "seq": 2, "path": "市人社局/2.md", "change": "modified", "content_hash": "ab",
            "detected_at": "2023-11-14T22:13:20.000Z", "searchable_at": "2023-11-14T22:13:20.025Z",
            "lag_ms": 25, "generation": 102, "n_passages": 3, "error": null,
        })
    );
    let all = json_of(server.get("/v1/changes").await, 200).await;
    assert_eq!(numbers(&all), [1, 2, 3, 4, 5]);
    assert_eq!(all["last_seq"], 5);
    let internal = |config: &mut Config| config.server.audience = Audience::Internal;
    let all_seeing = TestServer::start_with(backend(5), internal).await;
    let page = json_of(all_seeing.get("/v1/changes?after=1&limit=2").await, 200).await;
    assert_eq!((numbers(&page), &page["last_seq"]), (vec![2, 3], &json!(5)));
    for query in ["limit=0", "limit=1001", "after=x", "befor=1"] {
        let response = server.get(&format!("/v1/changes?{query}")).await;
        problem_of(response, 400, "invalid_field").await;
    }
}

#[tokio::test]
async fn a_stream_follows_and_resumes() {
    let server = TestServer::start(backend(3)).await;
    let mut from_now = open_stream(&server, "/v1/changes", None).await;
    let mut from_one = open_stream(&server, "/v1/changes?after=1", None).await;
    let mut resumed = open_stream(&server, "/v1/changes?after=0", Some("2")).await;
    assert_eq!(stream_numbers(&mut from_one, 2).await, [2, 3]);
    assert_eq!(stream_numbers(&mut resumed, 1).await, [3]);
    tell(&server.backend, 4);
    assert_eq!(stream_numbers(&mut from_now, 1).await, [4]);
    assert_eq!(stream_numbers(&mut from_one, 1).await, [4]);
    let odd = open_stream(&server, "/v1/changes", Some("x")).await;
    problem_of(odd, 400, "invalid_field").await;
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let server = TestServer::start(backend(1)).await;
    let mut stream = open_stream(&server, "/v1/changes?after=0", None).await;
    assert_eq!(stream_numbers(&mut stream, 1).await, [1]);
    server.shutdown.cancel();
    let rest = tokio::time::timeout(Duration::from_secs(5), stream.chunk());
    assert_eq!(rest.await.expect("an end within 5 s").unwrap(), None);
}

#[tokio::test]
async fn files_are_read_again_on_request() {
    let server = TestServer::start(backend(7)).await;
    let ask = |body: Value| server.request(Method::POST, "/v1/reindex").json(&body);
    let reply = ask(json!({"path": "市人社局/a.md"})).send().await.unwrap();
    assert_eq!(
        json_of(reply, 202).await,
        json!({"path": "市人社局/a.md", "after": 7})
    );
    let reply = ask(json!({"path": null})).send().await.unwrap();
    assert_eq!(json_of(reply, 202).await["path"], "");
    assert_eq!(
        *server.backend.reindexed.lock().unwrap(),
        ["市人社局/a.md", ""]
    );
    for path in ["../etc/passwd", "a//b", "a/./b"] {
        let reply = ask(json!({"path": path})).send().await.unwrap();
        let problem = problem_of(reply, 400, "invalid_field").await;
        assert_eq!(problem["field"], "path");
    }
}

#[tokio::test]
async fn the_public_sees_no_paths() {
    let public = |config: &mut Config| config.server.audience = Audience::Public;
    let server = TestServer::start_with(backend(1), public).await;
    problem_of(server.get("/v1/changes").await, 403, "forbidden").await;
    let ask = server.request(Method::POST, "/v1/reindex");
    let reply = ask.json(&json!({"path": null})).send().await.unwrap();
    problem_of(reply, 403, "forbidden").await;
    assert!(server.backend.reindexed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_search_waits_for_its_generation() {
    let patient = |config: &mut Config| config.server.search_deadline_ms = 5_000;
    let server = TestServer::start_with(backend(1), patient).await;
    let search = server.search(json!({"query": "养老金", "min_generation": 119}));
    let publish = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.backend.status.lock().unwrap().generation = 119;
    };
    let (response, ()) = tokio::join!(search, publish);
    json_of(response, 200).await;

    let hasty = |config: &mut Config| config.server.search_deadline_ms = 100;
    let server = TestServer::start_with(backend(1), hasty).await;
    let began = Instant::now();
    let response = server
        .search(json!({"query": "养老金", "min_generation": 500}))
        .await;
    problem_of(response, 409, "generation_not_reached").await;
    assert!(began.elapsed() >= Duration::from_millis(100), "it waited");
}
