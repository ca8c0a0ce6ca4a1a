//! What the outside learns of twsmux: logs, metrics, and the published picture of the core.
//!
//! Owns: the names of the metrics, the exposition, the log writer, the place where the latest [`View`] lies. May not
//! know: sockets, the core's insides. Driven by: the shell, which publishes, and the admin thread, which looks.

pub mod captures;
pub mod exposition;
mod logs;
pub mod names;
pub mod refusals;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::core::view::View;

use refusals::Refusals;

pub use logs::{flush_logs, init_logs, log_lines_dropped};

/// When the settings were read, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The file; absent without one.
    pub file: Option<String>,
    /// When the settings in effect were read, milliseconds since the epoch.
    pub loaded_ms: u64,
    /// Readings at SIGHUP that counted.
    pub applied: u64,
    /// Readings at SIGHUP that changed nothing, because something was wrong.
    pub rejected: u64,
    /// What the last reading found wrong.
    pub error: Option<String>,
    /// When the certificate of the TLS listeners expires, seconds since the epoch.
    pub tls_expires: Option<i64>,
    /// What the file says and only a restart can apply.
    pub restart_needed: Vec<String>,
    /// What was changed by hand, as keys of settings.
    pub changed_by_hand: Vec<String>,
    /// The admin socket, if there is one.
    pub admin_socket: Option<String>,
}

/// The latest picture of the core, shared with the admin thread. Beside it lie when the settings were read and
/// the counts of refused connections; they share nothing else. **The
/// event loop hands over a whole new picture and never waits for a reader**, for the lock is held only while a pointer is copied.
#[derive(Debug)]
pub struct Published {
    latest: Mutex<Latest>,
    loaded: Mutex<Loaded>,
    refusals: Arc<Refusals>,
    captures: Arc<captures::Counts>,
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
        Published {
            latest: Mutex::new(Latest::new(view)),
            loaded: Mutex::default(),
            refusals: Arc::default(),
            captures: Arc::default(),
            gateway: None,
        }
    }

    /// Names the Gateway's address, so that its port can be looked up in the kernel's table.
    #[must_use]
    pub fn for_gateway(self, addr: SocketAddr) -> Self {
        Published { gateway: Some(addr), ..self }
    }

    /// Shows these counts of refused connections.
    #[must_use]
    pub fn counting(self, refusals: Arc<Refusals>) -> Self {
        Published { refusals, ..self }
    }

    /// Shows these counts of captures.
    #[must_use]
    pub fn with_captures(self, captures: Arc<captures::Counts>) -> Self {
        Published { captures, ..self }
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

    /// Replaces what is known of the settings.
    pub fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.lock().unwrap_or_else(|e| e.into_inner()) = loaded;
    }

    /// Replaces what is known of changes by hand.
    pub fn set_changed_by_hand(&self, changed: Vec<String>) {
        self.loaded.lock().unwrap_or_else(|e| e.into_inner()).changed_by_hand = changed;
    }

    /// What is known of the settings.
    pub fn loaded(&self) -> Loaded {
        self.loaded.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// The counts of refused connections.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// The counts of captures.
    pub fn captures(&self) -> captures::Numbers {
        self.captures.numbers()
    }

    /// The Gateway's address, where it is known.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.gateway
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(|e| e.into_inner())
    }
}
