//! What clients and the Gateway see of the core, one rule or trap per test. The rules are those of the README and
//! docs/ARCHITECTURE.md; the traps are what real clients and Gateways do.

#[path = "../support/core/mod.rs"]
mod support;

mod answers;
mod handshake;
mod historical;
mod lines;
mod linger;
mod link;
mod mishaps;
mod operate;
mod orders;
mod outages;
mod pacing;
mod policies;
mod protobuf;
mod reconfigure;
mod replay;
mod requests;
mod resume;
mod slow;
mod streams;
mod survival;
mod ticks;
mod trouble;
mod versions;
mod view;
