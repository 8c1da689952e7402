//! One answer in the documents' own words, or none.
//!
//! [`outside`] tells what is no question for a knowledge base, [`readings`] what a question means after
//! those before it, [`extract`] which parts of the sources would be said, [`verdict`] how likely they
//! answer.
//! Nothing is ever put in other words: [`Answer::text`] is its spans, one after the other. Searches by
//! whatever it is given; knows nothing of HTTP.

mod extract;
mod facets;
mod facts;
mod hand_over;
mod matching;
mod outside;
mod readings;
mod respond;
mod verdict;

use jiff::civil::Date;

use crate::document::ByteSpan;
use crate::retrieval::{Degraded, Filters, Hit};
use crate::sight::Sight;

pub use hand_over::HandOver;
pub use matching::get_ready;
pub use respond::{Search, respond};

/// Longest short answer in characters: two text messages hold it.
pub const MAX_SHORT_CHARS: usize = 140;
/// Longest full answer in characters, except for an entry's answer, which is given whole.
pub const MAX_FULL_CHARS: usize = 600;
/// Questions of before that are read.
pub const MAX_HISTORY: usize = 20;

/// A citizen's question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The words, as typed or said.
    pub query: String,
    /// What the citizen asked before, oldest first.
    pub history: Vec<String>,
    /// The day whose rules count; `None` is today.
    pub as_of: Option<Date>,
    /// Conditions that every source must meet.
    pub filters: Filters,
    /// What the sources may be.
    pub sight: Sight,
    /// How much is said.
    pub style: Style,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// What answers, with the conditions that stand around it; up to [`MAX_FULL_CHARS`].
    #[default]
    Full,
    /// What answers and nothing else; up to [`MAX_SHORT_CHARS`].
    Short,
}

/// When to answer at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Largest share of wrong answers among those given, 0..=1.
    pub max_risk: f32,
    /// How long a search may wait for a slow side.
    pub patience: Option<std::time::Duration>,
}

/// What is said to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The generation that answered.
    pub generation: u64,
    /// The pieces that are said, in order; empty if nothing is. The text is what stands there, one after
    /// the other, and nothing else.
    pub spans: Vec<Piece>,
    /// The sources of the pieces first, then others that support or contradict them.
    pub citations: Vec<Hit>,
    /// The probability that the first source answers.
    pub confidence: f32,
    /// Why nothing is said.
    pub reason: Option<Reason>,
    /// What the citizen could say or choose next.
    pub follow_up: Vec<String>,
    /// Who could help.
    pub hand_over: HandOver,
    /// Why the answer is worse than it could be.
    pub degraded: Vec<Degraded>,
    /// The beginning of the first piece, at most [`MAX_SHORT_CHARS`] characters; or, of an abstention, what
    /// to tell the citizen.
    pub short: String,
}

/// A part of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which of [`Answer::citations`].
    pub citation: usize,
    /// In bytes of the citation's text.
    pub span: ByteSpan,
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No document is about it.
    NoMatch,
    /// Documents are about it; that one of them answers is not likely enough.
    BelowThreshold,
    /// No question about public services.
    OutOfScope,
    /// Several answers, and the question does not say which one is wanted.
    Ambiguous,
    /// Only rules that are no longer, or not yet, in force answer.
    ExpiredOnly,
}

impl Settings {
    /// The probability from which on answers are given.
    fn threshold(&self) -> f32 {
        verdict::threshold(self.max_risk)
    }
}

impl Reason {
    /// The name used on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::BelowThreshold => "below_threshold",
            Self::OutOfScope => "out_of_scope",
            Self::Ambiguous => "ambiguous",
            Self::ExpiredOnly => "expired_only",
        }
    }
}

impl Answer {
    /// What is said; `None` if nothing is.
    pub fn text(&self) -> Option<String> {
        let parts = self.spans.iter();
        let text: String = parts
            .map(|piece| piece.span.of(&self.citations[piece.citation].text))
            .collect();
        (!text.is_empty()).then_some(text)
    }
}
