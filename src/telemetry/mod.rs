//! What the outside learns of twsmux: logs, metrics, and the published picture of the core.

use std::sync::{Arc, Mutex};

use crate::core::view::View;

/// The latest picture of the core, shared with the admin thread.
#[derive(Debug)]
pub struct Published(Mutex<Arc<View>>);

impl Published {
    /// Starts with a first picture.
    pub fn new(view: View) -> Self {
        Published(Mutex::new(Arc::new(view)))
    }

    /// Replaces the picture.
    pub fn set(&self, view: View) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Arc::new(view);
    }

    /// The latest picture.
    pub fn get(&self) -> Arc<View> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// Sends logs to stderr; `TWSMUX_LOG` filters them (default `info`).
pub fn init_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TWSMUX_LOG").unwrap_or_else(|_| "info".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
