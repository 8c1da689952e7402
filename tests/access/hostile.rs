//! Damaged files, two processes at once, and what is sent in bad faith.

use std::fs;
use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Answer, Server};
use crate::site::Site;

#[tokio::test]
async fn two_processes_make_keys_at_once() {
    let site = Site::new();
    fs::remove_file(site.access_path()).unwrap();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| site.create_key("agent", None, None)))
            .collect();
        makers
            .into_iter()
            .map(|maker| maker.join().unwrap())
            .collect()
    });
    let server = Server::start(&site).await;
    for token in &tokens {
        let request = server
            .request(Method::GET, "/v1/learned")
            .bearer_auth(token);
        assert_eq!(Answer::of(request).await.status, 200);
    }
    let list = site.run(&["keys", "list", "--json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 8);
    assert!(tokens.iter().all(|token| !list.to_string().contains(token)));
}

#[tokio::test]
async fn damaged_keys_let_nobody_in() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let agent = site.person("agent");
    let ask = || server.request_of(agent, Method::GET, "/v1/documents");
    assert_eq!(Answer::of(ask()).await.status, 200);
    // Another process has made nonsense of the file.
    let garbage = site.root.path().join("index/garbage");
    fs::write(&garbage, "no database".repeat(1_000)).unwrap();
    fs::rename(&garbage, site.access_path()).unwrap();
    let answer = Answer::of(ask()).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("access_unavailable"))
    );
    let nobody = Answer::of(server.request(Method::GET, "/v1/documents")).await;
    assert_eq!(nobody.status, 503);
    assert_eq!(
        Answer::of(server.request(Method::GET, "/healthz"))
            .await
            .status,
        200
    );
    fs::remove_file(site.access_path()).unwrap();
    assert_eq!(
        Answer::of(ask()).await.status,
        503,
        "without the file neither"
    );
    drop(server);

    fs::write(site.access_path(), "no database".repeat(1_000)).unwrap();
    let started = site.try_run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert_eq!(started.status.code(), Some(1), "{said}");
    assert!(said.contains("access.sqlite cannot be used"), "{said}");
    for arguments in [
        &["keys", "list"][..],
        &["keys", "create", "--role", "admin"],
    ] {
        let output = site.try_run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    let kept = fs::read_to_string(site.access_path()).unwrap();
    assert!(kept.starts_with("no database"), "it was overwritten");
}

#[tokio::test]
async fn a_damaged_key_counts_for_nothing_and_the_others_go_on() {
    let site = Site::new();
    let server = Server::start(&site).await;
    let (agent, admin) = (site.person("agent"), site.person("admin"));
    let id = admin.token.as_ref().unwrap().split('_').nth(1).unwrap();
    let ask = |person| server.request_of(person, Method::GET, "/v1/learned");
    assert_eq!(Answer::of(ask(admin)).await.status, 200);
    let keys = rusqlite::Connection::open(site.access_path()).unwrap();
    keys.execute("UPDATE keys SET departments = 'x' WHERE id = ?1", [id])
        .unwrap();
    keys.execute("UPDATE revision SET keys = keys + 1", [])
        .unwrap();
    assert_eq!(Answer::of(ask(admin)).await.status, 401);
    assert_eq!(Answer::of(ask(agent)).await.status, 200);
    let list = site.run(&["keys", "list"]);
    let said = String::from_utf8_lossy(&list.stderr).into_owned();
    assert!(said.contains(id) && said.contains("damaged"), "{said}");
    site.run(&["keys", "revoke", id]);
}

#[test]
fn commands_say_what_would_be_right() {
    let site = Site::new();
    for (arguments, code, hint) in [
        (
            &["keys", "create", "--role", "boss"][..],
            2,
            "admin (管理员)",
        ),
        (
            &["keys", "create", "--role", "agent", "--rate", "x"],
            2,
            "20/s",
        ),
        (
            &["keys", "create", "--role", "agent", "--rate", "0"],
            1,
            "0.001",
        ),
        (
            &[
                "keys",
                "create",
                "--role",
                "agent",
                "--expires",
                "2020-01-01",
            ],
            1,
            "2030-12-31",
        ),
        (
            &["keys", "create", "--role", "agent", "--department", " "],
            1,
            "1 to 100",
        ),
        (&["keys", "revoke", "nobody"], 1, "zhiku keys list"),
    ] {
        let output = site.try_run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(site.access_path()).unwrap());
    assert_eq!(mode & 0o077, 0, "others may read the keys' hashes");
}

#[tokio::test]
async fn garbage_keys_do_not_keep_the_server_from_answering() {
    let site = Site::new();
    site.configure("[access]\nattempts_per_minute = 20\nkey_rate = 1000.0\nkey_burst = 1000\n");
    let server = Server::start(&site).await;
    let agent = site.person("agent");
    let ask = || server.request_of(agent, Method::GET, "/v1/documents?limit=1");
    assert_eq!(Answer::of(ask()).await.status, 200);
    let garbage = |n: usize| {
        let letters = b"abcdefghjkmnpqrstuvwxyz023456789";
        let id: String = (0..10)
            .map(|at| char::from(letters[(n >> (at % 5 * 5)) % 32]))
            .collect();
        format!("zk_{id}_{}", "a".repeat(52))
    };
    let attack = async {
        let mut statuses = std::collections::BTreeMap::new();
        for round in 0..20 {
            let requests = (0..20).map(|n| {
                let request = server.request(Method::GET, "/v1/documents");
                Answer::of(request.bearer_auth(garbage(round * 20 + n)))
            });
            for answer in futures_util::future::join_all(requests).await {
                *statuses.entry(answer.status).or_insert(0) += 1;
            }
        }
        statuses
    };
    let work = async {
        for _ in 0..50 {
            let asked = tokio::time::timeout(Duration::from_secs(5), Answer::of(ask()));
            assert_eq!(asked.await.expect("no answer in 5 s").status, 200);
        }
    };
    let (statuses, ()) = tokio::join!(attack, work);
    let n_verified = statuses.get(&401).copied().unwrap_or(0);
    assert!((10..60).contains(&n_verified), "{statuses:?}");
    assert!(statuses[&429] > 300, "{statuses:?}");
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_given_up() {
    let site = Site::new();
    fs::write(
        site.root.path().join("zhiku.toml"),
        "[server]\nheader_timeout_ms = 200\n",
    )
    .unwrap();
    let server = Server::start(&site).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let half = b"POST /v1/search HTTP/1.1\r\nHost: test\r\nContent-Ty";
    stream.write_all(half).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
    // Closed, with or without an answer.
    let _ = read.await.expect("the connection stays open");
    let said = String::from_utf8_lossy(&rest).into_owned();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 408"),
        "{said}"
    );
}

#[tokio::test]
async fn with_a_certificate_everything_is_encrypted() {
    let site = Site::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = site.root.path();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let toml = "[server]\ntls_certificate = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    fs::write(folder.join("zhiku.toml"), toml).unwrap();
    let server = Server::start_listening(&site, "https").await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    // Some servers close without saying so; what came before counts.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );

    let mut plain = TcpStream::connect(&server.address).await.unwrap();
    plain.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(
        !String::from_utf8_lossy(&answer).contains("200 OK"),
        "{answer:?}"
    );
    drop(server);

    for (certificate, key, hint) in [
        ("none.pem", "key.pem", "tls_certificate"),
        ("key.pem", "key.pem", "holds no certificate"),
        ("cert.pem", "cert.pem", "tls_key"),
    ] {
        let toml = format!("[server]\ntls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n");
        fs::write(folder.join("zhiku.toml"), toml).unwrap();
        let started = site.try_run(&["serve", "--listen", "127.0.0.1:0"]);
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        assert_eq!(started.status.code(), Some(1), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}
