//! A random walk over all routes: how often something is shown that is not for the caller.

use reqwest::Method;
use serde_json::{Value, json};

use crate::matrix::{ROWS, request};
use crate::server::{Answer, Server, encoded};
use crate::site::{Made, Person, Site};

/// Requests of the walk in the test suite; `ZHIKU_WALK` asks for more.
const N_REQUESTS: usize = 3_000;

/// SplitMix64: the same walk every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// What an answer shows, without what was asked.
fn shown<'d>(answer: &Answer, is_search: bool, documents: &'d [Made]) -> Vec<&'d Made> {
    let mut answer = answer.clone();
    if let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) {
        if let Some(object) = body.as_object_mut() {
            if answer.status >= 400 || is_search {
                object.remove("detail");
                object.remove("query");
            }
            if answer.status == 202 {
                object.remove("path");
            }
        }
        answer.body = body.to_string();
    }
    answer.shown(documents)
}

/// A search as nobody has put it yet.
fn search(dice: &mut Dice, site: &Site) -> Value {
    let words = [
        "居住证",
        "补贴",
        "怎么办理",
        "窗口",
        "社会保障卡",
        "便民热线",
        "2024",
        "办法",
    ];
    let made = dice.one_of(&site.documents);
    let mut query = String::new();
    for _ in 0..=dice.below(3) {
        query.push_str(words[dice.below(words.len())]);
    }
    match dice.below(6) {
        0 => query.push_str(&made.marker),
        1 => query = format!("云{}规〔2024〕1号", made.marker),
        2 => query = format!("《居住证补贴办法{}》第一条", made.marker),
        _ => {}
    }
    let mut body = json!({
        "query": query,
        "limit": 1 + dice.below(100),
        "mode": dice.one_of(&["hybrid", "lexical", "vector"]),
        "group": dice.one_of(&["document", "none"]),
        "explain": dice.below(2) == 0,
        "include_invalid": dice.below(2) == 0,
    });
    match dice.below(5) {
        0 => body["filters"] = json!({"department": ["市医保局", "市人社局"]}),
        1 => body["filters"] = json!({"region": ["云溪市", "青石市、望江区"]}),
        2 => body["filters"] = json!({"document_id": [made.id]}),
        _ => {}
    }
    body
}

async fn walk(n_requests: usize) -> (usize, usize, usize) {
    // A long walk goes over more.
    let site = Site::with_copies(if n_requests > N_REQUESTS { 20 } else { 1 });
    let server = Server::start(&site).await;
    let mut dice = Dice(20_261_121);
    let (mut n_shown, mut n_unseen, mut n_answered) = (0, 0, 0);
    let mut n = 0;
    while n < n_requests {
        let person: &Person = dice.one_of(&site.people);
        let made = dice.one_of(&site.documents);
        let call = format!("c{}", dice.below(5));
        let (answer, asked, is_search) = if dice.below(3) == 0 {
            let body = search(&mut dice, &site);
            let asked = body.to_string();
            let request = server.request_of(person, Method::POST, "/v1/search");
            (Answer::of(request.json(&body)).await, asked, true)
        } else {
            let (method, _, _, probes) = dice.one_of(ROWS);
            let probes = probes(&made.id, &call);
            let probe = dice.one_of(&probes);
            // A stream is read for a moment, which is long: seldom.
            let is_stream = probe
                .header
                .is_some_and(|(_, value)| value == "text/event-stream")
                || probe.path.ends_with("/events");
            if is_stream && dice.below(50) != 0 {
                continue;
            }
            let request = request(&server, method, probe);
            let request = match &person.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let asked = format!("{method} {}", probe.path);
            (Answer::of(request).await, asked, probe.path == "/v1/search")
        };
        assert_ne!(
            answer.status, 500,
            "{n} {} {asked}: {answer:?}",
            person.name
        );
        n += 1;
        n_answered += usize::from(answer.status < 400);
        let mut answer = answer;
        if asked == "POST /mcp" && answer.body.contains("rror") {
            // It says what is not there.
            let asked_for = [made.id.clone(), encoded(&made.id)];
            for id in asked_for {
                answer.body = answer.body.replace(&id, "");
            }
        }
        for found in shown(&answer, is_search, &site.documents) {
            // The id of a document that may be seen may be the marker of a state that may not.
            let is_id = |other: &Made| other.id.contains(&found.marker) && person.sees(other);
            n_shown += 1;
            if !person.sees(found) && !site.documents.iter().any(is_id) {
                n_unseen += 1;
                eprintln!(
                    "{n} {} {asked}: {found:?} in {}",
                    person.name,
                    answer.text()
                );
            }
        }
    }
    (n_shown, n_unseen, n_answered)
}

#[tokio::test]
async fn a_random_walk_shows_nothing_that_is_not_for_the_caller() {
    let asked = std::env::var("ZHIKU_WALK").ok();
    let n_requests = asked.map_or(N_REQUESTS, |n| n.parse().expect("ZHIKU_WALK is a number"));
    let (n_shown, n_unseen, n_answered) = walk(n_requests).await;
    println!(
        "{n_requests} requests, {n_answered} answered, {n_shown} documents shown, {n_unseen} unseen"
    );
    assert!(
        n_shown > n_requests && n_answered > n_requests / 4,
        "{n_shown} {n_answered}"
    );
    assert_eq!(n_unseen, 0);
}
