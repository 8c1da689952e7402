//! Every route × every caller.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use zhiku::http::{PERMISSIONS, openapi};

use crate::server::{Answer, Server, encoded};
use crate::site::{Made, Person, Site};

/// What is asked of one route about one document.
pub struct Probe {
    pub path: String,
    pub body: Option<Value>,
    /// Sent besides.
    pub header: Option<(&'static str, &'static str)>,
    /// Whether the answer says that there is no such document if the caller may not see it.
    pub names_document: bool,
}

fn get(path: String) -> Probe {
    Probe {
        path,
        body: None,
        header: None,
        names_document: false,
    }
}

fn post(path: &str, body: Value) -> Probe {
    Probe {
        body: Some(body),
        ..get(path.to_owned())
    }
}

/// A route, the rank of the role that it needs (`None`: nobody needs anything), and what is asked.
type Row = (
    &'static str,
    &'static str,
    Option<usize>,
    fn(id: &str, call: &str) -> Vec<Probe>,
);

/// Every route that there is. Whoever adds a route adds its row, and says what of a document could
/// show in it.
pub const ROWS: &[Row] = &[
    ("GET", "/", None, |_, _| vec![get("/".into())]),
    ("GET", "/ask", None, |_, _| vec![get("/ask".into())]),
    ("POST", "/ask", Some(0), |_, _| {
        let question = encoded("居住证补贴怎么办理");
        let form = format!("question={question}&history={question}");
        vec![post("/ask", Value::String(form))]
    }),
    ("GET", "/docs", None, |_, _| vec![get("/docs".into())]),
    ("GET", "/docs/", None, |_, _| vec![get("/docs/".into())]),
    ("GET", "/docs/{*rest}", None, |_, _| {
        vec![get("/docs/swagger-ui.css".into()), get("/docs/none".into())]
    }),
    ("GET", "/healthz", None, |_, _| vec![get("/healthz".into())]),
    // Without sessions there is nothing to read or to end: the protocol says so itself.
    ("DELETE", "/mcp", Some(0), |_, _| vec![get("/mcp".into())]),
    ("GET", "/mcp", Some(0), |_, _| vec![get("/mcp".into())]),
    ("POST", "/mcp", Some(0), |id, _| {
        let call = |name: &str, arguments: Value| Probe {
            header: Some(("accept", "application/json, text/event-stream")),
            ..post(
                "/mcp",
                json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                       "params": {"name": name, "arguments": arguments}}),
            )
        };
        let query = "居住证补贴怎么办理";
        let uri = format!("zhiku://documents/{}", encoded(id));
        vec![
            call("search_knowledge", json!({"query": query, "limit": 20})),
            call("get_document", json!({"document_id": id})),
            call("answer_question", json!({"query": query})),
            Probe {
                header: Some(("accept", "application/json, text/event-stream")),
                ..post(
                    "/mcp",
                    json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read",
                           "params": {"uri": uri}}),
                )
            },
        ]
    }),
    ("GET", "/metrics", Some(3), |_, _| {
        vec![get("/metrics".into())]
    }),
    ("GET", "/openapi.json", None, |_, _| {
        vec![get("/openapi.json".into())]
    }),
    ("GET", "/readyz", None, |_, _| vec![get("/readyz".into())]),
    ("POST", "/v1/answer", Some(0), |id, _| {
        let by_id = json!({"query": "居住证补贴怎么办理", "filters": {"document_id": [id]}});
        let all = json!({"query": "居住证补贴怎么办理？", "history": ["居住证怎么办"]});
        vec![post("/v1/answer", by_id), post("/v1/answer", all)]
    }),
    ("DELETE", "/v1/calls/{id}", Some(3), |_, _| {
        vec![get("/v1/calls/none".into())]
    }),
    ("GET", "/v1/calls/{id}", Some(1), |_, call| {
        vec![get(format!("/v1/calls/{call}"))]
    }),
    ("POST", "/v1/calls/{id}/end", Some(1), |_, _| {
        vec![post("/v1/calls/none/end", json!({}))]
    }),
    ("GET", "/v1/calls/{id}/events", Some(1), |_, call| {
        vec![get(format!("/v1/calls/{call}/events"))]
    }),
    ("GET", "/v1/calls/{id}/export", Some(3), |_, call| {
        vec![get(format!("/v1/calls/{call}/export"))]
    }),
    ("POST", "/v1/calls/{id}/feedback", Some(1), |id, call| {
        let path = format!("/v1/calls/{call}/feedback");
        let passage = format!("{id}#p0");
        vec![Probe {
            names_document: true,
            ..post(
                &path,
                json!({"action": "helpful", "document_id": id, "passage_id": passage}),
            )
        }]
    }),
    ("GET", "/v1/calls/{id}/related", Some(1), |_, call| {
        vec![get(format!(
            "/v1/calls/{call}/related?keyword=%E5%B1%85%E4%BD%8F%E8%AF%81"
        ))]
    }),
    ("POST", "/v1/calls/{id}/utterances", Some(1), |_, call| {
        let said = json!({"utterances": [
            {"id": "u1", "speaker": "caller", "text": "居住证补贴怎么办理？", "final": true}
        ]});
        vec![post(&format!("/v1/calls/{call}/utterances"), said)]
    }),
    ("GET", "/v1/calls/{id}/ws", Some(1), |_, call| {
        vec![get(format!("/v1/calls/{call}/ws"))]
    }),
    ("GET", "/v1/changes", Some(1), |_, _| {
        vec![
            get("/v1/changes?limit=1000".into()),
            get("/v1/changes?after=3&limit=7".into()),
            Probe {
                header: Some(("accept", "text/event-stream")),
                ..get("/v1/changes?after=0".into())
            },
        ]
    }),
    ("POST", "/v1/dify/retrieval", Some(0), |_, _| {
        ["all", "市医保局", "市人社局"]
            .iter()
            .map(|knowledge| {
                let body = json!({"knowledge_id": knowledge, "query": "居住证补贴怎么办理",
                                  "retrieval_setting": {"top_k": 100, "score_threshold": 0.0}});
                post("/v1/dify/retrieval", body)
            })
            .collect()
    }),
    ("GET", "/v1/documents", Some(0), |id, _| {
        vec![
            get("/v1/documents?limit=100".into()),
            get(format!(
                "/v1/documents?q={}",
                encoded(id).replace('/', "%2F")
            )),
            get("/v1/documents?department=%E5%B8%82%E5%8C%BB%E4%BF%9D%E5%B1%80".into()),
        ]
    }),
    ("GET", "/v1/documents/{*id}", Some(0), |id, _| {
        let id = encoded(id);
        [
            "",
            "/original",
            "/versions",
            "/versions/1",
            "/versions/2",
            "/diff?from=1&to=2",
        ]
        .iter()
        .map(|end| Probe {
            names_document: true,
            ..get(format!("/v1/documents/{id}{end}"))
        })
        .collect()
    }),
    ("GET", "/v1/learned", Some(1), |id, _| {
        let id = encoded(id).replace('/', "%2F");
        vec![
            get("/v1/learned".into()),
            get(format!("/v1/learned?document_id={id}")),
        ]
    }),
    ("POST", "/v1/learned", Some(2), |id, _| {
        vec![Probe {
            names_document: true,
            ..post("/v1/learned", json!({"document_id": id, "counts": true}))
        }]
    }),
    ("POST", "/v1/reindex", Some(2), |id, _| {
        vec![post("/v1/reindex", json!({"path": format!("{id}.none")}))]
    }),
    ("GET", "/v1/reports/gaps", Some(1), |_, _| {
        vec![get("/v1/reports/gaps".into())]
    }),
    ("GET", "/v1/reports/trending", Some(1), |_, _| {
        vec![get("/v1/reports/trending".into())]
    }),
    ("GET", "/v1/reports/usage", Some(1), |_, _| {
        vec![
            get("/v1/reports/usage?by=topic".into()),
            get("/v1/reports/usage".into()),
        ]
    }),
    ("POST", "/v1/search", Some(0), |id, _| {
        let by_id = json!({"query": "居住证补贴怎么办理", "filters": {"document_id": [id]},
                           "include_invalid": true, "explain": true});
        let all = json!({"query": "居住证补贴怎么办理", "limit": 100, "group": "none",
                         "include_invalid": true, "explain": true});
        vec![post("/v1/search", by_id), post("/v1/search", all)]
    }),
    ("POST", "/v1/vector_stores/{id}/search", Some(0), |_, _| {
        let body = json!({"query": "居住证补贴怎么办理", "max_num_results": 50});
        let of_department = "/v1/vector_stores/%E5%B8%82%E5%8C%BB%E4%BF%9D%E5%B1%80/search";
        vec![
            post("/v1/vector_stores/all/search", body.clone()),
            post(of_department, body),
        ]
    }),
];

pub fn request(server: &Server, method: &str, probe: &Probe) -> RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = server.request(method, &probe.path);
    if let Some((name, value)) = probe.header {
        request = request.header(name, value);
    }
    match &probe.body {
        // A text is a form, as pages send it.
        Some(Value::String(form)) => request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone()),
        Some(body) => request.json(body),
        None => request,
    }
}

/// The documents that an answer shows and must not show; ids that stand in the question may come
/// back in what says that there is nothing.
fn unseen<'d>(
    person: &Person,
    probe: &Probe,
    answer: &Answer,
    documents: &'d [Made],
) -> Vec<&'d Made> {
    let asked = format!("{} {:?}", probe.path, probe.body);
    let mut cleaned = answer.clone();
    if let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) {
        // What was asked, as it comes back.
        for key in ["detail", "query", "path"] {
            let is_echo = answer.status >= 400 || key == "query" || probe.path == "/v1/reindex";
            if let (Some(object), true) = (body.as_object_mut(), is_echo) {
                object.remove(key);
            }
        }
        cleaned.body = body.to_string();
    }
    if probe.path == "/mcp" && answer.body.contains("rror") {
        // It says what is not there.
        for made in documents.iter().filter(|made| asked.contains(&made.marker)) {
            cleaned.body = cleaned
                .body
                .replace(&made.id, "")
                .replace(&encoded(&made.id), "");
        }
    }
    let all_of_id = |made: &Made| documents.iter().filter(|other| other.id == made.id).count() > 1;
    cleaned
        .shown(documents)
        .into_iter()
        .filter(|made| !person.sees(made))
        // An id that is itself a marker of a state that may be seen.
        .filter(|made| !(all_of_id(made) && asked.contains(&made.marker)))
        .collect()
}

fn expected(person: &Person, need: Option<usize>) -> Option<u16> {
    match need {
        Some(need) if need > person.rank() => Some(match person.role {
            "none" => 401,
            _ => 403,
        }),
        _ => None,
    }
}

#[test]
fn every_route_has_a_row() {
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|(method, path, ..)| (*method, *path))
        .collect();
    let routes: BTreeSet<_> = PERMISSIONS
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .collect();
    let missing: Vec<_> = routes.difference(&rows).collect();
    assert!(
        missing.is_empty(),
        "routes without a row in tests/access/matrix.rs: {missing:?}"
    );
    let gone: Vec<_> = rows.difference(&routes).collect();
    assert!(
        gone.is_empty(),
        "rows of routes that are not there: {gone:?}"
    );
    // What is described is among them; the routes below documents share one pattern.
    let description = serde_json::to_value(openapi()).unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let is_below = path.starts_with("/v1/documents/{id}");
            let pattern = if is_below {
                "/v1/documents/{*id}"
            } else {
                path
            };
            assert!(
                rows.contains(&(method.as_str(), pattern)),
                "{method} {path} is described and has no row"
            );
        }
    }
}

#[tokio::test]
async fn nobody_sees_what_is_not_for_them() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let mut n_shown = 0;
    for person in &site.people {
        // Everybody has a call of the same name.
        let said = &ROWS
            .iter()
            .find(|row| row.1.ends_with("/utterances"))
            .unwrap()
            .3("", "c1")[0];
        if person.rank() >= 1 {
            let answer = Answer::of(authorised(person, request(&server, "POST", said))).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", person.name);
        }
        for (method, route, need, probes) in ROWS {
            // Of a route in which no document is named, one is enough.
            let n_documents = match probes("x", "c1").iter().any(|probe| mentions(probe, "x")) {
                true => site.documents.len(),
                false => 1,
            };
            for made in &site.documents[..n_documents] {
                for probe in probes(&made.id, "c1") {
                    let request = authorised(person, request(&server, method, &probe));
                    let answer = Answer::of(request).await;
                    let context = || format!("{} {method} {}: {answer:?}", person.name, probe.path);
                    match expected(person, *need) {
                        Some(status) => assert_eq!(answer.status, status, "{}", context()),
                        None => assert!(
                            (answer.status != 405 || *route == "/mcp")
                                && ![401, 500].contains(&answer.status),
                            "{}",
                            context()
                        ),
                    }
                    let unseen = unseen(person, &probe, &answer, &site.documents);
                    assert!(unseen.is_empty(), "{route} shows {unseen:?}: {}", context());
                    n_shown += answer.shown(&site.documents).len();
                }
            }
        }
    }
    assert!(
        n_shown > 5_000,
        "only {n_shown} documents were shown at all"
    );
    // What may be seen is seen: the list of everybody is complete.
    for person in &site.people {
        let list = server.request_of(person, Method::GET, "/v1/documents?limit=100");
        let list = Answer::of(list).await.json();
        let seen = site
            .documents
            .iter()
            .filter(|made| made.is_served && person.sees(made));
        assert_eq!(list["total"], seen.count(), "{}: {list}", person.name);
    }
}

pub fn mentions(probe: &Probe, id: &str) -> bool {
    let body = probe
        .body
        .as_ref()
        .map(Value::to_string)
        .unwrap_or_default();
    probe
        .path
        .split(['/', '=', '?', '&'])
        .any(|part| part == id)
        || body.contains(&format!("\"{id}"))
}

fn authorised(person: &Person, request: RequestBuilder) -> RequestBuilder {
    match &person.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

#[tokio::test]
async fn what_may_not_be_seen_answers_like_what_does_not_exist() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let mut n_compared = 0;
    for person in &site.people {
        for (method, _, need, probes) in ROWS {
            if expected(person, *need).is_some() {
                continue;
            }
            for made in &site.documents {
                // What is gone is not for the public.
                let is_there = |other: &Made| other.is_served || person.rank() > 0;
                let mut states = site.documents.iter().filter(|other| other.id == made.id);
                if states.any(|other| person.sees(other) && is_there(other)) {
                    continue;
                }
                // As long, of the same letters, and never there.
                let absent = made.id.replace(&made.marker, "zqzzvx");
                let of_absent = probes(&absent, "none");
                for (probe, other) in probes(&made.id, "none").iter().zip(&of_absent) {
                    if !probe.names_document {
                        continue;
                    }
                    let hidden =
                        Answer::of(authorised(person, request(&server, method, probe))).await;
                    let nothing =
                        Answer::of(authorised(person, request(&server, method, other))).await;
                    assert_eq!(
                        hidden.text().replace(&made.marker, "zqzzvx"),
                        nothing.text(),
                        "{} {method} {}",
                        person.name,
                        probe.path
                    );
                    assert!(nothing.status >= 400, "{nothing:?}");
                    n_compared += 1;
                }
            }
        }
    }
    assert!(
        n_compared > 1_000,
        "only {n_compared} answers were compared"
    );
}
