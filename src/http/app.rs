//! What every handler holds: the backend, the limits and the metrics.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, Status};
use super::problem::{Problem, ProblemKind};
use crate::access::Access;
use crate::answer;
use crate::assist::{self, Desk, Journal, NoJournal};
use crate::call_records::CallRecords;
use crate::config::{Config, ServerConfig};
use crate::telemetry::Metrics;

/// How often a request that waits for a generation looks for it.
const GENERATION_POLL: Duration = Duration::from_millis(2);

/// Handles that requests share.
pub struct App {
    backend: Arc<dyn Backend>,
    /// Bounds the calls into the backend that run at once.
    permits: Arc<Semaphore>,
    /// Bounds those that read what is kept of calls: reports may take long, and searches do not wait
    /// for them.
    report_permits: Arc<Semaphore>,
    pub(super) metrics: Metrics,
    pub(super) server: ServerConfig,
    /// The calls that go on.
    pub(super) desk: Arc<Desk>,
    /// Where what happens in them is kept, as soon as it is open.
    call_records: Arc<OnceLock<CallRecords>>,
    /// Who may ask, and how often.
    pub(super) access: Access,
    /// Proxies that say for whom they ask.
    pub(super) trusted_proxies: Vec<IpNet>,
    /// Origins of pages that may read answers.
    pub(super) cors_origins: Vec<String>,
    /// How they are assisted.
    pub(super) assist: assist::Settings,
    /// When the public is answered.
    pub(super) answer: answer::Settings,
    /// Decides when days begin.
    pub(super) time_zone: TimeZone,
    /// Whether searches heed what agents adopted.
    pub(super) heeds_lessons: bool,
    /// Cancelled when the server stops: answers without an end must end then.
    pub(super) closing: CancellationToken,
    /// The corpus folder, for originals.
    pub(super) corpus: PathBuf,
    /// Originals beyond this are not served.
    pub(super) max_file_bytes: u64,
}

impl App {
    /// Serves `backend` within the limits of `config`.
    pub fn new(backend: Arc<dyn Backend>, config: &Config, metrics: Metrics) -> Self {
        let n_permits = match config.server.max_concurrent_searches {
            0 => 2 * std::thread::available_parallelism().map_or(1, usize::from),
            n => n.min(Semaphore::MAX_PERMITS),
        };
        Self {
            backend,
            permits: Arc::new(Semaphore::new(n_permits)),
            report_permits: Arc::new(Semaphore::new(1)),
            metrics,
            server: config.server.clone(),
            desk: Arc::new(Desk::new(
                config.assist.max_calls,
                Duration::from_secs(60 * config.assist.idle_minutes),
            )),
            call_records: Arc::default(),
            access: Access::without_keys(config.access_settings()),
            trusted_proxies: config.access.trusted_proxies.clone(),
            cors_origins: config.access.cors_origins.clone(),
            assist: config.assist_settings(),
            answer: config.answer_settings(),
            // Checked as the configuration was read.
            time_zone: config.time_zone().unwrap_or(TimeZone::UTC),
            heeds_lessons: config.retrieval.learned,
            closing: CancellationToken::new(),
            corpus: config.corpus.path.clone(),
            max_file_bytes: config.limits.max_file_bytes,
        }
    }

    /// The same with keys: without them, requests of this machine alone are answered.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The calls that go on, and the place for where they are kept, for whoever opens that.
    pub fn calls(&self) -> (Arc<Desk>, Arc<OnceLock<CallRecords>>) {
        (self.desk.clone(), self.call_records.clone())
    }

    /// How callers reach the server.
    pub(super) fn scheme(&self) -> &'static str {
        match self.server.tls_certificate {
            Some(_) => "https",
            None => "http",
        }
    }

    /// What notes what happens in calls.
    pub(super) fn journal(&self) -> &dyn Journal {
        match self.call_records.get() {
            Some(records) => records,
            None => &NoJournal,
        }
    }

    /// Entries of calls that could not be kept.
    pub(super) fn n_lost_entries(&self) -> u64 {
        self.call_records.get().map_or(0, CallRecords::n_lost)
    }

    /// What is kept of calls.
    ///
    /// # Errors
    /// [`ProblemKind::NotReady`] until it is open.
    pub(super) fn call_records(&self) -> Result<&CallRecords, Problem> {
        self.call_records.get().ok_or_else(|| {
            let detail = "The records of calls are not open: the server is starting, or its log says \
                          why they cannot be used.";
            Problem::new(ProblemKind::NotReady, detail)
        })
    }

    /// How long a search may wait for a slow side, and a request for its turn.
    pub(super) fn search_deadline(&self) -> Duration {
        Duration::from_millis(self.server.search_deadline_ms)
    }

    /// What the backend serves now.
    pub(super) fn status(&self) -> Status {
        self.backend.status()
    }

    /// The number of the newest receipt, as it changes.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.backend.news()
    }

    /// [`App::ready`], waiting up to the search deadline for the generation: whoever saved a file and
    /// asks at once reads what was written.
    pub(super) async fn ready_soon(&self, min_generation: u64) -> Result<Status, Problem> {
        let until = tokio::time::Instant::now() + self.search_deadline();
        loop {
            match self.ready(min_generation) {
                Err(problem)
                    if problem.is(ProblemKind::GenerationNotReached)
                        && tokio::time::Instant::now() < until =>
                {
                    tokio::time::sleep(GENERATION_POLL).await;
                }
                known => return known,
            }
        }
    }

    /// The status, if a generation serves that is at least `min_generation`.
    pub(super) fn ready(&self, min_generation: u64) -> Result<Status, Problem> {
        let status = self.status();
        if !status.ready {
            let detail = "The first generation of the index is still being built.";
            return Err(Problem::new(ProblemKind::NotReady, detail));
        }
        if status.generation < min_generation {
            let detail = format!(
                "Generation {} serves; the request wants {min_generation} or later.",
                status.generation
            );
            return Err(Problem::new(ProblemKind::GenerationNotReached, detail));
        }
        Ok(status)
    }

    /// Runs `work` on the backend, off the async threads, once it is its turn.
    ///
    /// # Cancel safety
    /// Dropping the future while waiting gives the turn up. Once `work` runs it runs to its end and
    /// keeps its turn, so abandoned requests cannot pile up.
    ///
    /// # Errors
    /// [`ProblemKind::Overloaded`] when no turn came within the search deadline,
    /// [`ProblemKind::Internal`] when `work` panicked.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Backend) -> T + Send + 'static,
    {
        self.run_among(&self.permits, work).await
    }

    /// [`App::run`] for what may take long: one at a time, and no search waits for it.
    pub(super) async fn run_report<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Backend) -> T + Send + 'static,
    {
        self.run_among(&self.report_permits, work).await
    }

    async fn run_among<T, F>(&self, permits: &Arc<Semaphore>, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Backend) -> T + Send + 'static,
    {
        let turn = Arc::clone(permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(self.search_deadline(), turn).await else {
            self.metrics.search_refused();
            let detail = "Too many requests are running. Try again shortly.";
            return Err(Problem::new(ProblemKind::Overloaded, detail));
        };
        let backend = Arc::clone(&self.backend);
        let run = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(backend.as_ref())
        });
        run.await
            .map_err(|err| Problem::internal(format_args!("the backend call failed: {err}")))
    }
}
