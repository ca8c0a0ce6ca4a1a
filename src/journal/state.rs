//! What the records add up to.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rustc_hash::FxBuildHasher;

use super::record::{Outcome, Record};
use crate::ids::{ClientId, DownOrderId, PermId, UpOrderId};
use crate::limits;

type Map<K, V> = indexmap::IndexMap<K, V, FxBuildHasher>;

/// Whose journal it is.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Identity {
    /// twsmux's client id at the Gateway.
    pub upstream_client: ClientId,
    /// The managed accounts, sorted.
    pub accounts: Vec<String>,
}

/// How far a client has come with its order ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Owner {
    /// What nextValidId says to it at least.
    pub next: i32,
    /// The highest id that it used for an order.
    pub placed: i32,
}

/// One order.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Order {
    /// Whose.
    pub owner: ClientId,
    /// Its id there.
    pub down: DownOrderId,
    /// Whether the Gateway has spoken of it.
    pub arrived: bool,
    /// Its permanent id, once known.
    pub perm: Option<PermId>,
    /// How it ended.
    pub over: Option<Outcome>,
    /// Whether its owner was told that its fate is unknown.
    pub unknown: bool,
}

/// One execution that its owner has heard of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Execution {
    /// Its order.
    pub up: UpOrderId,
    /// Whether the owner has heard of its commission, too.
    pub commissioned: bool,
}

/// A message that an absent owner has still to hear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The order; 0 when it is about none that is known.
    pub up: UpOrderId,
    /// The server version in whose form the payload is.
    pub version: u16,
    /// The message as the Gateway sent it.
    pub payload: Bytes,
}

/// Everything that the journal says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Whose journal it is; `None` until the Gateway was met for the first time.
    pub identity: Option<Identity>,
    /// Whether the last twsmux that used it did not stop in order.
    pub running: bool,
    /// The lowest upstream order id that may still be given out; 0 when nothing is known.
    pub next: i32,
    /// The clients and their sequences.
    pub owners: Map<ClientId, Owner>,
    /// The orders by their upstream ids, which rise in the order of placing.
    pub orders: BTreeMap<UpOrderId, Order>,
    /// The executions, likewise; the oldest are forgotten beyond [`limits::MAX_EXECUTIONS`].
    pub executions: Map<Bytes, Execution>,
    /// What absent owners have still to hear, oldest first.
    pub kept: Map<ClientId, VecDeque<Kept>>,
}

impl State {
    /// Takes in one more fact.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Identity { upstream_client, accounts } => {
                self.identity =
                    Some(Identity { upstream_client: *upstream_client, accounts: accounts.clone() });
            }
            Record::Running(running) => self.running = *running,
            Record::Floor { next } => self.next = self.next.max(*next),
            Record::Order { owner, down, up } => {
                self.next = self.next.max(up.0.saturating_add(1));
                self.grow(*owner, down.0.saturating_add(1), down.0);
                let order = Order {
                    owner: *owner,
                    down: *down,
                    arrived: false,
                    perm: None,
                    over: None,
                    unknown: false,
                };
                self.orders.entry(*up).or_insert(order);
            }
            Record::Sequence { owner, next, placed } => self.grow(*owner, *next, *placed),
            Record::Arrived { up, perm } => {
                if let Some(order) = self.orders.get_mut(up) {
                    order.arrived = true;
                    order.unknown = false;
                    order.over = None;
                    order.perm = (perm.0 != 0).then_some(*perm).or(order.perm);
                }
            }
            Record::Over { up, outcome } => {
                if let Some(order) = self.orders.get_mut(up) {
                    order.over = Some(*outcome);
                }
            }
            Record::Unknown { up } => {
                if let Some(order) = self.orders.get_mut(up) {
                    order.unknown = true;
                }
            }
            // Never written of one who has orders; a log that says so is one that somebody made up.
            Record::OwnerForgotten { owner } => {
                if !self.orders.values().any(|order| order.owner == *owner) {
                    self.owners.shift_remove(owner);
                }
            }
            Record::Forgotten { up } => {
                self.orders.remove(up);
            }
            Record::Executed { up, exec_id } => {
                self.executions.entry(exec_id.clone()).or_insert(Execution { up: *up, commissioned: false });
                if self.executions.len() > limits::MAX_EXECUTIONS {
                    // In one go, so that forgetting costs little for each.
                    self.executions.drain(..limits::MAX_EXECUTIONS / 10);
                }
            }
            Record::Commissioned { exec_id } => {
                if let Some(execution) = self.executions.get_mut(exec_id) {
                    execution.commissioned = true;
                }
            }
            Record::Kept { owner, up, version, payload } => {
                let kept = Kept { up: *up, version: *version, payload: payload.clone() };
                self.kept.entry(*owner).or_default().push_back(kept);
            }
            Record::Fetched { owner, count } => {
                if let Some(kept) = self.kept.get_mut(owner) {
                    kept.drain(..kept.len().min(*count as usize));
                    if kept.is_empty() {
                        self.kept.shift_remove(owner);
                    }
                }
            }
        }
    }

    fn grow(&mut self, owner: ClientId, next: i32, placed: i32) {
        let known = self.owners.entry(owner).or_default();
        known.next = known.next.max(next);
        known.placed = known.placed.max(placed);
    }

    /// The shortest list of facts that add up to this state.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let identity = self
            .identity
            .iter()
            .map(|i| Record::Identity { upstream_client: i.upstream_client, accounts: i.accounts.clone() });
        let floor = (self.next != 0).then_some(Record::Floor { next: self.next });
        let owners = self.owners.iter().map(|(owner, o)| Record::Sequence {
            owner: *owner,
            next: o.next,
            placed: o.placed,
        });
        let orders = self.orders.iter().flat_map(|(up, o)| {
            let up = *up;
            [
                Some(Record::Order { owner: o.owner, down: o.down, up }),
                o.arrived.then(|| Record::Arrived { up, perm: o.perm.unwrap_or(PermId(0)) }),
                o.over.map(|outcome| Record::Over { up, outcome }),
                o.unknown.then_some(Record::Unknown { up }),
            ]
            .into_iter()
            .flatten()
        });
        let executions = self.executions.iter().flat_map(|(exec_id, e)| {
            let exec_id = exec_id.clone();
            let commissioned = e.commissioned.then(|| Record::Commissioned { exec_id: exec_id.clone() });
            [Some(Record::Executed { up: e.up, exec_id }), commissioned].into_iter().flatten()
        });
        let kept = self.kept.iter().flat_map(|(owner, kept)| {
            kept.iter().map(|k| Record::Kept {
                owner: *owner,
                up: k.up,
                version: k.version,
                payload: k.payload.clone(),
            })
        });
        let running = self.running.then_some(Record::Running(true));
        identity.chain(running).chain(floor).chain(owners).chain(orders).chain(executions).chain(kept)
    }
}
