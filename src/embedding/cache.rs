//! Vectors on disk by model and text, so that no text is embedded twice.
//!
//! A cache: it may be deleted at any time, and a damaged file is replaced by an empty one. Knows
//! neither passages nor which texts are still in use.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::quantised::{Quantised, quantise};
use super::{Embedder, EmbeddingError};

/// The cache could not be used; the file and what SQLite said.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// SQLite failed.
    #[error("embedding cache {path}: {source}")]
    Sqlite {
        /// The file of the cache.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A damaged file could not be replaced.
    #[error("embedding cache {path} is damaged and cannot be replaced: {source}")]
    Replace {
        /// The file of the cache.
        path: PathBuf,
        /// Why it could not be deleted.
        source: std::io::Error,
    },
}

/// Vectors by model id and blake3 of the text. Used from any thread, one call at a time.
pub struct EmbeddingCache {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Texts embedded between two writes: what a crash can cost at most.
const TEXTS_PER_WRITE: usize = 256;

/// The log is cut back to this after much was written.
const MAX_LOG_BYTES: u32 = 16 << 20;

impl EmbeddingCache {
    /// Opens the cache, or creates it; a file that is no database or is damaged is replaced.
    ///
    /// # Errors
    /// If the file cannot be opened, created or replaced.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let connection = match connect(path) {
            Err(error) if is_damage(&error) => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut file = path.as_os_str().to_owned();
                    file.push(suffix);
                    match fs::remove_file(&file) {
                        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                            return Err(CacheError::Replace {
                                path: path.to_owned(),
                                source,
                            });
                        }
                        _ => {}
                    }
                }
                connect(path)
            }
            other => other,
        };
        match connection {
            Ok(connection) => Ok(Self {
                path: path.to_owned(),
                connection: Mutex::new(connection),
            }),
            Err(source) => Err(CacheError::Sqlite {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// The cached vectors of texts, in order; `None` where there is none.
    ///
    /// # Errors
    /// [`CacheError::Sqlite`] if the file cannot be read.
    pub fn get_many(
        &self,
        model: &str,
        hashes: &[blake3::Hash],
    ) -> Result<Vec<Option<Quantised>>, CacheError> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<_> {
            let Some(model) = model_number(&connection, model)? else {
                return Ok(vec![None; hashes.len()]);
            };
            let mut select = connection.prepare_cached(
                "SELECT scale, codes FROM vectors WHERE model = ?1 AND text_hash = ?2",
            )?;
            hashes
                .iter()
                .map(|hash| {
                    select
                        .query_row(params![model, hash.as_bytes()], |row| {
                            let codes: Vec<u8> = row.get(1)?;
                            let codes = codes.into_iter().map(|code| code as i8).collect();
                            Ok(Quantised {
                                codes,
                                scale: row.get::<_, f64>(0)? as f32,
                            })
                        })
                        .optional()
                })
                .collect()
        };
        read().map_err(|source| self.failed(source))
    }

    /// Keeps vectors, all or (after an error or a crash) none of them.
    ///
    /// # Errors
    /// [`CacheError::Sqlite`] if the file cannot be written.
    pub fn put_many(
        &self,
        model: &str,
        vectors: &[(blake3::Hash, Quantised)],
    ) -> Result<(), CacheError> {
        let mut connection = self.lock();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute("INSERT OR IGNORE INTO models (name) VALUES (?1)", [model])?;
            let model = model_number(&transaction, model)?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR REPLACE INTO vectors (model, text_hash, scale, codes) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for (hash, vector) in vectors {
                    let codes: Vec<u8> = vector.codes.iter().map(|&code| code as u8).collect();
                    insert.execute(params![
                        model,
                        hash.as_bytes(),
                        f64::from(vector.scale),
                        codes
                    ])?;
                }
            }
            transaction.commit()
        };
        write().map_err(|source| self.failed(source))
    }

    /// Deletes the vectors of every model but `model`.
    ///
    /// # Errors
    /// [`CacheError::Sqlite`] if the file cannot be written.
    pub fn keep_only(&self, model: &str) -> Result<(), CacheError> {
        let mut connection = self.lock();
        let mut delete = || -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM vectors WHERE model IN (SELECT id FROM models WHERE name <> ?1)",
                [model],
            )?;
            transaction.execute("DELETE FROM models WHERE name <> ?1", [model])?;
            transaction.commit()
        };
        delete().map_err(|source| self.failed(source))
    }

    /// Deletes the vectors of `model` whose text is not among `kept`; how many there were. In small
    /// steps, so that others get their turn.
    ///
    /// # Errors
    /// [`CacheError::Sqlite`] if the file cannot be written.
    pub fn keep_texts(
        &self,
        model: &str,
        kept: &HashSet<blake3::Hash>,
    ) -> Result<usize, CacheError> {
        let stored = |connection: &Connection| -> rusqlite::Result<Vec<blake3::Hash>> {
            let mut statement = connection.prepare(
                "SELECT text_hash FROM vectors WHERE model = (SELECT id FROM models WHERE name = ?1)",
            )?;
            let rows = statement.query_map([model], |row| row.get::<_, [u8; 32]>(0))?;
            rows.map(|hash| Ok(blake3::Hash::from_bytes(hash?)))
                .collect()
        };
        let stored = stored(&self.lock()).map_err(|source| self.failed(source))?;
        let outdated: Vec<_> = stored
            .into_iter()
            .filter(|hash| !kept.contains(hash))
            .collect();
        for hashes in outdated.chunks(TEXTS_PER_WRITE) {
            let mut connection = self.lock();
            let mut delete = || -> rusqlite::Result<()> {
                let transaction = connection.transaction()?;
                for hash in hashes {
                    transaction
                        .prepare_cached(
                            "DELETE FROM vectors WHERE text_hash = ?2
                             AND model = (SELECT id FROM models WHERE name = ?1)",
                        )?
                        .execute(params![model, hash.as_bytes()])?;
                }
                transaction.commit()
            };
            delete().map_err(|source| self.failed(source))?;
        }
        Ok(outdated.len())
    }

    /// The vectors of `texts`, in order: cached ones are read, the others embedded and kept.
    ///
    /// `progress` hears after each part how many of the texts are done. A cache that fails slows
    /// this down but does not stop it; the failure is logged.
    ///
    /// # Errors
    /// What the embedder reports.
    pub fn embed(
        &self,
        embedder: &dyn Embedder,
        texts: &[&str],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Quantised>, EmbeddingError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_PER_WRITE) {
            let hashes: Vec<_> = texts
                .iter()
                .map(|text| blake3::hash(text.as_bytes()))
                .collect();
            let cached = self
                .get_many(embedder.id(), &hashes)
                .unwrap_or_else(|error| {
                    tracing::warn!(%error, "embedding without the cache");
                    vec![None; texts.len()]
                });
            let missing: Vec<usize> = (0..texts.len()).filter(|&i| cached[i].is_none()).collect();
            let fresh =
                embedder.embed_passages(&missing.iter().map(|&i| texts[i]).collect::<Vec<_>>())?;
            if fresh.len() != missing.len() {
                return Err(EmbeddingError::Run(format!(
                    "{} vectors for {} texts",
                    fresh.len(),
                    missing.len()
                )));
            }
            let fresh: Vec<_> = missing
                .iter()
                .map(|&i| hashes[i])
                .zip(fresh.iter().map(|v| quantise(v)))
                .collect();
            if !fresh.is_empty()
                && let Err(error) = self.put_many(embedder.id(), &fresh)
            {
                tracing::warn!(%error, "vectors are not kept");
            }
            let mut fresh = fresh.into_iter().map(|(_, vector)| vector);
            vectors.extend(
                cached
                    .into_iter()
                    .filter_map(|vector| vector.or_else(|| fresh.next())),
            );
            progress(vectors.len());
        }
        Ok(vectors)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half-done transaction: it is rolled back when dropped.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: rusqlite::Error) -> CacheError {
        CacheError::Sqlite {
            path: self.path.clone(),
            source,
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", MAX_LOG_BYTES)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS models (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
         CREATE TABLE IF NOT EXISTS vectors (
             model INTEGER NOT NULL, text_hash BLOB NOT NULL, scale REAL NOT NULL, codes BLOB NOT NULL,
             PRIMARY KEY (model, text_hash)) WITHOUT ROWID;",
    )?;
    // Fails on a file of another layout, which is then replaced like a damaged one.
    connection.prepare("SELECT model, text_hash, scale, codes FROM vectors LIMIT 1")?;
    Ok(connection)
}

fn model_number(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM models WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Embeds a text as its length and counts how many texts it was given.
    struct Lengths(AtomicUsize);

    impl Embedder for Lengths {
        fn id(&self) -> &str {
            "lengths"
        }
        fn dimension(&self) -> usize {
            2
        }
        fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
            self.0.fetch_add(texts.len(), Ordering::Relaxed);
            Ok(texts
                .iter()
                .map(|text| vec![text.len() as f32, -1.0])
                .collect())
        }
        fn embed_query(&self, _: &str) -> Result<Vec<f32>, EmbeddingError> {
            Err(EmbeddingError::Run("not used".to_owned()))
        }
    }

    #[test]
    fn a_text_is_embedded_once_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.sqlite");
        let embedder = Lengths(AtomicUsize::new(0));
        let texts: Vec<String> = (0..600).map(|i| "云".repeat(i % 300 + 1)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut steps = Vec::new();
        let first = EmbeddingCache::open(&path)
            .unwrap()
            .embed(&embedder, &texts, &mut |n| steps.push(n))
            .unwrap();
        assert_eq!(steps, [256, 512, 600]);
        let n_embedded = embedder.0.load(Ordering::Relaxed);
        let again = EmbeddingCache::open(&path)
            .unwrap()
            .embed(&embedder, &texts, &mut |_| {})
            .unwrap();
        assert_eq!(
            embedder.0.load(Ordering::Relaxed),
            n_embedded,
            "nothing is embedded again"
        );
        assert_eq!(first, again);
        assert_eq!(again[4], quantise(&[15.0, -1.0]));
    }

    #[test]
    fn models_are_kept_apart_and_can_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = EmbeddingCache::open(&folder.path().join("v.sqlite")).unwrap();
        let hash = blake3::hash(b"x");
        cache
            .put_many("a", &[(hash, quantise(&[1.0, 2.0]))])
            .unwrap();
        cache.put_many("b", &[(hash, quantise(&[3.0]))]).unwrap();
        let get = |model| cache.get_many(model, &[hash, blake3::hash(b"y")]).unwrap();
        assert_eq!(get("a"), [Some(quantise(&[1.0, 2.0])), None]);
        assert_eq!(get("b"), [Some(quantise(&[3.0])), None]);
        let other = blake3::hash(b"z");
        cache.put_many("b", &[(other, quantise(&[4.0]))]).unwrap();
        assert_eq!(cache.keep_texts("b", &HashSet::from([hash])).unwrap(), 1);
        assert_eq!(cache.get_many("b", &[other]).unwrap(), [None]);
        assert!(get("a")[0].is_some() && get("b")[0].is_some());
        cache.keep_only("b").unwrap();
        assert_eq!((get("a"), get("b")[0].is_some()), (vec![None, None], true));
    }

    #[test]
    fn a_damaged_or_foreign_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.sqlite");
        fs::write(&path, "这不是数据库".repeat(300)).unwrap();
        EmbeddingCache::open(&path)
            .unwrap()
            .put_many("a", &[(blake3::hash(b"x"), quantise(&[1.0]))])
            .unwrap();
        fs::remove_file(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE vectors (other TEXT)")
            .unwrap();
        let cache = EmbeddingCache::open(&path).unwrap();
        assert_eq!(cache.get_many("a", &[blake3::hash(b"x")]).unwrap(), [None]);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = EmbeddingCache::open(folder.path())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
