//! The admin endpoint: `/metrics`, `/livez`, `/readyz`, `/status`, the page at `/`, and commands, on a thread of its own.
//!
//! Owns: the admin listeners (a port, and a Unix socket) and their connections. May not know: the core, the clients' sockets,
//! the Gateway's socket; it sees the published picture and, read-only, the kernel's table, and hands commands over. Driven by:
//! HTTP clients.
//!
//! **Nothing here can slow the event loop**: the two share one pointer. And nothing that an HTTP client does can lock
//! another one out: requests are small and timed, only commands have a body, and when the house is full the oldest connection goes.

mod control;
mod host;
mod page;
mod pages;
mod serve;

use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

pub use control::Way;

use crate::limits;
use crate::shell::control::Remote;
use crate::telemetry::Published;

/// What an HTTP client may take, and what counts as stuck.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; one more closes the oldest.
    pub connections: usize,
    /// Time a client has to send its request.
    pub request_time: Duration,
    /// Time a connection lives.
    pub connection_time: Duration,
    /// Age of the picture above which the event loop is taken for stuck.
    pub stale: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            connections: limits::MAX_ADMIN_CONNECTIONS,
            request_time: limits::ADMIN_REQUEST_TIME,
            connection_time: limits::ADMIN_CONNECTION_TIME,
            stale: limits::STALE_VIEW,
        }
    }
}

/// Serves the admin endpoint on a thread of its own, until the process ends.
///
/// # Errors
/// The system's, when the thread or its runtime cannot be made.
pub fn start(
    listener: TcpListener,
    socket: Option<UnixListener>,
    published: Arc<Published>,
    remote: Arc<Remote>,
) -> io::Result<()> {
    start_within(listener, socket, published, remote, Bounds::default())
}

/// [`start`] with other bounds, for tests.
///
/// # Errors
/// As [`start`].
pub fn start_within(
    listener: TcpListener,
    socket: Option<UnixListener>,
    published: Arc<Published>,
    remote: Arc<Remote>,
    bounds: Bounds,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let own = listener.local_addr()?.ip();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (listener, socket) = {
        let _inside = runtime.enter();
        let socket = socket.map(|socket| {
            socket.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(socket)
        });
        (tokio::net::TcpListener::from_std(listener)?, socket.transpose()?)
    };
    let app = router(published, remote, own, bounds);
    let serve = move || {
        runtime.block_on(async {
            if let Some(socket) = socket {
                tokio::spawn(serve::accept(socket, app.clone(), bounds));
            }
            serve::accept(listener, app, bounds).await;
        });
    };
    std::thread::Builder::new().name("admin".into()).spawn(serve)?;
    Ok(())
}

/// What the endpoint answers to the bytes of one connection that then ends; for the fuzzer, which has no socket.
///
/// # Panics
/// When there is no runtime to be had.
pub fn answer(published: Arc<Published>, remote: Arc<Remote>, way: Way, bytes: &[u8]) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let bounds = Bounds::default();
    let app = router(published, remote, [127, 0, 0, 1].into(), bounds);
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(bytes.len() + 1);
        let served = tokio::spawn(serve::one(&serve::http(bounds), theirs, way, &app, bounds));
        // It may have heard enough before the end.
        let _ = ours.write_all(bytes).await;
        let _ = ours.shutdown().await;
        let mut answer = Vec::new();
        let _ = ours.read_to_end(&mut answer).await;
        served.await.expect("no panic");
        answer
    })
}

fn router(published: Arc<Published>, remote: Arc<Remote>, own: IpAddr, bounds: Bounds) -> axum::Router {
    pages::router(pages::Source::new(published, remote, own, bounds.stale))
}
