//! What the Gateway has done with one connection: its end of it, as the kernel has it.
//!
//! Owns: [`FarEnd`], and [`far_end`], a pure function from a snapshot to it. May not know: what is said on the connection,
//! and so what it means that something is unread. Driven by: the run loop, while a handshake is not answered; tests.
//!
//! Both ends of a connection within one machine are in the same table, and the Gateway's tells how far its program has
//! come: without an inode it is not accepted, and what is in its receive queue is not read. Whoever only forwards has
//! accepted and read too, and says nothing about the Gateway behind it: that is out of sight.

use std::net::SocketAddr;

use super::diagnosis::{Diagnosis, OutOfSight};
use super::table::{Snapshot, State, TableError, canonical};
use super::{Question, diagnosis, owners::Owners, pause};
use crate::sockets::SETTLE;

/// What the Gateway has done with a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FarEnd {
    /// Its end cannot be seen. Says why.
    OutOfSight(String),
    /// The kernel has finished the connection, or is about to; no program has taken it.
    NotAccepted,
    /// Its program has it, and has not read these bytes.
    Unread(u32),
    /// Its program has read everything.
    Read,
}

/// The look at a connection that this process has to the Gateway at `gateway`, from `near`: the diagnosis of the port and
/// what became of the far end. What looks ill or cannot be seen is looked at twice, [`SETTLE`] apart. Blocks.
pub fn examine(gateway: SocketAddr, near: SocketAddr) -> (Diagnosis, FarEnd) {
    let name = gateway.to_string();
    let question = Question { name: &name, addresses: &[canonical(gateway)], own: &[canonical(near)] };
    let first = look(&question, near, None);
    let looked = match first {
        Ok((snapshot, diagnosis, end)) => {
            if diagnosis.zombies.is_empty() && !matches!(end, FarEnd::OutOfSight(_)) {
                return (diagnosis, end);
            }
            pause(SETTLE);
            look(&question, near, Some(&snapshot))
        }
        Err(error) => Err(error),
    };
    match looked {
        Ok((_, diagnosis, end)) => (diagnosis, end),
        Err(error) => {
            let why = error.to_string();
            let end = FarEnd::OutOfSight(why.clone());
            (diagnosis::blind(&name, OutOfSight::TableUnreadable(why)), end)
        }
    }
}

/// One look; with an `earlier` one, at what has lasted since.
fn look(
    question: &Question<'_>,
    near: SocketAddr,
    earlier: Option<&Snapshot>,
) -> Result<(Snapshot, Diagnosis, FarEnd), TableError> {
    let port = question.addresses[0].port();
    let now = Snapshot::of_port(port)?;
    let lasting = earlier.map_or_else(|| now.clone(), |then| now.lasting_since(then));
    let owners = Owners::find(&diagnosis::inodes_of_interest(question, &lasting));
    let diagnosis = diagnosis::diagnose(question, &lasting, &owners);
    // The end as it is now: it may have been missed before.
    let end = match far_end(&now, question.addresses[0], near, &diagnosis) {
        // Elsewhere one that nobody has accepted looks like one that was.
        FarEnd::Unread(_) if cfg!(not(target_os = "linux")) => {
            FarEnd::OutOfSight("this system does not show whether it was accepted".into())
        }
        end => end,
    };
    Ok((now, diagnosis, end))
}

/// What became of the connection from `near` to `gateway`. Pure.
pub fn far_end(snapshot: &Snapshot, gateway: SocketAddr, near: SocketAddr, diagnosis: &Diagnosis) -> FarEnd {
    match &diagnosis.unknown {
        Some(OutOfSight::NotOnThisMachine) => {
            return FarEnd::OutOfSight("it is not on this machine or not in this network namespace".into());
        }
        Some(OutOfSight::Forwarded(process)) => {
            return FarEnd::OutOfSight(format!("a forwarder listens here, {process}"));
        }
        Some(OutOfSight::OtherNamespace) => {
            return FarEnd::OutOfSight("it is in another network namespace".into());
        }
        Some(OutOfSight::Unresolved(why) | OutOfSight::TableUnreadable(why)) => {
            return FarEnd::OutOfSight(why.clone());
        }
        None => {}
    }
    let ends = (canonical(gateway), canonical(near));
    match snapshot.by_ends().get(&ends) {
        None => FarEnd::OutOfSight("its end of the connection is not in the kernel's table".into()),
        Some(end) if end.state == State::SynRecv || end.inode == 0 => FarEnd::NotAccepted,
        Some(end) => match end.rx_queue {
            None => FarEnd::OutOfSight("this system does not show what is unread".into()),
            Some(0) => FarEnd::Read,
            Some(unread) => FarEnd::Unread(unread),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::owners::{Process, Role};
    use crate::sockets::table::Socket;

    const GATEWAY: &str = "127.0.0.1:4002";
    const NEAR: &str = "127.0.0.1:50000";

    fn socket(local: &str, remote: &str, state: State, rx_queue: u32, inode: u64) -> Socket {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        Socket { local, remote, state, rx_queue: Some(rx_queue), tx_queue: 0, uid: Some(1000), inode }
    }

    fn seen(end: Option<(State, u32, u64)>, unknown: Option<OutOfSight>) -> FarEnd {
        let mut sockets = vec![
            socket(GATEWAY, "0.0.0.0:0", State::Listen, 0, 1),
            socket(NEAR, GATEWAY, State::Established, 0, 2),
            socket(GATEWAY, "127.0.0.1:50001", State::CloseWait, 9, 3),
        ];
        sockets.extend(end.map(|(state, rx, inode)| socket(GATEWAY, NEAR, state, rx, inode)));
        let mut diagnosis = diagnosis::blind(GATEWAY, OutOfSight::NotOnThisMachine);
        diagnosis.unknown = unknown;
        let snapshot = Snapshot::from_parts(sockets, vec![]);
        far_end(&snapshot, GATEWAY.parse().unwrap(), NEAR.parse().unwrap(), &diagnosis)
    }

    #[test]
    fn the_far_end_tells_how_far_the_gateway_has_come() {
        for (end, said) in [
            ((State::Established, 17, 0), FarEnd::NotAccepted),
            ((State::Established, 0, 0), FarEnd::NotAccepted),
            ((State::SynRecv, 0, 0), FarEnd::NotAccepted),
            ((State::Established, 17, 4), FarEnd::Unread(17)),
            ((State::Established, 0, 4), FarEnd::Read),
        ] {
            assert_eq!(seen(Some(end), None), said, "{end:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_said_so_and_not_guessed() {
        let forwarder = Process { pid: 7, command: "socat".into(), role: Role::Forwarder };
        for (unknown, words) in [
            (None, "not in the kernel's table"),
            (Some(OutOfSight::NotOnThisMachine), "not on this machine"),
            (Some(OutOfSight::OtherNamespace), "another network namespace"),
            (Some(OutOfSight::Forwarded(forwarder)), "forwarder"),
            (Some(OutOfSight::TableUnreadable("no /proc".into())), "no /proc"),
        ] {
            let FarEnd::OutOfSight(why) = seen(None, unknown.clone()) else {
                panic!("{unknown:?} is in sight")
            };
            assert!(why.contains(words), "{why}");
            if unknown.is_some() {
                let forwarded = seen(Some((State::Established, 0, 4)), unknown);
                assert!(matches!(forwarded, FarEnd::OutOfSight(_)), "a forwarder's end is not the Gateway's");
            }
        }
    }
}
