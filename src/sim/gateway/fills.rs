//! What happens to orders at the exchange: triggers, fills, expiry, cancellation, and what follows for their
//! families (LIVE.md 3).

use std::time::Duration;

use super::{
    ConnId, Gateway, Timer,
    accounts::UNSET,
    book::{Execution, Key, Order, Status},
    m,
};
use crate::{
    sim::{
        clock,
        instruments::{Instrument, number, quantity},
        rng,
        view::Answered,
    },
    time::Time,
};

fn commission(i: &Instrument, amount: f64) -> f64 {
    match i.sec_type {
        "OPT" => 0.65 * amount,
        "FUT" => 2.25 * amount,
        "CASH" => 2.0,
        _ => (0.005 * amount).max(1.0),
    }
}

impl Gateway {
    /// The price at which an order would fill now; `None` when it rests.
    fn fill_price(&self, order: &Order) -> Option<f64> {
        if order.status != Status::Submitted {
            return None;
        }
        let i = self.instruments.by_id(order.con_id).filter(|i| i.quoted)?;
        // The market at step 0, not at that of any subscription: a fill depends on the price alone, not on when it
        // happens.
        let q = i.quote(self.config.seed, 0);
        let price = if order.buys() { q.ask } else { q.bid };
        let limit = |l: f64| if order.buys() { l >= price } else { l <= price };
        match order.text("orderType") {
            "MKT" | "STP" | "MIT" | "TRAIL" | "MTL" | "MKT PRT" | "SNAP MKT" => Some(price),
            "LMT" | "STP LMT" | "LIT" | "TRAIL LIMIT" => {
                order.price("lmtPrice").is_some_and(limit).then_some(price)
            }
            _ => None,
        }
    }

    /// Whether the market has reached the stop of an order that waits for it.
    fn is_triggered(&self, order: &Order) -> bool {
        if !self.config.market_open {
            return false;
        }
        let Some(i) = self.instruments.by_id(order.con_id).filter(|i| i.quoted) else { return false };
        let Some(stop) = order.price("auxPrice") else { return false };
        // Stops are reached from the one side, if-touched orders from the other; trailing stops stay where they are.
        match (order.text("orderType"), order.buys()) {
            ("STP" | "STP LMT", true) | ("MIT" | "LIT", false) => i.price >= stop,
            ("STP" | "STP LMT", false) | ("MIT" | "LIT", true) => i.price <= stop,
            _ => false,
        }
    }

    /// Triggers and fills an order if the market allows it; false when it rests.
    pub(super) fn try_market(&mut self, key: Key) -> bool {
        let Some(order) = self.book.get(key).cloned() else { return false };
        if order.why_held == "trigger" && self.is_triggered(&order) {
            self.change(key, |o| {
                o.triggered = true;
                o.why_held = "";
                o.status = Status::Submitted;
            });
            self.announce(key);
        }
        let Some(order) = self.book.get(key) else { return false };
        if self.fill_price(order).is_none() {
            return false;
        }
        // The next part of an order comes when it comes, however often the market moves until then.
        if order.fill_due != order.generation {
            self.fill_after(key, self.config.fill_delay);
        }
        true
    }

    fn fill_after(&mut self, key: Key, mut delay: Duration) {
        let Some(order) = self.book.get_mut(key) else { return };
        let generation = order.generation;
        order.fill_due = generation;
        let filled = order.filled.to_bits();
        let faults = self.config.order_faults;
        if self.by_chance(faults.late_fills, key, [22, filled]) {
            delay += faults.late_by;
        }
        self.later(delay, Timer::Fill(key, generation));
    }

    /// Fills an order, or its next part, at once; false when the market does not allow it or there is no such order.
    pub fn fill_now(&mut self, now: Time, client_id: i32, order_id: i32) -> bool {
        self.advance(now);
        let key = (client_id, order_id);
        let Some(generation) = self.book.get(key).map(|o| o.generation) else { return false };
        let before = self.book.executions.len();
        self.fill(key, generation);
        self.book.executions.len() > before
    }

    pub(super) fn fill(&mut self, key: Key, generation: u64) {
        let Some(order) = self.book.get_mut(key).filter(|o| o.generation == generation) else { return };
        order.fill_due = 0;
        let order = order.clone();
        let Some(price) = self.fill_price(&order) else { return };
        let Some(i) = self.instruments.by_id(order.con_id).cloned() else { return };
        let by_cash = order.quantity <= 0.0;
        let wanted = match by_cash {
            true => (order.price("cashQty").unwrap_or_default() / (price * i.unit())).clamp(1e-4, 1e6),
            false => order.remaining(),
        };
        let shares = wanted.min(self.config.fill_size);
        let fee = commission(&i, shares);
        let signed = if order.buys() { shares } else { -shares };
        let realized = self.accounts.book(&order.account, &i, signed, price, fee);
        let time = self.completed_time();
        self.change(key, |o| {
            o.average = (o.average * o.filled + price * shares) / (o.filled + shares);
            o.filled += shares;
            if by_cash {
                o.quantity = o.filled;
            }
            o.last_price = price;
            o.commission += fee;
            if o.remaining() < 1e-9 {
                o.status = Status::Filled;
                o.completed_status = format!("Filled Size: {}", quantity(o.filled));
                o.completed_time = time;
            }
        });
        let Some(order) = self.book.get(key).cloned() else { return };
        let number_of = self.book.new_execution();
        let execution = self.execution(&order, &i, (shares, price), fee, realized, number_of);
        self.book.executions.push(execution);
        self.stats.executions += 1;
        self.tell_execution(key);
        let done = order.status == Status::Filled;
        self.announce_position(&order.account, order.con_id);
        if done {
            self.after_fill(key);
        } else {
            let delay = self.config.part_delay.unwrap_or(self.config.fill_delay);
            self.fill_after(key, delay);
        }
    }

    fn execution(
        &self,
        order: &Order,
        i: &Instrument,
        (shares, price): (f64, f64),
        fee: f64,
        realized: Option<f64>,
        number_of: u64,
    ) -> Execution {
        let tag = rng::hash(self.config.seed, &[order.perm_id as u64]) as u32;
        let exec_id = format!("{tag:08x}.{:08x}.{number_of:02}.01", order.perm_id as u32);
        let exchange = if i.sec_type == "STK" {
            "NASDAQ"
        } else {
            i.exchanges.split(',').next_back().unwrap_or_default()
        };
        let (buy, wall) = (order.buys(), self.wall());
        let mut values = record! {
            orderId: order.shown_id(),
            exchange: exchange,
            execExchange: exchange,
            execId: &exec_id,
            time: clock::eastern(wall),
            acctNumber: &order.account,
            side: if buy { "BOT" } else { "SLD" },
            shares: quantity(shares),
            price: number(price),
            permId: order.perm_id,
            clientId: order.key.0,
            liquidation: 0,
            cumQty: quantity(order.filled),
            avgPrice: number(order.average),
            orderRef: order.text("orderRef"),
            evRule: "",
            evMultiplier: "",
            modelCode: order.text("modelCode"),
            lastLiquidity: 2,
            optExerciseOrLapseType: -1,
        };
        i.describe(&mut values);
        let commission = record! {
            execId: exec_id,
            commission: number(fee),
            currency: "USD",
            realizedPNL: realized.map_or(UNSET.to_owned(), number),
            yield: UNSET,
            yieldRedemptionDate: "",
        };
        Execution {
            key: order.key,
            values,
            commission,
            account: order.account.clone(),
            symbol: i.symbol.clone(),
            sec_type: i.sec_type.into(),
            buy,
            time: wall,
            reported: true,
        }
    }

    /// A filled order wakes its children and kills its group.
    fn after_fill(&mut self, key: Key) {
        let Some(order) = self.book.get(key).cloned() else { return };
        let group = order.text("ocaGroup").to_owned();
        if !group.is_empty() {
            let rivals = self.book.keys(|o| {
                o.key != key
                    && o.account == order.account
                    && o.text("ocaGroup") == group
                    && o.status.is_working()
            });
            for rival in rivals {
                self.kill(rival, "", "Cancelled by System:\n");
            }
        }
        for child in self.children(key) {
            self.activate(child);
        }
    }

    fn children(&self, key: Key) -> Vec<Key> {
        self.book.keys(|o| o.key.0 == key.0 && o.parent == key.1 && o.status.is_working())
    }

    /// Cancels an order and its children: status first, then 202.
    pub(super) fn kill(&mut self, key: Key, reason: &str, completed: &str) {
        let discarded = self.book.get(key).is_some_and(|o| o.status == Status::Held);
        let time = self.completed_time();
        self.change(key, |o| {
            o.status = Status::Cancelled;
            o.remembered_dead |= discarded;
            o.completed_status = completed.into();
            o.completed_time = time;
        });
        let Some(status) = self.book.get(key).map(|o| o.status_record()) else { return };
        for conn in self.audience(key) {
            self.send(conn, m::ORDER_STATUS, &status);
            self.back_end_error(conn, key.1, 202, &format!("Order Canceled - reason:{reason}"));
        }
        for child in self.children(key) {
            self.kill(child, "", "Cancelled by System:\n");
        }
    }

    /// An immediate-or-cancel order did not fill.
    pub(super) fn expire(&mut self, key: Key, generation: u64) {
        if self.book.get(key).is_some_and(|o| o.generation == generation) {
            self.change(key, |o| o.status = Status::PendingCancel);
            self.announce(key);
            self.kill(key, "", "Cancelled by System:\n");
        }
    }

    pub(super) fn repeat_order(&mut self, key: Key, generation: u64) {
        if self.book.get(key).is_some_and(|o| o.generation == generation && o.status.is_working()) {
            self.announce(key);
        }
    }

    pub(super) fn global_cancel(&mut self, conn: ConnId) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        self.decide(Answered::Accepted);
        for key in self.book.keys(|o| o.key.0 == client && o.remembered_dead) {
            self.not_cancellable(conn, key);
        }
        // What was never transmitted is discarded.
        for key in self.book.keys(|o| o.key.0 == client && o.status == Status::Held) {
            self.kill(key, "Order was discarded.", "Cancelled by System:\nOrder was discarded.");
            self.not_cancellable(conn, key);
        }
        if !self.book.keys(|o| o.status.is_working()).is_empty() {
            self.later(self.config.global_cancel_delay, Timer::CancelAll);
        }
    }

    fn not_cancellable(&mut self, conn: ConnId, key: Key) {
        let perm_id = self.book.get(key).map_or(0, |o| o.perm_id);
        let text =
            format!("Cancel attempted when order is not in a cancellable state.  Order permId ={perm_id}");
        self.error(conn, key.1, 161, &text);
    }

    /// All working orders of all clients, in no meaningful order.
    pub(super) fn cancel_all(&mut self) {
        let mut working = self.book.keys(|o| o.status.is_working());
        let seed = self.config.seed;
        working.sort_by_key(|k| rng::hash(seed, &[k.0 as u64, k.1 as u64]));
        for key in working {
            if self.book.get(key).is_some_and(|o| o.status.is_working()) {
                self.kill(key, "", "Cancelled by Trader");
            }
        }
    }

    pub(super) fn completed_time(&self) -> String {
        clock::eastern(self.wall())
    }

    /// Opens the exchanges, or closes them. What waited for the opening is working then.
    pub fn set_market_open(&mut self, now: Time, open: bool) {
        self.advance(now);
        self.config.market_open = open;
        if open {
            for key in self.book.keys(|o| o.status == Status::PreSubmitted && o.why_held.is_empty()) {
                self.activate(key);
            }
        }
    }

    /// Moves the market of a contract: quotes follow, stops trigger, resting orders fill. False when there is no
    /// such contract.
    pub fn set_price(&mut self, now: Time, con_id: i64, price: f64) -> bool {
        self.advance(now);
        self.move_market(con_id, price, true)
    }

    fn move_market(&mut self, con_id: i64, price: f64, stay: bool) -> bool {
        if !self.instruments.set_price(con_id, price, stay) {
            return false;
        }
        for key in self.book.keys(|o| o.con_id == con_id && o.status.is_working()) {
            self.try_market(key);
        }
        true
    }

    /// One step of the random walk on which a moving market goes.
    pub(super) fn drift(&mut self, step: u64) {
        let Some(interval) = self.config.drift_interval else { return };
        let quoted = self.instruments.all().iter().filter(|i| i.quoted).map(|i| (i.con_id, i.price, i.home));
        for (con_id, price, home) in quoted.collect::<Vec<_>>() {
            // At most a tenth of a percent, and a tenth of the way back.
            let draw = rng::below(2001, self.config.seed, &[con_id as u64, step, 11]) as f64 / 1000.0 - 1.0;
            self.move_market(con_id, price + price * draw * 0.001 + (home - price) * 0.1, false);
        }
        self.later(interval, Timer::Drift(step + 1));
    }
}
