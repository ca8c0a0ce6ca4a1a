//! Captures: what went in and out of twsmux, in a file that can be looked at, replayed and sent with a report.
//!
//! Owns: the file's bytes ([`format`](mod@format)), the stand-ins for account numbers ([`mask`]), the thread that writes
//! ([`writer`]), the replay against a core ([`replay`]), and what of a capture may be played again ([`script`],
//! [`harmless`]). May not know: sockets. Driven by: `shell::captures` (writing), `twsmux decode` and `twsmux replay`
//! (reading). For people: `docs/capture.md`.
//!
//! **A capture is what the core was told, and when**: each record of an input has the time that the core was given with
//! it, and each record of an output says how many bytes the socket took. So a core that is told the same again says the
//! same again, to the byte.

pub mod format;
pub mod harmless;
pub mod mask;
pub mod replay;
pub mod script;
pub mod writer;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::ids::ClientId;

/// Bytes of a file at which a capture can be made to end.
pub const LIMITS: RangeInclusive<u64> = 1 << 16..=1 << 40;

/// What a capture is to hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureRequest {
    /// Of whom.
    pub which: Which,
    /// The file; there must be none of this name.
    pub path: PathBuf,
    /// Bytes of the file at which it ends.
    pub limit: u64,
    /// Whether account numbers are replaced by stand-ins.
    pub mask: bool,
}

/// Whose bytes a capture holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Everybody's, those of the Gateway among them.
    All,
    /// What the client with this id sends and is sent, on every connection that it makes. **Nothing of the Gateway's side**:
    /// there nobody can tell one client's bytes from the others'.
    Client(ClientId),
}
