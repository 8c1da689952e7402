//! The word index:
//!
//! 1. What is committed is found, what is deleted is not, and nothing shows before its commit.
//! 2. A commit carries its payload; without a commit nothing survives, payload included.
//! 3. Filters work inside the search: what does not pass takes no place among the hits.
//! 4. Audience, scope and validity are filters like the others.
//! 5. Ties go to the lower passage number; the way into the index leaves no trace in scores.
//! 6. Document numbers, titles and articles are looked up exactly.
//! 7. An explanation adds up to the score.
//! 8. No query is refused, however long or odd.
//! 9. Passages and documents come back as they went in.
//! 10. A folder has one writer, and an index of another version is refused.
//! 11. Every document that holds a word is among those that may hold it, over many commits.

use std::path::Path;

use jiff::civil::Date;
use zhiku::document::{Audience, ByteSpan, Document, Kind, Metadata, Passage, PassageNo, Validity};
use zhiku::lexical::{
    Admission, Filters, LexicalError, LexicalIndex, LexicalQuery, LexicalSnapshot,
};
use zhiku::sight::{Scope, Sight};
use zhiku::text::{Analyser, canonical_law_name};
use zhiku::vector::PassageSet;

const TODAY: Date = Date::constant(2026, 11, 20);

/// A document whose every line is a passage.
fn document(id: &str, title: &str, text: &str) -> Document {
    let mut passages = Vec::new();
    let mut start = 0;
    for (ordinal, line) in text.split_inclusive('\n').enumerate() {
        let span = ByteSpan::new(start, start + line.trim_end().len());
        passages.push(Passage {
            ordinal: ordinal as u32,
            span,
            ..Passage::default()
        });
        start += line.len();
    }
    Document {
        id: id.into(),
        path: id.into(),
        title: title.into(),
        metadata: Metadata::default(),
        text: text.into(),
        content_hash: format!("hash of {id}"),
        passages,
    }
}

fn open(folder: &Path) -> LexicalIndex {
    LexicalIndex::open_or_create(folder, &Analyser::built_in()).unwrap()
}

/// Adds the documents one after the other, numbering their passages from 0.
fn index_of(folder: &Path, documents: &[Document]) -> (LexicalIndex, LexicalSnapshot) {
    let mut index = open(folder);
    let mut next_no = 0;
    for document in documents {
        index.add(document, next_no).unwrap();
        next_no += document.passages.len() as PassageNo;
    }
    let snapshot = index.commit("").unwrap();
    (index, snapshot)
}

fn hits(
    snapshot: &LexicalSnapshot,
    query: &str,
    allowed: Option<&PassageSet>,
) -> Vec<(PassageNo, f32)> {
    let query = LexicalQuery::new(&Analyser::built_in(), query);
    snapshot.search(&query, 100, allowed).unwrap()
}

/// No passages.
const NONE: [PassageNo; 0] = [];

fn found(snapshot: &LexicalSnapshot, query: &str) -> Vec<PassageNo> {
    hits(snapshot, query, None)
        .into_iter()
        .map(|(no, _)| no)
        .collect()
}

#[test]
fn commits_show_as_a_whole_and_deletions_hide() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = open(folder.path());
    let before = index.snapshot().unwrap();
    assert_eq!((before.n_documents(), before.n_passages()), (0, 0));
    assert_eq!(found(&before, "公积金"), NONE);

    index
        .add(
            &document("a", "公积金提取", "租房提取公积金。\n购房提取公积金。"),
            0,
        )
        .unwrap();
    index
        .add(&document("b", "户口迁移", "迁移户口的材料。"), 2)
        .unwrap();
    assert_eq!(index.snapshot().unwrap().n_passages(), 0);
    let first = index.commit("one").unwrap();
    assert_eq!((first.n_documents(), first.n_passages()), (2, 3));
    assert_eq!(found(&first, "租房公积金"), [0, 1]);

    // Replacing: delete, then add under the same id with new numbers.
    index.delete_document("a").unwrap();
    index
        .add(&document("a", "公积金提取", "公积金线上提取。"), 3)
        .unwrap();
    let second = index.commit("two").unwrap();
    assert_eq!(found(&second, "公积金"), [3]);
    assert_eq!(second.passage_nos().iter().collect::<Vec<_>>(), [2, 3]);
    assert_eq!((second.n_documents(), second.n_passages()), (2, 2));
    assert_eq!(second.passage(0).unwrap(), None);
    // The older snapshot still holds what it held.
    assert_eq!(found(&first, "公积金"), [0, 1]);
    assert_eq!(before.n_documents(), 0);
}

#[test]
fn what_is_not_committed_is_lost_and_what_is_committed_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = open(folder.path());
    assert_eq!(index.payload().unwrap(), None);
    index.add(&document("a", "", "养老金认证"), 0).unwrap();
    index.commit("{\"generation\":1}").unwrap();
    index.add(&document("b", "", "养老金发放"), 1).unwrap();
    index.rollback().unwrap();
    index.delete_document("a").unwrap();
    // Gone without a commit, as after a crash.
    drop(index);

    let mut index = open(folder.path());
    assert_eq!(
        index.payload().unwrap().as_deref(),
        Some("{\"generation\":1}")
    );
    let snapshot = index.snapshot().unwrap();
    assert_eq!(found(&snapshot, "养老金"), [0]);
}

#[test]
fn filters_work_inside_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let mut documents = Vec::new();
    for n in 0..300 {
        // Two hundred and ninety-nine better matches of another department.
        let text = if n == 299 {
            "咨询事项若干，其中提到居住证一次"
        } else {
            "居住证居住证居住证"
        };
        let mut document = document(&format!("d{n:03}"), "", text);
        document.metadata.department = Some(if n == 299 { "教育局" } else { "公安局" }.into());
        document.metadata.kind = Some(if n % 2 == 0 { Kind::Faq } else { Kind::Guide });
        document.metadata.region = Some("云溪市".into());
        document.metadata.topics.business = vec!["户籍".into(), "居住".into()];
        documents.push(document);
    }
    let (_index, snapshot) = index_of(folder.path(), &documents);
    let pass = |filters: &Filters| {
        snapshot
            .filter(filters, TODAY, &Audience::Public.into(), Admission::InForce)
            .unwrap()
            .map(|set| set.as_ref().clone())
    };

    let department = Filters {
        department: vec!["教育局".into()],
        ..Filters::default()
    };
    let allowed = pass(&department).unwrap();
    assert_eq!(allowed.iter().collect::<Vec<_>>(), [299]);
    let query = LexicalQuery::new(&Analyser::built_in(), "居住证");
    assert_eq!(
        snapshot.search(&query, 1, Some(&allowed)).unwrap()[0].0,
        299
    );

    let both = Filters {
        kind: vec![Kind::Faq],
        document: vec!["d004".into(), "d005".into()],
        ..Filters::default()
    };
    assert_eq!(pass(&both).unwrap().iter().collect::<Vec<_>>(), [4]);
    let unknown = Filters {
        region: vec!["别处".into()],
        ..Filters::default()
    };
    assert!(pass(&unknown).unwrap().is_empty());
    let mut topic = Filters::default();
    topic.topics.business = vec!["居住".into()];
    assert_eq!(pass(&topic), None);
    assert_eq!(pass(&Filters::default()), None);

    let facets = snapshot.facets(&[0, 1, 2, 299].into()).unwrap();
    assert_eq!(facets.department["公安局"], 3);
    assert_eq!((facets.kind["faq"], facets.kind["guide"]), (2, 2));

    let (total, page) = snapshot
        .documents(
            (
                &department,
                TODAY,
                &Audience::Public.into(),
                Admission::InForce,
            ),
            0,
            10,
        )
        .unwrap();
    assert_eq!((total, page[0].document.id.as_str()), (1, "d299"));
    let all = (
        &Filters::default(),
        TODAY,
        &Audience::Public.into(),
        Admission::InForce,
    );
    let (total, page) = snapshot.documents(all, 298, 10).unwrap();
    let ids: Vec<&str> = page
        .iter()
        .map(|stored| stored.document.id.as_str())
        .collect();
    assert_eq!((total, ids), (300, vec!["d298", "d299"]));
}

#[test]
fn what_the_scope_leaves_out_is_in_no_set_and_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let departments = [None, Some("市医保局"), Some("市人社局"), Some("")];
    let regions = [None, Some("云溪市"), Some("望江区、云溪市"), Some("青石市")];
    let mut documents = Vec::new();
    for department in departments {
        for region in regions {
            for audience in Audience::ALL {
                let n = documents.len();
                let mut made = document(&format!("d{n:03}"), "", "居住证怎么办\n居住证在哪里办");
                made.metadata.department = department.map(str::to_owned);
                made.metadata.region = region.map(str::to_owned);
                made.metadata.audience = *audience;
                documents.push(made);
            }
        }
    }
    let (_index, snapshot) = index_of(folder.path(), &documents);
    let mut n_sights = 0;
    for departments in [&[][..], &["市医保局"], &["市人社局", "市医保局"], &["市"]] {
        for regions in [&[][..], &["云溪市"], &["青石市", "望江区"], &["云溪"]] {
            for audience in Audience::ALL {
                let owned =
                    |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
                let sight = Sight {
                    audience: *audience,
                    scope: Scope::new(owned(departments), owned(regions)),
                };
                let expected: Vec<usize> = (0..documents.len())
                    .filter(|at| sight.sees(&documents[*at].metadata))
                    .collect();
                let all = Filters::default();
                let passing = snapshot
                    .filter(&all, TODAY, &sight, Admission::InForce)
                    .unwrap();
                let found: Vec<usize> = match passing {
                    Some(passing) => passing
                        .iter()
                        .step_by(2)
                        .map(|no| no as usize / 2)
                        .collect(),
                    None => (0..documents.len()).collect(),
                };
                assert_eq!(found, expected, "{sight:?}");
                let (total, listed) = snapshot
                    .documents((&all, TODAY, &sight, Admission::Any), 0, usize::MAX)
                    .unwrap();
                let ids: Vec<_> = listed.iter().map(|stored| &stored.document.id).collect();
                let expected: Vec<_> = expected.iter().map(|at| &documents[*at].id).collect();
                assert_eq!((total, ids), (expected.len(), expected), "{sight:?}");
                n_sights += 1;
            }
        }
    }
    assert_eq!(n_sights, 48);
}

#[test]
fn audience_and_validity_are_filters() {
    let folder = tempfile::tempdir().unwrap();
    let made = |id: &str, change: &dyn Fn(&mut Metadata)| {
        let mut document = document(id, "", "停车收费标准");
        change(&mut document.metadata);
        document
    };
    let day = |text: &str| text.parse::<Date>().ok();
    let documents = [
        made("0 plain", &|_| ()),
        made("1 for agents", &|m| m.audience = Audience::Agent),
        made("2 internal", &|m| m.audience = Audience::Internal),
        made("3 from tomorrow", &|m| m.effective_from = day("2026-11-21")),
        made("4 from today", &|m| m.effective_from = day("2026-11-20")),
        made("5 until today", &|m| m.effective_to = day("2026-11-20")),
        made("6 until yesterday", &|m| m.effective_to = day("2026-11-19")),
        made("7 repealed", &|m| m.status = Some(Validity::Repealed)),
    ];
    let (_index, snapshot) = index_of(folder.path(), &documents);
    let pass = |day: Date, audience, admission| {
        let passing = snapshot
            .filter(&Filters::default(), day, &Sight::of(audience), admission)
            .unwrap();
        passing.map(|set| set.iter().collect::<Vec<_>>())
    };
    assert_eq!(
        pass(TODAY, Audience::Public, Admission::InForce),
        Some(vec![0, 4, 5])
    );
    assert_eq!(
        pass(TODAY, Audience::Agent, Admission::InForce),
        Some(vec![0, 1, 4, 5])
    );
    assert_eq!(
        pass(TODAY, Audience::Public, Admission::Any),
        Some(vec![0, 3, 4, 5, 6, 7])
    );
    assert_eq!(pass(TODAY, Audience::Internal, Admission::Any), None);
    assert_eq!(
        pass(
            Date::constant(2026, 11, 21),
            Audience::Public,
            Admission::InForce
        ),
        Some(vec![0, 3, 4])
    );
    // The columns judge as the metadata do.
    for (no, document) in (0..).zip(&documents) {
        let in_force = document.metadata.validity_on(TODAY) == Validity::InForce;
        assert_eq!(
            pass(TODAY, Audience::Internal, Admission::InForce)
                .unwrap()
                .contains(&no),
            in_force,
            "{}",
            document.id
        );
    }
}

#[test]
fn history_leaves_no_trace() {
    let texts = [
        "垃圾分类投放时间",
        "垃圾清运",
        "垃圾分类投放时间",
        "道路养护",
        "垃圾分类罚款",
    ];
    let documents: Vec<Document> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| document(&format!("d{n}"), "", text))
        .collect();
    let query = "垃圾分类什么时间投放";

    let straight = tempfile::tempdir().unwrap();
    let (_index, snapshot) = index_of(straight.path(), &documents);
    let expected = hits(&snapshot, query, None);
    assert_eq!(
        expected.iter().map(|hit| hit.0).take(2).collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(expected[0].1, expected[1].1);

    // The same passages after detours: one commit each, backwards, with others deleted in between.
    let detour = tempfile::tempdir().unwrap();
    let mut index = open(detour.path());
    for (n, document_of) in documents.iter().enumerate().rev() {
        let noise = document(
            &format!("noise{n}"),
            "",
            "垃圾分类垃圾分类，时间待定，很长的一段话",
        );
        index.add(&noise, 100 + n as PassageNo).unwrap();
        index.add(document_of, n as PassageNo).unwrap();
        index.commit("").unwrap();
    }
    for n in 0..documents.len() {
        index.delete_document(&format!("noise{n}")).unwrap();
    }
    let snapshot = index.commit("").unwrap();
    assert_eq!(hits(&snapshot, query, None), expected);
    // Asked for one by one, in any order, passages score what the search gives.
    let read = LexicalQuery::new(&Analyser::built_in(), query);
    let asked: Vec<PassageNo> = expected
        .iter()
        .rev()
        .map(|hit| hit.0)
        .chain([3, 999])
        .collect();
    let mut scores: Vec<f32> = expected.iter().rev().map(|hit| hit.1).collect();
    scores.extend([0.0, 0.0]);
    let prepared = snapshot.prepare(&read).unwrap();
    assert_eq!(prepared.scores(&asked).unwrap(), scores);
}

#[test]
fn references_are_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut law = document(
        "law",
        "《中华人民共和国云溪保护法》",
        "第一条 为了保护云溪。\n第二条 本法所称云溪，是指溪流。",
    );
    law.passages[0].article = Some(1);
    law.passages[1].article = Some(2);
    let mut notice = document(
        "notice",
        "关于印发云溪市停车办法的通知",
        "各区：印发给你们。",
    );
    notice.metadata.doc_no = Some("云府办〔2024〕15号".into());
    let (mut index, snapshot) = index_of(folder.path(), &[law, notice.clone()]);

    assert_eq!(
        snapshot
            .find_article(&canonical_law_name("云溪保护法"), 2)
            .unwrap(),
        [1]
    );
    assert_eq!(
        snapshot
            .find_article(&canonical_law_name("云溪保护法"), 3)
            .unwrap(),
        NONE
    );
    assert_eq!(
        snapshot
            .find_article(&canonical_law_name("保护法"), 2)
            .unwrap(),
        NONE
    );
    let by_title = snapshot
        .find_title(&canonical_law_name("《云溪保护法》"))
        .unwrap();
    assert_eq!(
        (by_title[0].document_id.as_str(), by_title[0].passage_nos()),
        ("law", 0..2)
    );
    let by_no = snapshot.find_doc_no("云府办〔2024〕15号").unwrap();
    assert_eq!(
        (by_no[0].document_id.as_str(), by_no[0].passage_nos()),
        ("notice", 2..3)
    );

    index.delete_document("notice").unwrap();
    let snapshot = index.commit("").unwrap();
    assert_eq!(snapshot.find_doc_no("云府办〔2024〕15号").unwrap(), []);
}

#[test]
fn explanations_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let documents = [
        document("a", "医保报销", "异地就医医保报销比例是多少。\n门诊报销。"),
        document("b", "生育津贴", "生育津贴报销。"),
    ];
    let (_index, snapshot) = index_of(folder.path(), &documents);
    let query = LexicalQuery::new(&Analyser::built_in(), "异地就医报销多少");
    let hits = snapshot.search(&query, 10, None).unwrap();
    assert_eq!(hits.len(), 3);
    for (no, score) in hits {
        let contributions = snapshot.explain(&query, no).unwrap();
        let sum: f32 = contributions
            .iter()
            .map(|contribution| contribution.score)
            .sum();
        assert!(
            (sum - score).abs() < 1e-4,
            "{no}: {sum} is not {score}: {contributions:?}"
        );
        assert!(contributions.is_sorted_by(|a, b| a.score >= b.score));
    }
    assert_eq!(snapshot.explain(&query, 99).unwrap(), []);
}

#[test]
fn no_query_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_index, snapshot) = index_of(folder.path(), &[document("a", "", "残疾人证办理流程")]);
    assert_eq!(found(&snapshot, ""), NONE);
    assert_eq!(found(&snapshot, "？！……，。 \n\t（）"), NONE);
    assert_eq!(found(&snapshot, "zzz"), NONE);
    assert_eq!(
        found(
            &snapshot,
            &format!("{}残疾人证", "我想问一下这个事情。".repeat(180))
        ),
        [0]
    );
    assert_eq!(found(&snapshot, &"残疾人证".repeat(25_000)), [0]);
    assert_eq!(found(&snapshot, &"a".repeat(100_000)), NONE);
    assert_eq!(
        found(&snapshot, "\u{0}\u{200b}\u{feff}🙂残疾人证\u{10ffff}"),
        [0]
    );
    let query = LexicalQuery::new(&Analyser::built_in(), "残疾人证");
    assert_eq!(snapshot.search(&query, 0, None).unwrap(), []);
    assert_eq!(
        snapshot
            .search(&query, 10, Some(&PassageSet::new()))
            .unwrap(),
        []
    );
}

#[test]
fn records_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut faq = document("faq.xlsx#3", "低保", "低保怎么申请？\n向街道办事处申请。");
    faq.passages[1].questions = vec!["低保怎么申请？".into(), "低保去哪办".into()];
    faq.passages[1].heading = vec!["民政".into()];
    faq.metadata.phones = vec!["12345".into()];
    let empty = document("empty", "空文件", "");
    let (_index, snapshot) = index_of(folder.path(), &[faq.clone(), empty.clone()]);

    let stored = snapshot.document("faq.xlsx#3").unwrap().unwrap();
    assert_eq!((stored.document, stored.first_passage_no), (faq.clone(), 0));
    assert_eq!(snapshot.document("empty").unwrap().unwrap().document, empty);
    assert_eq!(snapshot.document("absent").unwrap(), None);
    let passage = snapshot.passage(1).unwrap().unwrap();
    assert_eq!(passage.passage, faq.passages[1]);
    assert_eq!(
        (passage.text.as_str(), passage.chars_before),
        ("向街道办事处申请。", 8)
    );
    assert_eq!(snapshot.first_passage_no(1), Some(0));
    assert_eq!(
        snapshot.document_ids().unwrap().collect::<Vec<_>>(),
        ["empty", "faq.xlsx#3"]
    );
    // A variant of the question finds the passage although its text does not have the words.
    assert_eq!(found(&snapshot, "去哪办"), [1]);
}

#[test]
fn one_writer_and_one_version() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = open(folder.path());
    index.add(&document("a", "", "先来的写。"), 0).unwrap();
    index.commit("").unwrap();
    let mut second = open(folder.path());
    assert_eq!(
        second.snapshot().unwrap().n_documents(),
        1,
        "reading takes no lock"
    );
    let refused = second.add(&document("b", "", "后来的等。"), 1);
    assert!(matches!(refused, Err(LexicalError::Locked)));
    index.close().unwrap();
    second.add(&document("b", "", "后来的等。"), 1).unwrap();

    let other = tempfile::tempdir().unwrap();
    let mut schema = tantivy::schema::Schema::builder();
    schema.add_text_field("body", tantivy::schema::TEXT);
    tantivy::Index::create_in_dir(other.path(), schema.build()).unwrap();
    let refused = LexicalIndex::open_or_create(other.path(), &Analyser::built_in());
    assert!(matches!(refused.err(), Some(LexicalError::OtherVersion)));
}

#[test]
fn documents_that_may_hold_a_word_are_told() {
    const CHARS: [&str; 7] = ["水", "电", "费", "a", "5", "，", "\n"];
    let folder = tempfile::tempdir().unwrap();
    let mut index = open(folder.path());
    let mut texts = Vec::new();
    // Every text of five of these characters that a stride comes to, over several segments.
    for n in (0..7u32.pow(5)).step_by(61) {
        let text: String = (0..5)
            .map(|at| CHARS[(n / 7u32.pow(at) % 7) as usize])
            .collect();
        let id = format!("{n:05}");
        index.add(&document(&id, "", &text), 5 * n).unwrap();
        texts.push((id, text));
        if texts.len().is_multiple_of(70) {
            index.commit("").unwrap();
        }
    }
    for (id, _) in texts.extract_if(.., |(id, _)| id.ends_with('3')) {
        index.delete_document(&id).unwrap();
    }
    let snapshot = index.commit("").unwrap();
    let mut n_holding = 0;
    for word in ["水电", "水电费", "费水电", "5水电", "水水电", "电电电"] {
        let told = snapshot
            .documents_that_may_hold(&[word.to_owned()])
            .unwrap()
            .unwrap();
        for (id, text) in &texts {
            let holds = text.contains(word);
            n_holding += usize::from(holds);
            assert!(!holds || told.contains(id), "{word} in {id} {text:?}");
        }
        assert!(told.len() < texts.len() / 3, "{word}: {} told", told.len());
        assert!(
            told.iter()
                .all(|id| texts.iter().any(|(known, _)| known == id)),
            "{word}"
        );
    }
    assert!(n_holding >= 30, "{n_holding}");
    let both = ["水电".to_owned(), "a5".to_owned()];
    assert_eq!(
        snapshot.documents_that_may_hold(&both).unwrap(),
        None,
        "a5 has no pair"
    );
}
