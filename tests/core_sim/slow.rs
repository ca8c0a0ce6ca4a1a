//! Clients that do not keep up: what waits for them, and their end when they read nothing at all.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Over all runs: rows that came late, rows that were left out, clients that were closed because they read nothing, large
/// answers that ended.
static SEEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// What became of slow clients in all runs.
pub(super) fn seen() -> [u64; 4] {
    SEEN.each_ref().map(|n| n.load(Ordering::Relaxed))
}

/// Longest time without reading that any setting of this simulation allows.
const LONGEST: u64 = 25 * SECOND;

impl Sim {
    /// Whether the core may take a client for one that is behind.
    fn may_be_behind(&self, who: Who) -> bool {
        let limits = &self.w.core.config().limits;
        let soft = limits.conflate_above.min(limits.outbox / 4);
        self.w.core.output(self.w.peers[who].key).len() > soft || self.m.slow.owes(who)
    }

    /// Whether something expected may come later.
    pub(super) fn may_wait(&self, e: &Expect) -> bool {
        self.may_be_behind(e.who) && self.m.may_wait(e)
    }

    /// Clients that are closed now because they read nothing: they are told so, and hold nothing any more.
    pub(super) fn slow_ones_end(&mut self, outcome: &Outcome) {
        for action in &outcome.actions {
            let Action::CloseClient { client, .. } = action else { continue };
            let who = self.w.peers.iter().rposition(|p| p.key == *client).expect("known");
            let last = outcome.to.iter().rfind(|(of, _)| *of == who);
            let is_slow = last.is_some_and(|(_, f)| f.words().contains("it has read nothing for"));
            if !is_slow || !self.m.is_ready(who) {
                continue;
            }
            let patience = self.w.core.config().limits.slow_time.as_micros() as u64;
            assert!(self.may_be_behind(who), "client {who} is closed, and has read enough");
            let since = self.w.peers[who].progress;
            assert!(since + patience <= self.now(), "client {who} is closed too early");
            // Whatever else was for it in this step came before or not at all.
            self.m.out.iter_mut().filter(|e| e.who == who).for_each(|e| e.must = false);
            SEEN[2].fetch_add(1, Ordering::Relaxed);
            self.m.error(who, -1, &[322]);
            self.m.release(who);
        }
    }

    /// Clients with much unread read some of it: here nobody comes so far that it is closed for the bytes alone.
    pub(super) fn full_ones_read(&mut self) {
        let most = self.w.core.config().limits.outbox * 2 / 3;
        for who in self.open_clients() {
            loop {
                let unread = self.w.core.output(self.w.peers[who].key).len();
                if unread + self.m.owed_at_most(who) <= most || unread == 0 {
                    break;
                }
                self.w.read(who, unread.min(2000));
            }
        }
    }

    /// Large answers that ended because their client has no room: only for who has much unread.
    pub(super) fn large_answers_end(&mut self, outcome: &Outcome) {
        let half = self.w.core.config().limits.outbox / 2;
        for (who, f) in &outcome.to {
            let unread = self.w.core.output(self.w.peers[*who].key).len();
            if let Some((id, 322)) = f.error()
                && f.words().contains("the answer has no room")
            {
                assert!(unread + self.m.owed_at_most(*who) > half, "client {who} has room");
                assert!(self.m.sheds(*who, id), "client {who} asked for nothing large: {f:?}");
                SEEN[3].fetch_add(1, Ordering::Relaxed);
            } else if is_large(f.id) && self.w.version == f.version {
                let new: usize =
                    outcome.to.iter().filter(|(of, _)| of == who).map(|(_, f)| f.payload.len() + 4).sum();
                assert!(unread.saturating_sub(new) <= half, "client {who} has no room for {f:?}");
            }
        }
    }

    /// Nobody who reads nothing for so long stays.
    pub(super) fn check_slow_ones(&self) {
        for (who, peer) in self.w.peers.iter().enumerate() {
            let Some(since) = self.m.slow.since(who) else { continue };
            let idle = self.now() - since.max(peer.progress);
            assert!(idle <= LONGEST, "client {who} reads nothing and stays");
        }
    }

    /// The run is over.
    pub(super) fn count_slow_ones(&self) {
        SEEN[0].fetch_add(self.m.slow.came_late, Ordering::Relaxed);
        SEEN[1].fetch_add(self.m.slow.left_out, Ordering::Relaxed);
    }

    /// Everybody reads all there is, until nothing waits for anybody.
    pub(super) fn everybody_catches_up(&mut self) {
        for who in self.open_clients() {
            while !self.w.core.output(self.w.peers[who].key).is_empty() {
                self.w.read(who, usize::MAX);
            }
        }
        let outcome = self.w.handle(Input::Tick);
        self.feed(outcome, false);
        for who in self.open_clients() {
            assert!(!self.m.slow.owes(who), "client {who} has read everything and misses something");
        }
    }
}
