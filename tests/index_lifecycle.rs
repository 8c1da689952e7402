//! The index folder over its life.
//!
//! 1. A corpus becomes searchable; the next run reads only what changed, and follows edits and
//!    deletions.
//! 2. A build that is abandoned leaves what was serving, and its numbers can be used again.
//! 3. A deleted or damaged search folder comes back from the corpus with the same answers.
//! 4. Records that do not match the index (a crash between the two) lead to the same state as a
//!    build from nothing.
//! 5. A changed lexicon builds everything anew.
//! 6. Two documents that claim one id are both kept, and an editor hears of it.
//! 7. The same corpus gives the same answers, however often and in however many steps it was
//!    indexed.
//! 8. A folder is opened for writing once at a time, and for reading beside a writer.
//! 9. A rule that another replaces counts as repealed from that one's first day.
//! 10. Every state of a document is kept with its times, through edits, moves, removals and builds
//!     from nothing.

mod site;

use std::fs;
use std::sync::Arc;

use site::{Open, Site, ingredients, retriever};
use zhiku::document::{Audience, Validity};
use zhiku::engine::{EngineError, PassageIndex};
use zhiku::lexical::Amount;
use zhiku::retrieval::{Admission, Filters, Group, Mode, SearchRequest, SearchResponse};

impl Open {
    /// Number, id and whether it is served, newest first.
    fn versions(&self, id: &str) -> Vec<(u32, String, bool)> {
        let versions = self.records.versions(id).unwrap().into_iter();
        versions
            .map(|v| (v.number, v.document_id.clone(), v.is_current()))
            .collect()
    }

    fn search(&self, query: &str) -> SearchResponse {
        search(&self.index, query)
    }

    fn titles(&self, query: &str) -> Vec<String> {
        self.search(query)
            .hits
            .into_iter()
            .map(|hit| hit.title)
            .collect()
    }
}

fn request(query: &str) -> SearchRequest {
    SearchRequest {
        query: query.to_owned(),
        limit: 10,
        mode: Mode::Hybrid,
        filters: Filters::default(),
        as_of: Some(jiff::civil::date(2026, 11, 20)),
        admission: Admission::InForce,
        sight: Audience::Internal.into(),
        group: Group::Document,
        explain: true,
        with_facets: true,
        with_asked: false,
        deadline: None,
    }
}

fn search(index: &Arc<PassageIndex>, query: &str) -> SearchResponse {
    retriever(index).search(&request(query)).unwrap()
}

/// Everything of an answer but the generation, as text.
fn answer(open: &Open, query: &str) -> String {
    let response = open.search(query);
    format!(
        "{:?}\n{:#?}\n{:?}",
        response.degraded, response.hits, response.facets
    )
}

const PENSION: &str = "# 养老金申领指南\n\n年满六十周岁的参保人，可在望江区社保大厅申领养老金。\n";
const FERRY: &str = "# 轮渡票价\n\n云溪轮渡成人票两元，学生票一元。\n";
const DOGS: &str = "# 养犬登记\n\n养犬人应当到派出所为犬只办理登记，领取犬牌。\n";

#[test]
fn the_next_run_reads_what_changed_and_follows_edits_and_deletions() {
    let site = Site::new(&[("人社/养老.md", PENSION), ("交通/轮渡.md", FERRY)]);
    let mut open = site.open();
    let first = open.update();
    assert_eq!(
        (first.n_added, first.n_documents, first.generation),
        (2, 2, 1)
    );
    assert_eq!(open.titles("养老金怎么领")[0], "养老金申领指南");

    let idle = open.update();
    assert_eq!(
        (idle.n_unchanged, idle.generation),
        (2, 1),
        "nothing changed: no new generation"
    );

    site.write("交通/轮渡.md", "# 轮渡票价\n\n云溪轮渡成人票三元。\n");
    site.write("公安/养犬.md", DOGS);
    fs::remove_file(site.corpus().join("人社/养老.md")).unwrap();
    let second = open.update();
    let counts = (
        second.n_added,
        second.n_modified,
        second.n_removed,
        second.n_documents,
    );
    assert_eq!(counts, (1, 1, 1, 2));
    assert_eq!(second.generation, 2);
    let ferry = open.search("轮渡票价多少钱");
    assert!(ferry.hits[0].text.contains("三元") && !ferry.hits[0].text.contains("两元"));
    assert!(
        open.titles("养老金怎么领")
            .iter()
            .all(|title| title != "养老金申领指南")
    );
}

#[test]
fn an_abandoned_build_leaves_what_was_serving() {
    let site = Site::new(&[("a.md", PENSION)]);
    let mut open = site.open();
    open.update();
    let before = answer(&open, "养老金");
    let snapshot = open.index.snapshot();
    let stored = snapshot.words.document("a.md").unwrap().unwrap().document;
    let mut build = open.index.begin(false, Amount::Little, 2).unwrap();
    build
        .put(&[zhiku::document::Document {
            id: "b".into(),
            ..stored
        }])
        .unwrap();
    build.delete("a.md").unwrap();
    drop(build);
    assert_eq!(answer(&open, "养老金"), before);

    site.write("c.md", FERRY);
    assert_eq!(open.update().n_documents, 2);
    assert_eq!(open.titles("轮渡")[0], "轮渡票价");
    assert_eq!(open.titles("养老金")[0], "养老金申领指南");
}

#[test]
fn a_deleted_or_damaged_search_folder_comes_back() {
    let site = Site::new(&[("a.md", PENSION), ("b.md", FERRY)]);
    let mut open = site.open();
    open.update();
    let before = answer(&open, "轮渡票价");
    drop(open);
    fs::remove_dir_all(site.index().join("search")).unwrap();
    let mut open = site.open();
    assert!(open.index.needs_rebuild());
    open.index.use_analyser(site::analyser(&open.corpus));
    assert!(open.index.needs_rebuild(), "whatever the lexicon says");
    let summary = open.update();
    assert!(summary.rebuilt && summary.generation == 2, "{summary:?}");
    assert_eq!(answer(&open, "轮渡票价"), before);
    drop(open);

    let words = site.index().join("search/words/meta.json");
    fs::write(words, "{not json").unwrap();
    let mut open = site.open();
    open.update();
    assert_eq!(answer(&open, "轮渡票价"), before);
    drop(open);

    for entry in fs::read_dir(site.index().join("search")).unwrap() {
        let rows = entry.unwrap().path().join("rows.bin");
        if rows.exists() {
            fs::write(rows, b"short").unwrap();
        }
    }
    let mut open = site.open();
    open.update();
    assert_eq!(answer(&open, "轮渡票价"), before);
}

#[test]
fn records_that_lag_behind_lead_to_the_state_of_a_build_from_nothing() {
    let site = Site::new(&[("a.md", PENSION), ("b.md", FERRY)]);
    let mut open = site.open();
    open.update();
    drop(open);
    let records = site.index().join("records.sqlite");
    let old = fs::read(&records).unwrap();
    fs::remove_file(site.corpus().join("a.md")).unwrap();
    site.write("b.md", DOGS);
    let mut open = site.open();
    open.update();
    let expected = answer(&open, "登记");
    drop(open);

    // As if the process had died after the index's commit and before the records'.
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(site.index().join(format!("records.sqlite{suffix}")));
    }
    fs::write(&records, old).unwrap();
    let mut open = site.open();
    let summary = open.update();
    assert!(summary.rebuilt);
    assert_eq!(summary.n_documents, 1);
    assert_eq!(answer(&open, "登记"), expected);
    assert!(!open.update().rebuilt);
}

#[test]
fn a_changed_lexicon_builds_everything_anew() {
    let site = Site::new(&[("a.md", PENSION), ("_lexicon/words.txt", "申领指南\n")]);
    let mut open = site.open();
    open.update();
    drop(open);
    let mut open = site.open();
    assert!(!open.update().rebuilt);
    drop(open);
    site.write("_lexicon/synonyms.txt", "退休金 养老金\n");
    let mut open = site.open();
    assert!(open.update().rebuilt);
    assert_eq!(open.titles("退休金")[0], "养老金申领指南");
}

#[test]
fn two_documents_with_one_id_are_both_kept() {
    let line =
        |text: &str| format!("{{\"_id\":\"1\",\"title\":\"{text}\",\"text\":\"{text}的办理\"}}\n");
    let site = Site::new(&[
        ("a.jsonl", &line("犬只登记")),
        ("b.jsonl", &line("轮渡年票")),
    ]);
    let mut open = site.open();
    let summary = open.update();
    assert_eq!(summary.n_documents, 2);
    assert_eq!(open.titles("犬只登记")[0], "犬只登记");
    assert_eq!(open.titles("轮渡年票")[0], "轮渡年票");
    let findings = open.records.findings().unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding.code == "duplicate_id" && finding.path == "b.jsonl"),
        "{findings:?}"
    );
}

#[test]
fn the_way_to_a_corpus_does_not_show_in_the_answers() {
    let files = [("a.md", PENSION), ("b.md", FERRY), ("c.md", DOGS)];
    let at_once = Site::new(&files);
    let mut at_once = at_once.open();
    at_once.update();

    let in_steps = Site::new(&[("c.md", DOGS), ("x.md", "# 将被删除\n\n养老金轮渡登记。\n")]);
    let mut stepwise = in_steps.open();
    stepwise.update();
    in_steps.write("a.md", PENSION);
    stepwise.update();
    fs::remove_file(in_steps.corpus().join("x.md")).unwrap();
    in_steps.write("b.md", FERRY);
    stepwise.update();

    for query in ["养老金怎么领", "轮渡票价", "养犬登记在哪里办", "云溪"] {
        assert_eq!(answer(&at_once, query), answer(&stepwise, query), "{query}");
    }
}

#[test]
fn one_writer_and_readers_beside_it() {
    let site = Site::new(&[("a.md", PENSION)]);
    let reader = || PassageIndex::open_read_only(&site.index(), ingredients(&site.corpus()));
    assert!(matches!(reader(), Err(EngineError::Missing { .. })));
    let mut open = site.open();
    assert!(
        matches!(reader(), Err(EngineError::Missing { .. })),
        "nothing is indexed yet"
    );
    open.update();
    let second = PassageIndex::open(&site.index(), ingredients(&site.corpus()));
    assert!(matches!(second, Err(EngineError::Locked { .. })));
    let beside = Arc::new(reader().unwrap());
    assert_eq!(search(&beside, "养老金").hits.len(), 1);
    site.write("b.md", FERRY);
    open.update();
    assert_eq!(
        search(&Arc::new(reader().unwrap()), "轮渡").hits[0].title,
        "轮渡票价"
    );
}

#[test]
fn a_replaced_rule_is_repealed_from_its_successors_first_day() {
    let rule = |from: &str, replaces: &str, text: &str| {
        format!(
            "---\ntitle: 云溪市电动自行车上牌办法\neffective_from: {from}\n{replaces}---\n{text}\n"
        )
    };
    let files = [
        (
            "交警/旧.md",
            rule(
                "2018-01-01",
                "doc_no: 云交规〔2018〕1号\n",
                "电动自行车上牌收费十元。",
            ),
        ),
        (
            "交警/新.md",
            rule(
                "2026-01-01",
                "replaces: [云交规〔2018〕1号]\n",
                "电动自行车上牌不收费。",
            ),
        ),
        // It bears the title that it replaces, as do those before it.
        (
            "交警/更新.md",
            rule(
                "2027-01-01",
                "replaces: [云溪市电动自行车上牌办法]\n",
                "电动自行车上牌网上办理。",
            ),
        ),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let site = Site::new(&files);
    let mut open = site.open();
    open.update();
    let shown = |day: &str, admission| -> Vec<(String, Validity)> {
        let response = retriever(&open.index)
            .search(&SearchRequest {
                as_of: Some(day.parse().unwrap()),
                admission,
                ..request("电动自行车上牌收费")
            })
            .unwrap();
        let hits = response.hits.into_iter();
        hits.map(|hit| (hit.document_id, hit.validity)).collect()
    };
    let only = |name: &str| vec![(format!("交警/{name}.md"), Validity::InForce)];
    for (day, name) in [
        ("2025-12-31", "旧"),
        ("2026-01-01", "新"),
        ("2026-12-31", "新"),
        ("2027-01-01", "更新"),
    ] {
        assert_eq!(shown(day, Admission::InForce), only(name), "{day}");
    }
    let all = shown("2026-06-01", Admission::Any);
    for expected in [
        ("交警/旧.md", Validity::Repealed),
        ("交警/新.md", Validity::InForce),
        ("交警/更新.md", Validity::NotYet),
    ] {
        assert!(
            all.contains(&(expected.0.to_owned(), expected.1)),
            "{all:?}"
        );
    }
}

#[test]
fn every_state_of_a_document_is_kept() {
    let site = Site::new(&[("人社/养老.md", PENSION), ("交通/轮渡.md", FERRY)]);
    let mut open = site.open();
    open.update();
    open.update();
    let seen = |number, id: &str, current| (number, id.to_owned(), current);
    assert_eq!(
        open.versions("交通/轮渡.md"),
        [seen(1, "交通/轮渡.md", true)]
    );

    site.write("交通/轮渡.md", "# 轮渡票价\n\n云溪轮渡成人票三元。\n");
    open.update();
    fs::rename(
        site.corpus().join("交通/轮渡.md"),
        site.corpus().join("交通/票价.md"),
    )
    .unwrap();
    fs::remove_file(site.corpus().join("人社/养老.md")).unwrap();
    open.update();
    let moved = [
        seen(3, "交通/票价.md", true),
        seen(2, "交通/轮渡.md", false),
        seen(1, "交通/轮渡.md", false),
    ];
    assert_eq!(open.versions("交通/票价.md"), moved);
    let gone = [seen(1, "人社/养老.md", false)];
    assert_eq!(open.versions("人社/养老.md"), gone);

    let first = open.records.version("交通/票价.md", 1).unwrap().unwrap();
    assert!(first.1.text.contains("成人票两元"));
    assert_eq!(first.0.generation, 1);
    let versions = open.records.versions("交通/票价.md").unwrap();
    assert_eq!(versions[1].ended_at, Some(versions[0].searchable_at));
    let snapshot = open.index.snapshot();
    let served = snapshot.words.document("交通/票价.md").unwrap().unwrap();
    let newest = open.records.version("交通/票价.md", 3).unwrap().unwrap();
    assert_eq!(newest.1, served.document);
    drop(open);

    // A build from nothing of the same corpus changes none of it.
    fs::remove_dir_all(site.index().join("search")).unwrap();
    let mut open = site.open();
    assert!(open.update().rebuilt);
    assert_eq!(open.versions("交通/票价.md"), moved);
    assert_eq!(open.versions("人社/养老.md"), gone);

    site.write("人社/养老.md", PENSION);
    open.update();
    let back = [seen(2, "人社/养老.md", true), gone[0].clone()];
    assert_eq!(open.versions("人社/养老.md"), back);
}
