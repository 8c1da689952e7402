//! Candidates → hits: one per document and per text, with what a reader needs to trust them.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::candidates::Candidate;
use super::reading::Reading;
use super::{AlsoIn, Citation, Group, Hit, SearchError, SearchRequest};
use crate::document::{ByteSpan, passage_id};
use crate::engine::Snapshot;
use crate::lexical::StoredPassage;

/// Candidates looked at beyond the number of hits wanted, so that duplicates of a hit are found
/// and do not leave the page short.
const SPARE_CANDIDATES: usize = 20;

/// The best `request.limit` hits, best first.
pub fn collect(
    snapshot: &Snapshot,
    reading: &Reading,
    request: &SearchRequest,
    day: Date,
    candidates: &[Candidate],
) -> Result<Vec<Hit>, SearchError> {
    let mut documents = BTreeSet::new();
    let mut hits: Vec<Hit> = Vec::new();
    let mut n_seen = 0;
    for candidate in candidates {
        if n_seen >= request.limit + SPARE_CANDIDATES {
            break;
        }
        if request.group == Group::Document {
            let Some(first) = snapshot.words.first_passage_no(candidate.passage) else {
                continue;
            };
            if !documents.insert(first) {
                continue;
            }
        }
        let Some(stored) = snapshot.words.passage(candidate.passage)? else {
            continue;
        };
        n_seen += 1;
        if let Some(same) = hits.iter_mut().find(|hit| hit.text == stored.text) {
            let other = AlsoIn {
                document_id: stored.document_id,
                title: stored.title,
            };
            if same.document_id != other.document_id && !same.also_in.contains(&other) {
                same.also_in.push(other);
            }
        } else if hits.len() < request.limit {
            hits.push(hit(snapshot, reading, request, day, candidate, stored)?);
        }
    }
    Ok(hits)
}

fn hit(
    snapshot: &Snapshot,
    reading: &Reading,
    request: &SearchRequest,
    day: Date,
    candidate: &Candidate,
    stored: StoredPassage,
) -> Result<Hit, SearchError> {
    let explanation = match request.explain {
        true => Some(explain(snapshot, reading, candidate)?),
        false => None,
    };
    let StoredPassage {
        document_id,
        path,
        title,
        content_hash,
        metadata,
        passage,
        text,
        ..
    } = stored;
    let n_chars = text.chars().count();
    Ok(Hit {
        passage_id: passage_id(&document_id, passage.ordinal),
        document_id,
        title,
        heading: passage.heading,
        kind: metadata.kind,
        highlights: Vec::new(),
        answer: passage.answer.map(|answer| {
            ByteSpan::new(
                answer.start - passage.span.start,
                answer.end - passage.span.start,
            )
        }),
        score: candidate.score(),
        contributions: candidate.contributions,
        validity: metadata.validity_on(day),
        effective_from: metadata.effective_from,
        effective_to: metadata.effective_to,
        published_at: metadata.published_at,
        department: metadata.department,
        issuer: metadata.issuer,
        doc_no: metadata.doc_no,
        citation: Citation {
            path,
            page: passage.page,
            row: passage.row,
            article: passage.article,
            char_start: stored.chars_before,
            char_end: stored.chars_before + n_chars,
            content_hash,
        },
        text,
        also_in: Vec::new(),
        explanation,
    })
}

/// Spells out a score: both contributions, and what each term added to the words' side.
fn explain(
    snapshot: &Snapshot,
    reading: &Reading,
    candidate: &Candidate,
) -> Result<String, SearchError> {
    let parts = candidate.contributions;
    let mut text = format!(
        "{:.4} = 词 {:.4} + 义 {:.4} + 引用 {:.4}\n",
        candidate.score(),
        parts.lexical,
        parts.vector,
        parts.reference
    );
    for term in snapshot
        .words
        .explain(&reading.lexical, candidate.passage)?
    {
        text.push_str(&format!("{term}\n"));
    }
    Ok(text)
}
