//! What requests leave behind: calls and the book.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Server};
use crate::site::{Person, Site};

async fn status(request: reqwest::RequestBuilder) -> u16 {
    Answer::of(request).await.status
}

#[tokio::test]
async fn calls_of_one_name_do_not_know_of_each_other() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let say = async |person: &Person, text: &str| {
        let body = json!({"utterances": [
            {"id": "u1", "speaker": "caller", "text": text, "final": true}
        ]});
        let path = "/v1/calls/1001/utterances";
        Answer::of(server.request_of(person, Method::POST, path).json(&body)).await
    };
    let read = async |person: &Person| {
        Answer::of(server.request_of(person, Method::GET, "/v1/calls/1001")).await
    };
    let (health, region) = (
        site.person("agent of a department"),
        site.person("agent of a region"),
    );
    let (agent, admin) = (site.person("agent"), site.person("admin"));
    assert_eq!(say(health, "居住证补贴怎么办理？医保的").await.status, 200);
    assert_eq!(read(region).await.status, 404);
    assert_eq!(say(region, "居住证补贴怎么办理？区里的").await.status, 200);
    assert!(read(health).await.body.contains("医保的"));
    assert!(!read(health).await.body.contains("区里的"));
    // Who sees more sees what they see, and hears nothing else recommended in their call.
    let seen = read(agent).await;
    assert!(seen.body.contains("医保的"), "{seen:?}");
    let more = json!({"utterances": [
        {"id": "u2", "speaker": "caller", "text": "请问居住证补贴到哪个窗口办理呢？", "final": true}
    ]});
    let path = "/v1/calls/1001/utterances";
    let heard = Answer::of(server.request_of(admin, Method::POST, path).json(&more)).await;
    let shown = heard.shown(&site.documents);
    assert!(shown.iter().all(|made| health.sees(made)), "{shown:?}");
    // Reports count what one may see.
    let asked = async |person: &Person| {
        let usage = server.request_of(person, Method::GET, "/v1/reports/usage");
        Answer::of(usage).await.json()["total"]["n_calls"].clone()
    };
    assert_eq!(asked(health).await, 1);
    assert_eq!(asked(region).await, 1);
    assert_eq!(asked(agent).await, 2);
    let exported = server.request_of(admin, Method::GET, "/v1/calls/1001/export");
    assert_eq!(Answer::of(exported).await.body.lines().count(), 2);
    let limited = site.person("admin of a department");
    let path = "/v1/calls/1001";
    let gone = server.request_of(limited, Method::DELETE, path);
    assert_eq!(
        status(gone).await,
        404,
        "the call's owner sees more than this admin"
    );
    assert_eq!(
        status(server.request_of(admin, Method::DELETE, path)).await,
        204
    );
    assert_eq!(read(region).await.status, 404);
    assert_eq!(asked(agent).await, 0);
}

#[tokio::test]
async fn what_editors_do_and_what_was_refused_stands_in_the_book() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let editor = site.person("editor");
    let words = "说不得的话";
    let reindex = server.request_of(editor, Method::POST, "/v1/reindex");
    let reindex = reindex.json(&json!({"path": format!("市医保局/{words}.md")}));
    assert_eq!(status(reindex).await, 202);
    for _ in 0..5 {
        let path = format!("/v1/reports/usage?from={words}");
        assert_eq!(status(server.request(Method::GET, &path)).await, 401);
    }
    let agent = site.person("agent");
    assert_eq!(
        status(server.request_of(agent, Method::GET, "/metrics")).await,
        403
    );
    let mut book = Vec::new();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let output = site.run(&["keys", "audit", "--json"]).stdout;
        let output = String::from_utf8(output).unwrap();
        assert!(!output.contains(words) && !output.contains(agent.token.as_ref().unwrap()));
        book = output
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .collect();
        if book.iter().any(|line| line["route"] == "/metrics") {
            break;
        }
    }
    let id = |person: &Person| {
        person
            .token
            .as_ref()
            .unwrap()
            .split('_')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let lines = |route: &str| -> Vec<Value> {
        let lines = book.iter().filter(|line| line["route"] == route);
        lines.cloned().collect()
    };
    let done = &lines("/v1/reindex")[0];
    assert_eq!(
        (
            &done["key_id"],
            &done["role"],
            &done["outcome"],
            &done["address"]
        ),
        (
            &json!(id(editor)),
            &json!("editor"),
            &json!("202"),
            &json!("127.0.0.1")
        )
    );
    let refused: u64 = lines("/v1/reports/usage")
        .iter()
        .map(|line| {
            assert_eq!(
                (&line["outcome"], &line["role"]),
                (&json!("refused 401"), &json!("anonymous"))
            );
            line["n"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(refused, 5);
    let denied = &lines("/metrics")[0];
    assert_eq!(
        (&denied["key_id"], &denied["outcome"]),
        (&json!(id(agent)), &json!("refused 403"))
    );
    assert!(book.iter().any(|line| line["action"] == "keys create"));
}
