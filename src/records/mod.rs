//! What Zhiku remembers beside the search index: `index/records.sqlite`.
//!
//! Which files were read, what became of them, which documents they hold and held, and what editors
//! should look at. The search index can be rebuilt from the corpus; this file cannot, so it is never
//! overwritten, and nothing but this module touches it. What is kept of calls has a file of its own.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

mod comparison;
mod receipts;
mod schema;
mod update;
mod versions;

pub use comparison::{Difference, KeyChange, PassageChange, compare, compare_metadata};
pub use receipts::{Change, NewReceipt, Receipt};
use schema::SCHEMA_VERSION;
pub use update::Update;
pub use versions::{NewVersion, Version, id_within};

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
        "{path} has layout {found}, this version reads {expected}: use a matching version of zhiku"
    )]
    Version {
        /// The database file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The layout of this version.
        expected: i64,
    },
    /// A kept state of a document cannot be written or read back.
    #[error("records.sqlite: a version of {document_id} is damaged: {source}")]
    Body {
        /// The document's id.
        document_id: String,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("the records: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// How reading a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the corpus.
    pub path: String,
    /// blake3 over the file, its sidecar and the folder defaults above it, of the same state.
    pub source_hash: String,
    /// blake3 of the bytes of the state that is indexed or, if none is, that was tried last.
    pub content_hash: String,
    /// How reading it ended.
    pub outcome: FileOutcome,
    /// Why it is not loaded, for editors.
    pub reason: Option<String>,
    /// Passages of its documents.
    pub n_passages: u32,
    /// Whether the last state that could be read goes on serving in place of the one there is.
    pub is_stale: bool,
}

/// One indexed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// The document's id.
    pub id: String,
    /// Its file, relative to the corpus.
    pub path: String,
    /// blake3 over everything that is indexed of it.
    pub fingerprint: String,
}

/// A finding of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            .and_then(|()| connection.pragma_update(None, "journal_size_limit", MAX_LOG_BYTES))
            .map_err(fault)?;
        schema::bring_up_to_date(&connection, path)?;
        Ok(Self { connection })
    }

    /// Opens the database beside a process that writes it. Changes nothing.
    ///
    /// # Errors
    /// As [`Records::open`], and when there is none.
    pub fn open_read_only(path: &Path) -> Result<Self, RecordsError> {
        let fault = |source| RecordsError::Open {
            path: path.to_owned(),
            source,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
        let waits = std::time::Duration::from_secs(5);
        connection.busy_timeout(waits).map_err(fault)?;
        let found = schema::version(&connection).map_err(fault)?;
        if found != SCHEMA_VERSION {
            return Err(RecordsError::Version {
                path: path.to_owned(),
                found,
                expected: SCHEMA_VERSION,
            });
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
            .prepare_cached(&format!("SELECT {FILE_COLUMNS} FROM files ORDER BY path"))?;
        let rows = statement.query_map([], file_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file of that path, and the files in the folder of that path and below; by path. The empty
    /// path is the corpus.
    pub fn files_below(&self, path: &str) -> Result<Vec<FileRecord>, RecordsError> {
        if path.is_empty() {
            return self.files();
        }
        // `0` follows `/`: the range holds all that begins with `path/`.
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {FILE_COLUMNS} FROM files
             WHERE path = ?1 OR (path > ?1 || '/' AND path < ?1 || '0') ORDER BY path"
        ))?;
        let rows = statement.query_map([path], file_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One file, if it was read.
    pub fn file(&self, path: &str) -> Result<Option<FileRecord>, RecordsError> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {FILE_COLUMNS} FROM files WHERE path = ?1"))?
            .query_row([path], file_of)
            .optional()?)
    }

    /// Paths of the files whose last readable state goes on serving, ascending.
    pub fn stale_paths(&self) -> Result<Vec<String>, RecordsError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT path FROM files WHERE is_stale ORDER BY path")?;
        let rows = statement.query_map([], |row| row.get(0))?;
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
}

/// The log is cut back to this after a build that made it larger.
const MAX_LOG_BYTES: u32 = 4 << 20;

const FILE_COLUMNS: &str = "path, source_hash, content_hash, outcome, reason, n_passages, is_stale";

fn file_of(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    let outcome: String = row.get(3)?;
    Ok(FileRecord {
        path: row.get(0)?,
        source_hash: row.get(1)?,
        content_hash: row.get(2)?,
        // An outcome that this version does not know is read again as a failure.
        outcome: FileOutcome::from_name(&outcome).unwrap_or(FileOutcome::Failed),
        reason: row.get(4)?,
        n_passages: row.get(5)?,
        is_stale: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn file(path: &str, outcome: FileOutcome) -> FileRecord {
        FileRecord {
            path: path.into(),
            source_hash: format!("h:{path}"),
            content_hash: format!("c:{path}"),
            outcome,
            reason: None,
            n_passages: 2,
            is_stale: false,
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
            .apply(
                Update {
                    generation: 1,
                    files: vec![
                        file("a.csv", FileOutcome::Loaded),
                        file("b.pdf", FileOutcome::NoText),
                    ],
                    documents: vec![document("a.csv#2", "a.csv"), document("a.csv#3", "a.csv")],
                    ..Update::default()
                },
                Timestamp::UNIX_EPOCH,
            )
            .unwrap();
        records
            .apply(
                Update {
                    generation: 2,
                    removed_files: vec!["b.pdf".into()],
                    files: vec![file("a.csv", FileOutcome::Loaded)],
                    documents: vec![document("a.csv#3", "a.csv")],
                    ..Update::default()
                },
                Timestamp::UNIX_EPOCH,
            )
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
    fn a_folder_holds_what_is_below_it_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut records = Records::open(&folder.path().join("records.sqlite")).unwrap();
        let paths = ["a", "a.md", "a/b.md", "a/c/d.md", "a0", "a/", "ab/e.md"];
        let update = Update {
            files: paths.map(|path| file(path, FileOutcome::Loaded)).into(),
            ..Update::default()
        };
        records.apply(update, Timestamp::UNIX_EPOCH).unwrap();
        let below = |path: &str| {
            let files = records.files_below(path).unwrap().into_iter();
            files.map(|file| file.path).collect::<Vec<_>>()
        };
        assert_eq!(below("a"), ["a", "a/b.md", "a/c/d.md"]);
        assert_eq!(below("a/c/d.md"), ["a/c/d.md"]);
        assert_eq!(below("").len(), paths.len());
    }

    #[test]
    fn receipts_are_numbered_and_an_interrupted_update_is_finished_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let receipt = |path: &str| NewReceipt {
            path: path.into(),
            change: Change::Added,
            content_hash: Some("c".into()),
            from: None,
            detected_at: Timestamp::UNIX_EPOCH,
            n_passages: 1,
            error: None,
        };
        let update = |generation: u64, path: &str| Update {
            generation,
            files: vec![file(path, FileOutcome::Loaded)],
            receipts: vec![receipt(path)],
            ..Update::default()
        };
        let now = Timestamp::from_millisecond(7).unwrap();
        let mut records = Records::open(&path).unwrap();
        records.apply(update(1, "a.md"), now).unwrap();
        records.prepare(&update(2, "b.md")).unwrap();
        drop(records);

        // The index never got to generation 2.
        let mut records = Records::open(&path).unwrap();
        assert!(!records.finish_interrupted(1, now).unwrap());
        assert!(!records.finish_interrupted(2, now).unwrap(), "forgotten");
        assert_eq!(records.last_seq().unwrap(), 1);

        // The index got there, the records did not.
        records.prepare(&update(2, "b.md")).unwrap();
        drop(records);
        let mut records = Records::open(&path).unwrap();
        assert!(records.finish_interrupted(2, now).unwrap());
        assert!(!records.finish_interrupted(2, now).unwrap());
        assert_eq!(records.generation().unwrap(), 2);
        let receipts = records.receipts_after(0, 10).unwrap();
        let seen: Vec<_> = receipts
            .iter()
            .map(|r| (r.seq, &r.what.path[..], r.generation))
            .collect();
        assert_eq!(seen, [(1, "a.md", 1), (2, "b.md", 2)]);
        assert_eq!(records.receipts_after(1, 10).unwrap(), receipts[1..]);
        assert_eq!(records.receipts_after(0, 1).unwrap(), receipts[..1]);
    }

    #[test]
    fn records_of_the_first_layout_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(schema::FIRST).unwrap();
        old.execute_batch(
            "INSERT INTO files VALUES ('a.md', 's', 'loaded', NULL);
             INSERT INTO documents VALUES ('a.md', 'a.md', 'f');
             INSERT INTO meta VALUES ('generation', '7'); PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let records = Records::open(&path).unwrap();
        assert_eq!(records.generation().unwrap(), 7);
        assert_eq!(records.files().unwrap()[0].source_hash, "s");
        assert_eq!(records.documents_of("a.md").unwrap().len(), 1);
        assert_eq!(records.last_seq().unwrap(), 0);
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
