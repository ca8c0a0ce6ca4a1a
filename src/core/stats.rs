//! Counters that the core keeps as plain numbers; the shell publishes them once a second.

use std::time::Duration;

use super::io::Gone;
use crate::limits;
use crate::protocol::model::Class;

/// Counts by error code.
pub type Codes = indexmap::IndexMap<u16, u64, rustc_hash::FxBuildHasher>;

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
    /// The client's server version has no such message.
    NotAtVersion,
}

impl Drop {
    /// All reasons, in the order of their discriminants, with their metric labels.
    pub const ALL: [(Drop, &'static str); 10] = [
        (Drop::Malformed, "malformed"),
        (Drop::UnknownMessage, "unknown_message"),
        (Drop::Late, "late"),
        (Drop::UnknownRequest, "unknown_request"),
        (Drop::OwnerAway, "owner_away"),
        (Drop::NobodyAsked, "nobody_asked"),
        (Drop::Own, "own"),
        (Drop::UnknownOrder, "unknown_order"),
        (Drop::Repetition, "repetition"),
        (Drop::NotAtVersion, "not_at_version"),
    ];
}

/// Why a request did not go upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Saved {
    /// It joined what was subscribed or under way for others.
    Joined,
    /// It was answered from an answer that was kept.
    Kept,
    /// It was answered from what twsmux knows of the asker's own orders, because the Gateway took long.
    Known,
}

impl Saved {
    /// All reasons, in the order of their discriminants, with their metric labels.
    pub const ALL: [(Saved, &'static str); 3] =
        [(Saved::Joined, "joined"), (Saved::Kept, "kept"), (Saved::Known, "known")];
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

/// Upper bounds of the classes of a [`Waits`], microseconds, each included in its class.
pub const WAIT_BOUNDS_US: [u64; 12] = [
    1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// Waiting times, counted by class.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// How many fell into each class of [`WAIT_BOUNDS_US`]; the last class holds those above all bounds.
    pub counts: [u64; WAIT_BOUNDS_US.len() + 1],
    /// All of them together, microseconds.
    pub sum_us: u64,
}

impl Waits {
    fn add(&mut self, wait: Duration) {
        let us = wait.as_micros() as u64;
        self.counts[WAIT_BOUNDS_US.partition_point(|bound| *bound < us)] += 1;
        self.sum_us += us;
    }
}

/// The counters; all only grow, except where said.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Frames of the Gateway, by message id.
    pub from_gateway: [u64; MESSAGE_IDS],
    /// Frames of clients, by message id.
    pub from_clients: [u64; MESSAGE_IDS],
    /// Frames sent upstream.
    pub frames_up: u64,
    /// Frames written to outboxes of clients; one for each client that gets it.
    pub frames_down: u64,
    /// Bytes taken by the upstream socket.
    pub bytes_up: u64,
    /// Bytes taken by client sockets.
    pub bytes_down: u64,
    /// Bytes of whole frames of the Gateway, their lengths included.
    pub bytes_from_gateway: u64,
    /// Bytes of whole frames of clients, their lengths included.
    pub bytes_from_clients: u64,
    /// Gateway frames that went to nobody, by [`Drop`].
    pub dropped: [u64; Drop::ALL.len()],
    /// Clients gone, by [`Gone`].
    pub gone: [u64; Gone::ALL.len()],
    /// Clients ever connected.
    pub clients: u64,
    /// Connect attempts, by [`ConnectResult`].
    pub connects: [u64; ConnectResult::ALL.len()],
    /// Errors that twsmux itself sent to clients, by code.
    pub errors: Codes,
    /// Errors and notices of the Gateway, by code; 0 for those without a readable one, and for those that no longer
    /// fit into [`limits::MAX_ERROR_CODES`].
    pub gateway_errors: Codes,
    /// Client requests refused as unreadable or unknown.
    pub bad_requests: u64,
    /// Requests that a policy or the kill switch denied.
    pub denied: u64,
    /// How long messages waited for the pacer before they left, by [`Class`].
    pub queue_waits: [Waits; Class::ALL.len()],
    /// Requests that waited too long and were not sent, by [`Class`].
    pub expired: [u64; Class::ALL.len()],
    /// Requests that did not go upstream, by [`Saved`].
    pub saved: [u64; Saved::ALL.len()],
    /// How long the journal's disk took for each group of facts.
    pub syncs: Waits,
    /// How often the journal could not be written.
    pub journal_failures: u64,
    /// Values that clients were not told because newer ones came before they read.
    pub conflated: u64,
    /// Books that were told anew because a client had not read their changes.
    pub depth_resets: u64,
    /// Requests that ended with an error because the client had not read what it had.
    pub shed: u64,
    /// Messages kept for owners that were away.
    pub kept: u64,
    /// Orders of which nobody knows what became of them.
    pub unknown_orders: u64,
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
            frames_down: 0,
            bytes_up: 0,
            bytes_down: 0,
            bytes_from_gateway: 0,
            bytes_from_clients: 0,
            dropped: [0; Drop::ALL.len()],
            gone: [0; Gone::ALL.len()],
            clients: 0,
            connects: [0; ConnectResult::ALL.len()],
            errors: Codes::default(),
            gateway_errors: Codes::default(),
            bad_requests: 0,
            denied: 0,
            queue_waits: Default::default(),
            expired: Default::default(),
            saved: [0; Saved::ALL.len()],
            syncs: Waits::default(),
            journal_failures: 0,
            conflated: 0,
            depth_resets: 0,
            shed: 0,
            kept: 0,
            unknown_orders: 0,
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

    /// A frame of the Gateway came, of whatever message.
    pub(super) fn heard(&mut self, message: u32) {
        // An id beyond the table is nobody's: it is counted where it is dropped.
        if let Some(n) = self.from_gateway.get_mut(message as usize) {
            *n += 1;
        }
    }

    pub(super) fn gateway_error(&mut self, code: u16) {
        let full = self.gateway_errors.len() >= limits::MAX_ERROR_CODES;
        let code = if full && !self.gateway_errors.contains_key(&code) { 0 } else { code };
        *self.gateway_errors.entry(code).or_default() += 1;
    }

    pub(super) fn saved(&mut self, how: Saved) {
        self.saved[how as usize] += 1;
    }

    pub(super) fn synced(&mut self, took: Duration) {
        self.syncs.add(took);
    }

    pub(super) fn queue_wait(&mut self, class: Class, wait: Duration) {
        self.queue_waits[class as usize].add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_fall_into_the_class_whose_bound_they_reach() {
        let mut waits = Waits::default();
        for us in [0, 1000, 1001, 10_000_000, 10_000_001] {
            waits.add(Duration::from_micros(us));
        }
        assert_eq!(waits.counts[0], 2);
        assert_eq!(waits.counts[1], 1);
        assert_eq!(waits.counts[WAIT_BOUNDS_US.len() - 1], 1);
        assert_eq!(waits.counts[WAIT_BOUNDS_US.len()], 1);
        assert_eq!(waits.sum_us, 20_002_002);
    }

    #[test]
    fn a_gateway_cannot_fill_the_memory_with_codes() {
        let mut stats = Stats::default();
        for code in 1..2000 {
            stats.gateway_error(code);
        }
        stats.gateway_error(1);
        assert!(stats.gateway_errors.len() <= limits::MAX_ERROR_CODES + 1);
        assert_eq!(stats.gateway_errors[&1], 2);
        assert_eq!(stats.gateway_errors.values().sum::<u64>(), 2000);
    }

    #[test]
    fn every_declared_message_has_a_counter() {
        let requests = crate::protocol::requests().iter().map(|r| r.message.id);
        let responses = crate::protocol::responses().iter().map(|r| r.message.id);
        assert!(requests.chain(responses).all(|id| usize::from(id) < MESSAGE_IDS));
    }
}
