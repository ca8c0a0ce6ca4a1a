//! The Gateway's port as the kernel sees it, without a single connection to it.
//!
//! Owns: the reading of the kernel's socket table, of the processes that hold sockets, and the diagnosis drawn from both; the
//! end of zombies, where a person asks for it.
//! May not know: anything of the protocol, the core, or the runtime; all of it is blocking reads of `/proc`, or of what the
//! system's tools print where there is none.
//! Driven by: `twsmux doctor`, the run loop (zombies before a dial and as a metric; what the Gateway has done with a
//! connection whose handshake it does not answer), tests.
//!
//! **Nothing here connects to anything.** The diagnosis opens no socket of any kind; to end a zombie, [`destroy`] speaks with the
//! kernel over netlink.

pub mod destroy;
pub mod diagnosis;
pub mod far_end;
#[cfg(target_os = "linux")]
mod local;
pub mod owners;
#[cfg(target_os = "linux")]
mod sock_diag;
pub mod table;
pub mod tools;
mod words;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

pub use diagnosis::{Diagnosis, EXIT_CODES, OutOfSight, Question, Verdict, ZombieKind};
pub use far_end::FarEnd;
pub use table::{Snapshot, Socket, State, TableError};

/// How long a fault must last to be reported by [`examine_settled`]. An orderly close leaves CLOSE_WAIT within
/// milliseconds; a pause of the Gateway's garbage collector can stretch that.
pub const SETTLE: Duration = Duration::from_millis(500);

/// Diagnoses the Gateway at `HOST:PORT` from one look at the table. `own` are the near ends of connections to the Gateway
/// that the caller made itself.
pub fn examine(gateway: &str, own: &[SocketAddr]) -> Diagnosis {
    examine_after(gateway, own, Duration::ZERO)
}

/// As [`examine`], but a port that looks ill is looked at again after [`SETTLE`], and only what was there at both looks
/// counts. Blocks that long.
pub fn examine_settled(gateway: &str, own: &[SocketAddr]) -> Diagnosis {
    examine_after(gateway, own, SETTLE)
}

/// How many sockets on this machine with the near port `port` are in `state`, of either family.
///
/// # Errors
/// The table cannot be read.
pub fn count(port: u16, state: State) -> Result<usize, TableError> {
    Ok(Snapshot::of_port(port)?.count(state, port))
}

/// How many sockets of the Gateway at `addr` are in CLOSE_WAIT at this moment. `None` if that cannot be known: the address
/// is not on this machine, its connections end in another namespace, or the table cannot be read. A close in progress is
/// counted too; who acts on the number should see it twice.
///
/// Reads the tables, not the processes. It blocks for milliseconds even where few sockets exist, because the kernel walks
/// its whole hash of connections, once for each family: every few seconds is fine, on a thread that carries no frames.
pub fn zombies_on(addr: SocketAddr) -> Option<usize> {
    zombie_kinds_on(addr).map(|kinds| kinds.len())
}

/// As [`zombies_on`], with the kind of each.
pub fn zombie_kinds_on(addr: SocketAddr) -> Option<Vec<ZombieKind>> {
    diagnosis::zombies_in(&Snapshot::of_port(addr.port()).ok()?, addr)
}

fn examine_after(gateway: &str, own: &[SocketAddr], settle: Duration) -> Diagnosis {
    let addresses: Vec<SocketAddr> = match gateway.to_socket_addrs() {
        Ok(found) => found.map(table::canonical).collect(),
        Err(e) => return diagnosis::blind(gateway, OutOfSight::Unresolved(e.to_string())),
    };
    let Some(port) = addresses.first().map(SocketAddr::port) else {
        return diagnosis::blind(gateway, OutOfSight::Unresolved("the resolver returned nothing".to_owned()));
    };
    let question = Question { name: gateway, addresses: &addresses, own };
    let looked = look(&question, port, None).and_then(|(snapshot, diagnosis)| {
        let ill = !matches!(diagnosis.verdicts[..], [Verdict::Healthy] | [Verdict::Unknown]);
        if settle.is_zero() || !ill {
            return Ok(diagnosis);
        }
        pause(settle);
        look(&question, port, Some(&snapshot)).map(|(_, diagnosis)| diagnosis)
    });
    looked.unwrap_or_else(|e| diagnosis::blind(gateway, OutOfSight::TableUnreadable(e.to_string())))
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no event to wait for: that nothing changes is the finding"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// One look; with an `earlier` one, at what has lasted since.
fn look(
    question: &Question<'_>,
    port: u16,
    earlier: Option<&Snapshot>,
) -> Result<(Snapshot, Diagnosis), TableError> {
    let now = Snapshot::of_port(port)?;
    let snapshot = earlier.map_or_else(|| now.clone(), |then| now.lasting_since(then));
    let owners = owners::Owners::find(&diagnosis::inodes_of_interest(question, &snapshot));
    let diagnosis = diagnosis::diagnose(question, &snapshot, &owners);
    Ok((snapshot, diagnosis))
}
