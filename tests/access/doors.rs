//! Keys, limits, proxies, headers and the book.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::server::{Answer, Server};
use crate::site::Site;

fn asks(server: &Server, token: &str) -> reqwest::RequestBuilder {
    server
        .request(Method::POST, "/v1/search")
        .bearer_auth(token)
        .json(&json!({"query": "居住证补贴"}))
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    Answer::of(request).await.status
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut headers = answer.headers.iter();
    headers
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_key_counts_at_once_and_stops_at_once() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let token = site.create_key("agent", None, None);
    assert_eq!(status(asks(&server, &token)).await, 200);
    let id = token.split('_').nth(1).unwrap().to_owned();

    // A stream and a WebSocket that the key has opened.
    let mut stream = server
        .request(Method::GET, "/v1/changes?after=0")
        .bearer_auth(&token)
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let mut request = format!("ws://{}/v1/calls/live/ws", server.address)
        .into_client_request()
        .unwrap();
    let protocols = format!("zhiku, zhiku.bearer.{token}");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (mut socket, upgraded) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(upgraded.headers()["sec-websocket-protocol"], "zhiku");
    socket
        .send(Message::text(r#"{"type":"ping"}"#))
        .await
        .unwrap();

    site.run(&["keys", "revoke", &id]);
    let revoked_at = Instant::now();
    let refused = Answer::of(asks(&server, &token)).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (401, Some("invalid_key"))
    );
    let challenge = header(&refused, "www-authenticate").unwrap();
    assert_eq!(challenge, "Bearer realm=\"zhiku\", error=\"invalid_token\"");
    let ends = async {
        while let Ok(Some(_)) = stream.chunk().await {}
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, ends).await.expect("they go on");
    println!(
        "stream and WebSocket ended {:?} after the key",
        revoked_at.elapsed()
    );
    assert!(
        !server.log.lock().unwrap().contains(&token),
        "a token is logged"
    );
}

#[tokio::test]
async fn keys_that_do_not_count_are_refused() {
    let site = Site::new();
    let expired = site.create_key("admin", None, None);
    let id = expired.split('_').nth(1).unwrap();
    let keys = rusqlite::Connection::open(site.access_path()).unwrap();
    keys.execute("UPDATE keys SET expires_at = 1000 WHERE id = ?1", [id])
        .unwrap();
    keys.execute("UPDATE revision SET keys = keys + 1", [])
        .unwrap();
    let server = Server::start(&site).await;
    let good = site.person("agent").token.clone().unwrap();
    let wrong_secret = format!(
        "{}{}",
        &good[..good.len() - 1],
        if good.ends_with('a') { 'b' } else { 'a' }
    );
    let unknown_id = good.replacen(&good[3..13], "aaaaaaaaaa", 1);
    for (token, code) in [
        (expired.as_str(), "invalid_key"),
        (&wrong_secret, "invalid_key"),
        (&unknown_id, "invalid_key"),
        ("nonsense", "invalid_key"),
        (&"x".repeat(7_000), "invalid_key"),
    ] {
        let answer = Answer::of(asks(&server, token)).await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(answer.json()["code"], code);
        // Nor does it let in where nothing is needed, or where the public is let in.
        let page = server
            .request(Method::GET, "/v1/documents")
            .bearer_auth(token);
        assert_eq!(status(page).await, 401);
    }
    for value in ["Basic YTpi", "Bearer", "bearer ", "Bearer \u{7f}", "zk_x"] {
        let request = server.request(Method::GET, "/v1/documents");
        let Ok(value) = reqwest::header::HeaderValue::from_str(value) else {
            continue;
        };
        let answer = Answer::of(request.header("authorization", value)).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    let twice = server
        .request(Method::GET, "/v1/documents")
        .header("authorization", format!("Bearer {good}"))
        .header("authorization", format!("Bearer {good}"));
    assert_eq!(status(twice).await, 401);
    // In the address nothing counts.
    let in_query = server.request(Method::GET, &format!("/v1/reports/usage?token={good}"));
    assert_eq!(status(in_query).await, 401);
    let nobody = server.request(Method::GET, "/v1/reports/usage");
    let answer = Answer::of(nobody).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (401, Some("key_required"))
    );
    assert_eq!(status(asks(&server, &good)).await, 200);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_answered() {
    let mut site = Site::new();
    std::fs::remove_file(site.access_path()).unwrap();
    site.people.clear();
    let server = Server::start(&site).await;
    let plain = server.request(Method::GET, "/v1/reports/usage");
    assert_eq!(status(plain).await, 200);
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("origin", "https://evil.example"),
    ] {
        let request = server
            .request(Method::GET, "/v1/documents")
            .header(name, value);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(answer.json()["code"], "no_keys");
        assert!(answer.body.contains("zhiku keys create"), "{answer:?}");
    }
    assert_eq!(
        status(server.request(Method::GET, "/healthz").header("via", "x")).await,
        200
    );
    assert!(server.log.lock().unwrap().contains("there are no API keys"));

    // The first key ends that, for what is open too.
    let mut stream = server
        .request(Method::GET, "/v1/changes?after=0")
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let token = site.create_key("public", None, None);
    assert_eq!(
        status(server.request(Method::GET, "/v1/reports/usage")).await,
        401
    );
    assert_eq!(status(asks(&server, &token)).await, 200);
    let ends = async { while let Ok(Some(_)) = stream.chunk().await {} };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, ends).await.expect("it goes on");
    // Also when that key is withdrawn.
    site.run(&["keys", "revoke", &token]);
    assert_eq!(
        status(server.request(Method::GET, "/v1/reports/usage")).await,
        401
    );
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let site = Site::new();
    site.configure(
        "[access]\nanonymous_rate = 0.01\nanonymous_burst = 4\nkey_rate = 0.01\nkey_burst = 3\n\
         attempts_per_minute = 2\ntrusted_proxies = [\"127.0.0.0/8\"]\n",
    );
    let server = Server::start(&site).await;
    let token = site.person("agent").token.clone().unwrap();
    let from = |address: &str| {
        let request = server.request(Method::GET, "/v1/documents?limit=1");
        request.header("x-forwarded-for", address.to_owned())
    };
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(status(from("192.0.2.1").bearer_auth(&token)).await);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    statuses.clear();
    for _ in 0..5 {
        statuses.push(status(from("192.0.2.2")).await);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
    let refused = Answer::of(from("192.0.2.2")).await;
    assert_eq!(refused.json()["code"], "rate_limited");
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((50..=100).contains(&wait), "{wait}");
    assert_eq!(status(from("192.0.2.3")).await, 200, "another address");
    // Two keys of one address are tried, then none: also a good one is not.
    let other = site.person("editor").token.clone().unwrap();
    let wrong = other.replacen(&other[3..13], "aaaaaaaaaa", 1);
    statuses.clear();
    for token in [&wrong, &wrong, &other] {
        statuses.push(status(from("192.0.2.4").bearer_auth(token)).await);
    }
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(status(from("192.0.2.5").bearer_auth(&other)).await, 200);
    assert_eq!(
        status(from("192.0.2.4").bearer_auth(&other)).await,
        200,
        "known by now"
    );
}

#[tokio::test]
async fn with_no_anonymous_callers_everybody_needs_a_key() {
    let site = Site::new();
    site.configure("[access]\nanonymous = \"none\"\n");
    let server = Server::start(&site).await;
    for (path, expected) in [
        ("/v1/documents", 401),
        ("/none", 401),
        ("/", 200),
        ("/docs/", 200),
        ("/openapi.json", 200),
        ("/healthz", 200),
        ("/readyz", 200),
    ] {
        assert_eq!(
            status(server.request(Method::GET, path)).await,
            expected,
            "{path}"
        );
    }
    let public = site.person("public");
    assert_eq!(
        status(server.request_of(public, Method::GET, "/v1/documents")).await,
        200
    );
    let ready = Answer::of(server.request(Method::GET, "/readyz"))
        .await
        .json();
    assert!(ready.get("n_documents").is_none(), "{ready}");
    let admin = server.request_of(site.person("admin"), Method::GET, "/readyz");
    assert!(Answer::of(admin).await.json()["n_documents"].is_u64());
    let limited = site.person("admin of a department");
    let metrics = server.request_of(limited, Method::GET, "/metrics");
    assert_eq!(status(metrics).await, 403);
}

#[tokio::test]
async fn browsers_are_told_what_not_to_do_and_who_may_read() {
    let site = Site::new();
    site.configure("[access]\ncors_origins = [\"https://12345.example.cn\"]\n");
    let server = Server::start(&site).await;
    for path in ["/", "/docs/", "/v1/documents", "/none", "/healthz"] {
        let answer = Answer::of(server.request(Method::GET, path)).await;
        assert_eq!(
            header(&answer, "x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        let policy = header(&answer, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(
            header(&answer, "referrer-policy").is_some()
                && header(&answer, "x-frame-options").is_some()
        );
        assert_eq!(header(&answer, "strict-transport-security"), None);
    }
    let preflight = |origin: &str| {
        server
            .request(Method::OPTIONS, "/v1/search")
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            )
    };
    let known = Answer::of(preflight("https://12345.example.cn")).await;
    let allowed = header(&known, "access-control-allow-origin");
    assert_eq!(
        (known.status, allowed),
        (200, Some("https://12345.example.cn"))
    );
    let other = Answer::of(preflight("https://evil.example")).await;
    assert_eq!(header(&other, "access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_socket_needs_a_key_too() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let url = format!("ws://{}/v1/calls/c/ws", server.address);
    let open = async |protocols: Option<String>| {
        let mut request = url.as_str().into_client_request().unwrap();
        if let Some(protocols) = protocols {
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", protocols.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    let of = |name: &str| {
        let token = site.person(name).token.clone().unwrap();
        Some(format!("zhiku, zhiku.bearer.{token}"))
    };
    assert_eq!(open(None).await, 401);
    assert_eq!(open(Some("zhiku, zhiku.bearer.x".to_owned())).await, 401);
    assert_eq!(open(of("public")).await, 403);
    assert_eq!(open(of("agent")).await, 101);
}
