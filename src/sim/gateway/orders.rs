//! Placing, modifying and cancelling orders, and refusing them (LIVE.md 3).

use std::time::Duration;

use super::{
    ConnId, Gateway, Timer,
    book::{Key, Order, Status},
    rejections::Objection,
};
use crate::{
    protocol::layout::Record,
    sim::{
        clock,
        instruments::{number, quantity},
        view::Answered,
    },
};

const ORDER_TYPES: [&str; 32] = [
    "MKT",
    "LMT",
    "STP",
    "STP LMT",
    "TRAIL",
    "TRAIL LIMIT",
    "MOC",
    "LOC",
    "MIT",
    "LIT",
    "MTL",
    "MKT PRT",
    "STP PRT",
    "REL",
    "MIDPRICE",
    "BOX TOP",
    "VOL",
    "SNAP MKT",
    "SNAP MID",
    "SNAP PRIM",
    "PEG MKT",
    "PEG MID",
    "PEG PRIM",
    "PEG STK",
    "PEG BEST",
    "PEG BENCH",
    "PEGBENCH",
    "PEGBEST",
    "PEGMID",
    "PASSV REL",
    "TRAIL LIT",
    "TRAIL MIT",
];

/// Why there is no order: code and text of the single error.
type Refusal = (i32, String);

fn refuse<T>(code: i32, text: impl Into<String>) -> Result<T, Refusal> {
    Err((code, text.into()))
}

fn invalid<T>(cause: &str) -> Result<T, Refusal> {
    refuse(321, format!("Error validating request.-'v' : cause - {cause}"))
}

impl Gateway {
    pub(super) fn next_order_id(&self, client: i32) -> i32 {
        self.book.next_id(client, self.config.first_order_id)
    }

    pub(super) fn place_order(&mut self, conn: ConnId, fields: Record) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        let id = fields.int("orderId").unwrap_or(-1) as i32;
        let key = (client, id);
        let next = self.next_order_id(client);
        // Above the next id there is nothing to change unless that id went back: the client means a new order.
        let known = self.book.get(key).filter(|o| id < next || !o.status.is_over());
        if known.is_some() {
            return self.modify_order(conn, key, fields);
        }
        if id < next || self.book.get(key).is_some() {
            return self.refuse_order(conn, id, 103, "Duplicate order id");
        }
        // From here on the id is used up, also by orders that are refused (LIVE.md 1.10).
        self.book.saw(client, id, self.config.first_order_id);
        let mut order = match self.make_order(key, fields) {
            Ok(order) => order,
            Err((code, text)) => return self.back_end_refusal(conn, id, code, &text),
        };
        if order.fields.flag("whatIf") {
            self.decide(Answered::Accepted);
            return self.show_what_if(conn, &order);
        }
        if let Some(objection) = self.objection(&order) {
            return self.reject(conn, order, &objection);
        }
        self.decide(Answered::Accepted);
        self.stats.orders_placed += 1;
        let transmit = order.fields.flag("transmit");
        order.status = Status::Held;
        self.book.insert(order);
        if transmit {
            self.transmit(key);
        }
        self.attach(conn, key);
    }

    /// Places the orders that a client had attached to a new one: profit taker and stop loss, as its children. Prices
    /// come from the presets of the Gateway, which are two percent here.
    fn attach(&mut self, conn: ConnId, key: Key) {
        let Some(parent) = self.book.get(key) else { return };
        let Some(i) = self.instruments.by_id(parent.con_id) else { return };
        let id = |name| parent.fields.int(name).filter(|id| (1..i64::from(i32::MAX)).contains(id));
        let attached = [("ptOrderId", "LMT", "lmtPrice", 0.02), ("slOrderId", "STP", "auxPrice", -0.02)];
        let mut children: Vec<_> = attached
            .into_iter()
            .filter_map(|(name, kind, price, gain)| {
                let mut child = parent.fields.clone();
                ["ptOrderId", "slOrderId", "lmtPrice", "auxPrice"].iter().for_each(|name| child.remove(name));
                let away = if parent.buys() { 1.0 + gain } else { 1.0 - gain };
                let base = parent.price("lmtPrice").filter(|p| *p > 0.0).unwrap_or(i.price);
                child
                    .set("orderId", id(name)?)
                    .set("parentId", key.1)
                    .set("action", if parent.buys() { "SELL" } else { "BUY" })
                    .set("orderType", kind)
                    .set(price, number(i.round(base * away)));
                Some(child)
            })
            .collect();
        children.sort_by_key(|child| child.int("orderId"));
        for child in children {
            self.place_order(conn, child);
        }
    }

    fn make_order(&mut self, key: Key, fields: Record) -> Result<Order, Refusal> {
        let text = |name| fields.get(name).unwrap_or_default();
        let combination = text("secType") == "BAG";
        let con_id = match self.instruments.one(&fields) {
            Ok(i) => i.con_id,
            Err(_) if combination && !fields.rows("comboLegsCount").is_empty() => 0,
            Err(_) => return refuse(200, "No security definition has been found for the request"),
        };
        let (action, kind) = (text("action"), text("orderType"));
        if !matches!(action, "BUY" | "SELL" | "SSHORT") {
            return invalid("Invalid order action was entered");
        }
        if !ORDER_TYPES.contains(&kind) {
            return invalid("Invalid order type was entered");
        }
        let amount = fields.float("totalQuantity").filter(|a| a.is_finite()).unwrap_or_default();
        let by_cash = fields.float("cashQty").is_some_and(|c| c > 0.0 && c < f64::MAX);
        if amount <= 0.0 && !by_cash {
            return refuse(434, "The order size cannot be zero.");
        }
        if fields.int("displaySize").is_some_and(|n| n > 0 && n < 2_147_483_647)
            && text("algoStrategy") == "DarkIce"
        {
            return refuse(10255, "The 'Display Size' order attribute may not be specified for this order.");
        }
        let price = |name| fields.float(name).filter(|p: &f64| p.abs() < f64::MAX);
        if matches!(kind, "LMT" | "STP LMT" | "LIT" | "LOC") && price("lmtPrice").is_none() {
            return invalid("Please enter a limit price");
        }
        if let Some(i) = self.instruments.by_id(con_id) {
            for p in ["lmtPrice", "auxPrice"].into_iter().filter_map(price) {
                if (i.round(p) - p).abs() > 1e-7 {
                    return refuse(
                        110,
                        "The price does not conform to the minimum price variation for this contract.",
                    );
                }
            }
        }
        let account = match (text("account"), &self.config.accounts[..]) {
            ("", [only]) => only.clone(),
            ("", _) => return refuse(435, "You must specify an account."),
            (name, all) if all.iter().any(|a| a == name) => name.to_owned(),
            _ => return invalid("Invalid account code"),
        };
        let parent = fields.int("parentId").unwrap_or_default() as i32;
        // A child outlives its parent in the book when the day is forgotten.
        let is_child = self.book.get(key).is_some_and(|o| o.parent == parent);
        if parent != 0 && !is_child {
            let dead = |o: &&Order| matches!(o.status, Status::Cancelled | Status::Inactive);
            match self.book.get((key.0, parent)).filter(|o| !dead(o)) {
                None => return refuse(10006, "Missing parent order"),
                Some(p) if kind == "TRAIL" && p.text("orderType") == "MKT" => {
                    let text = "Trailing stop orders can be attached to limit or stop-limit orders only.";
                    return refuse(328, text);
                }
                Some(_) => {}
            }
        }
        let mut order = Order::new(key, self.book.new_perm_id(), con_id, account, fields);
        let known = self.book.get((key.0, parent)).map(|p| p.perm_id);
        let parent_perm_id = known.or(self.book.get(key).map(|o| o.parent_perm_id));
        if parent != 0
            && let Some(perm_id) = parent_perm_id
        {
            order.parent = parent;
            order.parent_perm_id = perm_id;
            // The children of one parent cancel each other: their group is the parent's permanent id.
            if order.text("ocaGroup").is_empty() {
                order.fields.set("ocaGroup", perm_id);
            }
        }
        Ok(order)
    }

    /// Sends an order and everything that waited with it to the exchange.
    fn transmit(&mut self, key: Key) {
        let parent = self.book.get(key).map_or(0, |o| o.parent);
        let family = |o: &Order| {
            o.key.0 == key.0
                && o.status == Status::Held
                && (o.key == key || (parent != 0 && (o.key.1 == parent || o.parent == parent)))
        };
        // Parents have lower ids than their children, so this is parent first.
        for member in self.book.keys(family) {
            self.activate(member);
        }
    }

    /// An order goes to the exchange, or waits there for its parent or its trigger.
    pub(super) fn activate(&mut self, key: Key) {
        let Some(order) = self.book.get(key) else { return };
        let waits = order.parent != 0
            && self.book.get((key.0, order.parent)).is_some_and(|p| p.status != Status::Filled);
        let trigger = order.has_trigger() && !order.triggered;
        let conditional = !order.fields.rows("conditionsCount").is_empty();
        let (status, why_held) = match (waits, trigger) {
            (true, true) => (Status::PreSubmitted, "child,trigger"),
            (true, false) => (Status::PreSubmitted, "child"),
            (false, true) => (Status::PreSubmitted, "trigger"),
            // Conditions are never met here, so that such an order rests for as long as a test wants.
            (false, false) if conditional || !self.config.market_open => (Status::PreSubmitted, ""),
            (false, false) => (Status::Submitted, ""),
        };
        if status == Status::Submitted && !order.buys() {
            // Sales were seen to pass through PreSubmitted, purchases not.
            self.change(key, |o| {
                o.status = Status::PreSubmitted;
                o.why_held = "";
            });
            self.announce(key);
        }
        self.change(key, |o| {
            o.status = status;
            o.why_held = why_held;
        });
        self.announce(key);
        if !self.config.market_open {
            self.warn_closed(key);
        }
        if self.try_market(key) {
            return;
        }
        let ioc = self.book.get(key).is_some_and(|o| o.text("tif") == "IOC");
        let generation = self.book.get(key).map_or(0, |o| o.generation);
        if ioc && status == Status::Submitted {
            self.announce(key);
            self.later(self.config.fill_delay, Timer::Expire(key, generation));
            return;
        }
        for n in 1..=self.config.repeats {
            self.later(Duration::from_millis(50 * u64::from(n)), Timer::Repeat(key, generation));
        }
    }

    /// The warning on an order that came outside trading hours; the order lives on.
    fn warn_closed(&mut self, key: Key) {
        let Some(order) = self.book.get(key) else { return };
        let what = match self.instruments.by_id(order.con_id) {
            Some(i) => format!("{} {}", i.symbol, super::market::venue(i)),
            None => order.text("symbol").to_owned(),
        };
        let text = format!(
            "Order Message:\n{} {} {what}\nWarning: Your order will not be placed at the exchange until {}.",
            order.text("action"),
            quantity(order.quantity),
            clock::next_opening(self.wall())
        );
        for conn in self.audience(key) {
            self.back_end_error(conn, key.1, 399, &text);
        }
    }

    /// Changes an order so that timers which were set before do nothing.
    pub(super) fn change(&mut self, key: Key, change: impl FnOnce(&mut Order)) {
        self.counter += 1;
        let generation = self.counter;
        if let Some(order) = self.book.get_mut(key) {
            order.generation = generation;
            change(order);
        }
    }

    fn modify_order(&mut self, conn: ConnId, key: Key, fields: Record) {
        let Some(old) = self.book.get(key).cloned() else { return };
        match old.status {
            // A real one says nothing to this.
            Status::Filled => return,
            Status::Cancelled | Status::Inactive => {
                return self.refuse_order(conn, key.1, 103, "Duplicate order id");
            }
            Status::PendingCancel => {
                return self.back_end_refusal(
                    conn,
                    key.1,
                    105,
                    "Order being modified does not match original order",
                );
            }
            Status::Held | Status::PreSubmitted | Status::Submitted => {}
        }
        let mut new = match self.make_order(key, fields) {
            Ok(order) => order,
            Err((code, text)) => return self.back_end_refusal(conn, key.1, code, &text),
        };
        if new.con_id != old.con_id || new.fields.get("action") != old.fields.get("action") {
            return self.back_end_refusal(
                conn,
                key.1,
                105,
                "Order being modified does not match original order",
            );
        }
        new.perm_id = old.perm_id;
        if new.fields.flag("whatIf") {
            self.decide(Answered::Accepted);
            return self.show_what_if(conn, &new);
        }
        let too_small = (new.quantity <= old.filled && old.filled > 0.0)
            .then(|| Objection::BackEnd("The quantity is not above what was filled.".into()));
        if let Some(objection) = too_small.or_else(|| self.objection(&new)) {
            return self.reject_change(conn, key.1, &objection);
        }
        self.decide(Answered::Accepted);
        let transmit = new.fields.flag("transmit");
        new.filled = old.filled;
        new.average = old.average;
        new.last_price = old.last_price;
        new.commission = old.commission;
        new.manual = old.manual;
        new.bound = old.bound;
        new.status = old.status;
        self.book.insert(new);
        match old.status {
            Status::Held if transmit => self.transmit(key),
            Status::Held => {}
            _ => {
                self.stats.orders_modified += 1;
                self.activate(key);
            }
        }
    }

    pub(super) fn cancel_order(&mut self, conn: ConnId, r: &Record) {
        let Some(client) = self.session(conn).and_then(|s| s.client_id) else { return };
        let id = r.int("orderId").unwrap_or(-1) as i32;
        let key = (client, id);
        let Some(order) = self.book.get(key).filter(|o| !o.manual || o.bound) else {
            let text = format!("OrderId {id} that needs to be cancelled is not found.");
            return self.refuse_order(conn, id, 10147, &text);
        };
        let status = order.status;
        match status {
            Status::PendingCancel | Status::Cancelled | Status::Inactive | Status::Filled => {
                let word = status.word();
                let text =
                    format!("OrderId {id} that needs to be cancelled cannot be cancelled, state: {word}.");
                self.refuse_order(conn, id, 10148, &text);
            }
            Status::Held | Status::PreSubmitted | Status::Submitted => {
                self.decide(Answered::Accepted);
                if self.config.pending_cancel && status != Status::Held {
                    self.change(key, |o| o.status = Status::PendingCancel);
                    self.announce(key);
                    self.announce(key);
                }
                self.kill(key, "", "Cancelled by Trader");
            }
        }
    }

    /// An error that the order back end sends: its time is a whole second.
    pub(super) fn back_end_error(&mut self, conn: ConnId, id: i32, code: i32, text: &str) {
        let time = self.wall() * 1000;
        self.error_at(conn, id, code, text, time);
    }
}
