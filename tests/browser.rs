//! The page for citizens in a real browser, scripts switched off.
//!
//! A citizen asks, reads the answer with its source open at the cited place, goes on with a follow-up,
//! and is handed over where nothing answers; on a desktop and on a telephone.
//!
//! Needs Debian's `chromium` and `chromium-driver`; `ZHIKU_TEST_CHROMEDRIVER` names the driver.
//! `scripts/test` installs them and sets it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use zhiku::answer::MAX_SHORT_CHARS;

/// How long a page, a server or a driver may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server over the sample corpus, and its address.
fn serve(root: &Path) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_zhiku"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--corpus",
            "corpus",
            "--index",
        ])
        .arg(root.join("index"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let process = Process(child);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.trim().to_owned()));
    // Whoever stops reading blocks the server once the pipe is full.
    std::thread::spawn(move || lines.for_each(drop));
    (process, address.expect("an address"))
}

/// A browser window, by the WebDriver protocol.
struct Window {
    client: reqwest::Client,
    session: String,
}

impl Window {
    async fn open(client: &reqwest::Client, driver: &str, width: usize, height: usize) -> Self {
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     format!("--window-size={width},{height}")],
            "prefs": {"profile.managed_default_content_settings.javascript": 2},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = client
            .post(format!("{driver}/session"))
            .json(&wanted)
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("no session: {answer}"));
        Self {
            client: client.clone(),
            session: format!("{driver}/session/{id}"),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let sent = self
            .client
            .post(format!("{}{path}", self.session))
            .json(&body)
            .send();
        sent.await.unwrap().json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let sent = self.client.get(format!("{}{path}", self.session)).send();
        sent.await.unwrap().json().await.unwrap()
    }

    /// The path of the first element that `selector` finds; `None` if there is none.
    async fn element(&self, selector: &str) -> Option<String> {
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.post("/element", wanted).await;
        let id = found["value"]
            .as_object()?
            .iter()
            .find(|(key, _)| key.starts_with("element-"))?
            .1;
        Some(format!("/element/{}", id.as_str()?))
    }

    /// What a reader sees of it.
    async fn text(&self, selector: &str) -> Option<String> {
        let element = self.element(selector).await?;
        let text = self.get(&format!("{element}/text")).await;
        text["value"].as_str().map(str::to_owned)
    }

    /// Asks, and waits until the page shows that it was asked.
    async fn ask(&self, question: &str) {
        let field = self.element("#question").await.expect("a box");
        self.post(&format!("{field}/value"), json!({"text": question}))
            .await;
        let button = self.element("button").await.expect("a button");
        self.post(&format!("{button}/click"), json!({})).await;
        let until = std::time::Instant::now() + PATIENCE;
        while self.text("#asked").await.as_deref() != Some(question) {
            assert!(
                std::time::Instant::now() < until,
                "{:?}",
                self.text("body").await
            );
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Pixels of the page that stand beside the window.
    async fn overhang(&self) -> i64 {
        let rect = |value: &Value| value["value"]["width"].as_f64().unwrap_or(f64::MAX);
        let page = self.element("html").await.expect("a page");
        let main = self.element("main").await.expect("a page");
        let page = rect(&self.get(&format!("{page}/rect")).await);
        (rect(&self.get(&format!("{main}/rect")).await) - page) as i64
    }
}

#[tokio::test]
async fn a_citizen_asks_without_scripts() {
    let Some(driver) = std::env::var_os("ZHIKU_TEST_CHROMEDRIVER") else {
        eprintln!("skipped: set ZHIKU_TEST_CHROMEDRIVER (scripts/test does)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = serve(folder.path());
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let spawned = Command::new(driver)
        .arg(format!("--port={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _driver = Process(spawned.expect("the driver starts"));
    let driver = format!("http://127.0.0.1:{port}");
    let client = reqwest::Client::new();
    for url in [
        format!("{driver}/status"),
        format!("http://{address}/readyz"),
    ] {
        let until = std::time::Instant::now() + PATIENCE;
        while !client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(std::time::Instant::now() < until, "{url} does not answer");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
    for (width, height) in [(1200, 900), (390, 844)] {
        let window = Window::open(&client, &driver, width, height).await;
        window
            .post("/url", json!({"url": format!("http://{address}/ask")}))
            .await;

        window.ask("老年人免费乘坐公交车需要满多少周岁").await;
        let answer = window.text("#answer").await.expect("an answer");
        assert!(answer.contains("65周岁"), "{answer}");
        let source = window
            .text("details[open] mark")
            .await
            .expect("a marked source");
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert!(
            squeezed(&answer).contains(&squeezed(&source)),
            "{answer}\n{source}"
        );

        window.ask("那要带什么证件").await;
        assert!(
            window
                .text("#handoff")
                .await
                .is_some_and(|text| text.contains("12345"))
        );

        window.ask("火星移民在哪里登记").await;
        assert_eq!(window.element("#answer").await, None);
        let told = window.text("#abstained").await.expect("what to do instead");
        assert!(!told.is_empty() && told.chars().count() <= MAX_SHORT_CHARS);
        assert_eq!(
            window.overhang().await.max(0),
            0,
            "wider than {width} pixels"
        );
        window.client.delete(&window.session).send().await.unwrap();
    }
}
