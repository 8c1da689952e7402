//! The tables, as one transaction of the writer changes them.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::entry::{OwnedEntry, Shown};
use super::learning::{Answer, By, learn};
use super::{FeedbackError, FeedbackKind, KeptFeedback, NewFeedback, Subject, owners};
use crate::assist::{Asked, Attributes, CallRef, Utterance};
use crate::sight::Sight;
use crate::text::mask;

/// Keys that are remembered.
const MAX_KEYS: usize = 10_000;

/// The id of calls, and whose they are.
pub type CallName = (String, Sight);

/// What becomes of feedback.
pub type FeedbackResult = Result<KeptFeedback, FeedbackError>;

/// The tables within one transaction.
pub struct Pages<'w> {
    pub transaction: &'w Transaction<'w>,
    pub keys: &'w mut HashMap<CallRef, i64>,
    pub forgotten: &'w mut HashMap<CallName, Timestamp>,
    pub has_learned: bool,
}

impl Pages<'_> {
    pub fn note(
        &mut self,
        call: &CallRef,
        entry: &OwnedEntry,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let is_forgotten = |since: &Timestamp| call.started_at <= *since;
        let mut forgotten = self.forgotten.iter();
        if forgotten.any(|((id, sight), since)| {
            *id == call.id && sight.includes(&call.owner) && is_forgotten(since)
        }) {
            return Ok(());
        }
        let key = self.key_of(call)?;
        let at = at.as_millisecond();
        match entry {
            OwnedEntry::Known(attributes) => self.known(key, attributes)?,
            OwnedEntry::Heard(utterance) => self.heard(key, utterance, at)?,
            OwnedEntry::Asked(asked) => self.asked(key, asked, at)?,
            OwnedEntry::Shown(shown) => self.shown(key, shown, at)?,
            OwnedEntry::Ended => {
                self.transaction
                    .prepare_cached("UPDATE calls SET ended_at = ?2 WHERE key = ?1")?
                    .execute(params![key, at])?;
            }
        }
        self.transaction
            .prepare_cached("UPDATE calls SET last_at = MAX(last_at, ?2) WHERE key = ?1")?
            .execute(params![key, at])?;
        Ok(())
    }

    fn key_of(&mut self, call: &CallRef) -> rusqlite::Result<i64> {
        if let Some(key) = self.keys.get(call) {
            return Ok(*key);
        }
        let started_at = call.started_at.as_millisecond();
        self.transaction
            .prepare_cached(
                "INSERT INTO calls (call_id, started_at, last_at, owner) VALUES (?1, ?2, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                call.id,
                started_at,
                owners::key_of(self.transaction, &call.owner)?
            ])?;
        let key = self
            .transaction
            .prepare_cached("SELECT key FROM calls WHERE call_id = ?1 AND started_at = ?2")?
            .query_row(params![call.id, started_at], |row| row.get(0))?;
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert(call.clone(), key);
        Ok(key)
    }

    fn known(&self, key: i64, attributes: &Attributes) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE calls SET agent = ?2, region = ?3, channel = ?4 WHERE key = ?1",
            )?
            .execute(params![
                key,
                attributes.agent,
                attributes.region,
                attributes.channel
            ])?;
        Ok(())
    }

    /// Of an utterance that is not final, the first state alone: it decides the place.
    fn heard(&self, key: i64, utterance: &Utterance, at: i64) -> rusqlite::Result<()> {
        if !utterance.is_final {
            let is_known: bool = self
                .transaction
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM utterances WHERE call = ?1 AND utterance_id = ?2)")?
                .query_row(params![key, utterance.id], |row| row.get(0))?;
            if is_known {
                return Ok(());
            }
        }
        let mut masked = utterance.clone();
        masked.text = mask(&masked.text);
        for value in masked.labels.values_mut() {
            *value = mask(value);
        }
        let body = serde_json::to_string(&masked)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        self.transaction
            .prepare_cached(
                "INSERT INTO utterances (call, at, utterance_id, body) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![key, at, utterance.id, body])?;
        Ok(())
    }

    fn asked(&self, key: i64, asked: &Asked, at: i64) -> rusqlite::Result<()> {
        let best = asked.best.as_ref();
        self.transaction
            .prepare_cached(
                "INSERT INTO questions
                 (call, at, utterance_id, question, wording, document_id, department, confidence,
                  is_answered)
                 VALUES (?1, ?2, ?3, ?4, ?9, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                key,
                at,
                asked.utterance_id,
                mask(&asked.question),
                best.map(|best| &best.document_id),
                best.and_then(|best| best.department.as_ref()),
                best.map(|best| best.confidence),
                asked.is_answered,
                asked.wording.as_deref().map(mask),
            ])?;
        Ok(())
    }

    /// What is recommended again belongs to the utterance after which it stood higher than before.
    fn shown(&self, key: i64, shown: &Shown, at: i64) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO recommendations
             (call, recommendation_id, at, revision, rank, utterance_id, generation, document_id,
              passage_id, content_hash, title, department, confidence, is_script)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT DO UPDATE SET rank = excluded.rank, utterance_id = excluded.utterance_id
             WHERE excluded.rank < recommendations.rank",
        )?;
        for item in &shown.items {
            statement.execute(params![
                key,
                item.recommendation_id,
                at,
                shown.revision,
                item.rank,
                shown.after_utterance,
                shown.generation,
                item.document_id,
                item.passage_id,
                item.content_hash,
                item.title,
                item.department,
                // SQLite keeps no NaN.
                if item.confidence.is_nan() {
                    0.0
                } else {
                    item.confidence
                },
                item.is_script,
            ])?;
        }
        self.transaction
            .prepare_cached("UPDATE calls SET revision = MAX(revision, ?2) WHERE key = ?1")?
            .execute(params![key, shown.revision])?;
        Ok(())
    }

    pub fn keep(
        &mut self,
        feedback: &NewFeedback,
        at: Timestamp,
    ) -> rusqlite::Result<FeedbackResult> {
        let Some((key, agent)) = self.call_of(feedback)? else {
            return Ok(Err(FeedbackError::NoSuchCall));
        };
        let Some(about) = self.about(key, feedback)? else {
            return Ok(Err(FeedbackError::NoSuchRecommendation));
        };
        let row = FeedbackRow {
            kind: feedback.kind,
            recommendation_id: match &feedback.subject {
                Subject::Recommendation(id) => Some(id.clone()),
                Subject::Passage { .. } => None,
            },
            document_id: about.document_id.clone(),
            passage_id: about.passage_id.clone(),
            ticket: feedback.ticket.clone(),
            text: feedback.text.as_deref().map(mask),
        };
        if let Some(known) = self.known_feedback(key, &feedback.id)? {
            return Ok(match known == row {
                true => Ok(KeptFeedback { is_new: false }),
                false => Err(FeedbackError::Conflict),
            });
        }
        let query = feedback.query();
        let agent = feedback.agent.as_deref().or(agent.as_deref());
        let utterance_id = feedback
            .utterance_id
            .as_deref()
            .or(about.utterance_id.as_deref());
        self.transaction
            .prepare_cached(
                "INSERT INTO feedback
                 (call, feedback_id, at, kind, agent, recommendation_id, utterance_id, document_id,
                  passage_id, content_hash, department, ticket, text, query, after_utterance)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                         (SELECT COALESCE(MAX(key), 0) FROM utterances WHERE call = ?1))",
            )?
            .execute(params![
                key,
                feedback.id,
                at.as_millisecond(),
                row.kind.name(),
                agent,
                row.recommendation_id,
                utterance_id,
                row.document_id,
                row.passage_id,
                about.content_hash,
                about.department,
                row.ticket,
                row.text,
                query,
            ])?;
        let teaches = !about.is_script;
        self.has_learned |= teaches && {
            let answer = Answer {
                document_id: &row.document_id,
                passage_id: &row.passage_id,
                content_hash: &about.content_hash,
            };
            let by = By {
                call: key,
                utterance_id,
                agent,
                at: at.as_millisecond(),
            };
            learn(self.transaction, feedback, &answer, &by)?
        };
        Ok(Ok(KeptFeedback { is_new: true }))
    }

    /// The newest call of that id that recommended what the feedback is about; else the newest one.
    fn call_of(&self, feedback: &NewFeedback) -> rusqlite::Result<Option<(i64, Option<String>)>> {
        let recommendation = match &feedback.subject {
            Subject::Recommendation(id) => Some(id),
            Subject::Passage { .. } => None,
        };
        self.transaction
            .prepare_cached(
                "SELECT key, agent FROM calls WHERE call_id = ?1
                    AND owner IN (SELECT value FROM json_each(?3))
                 ORDER BY EXISTS (SELECT 1 FROM recommendations r
                                  WHERE r.call = calls.key AND r.recommendation_id = ?2) DESC,
                          started_at DESC
                 LIMIT 1",
            )?
            .query_row(
                params![
                    feedback.call_id,
                    recommendation,
                    owners::seen_by(self.transaction, &feedback.sight)?
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    }

    fn known_feedback(&self, key: i64, id: &str) -> rusqlite::Result<Option<FeedbackRow>> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT kind, recommendation_id, document_id, passage_id, ticket, text FROM feedback
             WHERE call = ?1 AND feedback_id = ?2",
        )?;
        let row = statement.query_row(params![key, id], |row| {
            let kind: String = row.get(0)?;
            Ok(FeedbackRow {
                // A kind that this version does not know conflicts with whatever comes.
                kind: FeedbackKind::from_name(&kind).unwrap_or(FeedbackKind::Displayed),
                recommendation_id: row.get(1)?,
                document_id: row.get(2)?,
                passage_id: row.get(3)?,
                ticket: row.get(4)?,
                text: row.get(5)?,
            })
        });
        row.optional()
    }

    /// What the feedback is about; `None` if it was never recommended.
    fn about(&self, key: i64, feedback: &NewFeedback) -> rusqlite::Result<Option<About>> {
        match &feedback.subject {
            Subject::Recommendation(id) => self
                .transaction
                .prepare_cached(
                    "SELECT document_id, passage_id, content_hash, department, utterance_id,
                            is_script
                     FROM recommendations WHERE call = ?1 AND recommendation_id = ?2",
                )?
                .query_row(params![key, id], |row| {
                    Ok(About {
                        document_id: row.get(0)?,
                        passage_id: row.get(1)?,
                        content_hash: row.get(2)?,
                        department: row.get(3)?,
                        utterance_id: row.get(4)?,
                        is_script: row.get(5)?,
                    })
                })
                .optional(),
            Subject::Passage {
                document_id,
                passage_id,
                content_hash,
                department,
                ..
            } => {
                let last_question = self
                    .transaction
                    .prepare_cached(
                        "SELECT utterance_id FROM questions WHERE call = ?1 ORDER BY key DESC LIMIT 1",
                    )?
                    .query_row([key], |row| row.get(0))
                    .optional()?;
                Ok(Some(About {
                    document_id: document_id.clone(),
                    passage_id: passage_id.clone(),
                    content_hash: content_hash.clone(),
                    department: department.clone(),
                    utterance_id: last_question,
                    is_script: false,
                }))
            }
        }
    }

    pub fn settle(&mut self, said: &[(i64, Option<String>)]) -> rusqlite::Result<()> {
        for (key, said) in said {
            match said {
                Some(said) => self
                    .transaction
                    .prepare_cached("UPDATE wordings SET said = ?2 WHERE key = ?1")?
                    .execute(params![key, said])?,
                None => self
                    .transaction
                    .prepare_cached("DELETE FROM wordings WHERE key = ?1")?
                    .execute([key])?,
            };
        }
        self.has_learned = true;
        Ok(())
    }

    pub fn teach(&mut self, document_id: &str, counts: bool) -> rusqlite::Result<()> {
        match counts {
            true => self
                .transaction
                .prepare_cached("DELETE FROM unlearned WHERE document_id = ?1")?
                .execute([document_id])?,
            false => self
                .transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO unlearned (document_id, at) VALUES (?1, ?2)",
                )?
                .execute(params![document_id, Timestamp::now().as_millisecond()])?,
        };
        self.has_learned = true;
        Ok(())
    }

    /// Deletes the calls of that id that `sight` may see and that had begun at `since`.
    pub fn forget(
        &mut self,
        call_id: &str,
        sight: &Sight,
        since: Timestamp,
    ) -> rusqlite::Result<usize> {
        self.keys.retain(|call, _| call.id != call_id);
        self.forgotten
            .insert((call_id.to_owned(), sight.clone()), since);
        self.transaction
            .prepare_cached(
                "DELETE FROM calls WHERE call_id = ?1 AND started_at <= ?2
                AND owner IN (SELECT value FROM json_each(?3))",
            )?
            .execute(params![
                call_id,
                since.as_millisecond(),
                owners::seen_by(self.transaction, sight)?
            ])
    }
}

/// What feedback is about.
struct About {
    document_id: String,
    passage_id: String,
    content_hash: String,
    department: Option<String>,
    utterance_id: Option<String>,
    /// What to say in a situation answers no question.
    is_script: bool,
}

impl NewFeedback {
    /// What the agent looked for, masked.
    pub(super) fn query(&self) -> Option<String> {
        match &self.subject {
            Subject::Passage { query, .. } => query.as_deref().map(mask),
            Subject::Recommendation(_) => None,
        }
    }
}

/// What must be the same when feedback comes again.
#[derive(PartialEq, Eq)]
struct FeedbackRow {
    kind: FeedbackKind,
    recommendation_id: Option<String>,
    document_id: String,
    passage_id: String,
    ticket: Option<String>,
    text: Option<String>,
}
