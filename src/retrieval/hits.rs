//! Candidates → hits: one per document and per text, with what a reader needs to trust them.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::candidates::{Candidate, best_of_documents};
use super::grouping::{Grouped, Source, group};
use super::highlight::{MarkedPassage, QueryTerms};
use super::reading::Reading;
use super::{AlsoIn, Citation, Group, Hit, SearchError, SearchRequest};
use crate::document::{ByteSpan, PassageNo, Validity, passage_id};
use crate::engine::Snapshot;
use crate::lexical::StoredPassage;
use crate::text::{Normalised, normalise};

/// Most highlighted places of one hit.
const MAX_HIGHLIGHTS: usize = 50;

/// Candidates looked at beyond the number of hits wanted, so that duplicates of a hit are found
/// and do not leave the page short.
const SPARE_CANDIDATES: usize = 20;

/// The best `request.limit` hits, best first; by [`Group::Document`] one of each document.
///
/// Only as many candidates are read as it takes to fill the page; `read` are those that were already.
pub fn collect(
    snapshot: &Snapshot,
    reading: &Reading,
    request: &SearchRequest,
    day: Date,
    candidates: &[Candidate],
    read: &mut BTreeMap<PassageNo, StoredPassage>,
) -> Result<Vec<Hit>, SearchError> {
    let words = &snapshot.words;
    let document_of = |passage| words.first_passage_no(passage).unwrap_or(passage);
    let mut loaded = match request.group {
        Group::Document => load(
            snapshot,
            request,
            day,
            &best_of_documents(candidates, document_of),
            read,
        )?,
        Group::None => load(snapshot, request, day, candidates, read)?,
    };
    let sources: Vec<Source<'_>> = loaded
        .iter()
        .map(|loaded| Source {
            document_id: &loaded.stored.document_id,
            normalised: loaded.normalised.as_str(),
            validity: loaded.validity,
        })
        .collect();
    let mut groups = group(&sources, request.group);
    // What supports one source of a text supports the text: it stays with the source that was best
    // by itself.
    for group in &groups {
        let sources = std::iter::once(&group.shown).chain(&group.also_in);
        let support = sources
            .map(|&at| loaded[at].candidate.contributions.document)
            .fold(0.0, f32::max);
        loaded[group.shown].candidate.contributions.document = support;
    }
    groups.sort_by(|a, b| {
        let score = |group: &Grouped| loaded[group.shown].candidate.score();
        score(b).total_cmp(&score(a))
    });
    groups.truncate(request.limit);
    let also_in: Vec<Vec<AlsoIn>> = groups
        .iter()
        .map(|group| {
            group
                .also_in
                .iter()
                .map(|&at| also_in(&loaded[at].stored))
                .collect()
        })
        .collect();

    let terms = QueryTerms::of_reading(&snapshot.analyser, reading);
    let mut loaded: Vec<Option<Loaded>> = loaded.into_iter().map(Some).collect();
    let mut hits = Vec::with_capacity(groups.len());
    for (group, also_in) in groups.iter().zip(also_in) {
        if let Some(shown) = loaded[group.shown].take() {
            let explanation = match request.explain {
                true => Some(explain(snapshot, reading, &shown.candidate)?),
                false => None,
            };
            let passage = shown.candidate.passage;
            hits.push(Hit {
                also_in,
                explanation,
                replaced_by: words.replaced_by(passage, &request.sight)?,
                ..hit(shown, &terms)
            });
        }
    }
    Ok(hits)
}

/// A candidate with what is stored of it.
struct Loaded {
    candidate: Candidate,
    stored: StoredPassage,
    normalised: Normalised,
    /// On the day that counts.
    validity: Validity,
}

/// Reads candidates, best first.
fn load(
    snapshot: &Snapshot,
    request: &SearchRequest,
    day: Date,
    candidates: &[Candidate],
    read: &mut BTreeMap<PassageNo, StoredPassage>,
) -> Result<Vec<Loaded>, SearchError> {
    let words = &snapshot.words;
    let mut loaded = Vec::new();
    for candidate in candidates {
        if loaded.len() == request.limit + SPARE_CANDIDATES {
            break;
        }
        let known = read.remove(&candidate.passage);
        let stored = match known {
            Some(stored) => Some(stored),
            None => words.passage(candidate.passage)?,
        };
        if let Some(stored) = stored {
            let normalised = normalise(&stored.text);
            loaded.push(Loaded {
                candidate: *candidate,
                validity: words.validity(&stored.metadata, candidate.passage, day),
                stored,
                normalised,
            });
        }
    }
    Ok(loaded)
}

fn also_in(stored: &StoredPassage) -> AlsoIn {
    AlsoIn {
        document_id: stored.document_id.clone(),
        title: stored.title.clone(),
    }
}

fn hit(loaded: Loaded, terms: &QueryTerms) -> Hit {
    let Loaded {
        candidate,
        stored,
        normalised,
        validity,
    } = loaded;
    let marked = MarkedPassage::new(normalised, terms);
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
    let within = |span: ByteSpan| {
        ByteSpan::new(
            span.start - passage.span.start,
            span.end - passage.span.start,
        )
    };
    Hit {
        passage_id: passage_id(&document_id, passage.ordinal),
        highlights: marked.highlights(MAX_HIGHLIGHTS),
        is_entry: passage.answer.is_some(),
        answer: passage.answer.map(within).or_else(|| marked.answer()),
        document_id,
        title,
        heading: passage.heading,
        kind: metadata.kind,
        score: candidate.score(),
        contributions: candidate.contributions,
        // Known once the other hits are.
        confidence: None,
        signals: None,
        validity,
        replaced_by: Vec::new(),
        // Not known to the index: whoever follows the corpus marks it.
        is_stale: false,
        is_learned: false,
        effective_from: metadata.effective_from,
        effective_to: metadata.effective_to,
        published_at: metadata.published_at,
        department: metadata.department,
        region: metadata.region,
        issuer: metadata.issuer,
        level: metadata.level,
        doc_no: metadata.doc_no,
        phones: metadata.phones,
        citation: Citation {
            path,
            page: passage.page,
            row: passage.row,
            article: passage.article,
            char_start: stored.chars_before,
            char_end: stored.chars_before + text.chars().count(),
            content_hash,
        },
        text,
        also_in: Vec::new(),
        explanation: None,
    }
}

/// Spells out a score: both contributions, and what each term added to the words' side.
fn explain(
    snapshot: &Snapshot,
    reading: &Reading,
    candidate: &Candidate,
) -> Result<String, SearchError> {
    let parts = candidate.contributions;
    let mut text = format!(
        "{:.4} = 词 {:.4} + 义 {:.4} + 引用 {:.4} + 问句 {:.4} + 同文档 {:.4}\n",
        candidate.score(),
        parts.lexical,
        parts.vector,
        parts.reference,
        parts.question,
        parts.document
    );
    if let Some(heard_as) = &reading.heard_as {
        text.push_str(&format!("按读音理解为：{heard_as}\n"));
    }
    for term in snapshot
        .words
        .explain(&reading.lexical, candidate.passage)?
    {
        text.push_str(&format!("{term}\n"));
    }
    Ok(text)
}
