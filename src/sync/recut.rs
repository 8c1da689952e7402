//! What a changed lexicon concerns.

use aho_corasick::AhoCorasick;

use super::SyncError;
use super::update::DOCUMENTS_PER_STEP;
use crate::document::Document;
use crate::engine::{Build, EngineError, PassageIndex};
use crate::text::normalise;

/// Puts every document again in whose normal form one of `words` stands; how many there are.
pub fn recut_documents(
    index: &PassageIndex,
    build: &mut Build<'_>,
    words: &[String],
) -> Result<usize, SyncError> {
    let finder = AhoCorasick::new(words).map_err(|error| SyncError::Words(error.to_string()))?;
    let snapshot = index.snapshot();
    let read = |id: &str| snapshot.words.document(id).map_err(EngineError::Lexical);
    let mut n_documents = 0;
    let mut found = Vec::new();
    let candidates = snapshot
        .words
        .documents_that_may_hold(words)
        .map_err(EngineError::Lexical)?;
    let ids: Box<dyn Iterator<Item = &str>> = match &candidates {
        Some(candidates) => Box::new(candidates.iter().map(String::as_str)),
        None => Box::new(
            snapshot
                .words
                .document_ids()
                .map_err(EngineError::Lexical)?,
        ),
    };
    for id in ids {
        let Some(stored) = read(id)? else {
            continue;
        };
        if is_concerned(&stored.document, &finder) {
            found.push(stored.document);
            n_documents += 1;
        }
        if found.len() == DOCUMENTS_PER_STEP {
            build.put(&std::mem::take(&mut found))?;
        }
    }
    build.put(&found)?;
    Ok(n_documents)
}

/// Whether one of the words stands in anything that terms are made of.
fn is_concerned(document: &Document, finder: &AhoCorasick) -> bool {
    let metadata = &document.metadata;
    let parts = document.passages.iter();
    let around = parts.flat_map(|passage| passage.heading.iter().chain(&passage.questions));
    let labels = metadata.keywords.iter().chain(&metadata.doc_no);
    [&document.title, &document.text]
        .into_iter()
        .chain(around)
        .chain(labels)
        .any(|part| finder.is_match(normalise(part).as_str()))
}
