//! The only async code: sockets, signals, the clock. Carries bytes and actions; does not know what a message means.
//!
//! One `current_thread` runtime owns all sockets and the core: no lock and no channel on the data path. Each
//! socket has one task that reads it and writes what it could not take at once; whoever drives the core writes to
//! the other sockets directly.

pub mod access;
mod bell;
pub mod captures;
pub mod control;
mod downstream;
pub mod journal;
pub mod listen;
pub mod notify;
pub mod reload;
pub mod run;
pub mod state_dir;
pub mod sys;
mod timekeeper;
pub mod tls;
pub mod token;
mod transport;
mod upstream;
