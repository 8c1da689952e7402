//! Conditions on what documents say of themselves, as chatbot platforms put them.
//!
//! Every field is a list of texts, mostly of one; a date is written `YYYY-MM-DD`, so that the order of
//! texts is the order of days. Documents are judged by the columns of their records, each text of a
//! segment once, and passages pass with their document.

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Span;
use jiff::civil::Date;
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, SegmentReader};

use crate::document::{PassageNo, Validity};
use crate::vector::PassageSet;

use super::LexicalError;
use super::columns::{NO_PASSAGE, SegmentColumns};
use super::filter::day_number;
use super::schema::column;
use super::snapshot::LexicalSnapshot;

/// A condition on a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MetadataFilter {
    /// Every one is met; an empty list always is.
    All(Vec<MetadataFilter>),
    /// At least one is met; an empty list never is.
    Any(Vec<MetadataFilter>),
    /// It is not met.
    Not(Box<MetadataFilter>),
    /// At least one text of the field passes; none does where the document does not have the field.
    Has(MetadataField, TextTest),
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetadataField {
    /// [`crate::document::Document::id`]
    DocumentId,
    /// [`crate::document::Document::path`]
    Path,
    /// 标题
    Title,
    /// 类型, by its name in English.
    Kind,
    /// 归口部门
    Department,
    /// 适用地区
    Region,
    /// 发文机关
    Issuer,
    /// 层级
    Level,
    /// 发文字号 as written.
    DocNo,
    /// 问题分类
    TopicQuestion,
    /// 业务分类
    TopicBusiness,
    /// 对象分类
    TopicObject,
    /// 关键词
    Keyword,
    /// 来源网址
    SourceUrl,
    /// 施行日期
    EffectiveFrom,
    /// 有效期至
    EffectiveTo,
    /// 发布日期
    PublishedAt,
    /// 时效性 on the day of the search, by its name in English.
    Validity,
}

/// What a text must be. Case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextTest {
    /// Anything.
    Present,
    /// This.
    Is(String),
    /// It holds this.
    Contains(String),
    /// It begins so.
    StartsWith(String),
    /// It ends so.
    EndsWith(String),
    /// It comes before this: as a number if both are numbers, else as a text.
    Below(String),
    /// It is this or comes before it.
    AtMost(String),
    /// It comes after this.
    Above(String),
    /// It is this or comes after it.
    AtLeast(String),
}

impl TextTest {
    /// Whether `text` passes.
    pub fn passes(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Is(wanted) => text == wanted,
            Self::Contains(part) => text.contains(part.as_str()),
            Self::StartsWith(start) => text.starts_with(start.as_str()),
            Self::EndsWith(end) => text.ends_with(end.as_str()),
            Self::Below(bound) => order(text, bound).is_lt(),
            Self::AtMost(bound) => order(text, bound).is_le(),
            Self::Above(bound) => order(text, bound).is_gt(),
            Self::AtLeast(bound) => order(text, bound).is_ge(),
        }
    }
}

fn order(text: &str, bound: &str) -> Ordering {
    match (text.parse::<f64>(), bound.parse::<f64>()) {
        (Ok(number), Ok(bound)) => number.total_cmp(&bound),
        _ => text.cmp(bound),
    }
}

impl MetadataField {
    /// The column of texts, where it is one.
    fn texts(self) -> Option<&'static str> {
        Some(match self {
            Self::DocumentId => column::ID,
            Self::Path => column::PATH,
            Self::Title => column::STATED_TITLE,
            Self::Kind => column::KIND,
            Self::Department => column::DEPARTMENT,
            Self::Region => column::REGION,
            Self::Issuer => column::ISSUER,
            Self::Level => column::LEVEL,
            Self::DocNo => column::STATED_DOC_NO,
            Self::TopicQuestion => column::TOPIC_QUESTION,
            Self::TopicBusiness => column::TOPIC_BUSINESS,
            Self::TopicObject => column::TOPIC_OBJECT,
            Self::Keyword => column::KEYWORD,
            Self::SourceUrl => column::SOURCE_URL,
            Self::EffectiveFrom | Self::EffectiveTo | Self::PublishedAt | Self::Validity => {
                return None;
            }
        })
    }

    /// The column of days, where it is one.
    fn days(self) -> Option<&'static str> {
        match self {
            Self::EffectiveFrom => Some(column::EFFECTIVE_FROM),
            Self::EffectiveTo => Some(column::EFFECTIVE_TO),
            Self::PublishedAt => Some(column::PUBLISHED_AT),
            _ => None,
        }
    }
}

impl LexicalSnapshot {
    /// The first passages of the documents that meet a condition on `day`. A document without
    /// passages is left out: nothing tells it from the next one by its number.
    pub(super) fn meeting(
        &self,
        filter: &MetadataFilter,
        day: Date,
    ) -> Result<PassageSet, LexicalError> {
        let mut meeting = PassageSet::new();
        for (segment, columns) in self.segments() {
            let judged = Records {
                snapshot: self,
                segment,
                columns,
                day: day_number(day),
            };
            let passing = judged.passing(filter)?;
            let n_passages = segment.fast_fields().u64(column::N_PASSAGES)?;
            for doc in segment.doc_ids_alive() {
                let at = doc as usize;
                let is_record = columns.passage_no[at] == NO_PASSAGE;
                if is_record && passing[at] && n_passages.first(doc).is_some_and(|n| n > 0) {
                    meeting.insert(columns.first_passage_no[at]);
                }
            }
        }
        Ok(meeting)
    }
}

/// The records of one segment, to be judged.
struct Records<'s> {
    snapshot: &'s LexicalSnapshot,
    segment: &'s SegmentReader,
    columns: &'s SegmentColumns,
    day: i64,
}

impl Records<'_> {
    /// By tantivy document; what stands where no record is means nothing.
    fn passing(&self, filter: &MetadataFilter) -> Result<Vec<bool>, LexicalError> {
        let n_docs = self.segment.max_doc() as usize;
        let joined = |filters: &[MetadataFilter], is_all: bool| {
            let mut passing = vec![is_all; n_docs];
            for filter in filters {
                for (passes, also) in passing.iter_mut().zip(self.passing(filter)?) {
                    *passes = if is_all {
                        *passes && also
                    } else {
                        *passes || also
                    };
                }
            }
            Ok(passing)
        };
        match filter {
            MetadataFilter::All(filters) => joined(filters, true),
            MetadataFilter::Any(filters) => joined(filters, false),
            MetadataFilter::Not(filter) => {
                let mut passing = self.passing(filter)?;
                passing.iter_mut().for_each(|passes| *passes = !*passes);
                Ok(passing)
            }
            MetadataFilter::Has(field, test) => self.having(*field, test),
        }
    }

    fn having(&self, field: MetadataField, test: &TextTest) -> Result<Vec<bool>, LexicalError> {
        let columns = self.segment.fast_fields();
        if let Some(name) = field.texts() {
            return match columns.str(name)? {
                Some(texts) => self.by_texts(&texts, test),
                None => Ok(vec![false; self.segment.max_doc() as usize]),
            };
        }
        if let Some(name) = field.days() {
            return Ok(self.by_days(&columns.i64(name)?, test));
        }
        self.by_validity(test)
    }

    fn by_texts(&self, texts: &StrColumn, test: &TextTest) -> Result<Vec<bool>, LexicalError> {
        let mut verdicts = Vec::with_capacity(texts.num_terms());
        let mut stream = texts.dictionary().stream()?;
        while stream.advance() {
            let text = std::str::from_utf8(stream.key());
            verdicts.push(text.is_ok_and(|text| test.passes(text)));
        }
        let passes = |doc: DocId| {
            let mut ords = texts.term_ords(doc);
            ords.any(|ord| verdicts.get(ord as usize).copied().unwrap_or(false))
        };
        Ok((0..self.segment.max_doc()).map(passes).collect())
    }

    fn by_days(&self, days: &Column<i64>, test: &TextTest) -> Vec<bool> {
        let mut verdicts = HashMap::new();
        let mut passes = |doc: DocId| {
            let Some(day) = days.first(doc) else {
                return false;
            };
            *verdicts
                .entry(day)
                .or_insert_with(|| date_of(day).is_some_and(|date| test.passes(&date.to_string())))
        };
        (0..self.segment.max_doc()).map(&mut passes).collect()
    }

    /// The same rule as [`LexicalSnapshot::validity`].
    fn by_validity(&self, test: &TextTest) -> Result<Vec<bool>, LexicalError> {
        let columns = self.segment.fast_fields();
        let from = columns.i64(column::EFFECTIVE_FROM)?;
        let to = columns.i64(column::EFFECTIVE_TO)?;
        let ended = columns.u64(column::ENDED)?;
        let validity = |doc: DocId| {
            let first: PassageNo = self.columns.first_passage_no[doc as usize];
            match ended.first(doc) {
                Some(REPEALED) => Validity::Repealed,
                Some(_) => Validity::Expired,
                None if from.first(doc).is_some_and(|from| self.day < from) => Validity::NotYet,
                None if to.first(doc).is_some_and(|to| self.day > to) => Validity::Expired,
                None if self.snapshot.is_replaced(first, self.day) => Validity::Repealed,
                None => Validity::InForce,
            }
        };
        let docs = 0..self.segment.max_doc();
        Ok(docs.map(|doc| test.passes(validity(doc).name())).collect())
    }
}

/// Stands in the column of what has ended for what was repealed.
pub const REPEALED: u64 = 1;
/// Stands there for what has expired.
pub const EXPIRED: u64 = 2;

fn date_of(day: i64) -> Option<Date> {
    let span = Span::new().try_days(day).ok()?;
    Date::constant(1970, 1, 1).checked_add(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_texts() {
        let text = |given: &str| given.to_owned();
        for (test, passing, failing) in [
            (TextTest::Present, "", None),
            (TextTest::Is(text("faq")), "faq", Some("FAQ")),
            (
                TextTest::Contains(text("人社")),
                "市人社局",
                Some("市医保局"),
            ),
            (TextTest::StartsWith(text("云")), "云人社", Some("人社云")),
            (TextTest::EndsWith(text("局")), "市人社局", Some("局长")),
            (
                TextTest::Below(text("2025-01-01")),
                "2024-12-31",
                Some("2025-01-01"),
            ),
            (
                TextTest::AtMost(text("2025-01-01")),
                "2025-01-01",
                Some("2025-01-02"),
            ),
            (TextTest::Above(text("9")), "10", Some("9.0")),
            (TextTest::AtLeast(text("9")), "9.0", Some("-10")),
        ] {
            assert!(test.passes(passing), "{test:?} {passing}");
            if let Some(failing) = failing {
                assert!(!test.passes(failing), "{test:?} {failing}");
            }
        }
    }

    #[test]
    fn days_are_dates() {
        let date = jiff::civil::date(2026, 11, 20);
        assert_eq!(date_of(day_number(date)), Some(date));
        assert_eq!(date_of(i64::MAX / 4), None);
    }
}
