//! What a simulated Gateway has seen, for tests to look at.

use std::collections::BTreeMap;

/// A connection as the Gateway knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionStats {
    /// Its number, counted from 1 over the life of the Gateway.
    pub id: u64,
    /// Client id of startApi, once it was sent.
    pub client_id: Option<i32>,
    /// Negotiated version, once the greeting was answered.
    pub version: Option<u16>,
    /// Version range of the greeting.
    pub range: Option<(u16, u16)>,
    /// Connect options of the greeting.
    pub options: String,
    /// Optional capabilities of startApi.
    pub capabilities: String,
    /// Whole messages received after the greeting.
    pub messages: u64,
    /// The client has closed and the Gateway keeps its side open.
    pub zombie: bool,
    /// Whether it is still there.
    pub open: bool,
}

/// Counters over the life of a simulated Gateway, restarts of its listener included.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Connections ever accepted.
    pub accepted: u64,
    /// Connections open now, zombies included.
    pub open: u64,
    /// Most connections ever open at once.
    pub most_open: u64,
    /// Connections whose client has closed while the Gateway keeps its side.
    pub zombies: u64,
    /// Clients that closed their side (FIN).
    pub fins: u64,
    /// Clients that reset the connection (RST).
    pub resets: u64,
    /// Connections that sent at least one byte.
    pub handshakes_started: u64,
    /// Connections that got as far as startApi.
    pub handshakes_completed: u64,
    /// Greetings refused: no common version, or not a greeting at all.
    pub handshakes_refused: u64,
    /// Clients that were refused because of a client id in use.
    pub duplicate_client_ids: u64,
    /// Messages before startApi.
    pub early_messages: u64,
    /// The listener is stuck because of one.
    pub wedged: bool,
    /// Whole messages received after the greeting.
    pub messages: u64,
    /// The same by message id; those of no known id under 0.
    pub by_id: BTreeMap<u32, u64>,
    /// Most messages of one connection in any second.
    pub most_in_a_second: u32,
    /// Messages that broke the declared layout, or of no known id.
    pub malformed: u64,
    /// What was wrong with the last one of them.
    pub last_malformed: String,
    /// Times the message rate was exceeded.
    pub rate_violations: u64,
    /// Orders accepted, modifications not counted.
    pub orders_placed: u64,
    /// Modifications accepted.
    pub orders_modified: u64,
    /// Executions made.
    pub executions: u64,
    /// Connections that were cut around an order.
    pub cuts: u64,
    /// Pieces in which bytes left while they dripped.
    pub pieces: u64,
    /// Ends of answers that were not sent.
    pub ends_kept: u64,
    /// Messages about orders that were recorded and forgotten again, because there were too many.
    pub arrivals_dropped: u64,
    /// Requests that wait now because answers are delayed.
    pub waiting: u64,
    /// Market data, tick-by-tick, bar and depth subscriptions that are active now.
    pub lines: u64,
    /// Every connection, oldest first.
    pub connections: Vec<ConnectionStats>,
}

impl Stats {
    /// How many messages with this id arrived.
    pub fn count(&self, message_id: u32) -> u64 {
        self.by_id.get(&message_id).copied().unwrap_or_default()
    }
}
