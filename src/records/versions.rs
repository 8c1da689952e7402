//! Every state that a document ever had, with its text and its metadata.
//!
//! A state gets the next number when it differs from the newest one, or when the document comes
//! back after it was gone; it ends when another takes its place or the document goes. States of a
//! document whose id is made from its path go on counting where it stood before when its file is
//! moved.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::read::ZlibDecoder;
use flate2::{Compress, Compression, Decompress, FlushCompress, Status};
use jiff::Timestamp;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Change, Records, RecordsError, Update};
use crate::document::{Audience, Document, Passage};
use crate::lexical::{MetadataRecord, PlaceRecord};

/// How often a history is followed to where its document stood before.
const MAX_MOVES: usize = 20;

/// A state of a document before it has a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVersion {
    /// The document's id.
    pub document_id: String,
    /// Its file, relative to the corpus.
    pub path: String,
    /// 标题
    pub title: String,
    /// blake3 over everything that is indexed of it.
    pub fingerprint: String,
    /// [`Document::content_hash`]
    pub content_hash: String,
    /// Who may see it; a name of [`Audience`].
    pub audience: String,
    /// Passages it was cut into.
    pub n_passages: u32,
    /// Everything else: a [`Body`], compressed.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub body: Vec<u8>,
}

/// A state of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The id that the document bore then: another one before its file was moved.
    pub document_id: String,
    /// Counts the states of a document from 1.
    pub number: u32,
    /// Its file, relative to the corpus.
    pub path: String,
    /// 标题
    pub title: String,
    /// blake3 over everything that is indexed of it.
    pub fingerprint: String,
    /// [`Document::content_hash`]
    pub content_hash: String,
    /// Who may see it.
    pub audience: Audience,
    /// Passages it was cut into.
    pub n_passages: u32,
    /// When every query began to see it; to the millisecond.
    pub searchable_at: Timestamp,
    /// The generation that showed it first.
    pub generation: u64,
    /// When it was replaced, or the document removed.
    pub ended_at: Option<Timestamp>,
    /// The id that the document bore before this state.
    pub moved_from: Option<String>,
}

impl Version {
    /// Whether it is the state that is served.
    pub fn is_current(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// What a row holds besides its columns. Rows outlive every version of Zhiku: fields of the parts
/// may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct Body {
    meta: MetadataRecord,
    text: String,
    passages: Vec<PlaceRecord>,
}

impl NewVersion {
    /// The present state of `document`.
    ///
    /// # Errors
    /// [`RecordsError::Body`], which only a failing compressor can cause.
    pub fn of(document: &Document, fingerprint: &str) -> Result<Self, RecordsError> {
        let body = Body {
            meta: (&document.metadata).into(),
            text: document.text.clone(),
            passages: document.passages.iter().map(PlaceRecord::from).collect(),
        };
        let body = serde_json::to_vec(&body)
            .map_err(io::Error::from)
            .and_then(|body| compressed(&body))
            .map_err(|source| RecordsError::Body {
                document_id: document.id.clone(),
                source,
            })?;
        Ok(Self {
            document_id: document.id.clone(),
            path: document.path.clone(),
            title: document.title.clone(),
            fingerprint: fingerprint.to_owned(),
            content_hash: document.content_hash.clone(),
            audience: document.metadata.audience.name().to_owned(),
            n_passages: u32::try_from(document.passages.len()).unwrap_or(u32::MAX),
            body,
        })
    }
}

impl Records {
    /// The newest states of the documents that stand at a path or stood there: id, number and who may
    /// see it.
    ///
    /// # Errors
    /// [`RecordsError::Sqlite`]
    pub fn newest_at(&self, path: &str) -> Result<Vec<(String, u32, Audience)>, RecordsError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT document_id, MAX(version), audience FROM versions WHERE path = ?1
             GROUP BY document_id ORDER BY document_id",
        )?;
        let rows = statement.query_map([path], |row| {
            let audience: String = row.get(2)?;
            // Nobody is shown what cannot be judged.
            let audience = audience.parse().unwrap_or(Audience::Internal);
            Ok((row.get(0)?, row.get(1)?, audience))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The states of a document, newest first, and before them those that it had under the ids it
    /// bore before its file was moved. Numbers fall. Empty for a document that was never indexed.
    pub fn versions(&self, document_id: &str) -> Result<Vec<Version>, RecordsError> {
        Ok(history(&self.connection, document_id)?)
    }

    /// One of [`Records::versions`], with the document as it was then.
    ///
    /// # Errors
    /// [`RecordsError::Body`] if the row is damaged.
    pub fn version(
        &self,
        document_id: &str,
        number: u32,
    ) -> Result<Option<(Version, Document)>, RecordsError> {
        let versions = self.versions(document_id)?;
        let Some(version) = versions.into_iter().find(|v| v.number == number) else {
            return Ok(None);
        };
        let body: Vec<u8> = self
            .connection
            .prepare_cached("SELECT body FROM versions WHERE document_id = ?1 AND version = ?2")?
            .query_row(params![version.document_id, number], |row| row.get(0))?;
        let body: Body = decompressed(&body)
            .and_then(|body| Ok(serde_json::from_slice(&body)?))
            .map_err(|source| RecordsError::Body {
                document_id: version.document_id.clone(),
                source,
            })?;
        let document = Document {
            id: version.document_id.clone(),
            path: version.path.clone(),
            title: version.title.clone(),
            metadata: body.meta.into(),
            text: body.text,
            content_hash: version.content_hash.clone(),
            passages: body.passages.into_iter().map(Passage::from).collect(),
        };
        Ok(Some((version, document)))
    }

    /// Whether the newest state of a document has that fingerprint and has not ended: nothing to
    /// keep, then.
    pub fn has_version(&self, document_id: &str, fingerprint: &str) -> Result<bool, RecordsError> {
        let newest = newest(&self.connection, document_id)?;
        Ok(newest.is_some_and(|newest| newest.is_state(fingerprint)))
    }
}

/// The newest row of an id.
struct Newest {
    number: u32,
    fingerprint: String,
    has_ended: bool,
}

impl Newest {
    fn is_state(&self, fingerprint: &str) -> bool {
        !self.has_ended && self.fingerprint == fingerprint
    }
}

fn newest(connection: &Connection, document_id: &str) -> rusqlite::Result<Option<Newest>> {
    connection
        .prepare_cached(
            "SELECT version, fingerprint, ended_at IS NOT NULL FROM versions
             WHERE document_id = ?1 ORDER BY version DESC LIMIT 1",
        )?
        .query_row([document_id], |row| {
            Ok(Newest {
                number: row.get(0)?,
                fingerprint: hash_in(row, 1)?,
                has_ended: row.get(2)?,
            })
        })
        .optional()
}

fn history(connection: &Connection, document_id: &str) -> rusqlite::Result<Vec<Version>> {
    let mut statement = connection.prepare_cached(
        "SELECT document_id, version, path, title, fingerprint, content_hash, audience, n_passages,
                searchable_at, generation, ended_at, moved_from
         FROM versions WHERE document_id = ?1 AND version < ?2 ORDER BY version DESC",
    )?;
    let mut versions: Vec<Version> = Vec::new();
    let (mut id, mut before) = (document_id.to_owned(), i64::MAX);
    for _ in 0..=MAX_MOVES {
        for version in statement.query_map(params![id, before], version_of)? {
            let version = version?;
            let moved = version.moved_from.is_some();
            versions.push(version);
            if moved {
                break;
            }
        }
        // Numbers only fall, so there is no way in circles.
        match versions.last() {
            Some(Version {
                moved_from: Some(from),
                number,
                ..
            }) => (id, before) = (from.clone(), i64::from(*number)),
            _ => break,
        }
    }
    Ok(versions)
}

fn version_of(row: &Row<'_>) -> rusqlite::Result<Version> {
    let audience: String = row.get(6)?;
    let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Version {
        document_id: row.get(0)?,
        number: row.get(1)?,
        path: row.get(2)?,
        title: row.get(3)?,
        fingerprint: hash_in(row, 4)?,
        content_hash: hash_in(row, 5)?,
        // Nobody is shown what cannot be judged.
        audience: audience.parse().unwrap_or(Audience::Internal),
        n_passages: row.get(7)?,
        searchable_at: time(row.get(8)?),
        generation: row.get(9)?,
        ended_at: row.get::<_, Option<i64>>(10)?.map(time),
        moved_from: row.get(11)?,
    })
}

/// Writes the new states of an update and ends those that it replaces or removes. The tables of
/// files and documents have to say already what holds after the update.
pub(super) fn write(
    transaction: &Transaction<'_>,
    update: &Update,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let ended_at = now.as_millisecond();
    if update.reset {
        transaction.execute(
            "UPDATE versions SET ended_at = ?1 WHERE ended_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM documents WHERE id = document_id)",
            [ended_at],
        )?;
    }
    let mut remove = transaction.prepare_cached(
        "UPDATE versions SET ended_at = ?1 WHERE document_id = ?2 AND ended_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM documents WHERE id = ?2)",
    )?;
    for id in &update.removed_documents {
        remove.execute(params![ended_at, id])?;
    }
    let mut replace = transaction.prepare_cached(
        "UPDATE versions SET ended_at = ?1 WHERE document_id = ?2 AND version = ?3",
    )?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO versions (document_id, version, path, title, fingerprint, content_hash,
                               audience, n_passages, searchable_at, generation, moved_from, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let moves = moves(update);
    for version in &update.versions {
        let before = newest(transaction, &version.document_id)?;
        if let Some(newest) = before.as_ref().filter(|newest| !newest.has_ended) {
            if newest.is_state(&version.fingerprint) {
                continue;
            }
            replace.execute(params![ended_at, version.document_id, newest.number])?;
        }
        let moved = match moves.get(version.path.as_str()) {
            Some(from) => moved_from(transaction, version, from, before.as_ref())?,
            None => None,
        };
        let last = match (&moved, &before) {
            (Some((_, number)), _) => *number,
            (None, before) => before.as_ref().map_or(0, |newest| newest.number),
        };
        insert.execute(params![
            version.document_id,
            last + 1,
            version.path,
            version.title,
            stored_hash(&version.fingerprint),
            stored_hash(&version.content_hash),
            version.audience,
            version.n_passages,
            ended_at,
            update.generation,
            moved.map(|(id, _)| id),
            version.body,
        ])?;
    }
    Ok(())
}

/// Path → where the file stood before.
fn moves(update: &Update) -> HashMap<&str, &str> {
    let moved = update.receipts.iter().filter(|r| r.change == Change::Moved);
    moved
        .filter_map(|receipt| Some((receipt.path.as_str(), receipt.from.as_deref()?)))
        .collect()
}

/// The id that a document of a moved file bore before, and the number of its newest state then.
///
/// `None` if its id is not made from the path, or if the id has states of its own that are no part
/// of that history: they would not be found any more.
fn moved_from(
    connection: &Connection,
    version: &NewVersion,
    from: &str,
    before: Option<&Newest>,
) -> rusqlite::Result<Option<(String, u32)>> {
    let id = &version.document_id;
    let Some(rest) = id_within(id, &version.path) else {
        return Ok(None);
    };
    let former = format!("{from}{rest}");
    let history = history(connection, &former)?;
    let continues = before.is_none_or(|newest| {
        let mut versions = history.iter();
        versions.any(|v| v.document_id == *id && v.number == newest.number)
    });
    let last = history
        .first()
        .filter(|last| !last.is_current() && continues);
    Ok(last.map(|last| (former, last.number)))
}

/// What follows the path in an id that is made from it: nothing, or `#` and the place in the file.
pub fn id_within<'i>(document_id: &'i str, path: &str) -> Option<&'i str> {
    let rest = document_id.strip_prefix(path)?;
    (rest.is_empty() || rest.starts_with('#')).then_some(rest)
}

/// Hashes take half the space as bytes; whatever else stands there stays text.
fn stored_hash(hash: &str) -> Value {
    match blake3::Hash::from_hex(hash) {
        Ok(bytes) => Value::Blob(bytes.as_bytes().to_vec()),
        Err(_) => Value::Text(hash.to_owned()),
    }
}

fn hash_in(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    match row.get_ref(column)? {
        ValueRef::Blob(bytes) => match blake3::Hash::from_slice(bytes) {
            Ok(hash) => Ok(hash.to_hex().to_string()),
            Err(_) => Err(rusqlite::Error::InvalidQuery),
        },
        other => Ok(other.as_str()?.to_owned()),
    }
}

/// What bodies have in common, the usual last: a short text takes a fifth less room for it (40,000
/// articles of law: 349 bytes instead of 424). What is stored cannot be read without it.
const DICTIONARY: &[u8] = br#""kind":"regulation","effective_from":"20"},"heading":["],"article":1,"questions":["questions":["answer":[{"meta":{"department":"","audience":"public"},"text":"","passages":[{"ordinal":0,"span":[0,"#;

thread_local! {
    // Making one costs more than compressing a short text. The first level would be faster, but
    // takes 388 bytes for what the second does in 349.
    static COMPRESSOR: RefCell<Compress> =
        RefCell::new(Compress::new(Compression::new(2), false));
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        compressor.set_dictionary(DICTIONARY)?;
        let mut packed = Vec::with_capacity(bytes.len() / 2 + 64);
        loop {
            let rest = &bytes[compressor.total_in() as usize..];
            match compressor.compress_vec(rest, &mut packed, FlushCompress::Finish)? {
                Status::StreamEnd => break,
                _ => packed.reserve(packed.capacity()),
            }
        }
        packed.shrink_to_fit();
        Ok(packed)
    })
}

fn decompressed(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut decompressor = Decompress::new(false);
    decompressor.set_dictionary(DICTIONARY)?;
    let mut bytes = Vec::new();
    ZlibDecoder::new_with_decompress(packed, decompressor).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD_NO_PAD
        .decode(text)
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
