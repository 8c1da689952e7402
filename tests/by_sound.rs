//! Queries as a speech recogniser writes them.
//!
//! 1. A misheard question finds what the question finds, and the answer says what it was heard as.
//! 2. Nearly all questions that were written well are answered as if nothing could be heard, to
//!    the last digit; the others keep their first hit.
//! 3. Words that matched by sound are highlighted, and explanations say so.
//! 4. What a caller may not see is not heard.
//! 5. A rule named by sound is found, without the certainty of one that is named.
//! 6. Names of the site are heard as soon as a document has them, and no more once it is gone.
//! 7. Switched off, nothing is heard.

mod site;

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use site::{Open, Site, retriever};
use zhiku::document::Audience;
use zhiku::engine::PassageIndex;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{Mode, RetrievalSettings, Retriever, SearchRequest, SearchResponse};
use zhiku::sight::Sight;

/// What was said, and what a recogniser made of it.
const MISHEARD: &[(&str, &str)] = &[
    ("公积金怎么提取", "公鸡金怎么提取"),
    ("公积金贷款额度是多少", "公积金带款额度是多少"),
    ("失业保险金怎么申领", "失业保险金怎么身领"),
    ("居住证怎么办理", "居主证怎么办里"),
    ("身份证丢了怎么补办", "身份正丢了怎么补办"),
    ("养犬登记要什么材料", "养犬登机要什么才料"),
    ("异地就医备案怎么办", "异地就一备案怎么办"),
    ("新生儿落户需要什么材料", "新生二落户需要什么材料"),
    ("营业执照注销流程", "营业直照注销流程"),
    ("老年优待证怎么办", "老年优带证怎么办"),
];

/// An index of the sample corpus.
static SAMPLE: LazyLock<(tempfile::TempDir, Arc<PassageIndex>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut open = site::open(folder.path(), Path::new("corpus"));
    open.update();
    (folder, open.index)
});

fn request(query: &str) -> SearchRequest {
    SearchRequest {
        as_of: Some(jiff::civil::date(2026, 11, 20)),
        ..SearchRequest::new(query.to_owned(), 10, Audience::Internal)
    }
}

fn deaf(index: &Arc<PassageIndex>) -> Retriever {
    let settings = RetrievalSettings {
        fusion: FusionMethod::Weighted {
            lexical_weight: 0.6,
        },
        n_candidates: 100,
        by_sound: false,
        time_zone: jiff::tz::TimeZone::UTC,
    };
    Retriever::new(index.clone(), settings).unwrap()
}

fn first(response: &SearchResponse) -> Option<&str> {
    response.hits.first().map(|hit| hit.document_id.as_str())
}

#[test]
fn misheard_questions_find_what_was_asked() {
    let (_, index) = &*SAMPLE;
    let retriever = retriever(index);
    for (said, written) in MISHEARD {
        let clean = retriever.search(&request(said)).unwrap();
        let response = retriever.search(&request(written)).unwrap();
        assert_eq!(
            response.reading.heard_as.as_deref(),
            Some(*said),
            "{written}"
        );
        assert_eq!(first(&response), first(&clean), "{written}");
        assert_eq!(clean.reading.heard_as, None, "{said}");
    }
}

#[test]
fn what_reads_well_stays_as_it_is() {
    let (_, index) = &*SAMPLE;
    let (hearing, deaf) = (retriever(index), deaf(index));
    let lines = fs::read_to_string("tests/data/questions.jsonl").unwrap();
    let mut n_heard = 0;
    for line in lines.lines() {
        let question: serde_json::Value = serde_json::from_str(line).unwrap();
        let question = question["query"].as_str().unwrap();
        let with = hearing.search(&request(question)).unwrap();
        let without = deaf.search(&request(question)).unwrap();
        assert_eq!(without.reading.heard_as, None);
        if with.reading.heard_as.is_some() {
            n_heard += 1;
            eprintln!("{question} → {:?}", with.reading.heard_as);
            assert_eq!(first(&with), first(&without), "{question}");
        } else {
            let places = |response: &SearchResponse| -> Vec<(String, u32)> {
                let hits = response.hits.iter();
                hits.map(|hit| (hit.passage_id.clone(), hit.score.to_bits()))
                    .collect()
            };
            assert_eq!(places(&with), places(&without), "{question}");
        }
    }
    assert!(n_heard <= 4, "{n_heard} of {}", lines.lines().count());
}

#[test]
fn highlights_and_explanations_show_what_was_heard() {
    let (_, index) = &*SAMPLE;
    let response = retriever(index)
        .search(&SearchRequest {
            mode: Mode::Lexical,
            explain: true,
            ..request("公鸡金怎么提取")
        })
        .unwrap();
    let hit = &response.hits[0];
    let marked: Vec<&str> = hit
        .highlights
        .iter()
        .map(|span| span.of(&hit.text))
        .collect();
    assert!(
        marked.iter().any(|text| text.contains("公积金")),
        "{marked:?}"
    );
    let explanation = hit.explanation.as_deref().unwrap();
    assert!(explanation.contains("公积金怎么提取"), "{explanation}");
}

const CARD: &str = "# 云溪通卡\n\n云溪通卡办理须知：凭云溪通卡乘坐轮渡，余额可以退。\n";

#[test]
fn what_a_caller_may_not_see_is_not_heard() {
    let internal = format!("---\naudience: internal\n---\n{CARD}");
    let site = Site::new(&[
        ("内部.md", &internal),
        ("公开.md", "# 居住证\n\n居住证办理须知。\n"),
        ("_lexicon/words.txt", "云溪通\n"),
    ]);
    let mut open = site.open();
    open.update();
    let retriever = retriever(&open.index);
    let heard_by = |audience| {
        let response = retriever.search(&SearchRequest {
            sight: Sight::of(audience),
            ..request("云西通卡怎么办理")
        });
        response.unwrap().reading.heard_as
    };
    assert_eq!(
        heard_by(Audience::Internal).as_deref(),
        Some("云溪通卡怎么办理")
    );
    assert_eq!(heard_by(Audience::Public), None);
}

#[test]
fn a_rule_named_by_sound_is_found_and_not_certain() {
    let (_, index) = &*SAMPLE;
    let retriever = retriever(index);
    let named = retriever
        .search(&request("云溪市养犬管理条例第八条"))
        .unwrap();
    let heard = retriever
        .search(&request("云溪市养犬管里条例第八条"))
        .unwrap();
    assert_eq!(heard.reading.references, named.reading.references);
    assert_eq!(heard.hits[0].passage_id, named.hits[0].passage_id);
    let confidence = |response: &SearchResponse| response.hits[0].confidence.unwrap();
    assert!(confidence(&named) >= 0.95);
    assert!(confidence(&heard) < confidence(&named));
}

#[test]
fn names_are_heard_while_a_document_has_them() {
    let site = Site::new(&[
        ("卡.md", CARD),
        ("证.md", "# 居住证\n\n居住证办理须知。\n"),
        ("_lexicon/words.txt", "云溪通\n"),
    ]);
    let mut open = site.open();
    open.update();
    let heard = |open: &Open| {
        let response = retriever(&open.index).search(&request("云西通卡怎么退"));
        response.unwrap().reading.heard_as
    };
    assert_eq!(heard(&open).as_deref(), Some("云溪通卡怎么退"));
    fs::remove_file(site.corpus().join("卡.md")).unwrap();
    open.update();
    assert_eq!(heard(&open), None);
}
