//! `/mcp`: the Model Context Protocol over streamable HTTP, after its public specification.
//!
//! 1. The newest version (2026-07-28, each request by itself) and those that begin with `initialize`
//!    (2025-11-25, 2025-06-18) are spoken; there are no sessions.
//! 2. Tools are listed with schemas of what goes in and comes out that stand for themselves.
//! 3. A call's structured content has what its schema requires, its text says the same, and sources are
//!    linked; what is wrong with the arguments is for the model to read.
//! 4. Documents are resources. What a caller may not see is no hit, no document and no resource.
//! 5. Pages of other origins are refused, and so is what is no request of the protocol.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use zhiku::config::Config;
use zhiku::document::Audience;

use crate::answer::{all_of, daring};
use crate::server::{FakeBackend, TestServer, internal_note, json_of, pension};

const INTERNAL: &str = "人社局/内部#2";
const PENSION: &str = "人社局/养老金.md";
const NEWEST: &str = "2026-07-28";

fn backend() -> FakeBackend {
    FakeBackend::answering(|request| Ok(all_of(&[pension(), internal_note()], request)))
}

async fn start_for(audience: Audience) -> TestServer {
    TestServer::start_with(backend(), |config: &mut Config| {
        config.server.audience = audience;
    })
    .await
}

fn request(server: &TestServer, message: &Value) -> RequestBuilder {
    server
        .request(Method::POST, "/mcp")
        .header("accept", "application/json, text/event-stream")
        .json(message)
}

/// The result of a request of a version that begins with `initialize`.
async fn ask(server: &TestServer, method: &str, params: Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let version = ("mcp-protocol-version", "2025-11-25");
    let response = request(server, &message)
        .header(version.0, version.1)
        .send();
    let answer = json_of(response.await.unwrap(), 200).await;
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"]),
        (&json!("2.0"), &json!(7))
    );
    answer
}

async fn call(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let answer = ask(
        server,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )
    .await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

#[tokio::test]
async fn versions_with_a_handshake_are_agreed_upon() {
    let server = TestServer::start(backend()).await;
    for (wanted, expected) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = json!({
            "protocolVersion": wanted, "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let response = request(&server, &message).send().await.unwrap();
        assert!(!response.headers().contains_key("mcp-session-id"));
        assert_eq!(response.headers()["content-type"], "application/json");
        let result = json_of(response, 200).await["result"].clone();
        assert_eq!(result["protocolVersion"], expected, "{wanted}");
        assert_eq!(result["serverInfo"]["name"], "zhiku");
        assert!(
            result["capabilities"]["tools"].is_object()
                && result["capabilities"]["resources"].is_object()
        );
        assert!(
            result["instructions"]
                .as_str()
                .unwrap()
                .contains("answer_question")
        );
    }
    let message = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let response = request(&server, &message).send().await.unwrap();
    assert_eq!(response.status(), 202);
}

#[tokio::test]
async fn requests_of_the_newest_version_stand_for_themselves() {
    let server = TestServer::start_with(backend(), daring).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEWEST,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let send = async |method: &str, name: Option<&str>, mut params: Value| {
        params["_meta"] = meta.clone();
        let message = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
        let mut built = request(&server, &message)
            .header("mcp-protocol-version", NEWEST)
            .header("mcp-method", method);
        if let Some(name) = name {
            built = built.header("mcp-name", name);
        }
        json_of(built.send().await.unwrap(), 200).await["result"].clone()
    };
    let discovered = send("server/discover", None, json!({})).await;
    let versions: Vec<&str> = discovered["supportedVersions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        versions.contains(&NEWEST) && versions.contains(&"2025-11-25"),
        "{versions:?}"
    );
    let tools = send("tools/list", None, json!({})).await;
    assert_eq!(tools["tools"].as_array().unwrap().len(), 3);
    let asked = json!({"name": "answer_question", "arguments": {"query": "退休金怎么领"}});
    let result = send("tools/call", Some("answer_question"), asked).await;
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["structuredContent"]["answer"]["text"],
        "每月15日发放到社保卡。"
    );
    let list = send("resources/list", None, json!({})).await;
    assert_eq!(
        list["cacheScope"], "private",
        "another caller may see others"
    );
}

#[tokio::test]
async fn tools_are_listed_with_their_schemas() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    found.insert(target.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let server = TestServer::start(backend()).await;
    let result = ask(&server, "tools/list", json!({})).await["result"].clone();
    let tools = result["tools"].as_array().unwrap();
    let names: Vec<&str> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["search_knowledge", "get_document", "answer_question"]
    );
    for tool in tools {
        assert!(!tool["title"].as_str().unwrap().is_empty());
        assert!(!tool["description"].as_str().unwrap().is_empty());
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        for key in ["inputSchema", "outputSchema"] {
            let schema = &tool[key];
            assert_eq!(schema["type"], "object", "{}", tool["name"]);
            assert!(!schema["required"].as_array().unwrap().is_empty());
            let mut found = BTreeSet::new();
            references(schema, &mut found);
            for target in found {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(schema.pointer(pointer).is_some(), "{target} in {schema}");
            }
        }
    }
}

/// Checks the form of a call that went well; gives its structured content.
async fn called(server: &TestServer, tool: &str, arguments: Value, links: &[&str]) -> Value {
    let result = call(server, tool, arguments).await;
    assert_ne!(result["isError"], true, "{result}");
    let structured = result["structuredContent"].clone();
    let content = result["content"].as_array().unwrap();
    assert_eq!(content[0]["type"], "text");
    let told: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(told, structured, "the text says the same");
    let linked: Vec<&str> = content[1..]
        .iter()
        .inspect(|block| assert_eq!(block["type"], "resource_link"))
        .filter_map(|block| block["uri"].as_str())
        .collect();
    assert_eq!(linked, links);
    let tools = ask(server, "tools/list", json!({})).await;
    let tools = tools["result"]["tools"].as_array().unwrap().clone();
    let listed = tools.iter().find(|listed| listed["name"] == tool).unwrap();
    for key in listed["outputSchema"]["required"].as_array().unwrap() {
        assert!(structured.get(key.as_str().unwrap()).is_some(), "no {key}");
    }
    structured
}

/// The address of [`pension`].
const LINK: &str = "zhiku://documents/%E4%BA%BA%E7%A4%BE%E5%B1%80/%E5%85%BB%E8%80%81%E9%87%91.md";

#[tokio::test]
async fn knowledge_is_searched() {
    let server = TestServer::start(backend()).await;
    let asked = json!({
        "query": "退休金", "limit": 1, "as_of": "2026-11-20",
        "filters": {"department": ["市人社局"], "kind": ["faq"]},
    });
    let found = called(&server, "search_knowledge", asked, &[LINK]).await;
    let hit = &found["hits"][0];
    assert_eq!(
        (&hit["document_id"], &hit["uri"]),
        (&json!(PENSION), &json!(LINK))
    );
    assert_eq!(hit["text"], pension().text);
    assert_eq!(hit["citation"]["row"], 2);
    assert_eq!(found["degraded"], json!(["vector_timeout"]));
    let searches = server.backend.searches.lock().unwrap();
    assert_eq!(
        (searches[0].query.as_str(), searches[0].limit),
        ("退休金", 1)
    );
    assert_eq!(searches[0].filters.department, ["市人社局"]);
    assert_eq!(searches[0].as_of, Some(jiff::civil::date(2026, 11, 20)));
    assert!(searches[0].deadline.is_some());
}

#[tokio::test]
async fn documents_are_read_in_parts_and_as_resources() {
    let server = start_for(Audience::Internal).await;
    let whole = called(
        &server,
        "get_document",
        json!({"document_id": PENSION}),
        &[LINK],
    )
    .await;
    assert_eq!(whole["text"], pension().text);
    assert_eq!(whole["metadata"]["doc_no"], "云人社规〔2024〕3号");
    let n_chars = pension().text.chars().count();
    assert_eq!(
        (&whole["char_start"], &whole["n_chars"]),
        (&json!(0), &json!(n_chars))
    );
    let asked = json!({"document_id": PENSION, "from_char": 2, "max_chars": 3});
    let part = called(&server, "get_document", asked, &[LINK]).await;
    assert_eq!(
        (&part["text"], &part["char_end"]),
        (&json!("退休金"), &json!(5))
    );
    let asked = json!({"document_id": PENSION, "from_char": 10_000});
    let nothing = called(&server, "get_document", asked, &[LINK]).await;
    assert_eq!(
        (&nothing["text"], &nothing["char_start"]),
        (&json!(""), &json!(n_chars))
    );

    let read = ask(&server, "resources/read", json!({"uri": LINK})).await;
    let contents = &read["result"]["contents"][0];
    assert_eq!(
        (&contents["uri"], &contents["text"]),
        (&json!(LINK), &json!(pension().text))
    );
    let list = ask(&server, "resources/list", json!({})).await["result"].clone();
    let uris: Vec<&str> = list["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|resource| resource["uri"].as_str())
        .collect();
    assert_eq!(uris[0], LINK);
    let note = ask(&server, "resources/read", json!({"uri": uris[1]})).await;
    assert_eq!(note["result"]["contents"][0]["text"], internal_note().text);
    assert!(list["nextCursor"].is_null());
    let templates = ask(&server, "resources/templates/list", json!({})).await;
    let template = &templates["result"]["resourceTemplates"][0]["uriTemplate"];
    assert_eq!(template, "zhiku://documents/{+document_id}");
    for uri in [
        "zhiku://documents/没有",
        "zhiku://documents/%FF",
        "file:///etc/passwd",
        "",
    ] {
        let answer = ask(&server, "resources/read", json!({"uri": uri})).await;
        assert_eq!(answer["error"]["code"], -32002, "{uri}: {answer}");
    }
    let answer = ask(&server, "resources/list", json!({"cursor": "x"})).await;
    assert_eq!(answer["error"]["code"], -32602);
}

#[tokio::test]
async fn questions_are_answered() {
    let server = TestServer::start_with(backend(), daring).await;
    let asked = json!({"query": "退休金怎么领", "history": ["你好"], "style": "short"});
    let reply = called(&server, "answer_question", asked, &[LINK]).await;
    assert_eq!(reply["answer"]["text"], "每月15日发放到社保卡。");
    assert_eq!(reply["citations"][0]["document_id"], PENSION);
    let reply = called(&server, "answer_question", json!({"query": "你好"}), &[]).await;
    assert_eq!(
        (&reply["answer"], &reply["reason"]),
        (&Value::Null, &json!("out_of_scope"))
    );
}

#[tokio::test]
async fn wrong_arguments_are_told_to_the_model() {
    let server = TestServer::start(backend()).await;
    for (tool, arguments, hint) in [
        ("search_knowledge", json!({}), "missing field `query`"),
        ("search_knowledge", json!({"query": " "}), "query: is empty"),
        (
            "search_knowledge",
            json!({"query": "a", "limit": 21}),
            "1..=20",
        ),
        (
            "search_knowledge",
            json!({"query": "a", "filter": {}}),
            "did you mean `filters`",
        ),
        (
            "search_knowledge",
            json!({"query": "a", "as_of": "heute"}),
            "2026-11-20",
        ),
        (
            "get_document",
            json!({"document_id": "没有"}),
            "no document",
        ),
        (
            "get_document",
            json!({"document_id": PENSION, "max_chars": 0}),
            "max_chars: 0",
        ),
        (
            "answer_question",
            json!({"query": "长".repeat(4_001)}),
            "at most 4000",
        ),
    ] {
        let result = call(&server, tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let told = result["content"][0]["text"].as_str().unwrap();
        assert!(told.contains(hint), "{hint}: {told}");
    }
    let answer = ask(
        &server,
        "tools/call",
        json!({"name": "drop_all", "arguments": {}}),
    )
    .await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = ask(&server, "prompts/get", json!({"name": "x"})).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[tokio::test]
async fn what_a_caller_may_not_see_is_not_there() {
    let seen_by = async |audience| {
        let server = start_for(audience).await;
        let got = call(&server, "get_document", json!({"document_id": INTERNAL})).await;
        let uri = "zhiku://documents/%E4%BA%BA%E7%A4%BE%E5%B1%80/%E5%86%85%E9%83%A8%232";
        let read = ask(&server, "resources/read", json!({"uri": uri})).await;
        let list = ask(&server, "resources/list", json!({})).await;
        call(&server, "search_knowledge", json!({"query": "内部口径"})).await;
        call(
            &server,
            "answer_question",
            json!({"query": "内部口径是什么"}),
        )
        .await;
        for request in server.backend.searches.lock().unwrap().iter() {
            assert_eq!(request.sight, audience.into());
        }
        (
            got["isError"] != true,
            read["error"].is_null(),
            list.to_string().contains("%232"),
        )
    };
    assert_eq!(seen_by(Audience::Internal).await, (true, true, true));
    for audience in [Audience::Agent, Audience::Public] {
        assert_eq!(seen_by(audience).await, (false, false, false));
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    // Without keys a page of the server's own address alone is let in at all.
    let server = TestServer::start(backend()).await;
    let own = format!("http://{}", server.address);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (origin, expected) in [
        (None, 200),
        (Some(own.as_str()), 200),
        (Some("http://assistant.example.cn"), 403),
        (Some("https://localhost.evil.example"), 403),
        (Some("null"), 403),
        (Some("nonsense"), 403),
    ] {
        let mut built = request(&server, &message);
        if let Some(origin) = origin {
            built = built.header("origin", origin);
        }
        let status = built.send().await.unwrap().status();
        assert_eq!(status, expected, "{origin:?}");
    }
}

#[tokio::test]
async fn what_is_no_request_of_the_protocol_is_refused() {
    let server = TestServer::start_with(backend(), |config| {
        config.server.max_body_bytes = 2_000;
    })
    .await;
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let sent = server.request(method.clone(), "/mcp");
        let response = sent.header("accept", "text/event-stream").send().await;
        assert_eq!(response.unwrap().status(), 405, "{method}");
    }
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"a": "长".repeat(1_000)}});
    assert_eq!(request(&server, &long).send().await.unwrap().status(), 413);
    let plain = server.request(Method::POST, "/mcp").json(&json!({}));
    assert_eq!(plain.send().await.unwrap().status(), 406);
    for body in ["", "{", "[]", "7", r#"{"jsonrpc":"1.0"}"#] {
        let sent = server
            .request(Method::POST, "/mcp")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(body);
        let status = sent.send().await.unwrap().status();
        assert!(status.is_client_error(), "{body:?}: {status}");
    }
    // The server goes on.
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(
        request(&server, &message).send().await.unwrap().status(),
        200
    );
}
