//! The sample corpus, asked as callers ask.
//!
//! 1. Every file of it loads, and there are at least 250 documents of every format and kind.
//! 2. Questions in everyday words find their document.
//! 3. A query by 发文字号, or by 《…》第N条, has its document (its article) first.
//! 4. Hits cite the place that they show, and highlights lie in their text.
//! 5. Repealed, expired and future rules appear only when asked for or cited, marked; documents
//!    for a narrower audience never.
//! 6. Confidence tells questions that the corpus answers from others, also where one passage alone
//!    holds a word of the question.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use zhiku::corpus::Limits;
use zhiku::document::{Audience, Kind, Validity};
use zhiku::embedding::StaticEmbedder;
use zhiku::engine::{Ingredients, PassageIndex};
use zhiku::records::Records;
use zhiku::retrieval::fusion::FusionMethod;
use zhiku::retrieval::{
    Admission, Filters, Group, Hit, Mode, RetrievalSettings, Retriever, SearchRequest,
    SearchResponse,
};
use zhiku::sync::{Silent, Summary, Updater};
use zhiku::text::{Analyser, Lexicon, Reference, normalise, references};

#[derive(Deserialize)]
struct Question {
    query: String,
    expect: Vec<String>,
    contains: String,
}

struct Sample {
    _folder: tempfile::TempDir,
    summary: Summary,
    retriever: Retriever,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let corpus = Path::new("corpus");
    let folder = tempfile::tempdir().unwrap();
    let (lexicon, problems) = Lexicon::load(&corpus.join("_lexicon"));
    assert!(problems.is_empty(), "{problems:?}");
    let ingredients = Ingredients {
        analyser: Analyser::with_lexicon(&lexicon),
        embedder: Some(Arc::new(StaticEmbedder::built_in().unwrap())),
    };
    let index = Arc::new(PassageIndex::open(folder.path(), ingredients).unwrap());
    let mut records = Records::open(&folder.path().join("records.sqlite")).unwrap();
    let summary = Updater {
        index: &index,
        records: &mut records,
        corpus,
        limits: Limits::default(),
        progress: &Silent,
    }
    .bring_up_to_date(false)
    .unwrap();
    let settings = RetrievalSettings {
        fusion: FusionMethod::Weighted {
            lexical_weight: 0.6,
        },
        n_candidates: 200,
        by_sound: true,
        time_zone: jiff::tz::TimeZone::UTC,
    };
    let retriever = Retriever::new(index, settings).unwrap();
    Sample {
        _folder: folder,
        summary,
        retriever,
    }
});

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
        explain: false,
        with_facets: true,
        with_asked: false,
        deadline: None,
    }
}

fn search(request: &SearchRequest) -> SearchResponse {
    SAMPLE.retriever.search(request).unwrap()
}

fn questions() -> Vec<Question> {
    let lines = fs::read_to_string("tests/data/questions.jsonl").unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn is_expected(hit: &Hit, question: &Question) -> bool {
    let is_named = |name: &String| *name == hit.document_id || *name == hit.citation.path;
    question.expect.iter().any(is_named)
        || hit
            .also_in
            .iter()
            .any(|other| question.expect.contains(&other.document_id))
}

#[test]
fn every_file_loads() {
    let summary = &SAMPLE.summary;
    assert_eq!(summary.problems, []);
    assert!(summary.n_documents >= 250, "{}", summary.n_documents);
    let snapshot = SAMPLE.retriever.index().snapshot();
    let (mut kinds, mut formats, mut departments) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for id in snapshot.words.document_ids().unwrap() {
        let document = snapshot.words.document(id).unwrap().unwrap().document;
        kinds.extend(document.metadata.kind);
        departments.extend(document.metadata.department);
        formats.extend(
            Path::new(&document.path)
                .extension()
                .map(|name| name.to_os_string()),
        );
    }
    assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
    assert!(departments.len() >= 8, "{departments:?}");
    for format in ["md", "html", "docx", "xlsx", "csv", "pdf", "ofd", "jsonl"] {
        assert!(
            formats.iter().any(|known| known.to_str() == Some(format)),
            "{format}"
        );
    }
}

#[test]
fn questions_in_everyday_words_find_their_document() {
    let questions = questions();
    let (mut n_first, mut n_in_three, mut missed) = (0, 0, Vec::new());
    for question in &questions {
        let hits = search(&request(&question.query)).hits;
        let rank = hits.iter().position(|hit| is_expected(hit, question));
        n_first += usize::from(rank == Some(0));
        match rank {
            Some(0..3) => n_in_three += 1,
            _ => missed.push((
                &question.query,
                rank,
                hits.first().map(|hit| hit.title.clone()),
            )),
        }
    }
    // Bounds against a fall, with room for a change of weights; not targets.
    let n = questions.len();
    assert!(
        n_in_three + 8 >= n,
        "{n_in_three} of {n} in the first three; missed: {missed:#?}"
    );
    assert!(n_first * 100 >= n * 85, "{n_first} of {n} first");
}

#[test]
fn confidence_tells_what_the_corpus_answers() {
    let confidence = |query: &str| {
        let hits = search(&request(query)).hits;
        hits.first().map_or(0.0, |hit| hit.confidence.unwrap())
    };
    let mut answered: Vec<f32> = questions()
        .iter()
        .filter(|question| {
            let hits = search(&request(&question.query)).hits;
            hits.first().is_some_and(|hit| is_expected(hit, question))
        })
        .map(|question| confidence(&question.query))
        .collect();
    answered.sort_by(f32::total_cmp);
    let others = [
        "量子纠缠的不等式怎么推导",
        "昨晚球赛谁赢了",
        "红烧肉放多少糖",
        "三角函数求导公式",
        "帮我写一首关于秋天的诗",
    ]
    .map(confidence);
    let least_half = answered[answered.len() / 4];
    for other in others {
        assert!(other < least_half, "{others:?} {answered:?}");
    }
    assert!(answered[answered.len() / 2] > 0.5, "{answered:?}");
}

#[test]
fn what_is_cited_by_number_or_article_comes_first() {
    let mut n_cited = 0;
    for question in questions() {
        let named = references(normalise(&question.query).as_str());
        let by_article = named
            .iter()
            .any(|(_, reference)| matches!(reference, Reference::Article { law: Some(_), .. }));
        let by_number = named
            .iter()
            .any(|(_, reference)| matches!(reference, Reference::DocNo(_)));
        if !by_article && !by_number {
            continue;
        }
        n_cited += 1;
        let hits = search(&request(&question.query)).hits;
        assert!(
            is_expected(&hits[0], &question),
            "{}: {}",
            question.query,
            hits[0].title
        );
        if by_article {
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            let text = squeezed(&hits[0].text);
            assert!(
                text.contains(&squeezed(&question.contains)),
                "{}: {text}",
                question.query
            );
        }
    }
    assert!(n_cited >= 5, "{n_cited}");
}

#[test]
fn hits_cite_the_place_that_they_show() {
    let snapshot = SAMPLE.retriever.index().snapshot();
    for question in questions() {
        for hit in search(&request(&question.query)).hits {
            let document = snapshot
                .words
                .document(&hit.document_id)
                .unwrap()
                .unwrap()
                .document;
            let (start, end) = (hit.citation.char_start, hit.citation.char_end);
            let cited: String = document
                .text
                .chars()
                .skip(start)
                .take(end - start)
                .collect();
            assert_eq!(cited, hit.text);
            let mut end = 0;
            for span in &hit.highlights {
                assert!(
                    span.start >= end && !span.of(&hit.text).is_empty(),
                    "{span:?}"
                );
                end = span.end;
            }
            if let Some(answer) = hit.answer {
                assert!(!answer.of(&hit.text).trim().is_empty());
            }
        }
    }
}

#[test]
fn validity_and_audience_decide_what_is_there() {
    let public = |query: &str| {
        search(&SearchRequest {
            sight: Audience::Public.into(),
            ..request(query)
        })
    };
    let snapshot = SAMPLE.retriever.index().snapshot();
    let (mut n_invalid, mut n_hidden) = (0, 0);
    for id in snapshot.words.document_ids().unwrap() {
        let document = snapshot.words.document(id).unwrap().unwrap().document;
        let validity = document
            .metadata
            .validity_on(jiff::civil::date(2026, 11, 20));
        if validity != Validity::InForce {
            n_invalid += 1;
            let usual = search(&request(&document.title)).hits;
            let mentions = |hit: &Hit| hit.document_id == id;
            if !document.title.contains('《') {
                assert!(!usual.iter().any(mentions), "{id} is {validity}");
            }
            let wanted = SearchRequest {
                admission: Admission::Any,
                ..request(&document.title)
            };
            let found = search(&wanted).hits;
            let hit = found.iter().find(|hit| mentions(hit));
            assert_eq!(hit.map(|hit| hit.validity), Some(validity), "{id}");
        }
        if document.metadata.audience > Audience::Public {
            n_hidden += 1;
            let answer = public(&document.title);
            assert!(answer.hits.iter().all(|hit| hit.document_id != id
                && hit.also_in.iter().all(|other| other.document_id != id)));
        }
    }
    assert!(n_invalid >= 4 && n_hidden >= 2, "{n_invalid} {n_hidden}");
}
