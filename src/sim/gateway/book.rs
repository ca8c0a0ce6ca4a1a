//! All orders and executions, whoever placed them, and the order ids of every client id.
//!
//! Owns: the state of an order and how it is written down. May not know: sessions. Driven by: `orders`, `fills`,
//! `open_orders`.
//!
//! ```text
//!            transmit             trigger, parent filled
//!   Held ------------> PreSubmitted -----------> Submitted ----> Filled
//!     \                    |   \__ refused __ Inactive |
//!      \___________________|___________________________|__(PendingCancel)__ Cancelled
//! ```

use std::collections::BTreeMap;

use super::accounts::UNSET;
use crate::{
    protocol::layout::Record,
    sim::{
        instruments::{Instrument, number, quantity},
        rng,
    },
};

/// Client id and order id: only both together name an order.
pub type Key = (i32, i32);

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Received with transmit off; nobody hears of it.
    Held,
    /// Waits for its trigger or its parent.
    PreSubmitted,
    /// At the exchange.
    Submitted,
    /// Its cancel is on the way.
    PendingCancel,
    /// Done.
    Filled,
    /// Ended without (all of) its quantity.
    Cancelled,
    /// Refused.
    Inactive,
}

impl Status {
    /// The word of messages 3 and 5.
    pub fn word(self) -> &'static str {
        match self {
            Status::Held | Status::PreSubmitted => "PreSubmitted",
            Status::Submitted => "Submitted",
            Status::PendingCancel => "PendingCancel",
            Status::Filled => "Filled",
            Status::Cancelled => "Cancelled",
            Status::Inactive => "Inactive",
        }
    }

    /// Whether it shows among the open orders.
    pub fn is_working(self) -> bool {
        matches!(self, Status::PreSubmitted | Status::Submitted | Status::PendingCancel)
    }

    /// Whether nothing can happen to it any more.
    pub fn is_over(self) -> bool {
        matches!(self, Status::Filled | Status::Cancelled | Status::Inactive)
    }
}

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: Key,
    pub perm_id: i64,
    /// 0 for a combination.
    pub con_id: i64,
    pub account: String,
    /// What the client sent, by field name.
    pub fields: Record,
    pub status: Status,
    /// Changes with every change of the order; timers carry it.
    pub generation: u64,
    /// The generation for which a fill is on its way; 0 when none is.
    pub fill_due: u64,
    pub quantity: f64,
    pub filled: f64,
    pub average: f64,
    pub last_price: f64,
    pub commission: f64,
    pub parent: i32,
    pub parent_perm_id: i64,
    pub why_held: &'static str,
    /// Its stop was reached: it is a market or limit order now.
    pub triggered: bool,
    /// Refused or discarded: a global cancel still names it.
    pub remembered_dead: bool,
    pub completed_status: String,
    pub completed_time: String,
    /// Placed by hand in the Gateway's own window; `bound` once a client has taken it over.
    pub manual: bool,
    pub bound: bool,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct Execution {
    pub key: Key,
    /// Values of message 11 without the request id.
    pub values: Record,
    /// Values of message 59.
    pub commission: Record,
    pub account: String,
    pub symbol: String,
    pub sec_type: String,
    pub buy: bool,
    /// When, UTC.
    pub time: i64,
    /// Its commission is known.
    pub reported: bool,
}

/// All orders and executions.
#[derive(Debug)]
pub struct Book {
    orders: BTreeMap<Key, Order>,
    pub executions: Vec<Execution>,
    next_ids: BTreeMap<i32, i32>,
    next_perm_id: i64,
    /// Executions ever made: their ids are not used again after the book was emptied.
    executed: u64,
    seed: u64,
}

impl Book {
    pub fn new(seed: u64) -> Self {
        Book {
            orders: BTreeMap::new(),
            executions: Vec::new(),
            next_ids: BTreeMap::new(),
            executed: 0,
            next_perm_id: 1_700_000_000 + rng::below(90_000_000, seed, &[7]) as i64,
            seed,
        }
    }

    pub fn get(&self, key: Key) -> Option<&Order> {
        self.orders.get(&key)
    }

    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut Order> {
        self.orders.get_mut(&key)
    }

    pub fn insert(&mut self, order: Order) {
        self.orders.insert(order.key, order);
    }

    /// Removes the orders that `wanted` picks, as if they had never been.
    pub fn forget(&mut self, wanted: impl Fn(&Order) -> bool) {
        self.orders.retain(|_, o| !wanted(o));
    }

    /// The orders that `wanted` picks, by client id and order id.
    pub fn keys(&self, wanted: impl Fn(&Order) -> bool) -> Vec<Key> {
        self.orders.values().filter(|o| wanted(o)).map(|o| o.key).collect()
    }

    pub fn next_id(&self, client: i32, first: i32) -> i32 {
        self.next_ids.get(&client).copied().unwrap_or(first)
    }

    pub fn set_next(&mut self, client: i32, next: i32) {
        self.next_ids.insert(client, next);
    }

    /// An order id was seen: the next one of this client id is above it.
    pub fn saw(&mut self, client: i32, id: i32, first: i32) {
        let next = self.next_id(client, first).max(id.saturating_add(1));
        self.next_ids.insert(client, next);
    }

    /// Number of a new execution, counted from 1.
    pub fn new_execution(&mut self) -> u64 {
        self.executed += 1;
        self.executed
    }

    pub fn new_perm_id(&mut self) -> i64 {
        self.next_perm_id += 1 + rng::below(9, self.seed, &[self.next_perm_id as u64]) as i64;
        self.next_perm_id
    }
}

/// Whether a value that a client sent is neither a zero nor one of the numbers that mean "none".
fn says_something(value: &str) -> bool {
    let none = |n: f64| n == 0.0 || n == f64::MAX || n == f64::from(i32::MAX);
    !value.is_empty() && !value.parse().is_ok_and(none)
}

impl Order {
    /// An order to which nothing has happened yet.
    pub fn new(key: Key, perm_id: i64, con_id: i64, account: String, fields: Record) -> Self {
        let quantity = fields.float("totalQuantity").filter(|q| q.is_finite()).unwrap_or_default();
        Order {
            key,
            perm_id,
            con_id,
            account,
            fields,
            status: Status::Held,
            generation: 0,
            fill_due: 0,
            quantity,
            filled: 0.0,
            average: 0.0,
            last_price: 0.0,
            commission: 0.0,
            parent: 0,
            parent_perm_id: 0,
            why_held: "",
            triggered: false,
            remembered_dead: false,
            completed_status: String::new(),
            completed_time: String::new(),
            manual: false,
            bound: false,
        }
    }

    pub fn buys(&self) -> bool {
        self.fields.get("action") == Some("BUY")
    }

    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// A number that is set.
    pub fn price(&self, name: &str) -> Option<f64> {
        self.fields.float(name).filter(|p| p.abs() < f64::MAX)
    }

    pub fn remaining(&self) -> f64 {
        self.quantity - self.filled
    }

    /// Whether it waits for a price before it is an order at the exchange.
    pub fn has_trigger(&self) -> bool {
        matches!(self.text("orderType"), "STP" | "STP LMT" | "TRAIL" | "TRAIL LIMIT" | "MIT" | "LIT")
    }

    /// The id that clients are shown: manual orders have none until they are bound.
    pub fn shown_id(&self) -> i32 {
        if self.manual && !self.bound { 0 } else { self.key.1 }
    }

    /// Values of message 3.
    pub fn status_record(&self) -> Record {
        let held = if self.status.is_over() { "" } else { self.why_held };
        record! {
            orderId: self.shown_id(),
            status: self.status.word(),
            filled: quantity(self.filled),
            remaining: quantity(self.remaining()),
            avgFillPrice: number(self.average),
            permId: self.perm_id,
            parentId: self.parent,
            lastFillPrice: number(self.last_price),
            clientId: self.key.0,
            whyHeld: held,
            mktCapPrice: "0",
        }
    }

    /// Values of messages 5 and 101: what the client sent, and what a Gateway changes in it (LIVE.md 3).
    pub fn open_record(&self, instrument: Option<&Instrument>) -> Record {
        let mut values = Record::new();
        for (name, value) in self.fields.iter().filter(|(_, v)| says_something(v)) {
            values.set(name, value);
        }
        for rows in [
            "comboLegsCount",
            "orderComboLegsCount",
            "smartComboRoutingParamsCount",
            "algoParamsCount",
            "conditionsCount",
        ] {
            for row in self.fields.rows(rows) {
                values.push(rows, row.clone());
            }
        }
        match instrument {
            Some(i) => {
                let exchange = values.get("exchange").unwrap_or(i.exchange()).to_owned();
                i.describe(&mut values);
                values.set("exchange", exchange);
                if i.right.is_empty() {
                    values.set("right", "?");
                }
            }
            None => {
                values.set("comboLegsDescrip", self.legs());
            }
        }
        values
            .set("orderId", self.shown_id())
            .set("order.orderId", self.shown_id())
            .set("clientId", self.key.0)
            .set("permId", self.perm_id)
            .set("account", &self.account)
            .set("totalQuantity", quantity(self.quantity))
            .set("parentId", self.parent)
            .set("filledQuantity", quantity(self.filled))
            .set("status", self.status.word())
            .set("shareholder", "Not an insider or substantial shareholder")
            .set("submitter", "simulated-user");
        values.remove("transmit");
        if self.status.is_over() {
            values.set("completedStatus", &self.completed_status).set("completedTime", &self.completed_time);
        }
        if self.parent != 0 {
            values.set("parentPermId", self.parent_perm_id);
        }
        let mut default = |name, value: &str| {
            if values.get(name).is_none() {
                values.set(name, value);
            }
        };
        let trail = self.price("lmtPrice").filter(|p| *p != 0.0).map(|p| number(p + 1.0));
        default("tif", "DAY");
        default("lmtPrice", "0.0");
        default("auxPrice", "0.0");
        default("clearingIntent", "IB");
        default("exemptCode", "-1");
        default("minQty", "2147483647");
        default("displaySize", "2147483647");
        default("scaleInitLevelSize", "2147483647");
        default("scaleSubsLevelSize", "2147483647");
        default("scalePriceIncrement", UNSET);
        default("adjustedOrderType", "None");
        default("deltaNeutralOrderType", "None");
        default("deltaNeutralOpenClose", "?");
        for name in [
            "triggerMethod",
            "volatilityType",
            "referencePriceType",
            "deltaNeutralShortSaleSlot",
            "origin",
            "shortSaleSlot",
            "adjustableTrailingUnit",
            "usePriceMgmtAlgo",
        ] {
            default(name, "0");
        }
        // The text form of open orders has no place for these.
        default("routeMarketableToBbo", "0");
        default("seekPriceImprovement", "0");
        default("trailStopPrice", trail.as_deref().unwrap_or(UNSET));
        let trail = values.get("trailStopPrice").unwrap_or(UNSET).to_owned();
        values.set("trailStopPrice2", trail);
        if matches!(values.get("ocaType"), None | Some("0")) {
            values.set("ocaType", 3);
        }
        // Whatever was asked for, without a hedge the Gateway shows this.
        values.set("dontUseAutoPriceForHedge", 1);
        values
    }

    fn legs(&self) -> String {
        let leg = |l: &Record| format!("{}|{}", l.get("conId").unwrap_or("0"), l.get("ratio").unwrap_or("1"));
        self.fields.rows("comboLegsCount").iter().map(leg).collect::<Vec<_>>().join(",")
    }
}
