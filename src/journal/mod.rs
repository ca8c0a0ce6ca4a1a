//! The order journal: what must survive twsmux. Which client's order is which order at the Gateway, which ids were used,
//! and what an owner who is away has still to hear.
//!
//! Owns: [`Record`], the facts worth keeping; [`State`], what they add up to. May not know: clients, sockets, time.
//! Driven by: `core`, which says what is to be recorded and is begun from a [`State`].

mod record;
mod state;

pub use record::{Outcome, Record};
pub use state::{Execution, Identity, Kept, Order, Owner, State};
