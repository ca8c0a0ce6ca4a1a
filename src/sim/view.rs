//! What tests may know of the orders of a simulated Gateway.
//!
//! Owns: plain values, copied out of the state machine. May not know: how it keeps them.
//! Driven by: `gateway`, which fills them in; `handle` and `control`, which hand them out.

use serde::Serialize;

use crate::time::Time;

/// An order of the Gateway's book, whoever placed it and whatever became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BookOrder {
    /// Client id of the client that placed it; 0 for an order placed by hand.
    pub client_id: i32,
    /// Its id as clients are shown it: 0 for an order placed by hand until a client has taken it over.
    pub order_id: i32,
    /// Permanent id. Orders that were placed later have higher ones.
    pub perm_id: i64,
    /// The client's own note on the order.
    pub order_ref: String,
    /// Account.
    pub account: String,
    /// Contract id; 0 for a combination.
    pub con_id: i64,
    /// Symbol.
    pub symbol: String,
    /// `BUY`, `SELL` or `SSHORT`.
    pub action: String,
    /// Order type.
    pub order_type: String,
    /// Limit price, when it has one.
    pub limit: Option<f64>,
    /// Stop price or offset (the field `auxPrice`), when it has one.
    pub stop: Option<f64>,
    /// Whole quantity.
    pub quantity: f64,
    /// Quantity that was executed.
    pub filled: f64,
    /// Quantity that was not.
    pub remaining: f64,
    /// Average price of what was executed; 0 when nothing was.
    pub average: f64,
    /// The word that clients are shown for its state.
    pub status: &'static str,
    /// How it ended, as completedOrder says it; empty as long as it has not.
    pub completed_status: String,
    /// Order id of its parent; 0 without one.
    pub parent: i32,
    /// Its group, in which one fill cancels the others; empty without one.
    pub oca_group: String,
    /// It came with transmit off and still waits: clients hear nothing of it.
    pub held: bool,
    /// Placed by hand in the Gateway's own window.
    pub manual: bool,
    /// It is among the open orders.
    pub working: bool,
    /// Nothing can happen to it any more.
    pub over: bool,
}

/// An execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BookExecution {
    /// Its id, never used twice.
    pub exec_id: String,
    /// Client id of its order.
    pub client_id: i32,
    /// Order id of its order, as it was shown with the execution.
    pub order_id: i32,
    /// Permanent id of its order.
    pub perm_id: i64,
    /// The note on its order.
    pub order_ref: String,
    /// Account.
    pub account: String,
    /// Whether it was a purchase.
    pub buy: bool,
    /// Quantity of this execution.
    pub quantity: f64,
    /// Its price.
    pub price: f64,
    /// What its order had filled with it.
    pub cumulative: f64,
}

/// What a message about orders asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// placeOrder with an id that is not in the book.
    Place,
    /// placeOrder with an id that is in the book.
    Modify,
    /// placeOrder that only asks what would happen.
    WhatIf,
    /// cancelOrder.
    Cancel,
    /// reqGlobalCancel.
    GlobalCancel,
    /// exerciseOptions.
    Exercise,
}

/// What became of a message about orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// It was carried out.
    Accepted,
    /// It was refused with this error code.
    Refused(i32),
    /// It was read, and nothing came of it: a change of a filled order, or a Gateway that is mute.
    Ignored,
    /// The connection ended before it was carried out.
    Lost,
}

/// A message about orders as it arrived.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arrival {
    /// When, on the Gateway's clock.
    pub time: Time,
    /// Number of the connection, as in the statistics.
    pub connection: u64,
    /// Client id of the connection.
    pub client_id: i32,
    /// Order id of the message; -1 without one.
    pub order_id: i32,
    /// What it asked for.
    pub kind: ArrivalKind,
    /// The note on the order: that of the message, or for a cancel that of the order in the book.
    pub order_ref: String,
    /// Limit price of the message, when it has one.
    pub limit: Option<f64>,
    /// Quantity of the message; 0 without one.
    pub quantity: f64,
    /// What became of it.
    pub answered: Answered,
}
