//! What Zhiku knows about: documents, the passages they are cut into, and their metadata.
//!
//! These types know no file format, no index and no wire format. Dates are civil dates: a rule
//! takes effect at midnight in the configured time zone.

use jiff::civil::Date;

/// A half-open range of byte offsets into a text that the context names.
///
/// Both ends stand on character boundaries of that text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSpan {
    /// First byte of the range.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl ByteSpan {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end, "span {start}..{end} runs backwards");
        Self { start, end }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether the range holds nothing.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The part of `text` that the range names.
    ///
    /// # Panics
    /// If the range does not lie on character boundaries inside `text`.
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }

    /// The same range counted in characters (Unicode scalar values) of `text`, as JSON shows it.
    pub fn to_chars(&self, text: &str) -> (usize, usize) {
        let char_start = text[..self.start].chars().count();
        (char_start, char_start + self.of(text).chars().count())
    }
}

/// What sort of knowledge a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// 政策
    Policy,
    /// 法规
    Regulation,
    /// 问答
    Faq,
    /// 办事指南
    Guide,
    /// 话术
    Script,
    /// 案例
    Case,
}

/// Who may see a document. Ordered: each level sees itself and everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// 公众
    #[default]
    Public,
    /// 坐席
    Agent,
    /// 内部
    Internal,
}

/// Whether a rule applies on a given day (时效性).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Validity {
    /// 现行有效
    InForce,
    /// 尚未施行
    NotYet,
    /// 已失效
    Expired,
    /// 已废止
    Repealed,
}

/// A name that stands for none of a closed set's members.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {what}; expected one of: {expected}")]
pub struct UnknownName {
    what: &'static str,
    given: String,
    expected: &'static str,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, given: &str, expected: &'static str) -> Self {
        let given = given.to_owned();
        Self {
            what,
            given,
            expected,
        }
    }
}

/// Gives a closed set its names: the wire name, then every other spelling that files use.
macro_rules! named {
    ($type:ident, $what:literal, $expected:literal, $($variant:ident = $name:literal $(| $alias:literal)*),+ $(,)?) => {
        impl $type {
            /// Every member, in order of declaration.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The name used in files, in JSON and on the command line.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::document::UnknownName;

            fn from_str(given: &str) -> Result<Self, $crate::document::UnknownName> {
                match given.trim().to_lowercase().as_str() {
                    $($name $(| $alias)* => Ok($type::$variant),)+
                    _ => Err($crate::document::UnknownName::new($what, given, $expected)),
                }
            }
        }
    };
}

pub(crate) use named;

named!(
    Kind,
    "kind",
    "policy (政策), regulation (法规), faq (问答), guide (办事指南), script (话术), case (案例)",
    Policy = "policy" | "政策" | "政策文件",
    Regulation = "regulation" | "法规" | "法律法规" | "规章",
    Faq = "faq" | "问答" | "常见问题",
    Guide = "guide" | "办事指南" | "指南",
    Script = "script" | "话术",
    Case = "case" | "案例"
);
named!(
    Audience,
    "audience",
    "public (公众), agent (坐席), internal (内部)",
    Public = "public" | "公众" | "公开" | "主动公开",
    Agent = "agent" | "坐席" | "话务员",
    Internal = "internal" | "内部" | "内部公开" | "不公开" | "不予公开" | "依申请公开"
);
named!(
    Validity,
    "validity",
    "in_force (现行有效), not_yet (尚未施行), expired (已失效), repealed (已废止)",
    InForce = "in_force" | "现行有效" | "有效" | "现行",
    NotYet = "not_yet" | "尚未施行" | "尚未生效",
    Expired = "expired" | "已失效" | "失效",
    Repealed = "repealed" | "已废止" | "废止"
);

/// The three topic axes (问题分类、业务分类、对象分类).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    /// What sort of question: 咨询, 投诉, 办理 …
    pub question: Vec<String>,
    /// Which business: 社保, 公积金, 户籍 …
    pub business: Vec<String>,
    /// Whom it is about: 个人, 企业, 老年人 …
    pub object: Vec<String>,
}

/// What is known about a document besides its text. Unknown is `None` or empty, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// 类型
    pub kind: Option<Kind>,
    /// 发文字号 as written, e.g. `云人社规〔2024〕3号`.
    pub doc_no: Option<String>,
    /// 发文机关
    pub issuer: Option<String>,
    /// 归口部门; by default the name of the top folder.
    pub department: Option<String>,
    /// 适用地区
    pub region: Option<String>,
    /// 层级: 国家, 省, 市, 区县 …
    pub level: Option<String>,
    /// 公开范围
    pub audience: Audience,
    /// 三维分类
    pub topics: Topics,
    /// 施行日期: first day in force.
    pub effective_from: Option<Date>,
    /// 有效期至: last day in force.
    pub effective_to: Option<Date>,
    /// A validity stated by hand or by a 废止 statement; overrides the dates when it says repealed.
    pub status: Option<Validity>,
    /// Documents that this one replaces: ids, document numbers or titles.
    pub replaces: Vec<String>,
    /// 发布日期 or 成文日期
    pub published_at: Option<Date>,
    /// 关键词
    pub keywords: Vec<String>,
    /// 相似问: other wordings of the question that the document answers.
    pub similar_questions: Vec<String>,
    /// 联系电话
    pub phones: Vec<String>,
    /// 来源网址
    pub source_url: Option<String>,
}

impl Metadata {
    /// The validity of the document on `day`.
    ///
    /// A stated `repealed` or `expired` wins; otherwise the dates decide, both ends included.
    pub fn validity_on(&self, day: Date) -> Validity {
        match self.status {
            Some(Validity::Repealed) => Validity::Repealed,
            Some(Validity::Expired) => Validity::Expired,
            _ if self.effective_from.is_some_and(|from| day < from) => Validity::NotYet,
            _ if self.effective_to.is_some_and(|to| day > to) => Validity::Expired,
            _ => Validity::InForce,
        }
    }

    /// The day from which the document counts against older ones: 施行日期, else 发布日期.
    pub fn begins(&self) -> Option<Date> {
        self.effective_from.or(self.published_at)
    }

    /// Where the rule comes from.
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            region: self.region.as_deref(),
            issuer: self.issuer.as_deref(),
        }
    }
}

/// Where a rule comes from, as far as its document states it. Rules of two cities bear one title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'m> {
    /// 适用地区
    pub region: Option<&'m str>,
    /// 发文机关
    pub issuer: Option<&'m str>,
}

impl Origin<'_> {
    /// Whether documents of one title can be versions of one rule: their regions decide, else their
    /// issuers; of several regions or issuers one in common is enough. Where one of the documents
    /// states neither, nothing speaks against it.
    pub fn may_be_that_of(self, other: Origin<'_>) -> bool {
        let stated = self.region.zip(other.region);
        stated
            .or(self.issuer.zip(other.issuer))
            .is_none_or(|(a, b)| listed(a).any(|name| listed(b).any(|other| other == name)))
    }
}

/// The names in a list such as `市财政局、市民政局`.
pub(crate) fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c.is_whitespace() || matches!(c, '、' | '，' | ',' | '；' | ';'))
        .filter(|name| !name.is_empty())
}

/// One file, or one row of a table (or line of a JSONL file) that holds entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Stable identity: the metadata key `id`, else the path, with `#row` for an entry of a table.
    pub id: String,
    /// The file, relative to the corpus, `/`-separated.
    pub path: String,
    /// 标题
    pub title: String,
    /// Everything known besides the text.
    pub metadata: Metadata,
    /// The extracted original text. Citations point into it; it is never repaired or normalised.
    pub text: String,
    /// blake3 of the file's bytes, lower-case hex; of its own text where the file holds many documents.
    pub content_hash: String,
    /// In reading order.
    pub passages: Vec<Passage>,
}

/// The unit that is retrieved: an article (条), a question with its answer, a section, a table row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Position among the document's passages, from 0.
    pub ordinal: u32,
    /// Headings above the passage, outermost first, without the document's title.
    pub heading: Vec<String>,
    /// Where the passage stands in [`Document::text`].
    pub span: ByteSpan,
    /// The part of [`Document::text`] that answers, for a question with its answer. Inside `span`.
    pub answer: Option<ByteSpan>,
    /// Questions that the passage answers: its own, then variants.
    pub questions: Vec<String>,
    /// Number of the article (条), for passages of regulations.
    pub article: Option<u32>,
    /// Page of the original, from 1.
    pub page: Option<u32>,
    /// Row of the original table, from 1, header included.
    pub row: Option<u32>,
}

impl Document {
    /// The text of one of this document's passages.
    pub fn passage_text(&self, passage: &Passage) -> &str {
        passage.span.of(&self.text)
    }
}

/// The id of a passage: the document's id and the ordinal, e.g. `人社局/养老金.html#p3`.
pub fn passage_id(document_id: &str, ordinal: u32) -> String {
    format!("{document_id}#p{ordinal}")
}

/// Identity of an indexed passage inside one index folder: handed out once, never reused.
///
/// Ties words to vectors. Says nothing about order in the corpus.
pub type PassageNo = u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_rules_of_one_title_apart_else_the_issuer() {
        let origin = |region, issuer| Origin { region, issuer };
        let city = Some("云溪市");
        for (a, b, expected) in [
            (origin(city, None), origin(Some("青石市"), None), false),
            (
                origin(city, None),
                origin(Some("望江区、云溪市"), None),
                true,
            ),
            // An office is renamed, its region is not.
            (
                origin(city, Some("市人社局")),
                origin(city, Some("市劳动局")),
                true,
            ),
            (
                origin(None, Some("市财政局 市民政局")),
                origin(city, Some("市民政局")),
                true,
            ),
            (
                origin(None, Some("市财政局")),
                origin(city, Some("市民政局")),
                false,
            ),
            (origin(city, None), origin(None, Some("市民政局")), true),
            (Origin::default(), origin(city, None), true),
        ] {
            assert_eq!(a.may_be_that_of(b), expected, "{a:?} {b:?}");
            assert_eq!(b.may_be_that_of(a), expected, "{b:?} {a:?}");
        }
    }
}
