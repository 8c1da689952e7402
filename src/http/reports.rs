//! `GET /v1/reports/…`: what calls add up to, for whoever runs the hotline and whoever writes for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::backend::{Backend, DocumentQuery, DocumentSubject};
use super::calls::for_agents;
use super::extract::{QueryPairs, number_in, unknown_parameter};
use super::problem::{Problem, ProblemBody};
use crate::assist::asks;
use crate::call_records::{CallReader, OpenQuestion, Period};
use crate::records::RecordsError;

/// Days of a report that does not say, today included.
const DEFAULT_DAYS: i64 = 7;
/// Longest period of a report, in days.
const MAX_DAYS: i32 = 400;
/// Documents named for a topic.
const DOCUMENTS_OF_TOPIC: usize = 5;
/// Wordings named for a gap.
const EXAMPLES_OF_GAP: usize = 5;
/// Wordings that are grouped by likeness.
const MAX_WORDINGS: usize = 1_000;
/// Where a document says nothing of it, or is gone.
const UNKNOWN: &str = "未归类";

/// A period, and what to count by.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(super) struct ReportQuery {
    /// First day, `2026-11-01`; without it, six days before the last one.
    from: Option<String>,
    /// Last day, included; without it, today.
    to: Option<String>,
    /// `department` (the default), `topic` (业务分类) or `day`.
    by: Option<String>,
}

/// How the knowledge base was used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageReply {
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

/// What is asked now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TrendingReply {
    window_hours: usize,
    until: String,
    by: &'static str,
    /// Most calls first.
    topics: Vec<Trend>,
}

/// One topic in a window of time, and in the window before.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Trend {
    name: String,
    /// Answered questions, once a call and document.
    n_calls: u64,
    /// The same in the window before.
    n_calls_before: u64,
    /// What was asked about most, five at most.
    documents: Vec<TrendingDocument>,
}

/// A document that was asked about.
#[derive(Debug, Serialize, ToSchema)]
struct TrendingDocument {
    document_id: String,
    title: Option<String>,
    n_calls: u64,
}

/// What was asked and not answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapsReply {
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

/// What a report counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Department,
    Topic,
    Day,
}

impl By {
    fn read(value: &str) -> Result<Self, Problem> {
        [Self::Department, Self::Topic, Self::Day]
            .into_iter()
            .find(|by| by.name() == value)
            .ok_or_else(|| Problem::field("by", "is none of `department`, `topic`, `day`"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Topic => "topic",
            Self::Day => "day",
        }
    }

    /// What a document counts for.
    fn names(self, subject: Option<&DocumentSubject>, day: Date) -> Vec<String> {
        let names = match (self, subject) {
            (Self::Day, _) => vec![day.to_string()],
            (Self::Department, Some(subject)) => subject.department.iter().cloned().collect(),
            (Self::Topic, Some(subject)) => subject.topics.clone(),
            (_, None) => Vec::new(),
        };
        match names.is_empty() {
            true => vec![UNKNOWN.to_owned()],
            false => names,
        }
    }
}

/// Days, both included.
#[derive(Clone, Copy, Debug)]
struct Days {
    from: Date,
    to: Date,
}

impl Days {
    fn read(app: &App, from: Option<String>, to: Option<String>) -> Result<Self, Problem> {
        let day = |field: &'static str, value: Option<String>, default: Date| match value {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| {
                Problem::field(
                    field,
                    format!("{value:?} is no day; write it as 2026-11-20"),
                )
            }),
        };
        let today = Timestamp::now().to_zoned(app.time_zone.clone()).date();
        let to = day("to", to, today)?;
        let first = to.checked_sub((DEFAULT_DAYS - 1).days()).unwrap_or(to);
        let from = day("from", from, first)?;
        if from > to {
            return Err(Problem::field("from", format!("{from} is after {to}")));
        }
        if (to - from).get_days() > MAX_DAYS {
            let reason = format!("{from} to {to} is too long; at most {MAX_DAYS} days are counted");
            return Err(Problem::field("from", reason));
        }
        Ok(Self { from, to })
    }

    /// The period, and by how much days begin before those of UTC.
    fn period(self, app: &App) -> Result<(Period, i64), Problem> {
        let start = |day: Date| {
            let midnight = day.to_zoned(app.time_zone.clone());
            midnight.map_err(|_| Problem::field("from", format!("{day} is out of range")))
        };
        let from = start(self.from)?;
        let after = self.to.tomorrow();
        let to = start(after.map_err(|_| Problem::field("to", "is out of range"))?)?;
        let period = Period {
            from: from.timestamp(),
            to: to.timestamp(),
        };
        Ok((period, i64::from(from.offset().seconds()) * 1_000))
    }
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
pub(super) async fn usage(
    State(app): State<Arc<App>>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<UsageReply>, Problem> {
    for_agents(&app)?;
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
    let audience = app.audience();
    let read = with_records(&app, move |backend, reader| {
        let calls = reader
            .call_counts(period, offset_ms)
            .map_err(Problem::internal)?;
        let shown = reader
            .shown_documents(period, offset_ms)
            .map_err(Problem::internal)?;
        let adopted = reader
            .adopted_documents(period)
            .map_err(Problem::internal)?;
        let ids = calls.iter().filter_map(|counts| counts.document_id.clone());
        let ids: BTreeSet<String> = ids
            .chain(shown.iter().map(|shown| shown.document_id.clone()))
            .chain(adopted.iter().map(|adopted| adopted.document_id.clone()))
            .collect();
        let subjects = backend.subjects(&ids, audience)?;
        // Those that the caller may see.
        let all = DocumentQuery {
            audience,
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

/// A window of time.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(super) struct TrendingQuery {
    /// Hours up to now, 1 to 720; 24 if left out.
    window_hours: Option<usize>,
    /// `topic` (业务分类, the default) or `department`.
    by: Option<String>,
}

/// What is asked now
///
/// Answered questions of the last hours by topic, beside those of the hours before.
#[utoipa::path(
    get,
    path = "/v1/reports/trending",
    tag = "reports",
    params(TrendingQuery),
    responses(
        (status = 200, description = "The report", body = TrendingReply),
        (status = "4XX", description = "Not possible as asked", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn trending(
    State(app): State<Arc<App>>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<TrendingReply>, Problem> {
    for_agents(&app)?;
    let (mut window_hours, mut by) = (24, By::Topic);
    for (name, value) in pairs {
        match name.as_str() {
            "window_hours" => window_hours = number_in("window_hours", &value, 1..=720)?,
            "by" => by = By::read(&value)?,
            _ => return Err(unknown_parameter(&name, &["window_hours", "by"])),
        }
    }
    if by == By::Day {
        return Err(Problem::field("by", "is none of `topic`, `department`"));
    }
    let until = Timestamp::now();
    let window = SignedDuration::from_hours(window_hours as i64);
    let period = |to: Timestamp| Period {
        from: to - window,
        to,
    };
    let (now, before) = (period(until), period(until - window));
    let audience = app.audience();
    let read = with_records(&app, move |backend, reader| {
        let now = reader.asked_documents(now).map_err(Problem::internal)?;
        let before = reader.asked_documents(before).map_err(Problem::internal)?;
        let ids = now
            .iter()
            .chain(&before)
            .map(|asked| asked.document_id.clone());
        let subjects = backend.subjects(&ids.collect(), audience)?;
        Ok((now, before, subjects))
    });
    let (now, before, subjects) = read.await?;
    let today = until.to_zoned(app.time_zone.clone()).date();
    let mut topics: BTreeMap<String, Trend> = BTreeMap::new();
    for asked in before {
        for name in by.names(subjects.get(&asked.document_id), today) {
            topics.entry(name).or_default().n_calls_before += asked.n_calls;
        }
    }
    for asked in now {
        // What the caller may not see is not named.
        let subject = subjects.get(&asked.document_id);
        for name in by.names(subject, today) {
            let topic = topics.entry(name).or_default();
            topic.n_calls += asked.n_calls;
            if let Some(subject) = subject {
                topic.documents.push(TrendingDocument {
                    document_id: asked.document_id.clone(),
                    title: Some(subject.title.clone()),
                    n_calls: asked.n_calls,
                });
            }
        }
    }
    let mut topics: Vec<Trend> = topics
        .into_iter()
        .map(|(name, mut topic)| {
            topic
                .documents
                .sort_by_key(|document| std::cmp::Reverse(document.n_calls));
            topic.documents.truncate(DOCUMENTS_OF_TOPIC);
            Trend { name, ..topic }
        })
        .collect();
    topics.sort_by_key(|topic| std::cmp::Reverse(topic.n_calls));
    Ok(Json(TrendingReply {
        window_hours,
        until: format!("{until:.3}"),
        by: by.name(),
        topics,
    }))
}

/// A period.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(super) struct GapsQuery {
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
pub(super) async fn gaps(
    State(app): State<Arc<App>>,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<GapsReply>, Problem> {
    for_agents(&app)?;
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
    let audience = app.audience();
    let read = with_records(&app, move |backend, reader| {
        let mut questions = reader.open_questions(period).map_err(Problem::internal)?;
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
        let subjects = backend.subjects(&ids.collect(), audience)?;
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

/// Reads what is kept of calls, beside the backend.
async fn with_records<T: Send + 'static>(
    app: &Arc<App>,
    read: impl FnOnce(&dyn Backend, &CallReader) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    app.ready(0)?;
    app.call_records()?.flush().await;
    let shared = app.clone();
    let done = app.run_report(move |backend| {
        let reader = shared.call_records()?.reader();
        read(
            backend,
            &reader.map_err(|error: RecordsError| Problem::internal(error))?,
        )
    });
    done.await?
}
