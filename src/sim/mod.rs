//! A simulated Gateway: answers API clients as Interactive Brokers Gateway does, with a market of its own.
//!
//! Owns: `gateway`, the state machine; `server`, the sockets and the clock around it; `handle`, what tests see and
//! do from outside; `client`, a scripted client for tests. May not know: `core`, `shell`.
//! Driven by: `twsmux sim`, `run --upstream sim`, tests and fuzzers.

/// Builds a [`Record`](crate::protocol::layout::Record): `record! { reqId: 7, price: "1.5" }`.
#[macro_export]
macro_rules! record {
    ($($name:ident : $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut record = $crate::protocol::layout::Record::new();
        $( record.set(stringify!($name), $value); )*
        record
    }};
}

pub mod client;
mod clock;
mod config;
pub mod gateway;
mod handle;
pub mod instruments;
mod rng;
mod server;
mod stats;

pub use config::{SimConfig, ZombieMode};
pub use gateway::Close;
pub use handle::{SimHandle, spawn};
pub use stats::{ConnectionStats, Stats};
