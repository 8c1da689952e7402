//! Records: what the index gives back of a passage and of a document, as stored JSON.
//!
//! A change of shape goes with a new [`super::schema::TOKENIZER`] version. Metadata and places stand
//! in the kept versions of documents too, which are never written anew: their fields may be added
//! with a default, not renamed.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::document::{ByteSpan, Document, Metadata, Passage, PassageNo, Topics};

/// A passage as it was indexed, with what a hit shows of its document.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPassage {
    /// Its number.
    pub no: PassageNo,
    /// [`Document::id`]
    pub document_id: String,
    /// [`Document::path`]
    pub path: String,
    /// [`Document::title`]
    pub title: String,
    /// [`Document::content_hash`]
    pub content_hash: String,
    /// [`Document::metadata`], without the similar questions.
    pub metadata: Metadata,
    /// Where it stands; spans are of the document's text.
    pub passage: Passage,
    /// Its text: `passage.span` of the document's text.
    pub text: String,
    /// Characters (Unicode scalar values) of the document's text before the passage.
    pub chars_before: usize,
    /// Number of the document's first passage.
    pub first_passage_no: PassageNo,
}

/// A document as it was indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDocument {
    /// All of it, text and passages included.
    pub document: Document,
    /// Its passage `i` has the number `first_passage_no + i`.
    pub first_passage_no: PassageNo,
}

#[derive(Serialize, Deserialize)]
struct PassageRecord {
    id: String,
    path: String,
    title: String,
    hash: String,
    meta: MetadataRecord,
    place: PlaceRecord,
    text: String,
    before: usize,
    first: PassageNo,
}

#[derive(Serialize, Deserialize)]
struct DocumentRecord {
    id: String,
    path: String,
    title: String,
    hash: String,
    meta: MetadataRecord,
    text: String,
    passages: Vec<PlaceRecord>,
    first: PassageNo,
}

/// A passage without its text.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceRecord {
    ordinal: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heading: Vec<String>,
    span: (usize, usize),
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<(usize, usize)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    questions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    article: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
}

/// [`Metadata`]
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MetadataRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_no: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    audience: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topic_question: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topic_business: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topic_object: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_from: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_to: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaces: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<Date>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    similar_questions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phones: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_url: Option<String>,
}

impl Default for MetadataRecord {
    fn default() -> Self {
        Self::from(&Metadata::default())
    }
}

impl From<&Metadata> for MetadataRecord {
    fn from(metadata: &Metadata) -> Self {
        let m = metadata.clone();
        Self {
            kind: m.kind.map(|kind| kind.name().to_owned()),
            doc_no: m.doc_no,
            issuer: m.issuer,
            department: m.department,
            region: m.region,
            level: m.level,
            audience: m.audience.name().to_owned(),
            topic_question: m.topics.question,
            topic_business: m.topics.business,
            topic_object: m.topics.object,
            effective_from: m.effective_from,
            effective_to: m.effective_to,
            status: m.status.map(|status| status.name().to_owned()),
            replaces: m.replaces,
            published_at: m.published_at,
            keywords: m.keywords,
            similar_questions: m.similar_questions,
            phones: m.phones,
            source_url: m.source_url,
        }
    }
}

impl From<MetadataRecord> for Metadata {
    fn from(m: MetadataRecord) -> Self {
        Self {
            kind: m.kind.and_then(|name| name.parse().ok()),
            doc_no: m.doc_no,
            issuer: m.issuer,
            department: m.department,
            region: m.region,
            level: m.level,
            audience: m.audience.parse().unwrap_or_default(),
            topics: Topics {
                question: m.topic_question,
                business: m.topic_business,
                object: m.topic_object,
            },
            effective_from: m.effective_from,
            effective_to: m.effective_to,
            status: m.status.and_then(|name| name.parse().ok()),
            replaces: m.replaces,
            published_at: m.published_at,
            keywords: m.keywords,
            similar_questions: m.similar_questions,
            phones: m.phones,
            source_url: m.source_url,
        }
    }
}

impl From<&Passage> for PlaceRecord {
    fn from(passage: &Passage) -> Self {
        Self {
            ordinal: passage.ordinal,
            heading: passage.heading.clone(),
            span: (passage.span.start, passage.span.end),
            answer: passage.answer.map(|span| (span.start, span.end)),
            questions: passage.questions.clone(),
            article: passage.article,
            page: passage.page,
            row: passage.row,
        }
    }
}

impl From<PlaceRecord> for Passage {
    fn from(place: PlaceRecord) -> Self {
        Self {
            ordinal: place.ordinal,
            heading: place.heading,
            span: ByteSpan::new(place.span.0, place.span.1),
            answer: place.answer.map(|(start, end)| ByteSpan::new(start, end)),
            questions: place.questions,
            article: place.article,
            page: place.page,
            row: place.row,
        }
    }
}

/// The record of one of the document's passages.
pub fn encode_passage(
    document: &Document,
    passage: &Passage,
    chars_before: usize,
    first_passage_no: PassageNo,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut meta = MetadataRecord::from(&document.metadata);
    meta.similar_questions.clear();
    serde_json::to_vec(&PassageRecord {
        id: document.id.clone(),
        path: document.path.clone(),
        title: document.title.clone(),
        hash: document.content_hash.clone(),
        meta,
        place: passage.into(),
        text: document.passage_text(passage).to_owned(),
        before: chars_before,
        first: first_passage_no,
    })
}

/// Reads what [`encode_passage`] wrote.
pub fn decode_passage(no: PassageNo, bytes: &[u8]) -> Result<StoredPassage, serde_json::Error> {
    let record: PassageRecord = serde_json::from_slice(bytes)?;
    Ok(StoredPassage {
        no,
        document_id: record.id,
        path: record.path,
        title: record.title,
        content_hash: record.hash,
        metadata: record.meta.into(),
        passage: record.place.into(),
        text: record.text,
        chars_before: record.before,
        first_passage_no: record.first,
    })
}

/// The record of a document.
pub fn encode_document(
    document: &Document,
    first_passage_no: PassageNo,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&DocumentRecord {
        id: document.id.clone(),
        path: document.path.clone(),
        title: document.title.clone(),
        hash: document.content_hash.clone(),
        meta: (&document.metadata).into(),
        text: document.text.clone(),
        passages: document.passages.iter().map(PlaceRecord::from).collect(),
        first: first_passage_no,
    })
}

/// Reads what [`encode_document`] wrote.
pub fn decode_document(bytes: &[u8]) -> Result<StoredDocument, serde_json::Error> {
    let record: DocumentRecord = serde_json::from_slice(bytes)?;
    Ok(StoredDocument {
        document: Document {
            id: record.id,
            path: record.path,
            title: record.title,
            metadata: record.meta.into(),
            text: record.text,
            content_hash: record.hash,
            passages: record.passages.into_iter().map(Passage::from).collect(),
        },
        first_passage_no: record.first,
    })
}

#[cfg(test)]
mod tests {
    use crate::document::{Audience, Kind, Validity};

    use super::*;

    fn document() -> Document {
        let date = |text: &str| text.parse::<Date>().unwrap();
        Document {
            id: "民政局/低保.md".into(),
            path: "民政局/低保.md".into(),
            title: "低保问答".into(),
            metadata: Metadata {
                kind: Some(Kind::Faq),
                doc_no: Some("云民发〔2025〕7号".into()),
                issuer: Some("云溪市民政局".into()),
                department: Some("民政局".into()),
                region: Some("云溪市".into()),
                level: Some("市".into()),
                audience: Audience::Agent,
                topics: Topics {
                    question: vec!["咨询".into()],
                    business: vec!["低保".into()],
                    object: vec!["个人".into()],
                },
                effective_from: Some(date("2025-01-01")),
                effective_to: Some(date("2027-12-31")),
                status: Some(Validity::Repealed),
                replaces: vec!["旧办法".into()],
                published_at: Some(date("2024-12-20")),
                keywords: vec!["低保".into()],
                similar_questions: vec!["低保咋申请".into()],
                phones: vec!["12345".into()],
                source_url: Some("https://example.invalid/".into()),
            },
            text: "问：怎么申请？\n答：到街道申请。".into(),
            content_hash: "abc".into(),
            passages: vec![Passage {
                ordinal: 0,
                heading: vec!["一、申请".into()],
                span: ByteSpan::new(22, 46),
                answer: Some(ByteSpan::new(28, 46)),
                questions: vec!["怎么申请？".into()],
                article: Some(3),
                page: Some(2),
                row: Some(5),
            }],
        }
    }

    #[test]
    fn a_document_comes_back_as_it_went_in() {
        let document = document();
        let stored = decode_document(&encode_document(&document, 9).unwrap()).unwrap();
        assert_eq!(
            stored,
            StoredDocument {
                document,
                first_passage_no: 9
            }
        );
    }

    #[test]
    fn a_passage_comes_back_with_its_text_and_without_similar_questions() {
        let document = document();
        let bytes = encode_passage(&document, &document.passages[0], 8, 9).unwrap();
        let stored = decode_passage(9, &bytes).unwrap();
        assert_eq!(stored.text, "答：到街道申请。");
        assert_eq!(stored.passage, document.passages[0]);
        assert_eq!(
            (stored.no, stored.first_passage_no, stored.chars_before),
            (9, 9, 8)
        );
        let expected = Metadata {
            similar_questions: Vec::new(),
            ..document.metadata
        };
        assert_eq!(stored.metadata, expected);
    }
}
