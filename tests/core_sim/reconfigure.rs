//! SIGHUP: settings change under way, for the core, for the shadow, and for the simulation's own count of messages.
//!
//! Not changed here: `line_grace` (nothing is shared in this simulation; `line_sim` has it), `max_queued_per_client`, the
//! policies but for the global cancel.

use std::collections::BTreeSet;
use std::time::Duration;

use twsmux::core::DuplicateClient;
use twsmux::core::policy::{GlobalCancel, Policy};

use super::*;

impl Sim {
    /// Some settings become other ones, at one moment for all.
    pub(super) fn reconfigure(&mut self) {
        let mut config = self.w.core.config().clone();
        for _ in 0..1 + self.rng.below(3) {
            self.change_one(&mut config);
        }
        self.w.rate = config.messages_per_second.map(|n| n as usize);
        let micros = |time: Duration| time.as_micros() as u64;
        let denied = config.policies.by_id.iter().filter(|(_, p)| p.global_cancel == GlobalCancel::Deny);
        let denied: BTreeSet<i32> = denied.map(|(id, _)| id.0).collect();
        self.m.changes(|settings| {
            settings.replace = config.duplicate_client == DuplicateClient::Replace;
            settings.max_clients = config.max_clients;
            settings.requests = config.limits.requests_per_client;
            settings.order_wait = micros(config.limits.order_wait);
            settings.request_wait = micros(config.limits.request_wait);
            settings.handshake = micros(config.handshake_time);
            settings.drain = micros(config.limits.drain_time);
            settings.denied = denied;
        });
        let outcome = self.w.handle(Input::Reconfigure { config: &config });
        self.feed(outcome, false);
    }

    fn change_one(&mut self, config: &mut Config) {
        let seconds = Duration::from_secs;
        match self.rng.below(13) {
            0..3 => {
                let rates = [Some(1), Some(3), Some(10), Some(45), Some(50), None];
                config.messages_per_second = *self.rng.pick(&rates);
            }
            3 => {
                config.duplicate_client =
                    *self.rng.pick(&[DuplicateClient::Reject, DuplicateClient::Replace]);
            }
            4 => config.max_clients = *self.rng.pick(&[1, 4, 6, 1024]),
            5 => config.limits.requests_per_client = *self.rng.pick(&[1, 3, 6, 5000]),
            6 => config.limits.order_wait = seconds(*self.rng.pick(&[1, 4, 10, 30])),
            7 => {
                let id = ClientId(self.rng.below(9) as i32);
                let global_cancel = *self.rng.pick(&[GlobalCancel::Forward, GlobalCancel::Deny]);
                config.policies.by_id.insert(id, Policy { global_cancel, ..Policy::default() });
            }
            8..10 => {
                config.limits.conflate_above = *self.rng.pick(&[200, 1000, 5000, 1 << 20]);
                config.limits.outbox = *self.rng.pick(&[24 << 10, 64 << 10, 40 << 20]);
                config.limits.slow_time = seconds(*self.rng.pick(&[3, 10, 25]));
            }
            12 => config.limits.request_wait = seconds(*self.rng.pick(&[4, 20, 300])),
            10 => {
                config.handshake_time = seconds(*self.rng.pick(&[5, 25, 60]));
                config.backoff_min = seconds(*self.rng.pick(&[1, 15, 40]));
                config.backoff_max = config.backoff_min * *self.rng.pick(&[1, 4]);
            }
            _ => {
                config.limits.drain_time = seconds(*self.rng.pick(&[1, 3, 10]));
                config.repeat_time = seconds(*self.rng.pick(&[0, 15]));
            }
        }
    }
}
