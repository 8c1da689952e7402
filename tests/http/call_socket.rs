//! Calls over WebSocket.
//!
//! 1. Utterances lead to recommendations, then to an acknowledgement; queries are answered; what is
//!    malformed is refused with its type, id and field, and the connection goes on.
//! 2. Revised, repeated and late utterances change what they should and nothing else.
//! 3. Who comes back says what it knows and gets what is newer, from other connections too.
//! 4. A client that does not read holds up nobody but itself.
//! 5. The end of the call, and of the server, ends the connection; a call in which nothing was said ends
//!    with its connection.
//! 6. Pages of other hosts may not connect.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::calls::{backend, hear, hit, post, said};
use crate::server::{FakeBackend, TestServer, empty_response, json_of, problem_of};

type Socket = WebSocketStream<TcpStream>;

async fn connect(server: &TestServer, path: &str) -> Socket {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let url = format!("ws://{}{path}", server.address);
    client_async(url, stream).await.unwrap().0
}

async fn send(socket: &mut Socket, message: Value) {
    let text = Message::Text(message.to_string().into());
    socket.send(text).await.unwrap();
}

/// The next message that is no ping; `None` at the end of the connection.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
        match message.expect("a message within 10 s") {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }
}

async fn expect(socket: &mut Socket, kind: &str) -> Value {
    let message = next(socket).await.expect("a message");
    assert_eq!(message["type"], kind, "{message}");
    message
}

fn utterance(id: &str, text: &str) -> Value {
    json!({"type": "utterance", "id": id, "speaker": "caller", "text": text})
}

#[tokio::test]
async fn a_call_from_its_beginning_to_its_end() {
    let server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c1/ws?agent=1024&region=云溪市").await;
    let hello = expect(&mut socket, "call").await;
    assert_eq!(
        (&hello["call_id"], &hello["revision"]),
        (&json!("c1"), &json!(0))
    );

    send(&mut socket, utterance("u1", "喂，你好")).await;
    let ack = expect(&mut socket, "ack").await;
    assert_eq!(
        ack,
        json!({"type": "ack", "of": "utterance", "id": "u1", "revision": 0})
    );
    send(&mut socket, utterance("u2", "退休金哪天发")).await;
    let shown = expect(&mut socket, "recommendations").await;
    assert_eq!(
        (&shown["revision"], &shown["after_utterance"]),
        (&json!(1), &json!("u2"))
    );
    assert_eq!(expect(&mut socket, "ack").await["revision"], 1);
    let id = shown["items"][0]["recommendation_id"].clone();

    let adopted =
        json!({"type": "feedback", "id": "f1", "action": "adopted", "recommendation_id": id});
    for is_new in [true, false] {
        send(&mut socket, adopted.clone()).await;
        let ack = expect(&mut socket, "ack").await;
        assert_eq!(
            (&ack["of"], &ack["id"], &ack["is_new"]),
            (&json!("feedback"), &json!("f1"), &json!(is_new))
        );
    }
    send(
        &mut socket,
        json!({"type": "query", "id": "q1", "query": "退休金", "limit": 3}),
    )
    .await;
    let results = expect(&mut socket, "results").await;
    assert_eq!(
        (&results["id"], &results["hits"][0]["title"]),
        (&json!("q1"), &json!("养老金发放"))
    );
    send(&mut socket, json!({"type": "ping"})).await;
    expect(&mut socket, "pong").await;

    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(
        (&call["agent"], &call["region"]),
        (&json!("1024"), &json!("云溪市"))
    );
    send(&mut socket, json!({"type": "end"})).await;
    expect(&mut socket, "ended").await;
    assert_eq!(next(&mut socket).await, None);
    problem_of(server.get("/v1/calls/c1").await, 404, "no_such_call").await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_the_call_goes_on() {
    let server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut socket, "call").await;
    let long = "长".repeat(2_001);
    for (message, of, id, field) in [
        (
            json!({"text": "?"}),
            Value::Null,
            Value::Null,
            json!("type"),
        ),
        (
            json!({"type": "shout"}),
            json!("shout"),
            Value::Null,
            json!("type"),
        ),
        (
            utterance("u1", &long),
            json!("utterance"),
            json!("u1"),
            json!("text"),
        ),
        (
            json!({"type": "utterance", "id": "u1", "speaker": "nobody", "text": ""}),
            json!("utterance"),
            json!("u1"),
            json!("speaker"),
        ),
        (
            json!({"type": "utterance", "id": "u1", "speaker": "caller", "text": "", "txt": ""}),
            json!("utterance"),
            json!("u1"),
            json!("txt"),
        ),
        (
            json!({"type": "feedback", "id": "f", "action": "dismissed"}),
            json!("feedback"),
            json!("f"),
            json!("recommendation_id"),
        ),
        (
            json!({"type": "feedback", "action": "linked", "recommendation_id": "x"}),
            json!("feedback"),
            json!(""),
            json!("ticket"),
        ),
        (
            json!({"type": "query", "query": "水", "limit": 500}),
            json!("query"),
            Value::Null,
            json!("limit"),
        ),
    ] {
        send(&mut socket, message.clone()).await;
        let error = expect(&mut socket, "error").await;
        assert_eq!(
            (&error["of"], &error["id"], &error["problem"]["field"]),
            (&of, &id, &field),
            "{message} {error}"
        );
        assert_eq!(error["problem"]["code"], "invalid_field", "{error}");
    }
    for message in [Message::Text("{".into()), Message::Binary(vec![1].into())] {
        socket.send(message).await.unwrap();
        assert_eq!(
            expect(&mut socket, "error").await["problem"]["code"],
            "invalid_json"
        );
    }
    send(&mut socket, utterance("u1", "退休金哪天发")).await;
    expect(&mut socket, "recommendations").await;

    let refused = server.get("/v1/calls/c1/ws").await;
    problem_of(refused, 426, "upgrade_required").await;
    let refused = server.get("/v1/calls/c1/ws?last_revision=x").await;
    problem_of(refused, 400, "invalid_field").await;
}

#[tokio::test]
async fn revisions_duplicates_and_late_states() {
    let server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut socket, "call").await;
    let partial = json!({"type": "utterance", "id": "u1", "speaker": "caller", "text": "退休金", "final": false});
    send(&mut socket, partial.clone()).await;
    expect(&mut socket, "ack").await;
    send(&mut socket, utterance("u1", "退休金哪天发")).await;
    expect(&mut socket, "recommendations").await;
    expect(&mut socket, "ack").await;
    // Twice, and an earlier state after the final one.
    for message in [utterance("u1", "退休金哪天发"), partial] {
        send(&mut socket, message).await;
        assert_eq!(expect(&mut socket, "ack").await["revision"], 1);
    }
    let call = json_of(server.get("/v1/calls/c1").await, 200).await;
    assert_eq!(call["utterances"].as_array().unwrap().len(), 1);
    assert_eq!(call["utterances"][0]["text"], "退休金哪天发");
}

#[tokio::test]
async fn who_comes_back_gets_what_is_newer() {
    let server = TestServer::start(backend(0.8)).await;
    let mut first = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut first, "call").await;
    send(&mut first, utterance("u1", "退休金哪天发")).await;
    let shown = expect(&mut first, "recommendations").await;
    drop(first);

    let mut knows = connect(&server, "/v1/calls/c1/ws?last_revision=1").await;
    assert_eq!(expect(&mut knows, "call").await["revision"], 1);
    send(&mut knows, json!({"type": "ping"})).await;
    expect(&mut knows, "pong").await;

    let mut knows_nothing = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut knows_nothing, "call").await;
    assert_eq!(expect(&mut knows_nothing, "recommendations").await, shown);

    // What another connection, or a request, changes reaches all.
    let dismissed =
        json!({"action": "dismissed", "recommendation_id": shown["items"][0]["recommendation_id"]});
    json_of(post(&server, "/v1/calls/c1/feedback", dismissed).await, 200).await;
    for socket in [&mut knows, &mut knows_nothing] {
        let left = expect(socket, "recommendations").await;
        assert_eq!((&left["revision"], &left["items"]), (&json!(2), &json!([])));
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let backend = FakeBackend::answering(|request| {
        let mut response = empty_response(&request.query);
        let mut found = hit(0.8);
        found.text = "长文".repeat(10_000);
        found.highlights.clear();
        response.hits = vec![found; request.limit];
        Ok(response)
    });
    let server = TestServer::start(backend).await;
    let mut slow = connect(&server, "/v1/calls/slow/ws").await;
    let query = json!({"type": "query", "query": "退休金", "limit": 20});
    // 1.2 MB an answer: whatever the system buffers is full at last, and its own queries wait.
    let mut n_asked = 0;
    loop {
        let ask = slow.send(Message::Text(query.to_string().into()));
        match tokio::time::timeout(Duration::from_secs(1), ask).await {
            Ok(sent) => sent.unwrap(),
            Err(_) => break,
        }
        n_asked += 1;
        assert!(n_asked < 500_000, "its queries wait");
    }
    for n in 0..20 {
        let said =
            json!({"utterances": [{"id": n.to_string(), "speaker": "agent", "text": "您好"}]});
        let path = format!("/v1/calls/quick{n}/utterances");
        let answer = tokio::time::timeout(Duration::from_secs(5), post(&server, &path, said)).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    let n_answered = server.backend.searches.lock().unwrap().len();
    assert!(
        n_answered < n_asked,
        "{n_answered} of {n_asked} were answered unread"
    );
}

#[tokio::test]
async fn the_end_of_the_server_ends_connections() {
    let mut server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut socket, "call").await;
    server.shutdown.cancel();
    assert_eq!(next(&mut socket).await, None);
    let served = tokio::time::timeout(Duration::from_secs(10), server.serving.take().unwrap());
    served.await.expect("the server ends").unwrap().unwrap();
}

#[tokio::test]
async fn what_another_call_said_is_not_known() {
    let server = TestServer::start(backend(0.8)).await;
    // More than there was, and as much as there was of another call.
    hear(&server, said("u1", "退休金哪天发")).await;
    for query in [
        "last_revision=7",
        "last_revision=1&started_at=2020-01-01T00:00:00.000Z",
    ] {
        let mut socket = connect(&server, &format!("/v1/calls/c1/ws?{query}")).await;
        expect(&mut socket, "call").await;
        assert_eq!(
            expect(&mut socket, "recommendations").await["revision"],
            1,
            "{query}"
        );
    }
    let mut socket = connect(&server, "/v1/calls/c1/ws").await;
    let started_at = expect(&mut socket, "call").await["started_at"].clone();
    let query = format!(
        "last_revision=1&started_at={}",
        started_at.as_str().unwrap()
    );
    let mut socket = connect(&server, &format!("/v1/calls/c1/ws?{query}")).await;
    expect(&mut socket, "call").await;
    send(&mut socket, json!({"type": "ping"})).await;
    expect(&mut socket, "pong").await;
}

#[tokio::test]
async fn a_call_in_which_nothing_was_said_goes_with_its_connection() {
    let server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c9/ws").await;
    expect(&mut socket, "call").await;
    json_of(server.get("/v1/calls/c9").await, 200).await;
    // One of two leaves: the call is still the other's.
    let mut other = connect(&server, "/v1/calls/c9/ws").await;
    expect(&mut other, "call").await;
    send(&mut socket, json!({"type": "ping"})).await;
    expect(&mut socket, "pong").await;
    socket.close(None).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    send(&mut other, json!({"type": "ping"})).await;
    expect(&mut other, "pong").await;
    json_of(server.get("/v1/calls/c9").await, 200).await;
    drop(other);
    let is_gone = async {
        while server.get("/v1/calls/c9").await.status() != 404 {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(10), is_gone).await;
    gone.expect("the call ends");
    problem_of(server.get("/v1/calls/c9/export").await, 404, "no_such_call").await;
}

#[tokio::test]
async fn pages_of_other_hosts_do_not_listen() {
    let server = TestServer::start(backend(0.8)).await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [
        ("http://evil.example", 403),
        ("null", 403),
        (own.as_str(), 101),
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let url = format!("ws://{}/v1/calls/c1/ws", server.address);
        let mut request =
            tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
                .unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        let found = match client_async(request, stream).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                response.status().as_u16()
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, status, "{origin}");
    }
}

#[tokio::test]
async fn a_socket_and_requests_are_one_call() {
    let server = TestServer::start(backend(0.8)).await;
    let mut socket = connect(&server, "/v1/calls/c1/ws").await;
    expect(&mut socket, "call").await;
    let reply = hear(&server, said("u1", "退休金哪天发")).await;
    assert_eq!(
        expect(&mut socket, "recommendations").await["revision"],
        reply["revision"]
    );
}
