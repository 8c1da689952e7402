//! What calls add up to, of those that the reader may see.

use jiff::Timestamp;
use rusqlite::params;

use super::owners;
use super::reading::{CallReader, timestamp};
use crate::records::RecordsError;
use crate::sight::Sight;

/// From the first moment, to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment that counts.
    pub from: Timestamp,
    /// The first one that does not.
    pub to: Timestamp,
}

/// Calls about one document: the likeliest answer to their first question that had one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCounts {
    /// `None`: nothing was found, or nothing was asked.
    pub document_id: Option<String>,
    /// When the earliest of them began.
    pub day_start: Timestamp,
    /// Calls.
    pub n_calls: u64,
    /// Calls in which something was asked.
    pub n_asked: u64,
    /// Calls in which an answer was adopted, edited or linked to a ticket.
    pub n_adopted: u64,
    /// From the first question to the first adopted answer of each such call, in milliseconds.
    pub adoption_ms: Vec<u64>,
}

/// What became of the recommendations of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDocument {
    /// The document.
    pub document_id: String,
    /// The day, in whole days of the time zone.
    pub day_start: Timestamp,
    /// Times that it was recommended, once a call and passage.
    pub n_recommended: u64,
    /// Of these, those that the agent adopted, edited or linked.
    pub n_adopted: u64,
    /// Those that were dismissed or did not help.
    pub n_rejected: u64,
}

/// How many calls a document had a part in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentCalls {
    /// The document.
    pub document_id: String,
    /// Calls in which it was adopted, or asked about.
    pub n_calls: u64,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenQuestion {
    /// As it was understood, without personal data.
    pub question: String,
    /// When it was asked last.
    pub asked_at: Timestamp,
    /// Calls in which it was asked in these words.
    pub n_calls: u64,
    /// The likeliest answer, too unlikely to be shown.
    pub document_id: Option<String>,
    /// How likely it was.
    pub confidence: f32,
}

/// What counts as an adoption.
const ADOPTED: &str = "('adopted', 'edited', 'linked')";
/// Owners of calls that the reader may see, as the third or fourth parameter.
const SEEN_3: &str = "(SELECT value FROM json_each(?3))";
const SEEN_4: &str = "(SELECT value FROM json_each(?4))";
/// Questions that are read for a report.
const MAX_QUESTIONS: usize = 5_000;

impl CallReader {
    /// The calls that began in `period`, by document and day; days begin `day_offset_ms` before those
    /// of UTC.
    pub fn call_counts(
        &self,
        period: Period,
        day_offset_ms: i64,
        sight: &Sight,
    ) -> Result<Vec<CallCounts>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "WITH counted AS (
                SELECT (started_at + ?3) / 86400000 AS day,
                    (SELECT document_id FROM questions q
                     WHERE q.call = calls.key AND q.document_id IS NOT NULL
                     ORDER BY q.is_answered DESC, q.key LIMIT 1) AS document_id,
                    (SELECT MIN(at) FROM questions q WHERE q.call = calls.key) AS asked_at,
                    (SELECT MIN(at) FROM feedback f
                     WHERE f.call = calls.key AND f.kind IN {ADOPTED}) AS adopted_at
                FROM calls WHERE started_at >= ?1 AND started_at < ?2 AND owner IN {SEEN_4})
             SELECT document_id, day, COUNT(*), COUNT(asked_at), COUNT(adopted_at),
                    GROUP_CONCAT(MAX(adopted_at - asked_at, 0))
             FROM counted GROUP BY document_id, day ORDER BY day, document_id"
        ))?;
        let bounds = params![
            period.from.as_millisecond(),
            period.to.as_millisecond(),
            day_offset_ms,
            owners::seen_by(&self.connection, sight)?
        ];
        let rows = statement.query_map(bounds, |row| {
            let day: i64 = row.get(1)?;
            let times: Option<String> = row.get(5)?;
            Ok(CallCounts {
                document_id: row.get(0)?,
                day_start: timestamp(day * 86_400_000 - day_offset_ms),
                n_calls: row.get(2)?,
                n_asked: row.get(3)?,
                n_adopted: row.get(4)?,
                adoption_ms: times
                    .unwrap_or_default()
                    .split(',')
                    .filter_map(|ms| ms.parse().ok())
                    .collect(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was recommended in `period` and what became of it, by document and day as above.
    pub fn shown_documents(
        &self,
        period: Period,
        day_offset_ms: i64,
        sight: &Sight,
    ) -> Result<Vec<ShownDocument>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "WITH shown AS (
                SELECT r.document_id, (c.started_at + ?3) / 86400000 AS day,
                    EXISTS (SELECT 1 FROM feedback f WHERE f.call = r.call
                        AND f.recommendation_id = r.recommendation_id
                        AND f.kind IN {ADOPTED}) AS is_adopted,
                    EXISTS (SELECT 1 FROM feedback f WHERE f.call = r.call
                        AND f.recommendation_id = r.recommendation_id
                        AND f.kind IN ('dismissed', 'not_helpful')) AS is_rejected
                FROM calls c JOIN recommendations r ON r.call = c.key
                WHERE c.started_at >= ?1 AND c.started_at < ?2 AND c.owner IN {SEEN_4})
             SELECT document_id, day, COUNT(*), SUM(is_adopted), SUM(is_rejected)
             FROM shown GROUP BY document_id, day ORDER BY day, document_id"
        ))?;
        let bounds = params![
            period.from.as_millisecond(),
            period.to.as_millisecond(),
            day_offset_ms,
            owners::seen_by(&self.connection, sight)?
        ];
        let rows = statement.query_map(bounds, |row| {
            let day: i64 = row.get(1)?;
            Ok(ShownDocument {
                document_id: row.get(0)?,
                day_start: timestamp(day * 86_400_000 - day_offset_ms),
                n_recommended: row.get(2)?,
                n_adopted: row.get(3)?,
                n_rejected: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Documents that agents adopted in `period`, recommended or found otherwise; by id.
    pub fn adopted_documents(
        &self,
        period: Period,
        sight: &Sight,
    ) -> Result<Vec<DocumentCalls>, RecordsError> {
        self.document_calls("feedback", &format!("kind IN {ADOPTED}"), period, sight)
    }

    /// What was asked about in `period` and answered; by id.
    pub fn asked_documents(
        &self,
        period: Period,
        sight: &Sight,
    ) -> Result<Vec<DocumentCalls>, RecordsError> {
        let is_answered = "is_answered AND document_id IS NOT NULL";
        self.document_calls("questions", is_answered, period, sight)
    }

    fn document_calls(
        &self,
        table: &str,
        condition: &str,
        period: Period,
        sight: &Sight,
    ) -> Result<Vec<DocumentCalls>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT document_id, COUNT(DISTINCT call) FROM {table}
             WHERE at >= ?1 AND at < ?2 AND {condition}
                AND call IN (SELECT key FROM calls WHERE owner IN {SEEN_3})
             GROUP BY document_id ORDER BY document_id"
        ))?;
        let bounds = params![
            period.from.as_millisecond(),
            period.to.as_millisecond(),
            owners::seen_by(&self.connection, sight)?
        ];
        let rows = statement.query_map(bounds, |row| {
            Ok(DocumentCalls {
                document_id: row.get(0)?,
                n_calls: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was asked in `period` and found nothing good, and nothing that the agent adopted either:
    /// what was asked in most calls first, then the newest, at most 5,000. Answer and probability are
    /// those of the newest time.
    pub fn open_questions(
        &self,
        period: Period,
        sight: &Sight,
    ) -> Result<Vec<OpenQuestion>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT question, MAX(at), COUNT(DISTINCT call), document_id, COALESCE(confidence, 0)
             FROM questions q
             WHERE at >= ?1 AND at < ?2 AND NOT is_answered
                AND q.call IN (SELECT key FROM calls WHERE owner IN {SEEN_4})
                AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.call = q.call
                    AND f.utterance_id = q.utterance_id AND f.kind IN {ADOPTED})
             GROUP BY question ORDER BY COUNT(DISTINCT call) DESC, MAX(at) DESC, question LIMIT ?3"
        ))?;
        let bounds = params![
            period.from.as_millisecond(),
            period.to.as_millisecond(),
            MAX_QUESTIONS,
            owners::seen_by(&self.connection, sight)?
        ];
        let rows = statement.query_map(bounds, |row| {
            Ok(OpenQuestion {
                question: row.get(0)?,
                asked_at: timestamp(row.get(1)?),
                n_calls: row.get(2)?,
                document_id: row.get(3)?,
                confidence: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
