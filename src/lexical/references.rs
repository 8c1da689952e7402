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

/// What the title of such a notice ends with.
const NOTICES: &[&str] = &["的通知", "的公告", "的通告", "的决定"];

/// The names under which a document and its articles are looked up: its title, and the rule that
/// it issues (关于印发《云溪市临时救助办法》的通知, with or without 《》 → 云溪市临时救助办法).
pub fn names_of(title: &str) -> Vec<String> {
    let mut names = vec![canonical_law_name(title)];
    if let Some(issued) = issued_by(title).map(canonical_law_name)
        && !issued.is_empty()
        && !names.contains(&issued)
    {
        names.push(issued);
    }
    names
}

/// The name of the rule in the title of the notice that issues it.
fn issued_by(title: &str) -> Option<&str> {
    let after = ISSUING
        .iter()
        .filter_map(|word| Some(title.find(word)? + word.len()))
        .min()?;
    let rest = &title[after..];
    if let (Some(start), Some(end)) = (rest.find('《'), rest.rfind('》')) {
        return (start < end).then(|| &rest[start..end]);
    }
    NOTICES
        .iter()
        .find_map(|ending| rest.trim_end().strip_suffix(ending))
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
            (
                "云溪市民政局关于重新发布云溪市临时救助办法的通知",
                vec![
                    "云溪市民政局关于重新发布云溪市临时救助办法的通知",
                    "云溪市临时救助办法",
                ],
            ),
            ("关于印发》《的通知", vec!["关于印发的通知"]),
        ] {
            assert_eq!(names_of(title), names, "{title}");
        }
    }
}
