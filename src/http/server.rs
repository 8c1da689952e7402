//! Accepting connections until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::router::router;

/// How often recorded durations are folded into their buckets, and idle calls are ended.
const FOLD_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is looked whose key does not count any more.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often connections are told that the server stops: one that is just beginning misses it.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// A server that runs until it is told to stop.
type Serving = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Serves `app` on `listener` until `shutdown` is cancelled.
///
/// Then no connection is accepted any more, and requests under way have `drain_timeout_ms` to end;
/// what has not ended by then is cut off.
///
/// # Errors
/// When the listener has no address, or the certificate cannot be used.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let handle = Handle::new();
    let serving = start(listener, &app, handle.clone())?;
    tracing::info!("listening on {}://{address}", app.scheme());
    say_who_is_answered(&app, address);
    let drain = Duration::from_millis(app.server.drain_timeout_ms);
    let stop = async {
        shutdown.cancelled().await;
        app.closing.cancel();
        let until = tokio::time::Instant::now() + drain;
        while tokio::time::Instant::now() < until {
            handle.graceful_shutdown(None);
            tokio::time::sleep(STOP_INTERVAL.min(drain)).await;
        }
    };
    tokio::select! {
        served = serving => served,
        () = stop => {
            tracing::warn!("requests were still running {} ms after the stop; cut off", drain.as_millis());
            handle.shutdown();
            Ok(())
        }
        () = keep_figures(&app) => Ok(()),
        () = look_after_keys(&app) => Ok(()),
    }
}

fn start(listener: TcpListener, app: &Arc<App>, handle: Handle<SocketAddr>) -> io::Result<Serving> {
    let limit = Duration::from_millis(app.server.header_timeout_ms);
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let mut server = Server::<SocketAddr>::from_listener(listener).handle(handle);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limit);
    server.http_builder().http2().timer(TokioTimer::new());
    // Answers are written whole; waiting to fill a packet would only delay them.
    Ok(match tls(app)? {
        None => Box::pin(server.acceptor(NoDelayAcceptor::new()).serve(service)),
        Some(config) => {
            let acceptor = RustlsAcceptor::new(config).handshake_timeout(limit);
            let acceptor = acceptor.acceptor(NoDelayAcceptor::new());
            Box::pin(server.acceptor(acceptor).serve(service))
        }
    })
}

/// The certificate as configured.
fn tls(app: &App) -> io::Result<Option<RustlsConfig>> {
    let (Some(certificate), Some(key)) = (&app.server.tls_certificate, &app.server.tls_key) else {
        return Ok(None);
    };
    let fault = |setting: &str, path: &Path, reason: String| {
        io::Error::other(format!("server.{setting}: {}: {reason}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault("tls_certificate", certificate, error.to_string()))?;
    if chain.is_empty() {
        let reason = "holds no certificate (PEM)".to_owned();
        return Err(fault("tls_certificate", certificate, reason));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| fault("tls_key", key, error.to_string()))?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, secret));
    let mut config = config.map_err(|error| fault("tls_key", key, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(RustlsConfig::from_config(Arc::new(config))))
}

fn say_who_is_answered(app: &App, address: SocketAddr) {
    match app.access.has_keys() {
        Ok(true) => {}
        Ok(false) if address.ip().is_loopback() => tracing::info!(
            "there are no API keys: requests of this machine are answered as `{}` (server.audience), \
             others are refused; `zhiku keys create` makes the first key",
            app.server.audience
        ),
        Ok(false) => tracing::warn!(
            "there are no API keys: requests of this machine are answered as `{}` (server.audience), \
             and although {address} can be reached from others, those are refused; `zhiku keys create` \
             makes the first key",
            app.server.audience
        ),
        Err(error) => tracing::error!(%error, "nobody is let in: the keys cannot be read"),
    }
    let is_plain = app.server.tls_certificate.is_none() && app.trusted_proxies.is_empty();
    if is_plain && !address.ip().is_loopback() {
        tracing::warn!(
            "keys and questions cross the network unencrypted: configure server.tls_certificate, or a \
             proxy in front (access.trusted_proxies)"
        );
    }
}

/// Does not end.
async fn keep_figures(app: &App) {
    loop {
        tokio::time::sleep(FOLD_INTERVAL).await;
        app.metrics.fold();
        app.access.forget_idle();
        let n_ended = app.desk.end_idle(app.journal());
        app.metrics.calls(app.desk.n_calls(), app.n_lost_entries());
        if n_ended > 0 {
            tracing::info!(n_ended, "calls in which nothing was said any more are over");
        }
    }
}

/// Ends what was let in with keys that do not count any more. Does not end itself.
async fn look_after_keys(app: &App) {
    let mut was_readable = true;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let looked = app.access.look();
        if let (Err(error), true) = (&looked, was_readable) {
            tracing::error!(%error, "nobody is let in: the keys cannot be read");
        }
        was_readable = looked.is_ok();
    }
}
