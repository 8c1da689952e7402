//! What calls teach: wordings under which agents adopted or rejected an answer.
//!
//! A wording is a lesson once it is known what its answer said then; that is looked up in the index
//! shortly after. Lessons outlive the call that they come from, without naming it, unless the call is
//! deleted on request.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::reading::{CallReader, timestamp};
use super::{FeedbackKind, NewFeedback};
use crate::document::Audience;
use crate::records::RecordsError;
use crate::retrieval::LearnedWording;

/// Shorter wordings teach nothing.
const MIN_WORDING_CHARS: usize = 4;
/// Wordings that are kept of one document, the newest.
const MAX_WORDINGS_OF_DOCUMENT: usize = 200;
/// Lessons that are read.
const MAX_LESSONS: usize = 20_000;
/// New wordings that are settled at once.
const MAX_NEW: usize = 200;

/// A wording whose answer is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWording {
    /// Names it.
    pub key: i64,
    /// The document of the answer.
    pub document_id: String,
    /// The passage that it is.
    pub passage_id: String,
    /// blake3 of the file that it was read from.
    pub content_hash: String,
}

/// What was learned of one document, for editors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaughtDocument {
    /// The document.
    pub document_id: String,
    /// Whether it counts.
    pub counts: bool,
    /// Newest first.
    pub wordings: Vec<TaughtWording>,
}

/// A wording under which a document was adopted or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaughtWording {
    /// What was learned.
    pub learned: LearnedWording,
    /// When it was adopted or rejected last.
    pub last_at: Timestamp,
}

/// What was adopted or rejected.
pub struct Answer<'f> {
    pub document_id: &'f str,
    pub passage_id: &'f str,
    pub content_hash: &'f str,
}

/// By whom, when, and to which question.
pub struct By<'f> {
    /// Key of the call.
    pub call: i64,
    pub utterance_id: Option<&'f str>,
    pub agent: Option<&'f str>,
    /// In milliseconds since 1970.
    pub at: i64,
}

/// Notes what new feedback teaches; whether it teaches something.
pub fn learn(
    transaction: &Transaction<'_>,
    feedback: &NewFeedback,
    answer: &Answer<'_>,
    by: &By<'_>,
) -> rusqlite::Result<bool> {
    let is_rejected = match feedback.kind {
        FeedbackKind::Adopted | FeedbackKind::Linked | FeedbackKind::Edited => false,
        FeedbackKind::NotHelpful | FeedbackKind::Dismissed => true,
        FeedbackKind::Displayed | FeedbackKind::Helpful => return Ok(false),
    };
    let asked: Option<String> = transaction
        .prepare_cached(
            "SELECT wording FROM questions WHERE call = ?1 AND utterance_id = ?2
             ORDER BY key DESC LIMIT 1",
        )?
        .query_row(params![by.call, by.utterance_id], |row| row.get(0))
        .optional()?
        .flatten();
    let mut has_learned = false;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO wordings
         (call, at, wording, document_id, passage_id, content_hash, audience, agent, is_rejected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET at = excluded.at, call = excluded.call,
             said = CASE WHEN content_hash = excluded.content_hash THEN said END,
             content_hash = excluded.content_hash",
    )?;
    for wording in [asked, feedback.query()].into_iter().flatten() {
        let wording = wording.trim();
        if wording.chars().count() < MIN_WORDING_CHARS {
            continue;
        }
        statement.execute(params![
            by.call,
            by.at,
            wording,
            answer.document_id,
            answer.passage_id,
            answer.content_hash,
            feedback.sight.audience.name(),
            // Agents that are not named count as one.
            by.agent.unwrap_or_default(),
            is_rejected
        ])?;
        has_learned = true;
    }
    transaction
        .prepare_cached(
            "DELETE FROM wordings WHERE document_id = ?1 AND key NOT IN
             (SELECT key FROM wordings WHERE document_id = ?1 ORDER BY at DESC, key DESC LIMIT ?2)",
        )?
        .execute(params![answer.document_id, MAX_WORDINGS_OF_DOCUMENT])?;
    Ok(has_learned)
}

impl CallReader {
    /// Wordings whose answers are to be looked up, oldest first; some of them.
    pub fn new_wordings(&self) -> Result<Vec<NewWording>, RecordsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, document_id, passage_id, content_hash FROM wordings
             WHERE said IS NULL ORDER BY key LIMIT ?1",
        )?;
        let rows = statement.query_map([MAX_NEW], |row| {
            Ok(NewWording {
                key: row.get(0)?,
                document_id: row.get(1)?,
                passage_id: row.get(2)?,
                content_hash: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was learned and counts, newest first.
    pub fn lessons(&self) -> Result<Vec<LearnedWording>, RecordsError> {
        let taught = self.taught(
            "WHERE said IS NOT NULL AND document_id NOT IN (SELECT document_id FROM unlearned)",
            "HAVING SUM(NOT is_rejected) > 0",
            &[],
        )?;
        Ok(taught.into_iter().map(|taught| taught.learned).collect())
    }

    /// What was learned of one document, or of every one; by document id.
    pub fn taught_documents(
        &self,
        document_id: Option<&str>,
    ) -> Result<Vec<TaughtDocument>, RecordsError> {
        let wordings = match document_id {
            Some(id) => self.taught("WHERE document_id = ?2", "", &[&id])?,
            None => self.taught("", "", &[])?,
        };
        let mut statement = self
            .connection
            .prepare_cached("SELECT document_id FROM unlearned")?;
        let unlearned = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<BTreeSet<String>, _>>()?;
        let mut documents: BTreeMap<String, Vec<TaughtWording>> = BTreeMap::new();
        for wording in wordings {
            let id = wording.learned.document_id.clone();
            documents.entry(id).or_default().push(wording);
        }
        let documents = documents.into_iter();
        Ok(documents
            .map(|(document_id, wordings)| TaughtDocument {
                counts: !unlearned.contains(&document_id),
                document_id,
                wordings,
            })
            .collect())
    }

    fn taught(
        &self,
        rows: &str,
        groups: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<TaughtWording>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT wording, document_id, passage_id, said, audience,
                    COUNT(DISTINCT CASE WHEN is_rejected THEN NULL ELSE agent END),
                    COUNT(DISTINCT CASE WHEN is_rejected THEN agent END), MAX(at)
             FROM wordings {rows}
             GROUP BY wording, passage_id, audience, said {groups}
             ORDER BY MAX(at) DESC, wording, passage_id LIMIT ?1"
        ))?;
        let mut all: Vec<&dyn rusqlite::ToSql> = vec![&MAX_LESSONS];
        all.extend(values);
        let rows = statement.query_map(&all[..], |row| {
            let audience: String = row.get(4)?;
            Ok(TaughtWording {
                learned: LearnedWording {
                    wording: row.get(0)?,
                    document_id: row.get(1)?,
                    passage_id: row.get(2)?,
                    said: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                    // Whoever a name of another version stands for sees at least what is internal.
                    audience: audience.parse().unwrap_or(Audience::Internal),
                    n_adopted: row.get(5)?,
                    n_rejected: row.get(6)?,
                },
                last_at: timestamp(row.get(7)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
