//! Conditions on metadata in the word index.
//!
//! 1. The passages of exactly those documents pass that meet the condition, judged by what the
//!    documents say: for random documents, conditions and cuts into commits.
//! 2. 时效性 is that of the day, with what replaces a document; `Filters` and sight still count.
//! 3. A condition narrows both sides of a search: what does not pass takes no place among the hits.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::prelude::*;
use zhiku::document::{Audience, ByteSpan, Document, Kind, Metadata, Passage, PassageNo, Validity};
use zhiku::lexical::{
    Admission, Filters, LexicalIndex, LexicalQuery, LexicalSnapshot, MetadataField, MetadataFilter,
    TextTest,
};
use zhiku::text::Analyser;

const TODAY: Date = Date::constant(2026, 11, 20);

const FIELDS: [MetadataField; 18] = [
    MetadataField::DocumentId,
    MetadataField::Path,
    MetadataField::Title,
    MetadataField::Kind,
    MetadataField::Department,
    MetadataField::Region,
    MetadataField::Issuer,
    MetadataField::Level,
    MetadataField::DocNo,
    MetadataField::TopicQuestion,
    MetadataField::TopicBusiness,
    MetadataField::TopicObject,
    MetadataField::Keyword,
    MetadataField::SourceUrl,
    MetadataField::EffectiveFrom,
    MetadataField::EffectiveTo,
    MetadataField::PublishedAt,
    MetadataField::Validity,
];

/// What a document has in a field.
fn texts(document: &Document, field: MetadataField) -> Vec<String> {
    let metadata = &document.metadata;
    let one = |text: &Option<String>| text.iter().cloned().collect();
    let day = |day: Option<Date>| day.iter().map(Date::to_string).collect();
    match field {
        MetadataField::DocumentId => vec![document.id.clone()],
        MetadataField::Path => vec![document.path.clone()],
        MetadataField::Title => vec![document.title.clone()],
        MetadataField::Kind => metadata.kind.iter().map(Kind::to_string).collect(),
        MetadataField::Department => one(&metadata.department),
        MetadataField::Region => one(&metadata.region),
        MetadataField::Issuer => one(&metadata.issuer),
        MetadataField::Level => one(&metadata.level),
        MetadataField::DocNo => one(&metadata.doc_no),
        MetadataField::TopicQuestion => metadata.topics.question.clone(),
        MetadataField::TopicBusiness => metadata.topics.business.clone(),
        MetadataField::TopicObject => metadata.topics.object.clone(),
        MetadataField::Keyword => metadata.keywords.clone(),
        MetadataField::SourceUrl => one(&metadata.source_url),
        MetadataField::EffectiveFrom => day(metadata.effective_from),
        MetadataField::EffectiveTo => day(metadata.effective_to),
        MetadataField::PublishedAt => day(metadata.published_at),
        MetadataField::Validity => vec![metadata.validity_on(TODAY).to_string()],
    }
}

fn meets(document: &Document, filter: &MetadataFilter) -> bool {
    match filter {
        MetadataFilter::All(filters) => filters.iter().all(|filter| meets(document, filter)),
        MetadataFilter::Any(filters) => filters.iter().any(|filter| meets(document, filter)),
        MetadataFilter::Not(filter) => !meets(document, filter),
        MetadataFilter::Has(field, test) => {
            texts(document, *field).iter().any(|text| test.passes(text))
        }
    }
}

fn document(id: &str, n_passages: usize, metadata: Metadata) -> Document {
    let text = "退休金\n".repeat(n_passages);
    let passages = (0..n_passages).map(|at| Passage {
        ordinal: at as u32,
        span: ByteSpan::new(at * 10, at * 10 + 9),
        ..Passage::default()
    });
    Document {
        id: id.to_owned(),
        path: format!("{id}.md"),
        title: format!("标题{id}"),
        passages: passages.collect(),
        metadata,
        content_hash: String::new(),
        text,
    }
}

fn index_of(folder: &std::path::Path, documents: &[Document], n_cuts: usize) -> LexicalSnapshot {
    let mut index = LexicalIndex::open_or_create(folder, &Analyser::built_in()).unwrap();
    let mut next_no = 0;
    for (at, document) in documents.iter().enumerate() {
        index.add(document, next_no).unwrap();
        next_no += document.passages.len() as PassageNo;
        if at < n_cuts {
            index.commit("").unwrap();
        }
    }
    index.commit("").unwrap()
}

fn passing(
    snapshot: &LexicalSnapshot,
    filter: MetadataFilter,
    admission: Admission,
) -> BTreeSet<PassageNo> {
    let filters = Filters {
        metadata: Some(filter),
        ..Filters::default()
    };
    let sight = Audience::Internal.into();
    let allowed = snapshot.filter(&filters, TODAY, &sight, admission).unwrap();
    match allowed {
        None => snapshot.passage_nos().iter().collect(),
        Some(allowed) => allowed.iter().collect(),
    }
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "ab", "ba", "市", "市人社局", "12", "9"]).prop_map(str::to_owned)
}

fn day() -> impl Strategy<Value = Option<Date>> {
    let days = [
        date(2020, 1, 1),
        TODAY,
        date(2026, 11, 21),
        date(2030, 5, 5),
    ];
    prop::option::of(prop::sample::select(days.to_vec()))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let words = || prop::collection::vec(word(), 0..3);
    let maybe = || prop::option::of(word());
    let kinds = prop::option::of(prop::sample::select(Kind::ALL.to_vec()));
    let states = prop::option::of(prop::sample::select(Validity::ALL.to_vec()));
    let names = (maybe(), maybe(), maybe(), maybe(), maybe(), maybe());
    let lists = (words(), words(), words(), words());
    (names, lists, kinds, states, (day(), day(), day())).prop_map(
        |(names, lists, kind, status, days)| {
            let mut metadata = Metadata {
                kind,
                status,
                department: names.0,
                region: names.1,
                issuer: names.2,
                level: names.3,
                doc_no: names.4,
                source_url: names.5,
                keywords: lists.0,
                effective_from: days.0,
                effective_to: days.1,
                published_at: days.2,
                ..Metadata::default()
            };
            metadata.topics.question = lists.1;
            metadata.topics.business = lists.2;
            metadata.topics.object = lists.3;
            metadata
        },
    )
}

fn filter() -> impl Strategy<Value = MetadataFilter> {
    let bounds = vec![
        "2026-11-20",
        "faq",
        "in_force",
        "expired",
        "repealed",
        "2",
        "",
    ];
    let bound = prop_oneof![word(), prop::sample::select(bounds).prop_map(str::to_owned)];
    let test = (0..9, bound).prop_map(|(form, text)| match form {
        0 => TextTest::Present,
        1 => TextTest::Is(text),
        2 => TextTest::Contains(text),
        3 => TextTest::StartsWith(text),
        4 => TextTest::EndsWith(text),
        5 => TextTest::Below(text),
        6 => TextTest::AtMost(text),
        7 => TextTest::Above(text),
        _ => TextTest::AtLeast(text),
    });
    let has = (prop::sample::select(FIELDS.to_vec()), test)
        .prop_map(|(field, test)| MetadataFilter::Has(field, test));
    has.prop_recursive(3, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            list.clone().prop_map(MetadataFilter::All),
            list.prop_map(MetadataFilter::Any),
            inner.prop_map(|filter| MetadataFilter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn passages_pass_with_their_documents(
        described in prop::collection::vec((0usize..3, metadata()), 1..12),
        filters in prop::collection::vec(filter(), 1..12),
        n_cuts in 0usize..4,
    ) {
        let documents: Vec<Document> = described
            .into_iter()
            .enumerate()
            .map(|(at, (n, metadata))| document(&format!("d{at}"), n, metadata))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let snapshot = index_of(folder.path(), &documents, n_cuts);
        for filter in filters {
            let mut expected = BTreeSet::new();
            let mut next_no = 0;
            for document in &documents {
                let end = next_no + document.passages.len() as PassageNo;
                if meets(document, &filter) {
                    expected.extend(next_no..end);
                }
                next_no = end;
            }
            let found = passing(&snapshot, filter.clone(), Admission::Any);
            prop_assert_eq!(found, expected, "{:?}", filter);
        }
    }
}

fn has(field: MetadataField, text: &str) -> MetadataFilter {
    MetadataFilter::Has(field, TextTest::Is(text.to_owned()))
}

#[test]
fn what_replaces_a_document_counts_in_its_validity() {
    let old = Metadata {
        effective_from: Some(date(2020, 1, 1)),
        ..Metadata::default()
    };
    let new = Metadata {
        effective_from: Some(date(2026, 1, 1)),
        replaces: vec!["old".to_owned()],
        ..Metadata::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let documents = [document("old", 2, old), document("new", 1, new)];
    let snapshot = index_of(folder.path(), &documents, 0);
    let of = |name: &str, admission| {
        let found = passing(&snapshot, has(MetadataField::Validity, name), admission);
        found.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(of("repealed", Admission::Any), [0, 1]);
    assert_eq!(of("in_force", Admission::Any), [2]);
    assert_eq!(of("repealed", Admission::InForce), [0; 0]);
}

#[test]
fn a_condition_narrows_with_the_other_filters() {
    let of = |department: &str, audience| Metadata {
        department: Some(department.to_owned()),
        audience,
        ..Metadata::default()
    };
    let mut documents = Vec::new();
    for at in 0..300 {
        documents.push(document(
            &format!("m{at}"),
            1,
            of("市医保局", Audience::Public),
        ));
    }
    documents.push(document("wanted", 1, of("市人社局", Audience::Public)));
    documents.push(document("hidden", 1, of("市人社局", Audience::Internal)));
    let folder = tempfile::tempdir().unwrap();
    let snapshot = index_of(folder.path(), &documents, 0);
    let filters = Filters {
        metadata: Some(has(MetadataField::Department, "市人社局")),
        ..Filters::default()
    };
    let public = Audience::Public.into();
    let allowed = snapshot
        .filter(&filters, TODAY, &public, Admission::InForce)
        .unwrap()
        .unwrap();
    let query = LexicalQuery::new(&Analyser::built_in(), "退休金");
    let hits = snapshot.search(&query, 1, Some(&allowed)).unwrap();
    assert_eq!(hits.iter().map(|(no, _)| *no).collect::<Vec<_>>(), [300]);
    let (total, listed) = snapshot
        .documents((&filters, TODAY, &public, Admission::Any), 0, 10)
        .unwrap();
    assert_eq!((total, listed[0].document.id.as_str()), (1, "wanted"));
}
