//! Connections of the admin endpoint: one request each, within bounds.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::Bounds;
use super::control::Way;
use crate::limits;

/// Pause after a failed accept (no descriptors left); without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A port or a Unix socket.
pub(super) trait Door: Send + 'static {
    /// Its connections.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and what is known of its other end.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Way)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Way)> {
        self.accept().await.map(|(stream, peer)| (stream, Way::Port(peer)))
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Way)> {
        let (stream, _) = self.accept().await?;
        let peer = stream.peer_cred().ok();
        let way =
            Way::Socket { user: peer.map(|peer| peer.uid()), process: peer.and_then(|peer| peer.pid()) };
        Ok((stream, way))
    }
}

/// How requests are read.
pub(super) fn http(bounds: Bounds) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.request_time)
        .max_buf_size(limits::MAX_ADMIN_REQUEST)
        // Who has said all and shuts his side is answered all the same; a command of his is carried out.
        .half_close(true)
        // One request each: a connection that idles would need a bound of its own.
        .keep_alive(false);
    http
}

/// Serves one connection.
pub(super) fn one(
    http: &http1::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    way: Way,
    app: &Router,
    bounds: Bounds,
) -> impl Future<Output = ()> + Send + 'static {
    // Around everything: the guard already asks for the way.
    let app = app.clone().layer(Extension(way));
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    async move {
        // A fault of one HTTP client concerns nobody else.
        let _ = tokio::time::timeout(bounds.connection_time, connection).await;
    }
}

/// Accepts for ever.
pub(super) async fn accept(door: impl Door, app: Router, bounds: Bounds) {
    let http = http(bounds);
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let (stream, way) = match door.next().await {
            Ok(accepted) => accepted,
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
        open.push_back(tokio::spawn(one(&http, stream, way, &app, bounds)));
        // A burst of connects must not be accepted in one go: each gets its turn before it can be the oldest.
        tokio::task::yield_now().await;
    }
}
