//! What was asked and not answered: what editors should write.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::super::app::App;
use super::super::backend::DocumentSubject;
use super::super::caller::Caller;
use super::super::extract::{QueryPairs, number_in, unknown_parameter};
use super::super::problem::{Problem, ProblemBody};
use super::{Days, with_records};
use crate::access::Role;
use crate::assist::asks;
use crate::call_records::OpenQuestion;

/// Wordings named for a gap.
const EXAMPLES_OF_GAP: usize = 5;
/// Wordings that are grouped by likeness.
const MAX_WORDINGS: usize = 1_000;

/// What was asked and not answered.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct GapsReply {
    from: String,
    to: String,
    /// Most calls first, then the newest; alike questions stand together.
    groups: Vec<Gap>,
    /// Whether there were more wordings than are counted (1,000): the rarest are left out.
    is_cut: bool,
}

/// Questions that are alike.
#[derive(Debug, Serialize, ToSchema)]
struct Gap {
    /// Calls in which one of them was asked.
    n_calls: u64,
    /// Wordings, without personal data.
    n_wordings: usize,
    /// Five at most, the newest first.
    examples: Vec<String>,
    last_asked_at: String,
    /// The likeliest answer to the newest one, too unlikely to be shown.
    nearest: Option<Nearest>,
}

/// What came nearest to an answer.
#[derive(Debug, Serialize, ToSchema)]
struct Nearest {
    document_id: String,
    title: Option<String>,
    confidence: f32,
}

/// A period.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(in crate::http) struct GapsQuery {
    /// First day; without it, six days before the last one.
    from: Option<String>,
    /// Last day, included; without it, today.
    to: Option<String>,
    /// Groups, 1 to 500; 50 if left out.
    limit: Option<usize>,
}

/// What is missing
///
/// Questions of callers that found nothing good, grouped by likeness: what editors should write.
#[utoipa::path(
    get,
    path = "/v1/reports/gaps",
    tag = "reports",
    params(GapsQuery),
    responses(
        (status = 200, description = "The report", body = GapsReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn gaps(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<GapsReply>, Problem> {
    caller.at_least(Role::Agent, "Reports")?;
    let (mut from, mut to, mut limit) = (None, None, 50);
    for (name, value) in pairs {
        match name.as_str() {
            "from" => from = Some(value),
            "to" => to = Some(value),
            "limit" => limit = number_in("limit", &value, 1..=500)?,
            _ => return Err(unknown_parameter(&name, &["from", "to", "limit"])),
        }
    }
    let days = Days::read(&app, from, to)?;
    let (period, _) = days.period(&app)?;
    let read = with_records(&app, move |backend, reader| {
        let mut questions = reader
            .open_questions(period, caller.sight())
            .map_err(Problem::internal)?;
        // What was only told found nothing because nothing was asked.
        questions.retain(|open| asks(&open.question));
        let is_cut = questions.len() > MAX_WORDINGS;
        questions.truncate(MAX_WORDINGS);
        questions.sort_by_key(|open| std::cmp::Reverse(open.asked_at));
        let texts: Vec<&str> = questions
            .iter()
            .map(|open| open.question.as_str())
            .collect();
        let groups = backend.group_alike(&texts)?;
        let ids = questions.iter().filter_map(|open| open.document_id.clone());
        let subjects = backend.subjects(&ids.collect(), caller.sight())?;
        let groups = groups.iter().map(|group| gap(group, &questions, &subjects));
        Ok((groups.collect::<Vec<_>>(), is_cut))
    });
    let (mut groups, is_cut) = read.await?;
    // Stable: the newest of equals first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.n_calls));
    groups.truncate(limit);
    Ok(Json(GapsReply {
        from: days.from.to_string(),
        to: days.to.to_string(),
        groups,
        is_cut,
    }))
}

/// The questions at the places of `group`, which is not empty and has the newest first.
fn gap(
    group: &[usize],
    questions: &[OpenQuestion],
    subjects: &BTreeMap<String, DocumentSubject>,
) -> Gap {
    let asked = || group.iter().map(|at| &questions[*at]);
    let newest = asked().next();
    Gap {
        n_calls: asked().map(|open| open.n_calls).sum(),
        n_wordings: group.len(),
        examples: asked()
            .take(EXAMPLES_OF_GAP)
            .map(|open| open.question.clone())
            .collect(),
        last_asked_at: newest.map_or_else(String::new, |open| format!("{:.3}", open.asked_at)),
        nearest: newest.and_then(|open| {
            let document_id = open.document_id.clone()?;
            // What the caller may not see is not named.
            let subject = subjects.get(&document_id)?;
            Some(Nearest {
                title: Some(subject.title.clone()),
                document_id,
                confidence: open.confidence,
            })
        }),
    }
}
