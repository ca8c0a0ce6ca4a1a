//! The settings that change while twsmux runs, as far as they decide what clients are entitled to.
//!
//! Owns: their values, and what they say about the next request, order or connection. May not know: how the core keeps
//! them. Driven by: the simulation, which changes them and the core's at one moment.

use std::collections::BTreeSet;

use super::*;

/// See the module's words. Times are in microseconds.
pub struct Settings {
    /// A newcomer takes over the client id of whoever has it.
    pub replace: bool,
    /// Clients connected at once.
    pub max_clients: usize,
    /// Active requests of one client.
    pub requests: usize,
    /// Longest wait of an order.
    pub order_wait: u64,
    /// Longest wait of a request for its turn.
    pub request_wait: u64,
    /// Patience with a handshake that begins.
    pub handshake: u64,
    /// Time that the end may take.
    pub drain: u64,
    /// Client ids whose reqGlobalCancel is refused.
    pub denied: BTreeSet<i32>,
    /// When the handshake under way is given up.
    pub handshake_due: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            replace: false,
            max_clients: 1024,
            requests: 5000,
            order_wait: 10 * SECOND,
            request_wait: u64::MAX / 2,
            handshake: 60 * SECOND,
            drain: 3 * SECOND,
            denied: BTreeSet::new(),
            handshake_due: 0,
        }
    }
}

impl Shadow {
    /// The settings are other ones now.
    pub fn changes(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.refuse_late_orders();
        self.refuse_late_requests();
    }

    /// A dial was accepted.
    pub fn connected(&mut self, now: u64) {
        self.connected_at = now;
        self.settings.handshake_due = now + self.settings.handshake;
    }

    /// A newcomer connects while so many are connected. Says whether there is room.
    pub fn has_room(&self, connected: usize) -> bool {
        connected < self.settings.max_clients
    }

    fn active_and_spent(&self, who: Who) -> (usize, Vec<usize>) {
        let active = self.active(who);
        let spent = active.iter().copied().filter(|at| self.insts[*at].state == State::Spent);
        (active.len(), spent.collect())
    }

    /// Whether a client that asks loses one of several subscriptions that drew an error: which one cannot be told from
    /// outside.
    pub fn loses_one_of_several(&self, who: Who) -> bool {
        let (active, spent) = self.active_and_spent(who);
        active >= self.settings.requests && spent.len() > 1
    }

    /// A client asks once more; if it must not, it is told. At its limit a subscription that drew an error makes room.
    pub(super) fn has_room_for_request(&mut self, who: Who, down: i32) -> bool {
        let (active, spent) = self.active_and_spent(who);
        let loses = spent.first().filter(|_| active >= self.settings.requests);
        let has_room = active - usize::from(loses.is_some()) < self.settings.requests;
        if !has_room {
            self.refuse(who, down);
        }
        if let Some(at) = loses {
            self.insts[*at].state = State::Ended;
            self.replayed(*at);
        }
        has_room
    }

    /// Whether a client's global cancel is refused; it is told.
    pub(super) fn is_denied(&mut self, who: Who) -> bool {
        let denied = self.settings.denied.contains(&self.clients[who].id);
        if denied {
            self.error(who, -1, &[321]);
        }
        denied
    }
}
