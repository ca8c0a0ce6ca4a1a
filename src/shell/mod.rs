//! Sockets, signals, the clock. Carries bytes and actions; does not know what a message means.
//!
//! One thread, the event loop (`events`), owns all sockets and the core: no lock and no channel on the data path. An event
//! of a socket is a call of its owner (`upstream`, `downstream`), which reads it and writes what it could not take at once;
//! whoever drives the core writes to the other sockets directly. What happens seldom is async code, in tasks of the same
//! thread.

pub mod access;
mod beside;
pub mod captures;
pub mod control;
mod downstream;
mod events;
pub mod journal;
pub mod listen;
pub mod notify;
pub mod reload;
pub mod run;
pub mod state_dir;
pub mod sys;
pub mod tls;
pub mod token;
mod transport;
mod upstream;
