//! What waits to be written.

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{FeedbackError, KeptFeedback, NewFeedback};
use crate::assist::{Asked, Attributes, CallRef, Entry, Recommendations, Utterance};
use crate::sight::Sight;

/// Work of the writer.
pub enum Request {
    Note(CallRef, OwnedEntry, Timestamp),
    Feedback(
        Box<NewFeedback>,
        Timestamp,
        oneshot::Sender<Result<KeptFeedback, FeedbackError>>,
    ),
    Forget(
        (String, Sight),
        Timestamp,
        oneshot::Sender<Result<usize, FeedbackError>>,
    ),
    Settle(Vec<(i64, Option<String>)>),
    Teach(String, bool, oneshot::Sender<Result<(), FeedbackError>>),
    Flush(oneshot::Sender<()>),
}

/// An [`Entry`] that outlives the call.
pub enum OwnedEntry {
    Known(Attributes),
    Heard(Utterance),
    Asked(Asked),
    Shown(Shown),
    Ended,
}

/// What is kept of recommendations.
pub struct Shown {
    pub revision: u64,
    pub after_utterance: String,
    pub generation: u64,
    pub items: Vec<ShownItem>,
}

/// One of them.
pub struct ShownItem {
    pub recommendation_id: String,
    pub document_id: String,
    pub passage_id: String,
    pub content_hash: String,
    pub title: String,
    pub department: Option<String>,
    pub confidence: f32,
    /// From 1, among the answers or among the scripts.
    pub rank: i64,
    pub is_script: bool,
}

impl OwnedEntry {
    pub fn of(entry: Entry<'_>) -> Self {
        match entry {
            Entry::Known(attributes) => Self::Known(attributes.clone()),
            Entry::Heard(utterance) => Self::Heard(utterance.clone()),
            Entry::Asked(asked) => Self::Asked(asked.clone()),
            Entry::Shown(shown) => Self::Shown(Shown::of(shown)),
            Entry::Ended => Self::Ended,
        }
    }
}

impl Shown {
    fn of(shown: &Recommendations) -> Self {
        let answers = (1..)
            .zip(&shown.items)
            .map(|(rank, item)| (rank, item, false));
        let scripts = (1..)
            .zip(&shown.script)
            .map(|(rank, item)| (rank, item, true));
        let items = answers
            .chain(scripts)
            .map(|(rank, item, is_script)| ShownItem {
                recommendation_id: item.id.clone(),
                document_id: item.hit.document_id.clone(),
                passage_id: item.hit.passage_id.clone(),
                content_hash: item.hit.citation.content_hash.clone(),
                title: item.hit.title.clone(),
                department: item.hit.department.clone(),
                confidence: item.confidence,
                rank,
                is_script,
            });
        Self {
            revision: shown.revision,
            after_utterance: shown.after_utterance.clone(),
            generation: shown.generation,
            items: items.collect(),
        }
    }
}
