//! References to documents and articles, as people write them.
//!
//! A document number (`国办发〔2020〕53号`, however sloppy), an article of a law (`《民法典》第三条`,
//! `劳动合同法39条`, `第39条`), a title in `《》`. Recognised by form alone: whether a document of that
//! name exists is for an index to say. Expects normal form, where numbers are already in digits
//! and years in `〔〕`.

use std::fmt;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::normalise;
use super::normalise::parse_number;
use crate::document::ByteSpan;

/// Something that a text points at by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A document number as [`canonical_doc_no`] writes it. Words in front of it may have been
    /// taken for a part of it (`和云府办发〔2020〕53号`), see [`endings`].
    DocNo(String),
    /// An article (条).
    Article {
        /// The law as [`canonical_law_name`] writes it; `None` for a bare `第39条`. Without `《》`
        /// its beginning is uncertain, see [`endings`].
        law: Option<String>,
        /// Whether the law stands in `《》`, so that its name is certain.
        is_quoted: bool,
        /// 条
        article: u32,
        /// 之一, 之二 …: an article put in later.
        insert: Option<u32>,
        /// 款
        paragraph: Option<u32>,
    },
    /// A title in `《》`, in normal form.
    Title(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DocNo(doc_no) => f.write_str(doc_no),
            Self::Title(title) => write!(f, "《{title}》"),
            Self::Article {
                law,
                article,
                insert,
                paragraph,
                ..
            } => {
                if let Some(law) = law {
                    write!(f, "《{law}》")?;
                }
                write!(f, "第{article}条")?;
                if let Some(insert) = insert {
                    write!(f, "之{insert}")?;
                }
                paragraph.map_or(Ok(()), |paragraph| write!(f, "第{paragraph}款"))
            }
        }
    }
}

/// What ends a document's code when the number behind it is written without brackets.
const CODE_ENDINGS: &str = "发办函字规令通告文电议审复明知";

/// Words before a code or a law's name that are no part of it.
const LEAD_INS: &[&str] = &[
    "根据",
    "依据",
    "按照",
    "依照",
    "参照",
    "遵照",
    "请问",
    "想问",
    "咨询",
    "查询",
    "查一下",
    "想查",
    "查找",
    "违反",
    "适用",
    "符合",
    "关于",
    "贯彻",
    "落实",
    "执行",
    "印发",
    "文件",
    "文号",
    "什么是",
    "的",
    "是",
];

const ARTICLE: &str = r"(?P<article>\d{1,4})条(?:之(?P<insert>[0-9一二三四五六七八九十]{1,2}))?(?: ?第(?P<paragraph>\d{1,2})款)?";
const EDITION: &str = r"(?:\([^()]{1,20}\)|〔\d{4}〕)?";

struct Patterns {
    doc_no: Regex,
    order: Regex,
    quoted_article: Regex,
    named_article: Regex,
    bare_article: Regex,
    title: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let compile = |pattern: String| {
        Regex::new(&pattern).expect("the patterns are constants and a test compiles them")
    };
    Patterns {
        doc_no: compile(
            r"(?P<code>\p{Han}{2,24}) ?(?:〔(?P<boxed>[12]\d{3})〕|(?P<bare>(?:19|20)\d\d)(?P<gap>年|[ \-_]|))[ ]?第?[ ]?(?P<number>\d{1,5})(?P<end>号?)"
                .to_owned(),
        ),
        order: compile(r"(?P<code>\p{Han}{1,20}令) ?第?(?P<number>\d{1,4})号".to_owned()),
        quoted_article: compile(format!(
            "《(?P<law>[^《》]{{2,100}})》{EDITION}[的中之里]? ?第?{ARTICLE}"
        )),
        named_article: compile(format!(
            r"(?P<law>\p{{Han}}{{1,30}}(?:法典|法|条例|规定|办法|细则|解释|规则|通则|准则|章程|决定)){EDITION}[的中里]? ?第?{ARTICLE}"
        )),
        bare_article: compile(format!("第{ARTICLE}")),
        title: compile("《(?P<title>[^《》]{2,100})》".to_owned()),
    }
});

/// All references in a normal form, in order of place, none overlapping another.
///
/// Spans are bytes of the normal form.
pub fn references(normalised: &str) -> Vec<(ByteSpan, Reference)> {
    type Read = fn(&Captures) -> Option<Reference>;
    let patterns = &*PATTERNS;
    let kinds: [(&Regex, Read); 6] = [
        (&patterns.doc_no, read_doc_no),
        (&patterns.order, read_order),
        (&patterns.quoted_article, |found| {
            read_article(found, Some(&found["law"]))
        }),
        (&patterns.named_article, |found| {
            read_article(found, Some(without_lead_in(&found["law"])?))
        }),
        (&patterns.bare_article, |found| read_article(found, None)),
        (&patterns.title, |found| {
            Some(Reference::Title(found["title"].to_owned()))
        }),
    ];
    let mut references: Vec<(ByteSpan, Reference)> = Vec::new();
    for (pattern, read) in kinds {
        for found in pattern.captures_iter(normalised) {
            let whole = found.get_match();
            let span = ByteSpan::new(whole.start(), whole.end());
            let is_free = references
                .iter()
                .all(|(taken, _)| taken.end <= span.start || span.end <= taken.start);
            let is_whole = !normalised[span.end..].starts_with(|c: char| c.is_ascii_digit());
            if is_free
                && is_whole
                && let Some(reference) = read(&found)
            {
                references.push((span, reference));
            }
        }
    }
    references.sort_by_key(|(span, _)| *span);
    references
}

/// A document number in the one spelling that is compared: `国办发〔2020〕53号`, `国务院令第722号`.
///
/// Takes any spelling, also as original text. What is no document number comes back in normal
/// form without spaces.
pub fn canonical_doc_no(doc_no: &str) -> String {
    let normalised = normalise(doc_no);
    let found = references(normalised.as_str())
        .into_iter()
        .find_map(|(_, reference)| match reference {
            Reference::DocNo(canonical) => Some(canonical),
            _ => None,
        });
    found.unwrap_or_else(|| normalised.as_str().replace([' ', '\n'], ""))
}

/// The name of a law, or any title, in the one spelling that is compared.
///
/// In normal form, without `《》`, without `中华人民共和国` in front and without the edition behind
/// it: `《中华人民共和国劳动合同法（2012修正）》` → `劳动合同法`.
pub fn canonical_law_name(title: &str) -> String {
    let mut name = normalise(title)
        .as_str()
        .replace(['《', '》', '〈', '〉', ' ', '\n', '"', '“', '”'], "");
    while let Some(shorter) = without_edition(&name) {
        name.truncate(shorter);
    }
    match name.strip_prefix("中华人民共和国") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => name,
    }
}

/// `name` and what is left of it without its first one, two … characters, at least three.
///
/// Without `《》` nothing shows where a name or the code of a document number begins
/// (`公司违反劳动合同法第39条`): look the endings up, longest first.
pub fn endings(name: &str) -> impl Iterator<Item = &str> {
    let n_chars = name.chars().count();
    name.char_indices()
        .take(n_chars.saturating_sub(2).max(1))
        .map(|(at, _)| &name[at..])
}

/// The length of `name` without one bracketed remark about its edition at its end.
fn without_edition(name: &str) -> Option<usize> {
    let last = name.chars().next_back()?;
    let open = match last {
        ')' => name.rfind('(')?,
        '〕' => name.rfind('〔')?,
        _ => return None,
    };
    let remark = &name[open..];
    let is_edition = remark.bytes().any(|b| b.is_ascii_digit())
        || ["修订", "修正", "修改", "试行", "暂行", "施行", "废止"]
            .iter()
            .any(|word| remark.contains(word));
    (open > 0 && is_edition).then_some(open)
}

fn read_doc_no(found: &Captures) -> Option<Reference> {
    let code = without_lead_in(&found["code"])?;
    let is_numbered = &found["end"] == "号";
    let is_code = code.ends_with(|c| CODE_ENDINGS.contains(c));
    let year = match (found.name("boxed"), found.name("bare")) {
        (Some(year), _) if is_numbered || is_code => year,
        (_, Some(year)) if is_code && (is_numbered || !found["gap"].is_empty()) => year,
        _ => return None,
    };
    let number: u32 = found["number"].parse().ok()?;
    Some(Reference::DocNo(format!(
        "{code}〔{}〕{number}号",
        year.as_str()
    )))
}

fn read_order(found: &Captures) -> Option<Reference> {
    let code = without_lead_in(&found["code"])?;
    let number: u32 = found["number"].parse().ok()?;
    Some(Reference::DocNo(format!("{code}第{number}号")))
}

fn read_article(found: &Captures, law: Option<&str>) -> Option<Reference> {
    let number = |name| {
        found
            .name(name)
            .and_then(|digits| parse_number(digits.as_str()))
    };
    Some(Reference::Article {
        law: law.map(canonical_law_name),
        is_quoted: found[0].starts_with('《'),
        article: number("article").filter(|&article| article > 0)?,
        insert: number("insert"),
        paragraph: number("paragraph"),
    })
}

/// What follows the last lead-in; `None` if that is no name.
fn without_lead_in(name: &str) -> Option<&str> {
    let start = LEAD_INS
        .iter()
        .filter_map(|lead_in| Some(name.rfind(lead_in)? + lead_in.len()))
        .max()
        .unwrap_or(0);
    let name = &name[start..];
    name.chars().nth(1).is_some().then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<Reference> {
        references(normalise(text).as_str())
            .into_iter()
            .map(|(_, reference)| reference)
            .collect()
    }

    fn article(law: &str, article: u32, insert: Option<u32>, paragraph: Option<u32>) -> Reference {
        Reference::Article {
            law: (!law.is_empty()).then(|| law.to_owned()),
            is_quoted: false,
            article,
            insert,
            paragraph,
        }
    }

    #[test]
    fn spellings_of_a_document_number() {
        for spelling in [
            "云府办发〔2020〕53号",
            "云府办发[2020]53号",
            "云府办发（2020）第53号",
            "云府办发【2020】 53 号",
            "雲府辦發﹝２０２０﹞５３號",
            "云府办发2020年53号",
            "云府办发2020年第53号",
            "云府办发 2020 53号",
            "云府办发2020-53号",
            "云府办发202053号",
            "云府办发〔二〇二〇〕53号",
            "云府办发〔2020〕053号",
            "根据云府办发〔2020〕53号文件",
            "请问云府办发2020年53号是什么内容",
        ] {
            assert_eq!(
                canonical_doc_no(spelling),
                "云府办发〔2020〕53号",
                "{spelling}"
            );
            assert_eq!(
                found(spelling),
                [Reference::DocNo("云府办发〔2020〕53号".into())],
                "{spelling}"
            );
        }
        assert_eq!(
            canonical_doc_no("云溪市人民政府令 第12号"),
            "云溪市人民政府令第12号"
        );
        assert_eq!(
            canonical_doc_no("云溪市人民政府令第十二号"),
            "云溪市人民政府令第12号"
        );
        assert_eq!(canonical_doc_no("内部编号 A-7"), "内部编号a-7");
    }

    #[test]
    fn articles_of_laws() {
        for (text, expected) in [
            (
                "《中华人民共和国民法典》第三条",
                article("民法典", 3, None, None),
            ),
            ("民法典第三条怎么说", article("民法典", 3, None, None)),
            ("劳动合同法39条", article("劳动合同法", 39, None, None)),
            (
                "根据劳动合同法第三十九条第二款",
                article("劳动合同法", 39, None, Some(2)),
            ),
            (
                "《刑法(2020修正)》第一百三十三条之一",
                article("刑法", 133, Some(1), None),
            ),
            (
                "云溪市居住证管理办法（2023修订）第8条",
                article("云溪市居住证管理办法", 8, None, None),
            ),
            (
                "《云溪市人民政府办公室关于印发云溪市临时救助办法的通知》第二条",
                article(
                    "云溪市人民政府办公室关于印发云溪市临时救助办法的通知",
                    2,
                    None,
                    None,
                ),
            ),
            ("第39条是什么", article("", 39, None, None)),
        ] {
            let mut expected = expected;
            if let Reference::Article { is_quoted, .. } = &mut expected {
                *is_quoted = text.starts_with('《');
            }
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn several_references_come_in_order() {
        assert_eq!(
            found("《居住证条例》、云府〔2024〕1号、劳动法第40条"),
            [
                Reference::Title("居住证条例".into()),
                Reference::DocNo("云府〔2024〕1号".into()),
                article("劳动法", 40, None, None),
            ]
        );
    }

    #[test]
    fn what_only_looks_like_one() {
        for text in [
            "办事大厅2020年5月1日开放",
            "电话20205353号",
            "39条",
            "共有2020年53号房",
            "〔2020〕53号",
            "第0条",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn names_of_laws() {
        for (title, expected) in [
            ("《中华人民共和国劳动合同法（2012修正）》", "劳动合同法"),
            ("中华人民共和国民法典", "民法典"),
            ("雲溪市養犬管理條例", "云溪市养犬管理条例"),
            (
                "云溪市居住证实施细则（试行）（2020）",
                "云溪市居住证实施细则",
            ),
            (
                "关于审理劳动争议案件的解释(一)",
                "关于审理劳动争议案件的解释(一)",
            ),
            ("中华人民共和国", "中华人民共和国"),
            ("(2020)", "〔2020〕"),
        ] {
            assert_eq!(canonical_law_name(title), expected);
        }
    }

    #[test]
    fn endings_of_a_name() {
        assert_eq!(
            endings("犯劳动法").collect::<Vec<_>>(),
            ["犯劳动法", "劳动法"]
        );
        assert_eq!(endings("刑法").collect::<Vec<_>>(), ["刑法"]);
        assert_eq!(endings("").count(), 0);
    }

    proptest! {
        #[test]
        fn canonical_forms_are_stable_and_spans_disjoint(
            text in "([根据云府办发令第《》〔〕()法条例之一款号年0-9 ]|2020|第39条){0,25}"
        ) {
            let normalised = normalise(&text);
            let mut last = 0;
            for (span, reference) in references(normalised.as_str()) {
                prop_assert!(span.start >= last && normalised.as_str().get(span.start..span.end).is_some());
                last = span.end;
                if let Reference::DocNo(doc_no) = reference {
                    prop_assert_eq!(canonical_doc_no(&doc_no), doc_no);
                }
            }
        }
    }
}
