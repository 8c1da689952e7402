//! Writing what one build changed.
//!
//! Index and records cannot change in one step. So an update is put down before the index commits
//! ([`Records::prepare`]) and applied after it; whoever finds one put down at the next start knows
//! from the index's generation whether it counts ([`Records::finish_interrupted`]).

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{
    DocumentRecord, FileRecord, FindingRecord, NewReceipt, NewVersion, Records, RecordsError,
    receipts, versions,
};

/// Everything that one build changes in the records; written in one transaction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Update {
    /// Forget files, documents and findings first: the build started from nothing.
    pub reset: bool,
    /// The generation that the build made visible.
    pub generation: u64,
    /// Files that are gone, with their documents and findings.
    pub removed_files: Vec<String>,
    /// Files that were read again; their documents and findings are replaced.
    pub files: Vec<FileRecord>,
    /// Files that could not be read; their documents stay, their findings are replaced.
    pub stale_files: Vec<FileRecord>,
    /// Documents of `files`.
    pub documents: Vec<DocumentRecord>,
    /// Documents that are in none of `files` any more, or whose file is gone.
    pub removed_documents: Vec<String>,
    /// States of `documents` that are not kept yet.
    pub versions: Vec<NewVersion>,
    /// Findings of `files` and `stale_files`.
    pub findings: Vec<FindingRecord>,
    /// In the order in which they are numbered.
    pub receipts: Vec<NewReceipt>,
}

impl Update {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        !self.reset
            && self.removed_files.is_empty()
            && self.files.is_empty()
            && self.stale_files.is_empty()
            && self.receipts.is_empty()
    }
}

impl Records {
    /// Puts down what [`Records::apply`] will write once the index has committed
    /// `update.generation`. On disk when it returns.
    pub fn prepare(&mut self, update: &Update) -> Result<(), RecordsError> {
        let body = serde_json::to_string(update)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO pending (only, generation, body) VALUES (1, ?1, ?2)",
            )?
            .execute(params![update.generation, body])?;
        Ok(())
    }

    /// Writes what one build changed, visible since `searchable_at`. All of it or nothing.
    pub fn apply(&mut self, update: Update, searchable_at: Timestamp) -> Result<(), RecordsError> {
        let transaction = self.connection.transaction()?;
        write(&transaction, &update, searchable_at)?;
        transaction.commit()?;
        Ok(())
    }

    /// Ends what an interrupted run put down: applied if the index got to `serving`, that update's
    /// generation, forgotten if it did not. Whether one was applied.
    pub fn finish_interrupted(
        &mut self,
        serving: u64,
        now: Timestamp,
    ) -> Result<bool, RecordsError> {
        let transaction = self.connection.transaction()?;
        let put_down: Option<(u64, String)> = transaction
            .prepare_cached("SELECT generation, body FROM pending")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((generation, body)) = put_down else {
            return Ok(false);
        };
        let counts = generation == serving;
        if counts {
            let update: Update = serde_json::from_str(&body)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            write(&transaction, &update, now)?;
        } else {
            transaction.execute("DELETE FROM pending", [])?;
        }
        transaction.commit()?;
        Ok(counts)
    }
}

fn write(
    transaction: &Transaction<'_>,
    update: &Update,
    searchable_at: Timestamp,
) -> rusqlite::Result<()> {
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
        for file in &update.stale_files {
            transaction
                .prepare_cached("DELETE FROM findings WHERE path = ?1")?
                .execute([&file.path])?;
        }
    }
    let mut file = transaction.prepare_cached(
        "INSERT OR REPLACE INTO files
             (path, source_hash, content_hash, outcome, reason, n_passages, is_stale)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for record in update.files.iter().chain(&update.stale_files) {
        file.execute(params![
            record.path,
            record.source_hash,
            record.content_hash,
            record.outcome.name(),
            record.reason,
            record.n_passages,
            record.is_stale,
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
    versions::write(transaction, update, searchable_at)?;
    receipts::insert(
        transaction,
        &update.receipts,
        update.generation,
        searchable_at,
    )?;
    transaction.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('generation', ?1)",
        [update.generation.to_string()],
    )?;
    transaction.execute("DELETE FROM pending", [])?;
    Ok(())
}
