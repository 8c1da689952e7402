//! The book of what editors and administrators did, and of what was refused.
//!
//! Says who, when, from where, which route and what came of it; never what was asked, nor a token.
//! One thread writes, in batches, so that no request waits for the disk. What is alike within a
//! minute is one line with a count, and of refusals only so many lines are kept of a day: a flood
//! of them does not fill the disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{AccessError, KeyStore, schema};

/// Entries that may wait to be written.
const MAX_WAITING: usize = 16_384;
/// How long entries are gathered.
const GATHER: Duration = Duration::from_millis(500);
/// How often old entries are deleted.
const BETWEEN_PURGES: Duration = Duration::from_secs(3_600);
/// Lines of refusals that are kept of one day; further ones are counted in one line a minute.
const MAX_REFUSALS_OF_DAY: usize = 10_000;
const MS_OF_MINUTE: i64 = 60_000;
const MS_OF_DAY: i64 = 86_400_000;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The status of the answer.
    Status(u16),
    /// Refused before anything was done, with this status.
    Refused(u16),
}

/// Something to be put down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditEntry {
    /// The key that was shown; empty if none that is known.
    pub key_id: String,
    /// The role that the caller had.
    pub role: &'static str,
    /// Where the request came from.
    pub address: String,
    /// The method.
    pub action: String,
    /// The pattern of the route, never the address that was asked for.
    pub route: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// A line of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts lines.
    pub seq: u64,
    /// The first of the alike.
    pub at: Timestamp,
    /// See [`AuditEntry`].
    pub key_id: String,
    /// See [`AuditEntry`].
    pub role: String,
    /// See [`AuditEntry`].
    pub address: String,
    /// See [`AuditEntry`], or what the operator did with `zhiku keys`.
    pub action: String,
    /// See [`AuditEntry`], or the key that it was done to.
    pub route: String,
    /// `200`, `refused 403`, `done`.
    pub outcome: String,
    /// How many were alike within the minute.
    pub n: u64,
}

/// Writes the book. Dropping it writes what waits.
#[derive(Debug)]
pub struct Audit {
    entries: Option<SyncSender<(AuditEntry, Timestamp)>>,
    writer: Option<JoinHandle<()>>,
    n_lost: Arc<AtomicU64>,
}

impl Audit {
    /// Opens the book and starts the thread that writes; lines are kept for `keep`.
    ///
    /// # Errors
    /// [`AccessError`]
    pub fn start(path: &Path, keep: Duration) -> Result<Self, AccessError> {
        let connection = schema::open(path)?;
        let (entries, queue) = sync_channel(MAX_WAITING);
        let n_lost = Arc::new(AtomicU64::new(0));
        let lost = n_lost.clone();
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || Writer::new(connection, keep, lost).run(&queue))
            .map_err(|source| AccessError::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            entries: Some(entries),
            writer: Some(writer),
            n_lost,
        })
    }

    /// Puts an entry down; on disk within a second.
    pub fn note(&self, entry: AuditEntry) {
        let Some(entries) = &self.entries else {
            return;
        };
        if entries.try_send((entry, Timestamp::now())).is_err()
            && self.n_lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!("the audit log has holes: too much waits to be written");
        }
    }

    /// Entries that could not be written.
    pub fn n_lost(&self) -> u64 {
        self.n_lost.load(Ordering::Relaxed)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        drop(self.entries.take());
        if let Some(writer) = self.writer.take() {
            // A panic was logged by the thread.
            let _ = writer.join();
        }
    }
}

struct Writer {
    connection: Connection,
    keep: Duration,
    n_lost: Arc<AtomicU64>,
    purged_at: Option<Instant>,
    /// The day, and lines of refusals that were begun on it.
    refusals: (i64, usize),
}

impl Writer {
    fn new(connection: Connection, keep: Duration, n_lost: Arc<AtomicU64>) -> Self {
        Self {
            connection,
            keep,
            n_lost,
            purged_at: None,
            refusals: (0, 0),
        }
    }

    fn run(mut self, queue: &Receiver<(AuditEntry, Timestamp)>) {
        loop {
            self.purge_if_due();
            let first = match queue.recv_timeout(BETWEEN_PURGES) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let until = Instant::now() + GATHER;
            let mut batch: BTreeMap<(i64, AuditEntry), (Timestamp, u64)> = BTreeMap::new();
            let mut next = Some(first);
            let mut n_entries = 0;
            while let Some((entry, at)) = next {
                let minute = at.as_millisecond() / MS_OF_MINUTE;
                let line = batch.entry((minute, entry)).or_insert((at, 0));
                line.1 += 1;
                n_entries += 1;
                let rest = until.saturating_duration_since(Instant::now());
                next = match n_entries < MAX_WAITING {
                    true => queue.recv_timeout(rest).ok(),
                    false => None,
                };
            }
            if let Err(error) = self.write(&batch) {
                self.n_lost.fetch_add(n_entries as u64, Ordering::Relaxed);
                tracing::error!(%error, n_entries, "the audit log cannot be written");
            }
        }
    }

    fn write(
        &mut self,
        batch: &BTreeMap<(i64, AuditEntry), (Timestamp, u64)>,
    ) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for ((minute, entry), (at, n)) in batch {
            let day = at.as_millisecond() / MS_OF_DAY;
            if self.refusals.0 != day {
                let known = transaction
                    .prepare_cached(
                        "SELECT COUNT(*) FROM audit
                         WHERE minute >= ?1 AND outcome LIKE 'refused %'",
                    )?
                    .query_row([day * (MS_OF_DAY / MS_OF_MINUTE)], |row| row.get(0))?;
                self.refusals = (day, known);
            }
            let is_refusal = matches!(entry.outcome, Outcome::Refused(_));
            let is_flood = is_refusal && self.refusals.1 >= MAX_REFUSALS_OF_DAY;
            // Who cannot be told apart any more stands in one line.
            let (key_id, address, route) = match is_flood {
                true => ("", "*", "*"),
                false => (
                    entry.key_id.as_str(),
                    entry.address.as_str(),
                    entry.route.as_str(),
                ),
            };
            let outcome = match entry.outcome {
                Outcome::Status(status) => status.to_string(),
                Outcome::Refused(status) => format!("refused {status}"),
            };
            let n_known = transaction
                .prepare_cached(
                    "UPDATE audit SET n = n + ?8 WHERE minute = ?1 AND key_id = ?2 AND role = ?3
                     AND address = ?4 AND action = ?5 AND route = ?6 AND outcome = ?7",
                )?
                .execute(params![
                    minute,
                    key_id,
                    entry.role,
                    address,
                    entry.action,
                    route,
                    outcome,
                    n
                ])?;
            if n_known == 0 {
                transaction
                    .prepare_cached(
                        "INSERT INTO audit
                         (minute, at, key_id, role, address, action, route, outcome, n)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    )?
                    .execute(params![
                        minute,
                        at.as_millisecond(),
                        key_id,
                        entry.role,
                        address,
                        entry.action,
                        route,
                        outcome,
                        n
                    ])?;
                self.refusals.1 += usize::from(is_refusal);
            }
        }
        transaction.commit()
    }

    fn purge_if_due(&mut self) {
        let is_due = |purged_at: Instant| purged_at.elapsed() >= BETWEEN_PURGES;
        if !self.purged_at.is_none_or(is_due) {
            return;
        }
        self.purged_at = Some(Instant::now());
        let keep_ms = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp::now().as_millisecond().saturating_sub(keep_ms);
        let purged = self.connection.execute(
            "DELETE FROM audit WHERE minute < ?1",
            [oldest / MS_OF_MINUTE],
        );
        if let Err(error) = purged {
            tracing::error!(%error, "old lines of the audit log cannot be deleted");
        }
    }
}

impl KeyStore {
    /// At most `limit` lines of the book, the newest first.
    ///
    /// # Errors
    /// [`AccessError::Sqlite`]
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditRecord>, AccessError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at, key_id, role, address, action, route, outcome, n
             FROM audit ORDER BY at DESC, seq DESC LIMIT ?1",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], |row| {
            let at: i64 = row.get(1)?;
            Ok(AuditRecord {
                seq: row.get(0)?,
                at: Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH),
                key_id: row.get(2)?,
                role: row.get(3)?,
                address: row.get(4)?,
                action: row.get(5)?,
                route: row.get(6)?,
                outcome: row.get(7)?,
                n: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
