//! How the knowledge base is used: direct answers, adoption, use of documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::super::app::App;
use super::super::backend::DocumentQuery;
use super::super::caller::Caller;
use super::super::extract::{QueryPairs, unknown_parameter};
use super::super::problem::{Problem, ProblemBody};
use super::{By, Days, with_records};
use crate::access::Role;

/// A period, and what to count by.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(in crate::http) struct ReportQuery {
    /// First day, `2026-11-01`; without it, six days before the last one.
    from: Option<String>,
    /// Last day, included; without it, today.
    to: Option<String>,
    /// `department` (the default), `topic` (业务分类) or `day`.
    by: Option<String>,
}

/// How the knowledge base was used.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UsageReply {
    from: String,
    to: String,
    by: &'static str,
    total: UsageGroup,
    /// Most calls first. A call about several topics counts for each.
    groups: Vec<UsageGroup>,
    knowledge: KnowledgeUse,
}

/// What some calls add up to. A call counts for the document that answered its first question best.
#[derive(Debug, Default, Serialize, ToSchema)]
struct UsageGroup {
    /// Department, topic or day; `null` for all.
    name: Option<String>,
    /// Calls that began in the period.
    n_calls: u64,
    /// Calls in which something was asked.
    n_asked: u64,
    /// Calls in which an answer was adopted, edited or linked to a ticket.
    n_answered: u64,
    /// 直接解答率: `n_answered / n_asked`.
    direct_answer_rate: Option<f64>,
    /// Recommendations.
    n_recommended: u64,
    /// Those that were adopted, edited or linked.
    n_adopted: u64,
    /// Those that were dismissed or did not help.
    n_rejected: u64,
    /// 采纳率: `n_adopted / n_recommended`.
    adoption_rate: Option<f64>,
    /// Median seconds from the first question to the first adopted answer.
    seconds_to_adoption: Option<f64>,
    #[serde(skip)]
    adoption_ms: Vec<u64>,
}

/// 知识库利用率
#[derive(Debug, Serialize, ToSchema)]
struct KnowledgeUse {
    /// Documents that can be found now.
    n_documents: usize,
    /// Documents that were adopted in the period.
    n_adopted: usize,
    /// `n_adopted / n_documents`.
    utilisation: Option<f64>,
}

/// Use of the knowledge base
///
/// Direct answers (直接解答率), adoption, use of documents (知识库利用率) and the time until an answer was
/// adopted, by department, topic or day.
#[utoipa::path(
    get,
    path = "/v1/reports/usage",
    tag = "reports",
    params(ReportQuery),
    responses(
        (status = 200, description = "The report", body = UsageReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn usage(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<UsageReply>, Problem> {
    caller.at_least(Role::Agent, "Reports")?;
    let (mut from, mut to, mut by) = (None, None, By::Department);
    for (name, value) in pairs {
        match name.as_str() {
            "from" => from = Some(value),
            "to" => to = Some(value),
            "by" => by = By::read(&value)?,
            _ => return Err(unknown_parameter(&name, &["from", "to", "by"])),
        }
    }
    let days = Days::read(&app, from, to)?;
    let (period, offset_ms) = days.period(&app)?;
    let read = with_records(&app, move |backend, reader| {
        let calls = reader
            .call_counts(period, offset_ms, caller.sight())
            .map_err(Problem::internal)?;
        let shown = reader
            .shown_documents(period, offset_ms, caller.sight())
            .map_err(Problem::internal)?;
        let adopted = reader
            .adopted_documents(period, caller.sight())
            .map_err(Problem::internal)?;
        let ids = calls.iter().filter_map(|counts| counts.document_id.clone());
        let ids: BTreeSet<String> = ids
            .chain(shown.iter().map(|shown| shown.document_id.clone()))
            .chain(adopted.iter().map(|adopted| adopted.document_id.clone()))
            .collect();
        let subjects = backend.subjects(&ids, caller.sight())?;
        // Those that the caller may see.
        let all = DocumentQuery {
            sight: caller.sight().clone(),
            limit: 1,
            ..DocumentQuery::default()
        };
        let n_documents = backend.documents(&all)?.total;
        Ok((calls, shown, adopted, subjects, n_documents))
    });
    let (calls, shown, adopted, subjects, n_documents) = read.await?;
    let day_of = |start: Timestamp| start.to_zoned(app.time_zone.clone()).date();
    let mut total = UsageGroup::default();
    let mut groups: BTreeMap<String, UsageGroup> = BTreeMap::new();
    for counts in &calls {
        let subject = counts.document_id.as_ref().and_then(|id| subjects.get(id));
        let add = |group: &mut UsageGroup| {
            group.n_calls += counts.n_calls;
            group.n_asked += counts.n_asked;
            group.n_answered += counts.n_adopted;
            group.adoption_ms.extend(&counts.adoption_ms);
        };
        add(&mut total);
        for name in by.names(subject, day_of(counts.day_start)) {
            add(groups.entry(name).or_default());
        }
    }
    for shown in &shown {
        let add = |group: &mut UsageGroup| {
            group.n_recommended += shown.n_recommended;
            group.n_adopted += shown.n_adopted;
            group.n_rejected += shown.n_rejected;
        };
        add(&mut total);
        for name in by.names(subjects.get(&shown.document_id), day_of(shown.day_start)) {
            add(groups.entry(name).or_default());
        }
    }
    let mut groups: Vec<UsageGroup> = groups
        .into_iter()
        .map(|(name, group)| group.summed_up(Some(name)))
        .collect();
    match by {
        By::Day => {}
        // Stable: ties by name.
        By::Department | By::Topic => groups.sort_by_key(|group| std::cmp::Reverse(group.n_calls)),
    }
    let n_adopted = adopted
        .iter()
        .filter(|adopted| subjects.contains_key(&adopted.document_id))
        .count();
    Ok(Json(UsageReply {
        from: days.from.to_string(),
        to: days.to.to_string(),
        by: by.name(),
        total: total.summed_up(None),
        groups,
        knowledge: KnowledgeUse {
            n_documents,
            n_adopted,
            utilisation: share(n_adopted as u64, n_documents as u64),
        },
    }))
}

impl UsageGroup {
    fn summed_up(mut self, name: Option<String>) -> Self {
        self.adoption_ms.sort_unstable();
        let median = self.adoption_ms.get(self.adoption_ms.len() / 2);
        Self {
            name,
            direct_answer_rate: share(self.n_answered, self.n_asked),
            adoption_rate: share(self.n_adopted, self.n_recommended),
            seconds_to_adoption: median.map(|ms| *ms as f64 / 1e3),
            ..self
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
