//! What twsmux asks of the Gateway when a link begins, and what it concludes.

use super::*;

impl Shadow {
    pub(super) fn begin_lists(&mut self) {
        self.knows_open_orders = false;
        let missing = (0..self.orders.len())
            .filter(|at| self.orders[*at].met && self.orders[*at].up.is_some() && !self.orders[*at].dead);
        self.lists = Lists { step: Step::Open, missing: missing.collect(), ..Lists::default() };
        self.queue_lane((5, 0), Ask::of_twsmux(16));
    }

    /// What the Gateway said before its accounts were known is heard now.
    pub(super) fn hear_held_back(&mut self) {
        for held in std::mem::take(&mut self.held_back) {
            match held {
                HeldBack::Order(at, message, values) => self.hear_order(at, message, values, true),
                HeldBack::Error(at, code, values) => self.hear_order_error(at, code, values),
                HeldBack::Execution(exec, values) => self.hear_execution(exec, None, values),
                HeldBack::Commission(exec, values) => self.hear_commission(exec, &values),
            }
        }
    }

    /// The end of a list that twsmux asked for in a lane.
    pub fn own_list_done(&mut self, lane: LaneKey) {
        self.knows_open_orders |= (lane.0, self.lists.step) == (5, Step::Open);
        if matches!((lane.0, self.lists.step), (5, Step::Open) | (99, Step::Completed)) {
            self.next_list();
        }
    }

    /// The end of its execution query.
    pub fn own_query_done(&mut self) {
        if self.lists.step == Step::Executions {
            self.next_list();
        }
    }

    /// A list was refused or does not end: the next one is asked for all the same.
    pub fn list_failed(&mut self) {
        if self.lists.step != Step::Idle {
            self.lists.refused = true;
            self.next_list();
        }
    }

    fn next_list(&mut self) {
        let has_completed = self.version >= Some(150);
        match self.lists.step {
            Step::Open => {
                self.lists.step = Step::Executions;
                self.lists.deadline = u64::MAX;
                self.queries.push((Asker::Own, Vec::new()));
                self.queue(BESIDE, Turn::OwnQuery, Some(0));
            }
            Step::Executions if has_completed && (self.learning || !self.lists.missing.is_empty()) => {
                self.lists.step = Step::Completed;
                self.queue_lane((99, 0), Ask::of_twsmux(99));
            }
            Step::Idle => {}
            _ => self.conclude(),
        }
    }

    fn conclude(&mut self) {
        let done = std::mem::take(&mut self.lists);
        for at in done.missing {
            if !done.refused && done.prices.contains_key(&at) {
                self.remark(at, 399); // it has fills and is not open: it is over
                self.orders[at].dead = true;
            } else if !done.refused || !self.orders[at].spoken {
                self.is_lost(at);
            }
        }
        self.learnt();
    }

    fn learnt(&mut self) {
        if !self.learning {
            return;
        }
        self.identity = self.accounts.clone();
        // What it has not told of by now is of no account any more.
        for at in 0..self.orders.len() {
            if !self.orders[at].met {
                self.orders[at].gone = true;
            }
        }
        self.link_ready();
    }

    /// A completed order in the answer to twsmux; `named`: the message says its ids, not only the permanent one.
    pub fn hear_completed(&mut self, at: usize, named: bool, filled: u64, quantity: u64) {
        let order = &self.orders[at];
        if named {
            self.raise(order.up.expect("it left"));
        }
        if !(named || self.orders[at].perm_known) || !self.lists.missing.remove(&at) {
            return;
        }
        let price = self.lists.prices.get(&at).copied();
        let order = &mut self.orders[at];
        (order.spoken, order.unknown, order.flight, order.perm_known) = (true, false, None, true);
        let mut r = Record::new();
        r.set("orderId", order.down)
            .set("clientId", order.owner)
            .set("status", order.ended.expect("it ended"));
        r.set("filled", filled).set("remaining", quantity - filled).set("permId", perm(at));
        r.set("avgFillPrice", if price.is_some() { "10.5" } else { "0" });
        r.set("lastFillPrice", price.unwrap_or(0)).set("mktCapPrice", 0).set("whyHeld", "");
        (order.dead, order.open) = (true, None);
        r.set("parentId", self.orders[at].parent.map_or(0, |p| self.orders[p].down));
        self.tell_completed(at, r);
    }
}

/// The permanent id of an order.
pub fn perm(at: usize) -> u64 {
    9_000_000 + at as u64
}
