//! The thread that writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::FeedbackError;
use super::entry::Request;
use super::pages::{CallName, FeedbackResult, Pages};
use crate::assist::CallRef;

/// Entries are gathered for so long before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// Most entries of one transaction.
const MAX_BATCH: usize = 1_024;
/// How long the writer rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// What could not be written so often is given up.
const MAX_ATTEMPTS: u32 = 60;
/// How often calls that are kept no longer are deleted.
const BETWEEN_PURGES: Duration = Duration::from_secs(3_600);
/// How often the log is emptied again of what was deleted, while readers hold it.
const BETWEEN_EMPTYINGS: Duration = Duration::from_secs(5);
/// Calls of one deletion, so that it does not hold what comes in meanwhile.
const PURGED_AT_ONCE: usize = 200;

/// Writes what comes in, in order.
pub struct Writer {
    connection: Connection,
    keep: Duration,
    keys: HashMap<CallRef, i64>,
    /// Calls that were deleted on request, by id and owner, and when: what comes late of them is not kept.
    forgotten: HashMap<CallName, Timestamp>,
    purged_at: Option<Instant>,
    /// Whether the log may hold what was deleted.
    log_holds_deleted: bool,
    shared: Shared,
}

/// What others may read while the thread runs.
pub struct Shared {
    /// Raised whenever something was learned or unlearned.
    pub lessons: Arc<AtomicU64>,
    /// Entries that could not be kept.
    pub n_lost: Arc<AtomicU64>,
}

/// What is told once a batch is on disk.
enum Told {
    Feedback(tokio::sync::oneshot::Sender<FeedbackResult>, FeedbackResult),
    Forgotten(
        tokio::sync::oneshot::Sender<Result<usize, FeedbackError>>,
        usize,
    ),
    Taught(tokio::sync::oneshot::Sender<Result<(), FeedbackError>>),
    Flushed(tokio::sync::oneshot::Sender<()>),
}

impl Writer {
    pub fn new(connection: Connection, keep: Duration, shared: Shared) -> Self {
        Self {
            connection,
            shared,
            keep,
            keys: HashMap::new(),
            forgotten: HashMap::new(),
            purged_at: None,
            // Whatever a run before could not do.
            log_holds_deleted: true,
        }
    }

    /// Until nobody sends any more and everything is written.
    pub fn run(mut self, queue: &Receiver<Request>) {
        loop {
            let more_to_purge = self.purge_if_due();
            self.empty_log();
            let rest = match (more_to_purge, self.log_holds_deleted) {
                (true, _) => Duration::ZERO,
                (false, true) => BETWEEN_EMPTYINGS,
                (false, false) => BETWEEN_PURGES,
            };
            let first = match queue.recv_timeout(rest) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let batch = gather(first, queue);
            self.write(batch);
        }
    }

    /// Writes a batch, all of it or nothing, again and again while the disk refuses it.
    fn write(&mut self, mut batch: Vec<Request>) {
        for attempt in 1..=MAX_ATTEMPTS {
            match self.try_write(&mut batch) {
                Ok(told) => {
                    for told in told {
                        told.send();
                    }
                    return;
                }
                Err(error) => {
                    // Their rows were rolled back.
                    self.keys.clear();
                    if attempt == 1 {
                        tracing::error!(%error, "what happens in calls cannot be written; tried again");
                    }
                    // Who waits for an answer learns it now; the others wait.
                    batch.retain(|request| matches!(request, Request::Note(..)));
                    if batch.is_empty() {
                        return;
                    }
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        }
        let n_entries = batch.len() as u64;
        self.shared.n_lost.fetch_add(n_entries, Ordering::Relaxed);
        tracing::error!(
            n_entries,
            "what happened in calls is lost: it could not be written"
        );
    }

    /// Takes out of the batch what wants an answer.
    fn try_write(&mut self, batch: &mut Vec<Request>) -> rusqlite::Result<Vec<Told>> {
        let mut told = Vec::new();
        let mut has_deleted = false;
        let mut answered = Vec::new();
        let transaction = self.connection.transaction()?;
        let mut pages = Pages {
            transaction: &transaction,
            keys: &mut self.keys,
            forgotten: &mut self.forgotten,
            has_learned: false,
        };
        let mut failed = None;
        for request in std::mem::take(batch) {
            // What comes after a failure waits with the rest.
            if failed.is_some() {
                answered.push(request);
                continue;
            }
            match request {
                Request::Note(call, entry, at) => {
                    match pages.note(&call, &entry, at) {
                        Ok(()) => {}
                        Err(error) => failed = Some(error),
                    }
                    answered.push(Request::Note(call, entry, at));
                }
                Request::Feedback(feedback, at, reply) => match pages.keep(&feedback, at) {
                    Ok(kept) => told.push(Told::Feedback(reply, kept)),
                    Err(error) => failed = Some(error),
                },
                Request::Forget(call_id, since, reply) => {
                    match pages.forget(&call_id.0, &call_id.1, since) {
                        Ok(n_calls) => {
                            has_deleted = true;
                            told.push(Told::Forgotten(reply, n_calls));
                        }
                        Err(error) => failed = Some(error),
                    }
                }
                Request::Settle(said) => match pages.settle(&said) {
                    Ok(()) => {}
                    // They are settled the next time.
                    Err(error) => failed = Some(error),
                },
                Request::Teach(document_id, counts, reply) => {
                    match pages.teach(&document_id, counts) {
                        Ok(()) => told.push(Told::Taught(reply)),
                        Err(error) => failed = Some(error),
                    }
                }
                Request::Flush(reply) => told.push(Told::Flushed(reply)),
            }
        }
        *batch = answered;
        let has_learned = pages.has_learned;
        let committed = match failed {
            Some(error) => transaction.rollback().and(Err(error)),
            None => transaction.commit(),
        };
        if let Err(error) = committed {
            for told in told {
                told.refuse(&error);
            }
            return Err(error);
        }
        if has_learned || has_deleted {
            self.shared.lessons.fetch_add(1, Ordering::Relaxed);
        }
        if has_deleted {
            self.log_holds_deleted = true;
            self.empty_log();
        }
        Ok(told)
    }

    /// The log still holds what was deleted from the pages, until no reader holds the log.
    fn empty_log(&mut self) {
        if !self.log_holds_deleted {
            return;
        }
        let is_held = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            });
        match is_held {
            Ok(is_held) => self.log_holds_deleted = is_held,
            Err(error) => tracing::error!(%error, "the log of calls.sqlite cannot be emptied"),
        }
    }

    /// Whether more is left to be deleted, after what has come in meanwhile.
    fn purge_if_due(&mut self) -> bool {
        let is_due = |purged_at: Instant| purged_at.elapsed() >= BETWEEN_PURGES;
        if !self.purged_at.is_none_or(is_due) {
            return false;
        }
        match self.purge(Timestamp::now()) {
            Ok(PURGED_AT_ONCE) => return true,
            Ok(n_calls) => {
                self.purged_at = Some(Instant::now());
                let is_recent =
                    |since: &Timestamp| Timestamp::now().duration_since(*since).as_secs() < 3_600;
                self.forgotten.retain(|_, since| is_recent(since));
                if n_calls > 0 {
                    tracing::info!(n_calls, "calls are kept no longer");
                }
            }
            Err(error) => {
                self.purged_at = Some(Instant::now());
                tracing::error!(%error, "calls that are kept no longer cannot be deleted");
            }
        }
        false
    }

    /// Deletes calls in which nothing happened since `keep` before `now`; how many there were.
    fn purge(&mut self, now: Timestamp) -> rusqlite::Result<usize> {
        let keep_ms = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.as_millisecond().saturating_sub(keep_ms);
        const OLD: &str = "SELECT key FROM calls WHERE last_at < ?1 ORDER BY last_at LIMIT ?2";
        let transaction = self.connection.transaction()?;
        // Adopted answers stay learned, and do not say from which call.
        transaction
            .prepare_cached(&format!(
                "DELETE FROM wordings WHERE is_rejected AND call IN ({OLD})"
            ))?
            .execute(params![oldest, PURGED_AT_ONCE])?;
        transaction
            .prepare_cached(&format!(
                "UPDATE wordings SET call = NULL WHERE call IN ({OLD})"
            ))?
            .execute(params![oldest, PURGED_AT_ONCE])?;
        let n_calls = transaction
            .prepare_cached(&format!("DELETE FROM calls WHERE key IN ({OLD})"))?
            .execute(params![oldest, PURGED_AT_ONCE])?;
        transaction.commit()?;
        if n_calls > 0 {
            self.keys.clear();
            self.log_holds_deleted = true;
        }
        Ok(n_calls)
    }
}

/// What waits now or comes within [`GATHER`]; at once when somebody waits for an answer.
fn gather(first: Request, queue: &Receiver<Request>) -> Vec<Request> {
    let until = Instant::now() + GATHER;
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH {
        let is_patient = matches!(batch.last(), Some(Request::Note(..)));
        let next = match is_patient {
            true => queue
                .recv_timeout(until.saturating_duration_since(Instant::now()))
                .ok(),
            false => queue.try_recv().ok(),
        };
        match next {
            Some(next) => batch.push(next),
            None => break,
        }
    }
    batch
}

impl Told {
    /// Whoever asked may be gone.
    fn send(self) {
        match self {
            Self::Feedback(reply, kept) => drop(reply.send(kept)),
            Self::Forgotten(reply, n_calls) => drop(reply.send(Ok(n_calls))),
            Self::Taught(reply) => drop(reply.send(Ok(()))),
            Self::Flushed(reply) => drop(reply.send(())),
        }
    }

    fn refuse(self, error: &rusqlite::Error) {
        let unavailable = || FeedbackError::Unavailable(error.to_string());
        match self {
            Self::Feedback(reply, _) => drop(reply.send(Err(unavailable()))),
            Self::Forgotten(reply, _) => drop(reply.send(Err(unavailable()))),
            Self::Taught(reply) => drop(reply.send(Err(unavailable()))),
            Self::Flushed(reply) => drop(reply.send(())),
        }
    }
}
