//! What Zhiku remembers beside the search index: `index/records.sqlite`.
//!
//! Which files were read, what became of them, which documents they hold and what editors should
//! look at. The search index can be rebuilt from the corpus; this file cannot, so it is never
//! overwritten, and nothing but this module touches it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

/// Layout of the database; raised with every change of it, each with a migration.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
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

/// Why the records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file cannot be opened or is not a database.
    #[error(
        "{path} cannot be used: {source}. It is never overwritten: move it aside to start with empty records, or restore it from a backup"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was written by another version.
    #[error(
        "{path} has layout {found}, this version reads {SCHEMA_VERSION}: use a matching version of zhiku"
    )]
    Version {
        /// The database file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// A statement failed.
    #[error("records.sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// How reading a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileOutcome {
    /// Its documents are indexed.
    Loaded,
    /// Not something Zhiku reads.
    Skipped,
    /// Readable, but without text.
    NoText,
    /// Could not be read.
    Failed,
}

impl FileOutcome {
    /// The name in the database and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Skipped => "skipped",
            Self::NoText => "no_text",
            Self::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Loaded, Self::Skipped, Self::NoText, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}

/// One file as it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// Relative to the corpus.
    pub path: String,
    /// blake3 over the file, its sidecar and the folder defaults above it.
    pub source_hash: String,
    /// How reading it ended.
    pub outcome: FileOutcome,
    /// Why it is not loaded, for editors.
    pub reason: Option<String>,
}

/// One indexed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRecord {
    /// The document's id.
    pub id: String,
    /// Its file, relative to the corpus.
    pub path: String,
    /// blake3 over everything that is indexed of it.
    pub fingerprint: String,
}

/// A finding of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRecord {
    /// The file, relative to the corpus.
    pub path: String,
    /// Whether it must be mended.
    pub error: bool,
    /// Stable name.
    pub code: String,
    /// For editors, in Chinese.
    pub message: String,
}

/// Everything that one build changes in the records; written in one transaction.
#[derive(Debug, Default)]
pub struct Update {
    /// Forget everything first: the build started from nothing.
    pub reset: bool,
    /// The generation that the build made visible.
    pub generation: u64,
    /// Files that are gone, with their documents and findings.
    pub removed_files: Vec<String>,
    /// Files that were read again; their documents and findings are replaced.
    pub files: Vec<FileRecord>,
    /// Documents of `files`.
    pub documents: Vec<DocumentRecord>,
    /// Findings of `files`.
    pub findings: Vec<FindingRecord>,
}

/// The open database. One process at a time: the index folder's lock guards it.
#[derive(Debug)]
pub struct Records {
    connection: Connection,
}

impl Records {
    /// Opens the database, creating it when it does not exist.
    ///
    /// # Errors
    /// [`RecordsError::Open`] for a damaged file, [`RecordsError::Version`] for another layout;
    /// the file is left as it is in both cases.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        let fault = |source| RecordsError::Open {
            path: path.to_owned(),
            source,
        };
        let connection = Connection::open(path).map_err(fault)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
            .map_err(fault)?;
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(fault)?;
        match found {
            SCHEMA_VERSION => {}
            0 => connection
                .execute_batch(&format!(
                    "BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                ))
                .map_err(fault)?,
            found => {
                return Err(RecordsError::Version {
                    path: path.to_owned(),
                    found,
                });
            }
        }
        Ok(Self { connection })
    }

    /// The generation that the records describe; 0 before the first build.
    pub fn generation(&self) -> Result<u64, RecordsError> {
        let stored: Option<String> = self
            .connection
            .query_row(
                "SELECT value FROM meta WHERE key = 'generation'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Ok(stored.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Every file that was read, by path.
    pub fn files(&self) -> Result<Vec<FileRecord>, RecordsError> {
        let mut statement = self
            .connection
            .prepare("SELECT path, source_hash, outcome, reason FROM files ORDER BY path")?;
        let rows = statement.query_map([], |row| {
            let outcome: String = row.get(2)?;
            Ok(FileRecord {
                path: row.get(0)?,
                source_hash: row.get(1)?,
                // An outcome that this version does not know is read again as a failure.
                outcome: FileOutcome::from_name(&outcome).unwrap_or(FileOutcome::Failed),
                reason: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The documents of one file, by id.
    pub fn documents_of(&self, path: &str) -> Result<Vec<DocumentRecord>, RecordsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, path, fingerprint FROM documents WHERE path = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([path], |row| {
            Ok(DocumentRecord {
                id: row.get(0)?,
                path: row.get(1)?,
                fingerprint: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file that holds a document, if it is indexed.
    pub fn path_of(&self, document_id: &str) -> Result<Option<String>, RecordsError> {
        Ok(self
            .connection
            .prepare_cached("SELECT path FROM documents WHERE id = ?1")?
            .query_row([document_id], |row| row.get(0))
            .optional()?)
    }

    /// Everything that editors should look at, by path.
    pub fn findings(&self) -> Result<Vec<FindingRecord>, RecordsError> {
        let mut statement = self.connection.prepare(
            "SELECT path, is_error, code, message FROM findings ORDER BY path, is_error DESC, code, message",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(FindingRecord {
                path: row.get(0)?,
                error: row.get(1)?,
                code: row.get(2)?,
                message: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes what one build changed. All of it or nothing.
    pub fn apply(&mut self, update: &Update) -> Result<(), RecordsError> {
        let transaction = self.connection.transaction()?;
        if update.reset {
            transaction
                .execute_batch("DELETE FROM files; DELETE FROM documents; DELETE FROM findings;")?;
        } else {
            let touched = update.files.iter().map(|file| &file.path);
            for path in update.removed_files.iter().chain(touched) {
                for statement in [
                    "DELETE FROM files WHERE path = ?1",
                    "DELETE FROM documents WHERE path = ?1",
                    "DELETE FROM findings WHERE path = ?1",
                ] {
                    transaction.prepare_cached(statement)?.execute([path])?;
                }
            }
        }
        insert(&transaction, update)?;
        transaction.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('generation', ?1)",
            [update.generation.to_string()],
        )?;
        transaction.commit()?;
        Ok(())
    }
}

fn insert(transaction: &rusqlite::Transaction<'_>, update: &Update) -> Result<(), RecordsError> {
    let mut file = transaction.prepare_cached(
        "INSERT INTO files (path, source_hash, outcome, reason) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for record in &update.files {
        file.execute(params![
            record.path,
            record.source_hash,
            record.outcome.name(),
            record.reason
        ])?;
    }
    let mut document = transaction
        .prepare_cached("INSERT INTO documents (id, path, fingerprint) VALUES (?1, ?2, ?3)")?;
    for record in &update.documents {
        document.execute(params![record.id, record.path, record.fingerprint])?;
    }
    let mut finding = transaction.prepare_cached(
        "INSERT INTO findings (path, is_error, code, message) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for record in &update.findings {
        finding.execute(params![
            record.path,
            record.error,
            record.code,
            record.message
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, outcome: FileOutcome) -> FileRecord {
        FileRecord {
            path: path.into(),
            source_hash: format!("h:{path}"),
            outcome,
            reason: None,
        }
    }

    fn document(id: &str, path: &str) -> DocumentRecord {
        DocumentRecord {
            id: id.into(),
            path: path.into(),
            fingerprint: format!("f:{id}"),
        }
    }

    #[test]
    fn an_update_replaces_what_a_file_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let mut records = Records::open(&path).unwrap();
        assert_eq!(records.generation().unwrap(), 0);
        records
            .apply(&Update {
                generation: 1,
                files: vec![
                    file("a.csv", FileOutcome::Loaded),
                    file("b.pdf", FileOutcome::NoText),
                ],
                documents: vec![document("a.csv#2", "a.csv"), document("a.csv#3", "a.csv")],
                ..Update::default()
            })
            .unwrap();
        records
            .apply(&Update {
                generation: 2,
                removed_files: vec!["b.pdf".into()],
                files: vec![file("a.csv", FileOutcome::Loaded)],
                documents: vec![document("a.csv#3", "a.csv")],
                ..Update::default()
            })
            .unwrap();
        drop(records);

        let records = Records::open(&path).unwrap();
        assert_eq!(records.generation().unwrap(), 2);
        assert_eq!(
            records.files().unwrap(),
            vec![file("a.csv", FileOutcome::Loaded)]
        );
        assert_eq!(
            records.documents_of("a.csv").unwrap(),
            vec![document("a.csv#3", "a.csv")]
        );
        assert_eq!(records.path_of("a.csv#2").unwrap(), None);
        assert_eq!(
            records.path_of("a.csv#3").unwrap().as_deref(),
            Some("a.csv")
        );
    }

    #[test]
    fn a_damaged_file_is_reported_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let damaged = b"this is no database, but somebody may still need it".repeat(40);
        std::fs::write(&path, &damaged).unwrap();
        let error = Records::open(&path).unwrap_err().to_string();
        assert!(error.contains("records.sqlite cannot be used"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
}
