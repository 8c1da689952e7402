//! What is kept of calls: `index/calls.sqlite`.
//!
//! What was said (personal data masked before it is written), what was asked and recommended, and
//! what agents made of it. A file of its own: it is kept for a limited time and deleted on request,
//! and what is deleted is overwritten. One thread writes, in batches, so that nobody who hears or
//! shows anything waits for the disk; feedback is acknowledged when it is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::assist::{CallRef, Entry, Journal};
use crate::records::RecordsError;
use crate::sight::Sight;
use entry::{OwnedEntry, Request};

mod entry;
mod learning;
mod owners;
mod pages;
mod reading;
mod reports;
mod schema;
mod writer;

pub use learning::{NewWording, TaughtDocument, TaughtWording};
pub use reading::{CallReader, KeptCall, KeptEvent, OpenCallRecord};
pub use reports::{CallCounts, DocumentCalls, OpenQuestion, Period, ShownDocument};

/// Entries that may wait to be written: minutes of a busy hotline.
const MAX_WAITING: usize = 16_384;

/// What an agent made of a recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackKind {
    /// It was on the agent's screen.
    Displayed,
    /// 采纳: the agent used it.
    Adopted,
    /// It helped.
    Helpful,
    /// It did not.
    NotHelpful,
    /// It is not to be shown again in this call.
    Dismissed,
    /// It was linked to a ticket (工单).
    Linked,
    /// The agent said it in other words.
    Edited,
}

impl FeedbackKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Displayed,
        Self::Adopted,
        Self::Helpful,
        Self::NotHelpful,
        Self::Dismissed,
        Self::Linked,
        Self::Edited,
    ];

    /// The name in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Displayed => "displayed",
            Self::Adopted => "adopted",
            Self::Helpful => "helpful",
            Self::NotHelpful => "not_helpful",
            Self::Dismissed => "dismissed",
            Self::Linked => "linked",
            Self::Edited => "edited",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What feedback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A recommendation of the call.
    Recommendation(String),
    /// A passage that the agent found otherwise.
    Passage {
        /// Its document.
        document_id: String,
        /// The passage.
        passage_id: String,
        /// blake3 of the file that it was read from.
        content_hash: String,
        /// 归口部门
        department: Option<String>,
        /// What the agent looked for, if that is known.
        query: Option<String>,
    },
}

/// Feedback that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFeedback {
    /// Feedback of one id in one call counts once.
    pub id: String,
    /// The call, by the id that the client gave it; the newest of that id.
    pub call_id: String,
    /// What the agent did.
    pub kind: FeedbackKind,
    /// What it is about.
    pub subject: Subject,
    /// Who; `None`: whoever takes the call.
    pub agent: Option<String>,
    /// The utterance that it belongs to; `None`: the one that led to the recommendation, or the last
    /// question.
    pub utterance_id: Option<String>,
    /// The ticket that it was linked to.
    pub ticket: Option<String>,
    /// The agent's own wording. Personal data is masked before it is written.
    pub text: Option<String>,
    /// What whoever gives it may see: it is about no call of others, and what is learned from it
    /// counts for the same audience alone.
    pub sight: Sight,
}

/// Why feedback was not kept.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// Nothing is known of the call: never heard of, deleted, or kept no longer.
    #[error("no call of that id is kept")]
    NoSuchCall,
    /// It was never recommended in the call.
    #[error("it was never recommended in this call")]
    NoSuchRecommendation,
    /// The same id came with other contents.
    #[error("this feedback id was used for something else in this call")]
    Conflict,
    /// It cannot be written now; it may be sent again.
    #[error("it cannot be written now: {0}")]
    Unavailable(String),
}

/// Feedback that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFeedback {
    /// Whether it was new; what came again changed nothing.
    pub is_new: bool,
}

/// Writes what is kept of calls. Dropping it writes what waits.
#[derive(Debug)]
pub struct CallRecords {
    path: PathBuf,
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
    n_lost: Arc<AtomicU64>,
    lessons: Arc<AtomicU64>,
}

impl CallRecords {
    /// Opens the database, creating it when it does not exist, and starts the thread that writes.
    /// Calls are forgotten when nothing happened in them for `keep`; those that were kept before calls
    /// had owners get `owner`.
    ///
    /// # Errors
    /// [`RecordsError::Open`] for a damaged file, [`RecordsError::Version`] for another layout;
    /// the file is left as it is in both cases.
    pub fn open(path: &Path, keep: Duration, owner: &Sight) -> Result<Self, RecordsError> {
        let connection = schema::open(path, owner)?;
        let (requests, queue) = sync_channel(MAX_WAITING);
        let lessons = Arc::new(AtomicU64::new(0));
        let n_lost = Arc::new(AtomicU64::new(0));
        let shared = writer::Shared {
            lessons: Arc::clone(&lessons),
            n_lost: Arc::clone(&n_lost),
        };
        let writer = std::thread::Builder::new()
            .name("call-records".to_owned())
            .spawn(move || writer::Writer::new(connection, keep, shared).run(&queue))
            .map_err(|error| RecordsError::Open {
                path: path.to_owned(),
                source: rusqlite::Error::ToSqlConversionFailure(error.into()),
            })?;
        Ok(Self {
            path: path.to_owned(),
            requests: Some(requests),
            writer: Some(writer),
            n_lost,
            lessons,
        })
    }

    /// Entries that could not be kept: too many waited, or the disk refused them for too long.
    pub fn n_lost(&self) -> u64 {
        self.n_lost.load(Ordering::Relaxed)
    }

    /// Keeps feedback; on disk when the future ends.
    ///
    /// # Errors
    /// [`FeedbackError`]
    pub async fn keep(&self, feedback: NewFeedback) -> Result<KeptFeedback, FeedbackError> {
        let (reply, kept) = oneshot::channel();
        let request = Request::Feedback(Box::new(feedback), Timestamp::now(), reply);
        self.answer(request, kept).await
    }

    /// Deletes everything that is kept of the calls of that id that `sight` may see, on disk too; how
    /// many there were.
    ///
    /// # Errors
    /// [`FeedbackError::Unavailable`]
    pub async fn forget(&self, call_id: &str, sight: &Sight) -> Result<usize, FeedbackError> {
        let (reply, done) = oneshot::channel();
        let request = Request::Forget((call_id.to_owned(), sight.clone()), Timestamp::now(), reply);
        self.answer(request, done).await
    }

    /// Says what the passages of new wordings said when they were adopted, by the wordings' keys; a
    /// wording whose answer has changed since (`None`) is given up.
    pub fn settle(&self, said: Vec<(i64, Option<String>)>) {
        // What finds no room is settled the next time.
        self.send(Request::Settle(said));
    }

    /// Switches off what was learned of a document, or on again.
    ///
    /// # Errors
    /// [`FeedbackError::Unavailable`]
    pub async fn teach(&self, document_id: &str, counts: bool) -> Result<(), FeedbackError> {
        let (reply, done) = oneshot::channel();
        let request = Request::Teach(document_id.to_owned(), counts, reply);
        self.answer(request, done).await
    }

    /// Changes whenever something was learned or unlearned.
    pub fn lessons(&self) -> u64 {
        self.lessons.load(Ordering::Relaxed)
    }

    /// Waits until everything noted so far is on disk.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.send(Request::Flush(reply)) {
            // An error means that the writer ended, and with it everything was written.
            let _ = done.await;
        }
    }

    /// Another view of the database, for reading beside the writer.
    ///
    /// # Errors
    /// As [`CallReader::open`].
    pub fn reader(&self) -> Result<CallReader, RecordsError> {
        CallReader::open(&self.path)
    }

    /// What becomes of a request.
    async fn answer<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, FeedbackError>>,
    ) -> Result<T, FeedbackError> {
        if !self.send(request) {
            return Err(FeedbackError::Unavailable("too much waits".to_owned()));
        }
        // What waited behind something that the disk refused is dropped without an answer.
        let refused = || FeedbackError::Unavailable("the disk refuses".to_owned());
        answer.await.unwrap_or_else(|_| Err(refused()))
    }

    /// Whether there was room for it.
    fn send(&self, request: Request) -> bool {
        let Some(requests) = &self.requests else {
            return false;
        };
        match requests.try_send(request) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Journal for CallRecords {
    fn note(&self, call: &CallRef, entry: Entry<'_>) {
        let request = Request::Note(call.clone(), OwnedEntry::of(entry), Timestamp::now());
        if !self.send(request) && self.n_lost.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!("what happens in calls cannot be kept: too much waits to be written");
        }
    }
}

impl Drop for CallRecords {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(writer) = self.writer.take() {
            // A panic was logged by the thread.
            let _ = writer.join();
        }
    }
}
