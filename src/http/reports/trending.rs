//! What is asked now, by topic and window of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::super::app::App;
use super::super::caller::Caller;
use super::super::extract::{QueryPairs, number_in, unknown_parameter};
use super::super::problem::{Problem, ProblemBody};
use super::{By, with_records};
use crate::access::Role;
use crate::call_records::Period;

/// Documents named for a topic.
const DOCUMENTS_OF_TOPIC: usize = 5;

/// What is asked now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TrendingReply {
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

/// A window of time.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read from pairs, described by their names")]
pub(in crate::http) struct TrendingQuery {
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
pub(in crate::http) async fn trending(
    State(app): State<Arc<App>>,
    caller: Caller,
    QueryPairs(pairs): QueryPairs,
) -> Result<Json<TrendingReply>, Problem> {
    caller.at_least(Role::Agent, "Reports")?;
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
    let read = with_records(&app, move |backend, reader| {
        let now = reader
            .asked_documents(now, caller.sight())
            .map_err(Problem::internal)?;
        let before = reader
            .asked_documents(before, caller.sight())
            .map_err(Problem::internal)?;
        let ids = now
            .iter()
            .chain(&before)
            .map(|asked| asked.document_id.clone());
        let subjects = backend.subjects(&ids.collect(), caller.sight())?;
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
