//! Exact look-up: which documents bear a 发文字号 or a title, which passage is a law's article.

use std::ops::Range;

use crate::document::{Document, PassageNo};
use crate::text::{Reference, normalise, references};

/// A document and the numbers of its passages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentPassages {
    /// [`Document::id`]
    pub document_id: String,
    /// Number of the first passage.
    pub first_passage_no: PassageNo,
    /// How many there are.
    pub n_passages: u32,
}

impl DocumentPassages {
    /// The numbers of all the passages.
    pub fn passage_nos(&self) -> Range<PassageNo> {
        self.first_passage_no..self.first_passage_no + self.n_passages
    }
}

/// The form under which a title is looked up: normal form without book-title marks, spaces, a
/// bracketed remark at the end (（2023年修订）) and the words 中华人民共和国 in front.
pub fn canonical_title(title: &str) -> String {
    let normal = normalise(title);
    let kept: String = normal
        .as_str()
        .chars()
        .filter(|c| !c.is_whitespace() && !"《》<>〈〉".contains(*c))
        .collect();
    let mut core = kept.as_str();
    while let Some(open) = core
        .strip_suffix([')', '）'])
        .and_then(|rest| rest.rfind(['(', '（']))
    {
        core = &core[..open];
    }
    let national = core.strip_prefix("中华人民共和国").unwrap_or(core);
    if national.is_empty() {
        kept
    } else {
        national.to_owned()
    }
}

/// The key of an article of a law.
pub fn article_key(canonical_title: &str, article: u32) -> String {
    format!("{canonical_title}#{article}")
}

/// The canonical 发文字号 under which the document is looked up.
pub fn canonical_doc_no(document: &Document) -> Option<String> {
    let normal = normalise(document.metadata.doc_no.as_deref()?);
    let found =
        references(normal.as_str())
            .into_iter()
            .find_map(|(_, reference)| match reference {
                Reference::DocNo(canonical) => Some(canonical),
                _ => None,
            });
    Some(found.unwrap_or_else(|| normal.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_without_marks_remarks_and_the_country() {
        for (title, canonical) in [
            ("《中华人民共和国劳动合同法》", "劳动合同法"),
            (
                "云溪市物业管理条例（2023年修订）（草案）",
                "云溪市物业管理条例",
            ),
            ("关于 印发办法的通知", "关于印发办法的通知"),
            ("中华人民共和国", "中华人民共和国"),
            ("", ""),
        ] {
            assert_eq!(canonical_title(title), canonical, "{title}");
        }
    }
}
