//! Clients that hold nothing and say nothing: closed after a while, where the settings say so.

use super::client::Phase;
use super::io::Gone;
use super::timers::Timer;
use super::{Core, Ctx, codes};
use crate::ids::ClientKey;

impl Core {
    /// A client is ready, or the time after which it counts as idle has changed.
    pub(super) fn watch_idleness(&mut self, ctx: &Ctx<'_>, key: ClientKey) {
        self.timers.disarm(Timer::Idle(key));
        let time = self.config.idle_client_time;
        if let Some(client) = self.clients.get(key).filter(|_| !time.is_zero()) {
            self.timers.arm(Timer::Idle(key), (client.heard + time).max(ctx.now));
        }
    }

    pub(super) fn look_at_idle_client(&mut self, ctx: &mut Ctx<'_>, key: ClientKey) {
        let time = self.config.idle_client_time;
        let Some(client) = self.clients.get(key).filter(|c| c.phase == Phase::Ready && !time.is_zero())
        else {
            return;
        };
        let due = client.heard + time;
        if due > ctx.now {
            return self.timers.arm(Timer::Idle(key), due);
        }
        if self.holds_something(key) {
            return self.timers.arm(Timer::Idle(key), ctx.now + time);
        }
        let words = format!(
            "twsmux closes this connection: this client has nothing subscribed, asked or ordered, and has said nothing for \
             {} s (idle_client_time). Connect again when there is something to do.",
            time.as_secs_f64()
        );
        self.close_client(ctx, key, Gone::Idle, Some((codes::NOT_CONNECTED, words)));
    }

    /// Whether a client waits for something: an answer, a stream, or what becomes of an order.
    fn holds_something(&self, key: ClientKey) -> bool {
        let Some(client) = self.clients.get(key) else { return false };
        let has_order = client
            .id
            .is_some_and(|id| self.orders.live_of(id).next().is_some() || self.config.policies.of(id).master);
        let subscribed = super::shared::ALL.iter().any(|stream| self.streams.get(*stream).has(key));
        let asks = self.lanes.is_asked_by(key) || self.asks_later(key);
        has_order || subscribed || asks || !client.active.is_empty() || client.unread() > 0
    }
}
