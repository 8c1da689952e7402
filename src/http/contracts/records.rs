//! What a contract shows of a passage's source.

use serde_json::{Map, Value, json};

use crate::retrieval::Hit;

/// Longest text among [`attributes`], as the contract of vector stores limits them.
const MAX_ATTRIBUTE_CHARS: usize = 512;

/// Everything that is known of a passage's source; what is not known is left out.
pub(super) fn metadata(hit: &Hit) -> Map<String, Value> {
    let citation = &hit.citation;
    let mut known = attributes(hit);
    let mut put = |key: &str, value: Value| known.insert(key.to_owned(), value);
    put("document_id", json!(hit.document_id));
    put("title", json!(hit.title));
    put("heading", json!(hit.heading));
    put("path", json!(citation.path));
    put("char_start", json!(citation.char_start));
    put("char_end", json!(citation.char_end));
    put("content_hash", json!(citation.content_hash));
    put("stale", json!(hit.is_stale));
    if !hit.phones.is_empty() {
        put("phones", json!(hit.phones));
    }
    if !hit.also_in.is_empty() {
        let ids: Vec<&str> = hit
            .also_in
            .iter()
            .map(|other| other.document_id.as_str())
            .collect();
        put("also_in", json!(ids));
    }
    if !hit.replaced_by.is_empty() {
        let ids: Vec<&str> = hit
            .replaced_by
            .iter()
            .map(|other| other.document_id.as_str())
            .collect();
        put("replaced_by", json!(ids));
    }
    known
}

/// The same within the limits of vector stores: at most 16 pairs, texts of at most 512 characters,
/// numbers.
pub(super) fn attributes(hit: &Hit) -> Map<String, Value> {
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string());
    let citation = &hit.citation;
    let texts = [
        ("title", Some(hit.title.clone())),
        ("passage_id", Some(hit.passage_id.clone())),
        (
            "heading",
            Some(hit.heading.join(" > ")).filter(|heading| !heading.is_empty()),
        ),
        ("kind", hit.kind.map(|kind| kind.name().to_owned())),
        ("department", hit.department.clone()),
        ("region", hit.region.clone()),
        ("issuer", hit.issuer.clone()),
        ("level", hit.level.clone()),
        ("doc_no", hit.doc_no.clone()),
        ("validity", Some(hit.validity.name().to_owned())),
        ("effective_from", date(hit.effective_from)),
        ("effective_to", date(hit.effective_to)),
        ("published_at", date(hit.published_at)),
    ];
    let numbers = [
        ("page", citation.page),
        ("row", citation.row),
        ("article", citation.article),
    ];
    let cut = |text: String| -> String { text.chars().take(MAX_ATTRIBUTE_CHARS).collect() };
    let texts = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), json!(cut(text?)))));
    let numbers = numbers
        .into_iter()
        .filter_map(|(key, number)| Some((key.to_owned(), json!(number?))));
    texts.chain(numbers).collect()
}
