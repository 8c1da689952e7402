//! `GET /v1/reports/…`: what calls add up to, for whoever runs the hotline and whoever writes for it.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::app::App;
use super::backend::{Backend, DocumentSubject};
use super::problem::Problem;
use crate::call_records::{CallReader, Period};
use crate::records::RecordsError;

mod gaps;
mod trending;
mod usage;

pub(super) use gaps::{__path_gaps, gaps};
pub(super) use trending::{__path_trending, trending};
pub(super) use usage::{__path_usage, usage};

/// Days of a report that does not say, today included.
const DEFAULT_DAYS: i64 = 7;
/// Longest period of a report, in days.
const MAX_DAYS: i32 = 400;
/// Where a document says nothing of it, or is gone.
const UNKNOWN: &str = "未归类";

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
