//! Counters that the core keeps as plain numbers; the shell publishes them once a second.

use std::time::Duration;

use super::io::Gone;

/// Why a frame of the Gateway was not passed on to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drop {
    /// It does not parse.
    Malformed,
    /// No table knows its message id at this version.
    UnknownMessage,
    /// Its request was cancelled or its client is gone.
    Late,
    /// Its request id was never given out, or long ago.
    UnknownRequest,
    /// The order's owner is not connected.
    OwnerAway,
    /// Nobody asked: an end marker or a row without an asker.
    NobodyAsked,
    /// It answers something that twsmux itself did.
    Own,
    /// An error about an order that nobody owns.
    UnknownOrder,
    /// A repetition that another client's request provoked.
    Repetition,
}

impl Drop {
    /// All reasons, in the order of their discriminants, with their metric labels.
    pub const ALL: [(Drop, &'static str); 9] = [
        (Drop::Malformed, "malformed"),
        (Drop::UnknownMessage, "unknown_message"),
        (Drop::Late, "late"),
        (Drop::UnknownRequest, "unknown_request"),
        (Drop::OwnerAway, "owner_away"),
        (Drop::NobodyAsked, "nobody_asked"),
        (Drop::Own, "own"),
        (Drop::UnknownOrder, "unknown_order"),
        (Drop::Repetition, "repetition"),
    ];
}

/// How a connect attempt ended; a label of the connects metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectResult {
    /// Ready: accounts and next id came.
    Ready,
    /// Refused by the system: nothing listens.
    Refused,
    /// Accepted, then the handshake failed or timed out.
    Failed,
    /// Not tried: zombies on the port.
    Zombies,
}

impl ConnectResult {
    /// All results, in the order of their discriminants, with their metric labels.
    pub const ALL: [(ConnectResult, &'static str); 4] = [
        (ConnectResult::Ready, "ready"),
        (ConnectResult::Refused, "refused"),
        (ConnectResult::Failed, "failed"),
        (ConnectResult::Zombies, "zombies"),
    ];
}

/// Message ids are below this.
pub const MESSAGE_IDS: usize = 128;

/// The counters; all only grow, except where said.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Frames of the Gateway, by message id.
    pub from_gateway: [u64; MESSAGE_IDS],
    /// Frames of clients, by message id.
    pub from_clients: [u64; MESSAGE_IDS],
    /// Frames sent upstream.
    pub frames_up: u64,
    /// Bytes taken by the upstream socket.
    pub bytes_up: u64,
    /// Bytes taken by client sockets.
    pub bytes_down: u64,
    /// Gateway frames that went to nobody, by [`Drop`].
    pub dropped: [u64; Drop::ALL.len()],
    /// Clients gone, by [`Gone`].
    pub gone: [u64; Gone::ALL.len()],
    /// Clients ever connected.
    pub clients: u64,
    /// Connect attempts, by [`ConnectResult`].
    pub connects: [u64; ConnectResult::ALL.len()],
    /// Errors that twsmux itself sent to clients, by code.
    pub errors: indexmap::IndexMap<u16, u64, rustc_hash::FxBuildHasher>,
    /// Client requests refused as unreadable or unknown.
    pub bad_requests: u64,
    /// Time that messages waited for the pacer, in total, microseconds.
    pub queue_wait_us: u64,
    /// Messages that went through the pacer.
    pub queue_passed: u64,
    /// Last measured round trip to the Gateway, microseconds; not a counter.
    pub round_trip_us: Option<u64>,
    /// Duration of the last handshake, microseconds; not a counter.
    pub handshake_us: Option<u64>,
    /// Sockets in CLOSE_WAIT on the Gateway's port at the last look; not a counter.
    pub zombies: Option<usize>,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            from_gateway: [0; MESSAGE_IDS],
            from_clients: [0; MESSAGE_IDS],
            frames_up: 0,
            bytes_up: 0,
            bytes_down: 0,
            dropped: [0; Drop::ALL.len()],
            gone: [0; Gone::ALL.len()],
            clients: 0,
            connects: [0; ConnectResult::ALL.len()],
            errors: Default::default(),
            bad_requests: 0,
            queue_wait_us: 0,
            queue_passed: 0,
            round_trip_us: None,
            handshake_us: None,
            zombies: None,
        }
    }
}

impl Stats {
    pub(super) fn error(&mut self, code: u16) {
        *self.errors.entry(code).or_default() += 1;
    }

    pub(super) fn queue_wait(&mut self, wait: Duration) {
        self.queue_wait_us += wait.as_micros() as u64;
        self.queue_passed += 1;
    }
}
