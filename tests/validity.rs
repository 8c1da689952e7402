//! Which rule counts on which day.
//!
//! 1. Of the versions of a rule, the one in force on the day asked for answers, by words and by
//!    meaning; an end by date is the last day in force.
//! 2. Everything else appears only when it is asked for, marked and with what replaces it; versions
//!    in nearly the same words do not hide behind each other.
//! 3. What the query cites by 发文字号, title or article is found in any state, by the passage that
//!    answers, and says so.
//! 4. The day is that of the configured time zone at the moment of the request: rules begin and end
//!    at midnight, in one generation.
//! 5. A successor that states no first day counts from its publication; when an old rule that it
//!    names by number was put on the web does not matter. One that the caller may not
//!    see ends the old rule, but is not named.
//! 6. By title, a document does not replace what states another region, else another issuer.
//! 7. Lists of what is in force, and both ends of a replacement, agree.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use tempfile::TempDir;
use zhiku::corpus::Limits;
use zhiku::document::{Audience, Validity};
use zhiku::embedding::StaticEmbedder;
use zhiku::engine::{Ingredients, PassageIndex};
use zhiku::lexical;
use zhiku::records::Records;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{
    Admission, Filters, Group, Hit, Mode, RelatedDocument, RetrievalSettings, Retriever,
    SearchRequest,
};
use zhiku::sight::Sight;
use zhiku::sync::{Silent, Updater};
use zhiku::text::Analyser;

/// An indexed corpus, asked by a clock of its own.
struct Site {
    retriever: Retriever,
    now_s: Arc<AtomicI64>,
    _root: TempDir,
}

impl Site {
    /// Files by name, with their front matter and their text.
    fn new(files: &[(&str, &str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let corpus = root.path().join("corpus");
        fs::create_dir(&corpus).unwrap();
        for (name, metadata, text) in files {
            let markdown = format!("---\n{metadata}\n---\n{text}\n");
            fs::write(corpus.join(name), markdown).unwrap();
        }
        let ingredients = Ingredients {
            analyser: Analyser::built_in(),
            embedder: Some(Arc::new(StaticEmbedder::built_in().unwrap())),
        };
        let folder = root.path().join("index");
        let index = Arc::new(PassageIndex::open(&folder, ingredients).unwrap());
        let summary = Updater {
            index: &index,
            records: &mut Records::open(&folder.join("records.sqlite")).unwrap(),
            corpus: &corpus,
            limits: Limits::default(),
            progress: &Silent,
        }
        .bring_up_to_date(false)
        .unwrap();
        assert_eq!(summary.n_documents, files.len());
        let settings = RetrievalSettings {
            fusion: FusionMethod::Weighted {
                lexical_weight: 0.6,
            },
            n_candidates: 100,
            by_sound: true,
            time_zone: TimeZone::fixed(offset(8)),
        };
        let now_s = Arc::new(AtomicI64::new(0));
        let clock = now_s.clone();
        let retriever = Retriever::new(index, settings)
            .unwrap()
            .with_clock(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        Self {
            retriever,
            now_s,
            _root: root,
        }
    }

    fn set_clock(&self, now: &str) {
        let now: Timestamp = now.parse().unwrap();
        self.now_s.store(now.as_second(), Ordering::Relaxed);
    }

    fn search(&self, request: &SearchRequest) -> Vec<Hit> {
        let response = self.retriever.search(request).unwrap();
        assert_eq!((response.generation, response.degraded), (1, Vec::new()));
        response.hits
    }

    /// What a query shows today.
    fn found(&self, query: &str) -> Vec<String> {
        ids(&self.search(&request(query)))
    }
}

fn request(query: &str) -> SearchRequest {
    SearchRequest {
        query: query.to_owned(),
        limit: 10,
        mode: Mode::Hybrid,
        filters: Filters::default(),
        as_of: None,
        admission: Admission::default(),
        sight: Audience::Public.into(),
        group: Group::Document,
        explain: false,
        with_facets: true,
        with_asked: false,
        deadline: None,
    }
}

fn on(day: &str, query: &str) -> SearchRequest {
    SearchRequest {
        as_of: Some(day.parse().unwrap()),
        ..request(query)
    }
}

fn ids(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.document_id.clone()).collect()
}

/// Ids, validities and the ids of successors, by id.
fn marks(hits: &[Hit]) -> Vec<(&str, Validity, Vec<&str>)> {
    let mut marks: Vec<_> = hits
        .iter()
        .map(|hit| {
            let successors = hit.replaced_by.iter();
            (
                hit.document_id.as_str(),
                hit.validity,
                successors.map(|s| s.document_id.as_str()).collect(),
            )
        })
        .collect();
    marks.sort();
    marks
}

/// A rule, its revision, and the rule that will replace it: named once by number, once by title.
fn three_versions() -> Site {
    Site::new(&[
        (
            "一.md",
            "title: 云溪市电动自行车登记办法\nkind: regulation\ndoc_no: 云交规〔2023〕1号\n\
             effective_from: 2023-01-01",
            "第一条 为电动自行车登记，制定本办法。\n\n第二条 电动自行车登记每辆收费十元。",
        ),
        (
            "二.md",
            "title: 云溪市电动自行车登记办法（2025年修订）\nkind: regulation\n\
             doc_no: 云交规〔2025〕4号\neffective_from: 2025-07-01\nreplaces: [云交规〔2023〕1号]",
            "第一条 为电动自行车登记，制定本办法。\n\n第二条 电动自行车登记不收费，当场发牌。",
        ),
        (
            "三.md",
            "title: 云溪市电动自行车登记办法\nkind: regulation\ndoc_no: 云交规〔2026〕9号\n\
             effective_from: 2027-01-01\nreplaces: [《云溪市电动自行车登记办法》]",
            "第一条 为电动自行车登记，制定本办法。\n\n第二条 电动自行车登记网上办理，号牌邮寄到家。",
        ),
    ])
}

#[test]
fn the_version_in_force_on_the_day_answers() {
    let site = three_versions();
    for (day, expected) in [
        ("2022-12-31", None),
        ("2023-01-01", Some(("一.md", "收费十元"))),
        ("2025-06-30", Some(("一.md", "收费十元"))),
        ("2025-07-01", Some(("二.md", "不收费"))),
        ("2026-12-31", Some(("二.md", "不收费"))),
        ("2027-01-01", Some(("三.md", "网上办理"))),
        ("2040-01-01", Some(("三.md", "网上办理"))),
    ] {
        for mode in [Mode::Lexical, Mode::Hybrid, Mode::Vector] {
            let asked = SearchRequest {
                mode,
                ..on(day, "电动自行车登记收费吗")
            };
            let hits = site.search(&asked);
            let expected_ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids(&hits), expected_ids, "{day} {mode:?}");
            if let Some((_, text)) = expected {
                assert_eq!(hits[0].validity, Validity::InForce, "{day} {mode:?}");
                let every_passage = SearchRequest {
                    group: Group::None,
                    ..asked
                };
                let hits = site.search(&every_passage);
                assert!(
                    hits.iter().any(|hit| hit.text.contains(text)),
                    "{day} {mode:?}: {hits:#?}"
                );
                assert!(hits.iter().all(|hit| hit.document_id == expected_ids[0]));
            }
        }
    }
}

#[test]
fn all_versions_appear_when_asked_for_marked_and_with_their_successors() {
    let site = three_versions();
    for (day, states) in [
        (
            "2025-06-30",
            [Validity::InForce, Validity::NotYet, Validity::NotYet],
        ),
        (
            "2026-11-20",
            [Validity::Repealed, Validity::InForce, Validity::NotYet],
        ),
        (
            "2027-01-01",
            [Validity::Repealed, Validity::Repealed, Validity::InForce],
        ),
    ] {
        for mode in [Mode::Lexical, Mode::Hybrid] {
            let asked = SearchRequest {
                mode,
                admission: Admission::Any,
                ..on(day, "电动自行车登记收费吗")
            };
            let hits = site.search(&asked);
            let mut expected = vec![
                ("一.md", states[0], vec!["二.md", "三.md"]),
                ("二.md", states[1], vec!["三.md"]),
                ("三.md", states[2], vec![]),
            ];
            expected.sort();
            assert_eq!(marks(&hits), expected, "{day} {mode:?}");
        }
    }
    let asked = SearchRequest {
        admission: Admission::Any,
        ..on("2026-11-20", "电动自行车登记")
    };
    let hits = site.search(&asked);
    let revision = hits.iter().find(|hit| hit.document_id == "二.md").unwrap();
    let to_come = RelatedDocument {
        document_id: "三.md".to_owned(),
        title: "云溪市电动自行车登记办法".to_owned(),
        doc_no: Some("云交规〔2026〕9号".to_owned()),
        effective_from: Some(jiff::civil::date(2027, 1, 1)),
    };
    assert_eq!(revision.replaced_by, [to_come]);
}

#[test]
fn the_list_of_documents_in_force_and_both_ends_of_a_replacement_agree() {
    let site = three_versions();
    let words = &site.retriever.index().snapshot().words;
    let condition = (
        &lexical::Filters::default(),
        jiff::civil::date(2026, 11, 20),
        &Audience::Public.into(),
        Admission::InForce,
    );
    let (total, documents) = words.documents(condition, 0, 10).unwrap();
    assert_eq!((total, documents[0].document.id.as_str()), (1, "二.md"));

    let newest = words.document("三.md").unwrap().unwrap();
    let replaced = words.replaces(newest.first_passage_no, &Audience::Public.into());
    let replaced: Vec<_> = replaced
        .unwrap()
        .into_iter()
        .map(|d| d.document_id)
        .collect();
    assert_eq!(replaced, ["一.md", "二.md"]);
    let oldest = words.document("一.md").unwrap().unwrap();
    let replaced = words.replaces(oldest.first_passage_no, &Audience::Public.into());
    assert_eq!(replaced.unwrap(), []);
}

#[test]
fn versions_in_nearly_the_same_words_stand_apart() {
    let text = "市民持有效身份证件和户口簿，可以到住所地的社区服务站申领老年人优待证，当场办结，不收取任何费用。";
    let site = Site::new(&[
        ("旧.md", "title: 优待证办理\nid: 旧\nstatus: 已废止", text),
        (
            "新.md",
            "title: 优待证办理\nid: 新\nreplaces: [旧]\neffective_from: 2024-01-01",
            &text.replace("服务站", "服务点"),
        ),
        ("转.md", "title: 优待证怎么办\nid: 转", text),
    ]);
    let asked = SearchRequest {
        admission: Admission::Any,
        ..on("2026-11-20", "老年人优待证在哪里申领")
    };
    let hits = site.search(&asked);
    let validities: Vec<_> = hits.iter().map(|hit| hit.validity).collect();
    assert_eq!(validities, [Validity::InForce, Validity::Repealed]);
    assert_eq!(hits[0].also_in.len(), 1, "two documents in force say it");
    assert_eq!(hits[1].document_id, "旧");
    assert_eq!(hits[1].replaced_by[0].document_id, "新");
}

#[test]
fn what_is_cited_is_found_in_any_state_and_says_so() {
    let site = three_versions();
    let repealed = ("一.md", Validity::Repealed, vec!["二.md", "三.md"]);
    for mode in [Mode::Lexical, Mode::Hybrid] {
        let cited = |query: &str| {
            site.search(&SearchRequest {
                mode,
                ..on("2026-11-20", query)
            })
        };
        let hits = cited("云交规〔2023〕1号还有效吗");
        assert_eq!(marks(&hits[..1])[0], repealed, "{mode:?}");
        let hits = cited("云交规〔2026〕9号什么时候施行");
        assert_eq!(
            marks(&hits[..1]),
            [("三.md", Validity::NotYet, vec![])],
            "{mode:?}"
        );
        // The passage that answers stands first, not the first one of the document.
        let hits = cited("云交规〔2023〕1号规定电动自行车登记收费多少");
        assert_eq!(marks(&hits[..1])[0], repealed, "{mode:?}");
        assert!(
            hits[0].text.contains("收费十元"),
            "{mode:?}: {}",
            hits[0].text
        );
        for query in [
            "《云溪市电动自行车登记办法》",
            "《云溪市电动自行车登记办法》第二条",
        ] {
            let hits = cited(query);
            assert_eq!(hits[0].document_id, "二.md", "{query}: in force, so first");
            assert!(marks(&hits).contains(&repealed), "{query}: {hits:#?}");
            assert_eq!(hits.len(), 3, "{query}");
        }
    }
}

#[test]
fn rules_begin_and_end_at_midnight_of_the_configured_time_zone() {
    let site = Site::new(&[
        (
            "旧.md",
            "title: 轮渡票价通知\nid: 旧\neffective_from: 2024-01-01",
            "云溪轮渡成人票两元。",
        ),
        (
            "新.md",
            "title: 轮渡票价调整通知\nid: 新\neffective_from: 2026-11-21\nreplaces: [旧]",
            "云溪轮渡成人票三元。",
        ),
        (
            "优惠.md",
            "title: 轮渡优惠\nid: 优惠\neffective_from: 2026-11-20\neffective_to: 2026-11-21",
            "云溪轮渡学生票半价。",
        ),
    ]);
    // Eight hours ahead of UTC: midnight is 16:00 of the day before.
    for (now, expected) in [
        ("2026-11-19T15:59:59Z", vec!["旧"]),
        ("2026-11-19T16:00:00Z", vec!["优惠", "旧"]),
        ("2026-11-20T15:59:59Z", vec!["优惠", "旧"]),
        ("2026-11-20T16:00:00Z", vec!["优惠", "新"]),
        ("2026-11-21T15:59:59Z", vec!["优惠", "新"]),
        ("2026-11-21T16:00:00Z", vec!["新"]),
        // A filter that was remembered for a day serves that day only.
        ("2026-11-20T15:59:59Z", vec!["优惠", "旧"]),
    ] {
        site.set_clock(now);
        let mut found = site.found("云溪轮渡票价");
        found.sort();
        assert_eq!(found, expected, "{now}");
        for day in ["2026-11-21", "2026-11-22"] {
            let lasts = day == "2026-11-21";
            let hits = site.search(&on(day, "云溪轮渡票价"));
            assert_eq!(ids(&hits).contains(&"优惠".to_owned()), lasts, "{now}");
        }
    }
    let asked = SearchRequest {
        admission: Admission::Any,
        ..on("2026-11-22", "云溪轮渡学生票")
    };
    let hits = site.search(&asked);
    assert!(marks(&hits).contains(&("优惠", Validity::Expired, vec![])));
}

#[test]
fn a_successor_without_a_first_day_counts_from_its_publication() {
    let site = Site::new(&[
        (
            "旧.md",
            "title: 体育馆开放通知\nid: 旧\npublished_at: 2020-03-01",
            "体育馆每天上午开放。",
        ),
        (
            "新.md",
            "title: 体育馆开放通知\nid: 新\npublished_at: 2025-05-01\nreplaces: [体育馆开放通知]",
            "体育馆每天全天开放。",
        ),
        (
            "最新.md",
            "title: 体育馆开放通知\nid: 最新\npublished_at: 2026-05-01\nreplaces: [体育馆开放通知]",
            "体育馆每天免费开放。",
        ),
        (
            "泳.md",
            "title: 游泳池通知\nid: 泳\npublished_at: 2026-08-01",
            "游泳池每天开放。",
        ),
        (
            "泳新.md",
            "title: 游泳池新通知\nid: 泳新\nreplaces: [泳]",
            "游泳池周末开放。",
        ),
        (
            "泳续.md",
            "title: 游泳池续发通知\nid: 泳续\neffective_from: 2026-01-01\nreplaces: [泳新, 泳]",
            "游泳池夏天开放。",
        ),
    ]);
    let repealed = |day: &str| -> Vec<String> {
        let asked = SearchRequest {
            admission: Admission::Any,
            ..on(day, "体育馆和游泳池什么时候开放")
        };
        let mut hits = site.search(&asked);
        assert_eq!(hits.len(), 6);
        hits.retain(|hit| hit.validity == Validity::Repealed);
        let mut ids = ids(&hits);
        ids.sort();
        ids
    };
    assert_eq!(repealed("2025-04-30"), ["泳"]);
    assert_eq!(repealed("2025-05-01"), ["旧", "泳"]);
    assert_eq!(repealed("2026-05-01"), ["新", "旧", "泳", "泳新"]);
}

#[test]
fn a_successor_that_the_caller_may_not_see_is_not_named() {
    let site = Site::new(&[
        (
            "旧.md",
            "title: 热线转接规程\nid: 旧\ndoc_no: 云热规〔2020〕1号\neffective_from: 2020-01-01",
            "热线转接规程：转接前先登记。",
        ),
        (
            "新.md",
            "title: 热线转接新规程\nid: 新\neffective_from: 2024-01-01\nreplaces: [旧]\n\
             audience: internal",
            "热线转接规程：先转接后登记。",
        ),
    ]);
    let marks_for = |audience| {
        let hits = site.search(&SearchRequest {
            sight: Sight::of(audience),
            ..on("2026-11-20", "云热规〔2020〕1号")
        });
        hits.into_iter()
            .filter(|hit| hit.document_id == "旧")
            .map(|hit| (hit.validity, hit.replaced_by.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(marks_for(Audience::Public), [(Validity::Repealed, 0)]);
    assert_eq!(marks_for(Audience::Internal), [(Validity::Repealed, 1)]);
}

#[test]
fn a_title_does_not_name_a_rule_of_another_place() {
    let rules = [
        ("云溪旧", "effective_from: 2020-01-01\nregion: 云溪市"),
        (
            "云溪新",
            "effective_from: 2024-01-01\nregion: 云溪市\nreplaces: [居住证办理规定]",
        ),
        (
            "云溪局",
            "effective_from: 2023-01-01\nissuer: 云溪市公安局\nreplaces: [居住证办理规定]",
        ),
        (
            "青石",
            "effective_from: 2021-01-01\nregion: 青石市\nissuer: 青石市公安局",
        ),
        ("无名", "effective_from: 2019-01-01"),
    ];
    let files = rules.map(|(id, metadata)| {
        (
            format!("{id}.md"),
            format!("title: 居住证办理规定\nid: {id}\n{metadata}"),
            format!("居住证到{id}窗口办理。"),
        )
    });
    let files = files
        .each_ref()
        .map(|(name, metadata, text)| (name.as_str(), metadata.as_str(), text.as_str()));
    let site = Site::new(&files);
    let asked = SearchRequest {
        admission: Admission::Any,
        ..on("2026-11-20", "居住证在哪里办理")
    };
    let hits = site.search(&asked);
    let successors: Vec<_> = marks(&hits)
        .into_iter()
        .map(|(id, _, successors)| (id, successors))
        .collect();
    let mut expected = vec![
        ("云溪旧", vec!["云溪局", "云溪新"]),
        ("云溪局", vec!["云溪新"]),
        ("云溪新", vec![]),
        ("青石", vec![]),
        ("无名", vec!["云溪局", "云溪新"]),
    ];
    expected.sort();
    assert_eq!(successors, expected);
}
