//! Those of the limits that can be set. The others, and the defaults of these, are in [`crate::limits`].

use std::time::Duration;

use crate::limits;

/// What clients may take up, and how long things wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Active requests of one client.
    pub requests_per_client: usize,
    /// Messages of one client that wait for the pacer. **Never more than [`limits::MAX_QUEUED_PER_CLIENT`]**: so many order
    /// ids are left out after a death.
    pub queued_per_client: usize,
    /// Unsent bytes of one client.
    pub outbox: usize,
    /// Longest wait of a new order or a modification.
    pub order_wait: Duration,
    /// Time that a stopping twsmux gives what waits for the Gateway.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests_per_client: limits::MAX_REQUESTS_PER_CLIENT,
            queued_per_client: limits::MAX_QUEUED_PER_CLIENT,
            outbox: limits::MAX_OUTBOX,
            order_wait: limits::ORDER_WAIT,
            drain_time: limits::DRAIN_TIME,
        }
    }
}

impl Limits {
    /// The larger of the two, one by one. What came in under a limit stays when it is lowered.
    pub(super) fn highest(self, other: Limits) -> Limits {
        Limits {
            requests_per_client: self.requests_per_client.max(other.requests_per_client),
            queued_per_client: self.queued_per_client.max(other.queued_per_client),
            outbox: self.outbox.max(other.outbox),
            order_wait: self.order_wait.max(other.order_wait),
            drain_time: self.drain_time.max(other.drain_time),
        }
    }
}
