//! A restart of the Gateway: what it keeps, and what it may lose.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Close, Gateway, book::Status};
use crate::time::Time;

/// What is different after a restart. By default nothing is: orders, executions, order ids, accounts and the version
/// stay, and only the connections are gone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restart {
    /// Next order ids that change, by client id. After one that went back, ids from it on are accepted again, and
    /// those of orders that are still in the book and over are refused as duplicates.
    pub next_order_ids: BTreeMap<i32, NextId>,
    /// Orders that were never transmitted are gone.
    pub forget_held: bool,
    /// Completed orders and all executions are gone, as after a night.
    pub forget_day: bool,
    /// The managed accounts from now on, at least one. One that was there before comes back with what it holds.
    pub accounts: Option<Vec<String>>,
    /// Highest server version offered from now on.
    pub max_version: Option<u16>,
    /// The listener stays closed until it is opened ([`SimHandle::accept_connections`]). Of no meaning to the state
    /// machine by itself.
    ///
    /// [`SimHandle::accept_connections`]: crate::sim::SimHandle::accept_connections
    pub stay_down: bool,
}

/// How the next order id of a client id changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextId {
    /// It becomes this number.
    To(i32),
    /// It becomes so much lower.
    BackBy(i32),
}

impl Gateway {
    /// Restarts: every connection is reset, zombies are gone, a wedged listener answers again.
    pub fn restart(&mut self, now: Time, how: &Restart) {
        self.close_all(now, Close::Reset);
        self.stats.wedged = false;
        for (client, next) in &how.next_order_ids {
            let next = match next {
                NextId::To(id) => *id,
                NextId::BackBy(n) => self.next_order_id(*client).saturating_sub(*n),
            };
            self.book.set_next(*client, next);
        }
        if how.forget_held {
            self.book.forget(|o| o.status == Status::Held);
        }
        if how.forget_day {
            self.book.forget(|o| o.status.is_over());
            self.book.executions.clear();
        }
        if let Some(names) = how.accounts.as_ref().filter(|names| !names.is_empty()) {
            self.config.accounts.clone_from(names);
            self.accounts.manage(&self.config);
        }
        if let Some(version) = how.max_version {
            self.config.max_version = version;
        }
    }
}
