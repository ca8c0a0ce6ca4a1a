//! The admin endpoint: `/metrics`, `/livez`, `/readyz`, `/status` and the page at `/`, on a thread of its own.
//!
//! Owns: the admin listener and its connections. May not know: the core, the clients' sockets, the Gateway's socket;
//! it sees the published picture and, read-only, the kernel's table. Driven by: HTTP clients.
//!
//! **Nothing here can slow the event loop**: the two share one pointer. And nothing that an HTTP client does can lock
//! another one out: requests are small and timed, have no body, and when the house is full the oldest connection goes.

mod host;
mod page;
mod pages;
mod serve;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;
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
pub fn start(listener: TcpListener, published: Arc<Published>) -> io::Result<()> {
    start_within(listener, published, Bounds::default())
}

/// [`start`] with other bounds, for tests.
///
/// # Errors
/// As [`start`].
pub fn start_within(listener: TcpListener, published: Arc<Published>, bounds: Bounds) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let own = listener.local_addr()?.ip();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let app = pages::router(pages::Source::new(published, own, bounds.stale));
    let serve = move || runtime.block_on(serve::accept(listener, app, bounds));
    std::thread::Builder::new().name("admin".into()).spawn(serve)?;
    Ok(())
}
