//! Wordings that led to adopted answers, as further questions of those answers.
//!
//! People ask in words that no document has. Once agents have adopted an answer under such a wording,
//! the same wording, or one much like it, finds the answer too. Nothing else moves: a query unlike
//! every learned wording is answered as if there were none, and an answer that is likelier by itself
//! stays where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Hit;
use super::likeness::{Wording, pairs};
use crate::document::{Audience, PassageNo, passage_id};
use crate::embedding::Embedder;
use crate::engine::Snapshot;
use crate::lexical::{LexicalError, LexicalQuery};
use crate::text::normalise;

/// Likeness from which on a wording counts. Of pairs of unrelated questions of the sample corpus one
/// in a thousand is as alike.
const ENOUGH: f32 = 0.55;
/// Likeness up to which a wording counts less.
const SURE: f32 = 0.9;
/// Probability from which on an answer is raised: with many wordings learned, some are a little like
/// any query.
const WORTH: f32 = 0.15;
/// Answers of one query that are raised.
const MAX_RAISED: usize = 2;
/// An answer under a wording much like a learned one stands in this place at least.
const PLACE: usize = 3;
/// Wordings of one document; the newest count.
const MAX_WORDINGS_OF_DOCUMENT: usize = 20;
/// Wordings altogether; the newest count.
const MAX_WORDINGS: usize = 5_000;
/// Share of neighbouring characters that a passage must have in common with what it said when it was
/// adopted; less is another text.
const SAME_TEXT: f32 = 0.6;

/// A wording under which agents adopted an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedWording {
    /// What the caller asked, without personal data.
    pub wording: String,
    /// The document of the answer.
    pub document_id: String,
    /// The passage that it was.
    pub passage_id: String,
    /// What the passage said then, or its beginning.
    pub said: String,
    /// Where it was learned; it counts for callers of the same audience alone.
    pub audience: Audience,
    /// Agents who adopted the answer under the wording.
    pub n_adopted: u32,
    /// Agents who rejected it.
    pub n_rejected: u32,
}

/// Learned wordings, ready to be compared with queries.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    learned: LearnedWording,
    wording: Arc<Wording>,
}

/// An answer that a query like a learned wording calls for.
#[derive(Clone, Debug)]
pub struct Match<'l> {
    /// What was learned.
    pub learned: &'l LearnedWording,
    /// Of the query and the wording, [`ENOUGH`] to 1.
    pub likeness: f32,
    /// The probability that the answer is right.
    pub confidence: f32,
}

impl Learned {
    /// Prepares `wordings`, newest first, taking over what `before` has prepared already.
    ///
    /// # Errors
    /// [`LexicalError`] if the index cannot be read.
    pub fn prepare(
        snapshot: &Snapshot,
        embedder: Option<&dyn Embedder>,
        wordings: Vec<LearnedWording>,
        before: &Self,
    ) -> Result<Self, LexicalError> {
        let known: BTreeMap<&str, &Arc<Wording>> = before
            .entries
            .iter()
            .map(|entry| (entry.learned.wording.as_str(), &entry.wording))
            .collect();
        let mut n_of_document: BTreeMap<String, usize> = BTreeMap::new();
        let mut entries = Vec::new();
        for learned in wordings {
            let n = n_of_document
                .entry(learned.document_id.clone())
                .or_default();
            if *n == MAX_WORDINGS_OF_DOCUMENT || entries.len() == MAX_WORDINGS {
                continue;
            }
            let wording = match known.get(learned.wording.as_str()) {
                Some(wording) => Arc::clone(wording),
                None => {
                    let query = LexicalQuery::new(&snapshot.analyser, &learned.wording);
                    // Without its vector it is compared by its terms.
                    let vector = embedder
                        .and_then(|embedder| embedder.embed_query(&learned.wording).ok())
                        .unwrap_or_default();
                    Arc::new(Wording::of(&snapshot.words, &query, vector)?)
                }
            };
            if !wording.is_empty() {
                *n += 1;
                entries.push(Entry { learned, wording });
            }
        }
        Ok(Self { entries })
    }

    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The answers that a query calls for, likeliest first, at most two, one of each document; ties by
    /// document id.
    pub fn matches(&self, query: &Wording, audience: Audience) -> Vec<Match<'_>> {
        let mut best: BTreeMap<&str, Match<'_>> = BTreeMap::new();
        for entry in self
            .entries
            .iter()
            .filter(|e| e.learned.audience == audience)
        {
            let likeness = query.likeness(&entry.wording);
            if likeness < ENOUGH {
                continue;
            }
            let found = Match {
                learned: &entry.learned,
                likeness,
                confidence: entry.learned.trust() * share(likeness),
            };
            if found.confidence < WORTH {
                continue;
            }
            match best.get(entry.learned.document_id.as_str()) {
                Some(known) if known.confidence >= found.confidence => {}
                _ => {
                    best.insert(&entry.learned.document_id, found);
                }
            }
        }
        let mut matches: Vec<Match<'_>> = best.into_values().collect();
        matches.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        matches.truncate(MAX_RAISED);
        matches
    }
}

impl Match<'_> {
    /// For whoever wants to know how a score came about.
    pub fn explanation(&self) -> String {
        let LearnedWording {
            wording,
            n_adopted,
            n_rejected,
            ..
        } = self.learned;
        format!(
            "学习 {:.4}：类似问法“{wording}”（相似度 {:.2}），{n_adopted} 人采纳，{n_rejected} 人否定\n",
            self.confidence, self.likeness
        )
    }
}

impl LearnedWording {
    /// How far agents are to be believed: the rule of succession, with one agent's doubt to begin
    /// with. 0.5 after one agent, 0.75 after three, 0.95 after twenty.
    fn trust(&self) -> f32 {
        let (adopted, rejected) = (self.n_adopted as f32, self.n_rejected as f32);
        adopted / (adopted + rejected + 1.0)
    }

    /// The passage that the answer is now; `None` if the document is gone or says something else.
    ///
    /// # Errors
    /// [`LexicalError`] if the index cannot be read.
    pub fn passage(&self, snapshot: &Snapshot) -> Result<Option<PassageNo>, LexicalError> {
        let Some(stored) = snapshot.words.document(&self.document_id)? else {
            return Ok(None);
        };
        let document = &stored.document;
        let said = neighbours(&self.said);
        let n_chars = self.said.chars().count();
        let likeness = |text: &str| {
            // As much of it as was kept.
            let end = text
                .char_indices()
                .nth(n_chars)
                .map_or(text.len(), |(at, _)| at);
            overlap(&said, &neighbours(&text[..end]))
        };
        let mut best: Option<(f32, u32)> = None;
        // The passage of the same place first: most texts do not change.
        let same_place = |ordinal: u32| passage_id(&document.id, ordinal) == self.passage_id;
        let (same, others): (Vec<_>, Vec<_>) = document
            .passages
            .iter()
            .partition(|passage| same_place(passage.ordinal));
        for passage in same.into_iter().chain(others) {
            let found = likeness(document.passage_text(passage));
            if found >= SAME_TEXT && best.is_none_or(|(known, _)| found > known) {
                best = Some((found, passage.ordinal));
            }
            if found == 1.0 {
                break;
            }
        }
        Ok(best.map(|(_, ordinal)| stored.first_passage_no + ordinal))
    }
}

/// How much a wording counts that is so like the query, 0 to 1.
fn share(likeness: f32) -> f32 {
    ((likeness - 0.5) / (SURE - 0.5)).clamp(0.0, 1.0)
}

/// Pairs of the normal form.
fn neighbours(text: &str) -> BTreeSet<(char, char)> {
    pairs(normalise(text).as_str())
}

/// Jaccard's index.
fn overlap(a: &BTreeSet<(char, char)>, b: &BTreeSet<(char, char)>) -> f32 {
    let n_shared = a.intersection(b).count();
    let n_all = a.len() + b.len() - n_shared;
    match n_all {
        0 => 1.0,
        n_all => n_shared as f32 / n_all as f32,
    }
}

/// Puts an answer that was learned among hits that come best first: before the first one that is less
/// likely, in third place at least, never before one that the query names, and never behind where it
/// stands already. `raised` says what `found` says of the learned passage.
pub fn raise(hits: &mut Vec<Hit>, mut raised: Hit, found: &Match<'_>) {
    let is_it = |hit: &Hit| hit.document_id == raised.document_id;
    let present = hits.iter().position(is_it);
    let is_passed = |hit: &Hit| {
        hit.contributions.reference == 0.0 && hit.confidence.unwrap_or(0.0) < found.confidence
    };
    let n_named = hits
        .iter()
        .take_while(|hit| hit.contributions.reference > 0.0)
        .count();
    let likelier = hits.iter().position(is_passed).unwrap_or(hits.len());
    let place = likelier.min(PLACE - 1).max(n_named).min(hits.len());
    if let Some(at) = present {
        if at <= place {
            let hit = &mut hits[at];
            let is_same = hit.passage_id == raised.passage_id;
            if is_same && hit.confidence.is_some_and(|known| known < found.confidence) {
                hit.confidence = Some(found.confidence);
                hit.explanation = raised.explanation;
                hit.is_learned = true;
            }
            return;
        }
        hits.remove(at);
    }
    // Scores stay in order.
    let below = hits.get(place).map_or(0.0, |hit| hit.score);
    let score = match place.checked_sub(1).and_then(|above| hits.get(above)) {
        Some(above) => below.midpoint(above.score),
        None => below + f32::EPSILON * below.max(1.0),
    };
    raised.contributions.learned = score - raised.score;
    raised.score = score;
    raised.confidence = Some(found.confidence.max(raised.confidence.unwrap_or(0.0)));
    raised.is_learned = true;
    hits.insert(place, raised);
}
