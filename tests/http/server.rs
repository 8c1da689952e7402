//! The server under test and the backend behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use zhiku::call_records::CallRecords;
use zhiku::config::Config;
use zhiku::document::{Audience, ByteSpan, Document, Kind, Metadata, Passage, Topics, Validity};
use zhiku::http::{
    App, Backend, BackendError, DocumentPage, DocumentQuery, DocumentRef, DocumentSubject,
    DocumentSummary, DocumentView, Original, Status, serve,
};
use zhiku::records::{Receipt, Version};
use zhiku::retrieval::{QueryReading, RelatedDocument, SearchError, SearchRequest, SearchResponse};
use zhiku::sight::Sight;
use zhiku::telemetry::Metrics;

type Answer = dyn Fn(&SearchRequest) -> Result<SearchResponse, SearchError> + Send + Sync;

/// Answers from fixed documents and a function, and remembers what it was asked.
pub struct FakeBackend {
    pub status: Mutex<Status>,
    pub documents: Vec<Document>,
    /// Newest first, with the documents as they were.
    pub versions: Vec<(Version, Document)>,
    pub answer: Box<Answer>,
    pub searches: Mutex<Vec<SearchRequest>>,
    pub listings: Mutex<Vec<DocumentQuery>>,
    pub receipts: Mutex<Vec<Receipt>>,
    pub news: watch::Sender<u64>,
    pub reindexed: Mutex<Vec<String>>,
}

impl Default for FakeBackend {
    fn default() -> Self {
        let status = Status {
            ready: true,
            generation: 118,
            n_documents: 3,
            n_passages: 5,
            graph_complete: true,
            embedder: Some("built-in".to_owned()),
        };
        Self {
            status: Mutex::new(status),
            versions: vec![version(2, &pension()), version(1, &early_pension())],
            documents: vec![pension(), internal_note()],
            answer: Box::new(|request| Ok(empty_response(&request.query))),
            searches: Mutex::default(),
            listings: Mutex::default(),
            receipts: Mutex::default(),
            news: watch::Sender::new(0),
            reindexed: Mutex::default(),
        }
    }
}

impl FakeBackend {
    /// A backend that answers searches with `answer`.
    pub fn answering<F>(answer: F) -> Self
    where
        F: Fn(&SearchRequest) -> Result<SearchResponse, SearchError> + Send + Sync + 'static,
    {
        Self {
            answer: Box::new(answer),
            ..Self::default()
        }
    }

    fn visible(&self, sight: &Sight) -> Vec<&Document> {
        let seen = |d: &&Document| sight.sees(&d.metadata);
        self.documents.iter().filter(seen).collect()
    }

    fn versions_for(&self, id: &str, sight: &Sight) -> Vec<Version> {
        let versions = self.versions.iter().map(|(version, _)| version);
        let seen = versions.filter(|v| v.document_id == id && v.audience <= sight.audience);
        seen.cloned().collect()
    }

    fn find(&self, id: &str, sight: &Sight) -> Option<&Document> {
        self.visible(sight).into_iter().find(|d| d.id == id)
    }
}

impl Backend for FakeBackend {
    fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }

    fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        self.searches.lock().unwrap().push(request.clone());
        (self.answer)(request)
    }

    fn subjects(
        &self,
        ids: &BTreeSet<String>,
        sight: &Sight,
    ) -> Result<BTreeMap<String, DocumentSubject>, BackendError> {
        let known = self
            .documents
            .iter()
            .filter(|document| ids.contains(&document.id) && sight.sees(&document.metadata));
        let subjects = known.map(|document| {
            let subject = DocumentSubject {
                title: document.title.clone(),
                department: document.metadata.department.clone(),
                topics: document.metadata.topics.business.clone(),
            };
            (document.id.clone(), subject)
        });
        Ok(subjects.collect())
    }

    /// By their first two characters.
    fn group_alike(&self, texts: &[&str]) -> Result<Vec<Vec<usize>>, BackendError> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, text) in texts.iter().enumerate() {
            let beginning = text.chars().take(2).collect();
            groups.entry(beginning).or_default().push(at);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort();
        Ok(groups)
    }

    fn changes(
        &self,
        after: u64,
        limit: usize,
        _sight: &Sight,
    ) -> Result<Vec<Receipt>, BackendError> {
        let receipts = self.receipts.lock().unwrap();
        let later = receipts.iter().filter(|receipt| receipt.seq > after);
        Ok(later.take(limit).cloned().collect())
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn reindex(&self, path: &str) -> bool {
        self.reindexed.lock().unwrap().push(path.to_owned());
        true
    }

    fn documents(&self, query: &DocumentQuery) -> Result<DocumentPage, BackendError> {
        self.listings.lock().unwrap().push(query.clone());
        let mut visible = self.visible(&query.sight);
        let of_department = |d: &&Document| {
            let department = d.metadata.department.as_ref();
            query.department.is_empty() || department.is_some_and(|d| query.department.contains(d))
        };
        visible.retain(of_department);
        let summary = |d: &&Document| DocumentSummary {
            id: d.id.clone(),
            path: d.path.clone(),
            title: d.title.clone(),
            kind: d.metadata.kind,
            department: d.metadata.department.clone(),
            doc_no: d.metadata.doc_no.clone(),
            audience: d.metadata.audience,
            validity: Validity::InForce,
            published_at: d.metadata.published_at,
            n_passages: d.passages.len(),
        };
        let page = visible
            .iter()
            .skip(query.offset)
            .take(query.limit)
            .map(summary);
        Ok(DocumentPage {
            generation: 118,
            total: visible.len(),
            documents: page.collect(),
        })
    }

    fn document(&self, id: &str, sight: &Sight) -> Result<Option<DocumentView>, BackendError> {
        Ok(self.find(id, sight).map(|document| DocumentView {
            generation: 118,
            document: document.clone(),
            validity: Validity::InForce,
            replaced_by: Vec::new(),
            replaces: vec![RelatedDocument {
                document_id: "人社局/旧.md".to_owned(),
                title: "养老金发放（旧）".to_owned(),
                doc_no: None,
                effective_from: None,
            }],
            previous: None,
            next: Some(DocumentRef {
                id: "人社局/失业金.md".to_owned(),
                title: "失业金".to_owned(),
            }),
            versions: self.versions_for(id, sight),
        }))
    }

    fn versions(&self, id: &str, sight: &Sight) -> Result<Option<Vec<Version>>, BackendError> {
        let versions = self.versions_for(id, sight);
        let is_known = self.find(id, sight).is_some() || !versions.is_empty();
        Ok(is_known.then_some(versions))
    }

    fn version(
        &self,
        id: &str,
        number: u32,
        sight: &Sight,
    ) -> Result<Option<(Version, Document)>, BackendError> {
        let is_asked = |(version, _): &&(Version, Document)| {
            (version.document_id.as_str(), version.number) == (id, number)
                && version.audience <= sight.audience
        };
        Ok(self.versions.iter().find(is_asked).cloned())
    }

    fn original(&self, id: &str, sight: &Sight) -> Result<Option<Original>, BackendError> {
        Ok(self.find(id, sight).map(|document| Original {
            path: document.path.clone(),
            content_hash: document.content_hash.clone(),
        }))
    }
}

/// An answer without hits.
pub fn empty_response(query: &str) -> SearchResponse {
    SearchResponse {
        generation: 118,
        asked: Vec::new(),
        degraded: Vec::new(),
        reading: QueryReading {
            normalised: query.to_owned(),
            heard_as: None,
            ..QueryReading::default()
        },
        hits: Vec::new(),
        facets: Default::default(),
    }
}

/// A question with its answer, public.
pub fn pension() -> Document {
    let text = "问：退休金怎么领？\n答：每月15日发放到社保卡。";
    let answer_start = text.find("每月").unwrap();
    Document {
        id: "人社局/养老金.md".to_owned(),
        path: "人社局/养老金.md".to_owned(),
        title: "养老金发放".to_owned(),
        metadata: Metadata {
            kind: Some(Kind::Faq),
            doc_no: Some("云人社规〔2024〕3号".to_owned()),
            issuer: Some("云溪市人力资源和社会保障局".to_owned()),
            department: Some("市人社局".to_owned()),
            topics: Topics {
                business: vec!["社保".to_owned()],
                ..Topics::default()
            },
            effective_from: Some(jiff::civil::date(2025, 1, 1)),
            similar_questions: vec!["养老金几号到账".to_owned()],
            ..Metadata::default()
        },
        text: text.to_owned(),
        content_hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        passages: vec![Passage {
            heading: vec!["一、发放".to_owned()],
            span: ByteSpan::new(0, text.len()),
            answer: Some(ByteSpan::new(answer_start, text.len())),
            questions: vec!["退休金怎么领？".to_owned()],
            row: Some(2),
            ..Passage::default()
        }],
    }
}

/// [`pension`] as it was at first: in other words, under another title, without a date.
pub fn early_pension() -> Document {
    let text = "问：退休金怎么领？\n答：每月10日发放到存折。";
    let mut document = pension();
    document.title = "退休金发放".to_owned();
    document.metadata.effective_from = None;
    document.metadata.keywords = vec!["退休".to_owned()];
    document.text = text.to_owned();
    document.content_hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    document.passages[0].span = ByteSpan::new(0, text.len());
    document.passages[0].answer = None;
    document
}

/// State `number` of a document, of which 2 is the one that is served.
pub fn version(number: u32, document: &Document) -> (Version, Document) {
    let second = |n: u32| jiff::Timestamp::from_second(1_780_000_000 + i64::from(n)).unwrap();
    let version = Version {
        document_id: document.id.clone(),
        number,
        path: document.path.clone(),
        title: document.title.clone(),
        fingerprint: String::new(),
        content_hash: document.content_hash.clone(),
        audience: document.metadata.audience,
        n_passages: document.passages.len() as u32,
        searchable_at: second(number),
        generation: 100 + u64::from(number),
        ended_at: (number < 2).then(|| second(number + 1)),
        moved_from: None,
    };
    (version, document.clone())
}

/// A document for staff only.
pub fn internal_note() -> Document {
    let text = "内部口径：不得外传。";
    Document {
        id: "人社局/内部#2".to_owned(),
        path: "人社局/内部.txt".to_owned(),
        title: "内部口径".to_owned(),
        metadata: Metadata {
            audience: Audience::Internal,
            ..Metadata::default()
        },
        text: text.to_owned(),
        content_hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        passages: Vec::new(),
    }
}

/// A running server; stopped when dropped.
pub struct TestServer {
    pub address: SocketAddr,
    pub backend: Arc<FakeBackend>,
    pub corpus: tempfile::TempDir,
    /// Holds what is kept of calls.
    pub index: tempfile::TempDir,
    pub shutdown: CancellationToken,
    pub serving: Option<JoinHandle<std::io::Result<()>>>,
    client: reqwest::Client,
}

impl TestServer {
    /// Serves a backend within the default limits.
    pub async fn start(backend: FakeBackend) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    /// Serves a backend; its documents' texts are the files of the corpus.
    pub async fn start_with(backend: FakeBackend, configure: impl FnOnce(&mut Config)) -> Self {
        let corpus = tempfile::tempdir().unwrap();
        for document in &backend.documents {
            let path = corpus.path().join(&document.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &document.text).unwrap();
        }
        let mut config = Config::default();
        config.corpus.path = corpus.path().to_owned();
        configure(&mut config);
        let backend = Arc::new(backend);
        let app = App::new(
            Arc::clone(&backend) as _,
            &config,
            Metrics::start().unwrap(),
        );
        let index = tempfile::tempdir().unwrap();
        let keep = Duration::from_secs(3_600);
        let records = CallRecords::open(
            &index.path().join("calls.sqlite"),
            keep,
            &Audience::Agent.into(),
        )
        .unwrap();
        assert!(app.calls().1.set(records).is_ok());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, Arc::new(app), shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            backend,
            corpus,
            index,
            shutdown,
            serving: Some(serving),
            client,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path)
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    pub async fn search(&self, body: Value) -> Response {
        self.post("/v1/search", body).await
    }

    /// A plain search.
    pub async fn ask(&self) -> Response {
        self.search(json!({"query": "退休金"})).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The body of a JSON answer with this status.
pub async fn json_of(response: Response, status: u16) -> Value {
    let (found, url) = (response.status().as_u16(), response.url().clone());
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{url}: {err}: {text}"))
}

/// The problem document of a refusal: its form is checked, and its status and code.
pub async fn problem_of(response: Response, status: u16, code: &str) -> Value {
    let content_type = response.headers().get("content-type").cloned();
    assert!(
        response.headers().contains_key("x-request-id"),
        "{code}: no request id"
    );
    let body = json_of(response, status).await;
    assert_eq!(content_type.unwrap(), "application/problem+json", "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], format!("urn:zhiku:problem:{code}"), "{body}");
    for key in ["title", "detail"] {
        assert!(
            body[key].as_str().is_some_and(|text| !text.is_empty()),
            "no {key}: {body}"
        );
    }
    body
}
