//! What the outside learns of twsmux: logs, metrics, and the published picture of the core.
//!
//! Owns: the names of the metrics, the exposition, the log writer, the place where the latest [`View`] lies. May not
//! know: sockets, the core's insides. Driven by: the shell, which publishes, and the admin thread, which looks.

pub mod exposition;
mod logs;
pub mod names;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::core::view::View;

pub use logs::{flush_logs, init_logs, log_lines_dropped};

/// The latest picture of the core, shared with the admin thread. It is the only thing the two share: **the event loop
/// hands over a whole new picture and never waits for a reader**, for the lock is held only while a pointer is copied.
#[derive(Debug)]
pub struct Published {
    latest: Mutex<Latest>,
    gateway: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
struct Latest {
    view: Arc<View>,
    at: Instant,
}

impl Latest {
    fn new(view: View) -> Self {
        Latest { view: Arc::new(view), at: Instant::now() }
    }
}

impl Published {
    /// Starts with a first picture.
    pub fn new(view: View) -> Self {
        Published { latest: Mutex::new(Latest::new(view)), gateway: None }
    }

    /// Names the Gateway's address, so that its port can be looked up in the kernel's table.
    #[must_use]
    pub fn for_gateway(self, addr: SocketAddr) -> Self {
        Published { gateway: Some(addr), ..self }
    }

    /// Replaces the picture.
    pub fn set(&self, view: View) {
        let new = Latest::new(view);
        let old = std::mem::replace(&mut *self.lock(), new);
        drop(old);
    }

    /// The latest picture.
    pub fn get(&self) -> Arc<View> {
        self.lock().view.clone()
    }

    /// How old the latest picture is. Old means that the event loop does not turn.
    pub fn age(&self) -> Duration {
        self.lock().at.elapsed()
    }

    /// The Gateway's address, where it is known.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(|e| e.into_inner())
    }
}
