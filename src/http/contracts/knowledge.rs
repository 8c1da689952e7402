//! A knowledge base by the name that a contract gives it: everything, or one department's documents.

use std::time::{Duration, Instant};

use super::conditions::looks_at_validity;
use crate::http::app::App;
use crate::http::backend::DocumentQuery;
use crate::http::caller::Caller;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::search::check_query;
use crate::retrieval::{
    Admission, Filters, Group, Hit, MAX_LIMIT, MetadataFilter, Mode, SearchRequest,
};
use crate::sight::Sight;

/// Names of the knowledge base that holds everything.
const EVERYTHING: [&str; 2] = ["all", "default"];
/// Longest name of a knowledge base.
const MAX_NAME_CHARS: usize = 200;
/// Hits that are looked through where a least score leaves some out.
const N_WITH_THRESHOLD: usize = 50;

/// What is looked for.
pub(super) struct Wanted {
    /// `all`, `default`, or a department's name.
    pub knowledge: String,
    /// Each is searched for by itself.
    pub queries: Vec<String>,
    /// Conditions on documents.
    pub metadata: Option<MetadataFilter>,
    /// Most passages, 1..=[`MAX_LIMIT`].
    pub limit: usize,
    /// Passages less likely to answer are left out.
    pub min_score: f32,
}

/// Passages with their scores, best first.
///
/// # Errors
/// [`ProblemKind::NoSuchKnowledge`] if no document of it exists for the caller.
pub(super) async fn retrieve(
    app: &App,
    caller: &Caller,
    wanted: Wanted,
) -> Result<Vec<(Hit, f32)>, Problem> {
    let started = Instant::now();
    app.ready(0)?;
    for query in &wanted.queries {
        check_query("query", query)?;
    }
    let department = department_of(&wanted.knowledge)?;
    let (sight, patience) = (caller.sight().clone(), app.search_deadline());
    let knowledge = wanted.knowledge.clone();
    let found = app.run(move |backend| {
        let (mut best, mut degraded) = (Vec::new(), Vec::new());
        for query in &wanted.queries {
            let request = wanted.request(query, department.clone(), &sight, patience);
            let response = backend.search(&request)?;
            degraded = response.degraded;
            best.push(wanted.best_of(response.hits));
        }
        let best = merged(best, wanted.limit);
        if let (Some(department), true) = (department, best.is_empty()) {
            let any = DocumentQuery {
                department: vec![department],
                sight,
                limit: 1,
                ..DocumentQuery::default()
            };
            if backend.documents(&any)?.total == 0 {
                return Err(no_such_knowledge(&wanted.knowledge));
            }
        }
        Ok((best, degraded))
    });
    let (best, degraded) = found.await??;
    app.metrics
        .search(Mode::Hybrid, started.elapsed(), &degraded);
    tracing::debug!(knowledge, n_found = best.len(), "retrieved for a contract");
    Ok(best)
}

fn no_such_knowledge(name: &str) -> Problem {
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    let detail = format!("There is no knowledge base {name:?}; use `all` or a department's name.");
    Problem::new(ProblemKind::NoSuchKnowledge, detail)
}

/// The department that a knowledge base is limited to; `None` for everything.
fn department_of(knowledge: &str) -> Result<Option<String>, Problem> {
    let name = knowledge.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(no_such_knowledge(knowledge));
    }
    Ok((!EVERYTHING.contains(&name)).then(|| name.to_owned()))
}

impl Wanted {
    fn request(
        &self,
        query: &str,
        department: Option<String>,
        sight: &Sight,
        patience: Duration,
    ) -> SearchRequest {
        let limit = match self.min_score > 0.0 {
            true => self.limit.max(N_WITH_THRESHOLD),
            false => self.limit,
        };
        let asks_for_validity = self.metadata.as_ref().is_some_and(looks_at_validity);
        SearchRequest {
            filters: Filters {
                department: department.into_iter().collect(),
                metadata: self.metadata.clone(),
                ..Filters::default()
            },
            // Whoever says which validity counts is taken at their word.
            admission: match asks_for_validity {
                true => Admission::Any,
                false => Admission::InForce,
            },
            group: Group::None,
            with_facets: false,
            deadline: Some(Instant::now() + patience),
            ..SearchRequest::new(query.to_owned(), limit.min(MAX_LIMIT), sight.clone())
        }
    }

    /// The first of the hits that are likely enough.
    fn best_of(&self, hits: Vec<Hit>) -> Vec<(Hit, f32)> {
        let scored = hits.into_iter().map(|hit| {
            // Without a calibration the ranking's own score is the best there is.
            let score = hit.confidence.unwrap_or(hit.score).clamp(0.0, 1.0);
            (hit, score)
        });
        scored
            .filter(|(_, score)| *score >= self.min_score)
            .take(self.limit)
            .collect()
    }
}

/// The lists as one, by score, each passage once; of equal scores the one that comes first.
fn merged(lists: Vec<Vec<(Hit, f32)>>, limit: usize) -> Vec<(Hit, f32)> {
    let mut all: Vec<(Hit, f32)> = lists.into_iter().flatten().collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut seen = std::collections::HashSet::new();
    all.retain(|(hit, _)| seen.insert(hit.passage_id.clone()));
    all.truncate(limit);
    all
}
