//! Connections that the core never heard of, counted by reason, and a line in the log now and then.
//!
//! Owns: the counts. May not know: sockets. Driven by: whoever accepts, and the admin thread, which looks.
//!
//! **The log is bounded in time**: whoever floods a listener must not fill the disk of the log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::limits;

/// Why a connection was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Its address is in no network of `allow`.
    NotAllowed,
    /// Its TLS handshake failed: no certificate, a wrong one, or no TLS at all.
    Tls,
    /// Its TLS handshake took too long.
    TlsTime,
    /// There were too many TLS handshakes.
    TlsBusy,
    /// A command over the admin port without the token.
    Token,
}

impl Refused {
    /// All of them, each with its label, in the order of their numbers.
    pub const ALL: [(Refused, &'static str); 5] = [
        (Refused::NotAllowed, "not_allowed"),
        (Refused::Tls, "tls"),
        (Refused::TlsTime, "tls_time"),
        (Refused::TlsBusy, "tls_busy"),
        (Refused::Token, "token"),
    ];
}

/// How many were refused.
pub type Counts = [u64; Refused::ALL.len()];

/// The counts.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; Refused::ALL.len()],
    logged: Mutex<Logged>,
}

#[derive(Debug, Default)]
struct Logged {
    at: Option<Instant>,
    /// Those since then.
    since: u64,
}

impl Refusals {
    /// Counts one, and says so if nothing was said for a while.
    pub fn count(&self, why: Refused, peer: &str, words: &str) {
        self.counts[why as usize].fetch_add(1, Ordering::Relaxed);
        let mut logged = self.logged.lock().unwrap_or_else(|e| e.into_inner());
        if logged.at.is_some_and(|at| at.elapsed() < limits::REFUSAL_LOG_DISTANCE) {
            logged.since += 1;
            return;
        }
        let more = std::mem::take(&mut logged.since);
        logged.at = Some(Instant::now());
        drop(logged);
        match more {
            0 => tracing::warn!("refused a connection of {peer}: {words}"),
            n => tracing::warn!("refused a connection of {peer}: {words}; {n} more were refused before it"),
        }
    }

    /// How many, by reason.
    pub fn counts(&self) -> Counts {
        std::array::from_fn(|n| self.counts[n].load(Ordering::Relaxed))
    }
}
