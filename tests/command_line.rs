//! The program as an operator starts it.
//!
//! 1. `kill -9` in the middle of `zhiku index` costs nothing: the next run ends in the same state
//!    as an undisturbed one.
//! 2. A second process on one index folder is refused, with a message that says by whom.
//! 3. `search` answers beside a running `serve`; `serve` stops cleanly on SIGTERM.
//! 4. Wrong usage ends with 2, a failure with 1 and a message, `check` with 1 when there are
//!    errors.
//! 5. `search` without an index says what to do.
//! 6. An earlier version of a document can be listed, compared and restored beside a running
//!    `serve`, which takes it in; a path where it would not be found is refused with the reason.
//! 7. What was repealed appears only when it is asked for or cited, marked and with what replaces
//!    it, in text, in JSON and over HTTP.
//! 8. A call goes on after `kill -9`; what was adopted in it is learned; exported calls are played
//!    again to the same bytes, and a comparison shows what was learned.
//! 9. Damaged records of calls keep nobody from searching, nor agents from being assisted; feedback is
//!    refused and the file is left as it is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

fn zhiku(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhiku"));
    command
        .current_dir(root)
        .env("ZHIKU_LOG__LEVEL", "info")
        .stdin(Stdio::null());
    command
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    zhiku(root).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder with a corpus of `n_files` files of some paragraphs each.
fn site(n_files: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("corpus/市民政局");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..n_files {
        let text = format!(
            "# 第{n}号公告\n\n云溪市第{n}号居民小区的老年食堂自{}月起开放，每餐{}元。\n\n\
             办理餐卡请到第{n}号社区服务站，带身份证和户口簿。\n",
            n % 12 + 1,
            n % 9 + 6
        );
        fs::write(folder.join(format!("公告{n:04}.md")), text).unwrap();
    }
    root
}

/// The answers to some queries, without what may differ from run to run.
fn answers(root: &Path) -> Vec<Value> {
    [
        "老年食堂每餐多少钱",
        "第17号社区服务站",
        "第3号公告",
        "餐卡",
    ]
    .iter()
    .map(|query| {
        let mut answer = json(&run(root, &["search", query, "--json", "--limit", "20"]));
        let fields = answer.as_object_mut().unwrap();
        fields.remove("took_ms");
        fields.remove("generation");
        answer
    })
    .collect()
}

#[test]
fn a_kill_in_the_middle_of_indexing_costs_nothing() {
    let undisturbed = site(400);
    let summary = json(&run(undisturbed.path(), &["index", "--json"]));
    assert_eq!(summary["n_documents"], 400);
    let expected = answers(undisturbed.path());

    let killed = site(400);
    // Moments from before the first write to after the last, whatever the machine's speed.
    for delay_ms in [5, 60, 150, 300, 600] {
        let mut child = zhiku(killed.path())
            .args(["index", "--full"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let summary = json(&run(killed.path(), &["index", "--json"]));
    assert_eq!(summary["n_documents"], 400);
    assert_eq!(answers(killed.path()), expected);
}

/// A running server, killed when the test ends in whatever way.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(root: &Path) -> Self {
        let mut child = zhiku(root)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = None;
        let mut seen = Vec::new();
        let mut lines = lines.map_while(Result::ok);
        for line in lines.by_ref() {
            if let Some((_, rest)) = line.split_once("http://") {
                address = Some(rest.trim().to_owned());
                break;
            }
            seen.push(line);
        }
        // Whoever stops reading blocks the server once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("no address in {seen:?}"));
        Self { child, address }
    }

    /// Waits until the first generation serves.
    fn wait_until_ready(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let url = format!("http://{}/readyz", self.address);
        for _ in 0..600 {
            let ready = runtime.block_on(async {
                reqwest::get(&url)
                    .await
                    .is_ok_and(|reply| reply.status().is_success())
            });
            if ready {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not become ready");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_writer_readers_beside_it_and_a_clean_stop() {
    let site = site(10);
    let mut server = Server::start(site.path());
    server.wait_until_ready();

    let second = run(site.path(), &["index"]);
    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    let holder = format!("process {}", server.child.id());
    assert!(
        message.contains("in use by") && message.contains(&holder),
        "{message}"
    );

    let answer = json(&run(site.path(), &["search", "老年食堂", "--json"]));
    assert!(!answer["hits"].as_array().unwrap().is_empty());

    let pid = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    json(&run(site.path(), &["index", "--json"]));
}

#[test]
fn exit_codes_and_messages() {
    let site = site(1);
    assert_eq!(run(site.path(), &["serch"]).status.code(), Some(2));
    assert_eq!(run(site.path(), &["search"]).status.code(), Some(2));

    let nothing = run(site.path(), &["search", "餐卡"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("run `zhiku index` first"));

    let nowhere = run(site.path(), &["index", "--corpus", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("nowhere"));

    fs::write(
        site.path().join("corpus/坏.docx"),
        "PK\u{3}\u{4}not a document",
    )
    .unwrap();
    let check = run(site.path(), &["check", "--json"]);
    assert_eq!(check.status.code(), Some(1));
    let findings: Value = serde_json::from_slice(&check.stdout).unwrap();
    let findings = findings["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|found| found["path"] == "坏.docx" && found["severity"] == "error"),
        "{findings:?}"
    );
    let part = run(site.path(), &["check", "市民政局", "--json"]);
    let findings: Value = serde_json::from_slice(&part.stdout).unwrap();
    assert_eq!(findings["n_errors"], 0);
    assert_eq!(part.status.code(), Some(0));
}

/// The JSON of `GET path`, or of a search for `query` there.
fn over_http(server: &Server, path: &str, query: Option<&str>) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let url = format!("http://{}{path}", server.address);
    let client = reqwest::Client::new();
    let request = match query {
        Some(query) => client
            .post(url)
            .json(&serde_json::json!({ "query": query })),
        None => client.get(url),
    };
    runtime.block_on(async { request.send().await.unwrap().json().await.unwrap() })
}

#[test]
fn what_was_repealed_appears_when_asked_for_and_names_its_successor() {
    let site = site(0);
    let folder = site.path().join("corpus/市民政局");
    for (name, metadata, text) in [
        (
            "旧.md",
            "title: 云溪市殡葬补贴办法\ndoc_no: 云民规〔2018〕2号\neffective_from: 2018-05-01",
            "殡葬补贴每户八百元。",
        ),
        (
            "新.md",
            "title: 云溪市殡葬惠民办法\ndoc_no: 云民规〔2022〕6号\neffective_from: 2022-07-01\n\
             replaces: [云民规〔2018〕2号, 云民规〔2001〕1号]",
            "殡葬补贴每户一千二百元。",
        ),
    ] {
        fs::write(folder.join(name), format!("---\n{metadata}\n---\n{text}\n")).unwrap();
    }
    json(&run(site.path(), &["index", "--json"]));
    let ids = |answer: &Value| -> Vec<String> {
        let hits = answer["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["document_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (old, new) = ("市民政局/旧.md", "市民政局/新.md");
    let query = "殡葬补贴多少钱";
    let usual = json(&run(site.path(), &["search", query, "--json"]));
    assert_eq!(ids(&usual), [new]);
    assert_eq!(usual["hits"][0]["replaced_by"], Value::Null);
    let then = ["search", query, "--json", "--as-of", "2022-06-30"];
    assert_eq!(ids(&json(&run(site.path(), &then))), [old]);

    let all = run(site.path(), &["search", query, "--include-invalid"]);
    let all = String::from_utf8(all.stdout).unwrap();
    assert!(all.contains("【已废止】云溪市殡葬补贴办法"), "{all}");
    let successor = "被替代：云溪市殡葬惠民办法（云民规〔2022〕6号，2022-07-01 起施行）";
    assert_eq!(all.matches(successor).count(), 1, "{all}");

    let server = Server::start(site.path());
    server.wait_until_ready();
    assert_eq!(ids(&over_http(&server, "/v1/search", Some(query))), [new]);
    let cited = over_http(&server, "/v1/search", Some("云民规〔2018〕2号"));
    let hit = &cited["hits"][0];
    assert_eq!(
        (&hit["document_id"], &hit["validity"]),
        (&old.into(), &"repealed".into())
    );
    let named = serde_json::json!([{
        "document_id": new, "title": "云溪市殡葬惠民办法",
        "doc_no": "云民规〔2022〕6号", "effective_from": "2022-07-01",
    }]);
    assert_eq!(hit["replaced_by"], named);

    let replaced = over_http(&server, &format!("/v1/documents/{old}"), None);
    assert_eq!(
        (&replaced["validity"], &replaced["replaced_by"]),
        (&"repealed".into(), &named)
    );
    assert_eq!(replaced["replaces"], serde_json::json!([]));
    let newer = over_http(&server, &format!("/v1/documents/{new}"), None);
    assert_eq!(newer["replaced_by"], Value::Null);
    assert_eq!(newer["replaces"][0]["document_id"], old);
    assert_eq!(
        newer["replaces"].as_array().unwrap().len(),
        1,
        "what is known of"
    );
    assert_eq!(newer["metadata"]["replaces"].as_array().unwrap().len(), 2);
}

#[test]
fn an_earlier_version_is_listed_compared_and_restored() {
    let site = site(0);
    let root = site.path();
    let id = "市民政局/补贴.md";
    let file = root.join("corpus").join(id);
    let metadata = "title: 高龄补贴\nkind: guide\nstatus: repealed\nphones: ['12345']";
    let first = format!("---\n{metadata}\n---\n\n## 标准\n\n每月一百元。\n\n## 办理\n\n到社区。\n");
    fs::write(&file, &first).unwrap();
    json(&run(root, &["index", "--json"]));
    fs::write(
        &file,
        first.replace("一百", "二百").replace("kind: guide\n", ""),
    )
    .unwrap();
    json(&run(root, &["index", "--json"]));
    let server = Server::start(root);
    server.wait_until_ready();

    let listed = json(&run(root, &["versions", id, "--json"]));
    assert_eq!(
        listed,
        over_http(&server, &format!("/v1/documents/{id}/versions"), None)
    );
    assert_eq!(listed["versions"][0]["current"], true);
    let text = |output: Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = text(run(root, &["versions", id]));
    assert!(
        lines.starts_with("第2版") && lines.contains("\n第1版"),
        "{lines}"
    );
    let diff = text(run(root, &["diff", id, "1", "2"]));
    for line in ["- 每月一百元。", "+ 每月二百元。", "  kind：guide → "] {
        assert!(diff.contains(line), "{diff}");
    }

    for (to, hint) in [
        ("../a.md", "relative to the corpus"),
        ("/tmp/a.md", "relative to the corpus"),
        ("市民政局/a.txt", "end in .md"),
        ("_旧/a.md", "passed over"),
        ("市民政局/.a.md", "passed over"),
        (id, "--overwrite"),
        ("市民政局/补贴.md/a.md", "is a file"),
    ] {
        let refused = run(root, &["restore", id, "1", "--to", to]);
        assert_eq!(refused.status.code(), Some(1), "{to}");
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(message.contains(hint), "{to}: {message}");
    }
    let missing = run(root, &["restore", id, "9", "--to", "a.md"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there are: 1, 2"));

    let restored = "市民政局/旧/补贴.md";
    text(run(root, &["restore", id, "1", "--to", restored]));
    text(run(root, &["restore", id, "1", "--to", id, "--overwrite"]));
    let asked = format!("/v1/documents/{restored}");
    let mut found = Value::Null;
    for _ in 0..100 {
        found = over_http(&server, &asked, None);
        if found["text"].is_string() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let then = over_http(&server, &format!("/v1/documents/{id}/versions/1"), None);
    assert_eq!(then["title"], "高龄补贴");
    for key in ["title", "text", "metadata"] {
        assert_eq!(found[key], then[key], "{key}");
    }
    let spans = |document: &Value| -> Vec<Value> {
        let passages = document["passages"].as_array().unwrap().iter();
        let place = |p: &Value| serde_json::json!([p["char_start"], p["char_end"], p["heading"]]);
        passages.map(place).collect()
    };
    assert_eq!(spans(&found), spans(&then));
    let leftovers = fs::read_dir(root.join("corpus/市民政局")).unwrap();
    assert_eq!(leftovers.count(), 2, "补贴.md and 旧");
    drop(server);

    // Whoever may not see the newest version sees none; what is gone is not for the public.
    fs::remove_file(root.join("corpus").join(restored)).unwrap();
    fs::write(&file, first.replace("kind: guide", "audience: internal")).unwrap();
    let gone = format!("/v1/documents/{restored}/versions");
    let hidden = format!("/v1/documents/{id}/versions");
    for (audience, sees_gone, sees_hidden) in [
        ("public", false, false),
        ("agent", true, false),
        ("internal", true, true),
    ] {
        fs::write(
            root.join("zhiku.toml"),
            format!("[server]\naudience = \"{audience}\"\n"),
        )
        .unwrap();
        json(&run(root, &["index", "--json"]));
        let server = Server::start(root);
        server.wait_until_ready();
        for (path, is_seen) in [(&gone, sees_gone), (&hidden, sees_hidden)] {
            let answer = over_http(&server, path, None);
            assert_eq!(
                answer["versions"].is_array(),
                is_seen,
                "{audience} {path}: {answer}"
            );
            let first = over_http(&server, &format!("{path}/1"), None);
            assert_eq!(first["text"].is_string(), is_seen, "{audience} {path}/1");
        }
    }
}

/// The status and the JSON of the answer to a body, `null` where it is none.
fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let url = format!("http://{}{path}", server.address);
    runtime.block_on(async {
        let sent = reqwest::Client::new().post(url).json(body).send().await;
        let reply = sent.unwrap();
        let status = reply.status().as_u16();
        (status, reply.json().await.unwrap_or(Value::Null))
    })
}

#[test]
fn calls_outlive_the_server_teach_and_are_played_again() {
    let site = site(3);
    let root = site.path();
    let answer = "市民政局/殡葬.md";
    fs::write(
        root.join("corpus").join(answer),
        "# 殡葬惠民政策\n\n基本殡葬服务费用由财政承担，凭火化证明免缴。\n",
    )
    .unwrap();
    // So that nothing but what was learned is likely enough.
    let strict = "[assist]\nmin_confidence = 0.8\n";
    fs::write(root.join("zhiku.toml"), strict).unwrap();
    let mut server = Server::start(root);
    server.wait_until_ready();
    let wording = "人走了炉子烧一回公家出不出";
    let said = serde_json::json!({"agent": "7", "utterances": [
        {"id": "u0", "speaker": "caller", "text": "我电话13900001111"},
        {"id": "a1", "speaker": "agent", "text": "好的"},
        {"id": "u1", "speaker": "caller", "text": wording},
    ]});
    assert_eq!(post(&server, "/v1/calls/c1/utterances", &said).0, 200);
    for agent in ["7", "8", "9"] {
        let adopted = serde_json::json!({"action": "adopted", "agent": agent,
            "document_id": answer, "passage_id": format!("{answer}#p0")});
        assert_eq!(post(&server, "/v1/calls/c1/feedback", &adopted).0, 200);
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();

    let server = Server::start(root);
    server.wait_until_ready();
    let call = over_http(&server, "/v1/calls/c1", None);
    assert_eq!(call["agent"], "7");
    assert_eq!(call["utterances"][0]["text"], "我电话[电话]");
    let is_learned = || {
        let found = over_http(&server, "/v1/search", Some("人走了炉子烧一回公家出吗"));
        found["hits"][0]["document_id"] == answer
            && found["hits"][0]["confidence"].as_f64() > Some(0.5)
    };
    let is_known = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        is_learned()
    });
    assert!(is_known, "{}", over_http(&server, "/v1/learned", None));
    let again = serde_json::json!({"utterances": [
        {"id": "u1", "speaker": "caller", "text": "人走了炉子烧一回公家出吗"},
    ]});
    let (_, reply) = post(&server, "/v1/calls/c2/utterances", &again);
    assert_eq!(reply["recommendations"]["items"][0]["document_id"], answer);
    // Waits until everything is on disk.
    over_http(&server, "/v1/learned", None);

    let exported = run(root, &["calls", "export"]);
    assert!(exported.status.success(), "{exported:?}");
    let lines = String::from_utf8(exported.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert!(!lines.contains("13900001111"), "{lines}");
    fs::write(root.join("calls.jsonl"), &lines).unwrap();
    let play = |arguments: &[&str]| {
        let output = run(
            root,
            &[&["replay", "calls.jsonl", "--json"], arguments].concat(),
        );
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = play(&[]);
    assert!(first.contains(answer), "{first}");
    assert_eq!(first, play(&[]));
    let other = format!("{strict}[retrieval]\nlearned = false\n");
    fs::write(root.join("other.toml"), other).unwrap();
    let compared = play(&["--against", "other.toml"]);
    let last: Value = serde_json::from_str(compared.lines().last().unwrap()).unwrap();
    assert_eq!(
        (
            &last["n_calls"],
            &last["n_questions"],
            &last["n_disappeared"]
        ),
        (&2.into(), &2.into(), &2.into()),
        "{compared}"
    );
    assert_eq!(compared.lines().count(), 3);
    let same = play(&["--against", "index"]);
    assert!(same.contains("\"n_changed\":0"), "{same}");

    fs::write(root.join("calls.jsonl"), "{\"call_id\": 1}\n").unwrap();
    let refused = run(root, &["replay", "calls.jsonl"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("calls.jsonl:1"), "{message}");
    let refused = run(root, &["replay", "calls.jsonl", "--against", "nowhere"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn damaged_records_of_calls_stop_nothing_else() {
    let site = site(3);
    let root = site.path();
    json(&run(root, &["index", "--json"]));
    let path = root.join("index/calls.sqlite");
    fs::write(&path, "no database at all, but long enough to be looked at").unwrap();
    let server = Server::start(root);
    server.wait_until_ready();
    let found = over_http(&server, "/v1/search", Some("老年食堂"));
    assert!(!found["hits"].as_array().unwrap().is_empty());
    let said = serde_json::json!({"utterances": [
        {"id": "u1", "speaker": "caller", "text": "老年食堂每餐多少元"},
    ]});
    assert_eq!(post(&server, "/v1/calls/c1/utterances", &said).0, 200);
    let feedback = serde_json::json!({"action": "helpful", "recommendation_id": "x"});
    let (status, problem) = post(&server, "/v1/calls/c1/feedback", &feedback);
    assert_eq!((status, &problem["code"]), (503, &"not_ready".into()));
    json(&run(root, &["search", "老年食堂", "--json"]));
    let left = fs::read_to_string(&path).unwrap();
    assert!(left.starts_with("no database"), "{left}");
}
