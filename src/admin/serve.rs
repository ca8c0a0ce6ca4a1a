//! Connections of the admin endpoint: one request each, within bounds.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Bounds;
use crate::limits;

/// Pause after a failed accept (no descriptors left); without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, app: Router, bounds: Bounds) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.request_time)
        .max_buf_size(limits::MAX_ADMIN_REQUEST)
        // One request each: a connection that idles would need a bound of its own.
        .keep_alive(false);
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the admin endpoint cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= bounds.connections
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        open.push_back(tokio::spawn(async move {
            // A fault of one HTTP client concerns nobody else.
            let _ = tokio::time::timeout(bounds.connection_time, connection).await;
        }));
        // A burst of connects must not be accepted in one go: each gets its turn before it can be the oldest.
        tokio::task::yield_now().await;
    }
}
