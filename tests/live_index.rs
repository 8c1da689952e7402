//! Following a corpus while it serves.
//!
//! 1. However an editor saves, the new text is found, the old is not, and no removal is told.
//! 2. A moved folder keeps what it holds under its new path; a removed one is gone.
//! 3. A file that breaks keeps its last good state, marked stale, until it is mended.
//! 4. Metadata beside files take effect on what they shape, and on nothing else.
//! 5. One changed row of a table is one changed document.
//! 6. A lexicon takes effect live, and the index equals one made with it from the start.
//! 7. What the corpus passes over is never indexed; a link is not followed out of it.
//! 8. A request reads a file again; receipts are numbered without gaps.
//! 9. A crash at any step of an update leaves an index that opens, comes to equal a fresh one, and
//!    repeats no receipt.
//! 10. Without events changes are found by looking; a corpus that goes away is waited for.
//! 11. Vectors that no passage has any more are left out, and nothing else changes; what a crash
//!     leaves of it goes at the next start.

mod site;

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use site::{Open, Site, analyser, open, retriever};
use zhiku::corpus::Limits;
use zhiku::document::Audience;
use zhiku::engine::PassageIndex;
use zhiku::records::{Change, Receipt, Records};
use zhiku::retrieval::{Admission, Filters, Group, Mode, SearchRequest};
use zhiku::sync::{
    Listener, Live, Notice, Progress, Requests, Scope, Silent, Step, SyncError, Watch,
    WatchSettings,
};

/// Nothing here takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(20);

impl Site {
    /// Writes a file as careful programs save: it is never there by half.
    fn save(&self, path: &str, text: &str) {
        self.write("lu1.tmp", text);
        fs::rename(self.corpus().join("lu1.tmp"), self.corpus().join(path)).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.corpus().join(path)
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }
}

/// Paths and texts of the hits.
fn search(index: &Arc<PassageIndex>, mode: Mode, query: &str) -> Vec<(String, String)> {
    let request = SearchRequest {
        query: query.to_owned(),
        limit: 5,
        mode,
        filters: Filters::default(),
        as_of: Some(jiff::civil::date(2026, 11, 20)),
        admission: Admission::Any,
        sight: Audience::Internal.into(),
        group: Group::Document,
        explain: false,
        with_facets: true,
        with_asked: false,
        deadline: None,
    };
    let hits = retriever(index).search(&request).unwrap().hits;
    hits.into_iter()
        .map(|hit| (hit.citation.path, hit.text))
        .collect()
}

/// Everything that searching can show, without what counts builds.
fn contents(index: &Arc<PassageIndex>, queries: &[&str]) -> String {
    let words = index.snapshot().words.clone();
    let mut text = String::new();
    for id in words.document_ids().unwrap() {
        let document = words.document(id).unwrap().unwrap().document;
        text.push_str(&format!("{document:#?}\n"));
    }
    for query in queries {
        for mode in [Mode::Lexical, Mode::Vector, Mode::Hybrid] {
            text.push_str(&format!("{:#?}\n", search(index, mode, query)));
        }
    }
    text
}

/// Contents of an index that is made of the corpus as it stands.
fn fresh_contents(site: &Site, queries: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut fresh = open(folder.path(), &site.corpus());
    fresh.update();
    contents(&fresh.index, queries)
}

/// Fails with the first line that differs.
fn assert_as_fresh(site: &Site, index: &Arc<PassageIndex>, queries: &[&str], context: &str) {
    let (found, fresh) = (contents(index, queries), fresh_contents(site, queries));
    let differing = found.lines().zip(fresh.lines()).find(|(a, b)| a != b);
    assert_eq!(differing, None, "{context}");
    assert_eq!(found.len(), fresh.len(), "{context}");
}

struct Quiet;

impl Listener for Quiet {
    fn receipts(&self, _receipts: &[Receipt]) {}
    fn failed(&self, error: &SyncError) {
        eprintln!("update failed: {error}");
    }
    fn waiting(&self, _n_paths: usize) {}
}

/// What a test sees of an index that follows its corpus.
struct Followed<'a> {
    site: &'a Site,
    index: Arc<PassageIndex>,
    requests: Requests,
    seen: AtomicUsize,
}

impl Followed<'_> {
    fn records(&self) -> Records {
        Records::open_read_only(&self.site.index().join("records.sqlite")).unwrap()
    }

    fn receipts(&self, after: usize) -> Vec<Receipt> {
        let records = self.records();
        records.receipts_after(after as u64, 10_000).unwrap()
    }

    /// The next `n` receipts, as change and path (`from → path` for moves).
    fn next(&self, n: usize) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen.load(Ordering::Relaxed);
            let receipts = self.receipts(seen);
            if receipts.len() >= n {
                self.seen.store(seen + n, Ordering::Relaxed);
                let name = |receipt: &Receipt| {
                    let what = &receipt.what;
                    match &what.from {
                        Some(from) => format!("moved {from} → {}", what.path),
                        None => format!("{} {}", what.change.name(), what.path),
                    }
                };
                return receipts[..n].iter().map(name).collect();
            }
            assert!(Instant::now() < until, "only {receipts:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// No receipt but those seen, after a while.
    fn nothing_more(&self) {
        std::thread::sleep(Duration::from_millis(400));
        let more = self.receipts(self.seen.load(Ordering::Relaxed));
        assert!(more.is_empty(), "{more:#?}");
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < until, "never: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn paths(&self, query: &str) -> Vec<String> {
        let hits = search(&self.index, Mode::Lexical, query).into_iter();
        hits.map(|(path, _)| path).collect()
    }
}

/// Brings an index of `site` up to date and follows it by events during `test`.
fn follow(site: &Site, test: impl FnOnce(&Followed<'_>)) {
    let settings = WatchSettings {
        notice: Notice::Events,
        rest: Duration::from_millis(300),
        reconcile_every: None,
    };
    follow_by(settings, site, test);
}

/// The same, by other settings. Receipts are numbered without gaps in the end.
fn follow_by(settings: WatchSettings, site: &Site, test: impl FnOnce(&Followed<'_>)) {
    let mut open = site.open();
    let watch = Watch::start(&site.corpus(), settings);
    open.update();
    let followed = Followed {
        site,
        index: open.index.clone(),
        requests: watch.requests(),
        seen: AtomicUsize::new(open.records.last_seq().unwrap() as usize),
    };
    let stop = AtomicBool::new(false);
    let index = open.index.clone();
    std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            let records_path = site.index().join("records.sqlite");
            let corpus = site.corpus();
            let live = Live {
                index: &index,
                records: &mut open.records,
                records_path: &records_path,
                limits: Limits::default(),
                analyser: &|| analyser(&corpus),
                listener: &Quiet,
            };
            live.follow(watch, &stop).unwrap();
        });
        let tested = catch_unwind(AssertUnwindSafe(|| test(&followed)));
        stop.store(true, Ordering::Relaxed);
        live.join().unwrap();
        if let Err(panic) = tested {
            std::panic::resume_unwind(panic);
        }
    });
    let numbers: Vec<u64> = followed
        .receipts(0)
        .iter()
        .map(|receipt| receipt.seq)
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

fn fee(yuan: &str) -> String {
    format!("# 某某证办理指南\n\n办理某某证收取工本费{yuan}元。\n")
}

#[test]
fn every_way_of_saving_replaces_the_text_and_removes_nothing() {
    let site = Site::new(&[("公安/证件.md", &fee("十"))]);
    follow(&site, |followed| {
        let check = |yuan: &str| {
            let hits = search(&followed.index, Mode::Hybrid, "某某证工本费");
            assert_eq!(hits.len(), 1, "{hits:?}");
            assert!(hits[0].1.contains(yuan), "{yuan}: {hits:?}");
        };
        check("十");
        site.write("公安/证件.md", &fee("二十"));
        assert_eq!(followed.next(1), ["modified 公安/证件.md"]);
        check("二十");
        // A temporary file over the old one.
        site.write("公安/lu12.tmp", &fee("三十"));
        site.rename("公安/lu12.tmp", "公安/证件.md");
        assert_eq!(followed.next(1), ["modified 公安/证件.md"]);
        check("三十");
        // The old one aside, a new one, the old one away.
        site.rename("公安/证件.md", "公安/证件.md~");
        site.write("公安/证件.md", &fee("四十"));
        fs::remove_file(site.path("公安/证件.md~")).unwrap();
        assert_eq!(followed.next(1), ["modified 公安/证件.md"]);
        check("四十");
        // Removed and written anew.
        fs::remove_file(site.path("公安/证件.md")).unwrap();
        site.write("公安/证件.md", &fee("五十"));
        assert_eq!(followed.next(1), ["modified 公安/证件.md"]);
        check("五十");
        // The same bytes once more change nothing.
        let generation = followed.index.snapshot().generation;
        site.write("公安/证件.md", &fee("五十"));
        followed.nothing_more();
        assert_eq!(followed.index.snapshot().generation, generation);
    });
}

#[test]
fn folders_move_and_go_with_what_they_hold() {
    let site = Site::new(&[
        ("甲局/a.md", "# 轮渡票价\n\n云溪轮渡成人票两元。\n"),
        ("甲局/深/b.md", "# 养犬登记\n\n养犬人应当办理登记。\n"),
        ("乙局/c.md", "# 高龄津贴\n\n年满八十周岁可以申请。\n"),
    ]);
    follow(&site, |followed| {
        site.rename("甲局", "丙局");
        assert_eq!(
            followed.next(2),
            [
                "moved 甲局/a.md → 丙局/a.md",
                "moved 甲局/深/b.md → 丙局/深/b.md"
            ]
        );
        assert_eq!(followed.paths("云溪轮渡票价"), ["丙局/a.md"]);
        fs::remove_dir_all(site.path("丙局")).unwrap();
        let mut gone = followed.next(2);
        gone.sort();
        assert_eq!(gone, ["removed 丙局/a.md", "removed 丙局/深/b.md"]);
        assert!(followed.paths("云溪轮渡票价").is_empty());
        // A file takes the folder's place.
        fs::remove_dir_all(site.path("乙局")).unwrap();
        site.write("乙局.md", "# 轮渡票价\n\n云溪轮渡成人票三元。\n");
        let mut swapped = followed.next(2);
        swapped.sort();
        assert_eq!(swapped, ["added 乙局.md", "removed 乙局/c.md"]);
        followed.nothing_more();
    });
}

#[test]
fn a_file_that_breaks_keeps_its_last_good_state() {
    let site = Site::new(&[
        ("a.json", "{}"),
        ("交通/票价.csv", "问题,答案\n轮渡多少钱,两元\n"),
    ]);
    follow(&site, |followed| {
        assert_eq!(followed.paths("轮渡多少钱"), ["交通/票价.csv"]);
        fs::write(site.path("交通/票价.csv"), [0u8, 159, 146, 150, 0, 0, 1, 2]).unwrap();
        assert_eq!(followed.next(1), ["failed 交通/票价.csv"]);
        assert_eq!(followed.paths("轮渡多少钱"), ["交通/票价.csv"]);
        let records = Records::open_read_only(&site.index().join("records.sqlite")).unwrap();
        assert_eq!(records.stale_paths().unwrap(), ["交通/票价.csv"]);
        // Broken in another way: still the last good state, and no second receipt of the same.
        fs::write(
            site.path("交通/票价.csv"),
            [0u8, 159, 146, 150, 0, 0, 9, 9, 9],
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(followed.paths("轮渡多少钱"), ["交通/票价.csv"]);
        // Tried again, with the same outcome: no news.
        assert!(followed.requests.reindex(""));
        followed.nothing_more();
        site.write("交通/票价.csv", "问题,答案\n轮渡多少钱,三元\n");
        assert_eq!(followed.next(1), ["modified 交通/票价.csv"]);
        assert!(
            search(&followed.index, Mode::Lexical, "轮渡多少钱")[0]
                .1
                .contains("三元")
        );
        assert!(records.stale_paths().unwrap().is_empty());

        // Nobody can tell what new metadata make of a file that cannot be read: it goes.
        fs::write(site.path("交通/票价.csv"), [0u8, 159, 146, 150, 0, 0, 1, 2]).unwrap();
        assert_eq!(followed.next(1), ["failed 交通/票价.csv"]);
        assert_eq!(followed.paths("轮渡多少钱"), ["交通/票价.csv"]);
        site.write("交通/_defaults.yaml", "audience: internal\n");
        assert_eq!(followed.next(1), ["failed 交通/票价.csv"]);
        assert!(followed.paths("轮渡多少钱").is_empty());
    });
}

#[test]
fn metadata_take_effect_on_what_they_shape() {
    let site = Site::new(&[
        ("甲/a.md", "# 轮渡票价\n\n成人两元。\n"),
        ("甲/b.md", "# 养犬登记\n\n应当登记。\n"),
        ("乙/c.md", "# 高龄津贴\n\n可以申请。\n"),
    ]);
    follow(&site, |followed| {
        let department = |id: &str| {
            let words = followed.index.snapshot().words.clone();
            words
                .document(id)
                .unwrap()
                .unwrap()
                .document
                .metadata
                .department
        };
        site.write("甲/_defaults.yaml", "department: 市甲局\n");
        assert_eq!(followed.next(2), ["modified 甲/a.md", "modified 甲/b.md"]);
        assert_eq!(department("甲/a.md").as_deref(), Some("市甲局"));
        site.write("甲/a.md.meta.yaml", "department: 市交通局\n");
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        assert_eq!(department("甲/a.md").as_deref(), Some("市交通局"));
        fs::remove_file(site.path("甲/a.md.meta.yaml")).unwrap();
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        assert_eq!(department("甲/a.md").as_deref(), Some("市甲局"));
        followed.nothing_more();
    });
}

#[test]
fn one_changed_row_is_one_changed_document() {
    let rows = |fare: &str| {
        format!(
            "{{\"_id\":\"一\",\"title\":\"轮渡\",\"text\":\"票价{fare}。\"}}\n{{\"_id\":\"二\",\"title\":\"养犬\",\"text\":\"应当登记。\"}}\n"
        )
    };
    let site = Site::new(&[("a.jsonl", &rows("两元"))]);
    follow(&site, |followed| {
        let first_no = |id: &str| {
            let words = followed.index.snapshot().words.clone();
            words.document(id).unwrap().unwrap().first_passage_no
        };
        let before = (first_no("一"), first_no("二"));
        site.write("a.jsonl", &rows("三元"));
        assert_eq!(followed.next(1), ["modified a.jsonl"]);
        assert_ne!(first_no("一"), before.0, "indexed anew");
        assert_eq!(first_no("二"), before.1, "left alone");
    });
}

#[test]
fn a_lexicon_takes_effect_live() {
    let site = Site::new(&[
        (
            "a.md",
            "# 云溪通\n\n云溪通卡办理须知，凭云溪通卡乘坐轮渡。\n",
        ),
        ("b.md", "# 居住证\n\n居住证办理须知。\n"),
        ("_lexicon/words.txt", "轮渡\n"),
    ]);
    let queries = ["云溪通卡", "暂住证怎么办", "溪通"];
    follow(&site, |followed| {
        let terms = |hash: &str| followed.index.snapshot().analyser.lexicon_hash() == hash;
        site.write("_lexicon/synonyms.txt", "暂住证 => 居住证\n");
        let wanted = analyser(&site.corpus()).lexicon_hash().to_owned();
        followed.until("the synonym", || terms(&wanted));
        assert_eq!(followed.paths("暂住证")[0], "b.md");
        site.write("_lexicon/dialect.txt", "住埠紙 => 居住证\n");
        let wanted = analyser(&site.corpus()).lexicon_hash().to_owned();
        followed.until("the dialect word", || terms(&wanted));
        assert_eq!(followed.paths("住埠纸")[0], "b.md", "in either script");
        assert_eq!(followed.paths("住埠紙")[0], "b.md");
        let before = followed.index.snapshot();
        site.write("_lexicon/words.txt", "云溪通卡\n");
        let wanted = analyser(&site.corpus()).lexicon_hash().to_owned();
        followed.until("the word", || terms(&wanted));
        let after = followed.index.snapshot();
        let number = |snapshot: &zhiku::engine::Snapshot, id| {
            snapshot
                .words
                .document(id)
                .unwrap()
                .unwrap()
                .first_passage_no
        };
        assert_ne!(number(&before, "a.md"), number(&after, "a.md"), "cut anew");
        assert_eq!(
            number(&before, "b.md"),
            number(&after, "b.md"),
            "left alone"
        );
        assert_as_fresh(&site, &followed.index, &queries, "with the new lexicon");
        followed.until("the records have the generation", || {
            followed.records().generation().unwrap() == after.generation
        });
        followed.nothing_more();
    });
    // The next start finds nothing to do.
    let mut open = site.open();
    let generation = open.index.snapshot().generation;
    open.update();
    assert_eq!(open.index.snapshot().generation, generation);
}

#[test]
fn what_is_passed_over_stays_out() {
    let site = Site::new(&[("甲/a.md", "# 轮渡票价\n\n成人两元。\n")]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.md"), "# 外面\n\n不该收录。\n").unwrap();
    follow(&site, |followed| {
        for path in [
            "甲/~$a.docx",
            "甲/.a.md.swp",
            "甲/b.md.part",
            "_drafts/c.md",
            ".git/d.md",
        ] {
            site.write(path, "# 草稿\n\n不该收录。\n");
        }
        std::os::unix::fs::symlink(outside.path(), site.path("链接")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("x.md"), site.path("甲/x.md")).unwrap();
        fs::write(outside.path().join("y.md"), "# 外面\n\n不该收录。\n").unwrap();
        followed.nothing_more();
        assert!(followed.paths("不该收录").is_empty());
        // A finished download is renamed to its name.
        site.rename("甲/b.md.part", "甲/b.md");
        assert_eq!(followed.next(1), ["added 甲/b.md"]);
    });
}

#[test]
fn a_burst_of_new_folders_is_found_whole() {
    let site = Site::new(&[("a.md", "# 轮渡票价\n\n成人两元。\n")]);
    follow(&site, |followed| {
        for i in 0..200 {
            let text = format!("# 通知{i}\n\n第{i}号通知。\n");
            site.write(&format!("新/{}/{}/f{i}.md", i % 7, i % 3), &text);
        }
        let mut added = followed.next(200);
        added.sort();
        added.dedup();
        assert_eq!(added.len(), 200);
        assert!(added.iter().all(|receipt| receipt.starts_with("added 新/")));
        followed.nothing_more();
        assert_as_fresh(&site, &followed.index, &[], "after the burst");
        assert_eq!(followed.paths("第9号通知")[0], "新/2/0/f9.md");
    });
}

#[test]
fn without_events_changes_are_found_by_looking() {
    let polling = WatchSettings {
        notice: Notice::Looking(Duration::from_millis(100)),
        rest: Duration::from_millis(100),
        reconcile_every: None,
    };
    let comparing = WatchSettings {
        notice: Notice::Never,
        rest: Duration::from_millis(100),
        reconcile_every: Some(Duration::from_millis(200)),
    };
    for settings in [polling, comparing] {
        let site = Site::new(&[("甲/a.md", &fee("十")), ("甲/b.md", &fee("九十"))]);
        follow_by(settings, &site, |followed| {
            // Two looks within one tick of the clock of the file system see no change.
            std::thread::sleep(Duration::from_millis(1_100));
            site.write("甲/a.md", &fee("二十"));
            assert_eq!(followed.next(1), ["modified 甲/a.md"]);
            site.write("甲/新/c.md", &fee("三十"));
            assert_eq!(followed.next(1), ["added 甲/新/c.md"]);
            fs::remove_file(site.path("甲/b.md")).unwrap();
            assert_eq!(followed.next(1), ["removed 甲/b.md"]);
            followed.nothing_more();
        });
    }
}

#[test]
fn a_corpus_that_goes_away_is_waited_for() {
    let site = Site::new(&[("甲/a.md", &fee("十"))]);
    follow(&site, |followed| {
        let aside = site.root.path().join("aside");
        fs::rename(site.corpus(), &aside).unwrap();
        followed.nothing_more();
        assert_eq!(followed.paths("工本费"), ["甲/a.md"], "still served");
        fs::write(aside.join("甲/a.md"), fee("二十")).unwrap();
        fs::rename(&aside, site.corpus()).unwrap();
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        // And it is followed again.
        site.save("甲/a.md", &fee("三十"));
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        // Another folder takes its place at once.
        fs::create_dir_all(aside.join("甲")).unwrap();
        fs::write(aside.join("甲/a.md"), fee("四十")).unwrap();
        fs::rename(site.corpus(), site.root.path().join("old")).unwrap();
        fs::rename(&aside, site.corpus()).unwrap();
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        site.save("甲/a.md", &fee("五十"));
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
    });
}

#[test]
fn a_corpus_link_that_leads_elsewhere_is_followed() {
    let site = Site::new(&[("甲/a.md", &fee("十"))]);
    let state = |name: &str| site.root.path().join(name);
    fs::rename(site.corpus(), state("v1")).unwrap();
    std::os::unix::fs::symlink(state("v1"), site.corpus()).unwrap();
    follow(&site, |followed| {
        fs::create_dir_all(state("v2/甲")).unwrap();
        fs::write(state("v2/甲/a.md"), fee("二十")).unwrap();
        std::os::unix::fs::symlink(state("v2"), state("next")).unwrap();
        fs::rename(state("next"), site.corpus()).unwrap();
        fs::remove_dir_all(state("v1")).unwrap();
        followed.until("the new state", || {
            let hits = search(&followed.index, Mode::Lexical, "工本费");
            hits.first().is_some_and(|(_, text)| text.contains("二十"))
        });
        site.save("甲/a.md", &fee("三十"));
        followed.until("the next save", || {
            let hits = search(&followed.index, Mode::Lexical, "工本费");
            hits.first().is_some_and(|(_, text)| text.contains("三十"))
        });
    });
}

#[test]
fn a_file_that_is_being_written_is_not_read_with_its_folder() {
    let site = Site::new(&[("甲/a.md", &fee("十")), ("甲/b.md", &fee("九十"))]);
    // Longer than the test takes.
    let settings = WatchSettings {
        notice: Notice::Events,
        rest: Duration::from_secs(60),
        reconcile_every: None,
    };
    follow_by(settings, &site, |followed| {
        let mut file = fs::File::create(site.path("甲/a.md")).unwrap();
        file.write_all("# 某某证办理指南\n\n".as_bytes()).unwrap();
        file.sync_all().unwrap();
        // The defaults shape everything in the folder.
        site.save("甲/_defaults.yaml", "department: 市公安局\n");
        assert_eq!(followed.next(1), ["modified 甲/b.md"]);
        assert_eq!(
            followed.paths("工本费十元"),
            ["甲/a.md", "甲/b.md"],
            "the last whole state of it"
        );
        file.write_all(fee("二十").as_bytes()).unwrap();
        drop(file);
        assert_eq!(followed.next(1), ["modified 甲/a.md"]);
        followed.nothing_more();
    });
}

/// Writes a file after the look and before the reading.
struct WritesBetween<'s>(&'s Site);

impl Progress for WritesBetween<'_> {
    fn stage(&self, name: &str, _n_steps: u64) {
        if name.starts_with("读取") {
            self.0.write("甲/a.md", &fee("三十"));
        }
    }
    fn advance(&self, _n_steps: u64) {}
    fn reached(&self, _step: Step) {}
}

#[test]
fn a_receipt_names_the_state_that_was_read() {
    let site = Site::new(&[("甲/a.md", &fee("十"))]);
    let mut open = site.open();
    open.update();
    site.write("甲/a.md", &fee("二十"));
    let scope = Scope {
        paths: ["甲/a.md".to_owned()].into(),
        ..Scope::default()
    };
    open.updater(&WritesBetween(&site)).update(&scope).unwrap();
    let hits = search(&open.index, Mode::Lexical, "工本费");
    assert!(hits[0].1.contains("三十"), "{hits:?}");
    let receipts = open.records.receipts_after(1, 10).unwrap();
    let hash = blake3::hash(fee("三十").as_bytes()).to_hex().to_string();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].what.content_hash, Some(hash));
    // It is read again, and found to be known.
    open.updater(&Silent).update(&scope).unwrap();
    assert_eq!(open.records.receipts_after(1, 10).unwrap(), receipts);
    open.updater(&Silent).update(&scope).unwrap();
    assert_eq!(open.index.snapshot().generation, 2);
}

/// Panics at the `n`-th step of an update.
struct Crash {
    at: usize,
    n_steps: AtomicUsize,
}

impl Progress for Crash {
    fn stage(&self, _name: &str, _n_steps: u64) {}
    fn advance(&self, _n_steps: u64) {}
    fn reached(&self, step: Step) {
        if self.n_steps.fetch_add(1, Ordering::Relaxed) == self.at {
            panic!("crash after {step:?}");
        }
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_and_repeats_nothing() {
    let queries = ["轮渡票价", "养犬登记", "高龄津贴"];
    let mut n_crashes = 0;
    for at in 0.. {
        let site = Site::new(&[
            ("a.md", "# 轮渡票价\n\n成人两元。\n"),
            ("b.md", "# 养犬登记\n\n应当登记。\n"),
        ]);
        site.open().update();
        site.write("a.md", "# 轮渡票价\n\n成人三元。\n");
        site.rename("b.md", "c.md");
        site.write("d.md", "# 高龄津贴\n\n可以申请。\n");
        let crash = Crash {
            at,
            n_steps: AtomicUsize::new(0),
        };
        let mut open = site.open();
        let crashed = catch_unwind(AssertUnwindSafe(|| {
            open.updater(&crash).bring_up_to_date(false).unwrap();
        }));
        drop(open);

        let mut open = site.open();
        open.update();
        let context = format!("crash at step {at}");
        assert_as_fresh(&site, &open.index, &queries, &context);
        let receipts = open.records.receipts_after(2, 100).unwrap();
        let mut changes: Vec<_> = receipts
            .iter()
            .map(|receipt| (receipt.what.change, receipt.what.path.as_str()))
            .collect();
        changes.sort_by_key(|(_, path)| *path);
        let expected = [
            (Change::Modified, "a.md"),
            (Change::Moved, "c.md"),
            (Change::Added, "d.md"),
        ];
        assert_eq!(changes, expected, "{context}");
        let generation = open.index.snapshot().generation;
        assert!(
            receipts
                .iter()
                .all(|receipt| receipt.generation == generation),
            "{context}"
        );
        if crashed.is_ok() {
            break;
        }
        n_crashes += 1;
    }
    assert_eq!(n_crashes, Step::ALL.len(), "every step was crashed at");
}

#[test]
fn compaction_leaves_out_what_is_gone_and_changes_no_answer() {
    let rows = |fare: usize| -> String {
        let row = |i: usize| {
            format!(
                "{{\"_id\":\"{i}\",\"title\":\"通知{i}\",\"text\":\"第{i}号线票价{fare}元。\"}}\n"
            )
        };
        (0..5_500).map(row).collect()
    };
    let site = Site::new(&[("a.jsonl", &rows(2)), ("b.md", &fee("十"))]);
    let go_on = AtomicBool::new(false);
    let mut open = site.open();
    open.update();
    assert!(!open.index.compact(&go_on).unwrap(), "nothing to leave out");
    site.write("a.jsonl", &rows(3));
    open.update();
    let n_rows = |open: &Open| open.index.snapshot().vectors.as_ref().unwrap().n_rows();
    assert_eq!(n_rows(&open), 11_001);
    let reader = open.index.snapshot();

    assert!(open.index.compact(&go_on).unwrap());
    assert_eq!(n_rows(&open), 5_501);
    assert_eq!(
        reader.vectors.as_ref().unwrap().n_rows(),
        11_001,
        "a reader keeps its state"
    );
    let queries = ["第77号线票价", "某某证工本费"];
    assert_as_fresh(&site, &open.index, &queries[1..], "compacted");
    assert!(
        search(&open.index, Mode::Vector, queries[0])[0]
            .1
            .contains("3元")
    );
    site.write("b.md", &fee("二十"));
    open.update();
    assert!(!open.index.compact(&go_on).unwrap());
    drop((open, reader));

    let left_over = site.index().join("search/vectors-99");
    fs::create_dir(&left_over).unwrap();
    let mut open = site.open();
    assert!(!left_over.exists());
    let generation = open.index.snapshot().generation;
    open.update();
    assert_eq!(
        open.index.snapshot().generation,
        generation,
        "nothing to do"
    );
    assert_eq!(n_rows(&open), 5_502);
    assert_as_fresh(&site, &open.index, &queries[1..], "opened again");
}
