//! What tantivy keeps of a passage and of a document.
//!
//! Every passage is one tantivy document, and every document one more that is never found by words
//! and holds its full record. Both carry the columns that filters read.

use tantivy::schema::{
    BytesOptions, FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing,
    TextOptions,
};

/// Names the way text becomes terms. Part of the schema, so that an index with terms made another
/// way is refused: raise the number whenever [`super::tokens`] or the analysis below it changes.
pub const TOKENIZER: &str = "zhiku-1";

/// Handles of the fields.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Terms of title, headings, questions and text of a passage, with counts and one length.
    pub terms: Field,
    /// Identity of the document, on all its passages and its record.
    pub document_id: Field,
    /// Canonical 发文字号, on the document's record.
    pub doc_no: Field,
    /// Canonical title, on the document's record.
    pub title: Field,
    /// What the document replaces, as it says, on the document's record.
    pub replaces: Field,
    /// Canonical title and article number, on passages of regulations.
    pub article: Field,
    /// The passage's number; absent on a document's record.
    pub passage_no: Field,
    /// The number of the document's first passage.
    pub first_passage_no: Field,
    /// How many passages the document has.
    pub n_passages: Field,
    /// [`crate::document::Kind`] by name.
    pub kind: Field,
    /// 归口部门
    pub department: Field,
    /// 适用地区
    pub region: Field,
    /// 问题分类
    pub topic_question: Field,
    /// 业务分类
    pub topic_business: Field,
    /// 对象分类
    pub topic_object: Field,
    /// 0 public, 1 agent, 2 internal.
    pub audience: Field,
    /// First day in force, in days since 1970-01-01; absent if unknown.
    pub effective_from: Field,
    /// Last day in force, in days since 1970-01-01; absent if unknown.
    pub effective_to: Field,
    /// 1 if stated to be repealed, 2 if stated to have expired.
    pub ended: Field,
    /// 发布日期 in days since 1970-01-01, on the document's record; absent if unknown.
    pub published_at: Field,
    /// 发文机关, on the document's record.
    pub issuer: Field,
    /// Identity of the document once more, on the document's record, as a column.
    pub id: Field,
    /// The file, on the document's record.
    pub path: Field,
    /// 标题 as it stands, on the document's record.
    pub stated_title: Field,
    /// 发文字号 as it stands, on the document's record.
    pub stated_doc_no: Field,
    /// 层级, on the document's record.
    pub level: Field,
    /// 关键词, on the document's record.
    pub keyword: Field,
    /// 来源网址, on the document's record.
    pub source_url: Field,
    /// The stored record, JSON.
    pub record: Field,
}

/// Names of the columns, where tantivy wants names.
pub mod column {
    pub const PASSAGE_NO: &str = "passage_no";
    pub const FIRST_PASSAGE_NO: &str = "first_passage_no";
    pub const N_PASSAGES: &str = "n_passages";
    pub const KIND: &str = "kind";
    pub const DEPARTMENT: &str = "department";
    pub const REGION: &str = "region";
    pub const TOPIC_QUESTION: &str = "topic_question";
    pub const TOPIC_BUSINESS: &str = "topic_business";
    pub const TOPIC_OBJECT: &str = "topic_object";
    pub const AUDIENCE: &str = "audience";
    pub const EFFECTIVE_FROM: &str = "effective_from";
    pub const EFFECTIVE_TO: &str = "effective_to";
    pub const ENDED: &str = "ended";
    pub const PUBLISHED_AT: &str = "published_at";
    pub const ISSUER: &str = "issuer";
    pub const ID: &str = "id";
    pub const PATH: &str = "path";
    pub const STATED_TITLE: &str = "stated_title";
    pub const STATED_DOC_NO: &str = "stated_doc_no";
    pub const LEVEL: &str = "level";
    pub const KEYWORD: &str = "keyword";
    pub const SOURCE_URL: &str = "source_url";
}

/// The schema and the handles of its fields.
pub fn build() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |tokenizer: &str, option, fieldnorms| {
        TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(option)
            .set_fieldnorms(fieldnorms)
    };
    let terms = TextOptions::default().set_indexing_options(text(
        TOKENIZER,
        IndexRecordOption::WithFreqs,
        true,
    ));
    let key =
        TextOptions::default().set_indexing_options(text("raw", IndexRecordOption::Basic, false));
    let names = TextOptions::default().set_fast("raw");
    let number = NumericOptions::from(FAST);
    let fields = Fields {
        terms: schema.add_text_field("terms", terms),
        document_id: schema.add_text_field("document_id", key.clone()),
        doc_no: schema.add_text_field("doc_no", key.clone()),
        title: schema.add_text_field("title", key.clone()),
        replaces: schema.add_text_field("replaces", key.clone()),
        article: schema.add_text_field("article", key),
        passage_no: schema.add_u64_field(column::PASSAGE_NO, number.clone()),
        first_passage_no: schema.add_u64_field(column::FIRST_PASSAGE_NO, number.clone()),
        n_passages: schema.add_u64_field(column::N_PASSAGES, number.clone()),
        kind: schema.add_text_field(column::KIND, names.clone()),
        department: schema.add_text_field(column::DEPARTMENT, names.clone()),
        region: schema.add_text_field(column::REGION, names.clone()),
        topic_question: schema.add_text_field(column::TOPIC_QUESTION, names.clone()),
        topic_business: schema.add_text_field(column::TOPIC_BUSINESS, names.clone()),
        topic_object: schema.add_text_field(column::TOPIC_OBJECT, names.clone()),
        audience: schema.add_u64_field(column::AUDIENCE, number.clone()),
        effective_from: schema.add_i64_field(column::EFFECTIVE_FROM, number.clone()),
        effective_to: schema.add_i64_field(column::EFFECTIVE_TO, number.clone()),
        ended: schema.add_u64_field(column::ENDED, number.clone()),
        published_at: schema.add_i64_field(column::PUBLISHED_AT, number),
        issuer: schema.add_text_field(column::ISSUER, names.clone()),
        id: schema.add_text_field(column::ID, names.clone()),
        path: schema.add_text_field(column::PATH, names.clone()),
        stated_title: schema.add_text_field(column::STATED_TITLE, names.clone()),
        stated_doc_no: schema.add_text_field(column::STATED_DOC_NO, names.clone()),
        level: schema.add_text_field(column::LEVEL, names.clone()),
        keyword: schema.add_text_field(column::KEYWORD, names.clone()),
        source_url: schema.add_text_field(column::SOURCE_URL, names),
        record: schema.add_bytes_field("record", BytesOptions::default().set_stored()),
    };
    (schema.build(), fields)
}
