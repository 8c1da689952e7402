//! The server under test, and what it answers.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::site::{Made, Person, Site, zhiku};

/// A running server, killed when the test ends in whatever way.
pub struct Server {
    child: Child,
    pub address: String,
    client: reqwest::Client,
    /// What it has logged so far.
    pub log: Arc<Mutex<String>>,
}

impl Server {
    /// A server that is ready.
    pub async fn start(site: &Site) -> Self {
        let server = Self::start_listening(site, "http").await;
        for n in 0..600 {
            let mut request = server.request(Method::GET, "/readyz");
            if !site.people.is_empty() {
                // Each time somebody else: no limit of a test is used up.
                request =
                    request.header("x-forwarded-for", format!("10.9.{}.{}", n / 250, n % 250));
            }
            if request
                .send()
                .await
                .is_ok_and(|reply| reply.status().is_success())
            {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "the server did not become ready: {}",
            server.log.lock().unwrap()
        );
    }

    /// A server that says where it listens.
    pub async fn start_listening(site: &Site, scheme: &str) -> Self {
        let mut child = zhiku(site.root.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (kept, stderr) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self {
            child,
            address: String::new(),
            client,
            log,
        };
        let listening = format!("listening on {scheme}://");
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let log = server.log.lock().unwrap().clone();
            let address = log.split_once(&listening).map(|(_, rest)| rest);
            if let Some((address, _)) = address.and_then(|rest| rest.split_once('\n')) {
                server.address = address.trim().to_owned();
                return server;
            }
        }
        panic!("the server does not listen: {}", server.log.lock().unwrap());
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url)
    }

    pub fn request_of(&self, person: &Person, method: Method, path: &str) -> RequestBuilder {
        let request = self.request(method, path);
        match &person.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer: everything that the caller gets to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let mut headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        headers.sort();
        let is_stream = headers
            .iter()
            .any(|(_, value)| value.starts_with("text/event-stream"));
        let body = match is_stream {
            true => beginning(response).await,
            false => String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned(),
        };
        Self {
            status,
            headers,
            body,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }

    /// Everything in one text, without what names the request.
    pub fn text(&self) -> String {
        let of_answer = |(name, _): &&(String, String)| {
            !["date", "x-request-id", "content-length"].contains(&name.as_str())
        };
        let headers = self.headers.iter().filter(of_answer);
        let headers: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("{}\n{}\n\n{}", self.status, headers.join("\n"), self.body)
    }

    /// The documents whose markers stand in it.
    pub fn shown<'d>(&self, documents: &'d [Made]) -> Vec<&'d Made> {
        // Names of files are percent-encoded in headers; markers are plain letters.
        let text = self.text().to_lowercase();
        let bytes = text.as_bytes();
        let marked: BTreeSet<&[u8]> = text
            .match_indices("zq")
            .filter_map(|(at, _)| bytes.get(at..at + 6))
            .filter(|word| word.ends_with(b"vx"))
            .collect();
        let is_shown = |made: &&Made| marked.contains(made.marker.as_bytes());
        documents.iter().filter(is_shown).collect()
    }
}

/// What a stream says until it has nothing to say for a moment.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut text = String::new();
    let wait = Duration::from_millis(300);
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(wait, response.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    text
}

/// As it stands in an address.
pub fn encoded(id: &str) -> String {
    let mut text = String::new();
    for byte in id.bytes() {
        match byte {
            b'/' | b'.' | b'-' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
