//! `zhiku serve`: bring the index up to date, then answer over HTTP. The main job.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::progress::Console;
use super::served::Served;
use super::workplace::{Workplace, retrieval_settings};
use super::{Places, index};
use crate::config::{Config, Overrides};
use crate::http::{App, serve};
use crate::retrieval::Retriever;
use crate::telemetry::{Metrics, start_logging};

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
    let app = App::new(served.clone(), &config, Metrics::start()?);
    let shutdown = CancellationToken::new();
    let stop = Arc::new(AtomicBool::new(false));

    let background = {
        let (served, stop, shutdown) = (served.clone(), stop.clone(), shutdown.clone());
        tokio::task::spawn_blocking(move || {
            let outcome = prepare(&config, &served, &stop);
            if outcome.is_err() {
                shutdown.cancel();
            }
            outcome
        })
    };
    let signals = tokio::spawn(stop_on_signal(shutdown.clone()));
    let http = serve(listener, Arc::new(app), shutdown).await;
    stop.store(true, Ordering::Relaxed);
    signals.abort();
    background.await.context("the indexing thread panicked")??;
    http.context("the server failed")
}

/// Opens the index and serves what it holds, brings it up to date, builds the graph.
fn prepare(config: &Config, served: &Served, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut workplace = Workplace::open(config)?;
    let retriever = Retriever::new(workplace.index.clone(), retrieval_settings(config)?)?;
    served.begin(retriever);
    let console = Console::new();
    let summary = workplace.bring_up_to_date(false, &console)?;
    console.finish();
    eprint!("{}", index::to_text(&summary));
    served.share_records(workplace.records);
    let built = workplace.index.build_graph(&|_, _| {}, stop);
    match built {
        Ok(true) => tracing::info!("the vector graph is complete"),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "no vector graph; vectors are compared one by one"),
    }
    Ok(())
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
