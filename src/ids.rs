//! Identifiers as newtypes. **There is no conversion between the two sides**: a downstream id becomes an
//! upstream id only through a table of the core.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// A request id as a client wrote it (any `i32`).
    DownReqId(i32));
id!(/// A request id as the Gateway sees it; unique among all clients of the link.
    UpReqId(i32));
id!(/// An order id in a client's own sequence (1 and above).
    DownOrderId(i32));
id!(/// An order id as the Gateway sees it, in the sequence of the one upstream client id.
    UpOrderId(i32));
id!(/// The account-wide permanent id that the order back end gives an order. Never rewritten.
    PermId(i64));
id!(/// The API client id that a client sends in startApi. Orders belong to it.
    ClientId(i32));
id!(/// A negotiated server version, 100 and above.
    ServerVersion(u16));
id!(/// One upstream connection attempt and what came of it; grows by one with each dial.
    LinkId(u64));

/// A client connection: its slot in the registry, and the generation of that slot. A reused slot is not the
/// client that had it before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct ClientKey {
    /// Index into the registry.
    pub slot: u32,
    /// How often the slot was given out before.
    pub generation: u32,
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}
