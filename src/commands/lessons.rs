//! From what agents adopted to what searches find: settles new wordings and lets the retriever know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::served::Served;
use crate::call_records::CallRecords;
use crate::call_records::{CallReader, NewWording};
use crate::document::passage_id;
use crate::engine::{PassageIndex, Snapshot};
use crate::records::RecordsError;

/// How often it is looked whether something was learned.
const BETWEEN_LESSONS: Duration = Duration::from_secs(1);
/// How long it rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Characters that are kept of what an answer said.
const MAX_SAID_CHARS: usize = 1_000;

/// Until `stop`: whenever something was learned, what was adopted is looked up, and the lessons count,
/// if they are to (`counts`).
pub(super) fn study(
    served: &Served,
    records: &CallRecords,
    index: &PassageIndex,
    counts: bool,
    stop: &AtomicBool,
) {
    // What was learned before the start was loaded then; what was not settled is settled now.
    let mut known = None;
    while !stop.load(Ordering::Relaxed) {
        let lessons = records.lessons();
        if known != Some(lessons) {
            match study_once(served, records, index, counts) {
                // Until what is new is settled, it is looked again.
                Ok(n_new) => known = (n_new == 0).then_some(lessons),
                Err(error) => {
                    tracing::error!("what agents adopted cannot be learned: {error:#}");
                    super::serve::sleep_unless(stop, AFTER_FAILURE);
                }
            }
        }
        super::serve::sleep_unless(stop, BETWEEN_LESSONS);
    }
}

/// How many wordings were new.
fn study_once(
    served: &Served,
    records: &CallRecords,
    index: &PassageIndex,
    counts: bool,
) -> anyhow::Result<usize> {
    let reader = records.reader()?;
    let new = reader.new_wordings()?;
    if !new.is_empty() {
        let snapshot = index.snapshot();
        let said = new
            .iter()
            .map(|wording| Ok((wording.key, said_then(&snapshot, wording)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        records.settle(said);
    }
    if counts {
        served.learn(reader.lessons()?)?;
    }
    Ok(new.len())
}

/// The beginning of what the passage said when it was adopted; `None` if its file has changed since.
fn said_then(snapshot: &Snapshot, wording: &NewWording) -> anyhow::Result<Option<String>> {
    let stored = snapshot
        .words
        .document(&wording.document_id)
        .context("an adopted document cannot be read")?;
    Ok(stored.and_then(|stored| {
        let document = stored.document;
        if document.content_hash != wording.content_hash {
            return None;
        }
        let is_it = |ordinal| passage_id(&document.id, ordinal) == wording.passage_id;
        let passage = document.passages.iter().find(|p| is_it(p.ordinal))?;
        let text = document.passage_text(passage);
        Some(text.chars().take(MAX_SAID_CHARS).collect())
    }))
}

/// What was learned beside an index, newest first; nothing if no call was ever kept there.
pub(super) fn lessons_of(
    path: &std::path::Path,
) -> anyhow::Result<Vec<crate::retrieval::LearnedWording>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    match CallReader::open(path) {
        Ok(reader) => Ok(reader.lessons()?),
        // `zhiku serve` takes it over; until then nothing is heeded.
        Err(RecordsError::Version {
            found, expected, ..
        }) if found < expected => {
            tracing::warn!("what agents taught is of an older layout; `zhiku serve` takes it over");
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}
