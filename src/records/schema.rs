//! The tables, and how an older layout becomes the present one.

use std::path::Path;

use rusqlite::Connection;

use super::RecordsError;

/// Layout of the database; raised with every change of it, each with a migration.
pub const SCHEMA_VERSION: i64 = 3;

/// Layout 1.
pub const FIRST: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    path TEXT PRIMARY KEY,
    source_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT
) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_by_path ON documents (path);
CREATE TABLE findings (
    path TEXT NOT NULL,
    is_error INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX findings_by_path ON findings (path);
";

/// Layout 1 → 2: what a receipt needs of a file, the receipts, the states of documents, and the
/// update under way.
const TO_SECOND: &str = "
ALTER TABLE files ADD COLUMN content_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN n_passages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN is_stale INTEGER NOT NULL DEFAULT 0;
CREATE INDEX stale_files ON files (path) WHERE is_stale;
CREATE TABLE receipts (
    seq INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    change TEXT NOT NULL,
    content_hash TEXT,
    from_path TEXT,
    detected_at INTEGER NOT NULL,
    searchable_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    n_passages INTEGER NOT NULL,
    error TEXT
);
CREATE INDEX receipts_by_path ON receipts (path);
CREATE TABLE versions (
    document_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    path TEXT NOT NULL,
    title TEXT NOT NULL,
    fingerprint NOT NULL,
    content_hash NOT NULL,
    audience TEXT NOT NULL,
    n_passages INTEGER NOT NULL,
    searchable_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    ended_at INTEGER,
    moved_from TEXT,
    body BLOB NOT NULL,
    PRIMARY KEY (document_id, version)
);
CREATE TABLE pending (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    generation INTEGER NOT NULL,
    body TEXT NOT NULL
);
";

/// Layout 2 → 3: what stood at a path is looked up for every receipt that is shown.
const TO_THIRD: &str = "
CREATE INDEX versions_by_path ON versions (path);
";

/// The layout of a database; 0 for an empty one.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Makes the tables, or brings those of an older layout up to date, all or nothing.
pub fn bring_up_to_date(connection: &Connection, path: &Path) -> Result<(), RecordsError> {
    let fault = |source| RecordsError::Open {
        path: path.to_owned(),
        source,
    };
    let found = version(connection).map_err(fault)?;
    let steps = match found {
        0 => format!("{FIRST}{TO_SECOND}{TO_THIRD}"),
        1 => format!("{TO_SECOND}{TO_THIRD}"),
        2 => TO_THIRD.to_owned(),
        SCHEMA_VERSION => return Ok(()),
        found => {
            return Err(RecordsError::Version {
                path: path.to_owned(),
                found,
                expected: SCHEMA_VERSION,
            });
        }
    };
    let script = format!("BEGIN; {steps} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;");
    connection.execute_batch(&script).map_err(fault)
}
