use super::*;
use crate::document::{ByteSpan, Kind, Metadata};
use crate::records::{DocumentRecord, FileOutcome, FileRecord, NewReceipt};

/// Records in a folder of their own, and a clock that goes by one second an update.
struct Fixture {
    folder: tempfile::TempDir,
    records: Records,
    generation: u64,
}

/// A document as (id, path, text).
type Given<'g> = (&'g str, &'g str, &'g str);

fn document((id, path, text): Given<'_>) -> Document {
    Document {
        id: id.into(),
        path: path.into(),
        title: format!("题：{id}"),
        metadata: Metadata {
            kind: Some(Kind::Faq),
            audience: Audience::Agent,
            similar_questions: vec!["怎么办".into()],
            ..Metadata::default()
        },
        text: text.into(),
        content_hash: blake3::hash(text.as_bytes()).to_hex().to_string(),
        passages: vec![Passage {
            span: ByteSpan::new(0, text.len()),
            article: Some(3),
            ..Passage::default()
        }],
    }
}

fn fingerprint(document: &Document) -> String {
    let all = format!("{}{}{}", document.id, document.path, document.text);
    blake3::hash(all.as_bytes()).to_hex().to_string()
}

fn file(path: &str) -> FileRecord {
    FileRecord {
        path: path.into(),
        source_hash: String::new(),
        content_hash: String::new(),
        outcome: FileOutcome::Loaded,
        reason: None,
        n_passages: 1,
        is_stale: false,
    }
}

fn moved(from: &str, path: &str) -> NewReceipt {
    NewReceipt {
        path: path.into(),
        change: Change::Moved,
        content_hash: None,
        from: Some(from.into()),
        detected_at: Timestamp::UNIX_EPOCH,
        n_passages: 1,
        error: None,
    }
}

fn ms(second: u64) -> Timestamp {
    Timestamp::from_millisecond(1_000 * second as i64).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.sqlite")).unwrap();
        Self {
            folder,
            records,
            generation: 0,
        }
    }

    /// What a build hands over that puts `put`, removes the files and documents of `removed` paths,
    /// and sees the files `moves`.
    fn update(&mut self, reset: bool, put: &[Given<'_>], removed: &[&str]) -> Update {
        self.generation += 1;
        let documents: Vec<Document> = put.iter().map(|given| document(*given)).collect();
        let mut update = Update {
            reset,
            generation: self.generation,
            removed_files: removed.iter().map(|path| path.to_string()).collect(),
            ..Update::default()
        };
        for path in removed {
            let gone = self.records.documents_of(path).unwrap().into_iter();
            update.removed_documents.extend(gone.map(|d| d.id));
        }
        for document in &documents {
            let fingerprint = fingerprint(document);
            update.files.push(file(&document.path));
            update.documents.push(DocumentRecord {
                id: document.id.clone(),
                path: document.path.clone(),
                fingerprint: fingerprint.clone(),
            });
            let version = NewVersion::of(document, &fingerprint).unwrap();
            update.versions.push(version);
        }
        update
    }

    fn apply(&mut self, update: Update) {
        let now = ms(self.generation);
        self.records.apply(update, now).unwrap();
    }

    fn put(&mut self, given: Given<'_>) {
        let update = self.update(false, &[given], &[]);
        self.apply(update);
    }

    fn remove(&mut self, path: &str) {
        let update = self.update(false, &[], &[path]);
        self.apply(update);
    }

    fn move_file(&mut self, from: &str, to: Given<'_>) {
        let mut update = self.update(false, &[to], &[from]);
        update.receipts.push(moved(from, to.1));
        self.apply(update);
    }

    /// Id, number, begin and end in seconds; newest first.
    fn seen(&self, id: &str) -> Vec<(String, u32, i64, Option<i64>)> {
        let versions = self.records.versions(id).unwrap().into_iter();
        let second = |time: Timestamp| time.as_second();
        versions
            .map(|v| {
                let ended_at = v.ended_at.map(second);
                (v.document_id, v.number, second(v.searchable_at), ended_at)
            })
            .collect()
    }
}

fn row(id: &str, number: u32, begin: i64, end: Option<i64>) -> (String, u32, i64, Option<i64>) {
    (id.to_owned(), number, begin, end)
}

#[test]
fn states_are_numbered_and_end_when_replaced_or_removed() {
    let mut fixture = Fixture::new();
    fixture.put(("a.md", "a.md", "甲"));
    fixture.put(("a.md", "a.md", "乙"));
    fixture.put(("a.md", "a.md", "乙"));
    let expected = [row("a.md", 2, 2, None), row("a.md", 1, 1, Some(2))];
    assert_eq!(fixture.seen("a.md"), expected);
    fixture.remove("a.md");
    assert_eq!(fixture.seen("a.md")[0], row("a.md", 2, 2, Some(4)));
    // Back as it was: a state of its own, so that the times are true.
    fixture.put(("a.md", "a.md", "乙"));
    assert_eq!(fixture.seen("a.md")[0], row("a.md", 3, 5, None));
    assert_eq!(fixture.seen("b.md"), []);

    let given = document(("a.md", "a.md", "甲"));
    let (version, first) = fixture.records.version("a.md", 1).unwrap().unwrap();
    assert_eq!(first, given);
    assert_eq!(version.fingerprint, fingerprint(&given));
    assert_eq!((version.generation, version.audience), (1, Audience::Agent));
    assert_eq!(version.title, "题：a.md");
    assert!(fixture.records.version("a.md", 4).unwrap().is_none());
}

#[test]
fn a_build_from_nothing_adds_no_states_and_ends_those_of_what_is_gone() {
    let mut fixture = Fixture::new();
    let both = [("a.md", "a.md", "甲"), ("b.md", "b.md", "乙")];
    let update = fixture.update(true, &both, &[]);
    fixture.apply(update);
    let mut update = fixture.update(true, &both, &[]);
    let [a, b] = &update.versions[..] else {
        panic!()
    };
    for version in [a, b] {
        let known = fixture
            .records
            .has_version(&version.document_id, &version.fingerprint);
        assert!(known.unwrap());
    }
    // Whether the build hands known states over or not.
    update.versions.pop();
    fixture.apply(update);
    for id in ["a.md", "b.md"] {
        assert_eq!(fixture.seen(id), [row(id, 1, 1, None)]);
    }
    let update = fixture.update(true, &both[..1], &[]);
    fixture.apply(update);
    assert_eq!(fixture.seen("a.md"), [row("a.md", 1, 1, None)]);
    assert_eq!(fixture.seen("b.md"), [row("b.md", 1, 1, Some(3))]);
}

#[test]
fn the_history_follows_a_moved_file() {
    let mut fixture = Fixture::new();
    fixture.put(("a.csv#2", "a.csv", "甲"));
    fixture.put(("a.csv#2", "a.csv", "乙"));
    fixture.move_file("a.csv", ("b/a.csv#2", "b/a.csv", "乙"));
    fixture.put(("b/a.csv#2", "b/a.csv", "丙"));
    let old = [row("a.csv#2", 2, 2, Some(3)), row("a.csv#2", 1, 1, Some(2))];
    let expected = [
        row("b/a.csv#2", 4, 4, None),
        row("b/a.csv#2", 3, 3, Some(4)),
        old[0].clone(),
        old[1].clone(),
    ];
    assert_eq!(fixture.seen("b/a.csv#2"), expected);
    assert_eq!(fixture.seen("a.csv#2"), old);
    let (_, first) = fixture.records.version("b/a.csv#2", 1).unwrap().unwrap();
    assert_eq!((first.id.as_str(), first.text.as_str()), ("a.csv#2", "甲"));

    // Back to where it was: its own states are part of that history.
    fixture.move_file("b/a.csv", ("a.csv#2", "a.csv", "丙"));
    let numbers: Vec<_> = fixture.seen("a.csv#2").into_iter().map(|v| v.1).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);

    // To a path that had states of another document: both stay to be found.
    fixture.put(("c.csv#2", "c.csv", "丁"));
    fixture.remove("c.csv");
    fixture.move_file("a.csv", ("c.csv#2", "c.csv", "丙"));
    let numbers: Vec<_> = fixture.seen("c.csv#2").into_iter().map(|v| v.1).collect();
    assert_eq!(numbers, [2, 1]);
}

#[test]
fn a_stated_id_goes_on_counting_wherever_its_file_is() {
    let mut fixture = Fixture::new();
    fixture.put(("mz-1", "a.md", "甲"));
    fixture.move_file("a.md", ("mz-1", "b.md", "甲"));
    let expected = [row("mz-1", 2, 2, None), row("mz-1", 1, 1, Some(2))];
    assert_eq!(fixture.seen("mz-1"), expected);
}

#[test]
fn a_history_is_followed_so_far_and_no_further() {
    let mut fixture = Fixture::new();
    let path = |n: usize| format!("{n}.md");
    fixture.put(("0.md", "0.md", "甲"));
    for n in 1..=MAX_MOVES + 5 {
        fixture.move_file(&path(n - 1), (&path(n), &path(n), "甲"));
    }
    assert_eq!(fixture.seen(&path(MAX_MOVES + 5)).len(), MAX_MOVES + 1);
}

#[test]
fn states_of_an_interrupted_update_are_kept_once() {
    let mut fixture = Fixture::new();
    fixture.put(("a.md", "a.md", "甲"));
    let update = fixture.update(false, &[("a.md", "a.md", "乙")], &[]);
    fixture.records.prepare(&update).unwrap();
    let path = fixture.folder.path().join("records.sqlite");
    fixture.records = Records::open(&path).unwrap();
    assert!(fixture.records.finish_interrupted(2, ms(9)).unwrap());
    let expected = [row("a.md", 2, 9, None), row("a.md", 1, 1, Some(9))];
    assert_eq!(fixture.seen("a.md"), expected);
    let (_, second) = fixture.records.version("a.md", 2).unwrap().unwrap();
    assert_eq!(second, document(("a.md", "a.md", "乙")));
}

/// As the first version of Zhiku that keeps states wrote it.
#[test]
fn bodies_of_earlier_versions_of_zhiku_can_be_read() {
    let body = r#"{"meta":{"kind":"faq","doc_no":"云民〔2024〕1号","audience":"agent","topic_business":["低保"],
        "effective_from":"2025-01-01","status":"repealed","similar_questions":["怎么办"]},
        "text":"问：甲\n答：乙","passages":[{"ordinal":0,"heading":["一"],"span":[0,19],"answer":[13,19],
        "questions":["甲"],"article":3,"page":2,"row":5}]}"#;
    let body: Body = serde_json::from_str(body).unwrap();
    let metadata = Metadata::from(body.meta);
    assert_eq!(metadata.topics.business, ["低保"]);
    assert_eq!(metadata.effective_from, Some(jiff::civil::date(2025, 1, 1)));
    assert_eq!(metadata.status, Some(crate::document::Validity::Repealed));
    let passage = Passage::from(body.passages.into_iter().next().unwrap());
    assert_eq!(passage.answer, Some(ByteSpan::new(13, 19)));
    assert_eq!(
        (passage.article, passage.page, passage.row),
        (Some(3), Some(2), Some(5))
    );
}

#[test]
fn a_body_is_compressed_as_ever() {
    let packed = compressed(DICTIONARY).unwrap();
    assert!(packed.len() < 12, "the dictionary is used");
    assert_eq!(decompressed(&packed).unwrap(), DICTIONARY);
    assert!(decompressed(&[7, 7, 7]).is_err());
    // The dictionary is part of what is stored.
    assert_eq!(
        blake3::hash(DICTIONARY).to_hex().to_string(),
        "c4deaba28f1d1ee105c9ec3480cbc1479a6f30b2b43e7e5f05d143d07f644a6d"
    );
}

#[test]
fn a_short_document_takes_little_room() {
    let text = "第十六条　申请人应当自收到通知之日起十五日内，持本人身份证和户口簿到户籍所在地的街道办事处\
                办理登记；逾期未办理的，视为放弃申请，但因不可抗力或者其他正当理由延误的除外。";
    let version = NewVersion::of(&document(("a.jsonl#1", "a.jsonl", text)), "").unwrap();
    assert!(version.body.len() < text.len() + 40);
    let long = text.repeat(1_000);
    let version = NewVersion::of(&document(("a", "a", &long)), "").unwrap();
    assert!(version.body.len() < long.len() / 50);
}
