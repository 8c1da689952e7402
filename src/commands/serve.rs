//! `zhiku serve`: bring the index up to date, follow the corpus, answer over HTTP. The main job.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::lessons::study;
use super::progress::Console;
use super::served::Served;
use super::workplace::{
    Workplace, access_path, analyser, call_records_path, limits, retriever, watch_settings,
};
use super::{Places, index};
use crate::access::Access;
use crate::assist::{Call, Desk};
use crate::call_records::CallRecords;
use crate::config::{Config, Overrides};
use crate::engine::PassageIndex;
use crate::http::{App, serve};
use crate::records::{Receipt, Records};
use crate::sync::{Listener, Live, SyncError, Watch};
use crate::telemetry::{Metrics, start_logging};

/// How often it is asked whether a new graph pays.
const BETWEEN_UPKEEP: Duration = Duration::from_secs(1);
/// How long upkeep rests after a failure.
const AFTER_FAILED_UPKEEP: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Address and port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let flags = Overrides {
        listen: arguments.listen,
        ..Overrides::default()
    };
    let config = arguments.places.config_with(flags)?;
    start_logging(&config.log)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    runtime.block_on(run_until_stopped(config))?;
    Ok(ExitCode::SUCCESS)
}

/// Listens at once, so that `/readyz` answers while the first generation is built.
async fn run_until_stopped(config: Config) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {} (server.listen)", config.server.listen))?;
    let served = Arc::new(Served::default());
    let metrics = Metrics::start()?;
    let access = Access::open(&access_path(&config), config.access_settings())?;
    let app = App::new(served.clone(), &config, metrics.clone()).with_access(access);
    let (desk, call_records) = app.calls();
    let shutdown = CancellationToken::new();
    let stop = Arc::new(AtomicBool::new(false));

    let background = {
        let (served, stop, shutdown) = (served.clone(), stop.clone(), shutdown.clone());
        let call_records = call_records.clone();
        tokio::task::spawn_blocking(move || {
            // However this ends, by a panic too: a server whose index stands still must not go on.
            let _stops_the_server = shutdown.drop_guard();
            let calls = Calls {
                desk,
                records: call_records,
            };
            prepare(&config, &served, &calls, &metrics, &stop)
        })
    };
    let signals = tokio::spawn(stop_on_signal(shutdown.clone()));
    let http = serve(listener, Arc::new(app), shutdown).await;
    stop.store(true, Ordering::Relaxed);
    signals.abort();
    if let Some(records) = call_records.get() {
        records.flush().await;
    }
    background.await.context("the indexing thread panicked")??;
    http.context("the server failed")
}

/// Opens the index and serves what it holds, brings it up to date, and follows the corpus.
fn prepare(
    config: &Config,
    served: &Served,
    calls: &Calls,
    metrics: &Metrics,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut workplace = Workplace::open(config)?;
    crate::answer::get_ready();
    // Before anything is served, so that nothing is said that is not kept. What is kept of calls must
    // not keep anybody from searching, nor agents from being assisted.
    if let Err(error) = calls.go_on(config) {
        tracing::error!("calls are not kept, and feedback is refused: {error:#}");
    }
    served.begin(retriever(config, workplace.index.clone())?);
    served.share_records(Records::open_read_only(&workplace.records_path)?)?;
    // Before the first look, so that nothing falls between the two.
    let watch = Watch::start(&config.corpus.path, watch_settings(config));
    let console = Console::new();
    let updated = workplace.bring_up_to_date(false, &console);
    console.finish();
    match updated {
        Ok(summary) => eprint!("{}", index::to_text(&summary)),
        // A full disk or an absent share: what was indexed serves, and it is tried again.
        Err(error) if workplace.index.snapshot().generation > 0 => {
            tracing::error!(%error, "the index could not be brought up to date; the last state serves");
            metrics.update_failed();
            watch.requests().look_at_all();
        }
        Err(error) => return Err(error.into()),
    }
    served.tell(workplace.records.last_seq()?);
    served.take_requests(watch.requests());

    let index = workplace.index.clone();
    std::thread::scope(|scope| {
        // Upkeep ends with this thread, however that ends.
        let _stops_upkeep = StopOnDrop(stop);
        scope.spawn(|| {
            let _stops_all = StopOnDrop(stop);
            keep_up(&index, stop);
        });
        if let Some(records) = calls.records.get() {
            let (index, counts) = (&index, config.retrieval.learned);
            scope.spawn(move || {
                let _stops_all = StopOnDrop(stop);
                study(served, records, index, counts, stop);
            });
        }
        let live = Live {
            index: &index,
            records: &mut workplace.records,
            records_path: &workplace.records_path,
            limits: limits(config),
            analyser: &|| analyser(&config.corpus.path),
            listener: &Announcer { served, metrics },
        };
        live.follow(watch, stop)
    })?;
    Ok(())
}

/// The calls that go on, and where they are kept.
struct Calls {
    desk: Arc<Desk>,
    records: Arc<OnceLock<CallRecords>>,
}

impl Calls {
    /// Opens what is kept of calls, and goes on with those that a restart interrupted.
    fn go_on(&self, config: &Config) -> anyhow::Result<()> {
        let keep = Duration::from_secs(86_400 * config.assist.retention_days);
        // Of before there were keys.
        let owner = config.server.audience.into();
        let records = CallRecords::open(&call_records_path(config), keep, &owner)?;
        let idle = SignedDuration::from_mins(config.assist.idle_minutes as i64);
        let open = records.reader()?.open_calls(Timestamp::now() - idle)?;
        if !open.is_empty() {
            tracing::info!(n_calls = open.len(), "calls of before the restart go on");
        }
        for kept in open {
            let call = Call::resumed(
                &kept.call.id,
                kept.utterances,
                kept.revision,
                kept.dismissed,
            );
            self.desk.resume(call, kept.attributes, kept.call);
        }
        // A second call would mean a second server in one process; the first one stays.
        let _ = self.records.set(records);
        Ok(())
    }
}

/// Builds the graph over the vectors whenever enough of them are new, and leaves out those that
/// no passage has any more.
fn keep_up(index: &PassageIndex, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let kept = index.compact(stop).and_then(|is_compacted| {
            if is_compacted {
                tracing::info!("vectors without a passage are gone");
            }
            index.build_graph(&|_, _| {}, stop)
        });
        match kept {
            Ok(true) => tracing::info!("the vector graph is complete"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "upkeep of the index failed; tried again in a minute");
                sleep_unless(stop, AFTER_FAILED_UPKEEP);
            }
        }
        sleep_unless(stop, BETWEEN_UPKEEP);
    }
}

/// Sets a flag when it goes.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sleeps for `time`, or until `stop` becomes true.
pub(super) fn sleep_unless(stop: &AtomicBool, time: Duration) {
    let until = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Passes on what following the corpus comes to.
struct Announcer<'a> {
    served: &'a Served,
    metrics: &'a Metrics,
}

impl Listener for Announcer<'_> {
    fn receipts(&self, receipts: &[Receipt]) {
        for receipt in receipts {
            self.metrics.change(receipt);
            let what = &receipt.what;
            match &what.error {
                Some(reason) => {
                    tracing::warn!(path = what.path, reason, "a file could not be read");
                }
                None => tracing::info!(
                    path = what.path,
                    change = what.change.name(),
                    generation = receipt.generation,
                    lag_ms = receipt.lag_ms(),
                    "searchable"
                ),
            }
        }
        if let Some(last) = receipts.last() {
            self.served.tell(last.seq);
        }
    }

    fn failed(&self, _error: &SyncError) {
        self.metrics.update_failed();
    }

    fn waiting(&self, n_paths: usize) {
        self.metrics.changes_waiting(n_paths);
    }
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
    tracing::info!("stopping");
    shutdown.cancel();
}
