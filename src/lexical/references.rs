//! Exact look-up: which documents bear a 发文字号 or a title, which passage is a law's article.

use std::ops::Range;

use crate::document::PassageNo;
use crate::text::canonical_law_name;

/// A document and the numbers of its passages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentPassages {
    /// [`crate::document::Document::id`]
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

/// Words that say that the rule in 《》 comes with the notice whose title it is in.
const ISSUING: &[&str] = &["印发", "发布", "公布", "颁布", "颁发"];

/// The names under which a document and its articles are looked up: its title, and the rule that
/// it issues (关于印发《云溪市临时救助办法》的通知 → 云溪市临时救助办法).
pub fn names_of(title: &str) -> Vec<String> {
    let mut names = vec![canonical_law_name(title)];
    if ISSUING.iter().any(|word| title.contains(word))
        && let (Some(start), Some(end)) = (title.find('《'), title.rfind('》'))
        && start < end
    {
        let issued = canonical_law_name(&title[start..end]);
        if !issued.is_empty() && !names.contains(&issued) {
            names.push(issued);
        }
    }
    names
}

/// The key of an article of a law.
pub fn article_key(law: &str, article: u32) -> String {
    format!("{law}#{article}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_goes_by_the_name_of_the_rule_that_it_issues() {
        for (title, names) in [
            (
                "云溪市养犬管理条例（2023年修订）",
                vec!["云溪市养犬管理条例"],
            ),
            (
                "关于印发《云溪市临时救助办法》的通知",
                vec!["关于印发云溪市临时救助办法的通知", "云溪市临时救助办法"],
            ),
            (
                "关于贯彻《云溪市临时救助办法》的意见",
                vec!["关于贯彻云溪市临时救助办法的意见"],
            ),
            ("关于印发》《的通知", vec!["关于印发的通知"]),
        ] {
            assert_eq!(names_of(title), names, "{title}");
        }
    }
}
