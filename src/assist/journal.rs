//! What is noted of calls, for whoever keeps it.

use jiff::Timestamp;

use super::call::{Asked, Attributes, Recommendations};
use super::transcript::Utterance;
use crate::sight::Sight;

/// Names one call for good: ids may come again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallRef {
    /// Given by the client.
    pub id: String,
    /// When it was first heard of, to the millisecond.
    pub started_at: Timestamp,
    /// What whoever began it may see: nothing else is recommended in it, and it shows to nobody who
    /// may see less.
    pub owner: Sight,
}

/// Something that happened in a call.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'e> {
    /// It began, or more became known of it.
    Known(&'e Attributes),
    /// Something was said that was not known.
    Heard(&'e Utterance),
    /// A question was put to the index.
    Asked(&'e Asked),
    /// The agent sees something else.
    Shown(&'e Recommendations),
    /// It is over.
    Ended,
}

/// Keeps what happens in calls. Entries of one call come in order; must not block for long.
pub trait Journal: Send + Sync {
    /// Notes one entry.
    fn note(&self, call: &CallRef, entry: Entry<'_>);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn note(&self, _call: &CallRef, _entry: Entry<'_>) {}
}
