//! What an operator sees of a running Zhiku: log lines and metrics.
//!
//! Logs go to standard error, metrics are rendered on request and never sent anywhere. Neither
//! holds the text of a query or an utterance: callers talk about their own lives.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use crate::records::Receipt;
use crate::retrieval::{Degraded, Mode};

/// Upper ends of the latency buckets, in seconds; the targets (4 and 15 ms) fall on two of them.
const LATENCY_BUCKETS_S: &[f64] = &[
    0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Why logging or counting could not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` cannot be parsed, or the process logs already.
    #[error("logging could not start: {0}")]
    Logging(String),
    /// The process counts already, into something else.
    #[error("metrics could not start: {0}")]
    Metrics(String),
}

/// Sends log lines of this process to standard error.
///
/// # Errors
/// [`TelemetryError::Logging`]
pub fn start_logging(log: &LogConfig) -> Result<(), TelemetryError> {
    let failed = |reason: String| TelemetryError::Logging(reason);
    let filter =
        EnvFilter::try_new(directives(&log.level)).map_err(|err| failed(err.to_string()))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|err| failed(err.to_string()))
}

/// Libraries that report what concerns no operator, and from which level on they are heard: progress
/// of graph builds, folders that went together with their watch, merges of segments that a commit
/// overtook.
const CHATTY: [(&str, &str); 3] = [
    ("hnsw_rs", "warn"),
    ("notify", "warn"),
    ("tantivy", "error"),
];

/// The level as configured, without what chatty libraries say; a directive of one's own for one of
/// them counts.
fn directives(level: &str) -> String {
    let mut directives = level.to_owned();
    for (library, quiet) in CHATTY {
        if !level.contains(library) {
            directives.push_str(&format!(",{library}={quiet}"));
        }
    }
    directives
}

/// The metrics of this process. Cheap to clone; every clone shows the same figures.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// How much is indexed, as gauges show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexSize {
    /// The generation that serves.
    pub generation: u64,
    /// Documents in it.
    pub n_documents: usize,
    /// Passages in it.
    pub n_passages: usize,
}

impl Metrics {
    /// Starts counting, or joins the counting that this process already does.
    ///
    /// # Errors
    /// [`TelemetryError::Metrics`]
    pub fn start() -> Result<Self, TelemetryError> {
        static STARTED: OnceLock<Result<Metrics, TelemetryError>> = OnceLock::new();
        STARTED.get_or_init(Self::install).clone()
    }

    fn install() -> Result<Self, TelemetryError> {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(seconds, LATENCY_BUCKETS_S)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|err| TelemetryError::Metrics(err.to_string()))?;
        describe();
        Ok(Self { handle })
    }

    /// Everything counted so far, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds recorded durations into their buckets, so that they do not pile up when nobody reads
    /// the metrics. To be called every few seconds.
    pub fn fold(&self) {
        self.handle.run_upkeep();
    }

    /// One HTTP request was answered. `route` is the route's pattern, never the path itself.
    pub fn request(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        let (route, method) = (route.to_owned(), method.to_owned());
        let status = status.to_string();
        histogram!("zhiku_http_request_seconds", "route" => route.clone()).record(elapsed);
        counter!("zhiku_http_requests_total", "route" => route, "method" => method, "status" => status)
            .increment(1);
    }

    /// One search was answered.
    pub fn search(&self, mode: Mode, elapsed: Duration, degraded: &[Degraded]) {
        let mode = match mode {
            Mode::Hybrid => "hybrid",
            Mode::Lexical => "lexical",
            Mode::Vector => "vector",
        };
        histogram!("zhiku_search_seconds", "mode" => mode).record(elapsed);
        for reason in degraded {
            counter!("zhiku_degraded_total", "reason" => reason.name()).increment(1);
        }
    }

    /// One question was answered, or was not for the reason that `outcome` names.
    pub fn answer(&self, outcome: &'static str, elapsed: Duration, degraded: &[Degraded]) {
        histogram!("zhiku_answer_seconds").record(elapsed);
        counter!("zhiku_answers_total", "outcome" => outcome).increment(1);
        for reason in degraded {
            counter!("zhiku_degraded_total", "reason" => reason.name()).increment(1);
        }
    }

    /// One search was refused because too many were running.
    pub fn search_refused(&self) {
        counter!("zhiku_searches_refused_total").increment(1);
    }

    /// One change became visible, or failed.
    pub fn change(&self, receipt: &Receipt) {
        counter!("zhiku_changes_total", "change" => receipt.what.change.name()).increment(1);
        let lag = Duration::from_millis(receipt.lag_ms());
        histogram!("zhiku_change_lag_seconds").record(lag);
    }

    /// So many paths wait to be looked at.
    pub fn changes_waiting(&self, n_paths: usize) {
        gauge!("zhiku_changes_waiting").set(n_paths as f64);
    }

    /// So many calls go on, and so many entries of calls were lost since the start.
    pub fn calls(&self, n_calls: usize, n_lost_entries: u64) {
        gauge!("zhiku_calls").set(n_calls as f64);
        counter!("zhiku_call_entries_lost_total").absolute(n_lost_entries);
    }

    /// The index could not follow the corpus, and will try again.
    pub fn update_failed(&self) {
        counter!("zhiku_update_failures_total").increment(1);
    }

    /// What is served now.
    pub fn index(&self, size: IndexSize) {
        // Gauges are floating-point; counts stay exact below 2^53.
        gauge!("zhiku_generation").set(size.generation as f64);
        gauge!("zhiku_documents").set(size.n_documents as f64);
        gauge!("zhiku_passages").set(size.n_passages as f64);
    }
}

fn describe() {
    describe_counter!("zhiku_http_requests_total", "HTTP requests answered");
    describe_histogram!(
        "zhiku_http_request_seconds",
        "Time until the answer's head, by route"
    );
    describe_histogram!(
        "zhiku_search_seconds",
        "Time of a search, waiting included, by mode"
    );
    describe_histogram!(
        "zhiku_answer_seconds",
        "Time of an answer to the public, waiting included"
    );
    describe_counter!(
        "zhiku_answers_total",
        "Questions of the public, by outcome: answered, or why not"
    );
    describe_counter!(
        "zhiku_degraded_total",
        "Answers worse than they could be, by reason"
    );
    describe_counter!(
        "zhiku_searches_refused_total",
        "Searches refused because too many ran"
    );
    describe_counter!("zhiku_changes_total", "Changes of files, by kind");
    describe_histogram!(
        "zhiku_change_lag_seconds",
        "From noticing a change to every query seeing it"
    );
    describe_gauge!("zhiku_changes_waiting", "Paths that changed and wait");
    describe_counter!(
        "zhiku_update_failures_total",
        "Updates of the index that failed as a whole"
    );
    describe_gauge!("zhiku_calls", "Calls that go on");
    describe_counter!(
        "zhiku_call_entries_lost_total",
        "Entries of calls that could not be kept"
    );
    describe_gauge!("zhiku_generation", "The generation that serves");
    describe_gauge!("zhiku_documents", "Documents in the generation that serves");
    describe_gauge!("zhiku_passages", "Passages in the generation that serves");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rendered_with_their_labels() {
        let metrics = Metrics::start().unwrap();
        let elapsed = Duration::from_millis(3);
        metrics.request("/v1/telemetry-test", "GET", 200, elapsed);
        metrics.search(Mode::Vector, elapsed, &[Degraded::VectorTimeout]);
        metrics.index(IndexSize {
            generation: 7,
            n_documents: 2,
            n_passages: 9,
        });
        let text = Metrics::start().unwrap().render();
        for line in [
            r#"zhiku_http_requests_total{route="/v1/telemetry-test",method="GET",status="200"} 1"#,
            r#"zhiku_http_request_seconds_bucket{route="/v1/telemetry-test",le="0.002"} 0"#,
            r#"zhiku_http_request_seconds_bucket{route="/v1/telemetry-test",le="0.004"} 1"#,
            r#"zhiku_search_seconds_count{mode="vector"} 1"#,
            r#"zhiku_degraded_total{reason="vector_timeout"} 1"#,
            "zhiku_generation 7",
            "zhiku_passages 9",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no line {line} in\n{text}"
            );
        }
    }
}
