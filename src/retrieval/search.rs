//! The path of one query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::asked::asked_words;
use super::candidates::{Candidate, rank};
use super::conditions::{conditions, facets};
use super::confidence::{Evidence, Signals};
use super::fusion::{Fused, FusionError, FusionMethod, QueryShape};
use super::hearing::listen;
use super::hits::collect;
use super::learned::{Learned, LearnedWording, raise};
use super::likeness::{Wording, group_alike};
use super::query_vector::{NoVector, Pending, QueryEmbedder};
use super::questions::heed_questions;
use super::reading::Reading;
use super::{
    Calibration, Degraded, Facets, Hit, MAX_LIMIT, MAX_QUERY_CHARS, Mode, SearchError,
    SearchRequest, SearchResponse,
};
use crate::document::PassageNo;
use crate::engine::{PassageIndex, Snapshot};
use crate::lexical::{Admission, LexicalError, LexicalQuery, PreparedQuery};
use crate::text::sound;
use crate::vector::{PassageSet, VectorError};

/// Most passages that a query may name by document number, title or article.
const MAX_NAMED: usize = 200;

/// How hits are found and ranked.
#[derive(Clone, Debug)]
pub struct RetrievalSettings {
    /// How the two lists become one.
    pub fusion: FusionMethod,
    /// Candidates that each side contributes, at least; more when more hits are wanted.
    pub n_candidates: usize,
    /// Whether a query is also read as what sounds like it, where it reads badly as it is.
    pub by_sound: bool,
    /// Decides what day it is.
    pub time_zone: TimeZone,
}

/// Answers queries from the newest generation of one index.
pub struct Retriever {
    index: Arc<PassageIndex>,
    embedder: Option<QueryEmbedder>,
    settings: RetrievalSettings,
    calibration: Option<Arc<Calibration>>,
    learned: ArcSwap<Learned>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Retriever {
    /// A retriever over `index`, with the model that made its vectors.
    ///
    /// # Errors
    /// Whatever the system says when the model's thread cannot be started.
    pub fn new(index: Arc<PassageIndex>, settings: RetrievalSettings) -> std::io::Result<Self> {
        if settings.by_sound {
            sound::load();
        }
        let embedder = index
            .embedder()
            .cloned()
            .map(QueryEmbedder::start)
            .transpose()?;
        Ok(Self {
            index,
            embedder,
            settings,
            // It is tested that it can be read.
            calibration: Calibration::built_in().ok().map(Arc::new),
            learned: ArcSwap::default(),
            clock: Box::new(Timestamp::now),
        })
    }

    /// The same retriever by another clock than the machine's.
    pub fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            ..self
        }
    }

    /// The same retriever with probabilities by another calibration than the built-in one.
    pub fn with_calibration(self, calibration: Arc<Calibration>) -> Self {
        Self {
            calibration: Some(calibration),
            ..self
        }
    }

    /// Lets `wordings`, newest first, count from now on, instead of those before.
    ///
    /// # Errors
    /// [`SearchError::Index`] if the index cannot be read.
    pub fn learn(&self, wordings: Vec<LearnedWording>) -> Result<(), SearchError> {
        let embedder = self.index.embedder().map(Arc::as_ref);
        let before = self.learned.load();
        let learned = Learned::prepare(&self.index.snapshot(), embedder, wordings, &before)?;
        self.learned.store(Arc::new(learned));
        Ok(())
    }

    /// Puts texts together that say nearly the same, see [`group_alike`].
    ///
    /// # Errors
    /// [`SearchError::Index`] if the index cannot be read.
    pub fn group_alike(&self, texts: &[&str]) -> Result<Vec<Vec<usize>>, SearchError> {
        let snapshot = self.index.snapshot();
        let embedder = self.index.embedder();
        let wording = |text: &&str| {
            let query = LexicalQuery::new(&snapshot.analyser, text);
            let vector = embedder.and_then(|embedder| embedder.embed_query(text).ok());
            Wording::of(&snapshot.words, &query, vector.unwrap_or_default())
        };
        let wordings = texts.iter().map(wording).collect::<Result<Vec<_>, _>>()?;
        Ok(group_alike(&wordings))
    }

    /// The index that it searches.
    pub fn index(&self) -> &Arc<PassageIndex> {
        &self.index
    }

    /// The day whose rules count when a request names none: a rule begins and ends at midnight of
    /// the configured time zone.
    pub fn today(&self) -> Date {
        let now = (self.clock)();
        now.to_zoned(self.settings.time_zone.clone()).date()
    }

    /// Answers one request from one snapshot.
    ///
    /// # Errors
    /// [`SearchError::Request`] when a field is out of its limits, [`SearchError::Index`] when the
    /// index cannot be read.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        validate(request)?;
        let snapshot = self.index.snapshot();
        let day = request.as_of.unwrap_or_else(|| self.today());
        let mut reading = Reading::of(&snapshot.analyser, &request.query);
        let conditions = conditions(&request.filters);
        let allowed = |admission| {
            snapshot
                .words
                .filter(&conditions, day, &request.sight, admission)
        };
        // A rule that is asked for by its number is shown even when it is no longer in force: the
        // caller learns that it is not. Its passages compete with each other like those of any rule.
        let visible = allowed(Admission::Any)?;
        if self.settings.by_sound {
            reading = listen(&snapshot, reading, visible.as_deref())?;
        }
        let named = named(&snapshot, &reading, visible.as_deref())?;
        let filter = with_named(allowed(request.admission)?, &named);

        let learned = self.learned.load();
        let is_compared = request.mode == Mode::Hybrid && !learned.is_empty();
        let Answer {
            fused,
            evidence,
            degraded,
            wording,
        } = self.fuse(request, &snapshot, &reading, filter.as_deref(), is_compared)?;
        let in_force = allowed(Admission::InForce)?;
        let mut candidates = rank(fused, &named, in_force.as_deref());
        let mut read = match request.mode {
            Mode::Hybrid => heed_questions(&snapshot.words, &reading, &mut candidates)?,
            Mode::Lexical | Mode::Vector => BTreeMap::new(),
        };
        let facets = match request.with_facets {
            true => count(&snapshot, &candidates)?,
            false => Facets::default(),
        };
        // How far the best hit stands out shows only beside another one.
        let at_least_two = SearchRequest {
            limit: request.limit.max(2),
            ..request.clone()
        };
        let mut hits = collect(
            &snapshot,
            &reading,
            &at_least_two,
            day,
            &candidates,
            &mut read,
        )?;
        if let Some(evidence) = &evidence {
            let is_hybrid = request.mode == Mode::Hybrid && degraded.is_empty();
            self.judge(&mut hits, evidence, is_hybrid, &reading);
        }
        if let Some(wording) = wording {
            // The likeliest last, so that it comes before the others.
            for found in learned
                .matches(&wording, request.sight.audience)
                .iter()
                .rev()
            {
                let Some(passage) = found.learned.passage(&snapshot)? else {
                    continue;
                };
                if filter
                    .as_ref()
                    .is_some_and(|filter| !filter.contains(passage))
                {
                    continue;
                }
                let candidate = candidates.iter().find(|known| known.passage == passage);
                let candidate = candidate.copied().unwrap_or(Candidate::unfound(passage));
                let mut raised =
                    collect(&snapshot, &reading, request, day, &[candidate], &mut read)?;
                if let Some(mut raised) = raised.pop() {
                    if let Some(explanation) = &mut raised.explanation {
                        explanation.push_str(&found.explanation());
                    }
                    raise(&mut hits, raised, found);
                }
            }
        }
        hits.truncate(request.limit);
        Ok(SearchResponse {
            generation: snapshot.generation,
            degraded,
            asked: match request.with_asked {
                true => asked_words(&snapshot, &reading)?,
                false => Vec::new(),
            },
            reading: reading.for_caller(),
            hits,
            facets,
        })
    }

    /// Both lists as one; the model works on the query's vector while the words are searched.
    fn fuse(
        &self,
        request: &SearchRequest,
        snapshot: &Snapshot,
        reading: &Reading,
        filter: Option<&PassageSet>,
        is_compared: bool,
    ) -> Result<Answer, SearchError> {
        let n = self.settings.n_candidates.max(2 * request.limit);
        let words = snapshot.words.prepare(&reading.lexical)?;
        let mut degraded = Vec::new();
        let pending = match request.mode {
            Mode::Lexical => None,
            Mode::Hybrid | Mode::Vector => Some(self.ask(snapshot, request, reading)),
        };
        let mut lexical = match request.mode {
            Mode::Vector => Vec::new(),
            Mode::Hybrid | Mode::Lexical => words.best(n, filter)?,
        };
        let n_listed = n.min(snapshot.words.n_passages());
        let mut evidence = Evidence::default();
        let mut by_words = (
            coverage(&words, &lexical),
            best_and_mean(&lexical, n_listed),
        );
        let mut vector = Vec::new();
        let mut wording = is_compared.then(Vec::new);
        match pending.map(|pending| pending.wait(request.deadline)) {
            None => {}
            Some(Ok(query)) => {
                vector = nearest(snapshot, &query, n, filter)?;
                evidence.vector = best_and_mean(&vector, vector.len());
                evidence.overlap = overlap(&lexical, &vector);
                wording = wording.map(|_| query.clone());
                if request.mode == Mode::Hybrid && self.settings.fusion.compares_scores() {
                    complete(snapshot, &words, &query, &mut lexical, &mut vector)?;
                }
            }
            Some(Err(reason)) => {
                degraded.push(degradation(&reason));
                if request.mode == Mode::Vector {
                    lexical = words.best(n, filter)?;
                    by_words = (
                        coverage(&words, &lexical),
                        best_and_mean(&lexical, n_listed),
                    );
                }
            }
        }
        let shape = QueryShape {
            n_terms: reading.lexical.terms().len(),
            coverage: by_words.0,
        };
        evidence.lexical_full = words.full_score();
        evidence.lexical = by_words.1;
        let method = self.settings.fusion.for_query_of(shape);
        let is_by_meaning = request.mode == Mode::Vector && degraded.is_empty();
        let evidence = match method {
            FusionMethod::Weighted { lexical_weight } if !is_by_meaning => Some(Evidence {
                lexical_weight,
                ..evidence
            }),
            FusionMethod::Weighted { .. } | FusionMethod::ReciprocalRank => None,
        };
        Ok(Answer {
            fused: method.fuse(&lexical, &vector, 2 * n)?,
            evidence,
            degraded,
            wording: wording.map(|vector| Wording::new(&reading.lexical, &words, vector)),
        })
    }

    /// Says of every hit how likely it is right.
    fn judge(&self, hits: &mut [Hit], evidence: &Evidence, is_hybrid: bool, reading: &Reading) {
        let by_itself = |hit: &Hit| hit.score - hit.contributions.reference;
        let scores: Vec<f32> = hits.iter().map(by_itself).collect();
        let calibration = self.calibration.as_deref().filter(|calibration| {
            let model = self.index.embedder().map(|embedder| embedder.id());
            !is_hybrid || model == Some(calibration.embedding.as_str())
        });
        for (at, hit) in hits.iter_mut().enumerate() {
            let others = scores.iter().enumerate().filter(|(other, _)| *other != at);
            let rival = others.map(|(_, score)| *score).fold(0.0, f32::max);
            let signals = Signals::of(hit, rival, evidence);
            // A name that was only heard is not as good as one that was written.
            let is_named = hit.contributions.reference > 0.0 && !reading.names_by_sound;
            hit.signals = Some(signals);
            hit.confidence = calibration
                .map(|calibration| calibration.confidence(&signals, is_hybrid, is_named));
        }
    }

    fn ask(&self, snapshot: &Snapshot, request: &SearchRequest, reading: &Reading) -> Pending {
        match &self.embedder {
            Some(embedder) if snapshot.vectors.is_some() => {
                let text = reading.heard_as.as_ref().unwrap_or(&request.query);
                embedder.ask(text, request.deadline)
            }
            _ => Pending::Unavailable,
        }
    }
}

/// Both lists as one, and what they say of the query.
struct Answer {
    fused: Vec<Fused>,
    /// `None` where scores do not count.
    evidence: Option<Evidence>,
    degraded: Vec<Degraded>,
    /// The query's wording, if it is to be compared with what was learned.
    wording: Option<Wording>,
}

/// The best score, and the mean of `n` passages of which only those in `list` score at all: the one
/// passage that matches stands out, too.
fn best_and_mean(list: &[(PassageNo, f32)], n: usize) -> (f32, f32) {
    let best = list.first().map_or(0.0, |(_, score)| *score);
    let sum: f32 = list.iter().map(|(_, score)| score).sum();
    (best, sum / n.max(list.len()).max(1) as f32)
}

/// Share of the best ten of one list that are among the best ten of the other.
fn overlap(a: &[(PassageNo, f32)], b: &[(PassageNo, f32)]) -> f32 {
    const N_BEST: usize = 10;
    let best = |list: &[(PassageNo, f32)]| -> BTreeSet<PassageNo> {
        list.iter()
            .take(N_BEST)
            .map(|(passage, _)| *passage)
            .collect()
    };
    let (a, b) = (best(a), best(b));
    let n_shared = a.intersection(&b).count();
    n_shared as f32 / a.len().min(b.len()).max(1) as f32
}

fn validate(request: &SearchRequest) -> Result<(), SearchError> {
    let fault = |field, reason| Err(SearchError::Request { field, reason });
    if request.query.trim().is_empty() {
        return fault("query", "is empty; say what to look for".to_owned());
    }
    let n_chars = request.query.chars().count();
    if n_chars > MAX_QUERY_CHARS {
        return fault(
            "query",
            format!("has {n_chars} characters; at most {MAX_QUERY_CHARS} are searched"),
        );
    }
    if request.limit == 0 || request.limit > MAX_LIMIT {
        return fault(
            "limit",
            format!("is {}; choose 1 to {MAX_LIMIT}", request.limit),
        );
    }
    Ok(())
}

fn nearest(
    snapshot: &Snapshot,
    query: &[f32],
    limit: usize,
    filter: Option<&PassageSet>,
) -> Result<Vec<(PassageNo, f32)>, SearchError> {
    match &snapshot.vectors {
        Some(vectors) => Ok(vectors.search(query, limit, filter)?.hits),
        None => Ok(Vec::new()),
    }
}

/// How much of the query the best passage takes up, see [`QueryShape::coverage`].
fn coverage(words: &PreparedQuery<'_>, lexical: &[(PassageNo, f32)]) -> f32 {
    let full = words.full_score();
    match lexical.first() {
        Some(&(_, best)) if full > 0.0 => best / full,
        _ => 0.0,
    }
}

/// Gives every candidate of one list its score in the other, so that a passage is not held for
/// unlike the query because it was just outside a list.
fn complete(
    snapshot: &Snapshot,
    words: &PreparedQuery<'_>,
    query: &[f32],
    lexical: &mut Vec<(PassageNo, f32)>,
    vector: &mut Vec<(PassageNo, f32)>,
) -> Result<(), SearchError> {
    let Some(vectors) = &snapshot.vectors else {
        return Ok(());
    };
    let only_by_words = missing_from(vector, lexical);
    let only_by_vector = missing_from(lexical, vector);
    let cosines = vectors.scores(query, &only_by_words)?;
    let scores = words.scores(&only_by_vector)?;
    vector.extend(only_by_words.into_iter().zip(cosines));
    lexical.extend(only_by_vector.into_iter().zip(scores));
    Ok(())
}

/// The passages of `other` that `list` lacks, in the order of `other`.
fn missing_from(list: &[(PassageNo, f32)], other: &[(PassageNo, f32)]) -> Vec<PassageNo> {
    let known: PassageSet = list.iter().map(|(passage, _)| *passage).collect();
    let passages = other.iter().map(|(passage, _)| *passage);
    passages
        .filter(|passage| !known.contains(*passage))
        .collect()
}

fn degradation(reason: &NoVector) -> Degraded {
    match reason {
        NoVector::Late => Degraded::VectorTimeout,
        NoVector::Unavailable => Degraded::VectorUnavailable,
        NoVector::Failed(error) => {
            tracing::error!(%error, "the query could not be embedded; answered by words alone");
            Degraded::VectorUnavailable
        }
    }
}

/// The passages that the query names and the caller may see, in the order it names them.
fn named(
    snapshot: &Snapshot,
    reading: &Reading,
    visible: Option<&PassageSet>,
) -> Result<Vec<PassageNo>, LexicalError> {
    let mut named = reading.named_passages(&snapshot.words)?;
    named.retain(|passage| visible.is_none_or(|visible| visible.contains(*passage)));
    named.truncate(MAX_NAMED);
    Ok(named)
}

/// How many documents among the candidates there are to narrow down to.
fn count(snapshot: &Snapshot, candidates: &[Candidate]) -> Result<Facets, LexicalError> {
    let documents: BTreeSet<PassageNo> = candidates
        .iter()
        .filter_map(|candidate| snapshot.words.first_passage_no(candidate.passage))
        .collect();
    Ok(facets(snapshot.words.facets(&documents)?))
}

/// What passes, and what the query names.
fn with_named(passes: Option<Arc<PassageSet>>, named: &[PassageNo]) -> Option<Arc<PassageSet>> {
    let mut passes = passes?;
    if !named.iter().all(|passage| passes.contains(*passage)) {
        Arc::make_mut(&mut passes).extend(named.iter().copied());
    }
    Some(passes)
}

impl From<LexicalError> for SearchError {
    fn from(error: LexicalError) -> Self {
        Self::Index(error.to_string())
    }
}

impl From<FusionError> for SearchError {
    fn from(error: FusionError) -> Self {
        Self::Index(error.to_string())
    }
}

impl From<VectorError> for SearchError {
    fn from(error: VectorError) -> Self {
        Self::Index(error.to_string())
    }
}
