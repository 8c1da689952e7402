//! The path of one query.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::fusion::{Fused, FusionMethod};
use super::hits::{Candidates, collect};
use super::query_vector::{NoVector, Pending, QueryEmbedder};
use super::reading::Reading;
use super::{
    Degraded, MAX_LIMIT, MAX_QUERY_CHARS, Mode, SearchError, SearchRequest, SearchResponse,
};
use crate::document::PassageNo;
use crate::engine::{PassageIndex, Snapshot};
use crate::lexical::LexicalError;
use crate::vector::PassageSet;

/// Most passages that a query may name by document number, title or article.
const MAX_NAMED: usize = 200;

/// How hits are found and ranked.
#[derive(Clone, Debug)]
pub struct RetrievalSettings {
    /// How the two lists become one.
    pub fusion: FusionMethod,
    /// Candidates that each side contributes, at least; more when more hits are wanted.
    pub n_candidates: usize,
    /// Decides what day it is.
    pub time_zone: TimeZone,
}

/// Answers queries from the newest generation of one index.
pub struct Retriever {
    index: Arc<PassageIndex>,
    embedder: Option<QueryEmbedder>,
    settings: RetrievalSettings,
}

impl Retriever {
    /// A retriever over `index`, with the model that made its vectors.
    ///
    /// # Errors
    /// Whatever the system says when the model's thread cannot be started.
    pub fn new(index: Arc<PassageIndex>, settings: RetrievalSettings) -> std::io::Result<Self> {
        let embedder = index.embedder().cloned().map(QueryEmbedder::start).transpose()?;
        Ok(Self { index, embedder, settings })
    }

    /// The index that it searches.
    pub fn index(&self) -> &Arc<PassageIndex> {
        &self.index
    }

    /// The day whose rules count when a request names none.
    pub fn today(&self) -> Date {
        Timestamp::now().to_zoned(self.settings.time_zone.clone()).date()
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
        let reading = Reading::of(&snapshot.analyser, &request.query);
        let allowed = |include_invalid| {
            snapshot.words.filter(&request.filters, day, request.audience, include_invalid)
        };
        let filter = allowed(request.include_invalid)?;

        let (fused, degraded) = self.fuse(request, &snapshot, &reading, filter.as_deref())?;
        // A rule that is asked for by its number is shown even when it is no longer in force: the
        // caller learns that it is not.
        let visible = if request.include_invalid { filter } else { allowed(true)? };
        let named = named(&snapshot, &reading, visible.as_deref())?;
        let candidates = Candidates::new(fused, named);
        let facets = snapshot.words.facets(&candidates.passages())?;
        let hits = collect(&snapshot, &reading, request, day, candidates)?;
        Ok(SearchResponse {
            generation: snapshot.generation,
            degraded,
            reading: reading.for_caller(),
            hits,
            facets,
        })
    }

    /// Both lists, side by side where the model takes its time, as one.
    fn fuse(
        &self,
        request: &SearchRequest,
        snapshot: &Snapshot,
        reading: &Reading,
        filter: Option<&PassageSet>,
    ) -> Result<(Vec<Fused>, Vec<Degraded>), SearchError> {
        let n_candidates = self.settings.n_candidates.max(request.limit * 2);
        let mut degraded = Vec::new();
        let pending = (request.mode != Mode::Lexical).then(|| self.ask(request)).flatten();
        if request.mode != Mode::Lexical && pending.is_none() {
            degraded.push(Degraded::VectorUnavailable);
        }
        let vector_missing = pending.is_none();
        let lexical = if request.mode == Mode::Vector && !vector_missing {
            Vec::new()
        } else {
            snapshot.words.search(&reading.lexical, n_candidates, filter)?
        };
        let vector = match pending.map(|pending| pending.wait(request.deadline)) {
            None => Vec::new(),
            Some(Ok(query)) => nearest(snapshot, &query, n_candidates, filter, &mut degraded)?,
            Some(Err(reason)) => {
                degraded.push(degradation(&reason));
                Vec::new()
            }
        };
        if request.mode == Mode::Vector && lexical.is_empty() && !degraded.is_empty() {
            // The caller asked for vectors and there are none: words are better than nothing.
            let lexical = snapshot.words.search(&reading.lexical, n_candidates, filter)?;
            return Ok((self.settings.fusion.fuse(&lexical, &[], 2 * n_candidates), degraded));
        }
        Ok((self.settings.fusion.fuse(&lexical, &vector, 2 * n_candidates), degraded))
    }

    fn ask(&self, request: &SearchRequest) -> Option<Pending> {
        Some(self.embedder.as_ref()?.ask(&request.query, request.deadline))
    }
}
