//! Deadlines by name. One armed deadline per name; the earliest is what the shell sleeps until.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{ClientKey, UpReqId};
use crate::protocol::model::{Lane, Shared};
use crate::time::Time;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// Look at the port and dial.
    Redial,
    /// The Gateway's handshake has taken too long.
    Handshake,
    /// The Gateway has not answered for a while: look what it has done with the connection.
    Examine,
    /// The pacer may send again.
    Pacer,
    /// The rules on historical data may let something go.
    Held,
    /// Look whether the Gateway is silent.
    Liveness,
    /// The link has been ready long enough to count as stable.
    Stable,
    /// The drain has taken too long.
    Drain,
    /// A question has waited too long for a link.
    Outage,
    /// An order has waited too long for its turn.
    OrderWait,
    /// A request has waited too long for its turn.
    RequestWait,
    /// The Gateway has not listed the executions in time.
    Reconcile,
    /// The asker at the head of a lane has waited too long; the number is the lane's key.
    Lane(Lane, i64),
    /// Nobody came back for a line.
    Line(UpReqId),
    /// Nobody came back for a shared stream.
    Stream(Shared),
    /// A client's greeting, startApi, hold or close has taken too long.
    Client(ClientKey),
    /// A client may have been idle for too long.
    Idle(ClientKey),
}

/// All armed deadlines.
#[derive(Debug, Default)]
pub struct Timers {
    at: BTreeMap<Timer, Time>,
    order: BTreeSet<(Time, Timer)>,
    /// The earliest deadline: it is asked for with every message.
    next: Option<Time>,
}

impl Timers {
    /// Arms a deadline, instead of an earlier one of the same name.
    pub fn arm(&mut self, timer: Timer, at: Time) {
        self.disarm(timer);
        self.at.insert(timer, at);
        self.order.insert((at, timer));
        self.next = self.order.first().map(|(at, _)| *at);
    }

    /// Whether a deadline of this name is armed.
    pub fn is_armed(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// Takes a deadline back.
    pub fn disarm(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.order.remove(&(at, timer));
            self.next = self.order.first().map(|(at, _)| *at);
        }
    }

    /// Takes the deadlines of all lanes back.
    pub fn disarm_lanes(&mut self) {
        let lanes: Vec<Timer> = self.at.keys().filter(|t| matches!(t, Timer::Lane(..))).copied().collect();
        for timer in lanes {
            self.disarm(timer);
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Time> {
        self.next
    }

    /// Takes one deadline that has passed.
    pub fn pop(&mut self, now: Time) -> Option<Timer> {
        if self.next? > now {
            return None;
        }
        let (_, timer) = *self.order.first()?;
        self.disarm(timer);
        Some(timer)
    }
}
