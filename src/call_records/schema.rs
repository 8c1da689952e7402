//! The tables. Times are milliseconds since 1970.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::owners;
use crate::records::RecordsError;
use crate::sight::Sight;

/// Layout of the database; raised with every change of it, each with a migration.
pub const VERSION: i64 = 2;

/// The log is cut back to this after a batch that made it larger.
const MAX_LOG_BYTES: u32 = 4 << 20;
/// How long the writer waits for readers before it empties the log; else it tries again later.
const WRITER_PATIENCE: Duration = Duration::from_millis(100);
/// How long a reader waits for the writer.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// Rows of a call carry its key; deleting a call deletes them.
const FIRST: &str = "
CREATE TABLE calls (
    key INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    ended_at INTEGER,
    agent TEXT,
    region TEXT,
    channel TEXT,
    revision INTEGER NOT NULL DEFAULT 0,
    UNIQUE (call_id, started_at)
);
CREATE INDEX calls_by_start ON calls (started_at);
CREATE INDEX calls_by_last ON calls (last_at);
CREATE INDEX open_calls ON calls (last_at) WHERE ended_at IS NULL;
CREATE TABLE utterances (
    key INTEGER PRIMARY KEY,
    call INTEGER NOT NULL REFERENCES calls (key) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    utterance_id TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX utterances_by_call ON utterances (call);
CREATE TABLE questions (
    key INTEGER PRIMARY KEY,
    call INTEGER NOT NULL REFERENCES calls (key) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    utterance_id TEXT NOT NULL,
    question TEXT NOT NULL,
    wording TEXT,
    document_id TEXT,
    department TEXT,
    confidence REAL,
    is_answered INTEGER NOT NULL
);
CREATE INDEX questions_by_call ON questions (call);
CREATE INDEX questions_by_time ON questions (at);
CREATE TABLE recommendations (
    call INTEGER NOT NULL REFERENCES calls (key) ON DELETE CASCADE,
    recommendation_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    is_script INTEGER NOT NULL,
    utterance_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    document_id TEXT NOT NULL,
    passage_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    title TEXT NOT NULL,
    department TEXT,
    confidence REAL NOT NULL,
    PRIMARY KEY (call, recommendation_id)
) WITHOUT ROWID;
CREATE TABLE feedback (
    key INTEGER PRIMARY KEY,
    call INTEGER NOT NULL REFERENCES calls (key) ON DELETE CASCADE,
    feedback_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT,
    recommendation_id TEXT,
    utterance_id TEXT,
    document_id TEXT NOT NULL,
    passage_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    department TEXT,
    ticket TEXT,
    text TEXT,
    query TEXT,
    after_utterance INTEGER NOT NULL,
    UNIQUE (call, feedback_id)
);
CREATE INDEX feedback_by_time ON feedback (at);
CREATE TABLE wordings (
    key INTEGER PRIMARY KEY,
    call INTEGER REFERENCES calls (key) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    wording TEXT NOT NULL,
    document_id TEXT NOT NULL,
    passage_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    said TEXT,
    audience TEXT NOT NULL,
    agent TEXT,
    is_rejected INTEGER NOT NULL,
    UNIQUE (wording, passage_id, audience, agent, is_rejected)
);
CREATE INDEX wordings_by_call ON wordings (call);
CREATE INDEX wordings_by_document ON wordings (document_id, at);
CREATE INDEX new_wordings ON wordings (key) WHERE said IS NULL;
CREATE TABLE unlearned (
    document_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Layout 1 → 2: what whoever began a call may see.
const TO_SECOND: &str = "
CREATE TABLE owners (key INTEGER PRIMARY KEY, sight TEXT NOT NULL UNIQUE);
ALTER TABLE calls ADD COLUMN owner INTEGER;
";

/// Opens the database for writing. What is deleted is overwritten with zeros. Calls that were kept
/// before they had owners get `owner`.
pub fn open(path: &Path, owner: &Sight) -> Result<Connection, RecordsError> {
    let fault = |source| RecordsError::Open {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open(path).map_err(fault)?;
    let settings = connection
        .pragma_update(None, "secure_delete", true)
        .and_then(|()| connection.pragma_update(None, "journal_mode", "WAL"))
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        .and_then(|()| connection.pragma_update(None, "journal_size_limit", MAX_LOG_BYTES))
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        .and_then(|()| connection.busy_timeout(WRITER_PATIENCE));
    settings.map_err(fault)?;
    match version(&connection).map_err(fault)? {
        0 => {
            let script =
                format!("BEGIN; {FIRST}{TO_SECOND} PRAGMA user_version = {VERSION}; COMMIT;");
            connection.execute_batch(&script).map_err(fault)?;
        }
        1 => {
            let script = format!("BEGIN; {TO_SECOND} PRAGMA user_version = {VERSION}; COMMIT;");
            connection.execute_batch(&script).map_err(fault)?;
        }
        VERSION => {}
        found => return Err(other_version(path, found)),
    }
    let is_owned = owners::key_of(&connection, owner).and_then(|key| {
        connection.execute("UPDATE calls SET owner = ?1 WHERE owner IS NULL", [key])
    });
    is_owned.map_err(fault)?;
    Ok(connection)
}

/// Opens the database beside the writer. Changes nothing.
pub fn open_read_only(path: &Path) -> Result<Connection, RecordsError> {
    let fault = |source| RecordsError::Open {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(READER_PATIENCE).map_err(fault)?;
    match version(&connection).map_err(fault)? {
        VERSION => Ok(connection),
        found => Err(other_version(path, found)),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn other_version(path: &Path, found: i64) -> RecordsError {
    RecordsError::Version {
        path: path.to_owned(),
        found,
        expected: VERSION,
    }
}
