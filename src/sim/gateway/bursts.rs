//! Many updates of every subscription at once, as when a market opens.

use super::{ConnId, Gateway, subscriptions::Key};
use crate::{limits, time::Time};

impl Gateway {
    /// Updates every market data, tick-by-tick, bar and depth subscription `n` times at once, beside the updates that are
    /// due anyway; at most [`limits::MAX_SIM_BURST`] times. Snapshots are not touched.
    pub fn burst(&mut self, now: Time, n: u32) {
        self.advance(now);
        let lines = self.sessions.iter().flat_map(|(conn, session)| {
            let streams = session.subscriptions.iter().filter(|(_, s)| s.feed.is_stream());
            streams.map(|(key, _)| (*conn, *key))
        });
        let lines: Vec<(ConnId, Key)> = lines.collect();
        for _ in 0..n.min(limits::MAX_SIM_BURST) {
            for (conn, key) in &lines {
                self.update_once(*conn, *key);
            }
        }
    }
}
