//! Receipts: what became searchable, when, in which generation.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Records, RecordsError};

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// New, or readable for the first time.
    Added,
    /// Its content or its metadata changed.
    Modified,
    /// The same content stands at another path.
    Moved,
    /// Gone, with all its documents.
    Removed,
    /// Could not be read; what was served of it before goes on serving.
    Failed,
}

impl Change {
    const ALL: [Self; 5] = [
        Self::Added,
        Self::Modified,
        Self::Moved,
        Self::Removed,
        Self::Failed,
    ];

    /// The name in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Moved => "moved",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

/// A receipt before it has a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReceipt {
    /// The file, relative to the corpus.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// blake3 of the file's bytes; `None` when it is gone.
    pub content_hash: Option<String>,
    /// Where a moved file stood before.
    pub from: Option<String>,
    /// When the change was noticed.
    pub detected_at: Timestamp,
    /// Passages of the file that are searchable now.
    pub n_passages: u32,
    /// Why it failed, for editors.
    pub error: Option<String>,
}

/// One change of one file, as it became visible. Numbered without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Counts receipts from 1; never given twice.
    pub seq: u64,
    /// When every query began to see it; to the millisecond.
    pub searchable_at: Timestamp,
    /// The generation that shows it.
    pub generation: u64,
    /// What happened.
    pub what: NewReceipt,
}

impl Receipt {
    /// From noticing to searchable, in milliseconds; clocks that are set back give 0.
    pub fn lag_ms(&self) -> u64 {
        let lag = self.searchable_at.as_millisecond() - self.what.detected_at.as_millisecond();
        u64::try_from(lag).unwrap_or(0)
    }
}

impl Records {
    /// The number of the newest receipt; 0 when there is none.
    pub fn last_seq(&self) -> Result<u64, RecordsError> {
        Ok(self
            .connection
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM receipts")?
            .query_row([], |row| row.get(0))?)
    }

    /// At most `limit` receipts after number `seq`, in order.
    pub fn receipts_after(&self, seq: u64, limit: usize) -> Result<Vec<Receipt>, RecordsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, path, change, content_hash, from_path, detected_at, searchable_at,
                    generation, n_passages, error
             FROM receipts WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        // SQLite counts in signed numbers; what is beyond them has no receipts after it.
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![seq, limit], receipt_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn receipt_of(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    let time = |column: usize| -> rusqlite::Result<Timestamp> {
        let ms: i64 = row.get(column)?;
        Ok(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    };
    let name: String = row.get(2)?;
    let change = Change::ALL.into_iter().find(|change| change.name() == name);
    Ok(Receipt {
        seq: row.get(0)?,
        searchable_at: time(6)?,
        generation: row.get(7)?,
        what: NewReceipt {
            path: row.get(1)?,
            change: change.ok_or(rusqlite::Error::InvalidQuery)?,
            content_hash: row.get(3)?,
            from: row.get(4)?,
            detected_at: time(5)?,
            n_passages: row.get(8)?,
            error: row.get(9)?,
        },
    })
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    receipts: &[NewReceipt],
    generation: u64,
    searchable_at: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO receipts (seq, path, change, content_hash, from_path, detected_at,
                               searchable_at, generation, n_passages, error)
         VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM receipts), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for receipt in receipts {
        statement.execute(params![
            receipt.path,
            receipt.change.name(),
            receipt.content_hash,
            receipt.from,
            receipt.detected_at.as_millisecond(),
            searchable_at.as_millisecond(),
            generation,
            receipt.n_passages,
            receipt.error,
        ])?;
    }
    Ok(())
}
