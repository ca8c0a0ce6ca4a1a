//! The record of messages about orders, in the order in which they arrived.
//!
//! **Every message that asks something of an order is in it, once**: also those that were refused, ignored, or lost
//! when their connection ended. One that waits because answers are delayed comes in when it is carried out, or lost.

use std::collections::VecDeque;

use super::{ConnId, Gateway, cuts::Cut};
use crate::{
    limits,
    protocol::{layout::Record, model::Request},
    sim::view::{Answered, Arrival, ArrivalKind},
};

/// The newest arrivals.
#[derive(Debug, Default)]
pub struct Arrivals {
    list: VecDeque<Arrival>,
    /// The last one is being carried out, and what becomes of it is not known yet.
    open: bool,
}

/// Whether messages of this name are recorded.
pub fn is_recorded(name: &str) -> bool {
    matches!(name, "placeOrder" | "cancelOrder" | "reqGlobalCancel" | "exerciseOptions")
}

impl Gateway {
    /// Messages about orders as they arrived, oldest first: the last [`limits::MAX_SIM_ARRIVALS`] of them. The
    /// statistics say how many older ones were dropped.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.list.iter().cloned().collect()
    }

    /// Records a message and carries it out, unless the connection is to be cut around it.
    pub(super) fn order_message(&mut self, conn: ConnId, request: &Request, values: Record) {
        let name = request.message.name;
        self.record(conn, name, &values);
        if self.mute {
            return self.arrivals.open = false;
        }
        let cut = self.cut_due(name);
        if cut == Some(Cut::BeforeProcessing) {
            self.decide(Answered::Lost);
            return self.cut(conn);
        }
        self.request(conn, request, values);
        self.arrivals.open = false;
        if cut == Some(Cut::AfterProcessing) {
            self.cut(conn);
        }
    }

    /// Records a message that is not carried out.
    pub(super) fn record_as(&mut self, conn: ConnId, name: &str, values: &Record, answered: Answered) {
        if is_recorded(name) {
            self.record(conn, name, values);
            self.decide(answered);
        }
    }

    /// What becomes of the message that is being carried out. Only the first decision counts: what follows concerns
    /// orders that came of it.
    pub(super) fn decide(&mut self, answered: Answered) {
        if std::mem::take(&mut self.arrivals.open)
            && let Some(last) = self.arrivals.list.back_mut()
        {
            last.answered = answered;
        }
    }

    fn record(&mut self, conn: ConnId, name: &str, values: &Record) {
        // The session may be gone already; the statistics remember its client id.
        let Some(client_id) = self.stats.connections[conn.0 as usize - 1].client_id else { return };
        let order_id = values.int("orderId").or(values.int("id")).unwrap_or(-1) as i32;
        let known = self.book.get((client_id, order_id));
        let kind = match name {
            "placeOrder" if values.flag("whatIf") => ArrivalKind::WhatIf,
            "placeOrder" if known.is_some() => ArrivalKind::Modify,
            "placeOrder" => ArrivalKind::Place,
            "cancelOrder" => ArrivalKind::Cancel,
            "exerciseOptions" => ArrivalKind::Exercise,
            _ => ArrivalKind::GlobalCancel,
        };
        let order_ref = match kind {
            ArrivalKind::Cancel => known.map_or("", |o| o.text("orderRef")),
            _ => values.get("orderRef").unwrap_or_default(),
        };
        let number = |name| values.float(name).filter(|n: &f64| n.abs() < f64::MAX);
        let arrival = Arrival {
            time: self.now,
            connection: conn.0,
            client_id,
            order_id,
            kind,
            order_ref: order_ref.into(),
            limit: number("lmtPrice"),
            quantity: number("totalQuantity").or(number("exerciseQuantity")).unwrap_or_default(),
            answered: Answered::Ignored,
        };
        if self.arrivals.list.len() >= limits::MAX_SIM_ARRIVALS {
            self.arrivals.list.pop_front();
            self.stats.arrivals_dropped += 1;
        }
        self.arrivals.list.push_back(arrival);
        self.arrivals.open = true;
    }

    /// Refuses the message that is being carried out.
    pub(super) fn refuse_order(&mut self, conn: ConnId, id: i32, code: i32, text: &str) {
        self.decide(Answered::Refused(code));
        self.error(conn, id, code, text);
    }

    /// The same when it is the order back end that refuses: the time of the error is a whole second.
    pub(super) fn back_end_refusal(&mut self, conn: ConnId, id: i32, code: i32, text: &str) {
        self.decide(Answered::Refused(code));
        self.back_end_error(conn, id, code, text);
    }
}
