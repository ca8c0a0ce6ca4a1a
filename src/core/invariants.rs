//! What must always hold (docs/INVARIANTS.md), as far as the core alone can say it.

use super::client::Phase;
use super::link::Link;
use super::timers::Timer;
use super::{Core, shared};
use crate::limits;
use crate::time::Time;

impl Core {
    /// Asserts what must always hold. For tests and simulations: it walks everything.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub fn check_invariants(&self, now: Time) {
        self.events.check();
        for (up, entry) in self.requests.iter() {
            let is_ready = matches!(self.link, Link::Ready { .. });
            assert_eq!(
                entry.asleep.is_some(),
                !is_ready,
                "without a link every request sleeps, and with one none"
            );
            let lingers = self.lingering.contains(&up);
            assert_eq!(entry.members.is_empty(), lingers, "I3: an active request has a client");
            assert_eq!(lingers, self.timers.is_armed(Timer::Line(up)), "what lingers ends");
            assert!(entry.members.len() <= 1 || entry.line.is_some(), "I3: only lines are shared");
            for (key, down) in &entry.members {
                let client = self.clients.get(*key).expect("I3: an active request has a client");
                assert!(client.active.contains(&up), "I3: both sides know a request");
                assert!(matches!(client.phase, Phase::Ready), "only a ready client has requests");
                let twice = entry.members.iter().filter(|m| **m == (*key, *down)).count();
                assert_eq!(twice, 1, "I3: one share for each id");
                let shares = entry.members.iter().filter(|m| m.0 == *key).count();
                assert!(shares == 1 || entry.several_ids, "who has it under several ids is known");
            }
        }
        assert!(!self.is_ready() || self.questions.is_empty(), "with a link no question waits for one");
        assert!(self.questions.len() <= 2 * limits::MAX_LANE_REQUESTS, "I10");
        for client in self.clients.iter() {
            for up in &client.active {
                let entry = self.requests.get(*up).expect("I3: both sides know a request");
                assert!(entry.members.iter().any(|m| m.0 == client.key), "I3: both sides know a share");
            }
            for ((message, down), up) in &client.requests {
                let entry = self.requests.get(*up).expect("a client's id leads to a request");
                assert_eq!(entry.message, *message);
                assert!(entry.members.contains(&(client.key, *down)), "I3: both sides know a share");
            }
            let most = self.highest;
            assert!(client.active.len() <= most.requests_per_client, "I10");
            assert!(client.requests.len() <= most.requests_per_client, "I10");
            assert!(client.queued.0 <= most.queued_per_client + limits::QUEUED_CANCELS_RESERVE, "I10");
            assert!(client.unread() <= most.outbox + limits::MAX_FRAME + 4096, "I10");
            client.backlog.check();
            let waits = !client.backlog.is_empty();
            assert!(!waits || !client.outbox.is_empty(), "what waits goes on when there is room");
            assert!(!waits || client.phase == Phase::Ready, "only a ready client has requests");
            let live = matches!(client.phase, Phase::Held | Phase::Ready);
            let named = client.id.is_some_and(|id| self.by_id.get(&id) == Some(&client.key));
            assert_eq!(live, named, "the live client of an id is found by it");
        }
        if let Some(limit) = self.pacer.most(now) {
            assert!(self.pacer.in_window(now) <= limit as usize, "I9");
        }
        self.pacer.check();
        let held: usize =
            self.requests.iter().filter_map(|(_, e)| e.held.as_ref()).map(|data| data.len()).sum();
        assert_eq!(held, self.held_bytes, "I10: what is held is counted");
        assert!(held <= limits::MAX_HELD_BYTES, "I10");
        assert!(self.lanes.len() <= limits::MAX_LANE_REQUESTS, "I10");
        assert!(self.lingering.len() <= limits::MAX_LINGERING, "I10");
        for up in &self.lingering {
            assert!(self.requests.get(*up).is_some(), "what lingers is there");
        }
        for up in self.queries.keys() {
            let is_known = self.requests.get(*up).is_some() || self.reconcile.is_query(*up);
            assert!(is_known, "a query that is over waits for no commission");
        }
        self.answers.check();
        for stream in shared::ALL {
            assert!(self.streams.get(stream).remembered() <= limits::MAX_IMAGE_ROWS, "I10");
        }
        self.orders.check();
        self.away.check();
        for up in 1..self.orders.next_upstream().min(2) {
            assert!(!self.requests.covers(up), "request ids and order ids are disjoint");
        }
    }
}
