//! Reading calls back: for export, for replay, and after a restart.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::{FeedbackKind, owners, schema};
use crate::assist::{Attributes, CallRef, Utterance};
use crate::records::RecordsError;
use crate::sight::Sight;

/// A view of the database beside the writer.
#[derive(Debug)]
pub struct CallReader {
    pub(super) connection: Connection,
}

/// A call as it is exported, a line of JSON. Personal data is masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCall {
    /// Given by the client.
    pub call_id: String,
    /// When it was first heard of.
    pub started_at: Timestamp,
    /// When it ended; `None` if it goes on or was cut off.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Who took it.
    #[serde(default)]
    pub agent: Option<String>,
    /// Where the caller is.
    #[serde(default)]
    pub region: Option<String>,
    /// How the caller came.
    #[serde(default)]
    pub channel: Option<String>,
    /// What was said and done, in order.
    pub events: Vec<KeptEvent>,
}

/// Something that was said or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KeptEvent {
    /// Something was said.
    Utterance(Utterance),
    /// What the agent made of an answer.
    Feedback {
        /// What it was.
        kind: FeedbackKind,
        /// The recommendation, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recommendation_id: Option<String>,
        /// Its document.
        document_id: String,
        /// The passage.
        passage_id: String,
        /// blake3 of the file that it was read from.
        content_hash: String,
        /// The utterance that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        utterance_id: Option<String>,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// The ticket that it was linked to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
        /// The agent's own wording.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

/// A call that had not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCallRecord {
    /// Which call it is.
    pub call: CallRef,
    /// What else is known of it.
    pub attributes: Attributes,
    /// In the order in which they came in.
    pub utterances: Vec<Utterance>,
    /// The newest revision that was kept.
    pub revision: u64,
    /// Recommendations that were dismissed.
    pub dismissed: Vec<String>,
}

/// A row of `calls`.
struct CallRow {
    key: i64,
    call: CallRef,
    ended_at: Option<Timestamp>,
    attributes: Attributes,
    revision: u64,
    owner: Option<i64>,
}

const CALL_COLUMNS: &str =
    "key, call_id, started_at, ended_at, agent, region, channel, revision, owner";

impl CallReader {
    /// Opens the database for reading.
    ///
    /// # Errors
    /// [`RecordsError::Open`] also when there is none, [`RecordsError::Version`] for another layout.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self {
            connection: schema::open_read_only(path)?,
        })
    }

    /// The calls of that id that `sight` may see, oldest first.
    pub fn calls_of(&self, call_id: &str, sight: &Sight) -> Result<Vec<KeptCall>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {CALL_COLUMNS} FROM calls WHERE call_id = ?1
                AND owner IN (SELECT value FROM json_each(?2)) ORDER BY started_at"
        ))?;
        let seen = owners::seen_by(&self.connection, sight)?;
        let rows = statement.query_map(params![call_id, seen], call_row)?;
        rows.map(|row| self.kept(row?)).collect()
    }

    /// Hands over every call that began in `from..to`, oldest first, one at a time.
    ///
    /// # Errors
    /// [`RecordsError`], or the first error of `take`.
    pub fn for_each_call<E: From<RecordsError>>(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut take: impl FnMut(KeptCall) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error: rusqlite::Error| E::from(RecordsError::from(error));
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "SELECT {CALL_COLUMNS} FROM calls WHERE started_at >= ?1 AND started_at < ?2
                 ORDER BY started_at, key"
            ))
            .map_err(sqlite)?;
        let bounds = params![from.as_millisecond(), to.as_millisecond()];
        let rows = statement.query_map(bounds, call_row).map_err(sqlite)?;
        for row in rows {
            take(self.kept(row.map_err(sqlite)?)?)?;
        }
        Ok(())
    }

    /// Calls that have not ended and in which something happened since `since`, oldest first.
    pub fn open_calls(&self, since: Timestamp) -> Result<Vec<OpenCallRecord>, RecordsError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {CALL_COLUMNS} FROM calls WHERE ended_at IS NULL AND last_at >= ?1
             ORDER BY started_at, key"
        ))?;
        let rows = statement.query_map([since.as_millisecond()], call_row)?;
        let mut open = Vec::new();
        for row in rows {
            let row = row?;
            let mut utterances = Vec::new();
            let mut dismissed = Vec::new();
            for event in self.events(row.key)? {
                match event {
                    KeptEvent::Utterance(utterance) => utterances.push(utterance),
                    KeptEvent::Feedback {
                        kind: FeedbackKind::Dismissed,
                        recommendation_id: Some(id),
                        ..
                    } => dismissed.push(id),
                    KeptEvent::Feedback { .. } => {}
                }
            }
            open.push(OpenCallRecord {
                call: CallRef {
                    owner: owners::owner_of(&self.connection, row.owner)?,
                    ..row.call
                },
                attributes: row.attributes,
                utterances,
                revision: row.revision,
                dismissed,
            });
        }
        Ok(open)
    }

    fn kept(&self, row: CallRow) -> Result<KeptCall, RecordsError> {
        Ok(KeptCall {
            events: self.events(row.key)?,
            call_id: row.call.id,
            started_at: row.call.started_at,
            ended_at: row.ended_at,
            agent: row.attributes.agent,
            region: row.attributes.region,
            channel: row.attributes.channel,
        })
    }

    /// Utterances and feedback in the order in which they came in.
    fn events(&self, call: i64) -> Result<Vec<KeptEvent>, RecordsError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT key, body FROM utterances WHERE call = ?1 ORDER BY key")?;
        let rows = statement.query_map([call], |row| {
            let body: String = row.get(1)?;
            let utterance: Utterance = serde_json::from_str(&body).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    1,
                    rusqlite::types::Type::Text,
                    error.into(),
                )
            })?;
            // Feedback comes after the utterances that were there when it came.
            Ok(((row.get::<_, i64>(0)?, 0), KeptEvent::Utterance(utterance)))
        })?;
        let mut events = rows.collect::<Result<Vec<_>, _>>()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT after_utterance, key, kind, recommendation_id, document_id, passage_id,
                    content_hash, utterance_id, agent, ticket, text
             FROM feedback WHERE call = ?1 ORDER BY key",
        )?;
        let rows = statement.query_map([call], |row| {
            let kind: String = row.get(2)?;
            let Some(kind) = FeedbackKind::from_name(&kind) else {
                return Ok(None);
            };
            let event = KeptEvent::Feedback {
                kind,
                recommendation_id: row.get(3)?,
                document_id: row.get(4)?,
                passage_id: row.get(5)?,
                content_hash: row.get(6)?,
                utterance_id: row.get(7)?,
                agent: row.get(8)?,
                ticket: row.get(9)?,
                text: row.get(10)?,
            };
            Ok(Some((
                (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?),
                event,
            )))
        })?;
        for row in rows {
            events.extend(row?);
        }
        events.sort_by_key(|(place, _)| *place);
        Ok(events.into_iter().map(|(_, event)| event).collect())
    }
}

fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    Ok(CallRow {
        key: row.get(0)?,
        call: CallRef {
            id: row.get(1)?,
            started_at: timestamp(row.get(2)?),
            // Looked up where it counts.
            owner: Sight::default(),
        },
        ended_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
        attributes: Attributes {
            agent: row.get(4)?,
            region: row.get(5)?,
            channel: row.get(6)?,
        },
        revision: row.get(7)?,
        owner: row.get(8)?,
    })
}

/// Times are written by this program, so they are in range.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
