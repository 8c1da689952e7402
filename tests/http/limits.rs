//! Limits, refusals, and stopping.
//!
//! 1. Whatever is refused before a handler runs is a problem document too.
//! 2. No more searches run at once than configured; the next one waits, then is told to come back.
//! 3. A request that takes too long is given up; so is a body that does not arrive.
//! 4. At shutdown requests under way end; those that do not end in time are cut off.
//! 5. Every answer carries a request id: the caller's own if it is plain.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use reqwest::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zhiku::config::Config;

use crate::server::{FakeBackend, TestServer, empty_response, json_of, problem_of};

/// A backend whose searches say that they have begun, then wait to be released. Dropping the
/// sender releases all of them.
fn held_back() -> (FakeBackend, UnboundedReceiver<()>, Sender<()>) {
    let (begun, beginnings) = unbounded_channel();
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let released = Mutex::new(released);
    let backend = FakeBackend::answering(move |request| {
        let _ = begun.send(());
        let _ = released.lock().unwrap().recv();
        Ok(empty_response(&request.query))
    });
    (backend, beginnings, release)
}

#[tokio::test]
async fn early_refusals_are_problems_too() {
    let small = |config: &mut Config| config.server.max_body_bytes = 1_000;
    let server = TestServer::start_with(FakeBackend::default(), small).await;
    let post = |body: String| server.request(Method::POST, "/v1/search").body(body);
    let json_type = ("content-type", "application/json");

    let long = json!({"query": "长".repeat(400)}).to_string();
    let response = post(long)
        .header(json_type.0, json_type.1)
        .send()
        .await
        .unwrap();
    let problem = problem_of(response, 413, "body_too_large").await;
    assert!(
        problem["detail"].as_str().unwrap().contains("1000 bytes"),
        "{problem}"
    );

    let response = post("{\"query\": ".to_owned())
        .header(json_type.0, json_type.1)
        .send()
        .await;
    let problem = problem_of(response.unwrap(), 400, "invalid_json").await;
    assert!(
        problem["detail"].as_str().unwrap().contains("line 1"),
        "{problem}"
    );

    let deep = "[".repeat(900);
    let response = post(deep)
        .header(json_type.0, json_type.1)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);

    let response = post("query=a".to_owned()).send().await.unwrap();
    problem_of(response, 415, "unsupported_media_type").await;

    problem_of(server.get("/v1/serch").await, 404, "no_such_route").await;
    problem_of(server.get("/v1/documents/").await, 404, "no_such_route").await;

    let response = server.get("/v1/search").await;
    assert_eq!(response.headers()["allow"], "POST");
    problem_of(response, 405, "method_not_allowed").await;
}

#[tokio::test]
async fn searches_beyond_the_limit_are_told_to_come_back() {
    let (backend, mut beginnings, release) = held_back();
    let one_at_a_time = |config: &mut Config| {
        config.server.max_concurrent_searches = 1;
        config.server.search_deadline_ms = 20;
    };
    let server = TestServer::start_with(backend, one_at_a_time).await;
    let second = async {
        beginnings.recv().await.unwrap();
        let response = server.ask().await;
        assert_eq!(response.headers()["retry-after"], "1");
        problem_of(response, 503, "overloaded").await;
        release.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(server.ask(), second);
    json_of(first, 200).await;
    drop(release);
    json_of(server.ask().await, 200).await;
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_given_up() {
    let (backend, _beginnings, release) = held_back();
    let impatient = |config: &mut Config| config.server.request_timeout_ms = 50;
    let server = TestServer::start_with(backend, impatient).await;
    problem_of(server.ask().await, 503, "timeout").await;
    drop(release);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let impatient = |config: &mut Config| config.server.request_timeout_ms = 100;
    let server = TestServer::start_with(FakeBackend::default(), impatient).await;
    let address = server.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = "POST /v1/search HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
                    Content-Length: 50\r\nConnection: close\r\n\r\n{\"query\"";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("body_timeout"), "{answer}");
}

#[tokio::test]
async fn requests_under_way_end_before_the_server_does() {
    let (backend, mut beginnings, release) = held_back();
    let mut server = TestServer::start(backend).await;
    let serving = server.serving.take().unwrap();
    let stop = async {
        beginnings.recv().await.unwrap();
        server.shutdown.cancel();
        release.send(()).unwrap();
        serving.await.unwrap().unwrap();
    };
    let (answer, ()) = tokio::join!(server.ask(), stop);
    json_of(answer, 200).await;
    let refused = TcpStream::connect(server.address).await;
    assert!(refused.is_err(), "the port is still open");
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let (backend, mut beginnings, release) = held_back();
    let short = |config: &mut Config| config.server.drain_timeout_ms = 20;
    let mut server = TestServer::start_with(backend, short).await;
    let serving = server.serving.take().unwrap();
    let request = server
        .request(Method::POST, "/v1/search")
        .json(&json!({"query": "a"}));
    let waiting = tokio::spawn(request.send());
    beginnings.recv().await.unwrap();
    server.shutdown.cancel();
    serving.await.unwrap().unwrap();
    drop(release);
    let _ = waiting.await.unwrap();
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let server = TestServer::start(FakeBackend::default()).await;
    let with_id = async |id: &str| {
        let request = server
            .request(Method::GET, "/healthz")
            .header("x-request-id", id);
        request.send().await.unwrap().headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(with_id("call-20261120.7").await, "call-20261120.7");
    assert_ne!(with_id("a b").await, "a b");
    let long = "x".repeat(65);
    assert_ne!(with_id(&long).await, long);
    let own = async || {
        let response = server.get("/healthz").await;
        response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(own().await, own().await, "two requests share an id");
}
