//! The tables of `access.sqlite`. Times are milliseconds since 1970.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::AccessError;

/// Layout of the database; raised with every change of it, each with a migration.
const VERSION: i64 = 1;

/// How long a process waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// `revision` is raised with every change of a key: the book is written far more often.
const FIRST: &str = "
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    name TEXT,
    role TEXT NOT NULL,
    departments TEXT NOT NULL,
    regions TEXT NOT NULL,
    rate REAL,
    burst INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) WITHOUT ROWID;
CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 1), keys INTEGER NOT NULL);
INSERT INTO revision VALUES (1, 0);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    minute INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    route TEXT NOT NULL,
    outcome TEXT NOT NULL,
    n INTEGER NOT NULL
);
CREATE INDEX audit_by_minute ON audit (minute);
";

/// Opens the database, creating it when it does not exist: readable by its owner alone.
pub fn open(path: &Path) -> Result<Connection, AccessError> {
    let fault = |source| AccessError::Open {
        path: path.to_owned(),
        source,
    };
    create_private(path)?;
    let connection = Connection::open(path).map_err(fault)?;
    let settings = connection
        .busy_timeout(PATIENCE)
        .and_then(|()| connection.pragma_update(None, "journal_mode", "WAL"))
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"));
    settings.map_err(fault)?;
    // Two processes may begin at once: who comes second finds the tables there.
    connection.execute_batch("BEGIN IMMEDIATE").map_err(fault)?;
    let made = match version(&connection).map_err(fault)? {
        0 => connection
            .execute_batch(&format!("{FIRST} PRAGMA user_version = {VERSION};"))
            .map_err(fault),
        VERSION => Ok(()),
        found => Err(AccessError::Version {
            path: path.to_owned(),
            found,
            expected: VERSION,
        }),
    };
    let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end).map_err(fault)?;
    made.map(|()| connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn create_private(path: &Path) -> Result<(), AccessError> {
    let fault = |source| AccessError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(fault(error)),
        _ => Ok(()),
    }
}
