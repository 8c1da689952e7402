//! `metadata_condition` of Dify's External Knowledge API.
//!
//! 1. Every comparison operator, `name` as a text or a list, `logical_operator`: filters of the search.
//! 2. So a page is not empty while something meets them, and visibility stays what it is.

use serde_json::{Value, json};
use zhiku::document::{Audience, Document, Kind};
use zhiku::retrieval::{Admission, MetadataField, MetadataFilter, TextTest};

use crate::dify::{PATH, body};
use crate::sample::sample_backend;
use crate::server::{FakeBackend, TestServer, json_of};

/// Whether a document meets a condition.
type Meets = fn(&Document) -> bool;

fn has(field: MetadataField, test: TextTest) -> MetadataFilter {
    MetadataFilter::Any(vec![MetadataFilter::Has(field, test)])
}

fn not(filter: MetadataFilter) -> MetadataFilter {
    MetadataFilter::Not(Box::new(filter))
}

#[tokio::test]
async fn conditions_become_filters_of_the_search() {
    use MetadataField as F;
    use TextTest as T;
    let server = TestServer::start(FakeBackend::default()).await;
    let of = async |condition: Value| {
        server.backend.searches.lock().unwrap().clear();
        json_of(server.post(PATH, body(condition)).await, 200).await;
        let request = server.backend.searches.lock().unwrap()[0].clone();
        (request.filters.metadata, request.admission)
    };
    let text = |text: &str| text.to_owned();
    for (name, operator, value, expected) in [
        (
            json!("title"),
            "contains",
            json!("养老"),
            has(F::Title, T::Contains(text("养老"))),
        ),
        (
            json!("标题"),
            "not contains",
            json!("养老"),
            not(has(F::Title, T::Contains(text("养老")))),
        ),
        (
            json!("doc_no"),
            "start with",
            json!("云人社"),
            has(F::DocNo, T::StartsWith(text("云人社"))),
        ),
        (
            json!("doc_no"),
            "end with",
            json!("号"),
            has(F::DocNo, T::EndsWith(text("号"))),
        ),
        (
            json!("department"),
            "is",
            json!("市人社局"),
            has(F::Department, T::Is(text("市人社局"))),
        ),
        (
            json!("region"),
            "is not",
            json!("云溪市"),
            not(has(F::Region, T::Is(text("云溪市")))),
        ),
        (
            json!("issuer"),
            "empty",
            Value::Null,
            not(has(F::Issuer, T::Present)),
        ),
        (
            json!("level"),
            "not empty",
            Value::Null,
            has(F::Level, T::Present),
        ),
        (
            json!("kind"),
            "=",
            json!("问答"),
            has(F::Kind, T::Is(text("faq"))),
        ),
        (
            json!("kind"),
            "≠",
            json!("faq"),
            not(has(F::Kind, T::Is(text("faq")))),
        ),
        (
            json!("published_at"),
            ">",
            json!("2025-01-01"),
            has(F::PublishedAt, T::Above(text("2025-01-01"))),
        ),
        (
            json!("effective_to"),
            "<",
            json!("2025年1月1日"),
            has(F::EffectiveTo, T::Below(text("2025-01-01"))),
        ),
        (
            json!("effective_from"),
            "≥",
            json!("2025/1/1"),
            has(F::EffectiveFrom, T::AtLeast(text("2025-01-01"))),
        ),
        // 2024-12-31 16:00:00 UTC, the first moment of a year in Shanghai; in milliseconds too.
        (
            json!("effective_from"),
            "≤",
            json!(1_735_660_800),
            has(F::EffectiveFrom, T::AtMost(text("2025-01-01"))),
        ),
        (
            json!("发布日期"),
            "before",
            json!(1_735_660_800_000i64),
            has(F::PublishedAt, T::Below(text("2025-01-01"))),
        ),
        (
            json!("published_at"),
            "after",
            json!("2025-01-01T08:00:00Z"),
            has(F::PublishedAt, T::Above(text("2025-01-01"))),
        ),
        (
            json!("keywords"),
            "=",
            json!(12),
            has(F::Keyword, T::Is(text("12"))),
        ),
    ] {
        let condition = json!({"conditions": [
            {"name": name, "comparison_operator": operator, "value": value},
        ]});
        let (found, admission) = of(condition).await;
        assert_eq!(
            found,
            Some(MetadataFilter::All(vec![expected])),
            "{name} {operator}"
        );
        assert_eq!(admission, Admission::InForce);
    }

    // Several names and values: one is enough, and none where it is negated.
    let several = json!({"logical_operator": "or", "conditions": [
        {"name": ["keywords", "topics.business"], "comparison_operator": "in", "value": ["社保", "医保"]},
        {"name": ["category", "tag"], "comparison_operator": "contains", "value": "AI"},
        {"name": "level", "comparison_operator": "not in", "value": ["省"]},
        {"name": "validity", "comparison_operator": "is", "value": "已废止"},
    ]});
    let (found, admission) = of(several).await;
    let either = [F::Keyword, F::TopicBusiness]
        .into_iter()
        .flat_map(|field| {
            ["社保", "医保"].map(|value| MetadataFilter::Has(field, T::Is(text(value))))
        });
    let expected = MetadataFilter::Any(vec![
        MetadataFilter::Any(either.collect()),
        has(F::TopicBusiness, T::Contains(text("AI"))),
        not(has(F::Level, T::Is(text("省")))),
        has(F::Validity, T::Is(text("repealed"))),
    ]);
    assert_eq!(found, Some(expected));
    assert_eq!(
        admission,
        Admission::Any,
        "whoever asks for what was repealed gets it"
    );

    // A name that nothing bears, and no conditions.
    let unknown = json!([{"name": "author", "comparison_operator": "is", "value": "x"}]);
    let (found, _) = of(json!({"logical_operator": "and", "conditions": unknown})).await;
    assert_eq!(
        found,
        Some(MetadataFilter::All(vec![MetadataFilter::Any(vec![])]))
    );
    for none in [
        json!(null),
        json!({"conditions": []}),
        json!({"conditions": null}),
    ] {
        assert_eq!(of(none).await.0, None);
    }
}

#[tokio::test]
async fn conditions_hold_over_the_sample_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let backend = sample_backend(folder.path());
    let documents: Vec<Document> = backend.documents.clone();
    let server = TestServer::start(backend).await;
    let ask = async |condition: Value| {
        let mut asked = body(condition);
        // Nothing in it meets the conditions: only filters can find what does.
        asked["query"] = json!("怎么办理需要什么材料");
        asked["retrieval_setting"] = json!({"top_k": 5, "score_threshold": 0.0});
        let answer = json_of(server.post(PATH, asked).await, 200).await;
        let records = answer["records"].as_array().unwrap().clone();
        records
            .iter()
            .map(|record| {
                let metadata = record["metadata"].as_object().unwrap();
                let id = metadata["document_id"].as_str().unwrap();
                let document = documents.iter().find(|document| document.id == id);
                document.unwrap_or_else(|| panic!("{id}")).clone()
            })
            .collect::<Vec<Document>>()
    };
    let test = |name: &str, operator: &str, value: Value| json!({"name": name, "comparison_operator": operator, "value": value});
    let cases: [(Value, Meets); 6] = [
        (test("title", "contains", json!("犬")), |d| {
            d.title.contains("犬")
        }),
        (test("department", "is", json!("市公积金中心")), |d| {
            d.metadata.department.as_deref() == Some("市公积金中心")
        }),
        (test("kind", "in", json!(["regulation", "policy"])), |d| {
            matches!(d.metadata.kind, Some(Kind::Regulation | Kind::Policy))
        }),
        (test("doc_no", "not empty", Value::Null), |d| {
            d.metadata.doc_no.is_some()
        }),
        (test("effective_from", "after", json!("2024-06-30")), |d| {
            d.metadata.effective_from > Some(jiff::civil::date(2024, 6, 30))
        }),
        (test("path", "start with", json!("市税务局/")), |d| {
            d.path.starts_with("市税务局/")
        }),
    ];
    for (condition, meets) in &cases {
        let found = ask(json!({"conditions": [condition]})).await;
        assert!(!found.is_empty(), "{condition}");
        for document in found {
            assert!(meets(&document), "{condition}: {}", document.id);
            assert!(
                document.metadata.audience <= Audience::Agent,
                "{}",
                document.id
            );
        }
    }
    // Conditions reach nothing that is not for the caller.
    let internal = documents
        .iter()
        .find(|document| document.metadata.audience == Audience::Internal)
        .expect("the sample corpus has documents for staff alone");
    let named = test("document_id", "is", json!(internal.id));
    assert_eq!(ask(json!({"conditions": [named]})).await, []);
}
