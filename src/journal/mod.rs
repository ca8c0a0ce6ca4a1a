//! The order journal: what must survive twsmux. Which client's order is which order at the Gateway, which ids were used,
//! and what an owner who is away has still to hear.
//!
//! | file | about |
//! |---|---|
//! | `record.rs`, `state.rs` | the facts worth keeping, and what they add up to |
//! | `format.rs` | their bytes |
//! | `recover.rs`, `salvage.rs` | reading a file that a crash left, and one that is damaged |
//! | `log.rs` | the writer |
//! | `disk.rs` | what it needs of a disk |
//! | `identity.rs` | whose journal it is |
//!
//! Owns: [`Record`], [`State`], the file. May not know: clients, sockets, time, threads.
//! Driven by: `core`, which says what is to be recorded and is begun from a [`State`]; `shell::journal`, whose thread
//! writes.

pub mod disk;
pub mod format;
mod identity;
pub mod log;
mod record;
pub mod recover;
pub mod salvage;
mod state;

pub use disk::{Disk, FileDisk};
pub use identity::{IdentityError, check_upstream_client};
pub use log::{Journal, JournalError, OpenError, Recovered};
pub use record::{Outcome, Record};
pub use state::{Execution, Identity, Kept, Order, Owner, State};
