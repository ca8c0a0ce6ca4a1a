//! Those of the limits that can be set. The others, and the defaults of these, are in [`crate::limits`].

use std::time::Duration;

use crate::limits;

/// What clients may take up, and how long things wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Active requests of one client.
    pub requests_per_client: usize,
    /// Messages of one client that wait for the pacer. **Never more than [`limits::MAX_QUEUED_PER_CLIENT`]**: so many order
    /// ids are left out after a death.
    pub queued_per_client: usize,
    /// Unsent bytes of one client.
    pub outbox: usize,
    /// Unsent bytes of one client above which it gets the latest of each row instead of every tick.
    pub conflate_above: usize,
    /// Time without reading anything after which a client that is so far behind is closed.
    pub slow_time: Duration,
    /// Longest wait of a new order or a modification.
    pub order_wait: Duration,
    /// Longest wait of a request for its turn.
    pub request_wait: Duration,
    /// Time that a stopping twsmux gives what waits for the Gateway.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests_per_client: limits::MAX_REQUESTS_PER_CLIENT,
            queued_per_client: limits::MAX_QUEUED_PER_CLIENT,
            outbox: limits::MAX_OUTBOX,
            conflate_above: limits::CONFLATE_ABOVE,
            slow_time: limits::SLOW_TIME,
            order_wait: limits::ORDER_WAIT,
            request_wait: limits::REQUEST_WAIT,
            drain_time: limits::DRAIN_TIME,
        }
    }
}

impl Limits {
    /// Where a client begins to be behind: a small budget leaves room above.
    pub(super) fn conflate_above(&self) -> usize {
        self.conflate_above.min(self.outbox / 4)
    }

    /// Where a client that is behind gets no large answers any more.
    pub(super) fn shed_above(&self) -> usize {
        self.outbox / 2
    }

    /// The larger of the two, one by one. What came in under a limit stays when it is lowered.
    pub(super) fn highest(self, other: Limits) -> Limits {
        Limits {
            requests_per_client: self.requests_per_client.max(other.requests_per_client),
            queued_per_client: self.queued_per_client.max(other.queued_per_client),
            outbox: self.outbox.max(other.outbox),
            conflate_above: self.conflate_above.max(other.conflate_above),
            slow_time: self.slow_time.max(other.slow_time),
            order_wait: self.order_wait.max(other.order_wait),
            request_wait: self.request_wait.max(other.request_wait),
            drain_time: self.drain_time.max(other.drain_time),
        }
    }
}
