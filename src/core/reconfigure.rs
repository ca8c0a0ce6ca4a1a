//! Settings that change while twsmux runs.

use super::client::Phase;
use super::pacer::What;
use super::permits::KILL_SWITCH;
use super::timers::Timer;
use super::{Config, Core, Ctx, HistoricalPacing};

impl Core {
    /// The settings in effect.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes over what can change under way; the rest stays. `config::settings` says which is which, and a test compares
    /// the two.
    pub(super) fn reconfigure(&mut self, ctx: &mut Ctx<'_>, new: &Config) {
        if self.config.messages_per_second != new.messages_per_second {
            self.pacer.set_limit(new.messages_per_second, ctx.now);
        }
        self.pacer.keep_history_rules(new.historical_pacing == HistoricalPacing::Delay);
        let stops = new.kill_switch && !self.config.kill_switch;
        let config = &mut self.config;
        config.kill_switch = new.kill_switch;
        config.historical_pacing = new.historical_pacing;
        config.messages_per_second = new.messages_per_second;
        config.duplicate_client = new.duplicate_client;
        config.backoff_min = new.backoff_min;
        config.backoff_max = new.backoff_max;
        config.handshake_time = new.handshake_time;
        config.max_clients = new.max_clients;
        config.idle_client_time = new.idle_client_time;
        config.line_grace = new.line_grace;
        config.repeat_time = new.repeat_time;
        config.limits = new.limits;
        config.policies = new.policies.clone();
        self.highest = self.highest.highest(new.limits);
        self.share_unsent();
        match self.pacer.oldest_order() {
            Some(since) => self.timers.arm(Timer::OrderWait, since + new.limits.order_wait),
            // It may stand for one that has left, at the end of a longer wait.
            None => self.timers.disarm(Timer::OrderWait),
        }
        self.watch_patience_again();
        for key in self.clients.keys_in(Phase::Ready) {
            self.watch_idleness(ctx, key);
        }
        if stops {
            self.refuse_waiting(ctx, |q| matches!(q.post.what, What::Order(_)), KILL_SWITCH);
        }
    }
}
