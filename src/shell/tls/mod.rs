//! TLS: certificates, handshakes, and connections that are encrypted.
//!
//! Owns: everything that knows of certificates. May not know: frames, the core. Driven by: the settings, which have the
//! files read, and `run`.
//!
//! The parts: `identity` (the files, and what they make), `name` (whose certificate it is), `door` (accepting and shaking
//! hands, on a thread of its own), `stream` (a connection of the event loop).
//!
//! **The core hears of a client when its handshake is complete, never before.**

mod door;
mod identity;
mod name;
mod stream;

pub use identity::{Files, Identity, Mistake};
pub(crate) use identity::{certificates, key};

pub(super) use door::{Arrived, open};
pub(super) use stream::TlsStream;
