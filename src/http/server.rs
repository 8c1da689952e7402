//! Accepting connections until told to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::router::router;
use crate::document::Audience;

/// How often recorded durations are folded into their buckets, and idle calls are ended.
const FOLD_INTERVAL: Duration = Duration::from_secs(5);

/// Serves `app` on `listener` until `shutdown` is cancelled.
///
/// Then no connection is accepted any more, and requests under way have `drain_timeout_ms` to end;
/// what has not ended by then is cut off.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!("listening on http://{address}");
    if !address.ip().is_loopback() && app.server.audience != Audience::Public {
        tracing::warn!(
            "server.audience is `{}` and {address} can be reached from other machines: whoever \
             reaches it sees documents that are not for the public",
            app.server.audience
        );
    }
    let drain = Duration::from_millis(app.server.drain_timeout_ms);
    let metrics = app.metrics.clone();
    let closing = app.closing.clone();
    let calls = app.clone();
    let listener = listener.tap_io(|stream| {
        // Answers are written whole; waiting to fill a packet would only delay them. A socket that
        // refuses the option works without it.
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, router(app))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        closing.cancel();
        tokio::time::sleep(drain).await;
    };
    let fold = async {
        loop {
            tokio::time::sleep(FOLD_INTERVAL).await;
            metrics.fold();
            let n_ended = calls.desk.end_idle(calls.journal());
            calls
                .metrics
                .calls(calls.desk.n_calls(), calls.n_lost_entries());
            if n_ended > 0 {
                tracing::info!(n_ended, "calls in which nothing was said any more are over");
            }
        }
    };
    tokio::select! {
        served = server.into_future() => served,
        () = overdue => {
            tracing::warn!("requests were still running {} ms after the stop; cut off", drain.as_millis());
            Ok(())
        }
        () = fold => Ok(()),
    }
}
