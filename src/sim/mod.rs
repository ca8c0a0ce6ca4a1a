//! A simulated Gateway: answers API clients as Interactive Brokers Gateway does, with a market of its own.
//!
//! Owns: `gateway`, the state machine; `server`, the sockets and the clock around it; `handle`, what tests see and
//! do from outside; `control` and `commands`, the same
//! over TCP; `client`, a scripted client for tests. May not know: `core`, `shell`.
//! Driven by: `twsmux sim`, `run --upstream sim`, tests and fuzzers.

pub mod client;
mod clock;
mod commands;
mod config;
pub mod control;
pub mod gateway;
mod handle;
pub mod instruments;
mod rng;
mod server;
mod stats;
mod view;

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

pub use config::{Commissions, Drip, OrderFaults, SimConfig, ZombieMode};
pub use gateway::{Close, Cut, NextId, RejectRule, Rejection, Restart};
pub use handle::{SimHandle, spawn};
pub use stats::{ConnectionStats, Stats};
pub use view::{Answered, Arrival, ArrivalKind, BookExecution, BookOrder};

use crate::protocol::dialect::Dialect;

/// The newest server version that is spoken.
pub const LATEST: u16 = 226;

/// The tables of a server version, compiled once for all that is simulated in this process.
fn dialect(version: u16) -> &'static Dialect {
    static COMPILED: RwLock<BTreeMap<u16, &'static Dialect>> = RwLock::new(BTreeMap::new());
    if let Some(known) = COMPILED.read().unwrap_or_else(PoisonError::into_inner).get(&version) {
        return known;
    }
    let mut compiled = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    compiled.entry(version).or_insert_with(|| Box::leak(Box::new(Dialect::new(version))))
}
