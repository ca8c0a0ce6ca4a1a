//! twsmux: one socket to Interactive Brokers Gateway or TWS, any number of API clients.
//!
//! The layers, and who may know what, are described in `docs/ARCHITECTURE.md`.

pub mod admin;
pub mod capture;
pub mod cli;
pub mod config;
pub mod core;
pub mod ids;
pub mod journal;
pub mod limits;
#[macro_use]
pub mod protocol;
pub mod remedy;
pub mod shell;
pub mod sim;
pub mod sockets;
pub mod telemetry;
pub mod time;
pub mod wire;
