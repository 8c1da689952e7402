//! Exact look-up: which documents bear a 发文字号 or a title, which passage is a law's article.

use std::ops::Range;

use crate::document::PassageNo;

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

/// The key of an article of a law.
pub fn article_key(law: &str, article: u32) -> String {
    format!("{law}#{article}")
}
